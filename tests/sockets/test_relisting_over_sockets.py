"""A venue changes its list while a run trades there, live and on paper: the run goes on by the new one."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from test_replay_over_sockets import replayed
from test_trade_live_over_sockets import SYMBOLS, config, paper, until

from tapeline.app.trade.trading import Trading, trading
from tapeline.config import Config, StrategyConfig
from tapeline.model.instrument import Instrument
from tapeline.model.number import plain
from tapeline.model.order import Order
from tapeline.sim.market import Market
from tapeline.store.journal import Journal
from tapeline.store.reader import open_store
from tapeline.trading.record import Listed
from tapeline.venues.spec import Answer, Ask

D = Decimal
pytestmark = pytest.mark.sockets


RESTS = """
from decimal import Decimal
from tapeline.trading.strategy import Strategy

class Rests(Strategy):
    # Rests one order from the start, and one more whenever it hears of other terms.

    channels = ("trades",)

    def on_trade(self, trade):
        if not self.orders():
            self.rest(trade.instrument)

    def on_health(self, health):
        if health.check == "instrument":
            self.rest(health.instrument)

    def rest(self, instrument):
        price = self.price(instrument)
        if price is not None:
            self.buy(instrument, "0.12345678", price=price * Decimal("0.9712345"))
"""


@dataclass
class List:
    """What of the venue's list is another than it is by itself."""

    changed: dict[str, Instrument] = field(default_factory=dict)


@pytest.fixture
def listing(monkeypatch: pytest.MonkeyPatch) -> List:
    made, rows = List(), Market.rows

    def listed(market: Market, ask: Ask, now_ns: int) -> Sequence[Answer] | None:
        found = rows(market, ask, now_ns)
        if ask.call != "instruments" or found is None:
            return found
        return [made.changed.get(each.id, each) if isinstance(each, Instrument) else each for each in found]

    monkeypatch.setattr(Market, "rows", listed)
    return made


def settings(folder: Path, places: dict[str, str]) -> Config:
    made = config(folder, places)
    (strategy,) = made.strategy
    (folder / "rests.py").write_text(RESTS)
    return msgspec.structs.replace(
        made,
        strategy=(StrategyConfig(run=f"{folder}/rests.py:Rests", settings=strategy.settings),),
        trade=msgspec.structs.replace(made.trade, instruments_h=1.0 / 3600, balances={"USDT": D(1_000_000)}),
    )


def resting(run: Trading) -> list[Order]:
    return [each for each in run.engine.situation.blotter.live() if each.state == "open"]


@pytest.mark.parametrize("name", sorted(SYMBOLS))
@pytest.mark.parametrize("live", [True, False])
def test_orders_go_by_the_terms_of_the_day(name: str, live: bool, tmp_path: Path, listing: List) -> None:
    of = f"{name}:{SYMBOLS[name]}"

    async def main() -> Instrument:
        async with paper(name) as (exchange, place):
            asked = settings(tmp_path, {name: place})
            async with trading(asked, environ=os.environ, live=live, record=tmp_path / "recorded") as run:
                await until(run, lambda: resting(run), "one order rests")
                old = run.engine.situation.known(of)
                assert old.tick is not None
                assert old.lot is not None
                new = replace(old, tick=old.tick * 50, lot=old.lot * 2)
                assert new.tick is not None
                assert new.lot is not None
                exchange.relist(new)
                listing.changed[of] = new
                await until(run, lambda: len(resting(run)) == 2, "one more rests")
                first, second = resting(run)
                assert second.price is not None
                assert second.size is not None
                assert (second.price % new.tick, second.size % new.lot) == (D(0), D(0))
                assert first.state == "open", "what was open is left as it is"
                assert [each.reason for each in run.engine.situation.blotter.live() if each.reason] == []
                said = run.running.status()["instruments"]
                changed = f"tick {plain(old.tick)} -> {plain(new.tick)}, lot {plain(old.lot)} -> {plain(new.lot)}"
                assert [each["changed"] for each in said["changes"]] == [changed]
                assert said["lists"][0]["trouble"] == ""
                listing.changed[of] = replace(new, status="halted")
                await until(run, lambda: len(run.running.status()["instruments"]["changes"]) == 2, "halted")
                await asyncio.sleep(0.2)
                assert len(resting(run)) == 2, "the third was denied, and none was cancelled"
                await run.stop(10.0)
                assert run.left == []
            return new

    new = asyncio.run(main())
    with open_store(tmp_path / "store") as store:
        versions = store.versions(of)
        assert [(each.tick, each.status) for each in versions][-2:] == [(new.tick, "trading"), (new.tick, "halted")]
    journal = Journal(tmp_path / "store")
    listed = [each.record for each in journal.replay() if isinstance(each.record, Listed)]
    journal.close()
    assert [(each.instrument.tick, each.instrument.status) for each in listed if each.instrument.id == of][1:] == [
        (new.tick, "trading"), (new.tick, "halted")
    ]  # fmt: skip
    code, (row,), words = replayed(tmp_path / "recorded")
    assert (code, row["difference"]) == (0, None), words
