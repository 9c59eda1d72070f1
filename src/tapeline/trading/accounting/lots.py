"""What a position cost, lot by lot or on average, and what closing a part of it won. Exact in sum. Pure."""

from collections import deque
from copy import copy
from decimal import Context, Decimal
from typing import NamedTuple

import msgspec

from tapeline.errors import ConfigError
from tapeline.model.number import EXACT, ROUNDING, ZERO

METHODS = ("average", "fifo")
_PRODUCT = Context(prec=120)  # holds the product of any two that are exact
FINEST = Decimal("1E-18")  # a share of a cost that does not come out even is rounded here, half to even


class Part(NamedTuple):
    """A fill, or one of the two that a flip through zero is: `size` signed, `value` what was paid or got for it.

    `realised` is None where it opened or grew a position.
    """

    size: Decimal
    value: Decimal
    realised: Decimal | None


class Lots(msgspec.Struct, eq=False):
    """A signed size and its cost. A share of a cost is rounded; what is left is the exact rest, so nothing is lost:
    once the size is zero, all that was realised is exactly what was got less what was paid.
    """

    method: str
    size: Decimal = ZERO
    cost: Decimal = ZERO  # without sign
    _lots: deque[tuple[Decimal, Decimal]] = msgspec.field(default_factory=deque)  # sizes without sign, what they cost

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"lots are kept by {' or '.join(METHODS)}, not by {self.method!r}")

    def trade(self, delta: Decimal, value: Decimal) -> list[Part]:
        """Buy (delta over zero) or sell for this value, which has no sign; one part, or two through zero."""
        if not delta:
            return []
        if not self.size or (self.size > 0) == (delta > 0):
            self._add(delta, value)
            return [Part(delta, value, None)]
        closing = min(delta.copy_abs(), self.size.copy_abs())
        got = share_of(value, closing, delta.copy_abs())
        paid = self._take(closing)
        sign = 1 if self.size > 0 else -1
        realised = EXACT.subtract(got, paid) if sign > 0 else EXACT.subtract(paid, got)
        closed = closing.copy_sign(delta)
        self.size = EXACT.add(self.size, closed)
        parts = [Part(closed, got, realised)]
        if closing < delta.copy_abs():
            rest = EXACT.subtract(delta, closed)
            value = EXACT.subtract(value, got)
            self._add(rest, value)
            parts.append(Part(rest, value, None))
        return parts

    def give(self, delta: Decimal) -> None:
        """Make it smaller by this, or nothing, at what it cost: nothing is won or lost by it."""
        assert not delta or (delta.copy_abs() <= self.size.copy_abs() and (delta > 0) != (self.size > 0)), (
            f"{delta}: {self.size}"
        )
        self._take(delta.copy_abs())
        self.size = EXACT.add(self.size, delta)

    def reset(self, size: Decimal, cost: Decimal) -> None:
        """Put this in the place of all lots."""
        self._lots.clear()
        self.size = self.cost = ZERO
        if size:
            self._add(size, cost)

    def copy(self) -> "Lots":
        """One that changes by itself."""
        other = copy(self)
        other._lots = self._lots.copy()  # noqa: SLF001  # of our own kind
        return other

    def _add(self, delta: Decimal, value: Decimal) -> None:
        if self.method == "average" and self._lots:
            size, cost = self._lots.pop()
            self._lots.append((EXACT.add(size, delta.copy_abs()), EXACT.add(cost, value)))
        else:
            self._lots.append((delta.copy_abs(), value))
        self.size = EXACT.add(self.size, delta)
        self.cost = EXACT.add(self.cost, value)

    def _take(self, size: Decimal) -> Decimal:
        """Take so much off the oldest lots; what it cost."""
        paid = ZERO
        while size:
            first, cost = self._lots.popleft()
            part = cost if size >= first else share_of(cost, size, first)
            if size < first:
                self._lots.appendleft((EXACT.subtract(first, size), EXACT.subtract(cost, part)))
            size = max(ZERO, EXACT.subtract(size, first))
            paid = EXACT.add(paid, part)
        self.cost = EXACT.subtract(self.cost, paid)
        return paid


def share_of(value: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Of a value, part / whole: exact where it comes out even, else rounded to 18 digits after the point."""
    if part == whole:
        return value
    share = ROUNDING.divide(_PRODUCT.multiply(value, part), whole)
    if share.as_tuple().exponent < -18:  # type: ignore[operator]  # of a finite number: an int
        share = share.quantize(FINEST, context=ROUNDING)
    return share
