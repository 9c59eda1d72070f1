"""Repair in a running instance: what the ledger misses is asked for, published, stored, and told to the ledger.

Live events flow meanwhile. Rows that fill a hole go to every subscriber with `source="rest"`; bars that are built of
them come once more, with the next revision. Whatever is cut short goes on from the ledger, in this run or a later one.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from tapeline.app.bookkeeping import Bookkeeping, Key
from tapeline.app.instance import Instance
from tapeline.app.outages import outages
from tapeline.app.rebuilding import Rebuilder
from tapeline.app.repair_job import AGAIN_S, Job, length, news, stamp
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.errors import (
    BadData,
    ConfigError,
    NotHeld,
    RateLimited,
    Refused,
    Retry,
    StoreBehind,
    StoreUnusable,
    UnknownInstrument,
)
from tapeline.model.channel import channel
from tapeline.model.event import Dispute, Repair, Trade
from tapeline.model.fact import HELD, Fact, Stretch
from tapeline.model.instrument import Instrument, split_id
from tapeline.store.writer import Writer
from tapeline.sync.plan import Errand, errands, precedence, too_old
from tapeline.sync.repair import Mending, unbroken
from tapeline.sync.walk import Row
from tapeline.venues.spec import Answer, Ask, Priority, RestCall

LOOK_EVERY_S = 0.25
WORKERS = 8  # errands of one venue under way at once
PAGES = 20  # of an errand, after which what was found is noted, so that a crash costs no more
MOST_QUEUED = 20_000  # rows that wait for the disk; beyond, nothing more is asked for
ROOM_EVERY_S = 0.02
AGAIN_MOST_S = 300.0  # after an errand that failed: it doubles up to this
REFUSED_S = 3600.0  # after one that the venue refused: it will hardly think better of it soon
SEEN_LIVE = frozenset({"link_down", "id_jump", "silence"})  # causes of holes in which nothing is held
SAME_NS = 1_000_000_000  # two readings of one trade have stamps that are not farther apart
DOUBTS_MOST = 8  # failures in a row; then a doubt is let be, and the audit has the last word
BAD_MOST = 3  # answers in a row that cannot be read; then it goes on without
_log = structlog.get_logger("tapeline")


@dataclass(frozen=True, slots=True)
class RepairStatistics:
    """`waiting` and `under_way` are errands; `left_s` is the time to go at the present rate, where there is one.

    `trouble` is why a hole could not be filled yet; "" once it is.
    """

    waiting: int
    under_way: int
    holes_filled: int
    holes_lost: int
    rows: int
    rows_per_s: float
    left_s: float | None
    trouble: str


@dataclass(slots=True, eq=False)
class _Series:
    """What failed, and when to try again."""

    failures: int = 0
    trouble: str = ""
    not_before: float = 0.0
    jobs: list[Job] = field(default_factory=list)


class Repairer:
    """Fills the holes of what an instance streams. `rebuilder` puts bars right that reach back before this run.

    Without one there is no store, and nothing of before.
    """

    def __init__(
        self, instance: Instance, ledger: Bookkeeping, writer: Writer, *, clock: Clock, rebuilder: Rebuilder | None,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:  # fmt: skip
        self._instance, self._ledger, self._writer, self._clock = instance, ledger, writer, clock
        self._rebuilder, self._look_every_s = rebuilder, look_every_s
        self._series: dict[Key, _Series] = {}
        self._waiting: list[Job] = []
        self._rows = self._filled = self._lost = 0
        self._doubts: dict[Key, list[Stretch]] = {}  # stretches whose trades are asked for again
        self._tasks: asyncio.TaskGroup | None = None
        instance.repairs = True
        instance.bus.subscribe(self._disputed, types=(Dispute,), name="tapeline.repair")

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            if self._rebuilder is not None:
                tasks.create_task(self._rebuilder.run(), name="rebuild bars")
            while True:
                self.look()
                await asyncio.sleep(self._look_every_s)

    def look(self) -> None:
        """Plan what is new and start what may be started."""
        now = self._clock.now()
        self._ledger.learn(self._writer.found())
        for key, outage in outages(self._instance):
            if self._desk_of(key) is not None:
                self._doubts.setdefault(key, []).append(outage)
                self._ledger.broken.add(key)
        fresh = [job for key in sorted(self._ledger.broken) for job in self._planned(key, now)]
        if fresh:
            self._waiting = sorted([*self._waiting, *fresh], key=lambda job: (job.doubt, *precedence(job.errand)))
        assert self._tasks is not None, "only while it runs"
        for job in list(self._waiting):
            if self._under_way(job.desk) < WORKERS:
                self._waiting.remove(job)
                name = f"repair {job.errand.instrument} {job.errand.channel}"
                self._tasks.create_task(self._go(job), name=name)

    def statistics(self) -> RepairStatistics:
        """How it is getting on."""
        running = self._running()
        now = self._clock.now()
        done = sum((job.mending.part if job.mending else 0.0) * length(job.errand) for job in running)
        spent_s = sum(now - job.began_at for job in running)
        left = sum(length(job.errand) for job in (*running, *self._waiting)) - done
        workers = max(1, len(running))
        left_s = None if not running or done <= 0 else left * spent_s / done / workers
        under_way_rows = sum(job.mending.count for job in running if job.mending)
        longest_s = max((now - job.began_at for job in running), default=0.0)
        return RepairStatistics(
            waiting=len(self._waiting), under_way=len(running), holes_filled=self._filled, holes_lost=self._lost,
            rows=self._rows, rows_per_s=under_way_rows / longest_s if longest_s else 0.0, left_s=left_s,
            trouble=next((state.trouble for state in self._series.values() if state.trouble), ""),
        )  # fmt: skip

    def _disputed(self, dispute: Dispute) -> None:
        """An audit of built bars found another sum than the venue's: its trades are asked for once more.

        Where it is the trades that are in dispute, no bar of them is whole.
        """
        of = channel(dispute.channel).built_from
        if not of and self._rebuilder is not None:
            self._rebuilder.look_at(dispute.instrument, dispute.channel, dispute.from_ns, dispute.to_ns)
        if of and self._desk_of((dispute.instrument, of)) is not None:
            key = (dispute.instrument, of)
            self._doubts.setdefault(key, []).append(Stretch(dispute.from_ns, dispute.to_ns, cause="disputed"))
            self._ledger.broken.add(key)

    # ---- what is to be done ----------------------------------------------------------------------------------

    def _planned(self, key: Key, now: float) -> Sequence[Job]:
        """Errands for the holes of a series that nobody is on the way for."""
        state = self._series.setdefault(key, _Series())
        if now < state.not_before:
            return ()
        missing, doubts = self._ledger.stretches(*key), self._doubts.get(key, [])
        if not missing and not doubts and not state.jobs:
            self._ledger.broken.discard(key)
            state.trouble = ""
        taken = [job.errand.span for job in state.jobs]
        free = [hole for hole in missing if not any(a < hole.to_ns and hole.from_ns < b for a, b in taken)]
        found = self._desk_of(key) if free or doubts else None
        if found is None:
            state.not_before = now + (AGAIN_S if free or doubts else 0.0)
            return ()
        desk, instrument, call = found
        jobs = [Job(desk, call, instrument, errand, now) for errand in errands(*key, call, free)]
        jobs += [
            Job(desk, call, instrument, Errand(*key, (doubt,)), now, doubt=True) for doubt in self._doubts.pop(key, ())
        ]
        state.jobs += jobs
        return jobs

    def _desk_of(self, key: Key) -> tuple[VenueDesk, Instrument, RestCall] | None:
        """Who streams this series now, and how its history is asked for; None where nobody or nothing does."""
        venue, symbol = split_id(key[0])
        for desk in self._instance.desks.values():
            if desk.venue.name != venue or desk.merge.track(*key) is None:
                continue
            feed = desk.venue.feeds.get(channel(key[1]).kind)
            call = desk.venue.rest.get(feed.repair) if feed is not None else None
            if call is None or not call.walk:
                return None
            try:
                return desk, desk.symbols.find(symbol), call
            except UnknownInstrument:
                return None
        return None

    def _running(self) -> list[Job]:
        waiting = set(map(id, self._waiting))
        return [job for state in self._series.values() for job in state.jobs if id(job) not in waiting]

    def _under_way(self, desk: VenueDesk) -> int:
        return sum(job.desk is desk for job in self._running())

    # ---- one errand ------------------------------------------------------------------------------------------

    async def _go(self, job: Job) -> None:
        key = (job.errand.instrument, job.errand.channel)
        state = self._series[key]
        job.began_at = self._clock.now()
        try:
            await self._mend(job)
        except (ConfigError, OSError, sqlite3.Error, StoreBehind, StoreUnusable, NotHeld) as error:
            job.trouble = f"{type(error).__name__}: {error}"
        finally:
            state.jobs.remove(job)
        if not job.trouble and self._still_open(job):
            job.trouble = "the venue's answers left the hole open"
        if not job.trouble:
            state.failures, state.trouble = 0, ""
            return
        state.trouble = f"{job.errand.instrument} {job.errand.channel}: {job.trouble}"
        state.failures += 1
        if job.doubt and state.failures < DOUBTS_MOST:  # the ledger does not know of it
            self._doubts.setdefault(key, []).extend(job.errand.holes)
        wait_s = min(max(AGAIN_MOST_S, job.again_s), job.again_s * 2.0 ** (state.failures - 1))
        state.not_before = self._clock.now() + wait_s
        _log.warning(
            "repair", instrument=job.errand.instrument, channel=job.errand.channel, trouble=job.trouble, again_s=wait_s
        )

    def _still_open(self, job: Job) -> bool:
        from_ns, to_ns = job.errand.span
        key = (job.errand.instrument, job.errand.channel)
        return any(hole.from_ns < to_ns and hole.to_ns > from_ns for hole in self._ledger.stretches(*key))

    async def _mend(self, job: Job) -> None:
        now_ns = job.desk.venue_clock.estimate(self._clock.now())
        facts, errand = too_old(
            job.errand, job.call, self._clock.wall_ns() if now_ns is None else now_ns, self._clock.wall_ns()
        )
        self._note(facts, (), doubt=job.doubt)
        if errand is None:
            return
        mending = job.mending = Mending(errand, job.call, job.instrument.native)
        dropped = self._writer.statistics().dropped
        pages = 0
        try:
            while (ask := mending.next()) is not None and not job.trouble:
                await self._wait_room()
                answers = await self._asked(job, ask)
                if answers is None:
                    continue
                if mending.asks_the_store(answers) and self._rebuilder is not None:
                    mending.given(await self._rebuilder.held(errand))
                job.delivering = True
                await self._deliver(job, mending.took(answers))
                job.delivering = False
                pages += 1
                if pages % PAGES == 0:
                    self._settle(job, mending, dropped)
        finally:
            if not job.delivering:  # else rows of the last answer have reached nobody
                self._settle(job, mending, dropped)

    async def _asked(self, job: Job, ask: Ask) -> Sequence[Answer] | None:
        """The answer; None where there is none, with `job.trouble` said, or the walk told to go on without."""
        ids = {job.instrument.native: job.instrument.id}
        bad = 0
        while True:
            try:
                return await job.desk.rest.call(ask, ids, priority=Priority.REPAIRS)
            except (Retry, Refused) as error:
                job.trouble = str(error)
                wait_s = (error.after_s or 0.0) if isinstance(error, RateLimited) else 0.0
                job.again_s = max(job.again_s, wait_s, REFUSED_S if isinstance(error, Refused) else 0.0)
                return None
            except BadData as error:
                bad += 1
                if bad < BAD_MOST:
                    continue
                if job.mending is not None:
                    job.mending.failed(str(error))
                self._series[job.errand.instrument, job.errand.channel].trouble = str(error)
                return None

    async def _deliver(self, job: Job, rows: Sequence[Row]) -> None:
        """To everybody but the builders, which get them in one piece."""
        trades = [row for row in rows if isinstance(row, Trade)]
        live, numbered = all(hole.cause in SEEN_LIVE for hole in job.errand.holes), job.errand.misses(trades)
        if self._rebuilder is not None and trades and not (live and numbered):
            rows = await self._rebuilder.not_held(job.errand, trades)
        elif trades and live and not numbered:  # nothing remembers what was heard at both ends
            from_ns, to_ns = job.errand.span
            inside = [from_ns + SAME_NS < stamp(row) < to_ns - SAME_NS for row in trades]
            rows = [row for row, far in zip(trades, inside, strict=True) if far or job.errand.misses([row])]
        self._rows += len(rows)
        job.delivered += len(rows)
        job.fresh += rows
        bars = job.desk.bar_desk(job.errand.instrument, job.errand.channel)
        if bars is None:
            self._instance.bus.publish_all(rows)
        else:
            bars.publish_repaired([row for row in rows if isinstance(row, Trade)])

    def _settle(self, job: Job, mending: Mending, dropped: int) -> None:
        """What was found so far: to the bars, then to the ledger, so that a crash between them repeats it."""
        facts = news(job, mending.settled(self._clock.wall_ns()))
        rows, job.fresh = job.fresh, []
        if self._writer.statistics().dropped != dropped:
            job.trouble = "rows did not reach the disk: it is full or too slow"
            facts = [fact for fact in facts if fact.state not in HELD]
        errand = mending.errand
        if not job.delivered:  # all of it was held: nothing had been missing
            facts = [unbroken(fact) for fact in facts]
        held = [(fact.from_ns, fact.to_ns) for fact in facts if fact.state in HELD]
        trades = [row for row in rows if isinstance(row, Trade)]
        bars = job.desk.bar_desk(errand.instrument, errand.channel)
        builder = None if bars is None else bars.builder(errand.instrument, errand.channel)
        if bars is not None and builder is not None:
            since_ns = builder.since_ns
            if errand.ids is not None and since_ns is not None and errand.span[0] >= since_ns:
                trades.sort(key=lambda trade: (trade.at_ns or 0, trade.seq or 0))
                bars.repair(errand.instrument, errand.channel, trades, held)
            if self._rebuilder is not None:
                for span in held:
                    self._rebuilder.look_at(errand.instrument, errand.channel, *span)
        self._note(facts, rows, doubt=job.doubt)
        for fact in facts if job.doubt else ():
            if fact.state == "disputed" and self._rebuilder is not None:  # its bars were whole before
                self._rebuilder.look_at(errand.instrument, errand.channel, fact.from_ns, fact.to_ns)

    def _note(self, facts: Sequence[Fact], rows: Sequence[Row], *, doubt: bool = False) -> None:
        """To the ledger, the bus and the log. A doubt claims nothing, and takes back what the venue disputes."""
        now_ns = self._clock.wall_ns()
        for fact in facts:
            if doubt and fact.state not in {"disputed", *HELD}:
                continue
            if not doubt or fact.state == "disputed":
                self._ledger.note(fact)
            self._filled += fact.state in HELD
            self._lost += fact.state not in HELD
            count = sum(fact.from_ns <= stamp(row) < fact.to_ns for row in rows)
            self._instance.bus.publish(
                Repair(
                    fact.instrument, fact.channel, None, now_ns, "rest", fact.from_ns, fact.to_ns, fact.state, count,
                    fact.cause, fact.why,
                )
            )  # fmt: skip
            _log.info(
                "repair", instrument=fact.instrument, channel=fact.channel, state=fact.state, rows=count, why=fact.why
            )

    async def _wait_room(self) -> None:
        while self._writer.statistics().queue_rows > MOST_QUEUED:  # noqa: ASYNC110  # the writer is a thread
            await asyncio.sleep(ROOM_EVERY_S)
