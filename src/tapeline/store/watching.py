"""New rows as a running instance writes them: polled, each given once, and given up cleanly."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Self, TypeVar

from tapeline.model.event import Bar, Trade

E = TypeVar("E", bound=Bar | Trade)
LOOK_BACK = 1000  # rows before the newest that are looked at again: revised bars and repaired trades


class Watch(Generic[E]):
    """An iterator over rows that were not there before. Ends once nothing new came for `within_s`.

    `read` gives the rows from this key on, in order of keys; `version` a number that changes when anything was written.
    Rows that repair puts further back than the last thousand are not seen: `coverage` tells of those.
    """

    def __init__(
        self, read: Callable[[int], Sequence[E]], version: Callable[[], int], floor: int, *,
        within_s: float, poll_s: float, seen: Sequence[E] = (),
        now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._read, self._version, self._floor = read, version, floor
        self._within_s, self._poll_s, self._now, self._sleep = within_s, poll_s, now, sleep
        self._seen: dict[tuple[int, str, int], None] = {_name(row): None for row in seen}
        self._at_version: int | None = None
        self._ready: Iterator[E] = iter(())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> E:
        until = self._now() + self._within_s
        while True:
            row = next(self._ready, None)
            if row is not None:
                return row
            if not self._look():
                left_s = until - self._now()
                if left_s <= 0:
                    raise StopIteration
                self._sleep(min(self._poll_s, left_s))

    def _look(self) -> bool:
        """Whether there is anything new."""
        version = self._version()
        if version == self._at_version:
            return False
        fresh = [row for row in self._read(self._floor) if _name(row) not in self._seen]
        self._at_version = version
        self._seen.update((_name(row), None) for row in fresh)
        if len(self._seen) > 2 * LOOK_BACK:
            kept = sorted(self._seen)[-LOOK_BACK:]
            self._seen, self._floor = dict.fromkeys(kept), kept[0][0]
        self._ready = iter(fresh)
        return bool(fresh)


def _name(row: Bar | Trade) -> tuple[int, str, int]:
    """What tells a row, and a revision of it, from every other of its series; the key it is sorted by comes first."""
    if isinstance(row, Bar):
        return row.open_at_ns, "", row.revision
    return place(row), row.id, 0


def place(trade: Trade) -> int:
    """The place of a trade in its series."""
    assert trade.seq is not None, "every stored trade has a place"
    return trade.seq
