"""Whose a fill is: a strategy's, or nobody's, and then whether an emergency stop made it. Pure."""

from tapeline.model.account import Fill
from tapeline.model.number import plain
from tapeline.model.order import Order
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.client_ids import is_slice


def strategy_of(order: Order | None) -> str:
    """Whose the fills of an order are; `NOBODY` of one that is not ours."""
    return order.intent.strategy if order is not None and order.claimed else NOBODY


def is_stop(fill: Fill, order: Order | None) -> bool:
    """Whether an emergency stop's own order was filled; some venues' lists name it only by a number of theirs."""
    return is_slice(fill.client_id) or (order is not None and is_slice(order.client_id))


def who_did(fill: Fill, order: Order | None) -> str:
    """Who made a fill that is no strategy's, in words."""
    at = f"at {plain(fill.price)}"
    if is_stop(fill, order):
        return f"an emergency stop, {at}"
    return f"{fill.origin or 'a trade that no strategy made'}, {at}"
