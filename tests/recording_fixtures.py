"""A trading run as short as it can be, with its journal and its recording."""

from pathlib import Path

from engine_fixtures import BTC, SECOND, D
from tapeline.app.trade.loading import load
from tapeline.app.trade.recorder import recording
from tapeline.clock import SystemClock
from tapeline.config import StrategyConfig
from tapeline.model.event import Trade
from tapeline.store.journal import Journal
from tapeline.store.snapshot import played
from tapeline.trading.memo import encode
from tapeline.trading.record import Listed
from tapeline.trading.recorded import RecordedEngine
from tapeline.trading.setup import Abilities, Account, Setup

CODE = """
from tapeline.trading.strategy import Strategy

class Buys(Strategy):
    instruments = ("sim:BTC/USDT",)
    size = "1"

    def on_trade(self, trade):
        if not self.orders():
            self.buy(trade.instrument, self.size, price=trade.price)
"""
SETUP = Setup(
    accounts={"main": Account(name="main", venue="sim")}, instruments={BTC.id: BTC},
    abilities={"sim": Abilities(amends=frozenset({"size", "price"}))},
)  # fmt: skip


def trade(price: str) -> Trade:
    return Trade(BTC.id, "trades", 1, 2, "ws", "7", 7, "buy", D(price), D(1))


def run(into: Path, folder: Path, config: StrategyConfig, *, orderly: bool = True) -> Path:
    """A run with a journal, as short as it can be: one order, or, where it is there from before, none."""
    folder.mkdir(exist_ok=True)
    journal = Journal(folder)
    try:
        instance = journal.lead()
        with recording(into, SystemClock()) as recorder:
            playback, _ = played(journal)
            recorder.remember(encode(playback.memo()))
            restored = playback.end(5)
            recorder.describe(
                SETUP, [config], folder, mode="paper", instance=instance, restored_ns=5, accounting="average"
            )
            engine = recorder.engine = RecordedEngine(
                SETUP, [load(config, folder)], take=recorder.inputs.take, blotter=restored.blotter,
                ledger=restored.ledger, digest=restored.digest, held=restored.held,
            )  # fmt: skip
            engine.start(SECOND)
            commands = engine.step(trade("100"), 2 * SECOND)
            journal.append([Listed(BTC, 3), *commands], 3)
            if orderly:
                engine.stop(3 * SECOND)
                recorder.why = "stopped"
            return recorder.folder
    finally:
        journal.close()
