"""Order lists at the paper exchange: of two orders one goes its way, the other goes, and funds are kept once."""

from decimal import Decimal

import pytest
from exchange_fixtures import SPOT, D, exchange, intent, said, text, trade
from msgspec.structs import replace

from tapeline.errors import OrderRefused
from tapeline.model.account import ListUpdate
from tapeline.model.event import Bar
from tapeline.model.order import Intent
from tapeline.trading.paper.admission import Rules
from tapeline.trading.paper.exchange import Exchange

PERP_ID = "toy:BTC/USDT:USDT"


def legs(side: str = "sell", size: str = "1", price: str = "120", stop: str = "90") -> list[tuple[str, Intent]]:
    limit = intent(side, size, price, post_only=True)
    return [("limit", limit), ("stop", intent(side, size, kind="stop", stop_price=D(stop)))]


def placed(at: Exchange, side: str = "sell", size: str = "1", price: str = "120", stop: str = "90") -> list[str]:
    events = at.place_list("a", "both", legs(side, size, price, stop), 5)
    return [each for each in lines(events) if not each.startswith(("BTC", "USDT"))]


def lines(events: list) -> list[str]:  # type: ignore[type-arg]  # account events of any kind
    found = []
    for event in events:
        if isinstance(event, ListUpdate):
            found.append(f"{event.client_id} {event.list_id} {event.state} {event.orders}")
        else:
            found += said([event])
    return found


def free(at: Exchange, currency: str) -> str:
    return next(text(each.free) for each in at.balances("a") if each.currency == currency)


def states(at: Exchange) -> dict[str, str]:
    return {each.client_id: each.state for each in at.orders("a")}


def test_both_orders_rest_and_what_they_may_sell_is_kept_once() -> None:
    at = exchange(btc="1")
    assert placed(at) == [
        "limit open 0/1", "stop open 0/1", "both 1 open (('limit', '1'), ('stop', '2'))",
    ]  # fmt: skip
    assert free(at, "BTC") == "0"
    assert [each.list_id for each in at.open_orders("a")] == ["1", "1"]
    assert [each.state for each in at.lists("a")] == ["open"]


def test_a_limit_that_takes_at_once_leaves_nothing_to_wait_for_the_stop() -> None:
    at = exchange(btc="1")
    limit, stop = legs(price="99", stop="90")
    at.place_list("a", "both", [("limit", replace(limit[1], post_only=False)), stop], 5)
    assert states(at) == {"limit": "filled", "stop": "expired"}
    assert at.market(trade(SPOT, "89", "1"), 10) == [], "its price comes, and nobody waits for it"


def test_of_a_purchase_the_dearer_order_is_what_is_kept() -> None:
    at = exchange(usdt="200")
    placed(at, "buy", price="80", stop="150")
    assert free(at, "USDT") == "50", "150 of 200, and not 80 as well"
    with pytest.raises(OrderRefused, match="are free"):
        at.place_list("a", "more", [(name + "2", each) for name, each in legs("buy", price="40", stop="130")], 6)


def test_a_limit_that_is_filled_ends_the_stop_before_it_takes_anything() -> None:
    at = exchange(btc="1")
    placed(at)
    told = [each for each in lines(at.market(trade(SPOT, "121", "5", "buy"), 10)) if not each[0].isupper()]
    assert told == [
        "stop expired 0/1", "limit fill 1 at 120 fee 0.12 USDT maker", "limit filled 1/1",
        "both 1 done (('limit', '1'), ('stop', '2'))",
    ]  # fmt: skip
    assert free(at, "BTC") == "0"
    assert at.market(trade(SPOT, "80", "5"), 11) == [], "the stop is gone for certain"


def test_a_limit_that_is_filled_in_part_ends_the_stop_and_rests_with_what_is_left() -> None:
    at = exchange(btc="1.5")
    placed(at)
    at.market(trade(SPOT, "121", "0.4", "buy"), 10)
    assert states(at) == {"limit": "partly_filled", "stop": "expired"}
    assert [each.state for each in at.lists("a")] == ["open"], "one of them rests"
    assert free(at, "BTC") == "0.5"
    at.market(trade(SPOT, "121", "5", "buy"), 11)
    assert [each.state for each in at.lists("a")] == ["done"]


def test_a_stop_whose_price_has_come_ends_the_limit_and_takes() -> None:
    at = exchange(btc="1")
    at.market(trade(SPOT, "99", "1"), 2)
    placed(at)
    told = [each for each in lines(at.market(trade(SPOT, "90", "1"), 10)) if not each[0].isupper()]
    assert told == [
        "limit expired 0/1", "stop fill 1 at 99 fee 0.099 USDT taker", "stop filled 1/1",
        "both 1 done (('limit', '1'), ('stop', '2'))",
    ]  # fmt: skip


def test_of_a_bar_that_meets_both_one_alone_is_filled() -> None:
    at = exchange(btc="1", shown=False)
    first = Bar(
        SPOT.id, "bars:1m", 1, 1, "ws", "1m", 0, D(100), D(100), D(100), D(100), D(1), None, None, None, None, None,
        closed=True,
    )  # fmt: skip
    at.market(first, 1)
    placed(at)
    wild = replace(first, open_at_ns=60_000_000_000, low=D(80), high=D(130), close=D(100))
    at.market(wild, 120_000_000_000)
    assert sorted(states(at).values()) == ["expired", "filled"]
    assert sum(each.size for each in at.fills("a")) == D(1)


@pytest.mark.parametrize("of", ["limit", "stop"])
def test_a_cancel_of_one_cancels_the_list(of: str) -> None:
    at = exchange(btc="1")
    placed(at)
    at.cancel("a", of, 6)
    assert states(at) == {"limit": "cancelled", "stop": "cancelled"}
    assert free(at, "BTC") == "1"
    with pytest.raises(OrderRefused, match="cancelled already"):
        at.cancel("a", of, 7)


def test_a_list_is_cancelled_by_either_of_its_names_once_and_by_a_cancel_of_all() -> None:
    at = exchange(btc="1")
    placed(at)
    assert [each.split()[1] for each in lines(at.cancel_list("a", "", "1", 6)) if each[0].islower()][:2] == [
        "cancelled", "cancelled",
    ]  # fmt: skip
    with pytest.raises(OrderRefused, match="is over"):
        at.cancel_list("a", "both", "", 7)
    with pytest.raises(OrderRefused, match="no list '9'"):
        at.cancel_list("a", "", "9", 7)
    other = exchange(btc="1")
    placed(other)
    told = lines(other.cancel_all("a", None, 6))
    assert [each for each in told if "done" in each] == ["both 1 done (('limit', '1'), ('stop', '2'))"]


def test_an_order_of_a_list_is_not_amended() -> None:
    at = exchange(btc="1")
    placed(at)
    with pytest.raises(OrderRefused, match="not amended"):
        at.amend("a", "limit", Decimal("0.5"), None, 6)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([("limit", legs()[0][1]), ("limit", legs()[1][1])], "one client id"),
        ([legs()[0], ("l2", legs()[0][1])], "a limit or a take-profit, and a stop"),
        ([legs()[0], ("stop", legs("buy")[1][1])], "one instrument, side and size"),
        ([legs()[0], ("stop", legs(size="2")[1][1])], "one instrument, side and size"),
        ([legs(price="95")[0], legs()[1]], "it would take"),
        ([legs()[0], legs(stop="99.5")[1]], "is reached already"),
        ([legs(size="3")[0], legs(size="3")[1]], "are free"),
    ],
)
def test_what_makes_no_list_leaves_nothing_behind(wrong: list[tuple[str, Intent]], why: str) -> None:
    at = exchange(btc="1")
    with pytest.raises(OrderRefused, match=why):
        at.place_list("a", "both", wrong, 5)
    assert (at.orders("a"), at.lists("a"), free(at, "BTC")) == ([], [], "1")


def test_derivatives_have_no_lists_and_a_name_is_used_once() -> None:
    at = exchange(btc="2")
    perp = [
        ("l", Intent(instrument=PERP_ID, side="sell", kind="limit", size=D(1), price=D(120))),
        ("s", Intent(instrument=PERP_ID, side="sell", kind="stop", size=D(1), stop_price=D(90))),
    ]
    with pytest.raises(OrderRefused, match="of spot"):
        at.place_list("a", "p", perp, 5)
    placed(at)
    with pytest.raises(OrderRefused, match="list 'both' already"):
        at.place_list("a", "both", legs(), 6)


def test_a_name_may_be_used_again_where_the_venue_allows_it_once_the_list_is_over() -> None:
    at = exchange(btc="1", rules=Rules(reuse_ids=True))
    placed(at)
    at.cancel("a", "stop", 6)
    at.place_list("a", "both", legs(), 7)
    assert [each.list_id for each in at.lists("a")] == ["2"]
    unnamed = exchange(btc="1")
    events = unnamed.place_list("a", "", [("", each) for _, each in legs()], 5)
    assert [each.client_id for each in events if isinstance(each, ListUpdate)] == ["list1"]
    assert set(states(unnamed)) == {"auto1", "auto2"}


def test_what_is_over_is_forgotten_with_its_list_and_what_rests_is_not() -> None:
    at = exchange(btc="5")
    placed(at)
    at.place("a", "bought", intent("buy", "1"), 6)
    at.place("a", "rests", intent("buy", "1", "90", time_in_force="gtd", expires_ns=99), 6)
    at.forget("a", 8)
    assert [each.client_id for each in at.orders("a")] == ["limit", "stop", "rests"]
    at.cancel("a", "limit", 10)
    at.forget("a", 10)
    assert [each.client_id for each in at.lists("a")] == ["both"], "it was over no sooner"
    at.place("a", "sold", intent("sell", "1"), 20)
    at.forget("a", 11)
    assert [each.client_id for each in at.orders("a")] == ["rests", "sold"]
    assert (at.lists("a"), [each.side for each in at.fills("a")]) == ([], ["sell"])
    with pytest.raises(OrderRefused, match="has no order"):
        at.order("a", venue_id="1")
    assert at.order("a", venue_id=at.orders("a")[0].venue_id).client_id == "rests"
    assert [each.client_id for each in at.open_orders("a")] == ["rests"]
    assert at.next_ns() == 99


def test_payments_are_forgotten_by_their_time() -> None:
    at = exchange()
    for at_ns in (5, 6):
        at.transfer("a", "USDT", D(1), at_ns)
    at.forget("a", 6)
    assert [each.at_ns for each in at.payments("a")] == [6]
