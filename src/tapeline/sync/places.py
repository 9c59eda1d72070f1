"""The places of a series (ids, or the numbers of bars) and which of them are held. Pure.

A venue is asked for windows of places. What an answer leaves out is asked for once more; a window that brings nothing
twice is given up. So an empty page, a short one, one short in the middle and one that overlaps all come right.
"""

from collections import deque
from collections.abc import Collection, Sequence

import msgspec

NOT_GIVEN = "asked twice: the venue does not have it"
ASKED = 2  # so often without anything new, and the venue does not have it
MANY = 3  # holes in one window; beyond, the window is asked for again and not each hole


class Run(msgspec.Struct):
    """Places [first, end), all held, and the times of the first and the last of them."""

    first: int
    end: int
    first_ns: int
    last_ns: int


class Hole(msgspec.Struct, frozen=True):
    """Places [first, end) that were given up: unrecoverable | disputed | missing, and why."""

    first: int
    end: int
    state: str
    why: str


class _Window(msgspec.Struct):
    first: int
    end: int
    asked: int = 0  # times without anything new
    doubted: bool = False  # its last page contradicted itself


class Places:
    """[first, end) in windows of `page`, the oldest or the newest first."""

    def __init__(self, first: int, end: int, page: int, *, newest_first: bool = False) -> None:
        assert page > 0, "a page holds at least one row"
        self._first, self._end = first, end
        self._page, self._newest_first = page, newest_first
        self._again: deque[_Window] = deque()
        self.window: _Window | None = None
        self.runs: list[Run] = []
        self.holes: list[Hole] = []
        self._left = end if newest_first else first  # where the windows that were never asked for begin

    def next(self) -> tuple[int, int] | None:
        """The window to ask for; the same one until it is settled. None at the end."""
        if self.window is None:
            self.window = self._again.popleft() if self._again else self._fresh()
        return None if self.window is None else (self.window.first, self.window.end)

    def __contains__(self, place: int) -> bool:
        return self._first <= place < self._end

    def held(self, place: int) -> bool:
        """Whether this place is held."""
        return any(run.first <= place < run.end for run in reversed(self.runs))

    def hold(self, place: int, at_ns: int) -> None:
        """One more place is held."""
        runs = self.runs
        spot = len(runs)
        while spot and runs[spot - 1].first > place:
            spot -= 1
        before = runs[spot - 1] if spot else None
        after = runs[spot] if spot < len(runs) else None
        if before is not None and before.end == place:
            before.end, before.last_ns = place + 1, at_ns
            if after is not None and after.first == before.end:
                before.end, before.last_ns = after.end, after.last_ns
                del runs[spot]
        elif after is not None and after.first == place + 1:
            after.first, after.first_ns = place, at_ns
        else:
            runs.insert(spot, Run(place, place + 1, at_ns, at_ns))

    def settle(self, fresh: int, disputed: Collection[tuple[int, str]] = ()) -> None:
        """The window was answered, with so many new places; what is still not held is asked for again or given up."""
        window = self.window
        assert window is not None, "an answer to nothing"
        self.window = None
        for place, why in disputed:
            self.holes.append(Hole(place, place + 1, "disputed", why))
        holes = self._missing(window)
        asked = 1 if fresh else window.asked + 1
        if asked >= ASKED:
            self.holes += [Hole(*hole, "unrecoverable", NOT_GIVEN) for hole in holes]
            return
        if len(holes) > MANY:
            holes = [(holes[0][0], holes[-1][1])]
        if self._newest_first:
            holes = holes[::-1]
        self._again.extendleft(_Window(*hole, asked) for hole in reversed(holes))

    @property
    def asked_before(self) -> bool:
        """Whether the window was asked for before, and brought nothing."""
        return self.window is not None and self.window.asked > 0

    def doubt(self) -> bool:
        """The page contradicted itself: whether the window is asked for once more."""
        assert self.window is not None, "an answer to nothing"
        first_time = not self.window.doubted
        self.window.doubted = True
        return first_time

    def give_up(self, state: str, why: str) -> None:
        """Whatever of the window is not held will not be asked for again."""
        window = self.window
        assert window is not None, "an answer to nothing"
        self.window = None
        self.holes += [Hole(*hole, state, why) for hole in self._missing(window)]

    def end_at(self, place: int) -> None:
        """There is nothing from this place on, yet."""
        self._end = min(self._end, place)
        self._left = min(self._left, self._end)
        self._cut()

    def begin_at(self, place: int) -> None:
        """There is nothing before this place."""
        self._first = max(self._first, place)
        self._left = max(self._left, self._first)
        self._cut()

    @property
    def bounds(self) -> tuple[int, int]:
        """[first, end) as it has turned out."""
        return self._first, self._end

    @property
    def asked_for(self) -> float:
        """The part that was asked for, 0 to 1."""
        whole = self._end - self._first
        done = self._end - self._left if self._newest_first else self._left - self._first
        return 1.0 if whole <= 0 else min(1.0, max(0.0, done / whole))

    def _fresh(self) -> _Window | None:
        """The next window that was never asked for, unless all of it was held before anybody asked."""
        while (window := self._window()) is not None:
            missing = self._missing(window)
            if missing:
                return window if len(missing) > 1 else _Window(*missing[0])
        return None

    def _window(self) -> _Window | None:
        if self._newest_first:
            if self._left <= self._first:
                return None
            found = _Window(max(self._first, self._left - self._page), self._left)
            self._left = found.first
            return found
        if self._left >= self._end:
            return None
        found = _Window(self._left, min(self._end, self._left + self._page))
        self._left = found.end
        return found

    def _missing(self, window: _Window) -> list[tuple[int, int]]:
        """What of a window is neither held nor given up, in order."""
        first, end = max(window.first, self._first), min(window.end, self._end)
        found, at = list[tuple[int, int]](), first
        settled: Sequence[Run | Hole] = sorted([*self.runs, *self.holes], key=lambda each: each.first)
        for each in settled:
            if each.end <= at:
                continue
            if each.first >= end:
                break
            if each.first > at:
                found.append((at, each.first))
            at = each.end
        if at < end:
            found.append((at, end))
        return found

    def _cut(self) -> None:
        """Forget what lies outside."""
        for window in self._again:
            window.first, window.end = max(window.first, self._first), min(window.end, self._end)
        self._again = deque(window for window in self._again if window.first < window.end)
