"""Built bars against the store: what a repair, or a restart, has changed of them is made anew from what is held.

A builder knows the trades of its own run only. A bar that was begun by an earlier run, or that lies in a hole longer
than a builder remembers, is made here, once all of it that can be had is held.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from tapeline.app.bars import BarDesk
from tapeline.app.bookkeeping import Bookkeeping, Key
from tapeline.app.instance import Instance
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.errors import NotHeld, StoreBehind, StoreUnusable, UnknownInstrument
from tapeline.market.ladder import holds_whole
from tapeline.market.remake import differing, remade
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import DAY_NS, HOUR_NS, SECOND_NS, Interval, interval
from tapeline.store.reader import Store, open_store
from tapeline.store.writer import Writer
from tapeline.sync.coverage import Range
from tapeline.sync.plan import Errand
from tapeline.sync.repair import ids_of
from tapeline.wire.continuity import Point

LOOK_EVERY_S = 1.0
EVER_NS = -(2**63)
NEAR_NS = 10 * SECOND_NS
SAME_NS = SECOND_NS  # two readings of one trade have stamps that are not farther apart
CHUNK_NS = 6 * HOUR_NS  # of trades read at once
FLUSH_WITHIN_S = 30.0
Away = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs what takes long: on a thread, or at once where time is virtual."""
_log = structlog.get_logger("tapeline")


class Rebuilder:
    """Looks at stretches of built bars until they agree with the store."""

    def __init__(
        self, instance: Instance, ledger: Bookkeeping, writer: Writer, folder: Path, *, clock: Clock,
        points: Mapping[Key, Point], carry: bool = False, away: Away = asyncio.to_thread,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:  # fmt: skip
        self._instance, self._ledger, self._writer, self._folder = instance, ledger, writer, folder
        self._clock, self._away, self._carry = clock, away, carry
        self._look_every_s = look_every_s
        self._points = dict(points)  # where an earlier run ended: bars that it had begun go on in this one
        self._pending: dict[Key, dict[str, list[Range]]] = {}  # by trades channel, by interval
        self.rebuilt = 0

    def look_at(self, instrument: str, of: str, from_ns: int, to_ns: int) -> None:
        """Trades of this time have changed: look at the bars they belong to, once these are closed."""
        found = self._bars_of(instrument, of)
        if found is None:
            return
        ranges = self._pending.setdefault((instrument, of), {})
        for name in found[0].intervals(instrument, of):
            ranges.setdefault(name, []).append((from_ns, to_ns))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._look_every_s)
            try:
                await self.look()
            except (
                OSError,
                sqlite3.Error,
                StoreBehind,
                StoreUnusable,
                NotHeld,
            ) as error:  # the next look may find the disk well
                _log.warning("rebuild bars", trouble=f"{type(error).__name__}: {error}")

    async def look(self) -> None:
        """Everything that is due now."""
        await self._seams()
        for key in sorted(self._pending):
            await self._series(key)
        self._pending = {key: ranges for key, ranges in self._pending.items() if any(ranges.values())}

    async def not_held(self, errand: Errand, rows: Sequence[Trade]) -> Sequence[Trade]:
        """Of these trades, those that the store has not got, not even merged into another."""
        if not rows:
            return rows

        def read() -> list[Trade]:
            self._flushed()
            held = dict[int | str, list[Trade]]()
            stamps = [_stamp(row) for row in rows]
            from_ns, to_ns = min(stamps), max(stamps) + 1
            with open_store(self._folder) as store:  # one that others were merged into has the stamp of one of them
                for each in store.trades_near(errand.instrument, errand.channel, from_ns - NEAR_NS, to_ns + NEAR_NS):
                    for name in _names(each):
                        held.setdefault(name, []).append(each)

            def has(name: int | str, row: Trade) -> bool:  # a number may be given twice, but hardly within seconds
                return any(abs(_stamp(each) - _stamp(row)) <= SAME_NS for each in held.get(name, ()))

            return [row for row in rows if not all(has(name, row) for name in _names(row))]

        found: Sequence[Trade] = await self._away(read)
        return found

    async def held(self, errand: Errand) -> Sequence[Trade]:
        """What the store has of the time of an errand's holes."""

        def read() -> list[Trade]:
            self._flushed()
            with open_store(self._folder) as store:
                key = errand.instrument, errand.channel
                return [each for hole in errand.holes for each in store.trades_near(*key, hole.from_ns, hole.to_ns)]

        found: Sequence[Trade] = await self._away(read)
        return found

    # ---- inside ----------------------------------------------------------------------------------------------

    async def _seams(self) -> None:
        """Bars that an earlier run had begun, once this one's first trade is there; and those it left partial."""
        for key, point in list(self._points.items()):
            bars = self._bars_of(*key)
            builder = bars[0].builder(*key) if bars is not None else None
            if builder is None or builder.since_ns is None:
                continue
            names = bars[0].intervals(*key) if bars is not None else ()
            del self._points[key]
            left = await self._away(partial(self._left, key, names, point, builder.since_ns))
            for name, spans in left.items():
                self._pending.setdefault(key, {}).setdefault(name, []).extend(spans)

    def _left(self, key: Key, names: Sequence[str], ended: Point, since_ns: int) -> dict[str, list[Range]]:
        """What earlier runs may have left undone, by interval, however they ended.

        Bars after the last one stored before this run's first trade; those that are partial though all of them is
        held; and those of what was repaired so shortly before the end that they may not have been made anew. The bar a
        run begins in is partial, so that bars which earlier runs never made lie right before one that is.
        """
        coverage, found = self._ledger.coverage(*key), dict[str, list[Range]]()
        with open_store(self._folder) as store:
            for name in names:
                step = interval(name)
                ended_ns = ended.received_ns if ended.at_ns is None else ended.at_ns
                made_to_ns = _made_to(store, key, step, step.floor(since_ns))  # not this run's bars: they may be there
                from_ns = ended_ns if made_to_ns is None else min(ended_ns, made_to_ns)
                spans = [(from_ns, since_ns + 1)]
                for open_ns in store.partial_bars(key[0], f"bars:{name}@{key[1]}"):
                    made_to_ns = _made_to(store, key, step, open_ns)
                    if made_to_ns is not None and made_to_ns < open_ns:
                        spans.append((made_to_ns, open_ns))
                    if not coverage.missing(whole := (open_ns, step.next(open_ns))):
                        spans.append(whole)
                closing_ns = (step.length_ns or 31 * DAY_NS) + HOUR_NS
                found[name] = [*spans, *coverage.repaired_since(ended.received_ns - closing_ns)]
        return found

    async def _series(self, key: Key) -> None:
        found = self._bars_of(*key)
        ranges = self._pending[key]
        if found is None:
            ranges.clear()
            return
        bars, desk = found
        closed_ns = bars.watermark.value_ns or 0
        if all(_closes_ns(interval(name), each) > closed_ns for name, spans in ranges.items() for each in spans):
            return  # most looks find no bar closed since the last one
        self._ledger.write()  # what is proven up to now
        proven = self._ledger.coverage(*key).proven
        until_ns = min(closed_ns, proven[-1][1] if proven else 0)
        names = sorted(ranges, key=lambda name: interval(name).length_ns or 1 << 62)
        for name in names:
            due, ranges[name] = self._due(key, interval(name), ranges[name], until_ns)
            finer = next((each for each in reversed(names[: names.index(name)]) if _feeds(name, each)), "")
            while due:
                try:
                    await self._rebuild(key, desk, name, finer, due[0])
                except (OSError, sqlite3.Error, StoreBehind, StoreUnusable, NotHeld):
                    ranges[name] += due
                    raise
                due.pop(0)

    def _due(self, key: Key, step: Interval, ranges: Sequence[Range], until_ns: int) -> tuple[list[Range], list[Range]]:
        """(stretches of whole bars to look at now, what to keep for later). A bar with a hole waits for its repair."""
        due, later = list[Range](), list[Range]()
        for low, high in ranges:
            open_ns = step.floor(low)
            while open_ns < high:
                end_ns = step.next(open_ns)
                if end_ns > until_ns:
                    later.append((open_ns, high))
                    break
                if not self._ledger.coverage(*key).to_fetch((open_ns, end_ns)):
                    if due and due[-1][1] == open_ns and end_ns - due[-1][0] <= max(CHUNK_NS, end_ns - open_ns):
                        due[-1] = (due[-1][0], end_ns)
                    else:
                        due.append((open_ns, end_ns))
                open_ns = end_ns
        return sorted(set(due)), sorted(set(later))

    async def _rebuild(self, key: Key, desk: VenueDesk, name: str, finer: str, within: Range) -> None:
        instrument, of = key
        found = desk.symbols.find(instrument.partition(":")[2])

        def read() -> list[Bar]:
            self._flushed()
            with open_store(self._folder) as store:
                coverage = store.covering(instrument, of)  # with what the store itself has found out
                repaired = [(each.from_ns, each.to_ns) for each in coverage.spans(*within) if each.state == "repaired"]
                missing = coverage.missing(within)
                held = _bars(store, instrument, f"{name}@{of}", within)
                parts = _bars(store, instrument, f"{finer}@{of}", within) if finer else []
                trades = [] if finer else store.trades_near(instrument, of, *within)
                before = _bars(store, instrument, f"{name}@{of}", (0, within[0]), last=1) if self._carry else []
                made = remade(
                    found, of, name, within, trades=trades, parts=parts, missing=missing, repaired=repaired,
                    carried=before[-1].close if before else None,
                )  # fmt: skip
                return differing(made, held, self._clock.wall_ns())

        changed = await self._away(read)
        bars = desk.bar_desk(instrument, of)
        for bar in changed:
            self.rebuilt += 1
            self._instance.bus.publish(bar)
            builder = bars.builder(instrument, of) if bars is not None else None
            if builder is not None:
                builder.disown(name, interval(name).next(bar.open_at_ns))

    def _flushed(self) -> None:
        """All that is known must be on disk before the disk is asked. Raises StoreBehind."""
        if not self._writer.flush(FLUSH_WITHIN_S):
            raise StoreBehind("the store is behind: its rows cannot be read yet")

    def _bars_of(self, instrument: str, of: str) -> tuple[BarDesk, VenueDesk] | None:
        for desk in self._instance.desks.values():
            bars = desk.bar_desk(instrument, of)
            if bars is not None:
                return bars, desk
        return None


def _names(trade: Trade) -> Sequence[int | str]:
    """What a trade, or each of those merged into it, is known by."""
    if trade.seq is None:
        return [trade.id]
    first, last = ids_of(trade)
    return range(first, last + 1)


def _stamp(trade: Trade) -> int:
    return trade.received_ns if trade.at_ns is None else trade.at_ns


def _bars(store: Store, instrument: str, name: str, within: Range, *, last: int | None = None) -> list[Bar]:
    """Stored bars; none where there is no such series yet."""
    try:
        return list(store.bars(instrument, name, *within, last=last))
    except (NotHeld, UnknownInstrument):
        return []


def _closes_ns(step: Interval, within: Range) -> int:
    """When the first bar of a stretch has closed."""
    return step.next(step.floor(within[0]))


def _made_to(store: Store, key: Key, step: Interval, before_ns: int) -> int | None:
    """The end of the last bar that is stored of those that open before then; None where there is none."""
    last = _bars(store, key[0], f"{step.name}@{key[1]}", (EVER_NS, before_ns), last=1)
    return step.next(last[-1].open_at_ns) if last else None


def _feeds(coarser: str, finer: str) -> bool:
    return holds_whole(interval(coarser), interval(finer))
