"""Positions of a run on paper, closed because its latch says so."""

import asyncio
import os
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.trade.paper_side import PaperSide
from tapeline.app.trade.trading import trading
from tapeline.clock import SystemClock
from tapeline.config import Config, FlattenConfig, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.config.risk import RiskConfig
from tapeline.model.event import Trade
from tapeline.store.journal import Journal
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Note
from tapeline.trading.strategy import Strategy

D = Decimal
BTC = "binance:BTC/USDT"
pytestmark = pytest.mark.sockets


class Resting(Strategy):
    """Buys once at the market, and rests one order far away."""

    instruments = (BTC,)
    channels = ("trades",)

    def on_trade(self, trade: Trade) -> None:
        if not self.position(BTC) and not self.orders():
            self.buy(BTC, "0.01")
            self.buy(BTC, "0.01", price=trade.price * D("0.97"))


class Stubborn(Resting):
    """Rests what closes, again and again, whatever becomes of it."""

    def on_trade(self, trade: Trade) -> None:
        super().on_trade(trade)
        if self.position(BTC) and len(self.orders()) < 3:
            self.sell(BTC, "0.001", price=trade.price * D("1.03"))


async def until(found: Any, within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not found():  # noqa: ASYNC110  # many things are waited for, and few of them have an event
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("name", ["Resting", "Stubborn"])
def test_a_running_engine_is_stopped_and_flat_by_the_latch_of_another_process(
    name: str, market: Any, tmp_path: Path
) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}

    async def main() -> None:
        async with market() as address:
            config = Config(
                store=StoreConfig(path=str(tmp_path / "store"), tape=False, batch_timeout_s=0.05),
                venue={"binance": VenueConfig(ws_url=f"ws://{address}", rest_url=f"http://{address}")},
                strategy=(StrategyConfig(run=f"{__file__}:{name}"),), risk=RiskConfig(wait_after_repair_s=0.0),
                trade=TradeConfig(balances={"USDT": D(10_000)}, send_ms=1.0, answer_ms=1.0, stop_within_s=5.0),
                flatten=FlattenConfig(band=D("0.02"), wait_s=0.5), seed=1,
            )  # fmt: skip
            async with trading(config, environ=environ) as run:
                await until(lambda: run.engine.seats[name].strategy.position(BTC) > 0)
                await until(lambda: any(each.state == "open" for each in run.engine.situation.blotter.live()))
                assert isinstance(run.side, PaperSide)
                exchange = run.side.papers["binance"].venue.exchange
                outside = HaltLatch("binance", "paper", environ, SystemClock())
                before = time.monotonic()
                outside.worsen("flattening", who="ann", why="a test")
                await until(lambda: outside.state == "flat")
                assert time.monotonic() - before < 20
                assert exchange.open_orders("binance") == []
                held = next(each.total for each in exchange.balances("binance") if each.currency == "BTC")
                assert held is not None
                assert held < D("0.0001")
                await until(lambda: run.flattening.reports.get("binance") is not None)
                report = run.flattening.reports["binance"]
                assert (report.verified, report.who, report.left_orders) == (True, "ann", [])
                ledger = run.engine.situation.ledger
                mine = ledger.holding("binance", BTC, strategy=name)
                assert ledger.holdings("binance", "") == {}, "nothing of it is nobody's"
                assert (mine.size, mine.fees) == (held, ledger.holding("binance", BTC).fees), "dust, at most"
                assert run.engine.seats[name].strategy.position(BTC) == 0
                await run.stop(5.0)

    asyncio.run(main())
    journal = Journal(tmp_path / "store")
    kinds = [each.record.kind for each in journal.replay() if isinstance(each.record, Note)]
    journal.close()
    assert "halt_report" in kinds
