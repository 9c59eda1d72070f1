"""Prices to the tick and sizes to the lot, by stated rules. Pure.

A limit price is rounded so that it is never worse than asked: a buy down, a sell up. What an order waits for is
rounded so that it never comes sooner: a buy stop up, a sell stop down, a take-profit the other way round. Sizes are
rounded down, never up; what may be spent (`quote_size`) too, to the eighth digit, as venues refuse more of them. How
far it trails is rounded up, to the eighth digit too: what is finer no price shows, and could not be reckoned exactly.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec
from msgspec.structs import replace

from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ROUNDING, ZERO, plain
from tapeline.model.order import Intent

MOST = Decimal(10) ** 15  # no price and no size is as large: sums of what is less stay exact
SPENT_STEP = TRAIL_STEP = Decimal("1E-8")
NUMBERS = ("size", "quote_size", "price", "stop_price", "trail")


class Unfit(msgspec.Struct, frozen=True):
    """Why it cannot be placed: `reason` is one of `model.order.REASONS`."""

    reason: str
    text: str


def down(value: Decimal, step: Decimal | None) -> Decimal:
    """The greatest multiple of `step` that is not above the value; the value where there is no step."""
    return _to(value, step, ROUND_FLOOR)


def up(value: Decimal, step: Decimal | None) -> Decimal:
    """The least multiple of `step` that is not below the value."""
    return _to(value, step, ROUND_CEILING)


def fit(intent: Intent, instrument: Instrument, now_ns: int) -> Intent | Unfit:
    """The intent as the venue takes it, or why rounding leaves nothing of it. What else is wrong, risk says."""
    wrong = next((text for name in NUMBERS if (text := beyond(name, getattr(intent, name)))), "")
    if wrong:
        return Unfit("parameter", wrong)
    buy, tick = intent.side == "buy", instrument.tick
    price, stop, size, spent, trail = before = _numbers(intent)
    if price is not None:
        price = down(price, tick) if buy else up(price, tick)
    if stop is not None:
        stop = up(stop, tick) if buy == intent.kind.startswith("stop") else down(stop, tick)
    if size is not None:
        size = down(size, instrument.lot)
    if spent is not None:
        spent = down(spent, SPENT_STEP)
    if trail is not None:
        trail = up(trail, TRAIL_STEP)
    faults = (  # (whether it is so, reason, text), the first counts
        (ZERO in (price, stop), "tick", f"nothing is left of the price at a tick of {_text(tick)}"),
        (size == ZERO, "lot", f"nothing is left of {intent.size} at a lot of {_text(instrument.lot)}"),
        (spent == ZERO, "min_notional", f"nothing is left of {intent.quote_size} to spend"),
        (
            intent.kind == "trailing_stop" and not (trail is not None and ZERO < trail < 1),
            "parameter", f"a trailing stop trails by a share of the price, not by {intent.trail}",
        ),
        (
            intent.expires_ns is not None and intent.expires_ns <= now_ns,
            "parameter", "an order that is good till a date has one that is to come",
        ),
    )  # fmt: skip
    for found, reason, text in faults:
        if found:
            return Unfit(reason, text)
    if (price, stop, size, spent, trail) == before:
        return intent
    return replace(intent, price=price, stop_price=stop, size=size, quote_size=spent, trail=trail)


def beyond(name: str, value: Decimal | None) -> str:
    """What is wrong with a number that nothing can be reckoned with, "" where it can: NaN, infinite, or too large."""
    if value is None or (value.is_finite() and value.copy_abs() < MOST):
        return ""
    return f"{name} {value} is no number that an order can have"


def _numbers(intent: Intent) -> tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None, Decimal | None]:
    return intent.price, intent.stop_price, intent.size, intent.quote_size, intent.trail


def _to(value: Decimal, step: Decimal | None, way: str) -> Decimal:
    if not step or not value.is_finite():
        return value
    return EXACT.multiply(ROUNDING.divide(value, step).to_integral_value(way), step)


def _text(step: Decimal | None) -> str:
    return "any" if step is None else plain(step)
