"""A day of a venue's life from one seed: the whole application in virtual time against a venue that misbehaves.

`uv run python -m tapeline.sim.world binance 17` plays one world and says what it broke.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from tapeline.app.instance import Instance, World
from tapeline.app.venue import VenueDesk
from tapeline.config import ConnectionConfig
from tapeline.errors import ConfigError
from tapeline.market.book import Book
from tapeline.model.event import BookDelta, BookSnapshot, Event
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS, SECOND_NS
from tapeline.sim.faults import ANSWER, FRAME, KINDS, LINK, NUMBERS, OF_CONNECTIONS, PACE, QUIET, Fault, Spec
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import SEQ_STEP, Market
from tapeline.sim.pit import BEAT_NS, Pit, Rates
from tapeline.sim.playing import play
from tapeline.sim.venue import SimulatedVenue
from tapeline.sim.witness import Witness, nearby, proofs
from tapeline.venues.spec import Venue

START_NS = 19_900 * DAY_NS  # a midnight
QUIET_RATES = Rates(trades_per_minute=2, levels=5, step_beats=1800)
CALM_S = 1800.0  # the end of a world without faults, in which everything has to come right
WARM_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPlan:
    """What a world is made of. `faults` None: `fault_count` of them are drawn from the seed."""

    venue: Venue
    seed: int
    symbols: int = 3
    duration_s: float = 14_400.0  # a trading day of four hours: 2,400 events at these rates
    rates: Rates = QUIET_RATES
    bars: str = "15m"
    faults: Sequence[Spec] | None = None
    fault_count: int = 10
    clock_steps: Sequence[tuple[float, float]] | None = None  # (when, by how much), seconds; None: some seeds have one
    settings: ConnectionConfig = field(default_factory=lambda: ConnectionConfig(idle_ping_s=60.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldReport:
    """How it went. `violations` is empty where every promise was kept; `digest` is equal for equal plans."""

    venue: str
    seed: int
    violations: tuple[str, ...]
    events: int
    counts: dict[str, int]
    faults: dict[str, int]  # that struck, by kind
    outages: int
    gaps: dict[str, int]  # by cause
    problems: dict[str, int]
    digest: str

    def __str__(self) -> str:
        """What happened, and how to make it happen again."""
        head = (
            f"world {self.venue} {self.seed}: {self.events} events {self.counts}, {self.outages} outages, "
            f"faults {self.faults}, gaps {self.gaps}, problems {self.problems}"
        )
        lines = [
            head,
            *(f"  VIOLATED {sentence}" for sentence in self.violations),
            f"  again: uv run python -m tapeline.sim.world {self.venue} {self.seed}",
        ]
        return "\n".join(lines)


def run_world(plan: WorldPlan) -> WorldReport:
    """Play a world from its beginning to its end in virtual time."""
    return run(live(plan))


def drawn(plan: WorldPlan) -> list[Fault]:
    """The faults of this seed, in time: often close to each other, none in the calm at the end."""
    chance = random.Random(plan.seed)
    kinds = [kind for kind in sorted(KINDS) if KINDS[kind].where != NUMBERS]
    last_s = plan.duration_s - CALM_S
    at_s, faults = 0.0, list[Fault]()
    for _ in range(plan.fault_count):
        near = faults and chance.random() < 0.4
        at_s = min(last_s, at_s + chance.uniform(0, 90)) if near else chance.uniform(WARM_S, last_s)
        kind = chance.choice(kinds)
        where = KINDS[kind].where
        lasts_s = {LINK: 600, QUIET: 120, ANSWER: chance.choice((0, 600))}.get(where, 0)
        duration_s = chance.uniform(0, lasts_s) if lasts_s else 0.0
        if where == PACE:
            duration_s = chance.uniform(1, 30)
        param = {"oversize": "100000", "refuse": str(chance.randint(1, 5)), "ban": "30"}.get(kind, "")
        if kind == "refuse" and chance.random() < 0.5:
            duration_s = chance.uniform(1, 300)
        whose = chance.choice(("", "", "1", "2", "all")) if where in OF_CONNECTIONS else ""
        faults.append(Fault(kind, int(at_s * SECOND_NS), int(duration_s * SECOND_NS), param, True, whose))
    return sorted(faults, key=lambda fault: fault.at_ns)


def drawn_steps(plan: WorldPlan) -> Sequence[tuple[float, float]]:
    """When somebody sets our clock, and by how much: in one world of four, an hour at most."""
    chance = random.Random(f"clock {plan.seed}")
    if chance.random() > 0.25:
        return ()
    return [(chance.uniform(WARM_S, plan.duration_s - CALM_S), chance.choice((-3600.0, -1.0, 3600.0)))]


async def live(plan: WorldPlan) -> WorldReport:
    """Play a world on the running virtual loop."""
    return await _Life(plan).live()


class _Life:
    def __init__(self, plan: WorldPlan) -> None:
        self.plan = plan
        server = plan.venue.server
        if server is None or len(server.sample_instruments) < plan.symbols:
            raise ConfigError(f"{plan.venue.name} has no {plan.symbols} instruments to make a world of")
        if plan.faults is None and plan.duration_s < WARM_S + CALM_S:
            raise ConfigError(
                f"a world of {plan.duration_s:g} s is too short for random faults: {WARM_S + CALM_S:g} or more"
            )
        self.listed: Sequence[Instrument] = server.sample_instruments[: plan.symbols]
        self.venue = replace(plan.venue, server=replace(server, sample_instruments=tuple(self.listed)))
        market = Market(self.venue, plan.seed, START_NS, plan.rates)
        self.pits = market.pits
        self.clock = VirtualClock(START_NS)
        self.faults: list[tuple[str, int, int]] = []  # kind, from, to: those that struck
        self.sim = SimulatedVenue(
            self.venue, market, clock=self.clock,
            faults=drawn(plan) if plan.faults is None else plan.faults, say=self._said,
        )  # fmt: skip
        self.seen = Witness()
        self.wrong: list[str] = []

    async def live(self) -> WorldReport:
        world = World(
            dial=lambda _settings: self.sim.dial, fetch=self.sim.fetch, clock=self.clock,
            chance=random.Random(self.plan.seed).random,
        )  # fmt: skip
        instance = Instance(world)
        instance.bus.subscribe(self.seen.hear, name="witness")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.sim.open())
            await stack.enter_async_context(instance.running())
            for at_s, by_s in drawn_steps(self.plan) if self.plan.clock_steps is None else self.plan.clock_steps:
                asyncio.get_running_loop().call_later(at_s, self.clock.step, by_s)
            desk = await instance.desk(self.venue.name, settings=self.plan.settings)
            await self._subscribe(instance)
            end_ns = START_NS + int(self.plan.duration_s * SECOND_NS)
            while (left_ns := end_ns - self.sim.player.now_ns()) > 0:  # noqa: ASYNC110  # its clock may stand still
                await asyncio.sleep(max(left_ns / SECOND_NS, 1.0))
            return self._report(instance, desk)

    async def _subscribe(self, instance: Instance) -> None:
        bars = self.plan.bars
        for one in self.listed:
            answers = await instance.subscribe(
                one.id, ["trades", "quotes", "book", f"bars:{bars}", f"bars:{bars}@trades"], within_s=120.0
            )
            self.wrong += [f"{one.id}: {answer}" for answer in answers if answer.state != "live"]
        for pit in self.pits:  # after the books themselves, so that they have taken what they are checked at
            book = instance.book(pit.instrument.id)
            instance.bus.subscribe(
                partial(self._check_book, pit, book), channel="book", instrument=pit.instrument.id,
                types=(BookDelta, BookSnapshot), name="proof",
            )  # fmt: skip

    def _check_book(self, pit: Pit, book: Book, _event: Event | None) -> None:
        if not book.synchronised:
            return
        beat = (book.sequence or 0) // SEQ_STEP
        for side, true in zip(book.top(self.plan.rates.levels), pit.top(beat), strict=True):
            if [(str(price), str(size)) for price, size in side] != [tuple(level) for level in true]:
                self.wrong.append(f"{pit.instrument.id}: the book at {book.sequence} is {side}, it was {true}")

    def _report(self, instance: Instance, desk: VenueDesk) -> WorldReport:
        seen, now_ns = self.seen, self.sim.player.now_ns()
        step_ns = self.plan.rates.step_beats * BEAT_NS
        for gap in instance.open_gaps():
            self.wrong.append(f"still open at the end: {gap}")
        for pit in self.pits:
            book = instance.book(pit.instrument.id)
            if not book.synchronised:
                self.wrong.append(f"{pit.instrument.id}: the book is not back: {book.reason}")
            elif (book.sequence or 0) // SEQ_STEP * BEAT_NS < now_ns - step_ns - BEAT_NS:
                self.wrong.append(f"{pit.instrument.id}: the book stands still at {book.sequence}")
            self._check_book(pit, book, None)
        if desk.merge.statistics().held:
            self.wrong.append(f"events are held back at the end: {desk.merge.statistics()}")
        windows = [
            (start, end) for kind, start, end in self.faults if end > start and KINDS[kind].where in {QUIET, FRAME}
        ]
        self.wrong += proofs(
            seen, self.pits, until_ns=now_ns - 60 * SECOND_NS, bars=self.plan.bars,
            proven=bool(self.venue.feeds["trades"].continuity), excused=nearby(windows, 60 * SECOND_NS),
            struck=sum(KINDS[kind].where == FRAME for kind, _, _ in self.faults),
        )  # fmt: skip
        tops = [(pit.instrument.id, instance.book(pit.instrument.id).sequence) for pit in self.pits]
        return WorldReport(
            venue=self.venue.name, seed=self.plan.seed, violations=tuple(self.wrong), events=seen.events,
            counts=instance.bus.counts(), faults=dict(Counter(kind for kind, _, _ in self.faults)),
            outages=sum(link.change == "down" for links in seen.links.values() for link in links),
            gaps=dict(Counter(gap.cause for gaps in seen.gaps.values() for gap in gaps)),
            problems=dict(instance.problems.by_kind().get(self.venue.name, {})),
            digest=seen.digest(tops, instance.problems.by_kind()),
        )  # fmt: skip

    def _said(self, what: str, **facts: object) -> None:
        if what == "fault":
            at_ns, duration_s = facts["at_ns"], facts["duration_s"]
            assert isinstance(at_ns, int), f"a fault says when: {facts}"
            assert isinstance(duration_s, float), f"a fault says how long: {facts}"
            self.faults.append((str(facts["kind"]), at_ns, at_ns + int(duration_s * SECOND_NS)))


def main(words: Sequence[str]) -> int:
    """`VENUE SEED [SEED ...]`: play these worlds; 1 where one broke a promise."""
    return play(words, lambda venue, seed: run_world(WorldPlan(venue=venue, seed=seed)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
