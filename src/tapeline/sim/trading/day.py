"""A trading day: strategies, engine, journal and live gateways at venues that take orders, in a world from a seed.

25 virtual minutes of one or two instruments at one venue or two, an act of a strategy every ten seconds, faults
wherever something is awaited, others in the same account, restarts, crashes, a halt from outside, and an end.
`uv run python -m tapeline.sim.trading.day binance 17` plays one and says what it broke.
"""

import asyncio
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Never

from tapeline.errors import TapelineError
from tapeline.model.limits import RiskLimits
from tapeline.sim.kept.chance import Life
from tapeline.sim.kept.day import MEMORY
from tapeline.sim.loop import AloneLoop, VirtualClock, run
from tapeline.sim.playing import play
from tapeline.sim.trading.chance import CALM_S, ENDS, WARM_S, drawn_clock_steps, drawn_trading_lives
from tapeline.sim.trading.plan import TradingPlan, TradingReport
from tapeline.sim.trading.run import ACCOUNT, Place, Surroundings, TradingRun, emergency_stop, latch_of
from tapeline.sim.trading.stage import MOST_OPEN, START_NS, Stage, playable
from tapeline.sim.trading.trader import Trader
from tapeline.store.journal import FILE, Journal
from tapeline.trading.risk.limits import Tables
from tapeline.venues import venue_named

SETTLED_S = 30.0  # what is under way has come by then
QUIET_S = CALM_S / 2
PATIENT_S = 60.0  # how long a person looks at a reduced account
STREAMED = 0.5  # share of days with market data over connections of their own
TWOFOLD = 0.15  # share of days at two venues
FLATTENED = 0.5  # share of those with a halt on the way that close all positions
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
        self.wrong: list[str] = []
        self.faults, self.problems = Counter[str](), Counter[str]()
        self.crashes = 0
        self.set_back = False  # by so much that strategies may sleep for the rest of the day
        self.digest = ""  # of the engine, after the last run so far
        self.until: dict[str, int] = {}  # when orders have to have ended, by our clock
        self.end = plan.end or self.chance.choice(ENDS)
        halted = self.chance.random() < 0.33 if plan.halt is None else plan.halt
        self.halt_at_s = self.chance.uniform(WARM_S, plan.duration_s - CALM_S - 100) if halted else None
        streamed = self.chance.random() < STREAMED
        self.streamed = streamed if plan.streamed is None else plan.streamed
        self.stages = [self._stage(plan.venue.name, ACCOUNT, plan.key)]
        second = self.chance.choice(playable()) if self.chance.random() < TWOFOLD else ""
        second = second if plan.second is None else plan.second
        if second and second != plan.venue.name:
            self.stages.append(self._stage(second, "two", f"{plan.key} and {second}"))

    async def live(self) -> TradingReport:
        plan = self.plan
        lives = drawn_trading_lives(plan.key, plan.duration_s) if plan.lives is None else plan.lives
        steps = drawn_clock_steps(plan.key, plan.duration_s) if plan.clock_steps is None else plan.clock_steps
        for at_s, by_s in steps:
            asyncio.get_running_loop().call_later(at_s, self._step, by_s)
        async with AsyncExitStack() as stack:
            for stage in self.stages:
                await stack.enter_async_context(stage.sim.open())
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            around = Surroundings(
                places=[stage.place(tasks) for stage in self.stages], limits=self._limits(), folder=self.folder,
                clock=self.clock, chance=random.Random(f"trading run {plan.key}"), streamed=self.streamed,
                wrong=self.wrong, problems=self.problems,
            )  # fmt: skip
            for stage in self.stages:
                tasks.create_task(stage.befall(self._until), name=f"what befalls {stage.venue.name}")
            watching = tasks.create_task(self._lifted(around), name="a person who lifts what risk has reduced")
            if self.halt_at_s is not None:
                tasks.create_task(self._halted_for_a_while(around, self.halt_at_s), name="a halt from outside")
            for number, life in enumerate(lives):
                await self._until(life.from_s)
                await self._life(around, number, life, last=number == len(lives) - 1)
                self.crashes += life.crash
            await asyncio.sleep(SETTLED_S)
            watching.cancel()
        return self._report(len(lives))

    def _report(self, lives: int) -> TradingReport:
        plan = self.plan
        for stage in self.stages:
            if not stage.witness.orders and not self.set_back:  # timers wait until it is as late again
                self.wrong.append(f"nobody placed an order at {stage.venue.name}: the day shows nothing")
        return TradingReport(
            venue=plan.venue.name, seed=plan.seed, violations=tuple(self.wrong), faults=dict(self.faults),
            problems=dict(self.problems),
            lives=lives, crashes=self.crashes, orders=sum(each.witness.orders for each in self.stages),
            fills=sum(each.witness.fills for each in self.stages), end=self.end, streamed=self.streamed,
            mode="hedge" if self.stages[0].hedge else "net",
            second=self.stages[1].venue.name if len(self.stages) > 1 else "",
            digest=blake2b(f"{self.stages}{self.digest}".encode(), digest_size=16).hexdigest(),
        )  # fmt: skip

    # ---- others --------------------------------------------------------------------------------------------------

    async def _lifted(self, around: Surroundings) -> Never:
        """Where others brought a position beyond its limit, risk lets it only be reduced: until a person says so."""
        while True:
            await asyncio.sleep(PATIENT_S)
            for stage in self.stages:
                latch = latch_of(around, stage.account)
                if latch.state == "reduce_only":
                    self.faults["reduced"] += 1
                    latch.resume(who="ada", why="I know of it")

    async def _halted_for_a_while(self, around: Surroundings, at_s: float) -> None:
        """Another process halts an account while it trades; nothing rests until somebody resumes it.

        On half of these days it closes all positions too.
        """
        await self._until(at_s)
        stage, place = self.stages[0], around.places[0]
        flatten = random.Random(f"trading flat {self.plan.key}").random() < FLATTENED
        self.faults["flatten" if flatten else "halt"] += 1
        stage.others.stopped = True
        report = await emergency_stop(around, place, flatten=flatten)
        await asyncio.sleep(SETTLED_S)
        left = stage.left_open()
        if report.done and left:
            self.wrong.append(f"halted at {at_s:.0f} s and verified, and {', '.join(left)} are open after it")
        await asyncio.sleep(SETTLED_S)
        latch_of(around, stage.account).resume(who="ada", why="it was nothing")

    # ---- lives ---------------------------------------------------------------------------------------------------

    async def _life(self, around: Surroundings, number: int, life: Life, *, last: bool) -> None:
        with closing(self._journal()) as journal:
            traders, same = self._strategies(number, last=last), self._strategies(number, last=last)
            running = TradingRun(around, journal, traders)
            # What a crash kept out of the journal was not sent, and its id is free for another.
            known = running.restored.blotter.order
            self.until = {name: at_ns for name, at_ns in self.until.items() if known(name) is not None}
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
        if last and not self.faults["clock"]:
            self._overdue(running)
        if last and self.end != "stop":
            for stage, place in zip(self.stages, running.around.places, strict=True):
                await self._stopped(running, stage, place)
        left = await running.stop()
        if last:
            self.wrong += [f"{each} may still be open" for each in left]
        elif left:
            return  # the venue cannot be asked just now: the next run has to find out
        await asyncio.sleep(SETTLED_S)
        try:
            for side in running.sides.values():
                await side.reconciler.run("the end of a run")
        except TapelineError as trouble:
            if last:
                self.wrong.append(f"not reconciled at the end: {trouble!r}")
            return
        await running.execution.settled()
        when = "" if last else f"at {self.clock.now():.0f} s: "
        for stage in self.stages:
            self.wrong += [f"{when}{each}" for each in stage.compared(running, self.end if last else "")]

    async def _stopped(self, running: TradingRun, stage: Stage, place: Place) -> None:
        stage.others.stopped = True
        report = await emergency_stop(running.around, place, flatten=self.end == "flatten")
        if not report.done:
            self.wrong.append(f"the emergency stop: {' | '.join(report.lines())}")

    def _overdue(self, running: TradingRun) -> None:
        """Orders that were good till a date which is over."""
        until = self.until | {name: at_ns for each in running.traders for name, at_ns in each.until.items()}
        now_ns = self.clock.wall_ns()
        for name in (name for stage in self.stages for name in stage.left_open()):
            late_s = (now_ns - until.get(name, now_ns)) / 1e9
            if late_s > LATE_S:
                self.wrong.append(f"{name} is open at the venue {late_s:.0f} s after its time")

    def _count_failures(self, running: TradingRun) -> None:
        for name, seat in running.engine.seats.items():
            if seat.failures:
                self.wrong.append(f"strategy {name} raised {seat.failures} times: {seat.paused}")

    # ---- what a life is made of ----------------------------------------------------------------------------------

    def _stage(self, venue: str, account: str, key: str) -> Stage:
        of = self.plan.venue if venue == self.plan.venue.name else venue_named(venue)
        return Stage(of, account, key, self.plan, clock=self.clock, wrong=self.wrong, faults=self.faults)

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
        names = [each.id for stage in self.stages for each in stage.instruments]
        traders = [Trader(name="one", instruments=names, seed=f"one {self.plan.key} {number}")]
        if self.plan.seed % 3 == 0:
            traders.append(Trader(name="two", instruments=names, seed=f"two {self.plan.key} {number}", every_s=25.0))
        for each in traders:
            each.quiet_from_ns = quiet_ns if last else 0
            each.hedged = [known.id for stage in self.stages if stage.hedge for known in stage.instruments]
        return traders

    def _limits(self) -> Tables:
        return Tables(
            account={
                stage.account: RiskLimits(max_open_orders=MOST_OPEN, refuse_self_trade=stage.apart)
                for stage in self.stages
            },
            instrument={
                name: RiskLimits(max_position=most) for stage in self.stages for name, most in stage.most.items()
            },
        )  # fmt: skip

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self.clock.now()))

    def _step(self, by_s: float) -> None:
        self.faults["clock"] += 1
        self.set_back |= by_s < -CALM_S
        self.clock.step(by_s)


def main(words: Sequence[str]) -> int:
    """`VENUE SEED [SEED ...]`: play these days; 1 where one broke a promise."""
    return play(words, lambda venue, seed: run_trading_day(TradingPlan(venue=venue, seed=seed)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
