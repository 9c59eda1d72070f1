from decimal import Decimal
from typing import Any

import pytest

from tapeline.model.account import OrderUpdate
from tapeline.wire.private.unheard import MOST, WITHIN_S, Unheard


def update(client_id: str, state: str, filled: str | None = None, **more: Any) -> OrderUpdate:
    size = None if filled is None else Decimal(filled)
    fields = {"venue_id": "v" + client_id, "filled": size} | more
    return OrderUpdate("toy:A/X", "orders", 1, 1, "rest", "main", client_id=client_id, state=state, **fields)


def test_what_a_request_showed_the_stream_tells_in_time() -> None:
    unheard = Unheard()
    unheard.shown(update("a", "open"), 1.0)
    assert unheard.deadline() == 1.0 + WITHIN_S
    assert unheard.overdue(WITHIN_S) == ""
    unheard.told(update("a", "open"))
    assert unheard.deadline() == float("inf")
    assert unheard.overdue(1e9) == ""


def test_what_the_stream_never_tells_is_overdue_from_the_first_time_it_showed() -> None:
    unheard = Unheard()
    unheard.shown(update("a", "open"), 1.0)
    unheard.shown(update("a", "cancelled"), 9.0)
    unheard.told(update("a", "open"))  # that much, and no more
    assert unheard.overdue(1.0 + WITHIN_S) == "a"


@pytest.mark.parametrize(
    ("told", "shown"),
    [("open", "open"), ("filled", "open"), ("partly_filled", "open"), ("cancelled", "filled"), ("open", "rejected")],
)
def test_the_stream_may_be_ahead(told: str, shown: str) -> None:
    unheard = Unheard()
    unheard.told(update("a", told))
    unheard.shown(update("a", shown), 1.0)
    assert unheard.deadline() == float("inf")


def test_more_filled_is_news() -> None:
    unheard = Unheard()
    unheard.told(update("a", "partly_filled", "1"))
    unheard.shown(update("a", "partly_filled", "2"), 1.0)
    assert unheard.deadline() < float("inf")
    unheard.told(update("a", "partly_filled", "3"))
    assert unheard.deadline() == float("inf")


def test_an_order_is_the_same_by_the_venues_id() -> None:
    unheard = Unheard()
    unheard.told(update("a", "open"))
    unheard.shown(update("", "open", venue_id="va"), 1.0)
    assert unheard.deadline() == float("inf")
    unheard.shown(update("", "open", venue_id=""), 1.0)
    assert unheard.deadline() == float("inf")


def test_orders_that_wait_for_a_price_are_not_expected() -> None:
    unheard = Unheard()
    unheard.shown(update("a", "open", kind="stop"), 1.0)
    assert unheard.deadline() == float("inf")


def test_a_stream_that_is_opened_anew_owes_nothing_and_memory_has_a_bound() -> None:
    unheard = Unheard()
    unheard.shown(update("a", "open"), 1.0)
    unheard.forget()
    assert unheard.overdue(1e9) == ""
    for number in range(MOST + 5):
        unheard.shown(update(f"s{number}", "open", venue_id=""), float(number))
        unheard.told(update(f"t{number}", "open", venue_id=""))
    assert (len(unheard._told), len(unheard._due)) == (MOST, MOST)
    assert unheard.deadline() == 5 + WITHIN_S
