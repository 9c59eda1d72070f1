"""The class that users inherit: what its words become."""

from decimal import Decimal
from typing import Any

import pytest

from engine_fixtures import BTC, PERP, SECOND, Bench
from tapeline.errors import ConfigError
from tapeline.model.event import Mark, Quote, Trade
from tapeline.model.order import Order
from tapeline.trading.command import Hold, Note
from tapeline.trading.desk import Demand
from tapeline.trading.record import Submitted, decode, encode
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


class Thing:
    def __str__(self) -> str:
        return "a thing"


@pytest.mark.parametrize("word", ["side", "instrument", "time_in_force", "position", "account"])
@pytest.mark.parametrize("said", [5, ["a"], {"a": 1}, Thing(), b"net"])
def test_a_word_that_is_no_text_is_the_strategys_own_fault(word: str, said: Any) -> None:
    bench = Bench()
    bench.price("100")
    given: dict[str, Any] = {"side": "buy", "instrument": BTC.id, "size": "0.1"} | {word: said}
    with pytest.raises(TypeError, match=f"{word} .*: this is text"):
        bench.strategy.order(**given)
    assert bench.price("100") == []


@pytest.mark.parametrize("flag", ["post_only", "reduce_only"])
@pytest.mark.parametrize("said", [1, "yes", None, Thing()])
def test_a_flag_is_true_or_false(flag: str, said: Any) -> None:
    bench = Bench()
    bench.price("100")
    with pytest.raises(TypeError, match=f"{flag} .*: this is True or False"):
        bench.strategy.buy(BTC.id, "0.1", price=99, **{flag: said})
    assert bench.price("100") == []


@pytest.mark.parametrize(
    ("said", "written"),
    [(5, "5"), (D("1.50"), "1.50"), (None, ""), (Thing(), "a thing"), ("\ud800", "\\ud800"), ("Zürich", "Zürich")],
)
def test_a_note_may_be_anything_and_stands_in_the_journal_as_text(said: Any, written: str) -> None:
    bench = Bench()
    bench.price("100")
    orders = [
        bench.strategy.buy(BTC.id, "0.1", price=99, note=said),
        bench.strategy.oco("sell", BTC.id, "0.1", price=110, stop=90, note=said)[1],
        bench.strategy.bracket("buy", BTC.id, "0.1", take_profit=110, stop=90, note=said),
    ]
    bench.strategy.note(said)
    assert [each.intent.note for each in orders] == [written] * 3
    commands = bench.price("100")
    assert [each.text for each in commands if isinstance(each, Note)][-1] == written
    assert [decode(encode(each)) for each in commands if isinstance(each, Hold | Note)]
    submitted = [decode(encode(each)) for each in bench.submitted(commands)]
    assert {each.order.intent.note for each in submitted if isinstance(each, Submitted)} == {written}


def test_what_a_strategy_fails_of_is_written_whatever_it_says() -> None:
    class Says(Strategy):
        def on_trade(self, _trade: Trade) -> None:
            raise ValueError("no file \udcff")

    bench = Bench(Says(name="s", instruments=(BTC.id,)))
    noted = [each.text for each in bench.price("100") if isinstance(each, Note)]
    assert noted[0].startswith("on_trade: ValueError: no file \\udcff (test_strategy.py:")


def test_an_exception_that_cannot_say_what_it_is_pauses_as_any() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise KeyError("text")

    class Fails(Strategy):
        def on_trade(self, _trade: Trade) -> None:
            raise Mute

    bench = Bench(Fails(name="s", instruments=(BTC.id,)))
    noted = [each.text for each in bench.price("100") if isinstance(each, Note)]
    assert noted[0].startswith("on_trade: Mute: what it says cannot be said: KeyError (test_strategy.py:")
    assert bench.engine.seats["s"].paused


def test_true_is_no_size() -> None:
    bench = Bench()
    with pytest.raises(TypeError, match="exact"):
        bench.strategy.buy(BTC.id, True)


@pytest.mark.parametrize("key", ["name", "account"])
def test_what_a_strategy_is_called_is_text(key: str) -> None:
    with pytest.raises(ConfigError, match=f"Odd.{key}: 5 is not text"):
        type("Odd", (Strategy,), {key: 5})()


def test_of_a_name_that_is_misspelt_nothing_is_held_and_it_is_said() -> None:
    bench = Bench()
    bench.hold("1", "100")
    bench.strategy.buy(BTC.id, "0.1", price=90)
    for look in (
        bench.strategy.close, bench.strategy.position, bench.strategy.orders, bench.strategy.cancel_all
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="nothing is known of sim:BTC/USDC"):
            look("sim:BTC/USDC")
        with pytest.raises(ConfigError):
            look("btc/usdt")
    with pytest.raises(ValueError, match="position 'LONG' is none of net, long, short"):
        bench.strategy.close(BTC.id, position="LONG")
    assert bench.strategy.position(PERP.id) == 0
    assert bench.strategy.orders(PERP.id) == []


def test_a_timer_that_sets_the_next_for_at_once_does_not_ring_for_ever() -> None:
    class Rings(Strategy):
        rung = 0

        def on_start(self) -> None:
            self.again()

        def again(self) -> None:
            self.rung += 1
            self.after(0, self.again)

    strategy = Rings(name="s")
    bench = Bench(strategy)
    bench.price("100")
    assert "10000 timers for at once" in bench.engine.seats["s"].paused
    assert strategy.rung <= 2 * 10_000 + 2  # those of on_start's moment, and of the next


@pytest.mark.parametrize("seconds", [0, 1e-10, 0.0009])
def test_what_rings_again_and_again_rings_no_more_often_than_each_millisecond(seconds: float) -> None:
    with pytest.raises(ValueError, match="each millisecond"):
        Bench().strategy.every(seconds, "often")
