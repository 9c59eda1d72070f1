"""Orders as values: what is wanted, what became of it, and between which states it may go.

Sizes are in the instrument's own unit, prices in its quote currency, both exact `Decimal`s; times UTC nanoseconds.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from tapeline.model.number import EXACT, ZERO

SIDES = ("buy", "sell")
KINDS = ("market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop")
TIMES_IN_FORCE = ("gtc", "ioc", "fok", "gtd")
POSITIONS = ("net", "long", "short")  # "net" in one-way mode, the others in hedge mode

FINAL = frozenset({"filled", "cancelled", "rejected", "expired", "withdrawn", "never_arrived"})
RESTING = frozenset({"open", "partly_filled", "cancelling"})

_REPORTED = frozenset({"partly_filled", "filled", "cancelling", "cancelled", "expired", "unknown"})
TRANSITIONS: Mapping[str, frozenset[str]] = {
    "intended": frozenset({"submitted", "withdrawn"}),
    "submitted": frozenset({"open", "rejected"}) | _REPORTED,
    "open": _REPORTED,
    "partly_filled": _REPORTED,
    "cancelling": frozenset({"open"}) | (_REPORTED - {"cancelling"}),
    "unknown": frozenset({"open", "rejected", "never_arrived"}) | (_REPORTED - {"unknown"}),
    **dict.fromkeys(FINAL, frozenset[str]()),
}
"""State -> those it may go to. A final state is left by nothing: a late fill re-opens the accounting only."""

REASONS = (
    "balance", "margin", "min_size", "max_size", "min_notional", "tick", "lot", "price_band", "would_cross",
    "would_trigger", "reduce_only", "not_fillable", "market_closed", "permission", "address", "duplicate",
    "unknown_order", "already_final", "too_many_orders", "unsupported", "instrument", "position_mode", "parameter",
    "other",
)  # fmt: skip
"""Why a venue refuses an order, in our words; each venue maps its own codes to these, and the paper exchange back."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is wanted, before anything was checked or sent.

    `size` or, for a market buy, `quote_size` (what may be spent). `stop_price` is what a stop or a take-profit waits
    for; `trail` the distance of a trailing stop as a fraction of the price (0.01 is 1 %). `post_only` never takes.
    `reduce_only` never opens or turns a position. `group` ties the orders of an OCO or a bracket together.
    """

    instrument: str
    side: str
    kind: str
    size: Decimal | None = None
    quote_size: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: str = "gtc"
    expires_ns: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    position: str = "net"
    account: str = ""
    strategy: str = ""
    group: str = ""
    note: str = ""  # the strategy's own words, for the journal and reports


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order and all that is known of it. `client_id` is ours, unique for ever; `venue_id` the venue's, "" unknown.

    `filled` of `size` has been filled for `filled_value` (sum of price times size, in quote currency per unit of
    size). `asked` is what was asked for last and has no answer yet: "" | "cancel" | "amend".
    """

    client_id: str
    intent: Intent
    state: str = "intended"
    venue_id: str = ""
    size: Decimal | None = None  # as placed or amended; None where only a quote size is known
    price: Decimal | None = None  # as placed or amended
    filled: Decimal = ZERO
    filled_value: Decimal = ZERO
    asked: str = ""
    created_ns: int = 0
    submitted_ns: int | None = None
    updated_ns: int = 0
    why: str = ""
    reason: str = ""  # one of REASONS where the venue or we refused it
    claimed: bool = True  # False: of other origin, shown and never touched

    @property
    def final(self) -> bool:
        """Whether nothing more can become of it."""
        return self.state in FINAL

    @property
    def left(self) -> Decimal | None:
        """What is not filled; None where only a quote size is known."""
        return None if self.size is None else max(ZERO, EXACT.subtract(self.size, self.filled))
