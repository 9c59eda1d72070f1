"""One run of a trading day: from the journal on, killed and begun again, stopped and flattened."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.model.limits import RiskLimits
from tapeline.sim.loop import AloneLoop, VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.trading.run import (
    ACCOUNT,
    KEEP_S,
    KEY,
    PASSPHRASE,
    SECRET,
    Place,
    Surroundings,
    TradingRun,
    emergency_stop,
    latch_of,
)
from tapeline.sim.trading.stage import START_NS, THIN
from tapeline.sim.trading.trader import Trader
from tapeline.sim.trading.wire import Net
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.journal import Journal
from tapeline.trading.command import Note
from tapeline.trading.risk.limits import Tables
from tapeline.venues import venue_named

D = Decimal
VENUE = venue_named("binance")
NAME = "binance:BTC/USDT"


class Stage:
    """A paper exchange, and what a run needs."""

    def __init__(self, sim: SimulatedVenue, around: Surroundings) -> None:
        self.sim, self.around = sim, around
        (self.place,) = around.places
        assert sim.paper is not None
        self.exchange = sim.paper.exchange

    def run(self, trader: Trader | None = None) -> TradingRun:
        journal = Journal(self.around.folder)
        journal.lead()
        return TradingRun(self.around, journal, [trader or Trader(name="one", instruments=(NAME,), quiet_from_ns=1)])


def played(folder: Path, story: Callable[[Stage], Coroutine[Any, Any, None]], *, streamed: bool = False) -> None:
    async def main() -> None:
        clock, market = VirtualClock(START_NS), Market(VENUE, 1, START_NS, THIN)
        keys = [Key(key=KEY, secret=SECRET, passphrase=PASSPHRASE, account=ACCOUNT)]
        sim = SimulatedVenue(
            VENUE, market, clock=clock, paper=PaperSettings(keys=keys, balances={"USDT": D(10_000), "BTC": D(1)})
        )
        instruments = [pit.instrument for pit in market.pits if pit.instrument.id == NAME]
        async with sim.open(), asyncio.TaskGroup() as tasks:
            place = Place(
                account=ACCOUNT, venue=VENUE, market=market, instruments=instruments,
                net=Net(sim, tasks, random.Random(1)),
            )  # fmt: skip
            around = Surroundings(
                places=[place], folder=folder, clock=clock, chance=random.Random(2), streamed=streamed,
                limits=Tables(account={ACCOUNT: RiskLimits(max_open_orders=8)}),
            )  # fmt: skip
            await story(Stage(sim, around))

    run(main(), AloneLoop)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_run_that_is_killed_goes_on_with_what_the_journal_holds(tmp_path: Path, streamed: bool) -> None:
    async def story(stage: Stage) -> None:
        first = stage.run()
        async with first.live():
            await asyncio.sleep(20)
            assert first.sides[ACCOUNT].hold() == ""
            order = first.traders[0].buy(NAME, "0.001", price=30_000)
            await first.execution._do(first.engine._commands())
            await asyncio.sleep(5)
        first.journal.close()
        assert [each.client_id for each in stage.exchange.open_orders(ACCOUNT)] == [order.client_id]

        second = stage.run()
        known = second.restored.blotter.order(order.client_id)
        assert known is not None
        assert known.state == "open"
        async with second.live():
            await asyncio.sleep(20)
            assert await second.stop() == []
        second.journal.close()
        assert stage.exchange.open_orders(ACCOUNT) == []
        assert stage.around.wrong == []

    played(tmp_path, story, streamed=streamed)


def test_what_is_over_is_forgotten_once_the_account_agreed_and_a_restart_knows_it_no_more(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        run = stage.run()
        async with run.live():
            assert not run.sides or run.sides[ACCOUNT].settled_ns() == 0
            await asyncio.sleep(20)
            order = run.traders[0].buy(NAME, "0.001")
            await run.execution._do(run.engine._commands())
            await asyncio.sleep(60)
            assert run.restored.blotter.order(order.client_id) is not None
            await asyncio.sleep(4 * KEEP_S)
            assert run.sides[ACCOUNT].settled_ns() > 0
            run.sides[ACCOUNT].reconciler.state.unexplained = ("1 USDT that nothing tells of",)
            assert run.sides[ACCOUNT].settled_ns() == 0
            assert run.restored.blotter.forgotten(order.client_id)
        run.journal.close()
        second = stage.run()
        assert second.restored.blotter.forgotten(order.client_id)
        assert second.restored.ledger.balances(ACCOUNT) == run.restored.ledger.balances(ACCOUNT)
        second.journal.close()

    played(tmp_path, story)


@pytest.mark.parametrize(("end", "state", "left"), [("halt", "halted", D("0.001")), ("flatten", "flat", D(0))])
def test_an_emergency_stop_ends_a_run_from_outside(tmp_path: Path, end: str, state: str, left: Decimal) -> None:
    async def story(stage: Stage) -> None:
        run = stage.run()
        async with run.live():
            await asyncio.sleep(20)
            run.traders[0].buy(NAME, "0.001")
            await run.execution._do(run.engine._commands())
            await asyncio.sleep(5)
            report = await emergency_stop(stage.around, stage.place, flatten=end == "flatten")
            assert (report.done, report.state, latch_of(stage.around, ACCOUNT).state) == (True, state, state)
            await asyncio.sleep(5)
            held = run.restored.ledger.balance(ACCOUNT, "BTC")
            assert (held - 1 > D("0.0005")) is bool(left)
        run.journal.close()

    played(tmp_path, story)


def test_what_is_written_at_once_is_written_in_the_order_it_was_asked(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        run = stage.run()
        notes = [Note("order", ACCOUNT, str(number)) for number in range(20)]
        await asyncio.gather(*(run._keep([each], START_NS) for each in notes))
        assert [entry.record for entry in run.journal.replay()] == notes
        run.journal.close()

    played(tmp_path, story)


def test_what_must_never_be_is_written_down(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        run = stage.run()
        run._told(Note("unbooked", ACCOUNT, "a fill of nobody"))
        run._told(Note("denied", ACCOUNT, "too much"))
        async with run.live():
            await asyncio.sleep(20)
            run._halt(ACCOUNT, "halted", "a strategy raised", "strategy")
            await asyncio.sleep(20)
            assert run.gates[ACCOUNT].state == "halted"
            assert run.engine.halt(ACCOUNT) == "halted"
        run.journal.close()
        assert stage.around.wrong == ["unbooked: a fill of nobody", "strategy halted the account: a strategy raised"]

    played(tmp_path, story)
