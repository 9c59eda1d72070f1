"""A run on paper forgets what is over, its exchange does too, and a restart and a replay find the same."""

import asyncio
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.trade import paper_side, trading
from tapeline.app.trade.paper_side import PaperSide
from tapeline.app.trade.replaying import recordings, replay
from tapeline.config import Config, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.store.journal import Journal
from tapeline.store.snapshot import restored
from tapeline.trading import forgetting
from tapeline.trading.input import Forget
from tapeline.trading.strategy import Strategy

pytestmark = pytest.mark.sockets
BTC = "binance:BTC/USDT"
KEEP_S = 0.5


class Fickle(Strategy):
    """Places far away, and cancels as soon as it rests."""

    instruments = (BTC,)
    channels = ("trades",)

    def on_trade(self, trade: Any) -> None:
        if not self.orders():
            self.buy(trade.instrument, "0.01", price=trade.price * Decimal("0.97"))
        elif self.orders()[0].state == "open":
            self.cancel(self.orders()[0])


def test_a_run_on_paper_holds_only_what_was_lately(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trading, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(trading, "REMEMBER_EVERY", 1)
    monkeypatch.setattr(paper_side, "NEAR_NS", 0)  # both are minutes, and this is seconds
    monkeypatch.setattr(forgetting, "NEAR_NS", 0)

    async def main() -> list[str]:
        async with market() as address:
            asked = Config(
                store=StoreConfig(path=str(tmp_path / "store")),
                venue={"binance": VenueConfig(ws_url=f"ws://{address}", rest_url=f"http://{address}")},
                strategy=(StrategyConfig(run=f"{__file__}:Fickle"),), trade=TradeConfig(keep_h=KEEP_S / 3600),
            )  # fmt: skip
            async with trading.trading(asked, environ=os.environ, record=tmp_path / "into") as run:
                blotter, forgot = run.engine.situation.blotter, ""
                async with asyncio.timeout(30):
                    while not forgot:
                        await asyncio.sleep(0.05)
                        first = next(iter(blotter.memo().ours), "")
                        forgot = first[:-13] + "0000001fickle" if first and "0000001f" not in first else ""
                assert blotter.forgotten(forgot), forgot
                assert isinstance(run.side, PaperSide)
                exchange = run.side.papers["binance"].venue.exchange
                there = [each.client_id for each in exchange.orders("binance")]
                assert there
                assert forgot not in there
                await run.stop(10.0)
                return list(blotter.memo().ours)

    left = asyncio.run(main())
    (made,) = recordings(tmp_path / "into")
    outcome = replay(made)
    assert (outcome.difference, outcome.broken, outcome.ended) == (None, "", "stopped")
    journal = Journal(tmp_path / "store")
    assert any(isinstance(entry.record, Forget) and entry.record.orders for entry in journal.replay())
    assert list(restored(journal, 1).blotter.memo().ours) == left
    journal.close()
