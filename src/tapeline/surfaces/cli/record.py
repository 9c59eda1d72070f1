"""`tapeline record`: every raw frame of some streams on a tape, without a store."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tapeline.app.recording import record_streams
from tapeline.config import load
from tapeline.errors import Retry, StoreUnusable
from tapeline.model.channel import channel
from tapeline.model.instrument import split_id
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import a_while, run_until_signalled
from tapeline.surfaces.options import RestUrl, SomeInstruments, WsUrl
from tapeline.venues import venue_named


def record(
    instruments: SomeInstruments,
    /,
    *,
    channel_: Annotated[
        list[str], Parameter(name="--channel", help="A channel to record; repeat it for several.", negative=())
    ],
    out: Annotated[Path, Parameter(help="The folder that gets the NAME.ws.jsonl.gz and NAME.rest.jsonl.gz files.")],
    for_: Annotated[
        float | None, Parameter(name="--for", validator=a_while, help="Stop after so many seconds.")
    ] = None,
    ws_url: WsUrl = None,
    rest_url: RestUrl = None,
    config: Annotated[
        Path | None, Parameter(help="A configuration, for the addresses of venues and [connection].")
    ] = None,
) -> None:
    """Record raw frames, both directions, with the instrument lists and snapshots that go with them.

    Exit codes: 0 all that came is on tape, 1 nothing came, or not all of it could be written, 2 bad usage.

    Example: `tapeline record binance:BTC/USDT --channel trades --channel book --out ./tapes --for 60`
    """
    loaded = load(config, os.environ)
    configure_logging(msgspec.structs.replace(loaded.log, file=None))
    for text in channel_:
        channel(text)
    taken = run_until_signalled(
        lambda stop: record_streams(
            instruments, channel_, out, stop=stop, for_s=for_, ws_url=ws_url, rest_url=rest_url, config=loaded
        )
    )
    sys.stdout.write(f"{taken.frames} frames in {out}\n")
    if taken.dropped or taken.queued:
        why = taken.last_error or "they came faster than the disk takes them"
        raise StoreUnusable(f"{taken.dropped + taken.queued} frames and answers are not in {out}: {why}")
    if not taken.frames and not _by_rest(instruments, channel_):
        raise Retry(
            f"nothing came, so that nothing is in {out}: `tapeline websocket test` says how far a connection gets"
        )


def _by_rest(instruments: Sequence[str], channels: Sequence[str]) -> bool:
    """Whether no stream brings any of these: then answers are all that is to come."""
    venues = [venue_named(split_id(who)[0]) for who in instruments]
    return all(venue.feed_of(channel(text).wire).asked for venue in venues for text in channels)
