"""Stretches of event time in which something is missing, as far as we know. Pure and bounded."""

BEGINNING = -(1 << 63)
END = 1 << 63


class Holes:
    """A set of closed ranges [from_ns, to_ns], at most `limit` of them: past it the two oldest become one.

    Joining two covers what lies between, so that being bounded can only make us claim less, never more.
    """

    __slots__ = ("_limit", "_ranges")

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._ranges: list[tuple[int, int]] = []  # ascending, none overlaps another

    def __len__(self) -> int:
        return len(self._ranges)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Every one of them, closed, ascending."""
        return list(self._ranges)

    def mark(self, from_ns: int, to_ns: int) -> None:
        """Something is missing from here to there, both included."""
        assert from_ns <= to_ns, f"a hole cannot end ({to_ns}) before it starts ({from_ns})"
        apart = []
        for low, high in self._ranges:
            if high < from_ns or to_ns < low:
                apart.append((low, high))
            else:
                from_ns, to_ns = min(from_ns, low), max(to_ns, high)
        self._ranges = sorted([*apart, (from_ns, to_ns)])
        if len(self._ranges) > self._limit:
            (low, _), (_, high) = self._ranges[:2]
            self._ranges[:2] = [(low, high)]

    def clear(self, from_ns: int, to_ns: int) -> list[tuple[int, int]]:
        """Nothing is missing in [from_ns, to_ns) any more. Returns what was, as closed ranges."""
        kept: list[tuple[int, int]] = []
        cleared: list[tuple[int, int]] = []
        for low, high in self._ranges:
            if high < from_ns or to_ns <= low:
                kept.append((low, high))
                continue
            cleared.append((max(low, from_ns), min(high, to_ns - 1)))
            if low < from_ns:
                kept.append((low, from_ns - 1))
            if high >= to_ns:
                kept.append((to_ns, high))
        self._ranges = kept
        return cleared

    @property
    def endless(self) -> bool:
        """Whether the last one has no end yet."""
        return bool(self._ranges) and self._ranges[-1][1] == END

    def end(self, at_ns: int) -> None:
        """The endless one ends here, if it started before."""
        if self.endless and self._ranges[-1][0] <= at_ns:
            self._ranges[-1] = (self._ranges[-1][0], at_ns)

    def touch(self, from_ns: int, to_ns: int) -> bool:
        """Whether any reaches into [from_ns, to_ns)."""
        return any(low < to_ns and high >= from_ns for low, high in self._ranges)
