"""A trading day: strategies, engine, journal and live gateway at a venue that takes orders, in a world from a seed.

25 virtual minutes of one or two instruments, an act of a strategy every ten seconds, faults wherever something is
awaited, restarts, crashes, a halt from outside, and an end. `uv run python -m tapeline.sim.trading.day binance 17`
plays one and says what it broke.
"""

import asyncio
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Never

from tapeline.errors import ConfigError, TapelineError
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS
from tapeline.model.limits import RiskLimits
from tapeline.model.number import EXACT
from tapeline.sim.kept.chance import Life
from tapeline.sim.kept.day import MEMORY
from tapeline.sim.loop import AloneLoop, VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.pit import Rates
from tapeline.sim.trading.chance import (
    CALM_S,
    ENDS,
    HAPPENINGS,
    WARM_S,
    drawn_clock_steps,
    drawn_happenings,
    drawn_trading_lives,
    drawn_troubles,
)
from tapeline.sim.trading.others import Others
from tapeline.sim.trading.plan import TradingPlan, TradingReport
from tapeline.sim.trading.run import (
    ACCOUNT,
    KEY,
    PASSPHRASE,
    SECRET,
    Surroundings,
    TradingRun,
    emergency_stop,
    latch_of,
)
from tapeline.sim.trading.trader import Trader, unit
from tapeline.sim.trading.truth import differences, journalled
from tapeline.sim.trading.wire import Net
from tapeline.sim.trading.witness import Witness
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.journal import FILE, Journal
from tapeline.trading.paper.admission import Rules
from tapeline.trading.risk.limits import Tables
from tapeline.venues import venue_named
from tapeline.venues.spec import Venue

START_NS = 19_900 * DAY_NS + 8 * HOUR_NS - 10 * MINUTE_NS  # funding is settled at 08:00
THIN = Rates(trades_per_minute=6, levels=5, step_beats=100)
MOST_UNITS, MOST_OPEN = 10, 8
SETTLED_S = 30.0  # what is under way has come by then
QUIET_S = CALM_S / 2
STREAMED = 0.5  # share of days with market data over connections of their own
HEDGED, PATIENT_S = 0.4, 60.0  # share of derivative days; how long a person looks at a reduced account
LATE_S = 60.0  # an order that ends at a time has ended by then, faults and all


def run_trading_day(plan: TradingPlan) -> TradingReport:
    """Play it from its beginning to its end in virtual time, in a folder that is gone afterwards."""
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None, prefix="tapeline-trading-") as folder:
        return run(_played(plan, Path(folder)), AloneLoop)


async def _played(plan: TradingPlan, folder: Path) -> TradingReport:
    return await _Day(plan, folder).live()


class _Day:
    def __init__(self, plan: TradingPlan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.chance = random.Random(f"trading {plan.key}")
        self.clock = VirtualClock(START_NS)
        self.instruments = _traded(plan.venue, self.chance)
        server = plan.venue.server
        assert server is not None, "looked at by _traded"
        self.venue = replace(plan.venue, server=replace(server, sample_instruments=tuple(self.instruments)))
        self.market = Market(self.venue, plan.seed, START_NS, THIN)
        self.wrong: list[str] = []
        self.faults: Counter[str] = Counter()
        self.crashes = 0
        self.digest = ""  # of the engine, after the last run so far
        self.until: dict[str, int] = {}  # when orders have to have ended, by our clock
        self.end = plan.end or self.chance.choice(ENDS)
        halted = self.chance.random() < 0.33 if plan.halt is None else plan.halt
        self.halt_at_s = self.chance.uniform(WARM_S, plan.duration_s - CALM_S - 100) if halted else None
        self.troubles = drawn_troubles(plan.key, plan.duration_s, [each for each in plan.kinds if self._has(each)])
        derivative = self.instruments[0].kind != "spot"
        hedge = derivative and random.Random(f"trading mode {plan.key}").random() < HEDGED
        self.hedge = hedge if plan.hedge is None else plan.hedge
        streamed = random.Random(f"trading data {plan.key}").random() < STREAMED
        self.streamed = streamed if plan.streamed is None else plan.streamed
        keys = [Key(key=KEY, secret=SECRET, passphrase=PASSPHRASE, account=ACCOUNT, hedge=self.hedge)]
        self.sim = SimulatedVenue(
            self.venue, self.market, clock=self.clock, faults=self.troubles.faults, say=self._said,
            paper=PaperSettings(
                keys=keys, balances={"USDT": Decimal(100_000), "BTC": Decimal(1)}, rules=Rules(reuse_ids=True)
            ),
        )  # fmt: skip
        self.units = {
            pit.instrument.id: unit(pit.instrument, pit.price(pit.bid(START_NS // 100_000_000)))
            for pit in self.market.pits
        }  # fmt: skip
        self.most = {name: EXACT.multiply(size, Decimal(MOST_UNITS)) for name, size in self.units.items()}
        assert self.sim.paper is not None, "it was asked for"
        self.others = Others(
            self.sim.paper, ACCOUNT, self.instruments, self.units, faults=self.faults, hedge=self.hedge
        )  # fmt: skip

    async def live(self) -> TradingReport:
        plan = self.plan
        lives = drawn_trading_lives(plan.key, plan.duration_s) if plan.lives is None else plan.lives
        steps = drawn_clock_steps(plan.key, plan.duration_s) if plan.clock_steps is None else plan.clock_steps
        loop = asyncio.get_running_loop()
        for at_s, by_s in steps:
            loop.call_later(at_s, self._step, by_s)
        assert self.sim.paper is not None, "it was asked for"
        exchange = self.sim.paper.exchange
        witness = Witness(exchange, ACCOUNT, self.most, MOST_OPEN, self.wrong, others=self.others)
        self.sim.paper.witness = witness.told
        for at_s, silently in self.troubles.keys:
            loop.call_later(at_s, self._end_keys, silently)
        async with self.sim.open(), asyncio.TaskGroup() as tasks:
            net = Net(self.sim, tasks, random.Random(f"trading net {plan.key}"))
            around = Surroundings(
                venue=self.venue, market=self.market, instruments=self.instruments, limits=self._limits(),
                folder=self.folder, clock=self.clock, net=net, chance=random.Random(f"trading run {plan.key}"),
                others=self.others, foreign=self._foreign, streamed=self.streamed, wrong=self.wrong,
            )  # fmt: skip
            happenings = plan.happenings
            if happenings is None:
                happenings = drawn_happenings(plan.key, plan.duration_s, tuple(HAPPENINGS))
            tasks.create_task(self.others.live(happenings, self._until), name="others")
            watching = tasks.create_task(self._lifted(around), name="a person who lifts what risk has reduced")
            if self.halt_at_s is not None:
                tasks.create_task(self._halted_for_a_while(around, self.halt_at_s), name="a halt from outside")
            for number, life in enumerate(lives):
                await self._until(life.from_s)
                await self._life(around, number, life, last=number == len(lives) - 1)
                self.crashes += life.crash
            await asyncio.sleep(SETTLED_S)
            watching.cancel()
        if not witness.orders:
            self.wrong.append("nobody placed an order: the day shows nothing")
        text = repr([exchange.orders(ACCOUNT), exchange.fills(ACCOUNT), exchange.balances(ACCOUNT)])
        return TradingReport(
            venue=plan.venue.name, seed=plan.seed, violations=tuple(self.wrong), faults=dict(self.faults),
            lives=len(lives), crashes=self.crashes, orders=witness.orders, fills=witness.fills, end=self.end,
            mode="hedge" if self.hedge else "net", streamed=self.streamed,
            digest=blake2b(f"{text}{self.digest}".encode(), digest_size=16).hexdigest(),
        )  # fmt: skip

    async def _lifted(self, around: Surroundings) -> Never:
        """Where others brought a position beyond its limit, risk lets it only be reduced: until a person says so."""
        while True:
            await asyncio.sleep(PATIENT_S)
            if latch_of(around).state == "reduce_only":
                self.faults["reduced"] += 1
                latch_of(around).resume(who="ada", why="I know of it")

    def _foreign(self) -> Collection[str]:
        assert self.sim.paper is not None, "it was asked for"
        return [each.venue_id for each in self.sim.paper.exchange.orders(ACCOUNT) if self.others.is_theirs(each)]

    async def _halted_for_a_while(self, around: Surroundings, at_s: float) -> None:
        """Another process halts the account while it trades; nothing rests until somebody resumes it."""
        assert self.sim.paper is not None, "it was asked for"
        await self._until(at_s)
        self.faults["halt"] += 1
        self.others.stopped = True
        report = await emergency_stop(around, {}, flatten=False)
        await asyncio.sleep(SETTLED_S)
        open_orders = self.sim.paper.exchange.open_orders(ACCOUNT)
        left = [each.client_id for each in open_orders if not self.others.is_theirs(each)]
        if report.done and left:
            self.wrong.append(f"halted at {at_s:.0f} s and verified, and {', '.join(left)} are open after it")
        await asyncio.sleep(SETTLED_S)
        latch_of(around).resume(who="ada", why="it was nothing")

    async def _life(self, around: Surroundings, number: int, life: Life, *, last: bool) -> None:
        with closing(self._journal()) as journal:
            traders, same = self._strategies(number, last=last), self._strategies(number, last=last)
            running = TradingRun(around, journal, traders)
            async with running.live():
                await self._until(life.to_s)
                if last and not running.begun:
                    self.wrong.append("the last run never began")
                elif not life.crash and running.begun:
                    await self._end(running, last=last)
            for each in traders:
                self.until |= each.until
            self.digest = running.engine.digest
            self._count_failures(running)
            differs = running.again.differs(running.setup, same)
            if differs:
                self.wrong.append(f"life {number} played again: {differs}")

    async def _end(self, running: TradingRun, *, last: bool) -> None:
        """An orderly end of a run; the last one by whatever the day ends with. Everything is compared."""
        assert self.sim.paper is not None, "it was asked for"
        exchange = self.sim.paper.exchange
        if last and not self.faults["clock"]:
            self._overdue(running)
        if last and self.end != "stop":
            self.others.stopped = True
            report = await emergency_stop(running.around, running.held(), flatten=self.end == "flatten")
            if not report.done:
                self.wrong.append(f"the emergency stop: {' | '.join(report.lines())}")
        left = await running.stop()
        if last:
            self.wrong += [f"{each} may still be open" for each in left]
        elif left:
            return  # the venue cannot be asked just now: the next run has to find out
        await asyncio.sleep(SETTLED_S)
        try:
            await running.side.reconciler.run("the end of a run")
        except TapelineError as trouble:
            if last:
                self.wrong.append(f"not reconciled at the end: {trouble!r}")
            return
        await running.execution.settled()
        restored = running.restored
        flattened = last and self.end == "flatten"
        blotter, ledger = restored.blotter, restored.ledger
        found = differences(exchange, ACCOUNT, blotter, ledger, flattened=flattened, others=self.others)
        self.wrong += [each if last else f"at {self.clock.now():.0f} s: {each}" for each in found]
        self.wrong += [
            f"{each.client_id} is still open at the venue"
            for each in exchange.open_orders(ACCOUNT)
            if not self.others.is_theirs(each) or (last and self.end != "stop")
        ]  # fmt: skip
        if last:
            now_ns = self.clock.wall_ns()
            self.wrong += journalled(running.journal, exchange, ACCOUNT, ledger, now_ns, others=self.others)

    def _overdue(self, running: TradingRun) -> None:
        """Orders that were good till a date which is over."""
        assert self.sim.paper is not None, "it was asked for"
        until = self.until | {name: at_ns for each in running.traders for name, at_ns in each.until.items()}
        for order in self.sim.paper.exchange.open_orders(ACCOUNT):
            late_s = (self.clock.wall_ns() - until.get(order.client_id, self.clock.wall_ns())) / 1e9
            if late_s > LATE_S:
                self.wrong.append(f"{order.client_id} is open at the venue {late_s:.0f} s after its time")

    def _count_failures(self, running: TradingRun) -> None:
        for name, seat in running.engine.seats.items():
            if seat.failures:
                self.wrong.append(f"strategy {name} raised {seat.failures} times: {seat.paused}")

    def _journal(self) -> Journal:
        """Real SQLite; the instance's name, which is chance, is always the same."""
        first = not (self.folder / FILE).exists()
        journal = Journal(self.folder)
        if first:
            journal.close()
            with closing(sqlite3.connect(self.folder / FILE, isolation_level=None)) as direct:
                direct.execute("UPDATE instance SET name = 'simday'")
            journal = Journal(self.folder)
        journal.lead()
        return journal

    def _strategies(self, number: int, *, last: bool) -> list[Trader]:
        quiet_ns = self.clock.wall_ns() + round((self.plan.duration_s - QUIET_S - self.clock.now()) * 1e9)
        names = [each.id for each in self.instruments]
        traders = [Trader(name="one", instruments=names, seed=f"one {self.plan.key} {number}")]
        if self.plan.seed % 3 == 0:
            traders.append(Trader(name="two", instruments=names, seed=f"two {self.plan.key} {number}", every_s=25.0))
        for each in traders:
            each.quiet_from_ns = quiet_ns if last else 0
            each.hedge = self.hedge
        return traders

    def _limits(self) -> Tables:
        return Tables(
            account={ACCOUNT: RiskLimits(max_open_orders=MOST_OPEN)},
            instrument={name: RiskLimits(max_position=most) for name, most in self.most.items()},
        )

    def _has(self, kind: str) -> bool:
        orders = self.plan.venue.orders
        keyed = orders is not None and orders.private.listen_key
        return keyed or kind not in {"key_closed", "key_silent"}

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self.clock.now()))

    def _step(self, by_s: float) -> None:
        self.faults["clock"] += 1
        self.clock.step(by_s)

    def _end_keys(self, silently: bool) -> None:
        assert self.sim.paper is not None, "it was asked for"
        self.faults["key_silent" if silently else "key_closed"] += 1
        self.sim.paper.end_listen_keys(ACCOUNT, silently=silently)

    def _said(self, what: str, **facts: object) -> None:
        if what == "fault":
            self.faults[str(facts["kind"])] += 1


def _traded(venue: Venue, chance: random.Random) -> list[Instrument]:
    """One or two instruments in USDT, never the same coin at spot and as a derivative."""
    if venue.server is None or venue.orders is None:
        raise ConfigError(f"{venue.name} takes no orders here")
    listed = [each for each in venue.server.sample_instruments if each.quote == "USDT" and not each.inverse]
    kinds = sorted({each.kind for each in listed})
    kind = chance.choice(kinds)
    return [each for each in listed if each.kind == kind][: chance.choice((1, 1, 2))]


def main(words: Sequence[str]) -> int:
    """`VENUE SEED [SEED ...]`: play these days; 1 where one broke a promise."""
    bad = 0
    for seed in words[1:]:
        report = run_trading_day(TradingPlan(venue=venue_named(words[0]), seed=int(seed)))
        sys.stdout.write(f"{report}\n")
        bad += bool(report.violations)
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
