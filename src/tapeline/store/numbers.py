"""Exact numbers in REAL columns: where a float cannot hold the digits, the row's `exact` column does. Pure.

Up to 15 significant digits a float gives its decimal text back, so plain SQL compares and sums, and nearly every row
has `exact` NULL. Nothing of ours ever calculates on the floats.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

SURE_LENGTH = 15  # text this short has at most 15 significant digits
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, str]).decode


def real(value: Decimal) -> tuple[float, bool]:
    """The float to store, and whether it gives the value back."""
    stored = float(value)
    return stored, len(str(value)) <= SURE_LENGTH or Decimal(repr(stored)) == value


def exact_column(values: Mapping[str, Decimal | None]) -> str | None:
    """JSON of the digits that floats cannot hold; None where there are none."""
    lost = {name: str(value) for name, value in values.items() if value is not None and not real(value)[1]}
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
