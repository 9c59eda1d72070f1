"""OCO and brackets that rest at the venue: as one order list of spot, or as two orders that only reduce."""

from decimal import Decimal

import pytest
from list_fixtures import PERP, SPOT, Desk, bracket, kinds

from tapeline.model.account import OrderUpdate
from tapeline.model.event import Quote
from tapeline.trading.command import Hold, Submit, SubmitList
from tapeline.trading.input import Failed, Forget, Timer

D = Decimal


# ---- one list ------------------------------------------------------------------------------------------------------


def test_both_orders_of_an_oco_are_sent_as_one_list_with_ids_of_ours() -> None:
    desk = Desk()
    limit, stop = desk.oco()
    (sent,) = desk.sent
    assert isinstance(sent, SubmitList)
    assert [each.client_id for each in sent.orders] == [limit.client_id, stop.client_id]
    first, second = (each.intent for each in sent.orders)
    assert (first.kind, first.price, first.stop_price, first.post_only) == ("limit", D(110), None, True)
    assert (second.kind, second.price, second.stop_price, second.post_only) == ("stop", None, D(90), False)
    assert desk.blotter.owns(sent.client_id)
    assert sent.client_id == limit.intent.group == stop.intent.group
    assert kinds(desk.price("89")) == [], "the venue watches the price"


@pytest.mark.parametrize(
    ("side", "price", "stop", "listed"),
    [
        ("sell", "110", "90", True), ("buy", "90", "110", True),
        ("sell", "99", "90", False),  # it takes at once
        ("sell", "110", "100", False), ("sell", "110", "101", False),  # the stop has come
        ("buy", "101", "110", False), ("buy", "90", "100", False),
    ],
)  # fmt: skip
def test_what_the_venue_would_refuse_as_a_list_waits_with_us(side: str, price: str, stop: str, listed: bool) -> None:
    desk = Desk()
    desk.strategy.oco(side, SPOT.id, 1, price=price, stop=stop)
    assert any(isinstance(each, SubmitList) for each in desk.flush()) is listed


def test_the_best_prices_count_too_and_without_a_price_nothing_is_listed() -> None:
    desk = Desk()
    desk.step(Quote(SPOT.id, "quotes", 1, 1, "ws", D("99"), D(1), D("99.5"), D(1)))
    desk.strategy.oco("sell", SPOT.id, 1, price="110", stop="99.2")
    assert kinds(desk.flush())[0][0] == "hold", "the stop is over the bid"
    fresh = Desk()
    fresh.engine.situation.sights[SPOT.id].last = None
    fresh.strategy.oco("sell", SPOT.id, 1, price="110", stop="90")
    assert kinds(fresh.flush())[0][0] == "hold"


def test_the_venue_ends_the_stop_as_the_limit_is_filled_and_nothing_is_cancelled_twice() -> None:
    desk = Desk()
    limit, stop = desk.oco()
    desk.told(limit, "open")
    desk.told(stop, "open")
    assert kinds(desk.fill(limit, "1")) == []
    assert kinds(desk.told(limit, "filled", "1")) == []
    assert kinds(desk.told(stop, "expired")) == []
    assert desk.strategy.orders() == []


def test_of_a_limit_that_is_filled_in_part_the_rest_has_a_stop_that_waits_with_us() -> None:
    desk = Desk()
    limit, stop = desk.oco()
    for each in (limit, stop):
        desk.told(each, "open")
    desk.told(stop, "expired")
    (held,) = desk.fill(limit, "0.4")
    assert isinstance(held, Hold)
    assert (held.intent.size, held.intent.stop_price, held.intent.group) == (D("0.6"), D(90), limit.intent.group)
    assert kinds(desk.fill(limit, "0.1")) == [], "one is enough"
    assert kinds(desk.price("90")) == [("cancel", limit.client_id)]
    (last,) = [each for each in desk.told(limit, "cancelled", "0.5") if isinstance(each, Submit)]
    assert (last.order.client_id, last.order.intent.size, last.order.intent.kind) == (
        held.client_id,
        D("0.5"),
        "market",
    )


# ---- what nobody knows, and restarts -------------------------------------------------------------------------------


def test_a_list_of_which_nobody_knows_counts_until_each_of_its_orders_is_settled() -> None:
    desk = Desk()
    limit, stop = desk.oco()
    for each in (limit, stop):
        desk.step(Failed(each.client_id, "submit", "unknown", desk.now_ns, "no answer"))
    assert [each.state for each in desk.strategy.orders()] == ["unknown", "unknown"]
    assert desk.blotter.worst("main", SPOT.id).sell == D(1)
    desk.told(limit, "never_arrived")
    assert desk.blotter.worst("main", SPOT.id).sell == D(1)
    desk.told(stop, "never_arrived")
    assert desk.blotter.worst("main", SPOT.id).sell == D(0)


def test_a_restart_finds_the_list_and_sends_nothing_twice() -> None:
    desk = Desk()
    limit, stop = desk.oco()
    assert kinds(desk.again()) == []
    assert [each.state for each in desk.strategy.orders()] == ["unknown", "unknown"]
    assert desk.blotter.lists.of(limit.client_id) == limit.intent.group
    assert [each.client_id for each in desk.blotter.lists.others(limit.client_id)] == [stop.client_id]
    assert desk.blotter.worst("main", SPOT.id).sell == D(1)
    for each in (limit, stop):
        desk.told(each, "open")
    desk.told(stop, "expired")
    assert next(each for each in desk.fill(limit, "0.4") if isinstance(each, Hold)).intent.size == D("0.6")
    assert desk.strategy.oco("sell", SPOT.id, 1, price="120", stop="80")[0].client_id > stop.client_id


def test_orders_that_are_forgotten_take_their_list_with_them() -> None:
    desk = Desk()
    limit, stop = desk.oco()
    for each in (limit, stop):
        desk.told(each, "cancelled")
    assert desk.blotter.forget(Forget(limit.intent.account, 0, 1, (limit.client_id, stop.client_id))) == 2
    assert desk.blotter.lists.of(limit.client_id) == ""
    assert desk.blotter.lists.others(stop.client_id) == []


# ---- brackets ------------------------------------------------------------------------------------------------------


def test_a_brackets_protection_rests_at_the_venue_as_a_list_once_its_entry_is_over() -> None:
    desk = Desk()
    entry, profit, stop = bracket(desk)
    (sent,) = desk.told(entry, "filled", "1", side="buy")
    assert kinds([sent]) == [("list", profit, stop)]
    assert sent.client_id != entry.intent.group
    assert [(each.intent.kind, each.intent.size) for each in sent.orders] == [("limit", D(1)), ("stop", D(1))]
    assert kinds(desk.price("89")) == []
    desk.fill(profit, "1")
    assert kinds(desk.told(profit, "filled", "1")) == []
    assert kinds(desk.told(stop, "expired")) == []
    assert desk.strategy.orders() == []


def test_what_of_it_the_venue_refuses_waits_with_us() -> None:
    desk = Desk()
    entry, profit, stop = bracket(desk)
    desk.told(entry, "filled", "1", side="buy")
    held = []
    for each in (profit, stop):
        held += desk.step(Failed(each, "submit", "refused", desk.now_ns, "it would take", "would_cross"))
    assert [(each.intent.kind, each.intent.size) for each in held if isinstance(each, Hold)] == [
        ("limit", D(1)), ("stop", D(1)),
    ]  # fmt: skip
    again = [each.client_id for each in held if isinstance(each, Hold)]
    commands = desk.price("90")
    assert [each.order.client_id for each in commands if isinstance(each, Submit)] == [again[1]]


def test_a_restart_between_entry_and_protection_sends_it_once() -> None:
    desk = Desk()
    entry, profit, stop = bracket(desk)
    desk.written.append(
        OrderUpdate(
            SPOT.id, "orders", desk.now_ns, desk.now_ns, "ws", "main", client_id=entry.client_id, venue_id="v",
            state="filled", side="buy", size=D(1), filled=D(1),
        )
    )  # fmt: skip
    assert kinds(desk.again()) == []
    desk.flush()
    assert kinds(desk.step(Timer("due", 0))) == [("list", profit, stop)], "once a price is known"
    assert kinds(desk.step(Timer("due", 0))) == []
    assert desk.blotter.lists.of(profit) == desk.blotter.lists.of(stop) != ""


def test_a_restart_knows_the_entry_of_a_bracket_that_rests() -> None:
    desk = Desk()
    entry, profit, stop = bracket(desk)
    desk.told(entry, "filled", "1", side="buy")
    desk.again()
    desk.told(profit, "never_arrived")
    (held,) = [each for each in desk.told(stop, "never_arrived") if isinstance(each, Hold)]
    assert (held.intent.kind, held.intent.size) == ("stop", D(1)), "nothing of it arrived: it is protected all the same"


# ---- derivatives ---------------------------------------------------------------------------------------------------


def test_on_derivatives_both_rest_as_orders_that_only_reduce() -> None:
    desk = Desk(PERP)
    entry, profit, stop = bracket(desk)
    commands = desk.told(entry, "filled", "1", side="buy")
    assert kinds(commands) == [("submit", stop), ("submit", profit)]
    assert [(each.order.intent.kind, each.order.intent.reduce_only) for each in commands] == [
        ("stop", True), ("limit", True),
    ]  # fmt: skip
    for each in (profit, stop):
        desk.told(each, "open")
    assert kinds(desk.price("89")) == []
    desk.fill(profit, "0.3")
    assert kinds(desk.fill(profit, "0.7")) == [("cancel", stop)]


def test_a_stop_that_has_come_to_nothing_is_stood_in_for() -> None:
    desk = Desk(PERP)
    entry, profit, stop = bracket(desk)
    desk.told(entry, "filled", "1", side="buy")
    desk.told(profit, "open")
    (held,) = [each for each in desk.told(stop, "expired") if isinstance(each, Hold)]
    assert (held.intent.kind, held.intent.stop_price, held.intent.size) == ("stop", D(90), D(1))


def test_a_stop_that_went_with_its_position_is_not() -> None:
    desk = Desk(PERP)
    entry, _, stop = bracket(desk)
    desk.told(entry, "filled", "1", side="buy")
    gone = desk.step(
        OrderUpdate(
            PERP.id, "orders", desk.now_ns, desk.now_ns, "ws", "main", client_id=stop, venue_id="v" + stop,
            state="expired", reason="reduce_only",
        )
    )  # fmt: skip
    assert kinds(gone) == []


def test_a_stop_whose_price_has_come_already_waits_with_us_and_goes_at_once() -> None:
    desk = Desk(PERP)
    entry, profit, stop = bracket(desk)
    desk.engine.situation.sights[PERP.id].last = D(89)
    assert kinds(desk.told(entry, "filled", "1", side="buy")) == [("submit", profit)]
    assert kinds(desk.price("89")) == [("cancel", profit)]
    assert kinds(desk.told(profit, "cancelled")) == [("submit", stop)]


def test_an_oco_that_only_reduces_rests_there_too_and_one_that_opens_does_not() -> None:
    desk = Desk(PERP)
    desk.hold_one()
    limit, stop = desk.oco(reduce_only=True)
    assert kinds(desk.sent) == [("submit", stop.client_id), ("submit", limit.client_id)]
    desk.fill(stop, "1")
    assert kinds(desk.told(stop, "filled", "1")) == []
    opening, waits = desk.oco()
    assert ("hold", waits.client_id) in kinds(desk.sent)
    assert ("submit", opening.client_id) in kinds(desk.sent)
