"""One side of a book: price levels in order, as the venue wrote them. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice

import msgspec

from tapeline.errors import BadData, Impossible
from tapeline.model.event import Level
from tapeline.model.number import number

# A float of a text of at most 15 digits stands for that number and for no other: it orders and finds levels, and is
# never calculated with. This decoder is five times as fast as float() or Decimal(), and refuses what is no JSON number.
_float = msgspec.json.Decoder(float).decode
_EXACT_CHARS = 16  # 15 digits and a point

Key = float | Decimal
NOTHING: Key = float("-inf")  # the bound of an empty side
FEW = 64  # so many keys are put in their places one by one, more by sorting all
MOST_ADDED = 4096  # a side that nobody reads is put in order now and then, so that what was added stays bounded


class Levels:
    """Levels of one side: bids by price, asks (`sign` -1) by price negated, so that the greatest key is the best.

    Changes only note new keys; the order is made when somebody reads, and what is gone is then passed over.
    """

    __slots__ = ("_added", "_bound", "_keys", "_levels", "_sign")

    def __init__(self, sign: int) -> None:
        assert sign in {1, -1}, f"a side is 1 (bids) or -1 (asks), not {sign}"
        self._sign = sign
        self.clear()

    def __len__(self) -> int:
        return len(self._levels)

    def clear(self) -> None:
        """Forget all."""
        self._levels: dict[Key, Level] = {}
        self._keys: list[Key] = []  # ascending, without repeats; some may be gone
        self._added: list[Key] = []  # to be put in order
        self._bound: Key = NOTHING  # no key is greater

    def load(self, levels: Sequence[Level]) -> None:
        """These and no others. Raises Impossible on text that no book can hold, and is empty then."""
        self.clear()
        found: dict[Key, Level] = {}
        for level in levels:
            key, filled = self._read(level)
            if filled and (key < 0 if self._sign > 0 else key > 0):
                raise Impossible("a negative price")
            if filled:
                found[key] = level
        self._levels = found
        self._sort()

    def change(self, changes: Sequence[Level]) -> None:
        """Set these levels; a size of zero deletes one. Raises Impossible on text that no book can hold, half done."""
        levels, sign, bound = self._levels, self._sign, self._bound
        for level in changes:
            price, size = level
            try:  # the same as _read, inline: it is most of what a book costs
                key = _float(price) * sign if len(price) <= _EXACT_CHARS else self._key(price)
                filled = _float(size)
            except (msgspec.DecodeError, BadData):
                key, filled = self._read(level)
            if filled > 0.0:
                if key not in levels:
                    if key < 0 if sign > 0 else key > 0:
                        raise Impossible("a negative price")
                    self._added.append(key)
                    if key > bound:  # noqa: PLR1730  # max() takes four times as long
                        bound = key
                levels[key] = level
            elif filled == 0.0:
                if key in levels:
                    del levels[key]
            else:
                raise Impossible(f"size {size[:40]!r} at {price[:40]!r}")
        self._bound = bound
        if len(self._added) > MOST_ADDED:
            self._settle()

    def crosses(self, asks: "Levels") -> bool:
        """Whether the best of these bids is at or above the best of those asks."""
        if self._bound < -asks._bound:  # noqa: SLF001  # the same class
            return False
        bid, ask = self._best(), asks._best()  # noqa: SLF001  # the same class
        return bid is not None and ask is not None and bid >= -ask

    def top(self, count: int) -> list[tuple[Decimal, Decimal]]:
        """The best levels, best first, as exact numbers."""
        return list(islice(self, count))

    def __iter__(self) -> Iterator[tuple[Decimal, Decimal]]:
        self._settle()
        for key in reversed(self._keys):
            level = self._levels.get(key)
            if level is not None:
                yield Decimal(level[0]), Decimal(level[1])

    def _best(self) -> Key | None:
        """The best key; the bound is exact then."""
        self._settle()
        while self._keys and self._keys[-1] not in self._levels:
            self._keys.pop()
        best = self._keys[-1] if self._keys else None
        self._bound = NOTHING if best is None else best
        return best

    def _settle(self) -> None:
        """Put in order what was added."""
        keys, added = self._keys, self._added
        if len(added) > FEW or len(keys) > 2 * len(self._levels) + FEW:
            self._sort()
        elif added:
            for key in added:
                i = bisect_left(keys, key)
                if i == len(keys) or keys[i] != key:  # else it had gone and is back
                    keys.insert(i, key)
            self._added = []

    def _sort(self) -> None:
        self._keys, self._added = sorted(self._levels), []
        self._bound = self._keys[-1] if self._keys else NOTHING

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
