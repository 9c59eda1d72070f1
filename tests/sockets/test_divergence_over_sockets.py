"""One strategy on paper and live at once, and the report of both: the journals are those of real runs."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tapeline.app.trade.trading import Trading, trading
from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.config.account import AccountConfig
from tapeline.config.risk import RiskConfig
from tapeline.model.event import Trade
from tapeline.model.secret import Secret
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.surfaces.cli import main
from tapeline.trading.strategy import Strategy
from tapeline.venues import venue_named

pytestmark = pytest.mark.sockets
BTC = "binance:BTC/USDT"
KEY = Key(key="key-of-a-compared-account", secret="secret-of-a-compared-account", account="paper")


class BuyOnce(Strategy):
    """Buys once at the market, and rests an order far below it."""

    instruments = (BTC,)
    channels = ("trades",)

    def on_trade(self, trade: Trade) -> None:
        if not self.position(BTC) and not self.orders():
            self.buy(BTC, "0.01")
            self.buy(BTC, "0.01", price=trade.price * Decimal("0.9"))


def config(folder: Path, place: str) -> Config:
    return Config(
        store=StoreConfig(path=str(folder), tape=False, batch_timeout_s=0.05),
        venue={"binance": VenueConfig(ws_url=f"ws://{place}", rest_url=f"http://{place}")},
        strategy=(StrategyConfig(run=f"{__file__}:BuyOnce"),),
        risk=RiskConfig(wait_after_repair_s=0.0),
        trade=TradeConfig(stop_within_s=10.0, reconcile_s=5.0, ready_s=20.0),
        seed=1,
    )


@asynccontextmanager
async def venue() -> AsyncIterator[str]:
    spec = venue_named("binance")
    settings = PaperSettings(keys=(KEY,), balances={"USDT": Decimal(100_000)})
    sim = SimulatedVenue(spec, Market(spec, 7, SystemClock.wall_ns()), clock=SystemClock(), paper=settings)
    async with serving(sim) as port:
        yield f"127.0.0.1:{port}"


async def traded(run: Trading) -> None:
    """Until the one order is filled and the other rests; then an orderly stop."""
    async with asyncio.timeout(30):
        while {each.state for each in run.engine.situation.blotter.live()} != {"open"}:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.05)
    await run.stop(10.0)
    assert run.left == []


def test_two_runs_beside_each_other_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def both() -> None:
        async with venue() as place:
            account = AccountConfig(venue="binance", mode="live", key=Secret(KEY.key), secret=Secret(KEY.secret))
            live = msgspec.structs.replace(config(tmp_path / "live", place), account={"mine": account})
            async with (
                trading(config(tmp_path / "paper", place), environ=os.environ) as on_paper,
                trading(live, environ=os.environ, live=True) as in_life,
                asyncio.TaskGroup() as tasks,
            ):
                tasks.create_task(traded(on_paper), name="paper")
                tasks.create_task(traded(in_life), name="live")

    asyncio.run(both())
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["divergence", str(tmp_path / "paper"), str(tmp_path / "live"), "--from", "2024-01-01", "--within", "30",
              "--json"])  # fmt: skip
    assert ended.value.code == 0
    found = msgspec.json.decode(capsys.readouterr().out)
    assert (len(found["pairs"]), found["alone_on_paper"], found["alone_live"]) == (2, 0, 0)
    market, limit = sorted(found["pairs"], key=lambda pair: pair["paper"]["intent"]["kind"] == "limit")
    for side in ("paper", "live"):
        assert (market[side]["state"], limit[side]["state"]) == ("filled", "cancelled")
        assert Decimal(market[side]["filled"]) == Decimal("0.01")
        assert market[side]["delay_ns"] > 0
        assert market[side]["fees"]
    worse = Decimal(market["live"]["price"]) - Decimal(market["paper"]["price"])
    assert Decimal(market["worse"]) == worse
    assert Decimal(found["parts"][0]["cost"]) == worse * Decimal("0.01")
    assert (found["parts"][0]["both"], found["parts"][0]["only_live"]) == (1, 0)
