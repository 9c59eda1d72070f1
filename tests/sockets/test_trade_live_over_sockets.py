"""A live run, whole: connect, reconcile, signal, order, fill, cancel, stop, restart; against paper exchanges."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.app.trade.trading import Trading, trading
from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.config.account import AccountConfig
from tapeline.config.risk import RiskConfig
from tapeline.model.account import Fill
from tapeline.model.event import Trade
from tapeline.model.order import Intent
from tapeline.model.secret import Secret
from tapeline.sim.faults import fault
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.latch import HaltLatch
from tapeline.store.snapshot import snapshots
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.strategy import Strategy
from tapeline.venues import venue_named

pytestmark = pytest.mark.sockets

KEY = Key(key="key-of-a-live-account", secret="secret-of-a-live-account", passphrase="word-of-a-live-account",
          account="paper")  # fmt: skip
BOUGHT = {"binance": Decimal("0.00999"), "binance-usdm": Decimal("0.01"), "okx": Decimal("0.00999")}  # a fee in kind
SYMBOLS = {"binance": "BTC/USDT", "binance-usdm": "BTC/USDT:USDT", "okx": "BTC/USDT"}


class BuyAndRest(Strategy):
    """Buys once at the market in each instrument, and rests one order far away."""

    channels = ("trades",)

    def on_start(self) -> None:
        self.filled: list[Fill] = []

    def on_trade(self, trade: Trade) -> None:
        if not self.position(trade.instrument) and not self.orders(trade.instrument):
            self.buy(trade.instrument, "0.01")
            self.buy(trade.instrument, "0.01", price=trade.price * Decimal("0.97"))

    def on_fill(self, fill: Fill) -> None:
        self.filled.append(fill)


@asynccontextmanager
async def paper(name: str, *faults: str) -> AsyncIterator[tuple[Exchange, str]]:
    """A paper exchange on a port; everything in it outlives a run of ours."""
    venue, clock = venue_named(name), SystemClock()
    settings = PaperSettings(keys=(KEY,), balances={"USDT": Decimal(100_000)})
    sim = SimulatedVenue(
        venue,
        Market(venue, 7, SystemClock.wall_ns()),
        clock=clock,
        faults=[fault(text) for text in faults],
        paper=settings,
    )
    assert sim.paper is not None
    async with serving(sim) as port:
        yield sim.paper.exchange, f"127.0.0.1:{port}"


def config(folder: Path, places: dict[str, str]) -> Config:
    instruments = [f"{name}:{SYMBOLS[name]}" for name in places]
    return Config(
        store=StoreConfig(path=str(folder / "store"), tape=False, batch_timeout_s=0.05),
        venue={name: VenueConfig(ws_url=f"ws://{at}", rest_url=f"http://{at}") for name, at in places.items()},
        account={
            f"my-{name}": AccountConfig(
                venue=name, mode="live", key=Secret(KEY.key), secret=Secret(KEY.secret),
                passphrase=Secret(KEY.passphrase),
            )
            for name in places
        },
        strategy=(StrategyConfig(run=f"{__file__}:BuyAndRest", settings={"instruments": instruments}),),
        risk=RiskConfig(wait_after_repair_s=0.0),
        trade=TradeConfig(stop_within_s=10.0, reconcile_s=5.0, ready_s=20.0),
        seed=1,
    )  # fmt: skip


async def until(run: Trading, found: Any, what: str, within_s: float = 20.0) -> None:
    try:
        async with asyncio.timeout(within_s):
            while not found():  # noqa: ASYNC110  # many things are waited for, and few of them have an event
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"{what}: {run.running.status()['trading']} {run.side.statistics()}")


def held(run: Trading, name: str) -> Decimal:
    return run.engine.situation.ledger.holding(f"my-{name}", f"{name}:{SYMBOLS[name]}").size


def resting(run: Trading, name: str) -> Sequence[Any]:
    return [each for each in run.engine.situation.blotter.live(f"my-{name}") if each.state == "open"]


@pytest.mark.parametrize("name", sorted(SYMBOLS))
def test_a_cycle_from_the_first_comparison_to_a_restart(name: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with paper(name) as (exchange, place):
            asked = config(tmp_path, {name: place})
            async with trading(asked, environ=os.environ, live=True) as run:
                assert run.side.statistics()[f"my-{name}"]["hold"] == ""
                opening = run.engine.situation.ledger.balance(f"my-{name}", "USDT")
                assert opening == 100_000
                await until(run, lambda: held(run, name) > 0 and resting(run, name), "bought, and one order rests")
                assert held(run, name) == BOUGHT[name]
                [order] = resting(run, name)
                theirs = exchange.open_orders("paper")
                assert [each.client_id for each in theirs] == [order.client_id]
                await run.stop(10.0)
                assert run.left == []
            assert exchange.open_orders("paper") == []

            async with trading(asked, environ=os.environ, live=True) as again:
                assert held(again, name) == BOUGHT[name]
                state = again.side.statistics()[f"my-{name}"]["reconciliation"]
                assert (state["adjusted"], state["unexplained"]) == (0, ())
                ours = again.engine.situation.ledger.balances(f"my-{name}")
                theirs_now = {each.currency: each.total for each in exchange.balances("paper")}
                assert {key: each for key, each in ours.items() if each} == {
                    key: each for key, each in theirs_now.items() if each
                }
                await again.stop(10.0)
                assert again.left == []

    asyncio.run(main())


def test_two_venues_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with paper("binance") as (_, spot), paper("okx") as (other, swap):
            asked = config(tmp_path, {"binance": spot, "okx": swap})
            async with trading(asked, environ=os.environ, live=True) as run:
                await until(run, lambda: held(run, "binance") and held(run, "okx"), "bought at both")
                await run.stop(10.0)
                assert run.left == []
            assert other.open_orders("paper") == []

    asyncio.run(main())


@pytest.mark.parametrize("name", sorted(SYMBOLS))
def test_a_run_that_is_to_close_all_sells_what_its_strategies_hold_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    async def main() -> None:
        async with paper(name) as (exchange, place):
            exchange.transfer("paper", "BTC", Decimal(1), SystemClock.wall_ns())
            async with trading(config(tmp_path, {name: place}), environ=os.environ, live=True) as run:
                await until(run, lambda: held(run, name) > 0 and resting(run, name), "bought, and one order rests")
                latch = HaltLatch(f"my-{name}", "live", os.environ, SystemClock())
                latch.worsen("flattening", who="ann", why="enough")
                await until(run, lambda: latch.read().state == "flat", "closed, and verified")
                await until(run, lambda: held(run, name) < Decimal("0.0001"), "the books have it too")
                await run.stop(10.0)
            assert exchange.open_orders("paper") == []
            there = {each.currency: each.total for each in exchange.balances("paper")}
            assert Decimal(1) <= (there["BTC"] or 0) < Decimal("1.0001")

    asyncio.run(main())


@pytest.mark.parametrize("name", sorted(SYMBOLS))
def test_a_run_that_dies_leaves_an_order_that_the_next_one_finds_and_cancels(name: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with paper(name) as (exchange, place):
            asked = config(tmp_path, {name: place})
            async with trading(asked, environ=os.environ, live=True) as run:
                await until(run, lambda: held(run, name) > 0 and resting(run, name), "bought, and one order rests")
                await run.execution.settled()
            [left] = exchange.open_orders("paper")
            exchange.place("paper", "web1", _far(name), SystemClock.wall_ns())  # of other origin

            async with trading(asked, environ=os.environ, live=True) as again:
                await until(again, lambda: resting(again, name), "the order is known again")
                assert [each.client_id for each in resting(again, name) if each.claimed] == [left.client_id]
                assert held(again, name) == BOUGHT[name]
                await again.stop(10.0)
                assert again.left == []
            assert [each.client_id for each in exchange.open_orders("paper")] == ["web1"]
            placed = [each.client_id for each in exchange.fills("paper")]
            assert len(set(placed)) == 1, "nothing was bought twice"

    asyncio.run(main())


def test_a_run_has_snapshots_written_and_the_next_one_starts_from_the_newest(tmp_path: Path) -> None:
    async def main() -> None:
        async with paper("binance") as (_, place):
            asked = config(tmp_path, {"binance": place})
            asked = msgspec.structs.replace(asked, trade=msgspec.structs.replace(asked.trade, snapshot_every=10))
            async with trading(asked, environ=os.environ, live=True) as run:
                await until(run, lambda: held(run, "binance") > 0 and resting(run, "binance"), "bought, and one rests")
                await run.stop(10.0)
            async with trading(asked, environ=os.environ, live=True) as second:
                assert second.journal.restored.played == second.journal.restored.records > 10
                await until(second, lambda: snapshots(tmp_path / "store"), "a snapshot, by a process of its own")
                await second.stop(10.0)
            async with trading(asked, environ=os.environ, live=True) as third:
                state = third.journal.restored
                assert 0 < state.played < state.records
                assert (held(third, "binance"), state.problems) == (BOUGHT["binance"], [])
                await third.stop(10.0)

    asyncio.run(main())


def _far(name: str) -> Intent:
    """An order that somebody else rests far from the market."""
    return Intent(
        instrument=f"{name}:{SYMBOLS[name]}", side="buy", kind="limit", size=Decimal("0.05"), price=Decimal(40_000),
        account="paper",
    )  # fmt: skip


@pytest.mark.parametrize(("name", "timed"), [("okx", None), ("binance-usdm", "binance-usdm:BTC/USDT:USDT")])
def test_the_venues_own_timer_is_armed_while_an_order_is_open_and_no_longer(
    name: str, timed: str | None, tmp_path: Path
) -> None:
    async def main() -> None:
        async with (
            paper(name) as (exchange, place),
            trading(config(tmp_path, {name: place}), environ=os.environ, live=True) as run,
        ):
            armed = exchange._timers._dead_men
            await until(run, lambda: resting(run, name) and armed, "an order rests, and the timer runs")
            assert list(armed) == [("paper", timed)]
            assert 30e9 < armed["paper", timed] - SystemClock.wall_ns() <= 60e9
            await run.stop(10.0)
            await until(run, lambda: not armed, "nothing is open, and no timer runs")

    asyncio.run(main())


def test_orders_that_a_stop_keeps_outlive_the_venues_timer(tmp_path: Path) -> None:
    async def main() -> None:
        async with paper("binance-usdm") as (exchange, place):
            asked = config(tmp_path, {"binance-usdm": place})
            asked = msgspec.structs.replace(asked, trade=msgspec.structs.replace(asked.trade, at_stop="keep"))
            async with trading(asked, environ=os.environ, live=True) as run:
                armed = exchange._timers._dead_men
                await until(run, lambda: resting(run, "binance-usdm") and armed, "an order rests, and the timer runs")
                await run.stop(10.0)
                assert not armed
            assert [order.state for order in exchange.open_orders("paper")] == ["open"]

    asyncio.run(main())


class ByTheBook(Strategy):
    """Hears nothing but the book, and buys at the best offer of it."""

    channels = ("book",)

    def on_book(self, book: Any) -> None:
        (instrument,) = self.instruments
        if not self.position(instrument) and not self.orders(instrument):
            asks = book.top(10)[1]
            self.buy(instrument, "0.01", price=asks[-1][0])  # on a busy machine the market may have moved a few ticks


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("name", sorted(SYMBOLS))
def test_books_reach_a_strategy_that_begins_after_them(name: str, live: bool, tmp_path: Path) -> None:
    async def main() -> None:
        async with paper(name) as (_, place):
            asked = config(tmp_path, {name: place})
            here = StrategyConfig(run=f"{__file__}:ByTheBook", settings={"instruments": [f"{name}:{SYMBOLS[name]}"]})
            asked = msgspec.structs.replace(asked, strategy=(here,), account=asked.account if live else {})
            async with trading(asked, environ=os.environ, live=live) as run:
                strategy = run.engine.seats["ByTheBook"].strategy
                await until(
                    run, lambda: strategy.position(f"{name}:{SYMBOLS[name]}"), "the book is heard and traded on"
                )
                await run.stop(10.0)

    asyncio.run(main())
