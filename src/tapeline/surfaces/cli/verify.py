"""`tapeline verify`: what a store holds against the venue's own bars, on demand."""

import asyncio
import random
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from tapeline.app.audit.verifying import Checked, Verification, Wish
from tapeline.app.history.asking import Outside
from tapeline.app.sharing import host_budgets
from tapeline.clock import SystemClock
from tapeline.model.channel import channel as parse_channel
from tapeline.model.stamp import iso
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.loop import run_until_signalled
from tapeline.surfaces.options import (
    Addresses,
    AnyInstruments,
    From,
    OneChannel,
    RestUrl,
    Until,
    configured,
    instant_or_none,
    named,
    store_of,
)
from tapeline.surfaces.rows import write_rows
from tapeline.wire.rest import real_fetch

EXIT_EQUAL, EXIT_MISMATCH, EXIT_UNCHECKED = 0, 4, 5
SHOWN = 20  # mismatches of a series, without --json


def verify(
    instruments: AnyInstruments = None,
    /,
    *,
    store: Annotated[
        Path | None,
        Parameter(help="The store's folder; an instance may be writing it. Left out: the configuration's."),
    ] = None,
    channel: OneChannel = None,
    from_: From = None,
    to: Until = None,
    config: Addresses = None,
    rest_url: RestUrl = None,
    json: Annotated[bool, Parameter(help="As a JSON array, one object a series.", negative=())] = False,
) -> None:
    """Compare bars and trades of a store with the venue's own closed bars, field by field, exactly.

    No row is changed. What was found is noted in the ledger, unless an instance is writing the store: mismatches as
    disputed, with both readings, and stretches that our trades' sums prove. Bars that are partial, or that ended less
    than a minute ago, are not compared. A difference that the venue has declared counts as equal, and is said.

    Exit codes: 0 all that was compared is equal, 1 or 2 as everywhere, 4 something is not equal, 5 a series could not
    be compared: the venue does not answer, or has nothing to compare with.

    Example: `tapeline verify binance:BTC/USDT --store ./data --channel bars:1m --from 2024-08-08`
    """
    loaded = configured(config, store)
    folder = store_of(loaded)
    configure_logging(msgspec.structs.replace(loaded.log, file=None))
    wish = Wish(
        instruments=named(instruments or ()), channel="" if channel is None else str(parse_channel(channel)),
        from_ns=instant_or_none(from_), to_ns=instant_or_none(to),
        rest_url=rest_url, config=loaded,
    )  # fmt: skip
    done = run_until_signalled(lambda stop: _verified(folder, wish, stop))
    trouble = done.note()
    if json:
        sys.stdout.write(msgspec.json.encode([_row(each) for each in done.series]).decode() + "\n")
    else:
        _show(done.series)
    if trouble:
        sys.stderr.write(f"{trouble}: nothing was noted in its ledger\n")
    sys.exit(exit_code(done.series))


def exit_code(series: list[Checked]) -> int:
    """What the process ends with."""
    if any(each.state == "mismatch" for each in series):
        return EXIT_MISMATCH
    return EXIT_UNCHECKED if any(each.state == "unchecked" for each in series) else EXIT_EQUAL


async def _verified(folder: Path, wish: Wish, stop: asyncio.Event) -> Verification:
    clock = SystemClock()
    fetch, client = real_fetch(within_s=30.0)
    outside = Outside(fetch=fetch, clock=clock, chance=random.SystemRandom().random, budget=host_budgets(clock))
    found = Verification(folder, wish, outside)
    async with client:
        running = asyncio.create_task(found.run(), name="verify")
        stopped = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (running, stopped):
                task.cancel()
            await asyncio.wait({running, stopped})
    if running.cancelled():
        for each in found.series:
            each.trouble = each.trouble or "stopped before the end"
    else:
        running.result()
    return found


def _row(each: Checked) -> dict[str, Any]:
    return {
        "instrument": each.instrument, "channel": each.channel, "state": each.state, "equal": each.equal,
        "known_differences": each.known, "trouble": each.trouble,
        "mismatches": [
            {"from_ns": one.from_ns, "to_ns": one.to_ns, "differences": one.differences, "ours": one.ours,
             "theirs": one.theirs}
            for one in each.mismatches
        ],
        "unchecked": [{"from_ns": one.from_ns, "to_ns": one.to_ns, "why": one.why} for one in each.unchecked],
    }  # fmt: skip


def _show(series: list[Checked]) -> None:
    rows = (
        (each.instrument, each.channel, each.state, each.equal, len(each.mismatches), len(each.unchecked), each.trouble)
        for each in series
    )
    write_rows(("instrument", "channel", "state", "equal", "mismatches", "unchecked", "trouble"), rows, "table")
    for each in series:
        for one in each.mismatches[:SHOWN]:
            sys.stdout.write(
                f"{each.instrument} {each.channel} {iso(one.from_ns)}: {one.why.removeprefix('audit: ')}\n"
            )
        if len(each.mismatches) > SHOWN:
            sys.stdout.write(f"{each.instrument} {each.channel}: {len(each.mismatches) - SHOWN} more, with --json\n")
