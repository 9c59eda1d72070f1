"""An OCO that rests at the venue, over real sockets: one half fills, a run dies, an answer is lost."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.trade.trading import Trading, trading
from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.config.account import AccountConfig
from tapeline.config.risk import RiskConfig
from tapeline.model.event import Trade
from tapeline.model.order import Order
from tapeline.model.secret import Secret
from tapeline.sim.faults import fault
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import Paper, PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.trading.strategy import Strategy
from tapeline.venues import venue_named

pytestmark = pytest.mark.sockets

D = Decimal
KEY = Key(key="key-of-a-live-account", secret="secret-of-a-live-account", account="paper")
NAME = "binance:BTC/USDT"
HELD = D("0.01")


class Protected(Strategy):
    """Holds a hundredth of a coin from before, and protects it once, whatever it was told in an earlier run."""

    channels = ("trades", "quotes")

    def on_trade(self, trade: Trade) -> None:
        if not self.orders() and self.balance("BTC").total >= HELD and self.quote(NAME) is not None:
            self.oco("sell", NAME, HELD, price=trade.price * D("1.02"), stop=trade.price * D("0.98"))


class Bracketed(Strategy):
    """One bracket."""

    channels = ("trades", "quotes")
    asked = False

    def on_trade(self, trade: Trade) -> None:
        if not self.asked and self.quote(trade.instrument) is not None:
            self.asked = True
            above, below = trade.price * D("1.02"), trade.price * D("0.98")
            self.bracket("buy", trade.instrument, HELD, take_profit=above, stop=below)


@asynccontextmanager
async def paper(name: str, *faults: str) -> AsyncIterator[tuple[Paper, str]]:
    """A paper exchange on a port; everything in it outlives a run of ours."""
    venue = venue_named(name)
    settings = PaperSettings(keys=(KEY,), balances={"USDT": D(100_000), "BTC": HELD})
    sim = SimulatedVenue(
        venue, Market(venue, 7, SystemClock.wall_ns()), clock=SystemClock(), faults=[fault(text) for text in faults],
        paper=settings,
    )  # fmt: skip
    assert sim.paper is not None
    async with serving(sim) as port:
        yield sim.paper, f"127.0.0.1:{port}"


def config(folder: Path, place: str, run: str = "Protected", instrument: str = NAME) -> Config:
    name = instrument.partition(":")[0]
    account = AccountConfig(venue=name, mode="live", key=Secret(KEY.key), secret=Secret(KEY.secret))
    return Config(
        store=StoreConfig(path=str(folder / "store"), tape=False, batch_timeout_s=0.05),
        venue={name: VenueConfig(ws_url=f"ws://{place}", rest_url=f"http://{place}")},
        account={"mine": account},
        strategy=(StrategyConfig(run=f"{__file__}:{run}", settings={"instruments": [instrument]}),),
        risk=RiskConfig(wait_after_repair_s=0.0),
        trade=TradeConfig(stop_within_s=10.0, reconcile_s=5.0, ready_s=20.0), seed=1,
    )  # fmt: skip


async def until(run: Trading, found: Any, what: str, within_s: float = 20.0) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not found():  # noqa: ASYNC110  # many things are waited for, and few of them have an event
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"{what}: {run.running.status()['trading']} {run.side.statistics()}")


def orders(run: Trading, *states: str) -> list[Order]:
    return [each for each in run.engine.situation.blotter.live("mine") if each.state in (states or ("open",))]


def goes_to(exchange: Paper, price: Decimal, instrument: str = NAME) -> None:
    """Somebody trades a lot there."""
    now_ns = SystemClock.wall_ns()
    exchange._market(Trade(instrument, "trades", now_ns, now_ns, "ws", "x", None, "buy", price, D(5)), now_ns)


def test_one_half_fills_and_the_other_is_gone(tmp_path: Path) -> None:
    async def main() -> None:
        async with paper("binance") as (exchange, place), trading(
            config(tmp_path, place), environ=os.environ, live=True
        ) as run:  # fmt: skip
            await until(run, lambda: len(orders(run)) == 2, "both rest")
            limit, stop = orders(run)
            assert {each.list_id for each in exchange.exchange.open_orders("paper")} == {"1"}
            assert (limit.intent.kind, stop.intent.kind) == ("limit", "stop")
            assert run.engine.situation.waiters.find(stop.client_id) is None, "nothing waits with us"
            assert limit.price is not None
            goes_to(exchange, limit.price + 1)
            blotter = run.engine.situation.blotter
            await until(run, lambda: blotter.order(stop.client_id).state == "expired", "the venue ends the stop")  # type: ignore[union-attr]  # it was placed
            assert blotter.order(limit.client_id).state == "filled"  # type: ignore[union-attr]  # as above
            assert sum(each.size for each in exchange.exchange.fills("paper")) == HELD
            await run.stop(10.0)
            assert run.left == []

    asyncio.run(main())


def test_it_protects_while_nobody_is_there_and_the_next_run_finds_what_became_of_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with paper("binance") as (exchange, place):
            asked = config(tmp_path, place)
            async with trading(asked, environ=os.environ, live=True) as run:
                await until(run, lambda: len(orders(run)) == 2, "both rest")
                limit, stop = orders(run)
                await run.execution.settled()
            assert len(exchange.exchange.open_orders("paper")) == 2, "the run died: nothing was cancelled"
            async with trading(asked, environ=os.environ, live=True) as again:
                await until(again, lambda: len(orders(again)) == 2, "they are known again")
                assert [each.client_id for each in orders(again)] == [limit.client_id, stop.client_id]
                assert again.engine.situation.blotter.lists.others(limit.client_id)[0].client_id == stop.client_id
                await again.execution.settled()
            assert len(exchange.exchange.open_orders("paper")) == 2, "and nothing was placed twice"
            assert stop.intent.stop_price is not None
            goes_to(exchange, stop.intent.stop_price - 1)  # at 3 a.m.
            assert [each.client_id for each in exchange.exchange.fills("paper")][:1] == [stop.client_id]
            async with trading(asked, environ=os.environ, live=True) as last:
                blotter = last.engine.situation.blotter
                await until(last, lambda: not blotter.live("mine"), "what became of both is known")
                found = [blotter.order(each.client_id) for each in (limit, stop)]
                assert [each.state for each in found if each is not None] == ["expired", "filled"]
                assert last.engine.situation.ledger.balance("mine", "BTC") == 0
                await last.stop(10.0)
                assert last.left == []
            assert len(exchange.exchange.orders("paper")) == 2, "one list was placed in all three runs"

    asyncio.run(main())


@pytest.mark.parametrize("what", ["order_timeout", "order_lost", "order_503"])
def test_a_reply_that_is_lost_leaves_both_in_doubt_until_the_venue_says(what: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with paper("binance", f"{what}@+0s") as (exchange, place), trading(
            config(tmp_path, place), environ=os.environ, live=True
        ) as run:  # fmt: skip
            await until(run, lambda: len(orders(run)) == 2, "both are found to rest")
            await until(run, lambda: not run.side.statistics()["mine"]["unknown"], "nothing is in doubt")
            assert len(exchange.exchange.orders("paper")) == 2, "the list was sent once"
            await run.stop(10.0)
            assert run.left == []
            assert exchange.exchange.open_orders("paper") == []

    asyncio.run(main())


@pytest.mark.parametrize(("name", "symbol"), [("binance", "BTC/USDT"), ("binance-usdm", "BTC/USDT:USDT")])
def test_what_protects_a_bracket_rests_at_the_venue_once_its_entry_is_over(
    name: str, symbol: str, tmp_path: Path
) -> None:  # fmt: skip
    async def main() -> None:
        instrument = f"{name}:{symbol}"
        async with paper(name) as (exchange, place), trading(
            config(tmp_path, place, "Bracketed", instrument), environ=os.environ, live=True
        ) as run:  # fmt: skip
            await until(run, lambda: len(orders(run)) == 2, "both rest")
            assert list(run.engine.situation.waiters) == []
            there = exchange.exchange.open_orders("paper")
            armed = exchange.exchange._timers._dead_men
            await until(run, lambda: not armed, "no timer of the venue takes away what protects")
            assert sorted(each.kind for each in there) == ["limit", "stop"]
            assert {each.reduce_only for each in there} == {name != "binance"}
            (limit,) = [each for each in there if each.kind == "limit"]
            assert limit.price is not None
            goes_to(exchange, limit.price + 100, instrument)
            await until(run, lambda: not exchange.exchange.open_orders("paper"), "the other is gone")
            await until(run, lambda: not run.engine.situation.blotter.live("mine"), "and we know it")
            await run.stop(10.0)

    asyncio.run(main())
