"""Whose a fill is, and who made it."""

from account_fixtures import fill, order_of, placed, update
from tapeline.trading.client_ids import is_slice, slice_id
from tapeline.trading.orders import Blotter
from tapeline.trading.whose import is_stop, strategy_of, who_did


def test_a_fill_is_its_orders_strategys_and_else_nobodys() -> None:
    blotter = Blotter("bot")
    ours = order_of(blotter, placed(blotter))
    blotter.apply(update(slice_id(10**18, 2), "open", 5, venue_id="7", side="sell", size="1"), 6)
    stop = blotter.by_venue_id("main", "v:BTC/USDT", "7")
    assert stop is not None
    assert [strategy_of(each) for each in (ours, stop, None)] == ["s", "", ""]

    news = fill("1", "", "1", "10.50", venue_id="7")
    assert [is_stop(news, each) for each in (ours, stop, None)] == [False, True, False]
    assert is_stop(fill("1", slice_id(10**18, 3)), None)
    assert who_did(news, stop) == "an emergency stop, at 10.5"
    assert who_did(news, None) == "a trade that no strategy made, at 10.5"


def test_a_stop_names_its_orders_as_no_engine_does() -> None:
    assert slice_id(0x123456789, 12) == "f123456789n12"
    assert is_slice("f123456789n12")
    assert not any(map(is_slice, ("", "web1", "f12n1", "f123456789n", "t3bot0000001s", "xf123456789n12")))
