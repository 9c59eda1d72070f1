"""A strategy whose position somebody else closed, each a process of its own: it does not sell it again."""

import time
from pathlib import Path

import pytest
from live_process import HELD, configured, engine, exchange, journalled, notes, sent, tapeline, until, venue_says

from tapeline.model.account import Fill
from tapeline.model.number import ZERO
from tapeline.trading.client_ids import is_slice
from tapeline.trading.restore import restore

pytestmark = pytest.mark.sockets
SWAP = "binance-usdm:BTC/USDT:USDT"
QUIET_S = 2.0  # of an engine with several trades a second
STRATEGY = '''
"""It buys once. When it is let go on after a stop, it sells whatever it believes to hold."""
from tapeline.trading.strategy import Strategy

class Rests(Strategy):
    instruments = ("binance-usdm:BTC/USDT:USDT",)
    channels = ("trades",)

    def on_start(self):
        self.held = self.sells = False

    def on_trade(self, trade):
        name = trade.instrument
        self.held = self.held or bool(self.position(name))
        if self.sells and self.position(name):
            self.sell(name, self.position(name))
        elif not self.held and not self.orders():
            self.buy(name, "0.02")

    def on_reduced(self, reduced):
        self.note(f"holds {self.positions} after {reduced.why.partition(',')[0]}")

    def on_health(self, health):
        if health.check == "halt" and health.state == "ok":
            self.sells = True
            self.note(f"goes on with {self.positions}")
'''


def test_what_a_stop_closed_is_not_sold_again(tmp_path: Path) -> None:
    with exchange(tmp_path) as (address, _):
        path = configured(tmp_path, address)
        (tmp_path / "rests.py").write_text(STRATEGY, encoding="utf-8")
        with engine(path):
            until(lambda: venue_says(path) == ([], HELD), "a position")
            halted = tapeline("halt", "--config", str(path), "--flatten", "--who", "ann", "--why", "x", folder=tmp_path)
            assert halted.returncode == 0, halted.stdout + halted.stderr
            until(lambda: "holds {} after an emergency stop" in notes(path, "strategy"), "it heard of it")
            before = sent(path)
            said = tapeline("resume", "--config", str(path), "--who", "Ann", "--why", "well", folder=tmp_path)
            assert said.returncode == 0, said.stderr
            until(lambda: "goes on with {}" in notes(path, "strategy"), "it is let go on, and holds nothing")
            time.sleep(QUIET_S)
            assert venue_says(path) == ([], ZERO)
            assert sent(path) == before
    assert notes(path, "reduced")[-1].startswith(f"0.01 {SWAP} of Rests closed by an emergency stop, at ")
    entries = journalled(path)
    assert sum(isinstance(each.record, Fill) and is_slice(each.record.client_id) for each in entries) >= 2
    again = restore(entries, "lines", 0).ledger
    assert [again.holding("main", SWAP, strategy=name).size for name in (None, "Rests", "")] == [0, 0, 0]
    assert again.taken("main", SWAP) == {"Rests": -HELD}
