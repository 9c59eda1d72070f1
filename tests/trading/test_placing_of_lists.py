"""Order lists on their way out: judged once for both, cancelled once; and amends of what waits with us."""

from decimal import Decimal
from typing import Any

import pytest
from list_fixtures import SPOT, Desk, bracket, kinds

from tapeline.errors import Broken
from tapeline.model.order import Order
from tapeline.trading.command import Hold, SubmitList
from tapeline.trading.input import Failed, Timer
from tapeline.trading.orders import Blotter

D = Decimal


# ---- risk ----------------------------------------------------------------------------------------------------------


def test_risk_counts_a_list_once_and_as_two_orders() -> None:
    desk = Desk(max_position=D("1.5"), max_open_orders=2)
    limit, _ = desk.oco()
    assert kinds(desk.sent)[0][0] == "list", "two of one each would be beyond 1.5"
    worst = desk.blotter.worst("main", SPOT.id)
    assert worst.sell == D(1)
    desk.fill(limit, "0.4")
    assert desk.blotter.worst("main", SPOT.id).sell == D("0.6"), "whatever the venue told of the stop so far"
    third = desk.strategy.sell(SPOT.id, "0.1", price="120")
    assert third.why.startswith("max_open_orders")


def test_a_list_that_may_not_be_leaves_nothing() -> None:
    desk = Desk(max_open_orders=1)
    limit, stop = desk.oco()
    assert (limit.state, stop.state) == ("withdrawn", "withdrawn")
    assert not any(isinstance(each, SubmitList) for each in desk.sent)
    assert {limit.why[:15], stop.why} == {"max_open_orders", "the other order of its list cannot be"}
    assert desk.blotter.lists.of(limit.client_id) == ""
    unfit = Desk().strategy.oco("sell", SPOT.id, "0.0001", price="110", stop="90")
    assert [each.state for each in unfit] == ["withdrawn"] * 2


def test_a_sale_that_only_reduces_sells_what_is_there() -> None:
    desk = Desk()
    assert [each.reason for each in desk.oco(reduce_only=True)] == ["reduce_only", "other"]
    desk.hold_one()
    desk.strategy.oco("sell", SPOT.id, 3, price="110", stop="90", reduce_only=True)
    (sent,) = [each for each in desk.flush() if isinstance(each, SubmitList)]
    assert [(each.intent.size, each.intent.reduce_only) for each in sent.orders] == [(D(1), False)] * 2
    again = desk.strategy.close(SPOT.id)
    assert again is not None
    assert again.reason == "reduce_only", "a list may sell all of it, once"


# ---- cancels and amends ---------------------------------------------------------------------------------------


def test_a_cancel_of_one_is_sent_once_and_the_venue_ends_both() -> None:
    desk = Desk()
    limit, stop = desk.oco()
    for each in (limit, stop):
        desk.told(each, "open")
    desk.strategy.cancel_all()
    assert kinds(desk.flush()) == [("cancel", stop.client_id)]
    desk.told(stop, "cancelled")
    assert kinds(desk.told(limit, "cancelled")) == []
    assert desk.strategy.orders() == []


def test_a_cancel_that_was_refused_may_be_asked_for_again() -> None:
    desk = Desk()
    limit, stop = desk.oco()
    for each in (limit, stop):
        desk.told(each, "open")
    desk.strategy.cancel(limit)
    desk.flush()
    desk.step(Failed(stop.client_id, "cancel", "refused", desk.now_ns, "not now", "other"))
    desk.strategy.cancel(limit)
    assert kinds(desk.flush()) == [("cancel", stop.client_id)]


def test_an_order_of_a_list_is_not_amended() -> None:
    desk = Desk()
    limit, _ = desk.oco()
    desk.told(limit, "open")
    assert not desk.strategy.amend(limit, price="111")
    (note,) = desk.flush()
    assert "order list" in note.text


# ---- what waited with us ---------------------------------------------------------------------------------------


def test_it_waits_until_the_venue_has_told_of_what_was_bought() -> None:
    desk = Desk()
    desk.free("0")
    entry, profit, stop = bracket(desk)
    assert kinds(desk.told(entry, "filled", "1", side="buy")) == []
    desk.free("1")
    assert kinds(desk.step(Timer("due", 0))) == [("list", profit, stop)]


def test_what_risk_does_not_let_rest_still_waits_with_us() -> None:
    desk = Desk(max_open_orders=1)
    entry, profit, stop = bracket(desk)
    commands = desk.told(entry, "filled", "1", side="buy")
    assert kinds(commands) == [("submit", profit)], "as where a venue has no lists"
    assert stop in desk.engine.situation.waiters


def test_a_list_of_orders_that_are_not_there_is_a_fault_of_ours() -> None:
    with pytest.raises(Broken):
        Blotter("test").tie("name", ["nobody"])
    with pytest.raises(Broken):
        Blotter("test").revise("nobody", Desk().oco()[0].intent, 1)


# ---- amends of what waits with us --------------------------------------------------------------------------------


def waiting(desk: Desk, **how: Any) -> Order:
    """A stop of a kind that the venue has not."""
    order = desk.strategy.order("sell", SPOT.id, 1, **how)
    assert kinds(desk.flush()) == [("hold", order.client_id)]
    return order


def test_price_size_and_trigger_of_an_order_that_waits_with_us_are_amended_and_written_down() -> None:
    desk = Desk()
    order = waiting(desk, stop="90", price="89")
    assert desk.strategy.amend(order, stop="95.04", price="94.03", size="0.5009")
    (hold,) = [each for each in desk.flush() if isinstance(each, Hold)]
    assert (hold.client_id, hold.intent.stop_price, hold.intent.price, hold.intent.size) == (
        order.client_id, D(95), D("94.1"), D("0.5"),
    )  # fmt: skip
    (now,) = desk.strategy.orders()
    assert (now.size, now.price, now.intent.stop_price, now.state) == (D("0.5"), D("94.1"), D(95), "intended")
    assert kinds(desk.price("95")) == [("submit", order.client_id)], "it waits for its new price"


def test_a_restart_finds_what_it_was_amended_to() -> None:
    desk = Desk()
    order = waiting(desk, stop="90", price="89")
    desk.strategy.amend(order, stop="95")
    desk.flush()
    desk.again()
    (found,) = desk.strategy.orders()
    assert (found.client_id, found.intent.stop_price) == (order.client_id, D(95))
    assert kinds(desk.price("95")) == [("submit", order.client_id)]


@pytest.mark.parametrize(
    ("how", "wanted", "why"),
    [
        ({"stop": "90", "price": "89"}, {"size": "0.0001"}, "nothing is left of"),
        ({"stop": "90", "price": "89"}, {"price": "-1"}, "is not over zero"),
        ({"trail": "0.01"}, {"price": "90"}, "has no price"),
        ({"trail": "0.01"}, {"stop": "90"}, "waits for no price of its own"),
    ],
)
def test_what_it_cannot_be_amended_to_is_said_and_changes_nothing(
    how: dict[str, str], wanted: dict[str, str], why: str
) -> None:  # fmt: skip
    desk = Desk()
    order = waiting(desk, **how)
    assert not desk.strategy.amend(order, **wanted)
    (note,) = desk.flush()
    assert why in note.text
    assert desk.strategy.orders()[0].intent == order.intent


def test_the_size_of_a_group_is_its_own_and_its_prices_may_change() -> None:
    desk = Desk()
    entry = desk.strategy.bracket("buy", SPOT.id, 1, price="99", take_profit="110", stop="90")
    profit, stop = (each.client_id for each in desk.flush() if isinstance(each, Hold))
    assert not desk.strategy.amend(stop, size="0.5")
    assert desk.strategy.amend(stop, stop="95")
    assert desk.strategy.amend(profit, price="105")
    desk.flush()
    desk.fill(entry, "1", "buy")
    (sent,) = [each for each in desk.told(entry, "filled", "1", side="buy") if isinstance(each, SubmitList)]
    assert [each.intent.price or each.intent.stop_price for each in sent.orders] == [D(105), D(95)]


def test_what_a_venue_watches_for_is_not_changed_from_here() -> None:
    desk = Desk()
    order = desk.strategy.sell(SPOT.id, 1, stop="90")
    desk.flush()
    desk.told(order, "open")
    assert not desk.strategy.amend(order, stop="95")
    (note,) = desk.flush()
    assert "the venue's to watch" in note.text
