"""The class that users inherit: what its words become."""

from decimal import Decimal
from typing import Any

import pytest

from engine_fixtures import BTC, PERP, SECOND, Bench
from tapeline.errors import ConfigError
from tapeline.model.event import Mark, Quote, Trade
from tapeline.model.order import Order
from tapeline.trading.desk import Demand
from tapeline.trading.strategy import Plain, Strategy

D = Decimal


class Tuned(Strategy):
    fast = 10
    spend = D("1.5")
    names = ("a",)


def kind_of(bench: Bench, **options: Any) -> str:
    return bench.strategy.buy(BTC.id, "0.1", **options).intent.kind


def test_what_is_given_says_what_kind_of_order_it_is() -> None:
    bench = Bench()
    bench.price("100")
    assert kind_of(bench) == "market"
    assert kind_of(bench, price=99) == "limit"
    assert kind_of(bench, stop=110) == "stop"
    assert kind_of(bench, stop=110, price=111) == "stop_limit"
    assert kind_of(bench, take_profit=90) == "take_profit"
    assert kind_of(bench, take_profit=90, price=89) == "take_profit_limit"
    assert kind_of(bench, trail="0.01") == "trailing_stop"
    with pytest.raises(ValueError, match="an oco or a bracket"):
        kind_of(bench, stop=110, take_profit=90)


def test_sizes_and_prices_are_exact() -> None:
    bench = Bench()
    bench.price("100")
    with pytest.raises(TypeError, match=r"write '0\.1' or Decimal"):
        bench.strategy.buy(BTC.id, 0.1)  # type: ignore[arg-type]  # that is what is tried
    with pytest.raises(ValueError, match="is not a number"):
        bench.strategy.buy(BTC.id, "much")
    order = bench.strategy.sell(BTC.id, "0.10", price=101, expires_in_s=2.5, note="why not")
    assert (order.intent.size, order.intent.price, order.intent.note) == (D("0.10"), D(101), "why not")
    assert (order.intent.time_in_force, order.intent.expires_ns) == ("gtd", bench.now_ns + 5 * SECOND // 2)


def test_orders_are_found_and_cancelled_together() -> None:
    bench = Bench()
    bench.price("100")
    one, two = bench.strategy.buy(BTC.id, "0.1", price=90), bench.strategy.buy(PERP.id, "0.1", price=90)
    bench.strategy.cancel_all(PERP.id)
    bench.told(two.client_id, "cancelled")
    assert [each.client_id for each in bench.strategy.orders()] == [one.client_id]
    bench.strategy.cancel_all()
    assert [each.asked for each in bench.strategy.orders()] == ["cancel"]
    assert bench.strategy.now_ns == bench.now_ns


def test_settings_are_checked_and_kept_as_they_are_declared() -> None:
    tuned = Tuned(fast=3, spend=2.5, names=["x", "y"], require=60)
    assert (tuned.fast, tuned.spend, list(tuned.names)) == (3, D("2.5"), ["x", "y"])
    assert tuned.require == Demand(last_s=60.0)
    assert (tuned.name, Tuned.fast) == ("Tuned", 10)
    for wrong in ({"fast": "3"}, {"spend": "much"}, {"name": 3}, {"on_trade": 1}):
        with pytest.raises(ConfigError):
            Tuned(**wrong)


def test_before_it_runs_it_can_neither_act_nor_look() -> None:
    for act in (lambda: Tuned().buy(BTC.id, 1), lambda: Tuned().positions, lambda: Tuned().now_ns):
        with pytest.raises(RuntimeError, match="does not run yet"):
            act()


def test_hooks_that_are_not_overridden_do_nothing() -> None:
    idle: Any = Strategy(name="idle")
    for hook in ("on_trade", "on_quote", "on_bar", "on_book", "on_event", "on_order", "on_fill", "on_payment",
                 "on_health", "on_timer"):  # fmt: skip
        assert getattr(idle, hook)(None) is None
    for hook in ("on_start", "on_stop"):
        assert getattr(idle, hook)() is None


def test_a_function_hears_every_event_of_its_feeds() -> None:
    heard: list[str] = []
    plain = Plain(
        lambda _desk, event: heard.append(type(event).__name__), name="plain", instruments=(BTC.id,),
        channels=("trades", "quotes", "mark", "bars:1m", "book"),
    )  # fmt: skip
    bench = Bench(plain)
    bench.price("100")
    bench.step(Quote(BTC.id, "quotes", 1, 1, "ws", D(1), D(1), D(2), D(1)))
    bench.step(Mark(BTC.id, "mark", 1, 1, "ws", D(1)))
    plain.on_bar("bar")  # type: ignore[arg-type]  # handed over as it is
    plain.on_book("book")  # type: ignore[arg-type]  # as above
    assert heard == ["Trade", "Quote", "Mark", "str", "str"]


def test_what_was_refused_is_told_at_once_and_by_a_hook() -> None:
    told: list[Order] = []

    class Hearing(Strategy):
        instruments = (BTC.id,)

        def on_order(self, order: Order) -> None:
            told.append(order)

        def on_trade(self, _trade: Trade) -> None:
            self.refused = self.buy(BTC.id, "0.00001")

    hearing = Hearing()
    Bench(hearing).price("100")
    assert told == [hearing.refused]
