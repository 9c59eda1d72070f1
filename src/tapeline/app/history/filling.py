"""A backfill as a whole: the store locked and opened, the network real, and a clean end whenever it is told to stop."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from tapeline.app.history.asking import Outside
from tapeline.app.history.backfill import Backfill, Plan, Series
from tapeline.app.sharing import host_budgets
from tapeline.clock import SystemClock
from tapeline.errors import StoreLocked, TapelineError
from tapeline.store.reader import open_store
from tapeline.store.writer import StoreWriter
from tapeline.sync.coverage import CLOSED, facts_of
from tapeline.sync.coverage import Span as Stretch
from tapeline.sync.history import Span
from tapeline.sync.walk import Finding
from tapeline.wire.rest import real_fetch

STOP_WITHIN_S = 30.0
BATCH = 5000  # rows of a transaction: nobody waits for these


async def fill(
    folder: Path, plan: Plan, *, stop: asyncio.Event, watch: Callable[[Backfill], Awaitable[None]]
) -> Backfill:
    """Fill a store until all is there, or `stop`; what was fetched by then is kept, and the next run goes on from it.

    `watch` runs beside it, to show how far it is, and is cancelled at the end. Raises StoreLocked, with what to do,
    while an instance writes this store.
    """
    clock = SystemClock()
    writer = StoreWriter(folder, clock=clock, batch_size=BATCH)
    try:
        writer.start()
    except StoreLocked as locked:
        raise StoreLocked(
            f"{locked}. A backfill writes the store itself: stop `tapeline run` first, or fill another --store"
        ) from locked
    fetch, client = real_fetch(within_s=30.0)
    outside = Outside(fetch=fetch, clock=clock, chance=random.SystemRandom().random, budget=host_budgets(clock))

    before = _Before(folder)

    def note(series: Series, finding: Finding, known_at_ns: int) -> None:
        key = (series.instrument.id, series.channel)
        for fact in facts_of(*key, finding, before.holes.get(key, ()), known_at_ns=known_at_ns):
            writer.offer(fact)

    backfill = Backfill(plan, outside, writer, missing=before.missing, note=note)
    try:
        async with client:
            await _until(stop, backfill, watch)
    finally:
        writer.stop(STOP_WITHIN_S)
    for series in backfill.series:
        series.known = before.closed.get((series.instrument.id, series.channel), ())
    counts = writer.statistics()
    if counts.dropped or counts.queue_rows:
        raise TapelineError(f"{counts.dropped + counts.queue_rows} rows did not reach the disk: {counts.last_error}")
    return backfill


class _Before:
    """What the ledger knew of each series before it was filled: its holes, and what is not asked for again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.holes: dict[tuple[str, str], list[Stretch]] = {}
        self.closed: dict[tuple[str, str], list[Stretch]] = {}

    def missing(self, instrument: str, channel: str, span: Span) -> Sequence[Span]:
        """What of this span is to be fetched."""
        with open_store(self._folder) as held:
            coverage = held.ledger.coverage(instrument, channel)
        known = coverage.spans(*span)
        self.holes[instrument, channel] = [each for each in known if each.state == "missing"]
        self.closed[instrument, channel] = [each for each in known if each.state in CLOSED]
        return coverage.to_fetch(span)


async def _until(stop: asyncio.Event, backfill: Backfill, watch: Callable[[Backfill], Awaitable[None]]) -> None:
    running = asyncio.create_task(backfill.run(), name="backfill")
    stopped = asyncio.create_task(stop.wait(), name="stop")
    watching = asyncio.ensure_future(watch(backfill))
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (running, stopped, watching):
            task.cancel()
        await asyncio.wait({running, stopped, watching})
    if not running.cancelled():
        running.result()
