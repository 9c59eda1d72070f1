"""A day that is kept: an instance with store, ledger and repair, started, stopped and killed, in a world from a seed.

A venue-day is 24 hours of virtual time of one instrument at one venue: a trade a minute, its bars of 15 minutes, its
quotes and its book. `uv run python -m tapeline.sim.kept.day binance 17` plays one and says what it broke.
"""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tapeline.app.instance import World
from tapeline.app.keeping import Keeping
from tapeline.app.running import Running, assembled
from tapeline.config import AlertsConfig, AuditConfig, Config, ConnectionConfig, StoreConfig, StreamConfig, SyncConfig
from tapeline.errors import ConfigError
from tapeline.model.interval import DAY_NS, SECOND_NS
from tapeline.sim.faults import Spec
from tapeline.sim.kept.chance import Life, drawn_faults, drawn_lives, drawn_stalls, drawn_steps
from tapeline.sim.kept.reckoning import Truth, held_bars, reckoned
from tapeline.sim.kept.scribe import Scribe
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.playing import play
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.budget import HostBudget
from tapeline.store.reader import open_store
from tapeline.venues.spec import Venue

START_NS = 19_900 * DAY_NS  # a midnight
DAY_S = 86_400.0
THIN = Rates(trades_per_minute=1, levels=5, step_beats=3000)
BARS, BUILT = "15m", ("15m", "1h")
NOTES_EVERY_S = (60.0, 300.0, 900.0)  # how often what has grown is noted: on some days trades come between, on some not
BATCHES_S = (0.25, 60.0, 240.0)  # how long rows wait to be written together; a crash loses those that do
LOOK_EVERY_S = (30.0, 120.0, 300.0)  # repair looks so often: more slowly than in earnest, so that a day is cheap
FILLS = (1, 1, 1, 2, 3)  # trades that an order makes at once
SILENT_S, POLLED_DAYS = 1500.0, 0.25  # on some days a stream that fails or is silent for so long is polled
QUEUE_BYTES = 400_000  # some 600 rows
SETTLED_S = 120.0  # what happened in the last so many seconds may not be there yet
PATIENT = ConnectionConfig(idle_ping_s=600.0, heartbeat_interval_s=600.0, silence_s=1300.0, first_data_s=1800.0)
MEMORY = Path("/dev/shm")  # noqa: S108  # a store of minutes needs no disk


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """What a day is made of. What is None is drawn from the seed."""

    venue: Venue
    seed: int
    symbols: int = 1
    duration_s: float = DAY_S
    rates: Rates = THIN
    fills: int | None = None  # trades that an order makes at once
    repair: bool = True
    audit: bool = True
    faults: Sequence[Spec] | None = None
    lives: Sequence[Life] | None = None  # of the instance
    stalls: Sequence[tuple[float, float]] | None = None  # of the disk: when, for how long, in seconds
    clock_steps: Sequence[tuple[float, float]] | None = None  # when, by how much, in seconds
    channels: Sequence[str] = ("quotes", "book")  # besides trades and bars
    settings: ConnectionConfig = PATIENT

    @property
    def key(self) -> str:
        """What everything is drawn from."""
        return f"{self.venue.name} {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """How it went. `violations` is empty where every promise was kept; `digest` is equal for equal plans."""

    venue: str
    seed: int
    violations: tuple[str, ...]
    faults: dict[str, int]  # that struck, by kind
    lives: int
    crashes: int
    rows: dict[str, int]  # held, by channel
    facts: dict[str, int]  # spans, by state
    asked: dict[str, int]  # REST requests, by call
    digest: str

    def __str__(self) -> str:
        """What happened, and how to make it happen again."""
        head = (
            f"day {self.venue} {self.seed}: {self.lives} lives, {self.crashes} crashes, faults {self.faults}, "
            f"rows {self.rows}, spans {self.facts}, asked {self.asked}"
        )
        return "\n".join([
            head,
            *(f"  VIOLATED {sentence}" for sentence in self.violations),
            f"  again: uv run python -m tapeline.sim.kept.day {self.venue} {self.seed}",
        ])  # fmt: skip


def run_day(plan: DayPlan) -> DayReport:
    """Play a day from its beginning to its end in virtual time, in a folder that is gone afterwards."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, prefix="tapeline-day-") as folder:
        return run(live(plan, Path(folder)))


async def live(plan: DayPlan, folder: Path) -> DayReport:
    """Play a day on the running virtual loop."""
    return await _Day(plan, folder).live()


@dataclass(slots=True)
class _Told:
    """What happened on the way."""

    wrong: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    crashes: int = 0


class _Day:
    def __init__(self, plan: DayPlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        server = plan.venue.server
        if server is None or len(server.sample_instruments) < plan.symbols:
            raise ConfigError(f"{plan.venue.name} has no {plan.symbols} instruments to make a day of")
        listed = server.sample_instruments[: plan.symbols]
        self.venue = replace(plan.venue, server=replace(server, sample_instruments=tuple(listed)))
        self.trades = repairable_trades(plan.venue)
        self.chance = random.Random(plan.key)
        fills = plan.fills or self.chance.choice(FILLS)
        market = Market(self.venue, plan.seed, START_NS, replace(plan.rates, fills=fills))
        self.pits = market.pits
        self.clock = VirtualClock(START_NS)
        self.told = _Told()
        self.budget = HostBudget(folder / "budget", self.clock)  # a run knows from it what the one before was told
        drawn = drawn_faults(plan.key, plan.duration_s, self.trades)
        self.sim = SimulatedVenue(
            self.venue, market, clock=self.clock, faults=drawn if plan.faults is None else plan.faults, say=self._said
        )
        self.look_every_s = self.chance.choice(LOOK_EVERY_S)
        self.note_every_s = random.Random(f"notes {plan.key}").choice(NOTES_EVERY_S)
        channels = (self.trades, f"bars:{BARS}", *(f"bars:{each}@{self.trades}" for each in BUILT), *plan.channels)
        self.config = Config(
            store=StoreConfig(
                path=str(folder), tape=False, batch_size=200, queue_bytes=QUEUE_BYTES,
                batch_timeout_s=self.chance.choice(BATCHES_S),
            ),
            stream=(StreamConfig(venue=plan.venue.name, symbols=tuple(each.symbol for each in listed),
                                 channels=channels),),
            connection=msgspec.structs.replace(plan.settings, connections=self.chance.choice((1, 1, 1, 1, 2))),
            sync=SyncConfig(silence_s=SILENT_S), fallback_to_polling=self.chance.random() < POLLED_DAYS,
            repair=plan.repair, audit=AuditConfig(enabled=plan.audit, instruments_h=0.0),  # days are too short
            alerts=AlertsConfig(enabled=False),  # they go by our own memory, too
        )  # fmt: skip

    async def live(self) -> DayReport:
        plan = self.plan
        lives = drawn_lives(plan.key, plan.duration_s) if plan.lives is None else plan.lives
        steps = drawn_steps(plan.key, plan.duration_s) if plan.clock_steps is None else plan.clock_steps
        for at_s, by_s in steps:
            asyncio.get_running_loop().call_later(at_s, self.clock.step, by_s)
        async with self.sim.open():
            for life in lives:
                await self._until(life.from_s)
                await self._life(life)
                self.told.crashes += life.crash
            return self._report(len(lives))

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self.clock.now()))

    async def _life(self, life: Life) -> None:
        """One run of the instance, to a clean end or to a crash."""
        world = World(
            dial=lambda _settings: self.sim.dial, fetch=self.sim.fetch, clock=self.clock, chance=self.chance.random,
            budget=lambda _venue, _url: self.budget,
        )  # fmt: skip
        keeping = Keeping(self.config, self.clock, writes=Scribe)
        keeping.start()
        scribe = keeping.writer
        assert isinstance(scribe, Scribe), "it was asked for"
        running = assembled(self.config, world, keeping, away=_at_once, look_every_s=self.look_every_s)
        async with running.live(self.config):
            jobs = [asyncio.create_task(job, name="day") for job in (self._note(running), self._stall(scribe))]
            await self._until(life.to_s)
            if life.crash:
                scribe.crash()
            for job in jobs:
                job.cancel()
            for done in await asyncio.gather(*jobs, return_exceptions=True):
                if isinstance(done, Exception):
                    raise done
        if running.opening.done() and not running.opening.cancelled():
            running.opening.result()
        if not life.crash:
            running.say_goodbye()
            keeping.stop()
        self._judge_life(running)

    async def _note(self, running: Running) -> None:
        while True:
            await asyncio.sleep(self.note_every_s)
            running.keeping.write_points(running.instance)

    async def _stall(self, scribe: Scribe) -> None:
        """Let the disk be stuck when its time has come, in whichever life of the instance that is."""
        plan = self.plan
        stalls = drawn_stalls(plan.key, plan.duration_s) if plan.stalls is None else plan.stalls
        for at_s, for_s in sorted(stalls):
            await self._until(at_s)
            scribe.stalled = self.clock.now() < at_s + for_s
            await self._until(at_s + for_s)
            scribe.stalled = False

    def _judge_life(self, running: Running) -> None:
        """What no run may ever have: a repair, audit or watch that fell over, a subscriber that raised."""
        for venue, kinds in running.instance.problems.by_kind().items():
            for kind in ("repair", "audit", "health", "subscriber", "feed"):
                if kind in kinds:
                    self.told.wrong.append(f"{kinds[kind]} problems of kind {kind!r} {venue}")

    def _report(self, lives: int) -> DayReport:
        plan, wrong = self.plan, self.told.wrong
        now_ns = self.sim.player.now_ns()
        if self.sim.impatient:
            wrong.append(f"{self.sim.impatient} requests were sent while the venue had asked for silence")
        if self.sim.rest.overdrawn:
            wrong.append(f"{self.sim.rest.overdrawn} requests were over the venue's weight limit")
        anew = "anew" in self.told.faults
        truth = Truth(
            pits=self.pits, trades=self.trades, bars=BARS, built=BUILT, until_ns=now_ns - int(SETTLED_S * SECOND_NS),
            whole=plan.repair, revised=self.sim.rest.answers.revised, anew=anew,
        )  # fmt: skip
        rows, facts = Counter[str](), Counter[str]()
        with open_store(self.folder) as store:
            wrong += reckoned(store, truth)
            for instrument, channel in store.series():
                if channel.startswith("bars:"):
                    rows[channel] += len(held_bars(store, instrument, channel))
                elif channel == self.trades:
                    rows[channel] += sum(1 for _ in store.trades(instrument, channel=channel))
                facts.update(span.state for span in store.coverage(instrument, channel))
            text = repr([store.coverage(*series) for series in store.series()])
        return DayReport(
            venue=plan.venue.name, seed=plan.seed, violations=tuple(wrong), faults=dict(self.told.faults), lives=lives,
            crashes=self.told.crashes, rows=dict(rows), facts=dict(facts), asked=dict(self.sim.rest.requests),
            digest=blake2b(f"{text} {sorted(rows.items())}".encode(), digest_size=16).hexdigest(),
        )  # fmt: skip

    def _said(self, what: str, **facts: object) -> None:
        if what == "fault":
            self.told.faults[str(facts["kind"])] += 1


def repairable_trades(venue: Venue) -> str:
    """The channel of trades whose holes a venue's REST fills without a key."""
    return "trades" if venue.feeds["trades"].repair else "aggtrades"


async def _at_once(read: Callable[[], Any]) -> Any:
    """No threads: they would be chance."""
    return read()


def main(words: Sequence[str]) -> int:
    """`VENUE SEED [SEED ...]`: play these days; 1 where one broke a promise."""
    return play(words, lambda venue, seed: run_day(DayPlan(venue=venue, seed=seed)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
