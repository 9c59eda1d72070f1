"""Whether an order is one that a venue could take at all: its words, numbers, tick, lot and minima. Pure."""

from decimal import Decimal

from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import KINDS, POSITIONS, SIDES, TIMES_IN_FORCE, Intent

PRICED = frozenset({"limit", "stop_limit", "take_profit_limit"})
STOPPED = frozenset({"stop", "stop_limit", "take_profit", "take_profit_limit"})
_WORDS = (("side", SIDES), ("kind", KINDS), ("time_in_force", TIMES_IN_FORCE), ("position", POSITIONS))

Fault = tuple[str, str] | None
"""(one of model.order.REASONS, what is wrong), or nothing."""


def fault(intent: Intent, instrument: Instrument, price: Decimal | None) -> Fault:
    """What is wrong with an order in itself; `price` is the market's, for the minimum of one without a price."""
    return _words(intent) or _sums(intent) or _steps(intent, instrument) or _minima(intent, instrument, price)


def _words(intent: Intent) -> Fault:
    for name, words in _WORDS:
        if getattr(intent, name) not in words:
            return "parameter", f"{name} {getattr(intent, name)!r} is none of {', '.join(words)}"
    for name in ("size", "quote_size", "price", "stop_price", "trail"):
        value = getattr(intent, name)
        if value is not None and not (value.is_finite() and value > ZERO):
            return "parameter", f"{name} {value} is not over zero"
    return None


def _sums(intent: Intent) -> Fault:
    """What belongs to its kind is given, and nothing else."""
    kind = intent.kind
    if (intent.size is None) == (intent.quote_size is None):
        return "parameter", "one of size and quote_size is to be given"
    if intent.quote_size is not None and (kind, intent.side) != ("market", "buy"):
        return "parameter", "quote_size is for a market buy"
    for name, wanted in (
        ("price", kind in PRICED), ("stop_price", kind in STOPPED), ("trail", kind == "trailing_stop"),
        ("expires_ns", intent.time_in_force == "gtd" or _ended_by_us(intent)),
    ):  # fmt: skip
        if (getattr(intent, name) is not None) is not wanted and (kind, name) != ("trailing_stop", "stop_price"):
            return "parameter", f"a {kind} order has {'a' if wanted else 'no'} {name}"
    if intent.post_only and (kind != "limit" or intent.time_in_force in {"ioc", "fok"}):
        return "parameter", "post_only is for a limit order that rests"
    return None


def _ended_by_us(intent: Intent) -> bool:
    """Good till a date where the venue has no such orders: for it the order is good till cancelled."""
    return intent.time_in_force == "gtc" and intent.expires_ns is not None


def _steps(intent: Intent, instrument: Instrument) -> Fault:
    for name in ("price", "stop_price"):
        price = getattr(intent, name)
        if price is not None and instrument.tick and EXACT.remainder(price, instrument.tick) != ZERO:
            return "tick", f"{name} {plain(price)} is not a multiple of the tick {plain(instrument.tick)}"
    if intent.size is not None and instrument.lot and EXACT.remainder(intent.size, instrument.lot) != ZERO:
        return "lot", f"size {plain(intent.size)} is not a multiple of the lot {plain(instrument.lot)}"
    return None


def _minima(intent: Intent, instrument: Instrument, price: Decimal | None) -> Fault:
    size, least = intent.size, instrument.min_size
    if size is not None and least is not None and size < least:
        return "min_size", f"size {plain(size)} is under the least, {plain(least)}"
    if instrument.min_notional is None or (intent.reduce_only and instrument.kind != "spot"):
        return None
    at = intent.price or intent.stop_price or price
    value = intent.quote_size if size is None else None if at is None else notional(instrument, at, size)
    if value is not None and value < instrument.min_notional:
        return "min_notional", f"it is worth {plain(value)}, under the least, {plain(instrument.min_notional)}"
    return None
