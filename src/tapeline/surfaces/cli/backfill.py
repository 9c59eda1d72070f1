"""`tapeline backfill`: history from the venues' REST calls into a store."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tapeline.app.history.backfill import Backfill, Plan
from tapeline.app.history.filling import fill
from tapeline.config import load
from tapeline.errors import ConfigError
from tapeline.model.channel import channel
from tapeline.model.instrument import split_id
from tapeline.model.stamp import instant
from tapeline.surfaces.filling_view import summary, watcher
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import run_until_signalled


def backfill(
    instruments: Annotated[list[str], Parameter(help="Instruments as VENUE:SYMBOL, one or several.")],
    /,
    *,
    store: Annotated[
        Path | None,
        Parameter(help="The store's folder; it is made where there is none. Left out: the configuration's."),
    ] = None,
    from_: Annotated[str, Parameter(name="--from", help="From this time on: ISO 8601 in UTC, or nanoseconds.")],
    to: Annotated[str | None, Parameter(help="Up to, not including, this time; now where it is not given.")] = None,
    bars: Annotated[
        tuple[str, ...], Parameter(negative=(), help="An interval of the venue's bars; repeat it for several.")
    ] = (),
    trades: Annotated[
        bool, Parameter(negative=(), help="Trades: those of the venue that can be had without a key.")
    ] = False,
    aggtrades: Annotated[bool, Parameter(negative=(), help="Aggregated trades, where the venue has them.")] = False,
    config: Annotated[
        Path | None, Parameter(help="A configuration, for the addresses of venues, [connection] and [store].")
    ] = None,
    rest_url: Annotated[str | None, Parameter(help="Replaces scheme, host and port of the REST address.")] = None,
) -> None:
    """Fetch history into a store: many instruments at once, as fast as each venue's limits allow.

    Progress goes to stderr, what was found to stdout. It may be stopped and called again: it goes on with what is
    missing. What a venue no longer has is said, and noted in the store.

    Exit codes: 0 all that the venues have is there, 1 something is missing or in dispute, or the store is in use,
    2 bad usage.

    Example: `tapeline backfill binance:BTC/USDT --bars 1m --from 2024-01-01 --store ./data`
    """
    loaded = load(config, os.environ, {"store.path": str(store)} if store is not None else {})
    folder = loaded.store.folder
    if folder is None:
        raise ConfigError("which store? Give --store PATH, or --config FILE with [store] path")
    configure_logging(msgspec.structs.replace(loaded.log, file=None))
    plan = Plan(
        instruments=tuple(instruments),
        channels=(*(str(channel(f"bars:{name}")) for name in bars), *(("aggtrades",) if aggtrades else ())),
        trades=trades,
        from_ns=instant(from_),
        to_ns=None if to is None else instant(to),
        rest_url=rest_url,
        config=loaded,
    )
    if not (plan.channels or plan.trades):
        raise ConfigError("say what to fetch: --bars 1m (and others), --trades, --aggtrades")
    venues = {split_id(text)[0] for text in instruments}
    if not all(all(split_id(text)) for text in instruments):
        raise ConfigError(f"{' '.join(instruments)}: write each as VENUE:SYMBOL")
    if rest_url is not None and len(venues) > 1:
        raise ConfigError(f"--rest-url is one venue's address, and these are of {', '.join(sorted(venues))}")
    stopped = False

    async def run(stop: asyncio.Event) -> Backfill:
        nonlocal stopped
        done = await fill(folder, plan, stop=stop, watch=watcher(sys.stderr))
        stopped = stop.is_set()
        return done

    done = run_until_signalled(run)
    sys.stdout.writelines(line + "\n" for line in summary(done))
    if stopped:
        sys.stderr.write("stopped: call it again to go on\n")
    sys.exit(1 if done.incomplete else 0)
