"""Numbers as venues write them, exactly: text to `Decimal`, and arithmetic that refuses to round."""

import re
from decimal import ROUND_HALF_EVEN, Clamped, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from tapeline.errors import BadData

# Sums and products of prices and sizes run in this context, by its methods (`EXACT.fma(price, size, total)`), so that
# they are exact in every thread and task and a user's own decimal context is left alone. 60 digits hold a product of
# two 25-digit numbers summed for years; should it ever not, Inexact is raised, never a silent rounding.
EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow, Clamped])

# For the few rules that name their rounding (a base size from an inverse contract, a mean).
ROUNDING = Context(prec=60, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

ZERO = Decimal(0)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def number(text: str | None) -> Decimal | None:
    """The number a venue wrote; None for "" and null, which mean absent. "1e-7" is a number.

    Raises BadData for anything else, "1,300", "NaN" and "1_000" included.
    """
    if text is None or text == "":
        return None
    if _NUMBER.fullmatch(text) is None:
        raise BadData(f"{text[:40]!r} is not a number", kind="bad_number")
    return Decimal(text)


def plain(value: Decimal) -> str:
    """Plain text without exponent or trailing zeros: Decimal("1E-7") is "0.0000001", Decimal("1.500") is "1.5"."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
