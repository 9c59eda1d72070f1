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
RECENT = 64  # of the prices of one stream: 95 % of real quotes have one of these, 70 % of trades

exact = EXACT.create_decimal
"""The number that a text is, in two thirds of the time of `number`, for decoders. Raises ArithmeticError for what is
none ("1,300", "1_000", " 1", "") or has more than 60 digits; NaN and infinities pass, to be refused as impossible.
"""

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


class Recent(dict[str, Decimal]):
    """`recent[text]` is `exact(text)`, at a third of its price where the text came lately, as prices mostly did."""

    __slots__ = ()

    def __missing__(self, text: str) -> Decimal:
        if len(self) >= RECENT:
            self.clear()
        value = self[text] = exact(text)
        return value


def plain(value: Decimal) -> str:
    """Plain text without exponent or trailing zeros: Decimal("1E-7") is "0.0000001", Decimal("1.500") is "1.5"."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
