"""One side of a book: price levels in order, as the venue wrote them. Pure."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from tapeline.errors import BadData, Impossible
from tapeline.model.event import Level
from tapeline.model.number import number

# A float of a text of at most 15 digits stands for that number and for no other: it orders and finds levels, and is
# never calculated with. This decoder is five times as fast as float() or Decimal(), and refuses what is no JSON number.
_float = msgspec.json.Decoder(float).decode
_EXACT_CHARS = 16  # 15 digits and a point

Key = float | Decimal


class Levels:
    """Levels of one side, kept sorted, the best at the end: bids by price, asks (`sign` -1) by price negated."""

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, sign: int) -> None:
        assert sign in {1, -1}, f"a side is 1 (bids) or -1 (asks), not {sign}"
        self._sign = sign
        self._levels: dict[Key, Level] = {}
        self._keys: list[Key] = []

    def __len__(self) -> int:
        return len(self._keys)

    def clear(self) -> None:
        """Forget all."""
        self._levels = {}
        self._keys = []

    def load(self, levels: Sequence[Level]) -> None:
        """These and no others. Raises Impossible on text that no book can hold, and is empty then."""
        self.clear()
        found: dict[Key, Level] = {}
        for level in levels:
            key, filled = self._read(level)
            if filled:
                found[key] = level
        self._levels = found
        self._keys = sorted(found)
        self._no_negative()

    def change(self, changes: Sequence[Level]) -> None:
        """Set these levels; a size of zero deletes one. Raises Impossible on text that no book can hold, half done."""
        levels, keys, sign = self._levels, self._keys, self._sign
        for level in changes:
            price, size = level
            try:  # the same as _read, inline: it is most of what a book costs
                key = _float(price) * sign if len(price) <= _EXACT_CHARS else self._key(price)
                filled = _float(size)
            except (msgspec.DecodeError, BadData):
                key, filled = self._read(level)
            if filled > 0.0:
                if key not in levels:
                    insort(keys, key)
                levels[key] = level
            elif filled == 0.0:
                if key in levels:
                    del levels[key]
                    del keys[bisect_left(keys, key)]
            else:
                raise Impossible(f"size {size[:40]!r} at {price[:40]!r}")
        self._no_negative()

    def crosses(self, asks: "Levels") -> bool:
        """Whether the best of these bids is at or above the best of those asks."""
        return bool(self._keys and asks._keys) and self._keys[-1] >= -asks._keys[-1]  # noqa: SLF001  # the same class

    def top(self, count: int) -> list[tuple[Decimal, Decimal]]:
        """The best levels, best first, as exact numbers."""
        levels = self._levels
        chosen = [levels[key] for key in self._keys[: -count - 1 : -1]]
        return [(Decimal(price), Decimal(size)) for price, size in chosen]

    def __iter__(self) -> Iterator[tuple[Decimal, Decimal]]:
        for key in reversed(self._keys):
            price, size = self._levels[key]
            yield Decimal(price), Decimal(size)

    def _no_negative(self) -> None:
        if self._keys and (self._keys[0] < 0 if self._sign > 0 else self._keys[-1] > 0):
            raise Impossible("a negative price")

    def _key(self, price: str) -> Key:
        """The key of any text that is a number."""
        exact = number(price)
        if exact is None:
            raise Impossible("a level without a price")
        short = price.rstrip("0") if "." in price else price
        if len(short) <= _EXACT_CHARS:
            return float(exact) * self._sign
        return exact if self._sign > 0 else exact.copy_negate()

    def _read(self, level: Level) -> tuple[Key, float]:
        """(key, 1.0 for a level that is there, 0.0 for one that is deleted)."""
        price, size = level
        try:
            key, amount = self._key(price), number(size)
        except BadData as error:
            raise Impossible(f"level {str(level)[:80]}: {error}") from error
        if amount is None or amount < 0:
            raise Impossible(f"size {size[:40]!r} at {price[:40]!r}")
        return key, 1.0 if amount else 0.0
