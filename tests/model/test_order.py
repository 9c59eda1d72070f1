"""Orders as values, and the table of their states."""

from decimal import Context, Decimal, localcontext

import pytest

from tapeline.model.order import FINAL, TRANSITIONS, Intent, Order

INTENT = Intent(instrument="v:BTC/USDT", side="buy", kind="limit", size=Decimal(3), price=Decimal(10))


def test_every_state_that_can_be_reached_is_in_the_table() -> None:
    reached = {to for states in TRANSITIONS.values() for to in states} | {"intended"}

    assert reached == set(TRANSITIONS)


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_leaves_a_final_state(state: str) -> None:
    assert TRANSITIONS[state] == frozenset()


def test_only_the_unknown_may_turn_out_never_to_have_arrived() -> None:
    assert {state for state, to in TRANSITIONS.items() if "never_arrived" in to} == {"unknown"}


def test_a_cancel_that_was_refused_leaves_the_order_open() -> None:
    assert "open" in TRANSITIONS["cancelling"]
    assert "rejected" not in TRANSITIONS["open"]


def test_what_is_left_is_never_negative() -> None:
    order = Order(client_id="a", intent=INTENT, size=Decimal(3), filled=Decimal(1))

    assert order.left == Decimal(2)
    assert Order(client_id="a", intent=INTENT, size=Decimal(3), filled=Decimal(4)).left == 0
    assert Order(client_id="a", intent=INTENT).left is None
    with localcontext(Context(prec=3)):  # as a strategy may set it
        assert Order(client_id="a", intent=INTENT, size=Decimal("1.23456789")).left == Decimal("1.23456789")
    assert (order.final, Order(client_id="a", intent=INTENT, state="expired").final) == (False, True)
