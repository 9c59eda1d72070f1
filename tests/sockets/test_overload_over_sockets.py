"""A flood: a run that cannot keep up becomes reduce-only, and is halted where that goes on; and it stays so."""

import asyncio
import os
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.trade.trading import trading
from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.config.watch import WatchConfig
from tapeline.model.event import Trade
from tapeline.store.latch import HaltLatch
from tapeline.trading.strategy import Strategy

BTC = "binance:BTC/USDT"
pytestmark = pytest.mark.sockets


class Slow(Strategy):
    """Takes a tenth of a second for each trade, of which there are forty in a second."""

    instruments = (BTC,)
    channels = ("trades",)

    def on_trade(self, trade: Trade) -> None:
        time.sleep(0.1)
        self.buy(BTC, "0.01", price=trade.price * Decimal("0.99"))


def test_an_engine_that_is_flooded_becomes_reduce_only_and_is_then_halted(market: Any, tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    latch = HaltLatch("binance", "paper", environ, SystemClock())

    async def main() -> None:
        async with market(rate=2400) as address:
            config = Config(
                store=StoreConfig(path=str(tmp_path / "store"), tape=False),
                venue={"binance": VenueConfig(ws_url=f"ws://{address}", rest_url=f"http://{address}")},
                strategy=(StrategyConfig(run=f"{__file__}:Slow"),),
                watch=WatchConfig(queue_age_s=1.0, overload_s=2.0, overload_halt_s=6.0, loop_lag_s=0.3),
                trade=TradeConfig(), seed=1,
            )  # fmt: skip
            async with trading(config, environ=environ) as run:
                async with asyncio.timeout(60):
                    while latch.state != "halted":  # noqa: ASYNC110  # it is on disk
                        await asyncio.sleep(0.2)
                hand = run.side.hands["binance"]
                async with asyncio.timeout(20):
                    while await hand.open_orders():  # noqa: ASYNC110  # the engine itself is still far behind
                        await asyncio.sleep(0.2)
                assert {row["check"] for row in run.watching.statistics() if row["state"] == "fail"} >= {"queue_age"}

    asyncio.run(main())
    assert [each.state for each in latch.read().changes] == ["reduce_only", "halted"]
    assert {each.who for each in latch.read().changes} <= {"health", "overload"}
    assert latch.read().why.startswith(("queue_age:", "loop_lag:"))
