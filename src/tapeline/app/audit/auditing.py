"""The continuous audit: what is stored against the venues' own bars, and books against snapshots, at a low rate.

A call fetches all the bars of a series that have closed since the last one, at the lowest priority. What is not equal
is asked for once more a minute later; only then it is a mismatch: told to the ledger, published, kept with both
readings. No row is ever changed.

Numbers prove that no trade is missing only while a venue gives each of them once. So a bar that we built, and that is
not the venue's, is looked at again in the next turn, when repair has asked for its trades once more: what is unequal
then is no matter of the bar alone, and its trades are in dispute, too.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from tapeline.app.audit.book_audit import audit_book
from tapeline.app.audit.examining import Examined, Subject, counts, examine, unchecked
from tapeline.app.audit.trades_audit import is_new, is_told, trades_judged
from tapeline.app.bookkeeping import Bookkeeping
from tapeline.app.instance import Instance
from tapeline.app.rebuilding import Away
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.config import AuditConfig
from tapeline.errors import BadData, NotHeld, Refused, Retry, StoreBehind, UnknownInstrument
from tapeline.market.coverage import Coverage
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Dispute, Repair
from tapeline.model.fact import HELD, Fact
from tapeline.model.instrument import Instrument, split_id
from tapeline.model.interval import SECOND_NS, interval
from tapeline.store.reader import open_store
from tapeline.store.writer import Writer
from tapeline.sync.audit import Mismatch, disputed, settled_before
from tapeline.venues.spec import Ask, Priority

CONFIRM_S = 60.0
FLUSH_WITHIN_S = 30.0
TRADES_BY = "1m"  # the bars that trades are compared with where no others are streamed
HOUR_S = 3600.0
_log = structlog.get_logger("tapeline")


@dataclass(frozen=True, slots=True)
class AuditStatistics:
    """What was compared so far. `mismatch_rate` is the part of all bars and books that were not equal."""

    calls: int
    bars: int
    books: int
    known_differences: int
    mismatches: int
    mismatch_rate: float
    unchecked: int
    series: int
    trouble: str


@dataclass(slots=True)
class _Turn:
    """How far a series, or a book, has been compared."""

    at: float | None = None  # when it was its turn last
    up_to_ns: int | None = None
    repaired_ns: int | None = None  # what has been repaired since lies after this

    def was_repaired(self, from_ns: int | None) -> None:
        """Something from there on is to be compared again."""
        if from_ns is not None:
            self.repaired_ns = from_ns if self.repaired_ns is None else min(from_ns, self.repaired_ns)


Key = tuple[int, str, str]  # desk, instrument, interval or book channel


class Auditor:
    """Compares one series after another, the one that has waited longest first."""

    def __init__(
        self, instance: Instance, ledger: Bookkeeping, writer: Writer, folder: Path, *, settings: AuditConfig,
        clock: Clock, away: Away = asyncio.to_thread,
    ) -> None:  # fmt: skip
        self._instance, self._ledger, self._writer, self._folder = instance, ledger, writer, folder
        self._settings, self._clock, self._away = settings, clock, away
        self._began = clock.now()
        self._turns: dict[Key, _Turn] = {}
        self._calls = self._bars = self._books = self._known = self._mismatches = self._unchecked = 0
        self._trouble = ""
        instance.bus.subscribe(self._repaired, types=(Repair,), name="tapeline.audit")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            before = self._calls
            await asyncio.sleep(HOUR_S / self._settings.calls_per_hour)
            try:
                await self.look()
            except (Retry, Refused, BadData, NotHeld, UnknownInstrument, OSError, sqlite3.Error) as error:
                self._trouble = f"{type(error).__name__}: {error}"
            more = self._calls - before - 1  # asked twice: the next turn waits for it
            if more > 0:
                await asyncio.sleep(more * HOUR_S / self._settings.calls_per_hour)

    async def look(self) -> None:
        """Compare what has waited longest, where anything is due."""
        for _, key, desk, subject in sorted(self._due(), key=lambda each: each[0]):
            turn = self._turns[key]
            span = self._span(desk, subject, turn) if isinstance(subject, Subject) else None
            if isinstance(subject, Subject) and span is None:
                continue  # nothing has closed yet: it keeps its place
            turn.at = self._clock.now()
            if isinstance(subject, Subject) and span is not None:
                turn.repaired_ns, before_ns = None, turn.repaired_ns
                try:
                    turn.up_to_ns = await self._bars_of(desk, subject, span)
                except BaseException:  # asked for in the next turn
                    turn.was_repaired(before_ns)
                    raise
            elif isinstance(subject, Instrument):
                await self._book_of(desk, subject, key[2])
            return

    def statistics(self) -> AuditStatistics:
        """How it stands."""
        compared = self._bars + self._books
        return AuditStatistics(
            calls=self._calls, bars=self._bars, books=self._books, known_differences=self._known,
            mismatches=self._mismatches, mismatch_rate=self._mismatches / compared if compared else 0.0,
            unchecked=self._unchecked, series=len(self._turns), trouble=self._trouble,
        )  # fmt: skip

    # ---- whose turn it is ------------------------------------------------------------------------------------

    def _due(self) -> Iterator[tuple[float, Key, VenueDesk, Subject | Instrument]]:
        now = self._clock.now()
        for number, desk in enumerate(self._instance.desks.values()):
            for name, subject in self._subjects(desk):
                who = subject.instrument.id if isinstance(subject, Subject) else subject.id
                turn = self._turns.setdefault((number, who, name), _Turn())
                if turn.at is None or now - turn.at >= self._settings.every_s:
                    yield turn.at or float("-inf"), (number, who, name), desk, subject

    def _subjects(self, desk: VenueDesk) -> Iterator[tuple[str, Subject | Instrument]]:
        """What of a desk can be compared, by the interval of the venue's bars, or the book's channel."""
        feed = desk.venue.feeds.get("bars")
        wanted: dict[tuple[str, str], list[str]] = {}
        for track in desk.merge:
            of = parse_channel(track.channel)
            if of.kind == "book" and of.levels is None and self._settings.books and "depth" in desk.venue.rest:
                listed = _listed(desk, track.instrument)
                if listed is not None:
                    yield track.channel, listed
            elif of.kind == "bars":
                wanted.setdefault((track.instrument, of.interval), []).append(track.channel)
            elif of.kind in {"trades", "aggtrades"}:
                bars = desk.bar_desk(track.instrument, of.kind)
                names = () if bars is None else bars.intervals(track.instrument, of.kind)
                for name in names:
                    wanted.setdefault((track.instrument, name), []).append(f"bars:{name}@{of.kind}")
                own = desk.venue.feeds[of.kind]
                if not (own.evidence and own.repair):  # nothing else proves all of it
                    wanted.setdefault((track.instrument, TRADES_BY), []).append(track.channel)
        for (who, name), channels in wanted.items():
            found = _listed(desk, who)
            if found is not None and feed is not None and name in feed.intervals and "bars" in desk.venue.rest:
                yield name, Subject(
                    venue=desk.venue, instrument=found, interval=name, channels=tuple(sorted(channels))
                )  # fmt: skip

    def _repaired(self, repair: Repair) -> None:
        """What was missing when its turn came, and is held now, is compared in the next."""
        for (_, who, _), turn in self._turns.items():
            if who == repair.instrument and repair.state in HELD:
                turn.was_repaired(repair.from_ns)

    # ---- bars ------------------------------------------------------------------------------------------------

    def _span(self, desk: VenueDesk, subject: Subject, turn: _Turn) -> tuple[int, int] | None:
        """All of a series that has become final since its last turn, the newest page of it at most.

        The first turn of a run looks at what an earlier one has left, too.
        """
        now = self._clock.now()
        now_ns = desk.venue_clock.estimate(now)
        if now_ns is None:
            now_ns = self._clock.wall_ns()
        step = interval(subject.interval)
        to_ns = step.floor(settled_before(now_ns, subject.quirks))
        from_ns = turn.up_to_ns
        if from_ns is None:
            who = subject.instrument.id
            wanted = [low for of in _concerned(subject.channels) for low, _ in self._ledger.wanted(who, of)]
            from_ns = step.floor(min([now_ns - int((now - self._began) * SECOND_NS), *wanted]))
        if turn.repaired_ns is not None:
            from_ns = min(from_ns, step.floor(turn.repaired_ns))
        from_ns = max(from_ns, to_ns - step.length_ns * subject.call.page) if step.length_ns else from_ns
        return (from_ns, to_ns) if from_ns < to_ns else None

    async def _bars_of(self, desk: VenueDesk, subject: Subject, span: tuple[int, int]) -> int:
        """Compare; returns where the next turn is to begin."""
        who = subject.instrument.id
        concerned = _concerned(subject.channels)
        concerned |= {f"bars:{name}@{of}" for of in concerned for name in _built_of(desk, who, of)}
        known = {of: _within(self._ledger.coverage(who, of), span) for of in concerned}
        found = await self._examined(desk, subject, span)
        if any(is_new(each, known) for each in found.verdicts):
            await asyncio.sleep(CONFIRM_S)
            found = _confirmed(found, await self._examined(desk, subject, span))
        fresh = [each for each in found.verdicts if isinstance(each, Mismatch) and is_new(each, known)]
        equal, differing, _ = counts(found.verdicts)
        self._bars += equal + len(fresh)
        self._known += differing
        self._unchecked += len(unchecked(found.verdicts))
        self._ledger.note(*(fact for fact in found.facts if not is_told(fact, known)))
        self._tell(fresh)
        facts, until_ns = trades_judged(
            subject, found, known, span, builds=partial(_built_of, desk, who), known_at_ns=self._clock.wall_ns()
        )  # fmt: skip
        self._ledger.note(*facts)
        for fact in facts:
            if fact.state == "disputed":
                self._publish(fact.instrument, fact.channel, (fact.from_ns, fact.to_ns), fact.why)
        return until_ns

    async def _examined(self, desk: VenueDesk, subject: Subject, span: tuple[int, int]) -> Examined:
        native = subject.instrument.native
        ask = Ask("bars", native, subject.interval, *span, limit=subject.call.page)
        self._calls += 1
        answers = await desk.rest.call(ask, {native: subject.instrument.id}, priority=Priority.AUDIT)
        theirs = [each for each in answers if isinstance(each, Bar)]
        self._ledger.write()  # what is proven up to now
        who = subject.instrument.id
        covered = {of: _within(self._ledger.coverage(who, of), span) for of in _concerned(subject.channels)}

        def read() -> Examined:
            if not self._writer.flush(FLUSH_WITHIN_S):
                raise StoreBehind("the store is behind: what it does not hold yet cannot be compared")
            with open_store(self._folder) as store:
                return examine(
                    store, subject, span, theirs, covered=covered.__getitem__, known_at_ns=known_at_ns, all_trades=False
                )  # fmt: skip

        known_at_ns = self._clock.wall_ns()
        found: Examined = await self._away(read)
        return found

    # ---- books -----------------------------------------------------------------------------------------------

    async def _book_of(self, desk: VenueDesk, instrument: Instrument, channel: str) -> None:
        self._calls += 1
        found = await audit_book(desk, self._instance.bus, instrument, channel, self._clock)
        if isinstance(found, Mismatch):
            await asyncio.sleep(CONFIRM_S)
            self._calls += 1
            found = await audit_book(desk, self._instance.bus, instrument, channel, self._clock)
        if found is None:
            self._unchecked += 1
            return
        self._books += 1
        if isinstance(found, Mismatch):
            self._ledger.note(disputed(found, self._clock.wall_ns()))
            self._tell([found])

    # ---- both ------------------------------------------------------------------------------------------------

    def _tell(self, mismatches: Sequence[Mismatch]) -> None:
        self._mismatches += len(mismatches)
        for each in mismatches:
            self._publish(each.instrument, each.channel, (each.from_ns, each.to_ns), each.why)

    def _publish(self, instrument: str, channel: str, span: tuple[int, int], why: str) -> None:
        _log.warning("audit", instrument=instrument, channel=channel, at_ns=span[0], why=why)
        self._instance.bus.publish(
            Dispute(instrument, channel, span[0], self._clock.wall_ns(), "rest", *span, why)
        )  # fmt: skip


def _listed(desk: VenueDesk, instrument: str) -> Instrument | None:
    try:
        return desk.symbols.find(split_id(instrument)[1])
    except UnknownInstrument:  # the venue lists it no more
        return None


def _confirmed(first: Examined, again: Examined) -> Examined:
    """The second look, without the mismatches that the first did not find, nor the facts of these."""
    before = {(each.channel, each.from_ns) for each in first.verdicts if isinstance(each, Mismatch)}
    verdicts = [
        each
        for each in again.verdicts
        if not isinstance(each, Mismatch) or (each.channel, each.from_ns) in before
    ]  # fmt: skip
    facts = [
        fact for fact in again.facts if fact.state != "disputed" or (fact.channel, fact.from_ns) in before
    ]  # fmt: skip
    return Examined(verdicts, facts)


def _built_of(desk: VenueDesk, instrument: str, of: str) -> Sequence[str]:
    """The intervals of the bars that are built of these trades."""
    bars = desk.bar_desk(instrument, of)
    return () if bars is None else bars.intervals(instrument, of)


def _within(coverage: Coverage, span: tuple[int, int]) -> Coverage:
    """What is known of a stretch, to be read on a thread: the ledger goes on meanwhile."""
    return Coverage(
        Fact("", "", each.from_ns, each.to_ns, each.state, each.evidence, each.source, each.why, 0, cause=each.cause)
        for each in coverage.spans(*span)
    )


def _concerned(channels: Sequence[str]) -> set[str]:
    """These channels, and the trades that built ones come from."""
    return {name for of in channels for name in (of, parse_channel(of).built_from or of)}
