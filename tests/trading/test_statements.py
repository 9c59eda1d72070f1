import pytest
from exchange_fixtures import PERP, SPOT, D, exchange, intent, text

from tapeline.errors import OrderRefused
from tapeline.trading.paper.exchange import Exchange


def traded() -> Exchange:
    made = exchange(usdt="10000", btc="5")
    for number, of in enumerate((SPOT, PERP, SPOT, SPOT), 1):
        made.place("a", f"o{number}", intent("buy", "1", of=of), number * 10)
    made.place("a", "open", intent("buy", "1", "98"), 50)
    made.transfer("a", "USDT", D(5), 60)
    return made


def ids(made: Exchange, **wanted: object) -> list[str]:
    return [fill.id for fill in made.fills("a", **wanted)]  # type: ignore[arg-type]  # the fields of Wanted


def test_fills_are_found_by_id_time_order_and_instrument() -> None:
    made = traded()
    assert ids(made) == ["1", "2", "3", "4"]
    assert ids(made, instrument=SPOT.id) == ["1", "3", "4"]
    assert ids(made, after_id="2") == ["3", "4"]
    assert ids(made, from_ns=20, to_ns=40) == ["2", "3"]
    assert ids(made, limit=2) == ["3", "4"]
    assert ids(made, from_ns=0, limit=2) == ["1", "2"]
    assert ids(made, venue_id="3") == ["3"]


def test_orders_by_either_name() -> None:
    made = traded()
    assert made.order("a", "o2").venue_id == made.order("a", venue_id="2").venue_id == "2"
    assert [one.client_id for one in made.open_orders("a")] == ["open"]
    assert made.open_orders("a", PERP.id) == []
    assert [one.client_id for one in made.orders("a", SPOT.id)] == ["o1", "o3", "o4", "open"]
    with pytest.raises(OrderRefused, match="no order '99'"):
        made.order("a", venue_id="99")


def test_balances_and_positions_say_what_binds() -> None:
    made = traded()
    balances = {one.currency: (text(one.total), text(one.free), text(one.locked)) for one in made.balances("a")}
    assert balances["BTC"] == ("7.997", "7.997", "0")
    assert balances["USDT"] == ("9703.99", "9605.4425", "98.5475")  # 98 for the order, 0.4975 of margin, 0.05 of loss
    position = made.positions("a", PERP.id)[0]
    assert (text(position.size), text(position.entry_price), text(position.mark_price)) == ("1", "100", "99.5")
    assert (text(position.unrealised), text(position.leverage), position.margin_mode) == ("-0.05", "20", "cross")
    assert made.positions("a", SPOT.id) == []


def test_payments_and_mode() -> None:
    made = traded()
    assert [(one.kind, text(one.amount)) for one in made.payments("a", from_ns=60)] == [("transfer", "5")]
    assert made.payments("a", to_ns=60) == []
    assert (made.mode("a").hedge, made.mode("a").may_trade) == (False, True)
