"""What each limit measures: one function a limit, from the order and how its scope stands to the figure. Pure.

A figure over its limit refuses the order. Those of exposure refuse only what makes them larger, so that whatever makes
a position smaller passes; those of losses and data let closing orders pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tapeline.model.instrument import notional
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.model.order import Intent
from tapeline.trading.risk.exposure import most_of
from tapeline.trading.risk.standing import BEYOND, Figures, Held, RiskState

Figure = Decimal | int | float | None
"""What is compared with the limit; None: nothing to refuse."""


@dataclass(frozen=True, slots=True)
class Case:
    """An order with what follows from it. `size` is at its worst, `more` what open orders do not hold of it already.

    `price` is what it is valued at: the dearer of its own and the market's. None where there is neither, and then
    `value` is too.
    """

    intent: Intent
    state: RiskState
    size: Decimal
    more: Decimal
    price: Decimal | None
    value: Decimal | None
    closing: bool

    @property
    def reduces(self) -> bool:
        """Whether the venue itself keeps it from opening or turning a position."""
        return self.intent.reduce_only and self.state.instrument is not None and self.state.instrument.kind != "spot"

    def after(self, held: Held) -> Held:
        """The position with this order counted at its worst."""
        return held.with_order(self.intent.side, self.more, reduces=self.reduces)

    def worth(self, size: Decimal) -> Decimal:
        """The value of a size at the market's price; the sign stays."""
        return self._valued(self.state.market.price or self.price or ZERO, size)

    def _valued(self, price: Decimal, size: Decimal) -> Decimal:
        assert self.state.instrument is not None, "check() has asked for it"
        return EXACT.multiply(notional(self.state.instrument, price, size), self.state.market.rate or Decimal(1))


def case(intent: Intent, state: RiskState, already: Decimal) -> Case:
    """The order with what follows from it; `already` of its size is among the open orders (it is amended)."""
    market = state.market
    price = market.price
    own = intent.price if intent.price is not None else intent.stop_price
    if own is not None:
        price = own if price is None else max(own, price)
    size = _size(intent, state, price)
    more = max(ZERO, EXACT.subtract(size, already))
    closing = _closes(intent, state, more)
    found = Case(intent, state, size, more, price, None, closing)
    if price is None:
        return found
    value = (
        EXACT.multiply(intent.quote_size, market.rate or Decimal(1))
        if intent.size is None and intent.quote_size is not None
        else found._valued(price, size)  # noqa: SLF001  # its own method, asked before it is whole
    )
    return Case(intent, state, size, more, price, value, closing)


def _size(intent: Intent, state: RiskState, price: Decimal | None) -> Decimal:
    if intent.size is not None:
        return intent.size
    assert intent.quote_size is not None, "one of both is given: orderly.fault has looked"
    if price is None or price <= ZERO or state.instrument is None:
        return ZERO
    return most_of(intent.quote_size, notional(state.instrument, price, Decimal(1)))


def _closes(intent: Intent, state: RiskState, more: Decimal) -> bool:
    """Whether it can only make the account's position smaller, whatever else is filled before it."""
    if intent.position != "net":
        return (intent.position == "long") == (intent.side == "sell")
    held = state.figures["account"].held if "account" in state.figures else Held()
    against = EXACT.minus(held.size) if intent.side == "buy" else held.size
    if against <= ZERO:
        return False
    if intent.reduce_only and state.instrument is not None and state.instrument.kind != "spot":
        return True
    after = held.with_order(intent.side, more, reduces=False)
    return after.high <= ZERO if intent.side == "buy" else after.low >= ZERO


# ---- one order ---------------------------------------------------------------------------------------------------


def _order_value(case: Case, _figures: Figures) -> Figure:
    return case.value


def _order_size(case: Case, _figures: Figures) -> Figure:
    return case.size


def _through(case: Case, _figures: Figures) -> Figure:
    """How far through the market its price is, or the price it would find."""
    market, intent = case.state.market, case.intent
    if market.price is None or market.price <= ZERO:
        return None
    met = intent.price
    if met is None:
        if intent.kind != "market":
            return None  # it waits for its stop price, and is a market order of that day
        met = market.ask if intent.side == "buy" else market.bid
    elif intent.stop_price is not None:
        return _share(met, intent.stop_price, intent.side)
    return None if met is None else _share(met, market.price, intent.side)


def _away(case: Case, _figures: Figures) -> Figure:
    """How far from the market it would rest."""
    market, intent = case.state.market, case.intent
    if market.price is None or market.price <= ZERO or intent.price is None or intent.stop_price is not None:
        return None
    return EXACT.minus(_share(intent.price, market.price, intent.side))


def _share(price: Decimal, middle: Decimal, side: str) -> Decimal:
    """How far a price is to the bad side of the middle; negative on the good one."""
    apart = EXACT.subtract(price, middle) if side == "buy" else EXACT.subtract(middle, price)
    return ROUNDING.divide(apart, middle)


def _times_usual(case: Case, figures: Figures) -> Figure:
    if case.value is None or not figures.usual_value:
        return None
    return ROUNDING.divide(case.value, figures.usual_value)


# ---- exposure: only what makes it larger is refused ----------------------------------------------------------------


def _grown(before: Decimal, after: Decimal) -> Decimal | None:
    return after if after > before else None


def _position(case: Case, figures: Figures) -> Figure:
    return _grown(figures.held.worst, case.after(figures.held).worst)


def _position_value(case: Case, figures: Figures) -> Figure:
    return _grown(case.worth(figures.held.worst), case.worth(case.after(figures.held).worst))


def _gross(case: Case, figures: Figures) -> Decimal | None:
    before, after = (case.worth(held.worst) for held in (figures.held, case.after(figures.held)))
    return _grown(EXACT.add(figures.gross, before), EXACT.add(figures.gross, after))


def _net(case: Case, figures: Figures) -> Figure:
    return _grown(_net_of(case, figures, figures.held), _net_of(case, figures, case.after(figures.held)))


def _net_of(case: Case, figures: Figures, held: Held) -> Decimal:
    low = EXACT.add(figures.net_low, case.worth(held.low))
    high = EXACT.add(figures.net_high, case.worth(held.high))
    return max(EXACT.abs(low), EXACT.abs(high))


def _leverage(case: Case, figures: Figures) -> Figure:
    gross = _gross(case, figures)
    return None if gross is None else _of_equity(gross, figures)


def _margin_share(case: Case, figures: Figures) -> Figure:
    if case.state.margin_rate is None:
        return None
    before, after = (case.worth(held.worst) for held in (figures.held, case.after(figures.held)))
    if after <= before:
        return None
    return _of_equity(EXACT.fma(EXACT.subtract(after, before), case.state.margin_rate, figures.margin), figures)


def _of_equity(value: Decimal, figures: Figures) -> Decimal:
    """Of no equity, and of one that nobody knows, everything is too much."""
    return ROUNDING.divide(value, figures.equity) if figures.equity and figures.equity > ZERO else BEYOND


# ---- pace --------------------------------------------------------------------------------------------------------


def _open_orders(case: Case, figures: Figures) -> Figure:
    return figures.open_orders + 1 if case.more == case.size else None


def _orders_in_second(_case: Case, figures: Figures) -> Figure:
    return figures.orders_in_second + 1


def _orders_in_minute(_case: Case, figures: Figures) -> Figure:
    return figures.orders_in_minute + 1


def _cancels_in_minute(case: Case, figures: Figures) -> Figure:
    return None if case.closing else figures.cancels_in_minute


# ---- losses and data: closing orders pass ---------------------------------------------------------------------------


def _unless_closing(measure: Callable[[Case, Figures], Figure]) -> Callable[[Case, Figures], Figure]:
    return lambda case, figures: None if case.closing else measure(case, figures)


def _data_age(case: Case, _figures: Figures) -> Figure:
    age_s = case.state.market.age_s
    return float("inf") if age_s is None else age_s


MEASURES: Mapping[str, Callable[[Case, Figures], Figure]] = {
    "max_order_value": _order_value,
    "max_order_size": _order_size,
    "price_band": _through,
    "price_distance": _away,
    "fat_finger_times": _times_usual,
    "max_position": _position,
    "max_position_value": _position_value,
    "max_gross": _gross,
    "max_net": _net,
    "max_open_orders": _open_orders,
    "max_orders_per_second": _orders_in_second,
    "max_orders_per_minute": _orders_in_minute,
    "max_cancels_per_minute": _cancels_in_minute,
    "max_leverage": _leverage,
    "max_margin_share": _margin_share,
    "max_daily_loss": _unless_closing(lambda _case, figures: figures.lost_today),
    "max_drawdown": _unless_closing(lambda _case, figures: figures.drawdown),
    "max_drawdown_share": _unless_closing(lambda _case, figures: figures.drawdown_share),
    "max_daily_fees": _unless_closing(lambda _case, figures: figures.fees_today),
    "max_data_age_s": _unless_closing(_data_age),
    "max_clock_offset_s": _unless_closing(lambda case, _figures: abs(case.state.market.clock_offset_s)),
}
"""Of each limit that is a most: what is measured."""


def _duplicate(case: Case, limit: Any) -> str:
    for intent, ago_s in case.state.recent:
        if ago_s <= limit and _same(intent, case.intent):
            return f"equal to one of {ago_s:.3f} s ago"
    return ""


def _same(one: Intent, other: Intent) -> bool:
    return all(
        getattr(one, name) == getattr(other, name)
        for name in (
            "instrument", "side", "kind", "size", "quote_size", "price", "stop_price", "position", "account", "strategy"
        )
    )  # fmt: skip


def _self_trade(case: Case, limit: Any) -> str:
    intent = case.intent
    if not limit or intent.post_only or intent.stop_price is not None or intent.trail is not None:
        return ""
    for each in case.state.resting:
        if each.side == intent.side:
            continue
        if intent.price is None or each.price is None or _crosses(intent.side, intent.price, each.price):
            return f"it could trade with {each.client_id}, of the same account"
    return ""


def _crosses(side: str, price: Decimal, resting: Decimal) -> bool:
    return price >= resting if side == "buy" else price <= resting


def _unsynchronised(case: Case, limit: Any) -> str:
    if limit and not case.closing and not case.state.market.synchronised:
        return "the book of the instrument cannot be trusted"
    return ""


def _repaired(case: Case, limit: Any) -> str:
    ago_s = case.state.market.repaired_s_ago
    if case.closing or ago_s is None or ago_s >= limit:
        return ""
    return f"a hole in its data was found or filled {ago_s:.3f} s ago"


OF_ONE_ORDER = ("max_order_value", "max_order_size", "price_band", "price_distance")
"""Limits that an order exceeds by itself, whatever else is held or ordered: also while it rests."""

REFUSALS: Mapping[str, Callable[[Case, Any], str]] = {
    "duplicate_s": _duplicate,
    "refuse_self_trade": _self_trade,
    "require_synchronised": _unsynchronised,
    "wait_after_repair_s": _repaired,
}
"""Of the other limits: why an order is refused, "" where it is not."""
