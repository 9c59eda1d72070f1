"""A run of a trading day is played again, and what is not the same is found."""

from pathlib import Path

from tapeline.model.event import Trade
from tapeline.model.instrument import Instrument
from tapeline.model.number import ZERO
from tapeline.sim.trading.again import Again
from tapeline.store.journal import Journal
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy

BTC = Instrument(venue="sim", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
SETUP = Setup(accounts={"one": Account(name="one", venue="sim")}, instruments={BTC.id: BTC})


class Buys(Strategy):
    """One order, of a size that is a setting."""

    instruments = (BTC.id,)
    size = "1"

    def on_trade(self, trade: Trade) -> None:
        if not self.orders():
            self.buy(trade.instrument, self.size, price=5)


def test_the_same_strategy_is_the_same_and_another_is_told_with_its_first_command(tmp_path: Path) -> None:
    again, said = Again(), list[str]()
    journal = Journal(tmp_path)
    engine = again.engine(SETUP, [Buys()], again.restored(journal, 5, say=said.append))
    journal.close()
    engine.start(10)
    engine.step(Trade(BTC.id, "trades", 1, 2, "ws", "7", 7, "buy", ZERO + 6, ZERO + 1), 20)
    assert said == []
    assert again.differs(SETUP, [Buys()]) == ""
    found = again.differs(SETUP, [Buys(size="2")])
    assert found.startswith('input 2, step {"type":"trade"')
    assert found.count('"size":"1"') == 1 + 1, "of the trade, and of the order then"
    assert found.count('"size":"2"') == 1
