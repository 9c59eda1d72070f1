from decimal import Decimal
from typing import Any

import pytest
from order_stage import BUY

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.order import Order
from tapeline.wire.gateway.doubt import Doubt

ORDER = Order(client_id="a", intent=BUY, venue_id="7")


def update(state: str, **more: Any) -> OrderUpdate:
    fields = {"client_id": "a", "venue_id": "7"} | more
    return OrderUpdate(BUY.instrument, "orders", 1, 1, "ws", "main", state=state, **fields)


def fill(**more: Any) -> Fill:
    fields = {"client_id": "a", "venue_id": "7"} | more
    return Fill(BUY.instrument, "fills", 1, 1, "ws", "main", id="1", side="buy", price=Decimal(1), size=Decimal(1),
                **fields)  # fmt: skip


def doubt(*what: str, **new: Any) -> Doubt:
    made = Doubt(ORDER, lag_s=10.0, lag_times=3)
    for each in what:
        made.asked(each, 0.0, **new)
    return made


def test_nothing_asked_is_nothing_in_doubt() -> None:
    assert doubt().settled


@pytest.mark.parametrize("what", ["submit", ""])
@pytest.mark.parametrize("news", [update("open"), update("rejected"), update("filled"), fill(), fill(client_id="")])
def test_an_order_that_shows_was_placed(what: str, news: OrderUpdate | Fill) -> None:
    made = doubt(what)
    assert not made.settled
    for other in (update("open", client_id="b"), fill(client_id="b"), update("submitted"),
                  update("open", client_id="", venue_id="")):  # fmt: skip
        made.heard(other)
        assert not made.settled
    made.heard(news)
    assert made.settled


def test_only_an_end_settles_a_cancel() -> None:
    made = doubt("submit", "cancel")
    made.heard(update("partly_filled"))
    assert (made.placing, made.cancelling) == (False, True)
    made.heard(fill())
    assert not made.settled
    made.heard(update("filled"))
    assert made.settled


def test_an_amend_is_settled_once_it_shows() -> None:
    made = doubt("amend", size=Decimal(3), price=Decimal(9))
    made.heard(update("open", size=Decimal(3), price=Decimal(10)))
    assert not made.settled
    made.heard(update("open", size=Decimal(3), price=Decimal(9)))
    assert made.settled


def test_not_found_is_believed_late_enough_and_often_enough() -> None:
    made = doubt("submit")
    assert not made.not_found(1.0)
    assert not made.not_found(5.0)
    assert not made.not_found(9.9)
    assert made.not_found(10.0)
    seldom = doubt("submit")
    assert not seldom.not_found(100.0)
    assert not seldom.not_found(200.0)
    assert seldom.not_found(300.0)
    seldom.asked("cancel", 300.0)
    assert not seldom.not_found(311.0)


def test_an_amend_that_does_not_show_is_waited_for_and_then_has_failed() -> None:
    made = doubt("amend", price=Decimal(9))
    before = update("open", price=Decimal(10))
    assert [made.premature(before, at) for at in (1.0, 5.0, 9.0, 10.0)] == [True, True, True, False]
    made.amend_failed()
    assert made.settled


@pytest.mark.parametrize(
    "news", [update("open", price=Decimal(9)), update("cancelled"), update("open", client_id="b"), fill()]
)
def test_what_says_something_is_not_premature(news: OrderUpdate | Fill) -> None:
    assert not doubt("amend", price=Decimal(9)).premature(news, 1.0)
    assert not doubt("amend", "cancel", price=Decimal(9)).premature(update("open"), 1.0)
    assert not doubt("submit").premature(update("open"), 1.0)


def test_a_refusal_that_came_late_settles_everything() -> None:
    made = doubt("submit", "cancel")
    made.refused()
    assert made.settled
