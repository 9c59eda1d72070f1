"""Exact numbers in REAL columns: where a float cannot hold the digits, the row's `exact` column does. Pure.

Up to 15 significant digits a float gives its decimal text back, so plain SQL compares and sums, and nearly every row
has `exact` NULL. Nothing of ours ever calculates on the floats.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

SURE_LENGTH = 15  # text this short has at most 15 significant digits
_as_numbers = msgspec.json.Encoder(decimal_format="number").encode
_floats = msgspec.json.Decoder(list[float | None]).decode
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


def reals(values: Sequence[Decimal | None]) -> tuple[list[float | None], list[int]]:
    """The floats to store for many numbers at once, and the positions of those that may not give the value back.

    All go to text and from there to floats in two calls: half of what number by number costs. Raises
    msgspec.DecodeError where one is no number (NaN).
    """
    text = _as_numbers(values)
    parts = text[1:-1].split(b",")
    floats = _floats(text)
    if b"E" not in text and max(map(len, parts)) <= SURE_LENGTH:
        return floats, []
    return floats, [i for i, part in enumerate(parts) if (len(part) > SURE_LENGTH or b"E" in part) and not _sure(part)]


def _sure(text: bytes) -> bool:
    """Whether it surely has at most 15 significant digits, and no exponent that might leave a float's range."""
    if b"E" in text:
        return text.startswith(b"0E")
    return len(text.replace(b".", b"").strip(b"-0")) <= SURE_LENGTH


def exact_column(values: Mapping[str, Decimal | None]) -> str | None:
    """JSON of the digits that floats cannot hold; None where there are none."""
    lost = {
        name: str(value) for name, value in values.items() if value is not None and Decimal(repr(float(value))) != value
    }
    return _encode(lost).decode() if lost else None


def decimal(stored: float | None, name: str, exact: str | None) -> Decimal | None:
    """The exact value of a column."""
    if stored is None:
        return None
    if exact is not None:
        digits = _decode(exact).get(name)
        if digits is not None:
            return Decimal(digits)
    return Decimal(repr(stored))
