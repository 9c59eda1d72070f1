"""The venue's words for orders, and ours: one table each, read both ways.

https://developers.binance.com/docs/binance-spot-api-docs/enums
https://developers.binance.com/docs/derivatives/usds-margined-futures/common-definition
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal

from tapeline.model.number import ZERO, number

MS_NS = 1_000_000
_MEAN = Context(prec=28, rounding=ROUND_HALF_EVEN)
BUY, SELL = "BUY", "SELL"
SIDES: Mapping[str, str] = {BUY: "buy", SELL: "sell"}

SPOT_KINDS: Mapping[str, str] = {
    "LIMIT": "limit", "LIMIT_MAKER": "limit", "MARKET": "market", "STOP_LOSS": "stop", "STOP_LOSS_LIMIT": "stop_limit",
    "TAKE_PROFIT": "take_profit", "TAKE_PROFIT_LIMIT": "take_profit_limit",
}  # fmt: skip
USDM_KINDS: Mapping[str, str] = {
    "LIMIT": "limit", "MARKET": "market", "STOP_MARKET": "stop", "STOP": "stop_limit",
    "TAKE_PROFIT_MARKET": "take_profit", "TAKE_PROFIT": "take_profit_limit", "TRAILING_STOP_MARKET": "trailing_stop",
    "LIQUIDATION": "limit",
}  # fmt: skip
SPOT_TYPES: Mapping[str, str] = {ours: theirs for theirs, ours in SPOT_KINDS.items() if theirs != "LIMIT_MAKER"}
USDM_TYPES: Mapping[str, str] = {ours: theirs for theirs, ours in USDM_KINDS.items() if theirs != "LIQUIDATION"}
PRICED = frozenset({"limit", "stop_limit", "take_profit_limit"})
TRIGGERED = frozenset({"stop", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop"})
"""Kinds that wait for a price. On USD-M they live in a service of their own (`algoOrder`)."""

CONDITIONAL = frozenset(theirs for theirs, ours in USDM_KINDS.items() if ours in TRIGGERED)
"""Their types on USD-M: an order whose type is another than it was placed with has been triggered."""

TIMES: Mapping[str, str] = {
    "GTC": "gtc", "IOC": "ioc", "FOK": "fok", "GTD": "gtd", "GTX": "gtc", "GTE_GTC": "gtc", "RPI": "gtc",
}  # fmt: skip
POST_ONLY = frozenset({"LIMIT_MAKER", "GTX", "RPI"})

STATES: Mapping[str, str] = {
    "NEW": "open",
    "PENDING_NEW": "open",  # a leg that waits for another order: accepted, though on no book
    "PARTIALLY_FILLED": "partly_filled",
    "FILLED": "filled",
    "PENDING_CANCEL": "cancelling",
    "CANCELED": "cancelled",
    "REJECTED": "rejected",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",  # by self-trade prevention
}
STATUSES: Mapping[str, str] = {
    "submitted": "NEW", "open": "NEW", "partly_filled": "PARTIALLY_FILLED", "filled": "FILLED",
    "cancelling": "NEW", "cancelled": "CANCELED", "rejected": "REJECTED", "expired": "EXPIRED",
}  # fmt: skip
ALGO_STATES: Mapping[str, str] = {
    "NEW": "open",
    "TRIGGERING": "open",
    "TRIGGERED": "open",
    "CANCELED": "cancelled",
    "EXPIRED": "expired",
    "REJECTED": "expired",  # when it was triggered: it had been accepted before
}
"""Of a conditional order on USD-M; FINISHED is the order's it became."""

LIST_STATES: Mapping[str, str] = {"EXECUTING": "open", "ALL_DONE": "done", "REJECT": "rejected"}
"""Of an order list. A refusal is of a call, to place it or to cancel it: what became of it its orders tell."""

POSITIONS: Mapping[str, str] = {"BOTH": "net", "LONG": "long", "SHORT": "short", "": "net"}
SIDES_OF: Mapping[str, str] = {"net": "BOTH", "long": "LONG", "short": "SHORT"}

ALGO = "algo-"
"""Before the id of a conditional order on USD-M, as we keep it: orders and conditional orders are numbered apart."""

ORIGINS: tuple[tuple[str, str], ...] = (
    ("adl_autoclose", "adl"), ("settlement_autoclose-", "settlement"), ("delivery_autoclose-", "settlement"),
    ("autoclose-", "liquidation"),
)  # fmt: skip
"""Prefixes of the client ids that the venue itself gives."""


def origin_of(client_id: str) -> str:
    """What the venue placed it for; "" for an order that anybody placed."""
    return next((origin for prefix, origin in ORIGINS if client_id.startswith(prefix)), "")


def client_id_of(client_id: str, venue_id: str, origin: str) -> str:
    """The client id of an order as the venue tells it: its own orders begin with what they are for."""
    prefix = next((prefix for prefix, kind in ORIGINS if kind == origin), "")
    return client_id if not prefix or client_id.startswith(prefix) else f"{prefix}{venue_id}"


def list_id(number: str | int) -> str:
    """The id of an order list; "" of an order that is of none."""
    return "" if int(number) < 0 else str(number)


def filled_state(state: str, filled: Decimal, size: Decimal | None) -> str:
    """The state of an order whose status is no state (NEW_INSURANCE, NEW_ADL): by what is filled."""
    if state:
        return state
    if filled == ZERO:
        return "open"
    return "filled" if size is not None and filled >= size else "partly_filled"


def some(text: str | None) -> Decimal | None:
    """A number that is none where it is zero, as the venue writes prices there are not."""
    value = number(text)
    return None if value is None or value == ZERO else value


def mean(value: Decimal, size: Decimal) -> Decimal | None:
    """The average price, half-even at 28 digits; None where nothing is filled, or it is not said for how much."""
    return None if ZERO in (value, size) else _MEAN.divide(value, size)
