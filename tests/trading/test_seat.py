"""What a strategy is answered."""

from decimal import Decimal

import pytest

from engine_fixtures import BTC, PERP, SECOND, Bench
from tapeline.errors import ConfigError
from tapeline.model.account import AccountMode
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Quote
from tapeline.trading.command import Note
from tapeline.trading.desk import BookView, Demand
from tapeline.trading.input import Proven
from tapeline.trading.seat import MOST_AT_ONCE

D = Decimal


class ABook:
    instrument = BTC.id
    synchronised = True

    def top(self, count: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        return [(D(99), D(1))][:count], [(D(101), D(1))][:count]


class Shelf:
    def apply(self, _event: BookSnapshot | BookDelta, _now_ns: int) -> BookView:
        return ABook()

    def lose(self, _instrument: str, _channel: str, _why: str, _now_ns: int) -> None:
        raise AssertionError("nothing is lost here")


def test_what_it_holds_is_its_own_and_dust_is_set_apart() -> None:
    bench = Bench()
    assert bench.strategy.positions == {}
    bench.hold("1", "100")
    order = bench.strategy.sell(BTC.id, "0.99")
    bench.fill(order.client_id, "0.99", "110")
    bench.told(order.client_id, "filled", "0.99")
    assert bench.strategy.position(BTC.id) == 0, "a hundredth is worth less than the least order"
    stand = bench.engine.seats["s"].stand(BTC.id, "net")
    assert (stand.dust, stand.entry_price, stand.realised) == (D("0.01"), None, D("9.90"))
    assert bench.strategy.close(BTC.id) is None


def test_money_equity_prices_and_bars() -> None:
    bench = Bench()
    assert bench.strategy.price(BTC.id) is None
    bench.hold("1", "100")
    bench.free("USDT", "50")
    assert (bench.strategy.balance("USDT").total, bench.strategy.balance("USDT").free) == (D(-100), D(50))
    assert bench.strategy.balance("BTC").total == D(1)
    assert bench.strategy.equity("USDT") == 0
    bench.price("120")
    assert (bench.strategy.price(BTC.id), bench.strategy.equity("USDT", "main")) == (D(120), D(20))
    quote = Quote(BTC.id, "quotes", 1, 1, "ws", D(119), D(1), D(121), D(1))
    bench.step(quote)
    assert bench.strategy.quote(BTC.id) == quote
    bar = Bar(
        BTC.id, "bars:1m", 1, 1, "ws", interval="1m", open_at_ns=0, open=D(1), high=D(1), low=D(1), close=D(1),
        volume=D(1), quote_volume=None, trades=1, taker_buy_volume=None, first_id=None, last_id=None, closed=True,
    )  # fmt: skip
    bench.step(bar)
    assert bench.strategy.bars(BTC.id, "1m", 5) == [bar]
    assert bench.strategy.instrument(PERP.id) is PERP
    with pytest.raises(ConfigError, match="say which account"):
        bench.strategy.balance("USDT", "other")
    with pytest.raises(ConfigError, match="nothing is known"):
        bench.strategy.instrument("sim:XRP/USDT")


def test_a_book_is_there_once_one_is_kept() -> None:
    bench = Bench()
    with pytest.raises(ConfigError, match="no book"):
        bench.strategy.book(BTC.id)
    bench.engine._books = Shelf()
    bench.step(BookSnapshot(BTC.id, "book", 1, 1, "ws", [("99", "1")], [("101", "1")]))
    assert bench.strategy.book(BTC.id).top(1)[0] == [(D(99), D(1))]
    assert bench.engine.situation.sight(BTC.id).price() == D(100)


def test_timers_and_notes_and_what_is_proven() -> None:
    bench = Bench()
    for wrong in (-1.0, 0.0):
        with pytest.raises(ValueError, match="timer"):
            bench.strategy.every(wrong or 1e-9, "x") if not wrong else bench.strategy.after(wrong, "x")
    number = bench.strategy.after(5, "x")
    bench.strategy.forget(number)
    bench.strategy.note("thinking")
    assert bench.price("1") == [Note("strategy", "", "thinking", "", "s")]
    assert not bench.strategy.proven(BTC.id, last_s=1)
    bench.step(Proven(BTC.id, "trades", 0, bench.now_ns + SECOND, bench.now_ns))
    assert bench.strategy.proven(BTC.id, last_s=1)


def test_another_accounts_instruments_are_left_to_their_venue() -> None:
    bench = Bench()
    bench.strategy.account = "main"
    assert bench.strategy.position(BTC.id) == 0
    bench.strategy.account = "gone"
    assert bench.strategy.position(BTC.id) == 0


def test_in_hedge_mode_both_sides_of_a_position_are_seen() -> None:
    bench = Bench()
    bench.price("100", PERP)
    bench.step(AccountMode(None, "account", 1, 1, "ws", "main", hedge=True))
    long = bench.strategy.buy(PERP.id, 2, position="long")
    short = bench.strategy.sell(PERP.id, 1, position="short")
    bench.fill(long.client_id, "2", position="long")
    bench.fill(short.client_id, "1", position="short")
    held = {name: stand.size for name, stand in bench.strategy.positions.items()}
    assert held == {f"{PERP.id} long": D(2), f"{PERP.id} short": D(-1)}
    assert (bench.strategy.position(PERP.id, "long"), bench.strategy.position(PERP.id, "short")) == (D(2), D(-1))


def test_a_strategys_orders_are_its_own() -> None:
    bench = Bench()
    bench.price("100")
    order = bench.strategy.buy(BTC.id, "1", price="90")
    assert [each.client_id for each in bench.strategy.orders(BTC.id)] == [order.client_id]
    bench.told(order.client_id, "open")
    assert bench.strategy.amend(order, price="91")
    bench.strategy.cancel(order)
    held = bench.engine.situation.blotter.order(order.client_id)
    assert held is not None
    assert held.asked == "cancel"
    with pytest.raises(ConfigError, match="strategy s has no order 'theirs'"):
        bench.strategy.cancel("theirs")
    with pytest.raises(ConfigError, match="sim:BTC/USDX"):
        bench.strategy.orders("sim:BTC/USDX")
    with pytest.raises(ValueError, match="position 'LONG' is none of"):
        bench.strategy.position(BTC.id, "LONG")


def test_orders_that_belong_together_pass_the_same_gate() -> None:
    bench = Bench()
    bench.price("100")
    bench.engine.seats["s"].paused = "enough"
    oco = bench.strategy.oco("sell", BTC.id, "1", price="110", stop="90")
    bracket = bench.strategy.bracket("buy", BTC.id, "1", take_profit="110", stop="90")
    whys = {(each.state, each.why) for each in (*oco, bracket)}
    assert {state for state, _ in whys} == {"withdrawn"}
    assert any("strategy s is paused: enough" in why for _, why in whys)


def test_what_demands_proof_may_only_close_without_it() -> None:
    bench = Bench()
    bench.hold("1", "100")
    bench.strategy.require = Demand(last_s=60.0)
    refused = bench.strategy.buy(BTC.id, "1", price="90")
    assert (refused.state, refused.why) == ("withdrawn", "the last 60 s of its trades are not proven to be whole")
    assert bench.strategy.sell(BTC.id, "2", price="110").state == "withdrawn", "it would turn the position"
    assert bench.strategy.sell(BTC.id, "1", price="110").state == "intended"


def test_timers_for_at_once_end() -> None:
    bench = Bench()
    for number in range(MOST_AT_ONCE):
        bench.strategy.after(0, f"{number}")
    with pytest.raises(ValueError, match="would ring for ever"):
        bench.strategy.after(0, "more")
