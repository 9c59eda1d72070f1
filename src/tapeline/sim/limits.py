"""The venue's own limits, enforced: how many messages, topics, connections and requests in how long."""

from collections import deque
from collections.abc import Callable


class PaceClock:
    """Seconds for limits and ages: tape time, or the loop's where that runs faster or the tape stands still.

    At top speed a client paces itself by a clock that is slow against the tape's; before the start, in a cut and at
    the end the tape's stands still. The faster of the two never punishes a client that keeps the rules.
    """

    def __init__(self, tape_ns: Callable[[], int], loop_s: Callable[[], float]) -> None:
        self._tape_ns, self._loop_s = tape_ns, loop_s
        self._last_ns, self._last_s = tape_ns(), loop_s()
        self._now = self._last_ns / 1e9  # so that calendar windows begin where the venue's clock has them

    def now(self) -> float:
        """Seconds; they began with those of the tape's clock."""
        at_ns, at_s = self._tape_ns(), self._loop_s()
        self._now += max(0.0, (at_ns - self._last_ns) / 1e9, at_s - self._last_s)
        self._last_ns, self._last_s = max(at_ns, self._last_ns), at_s
        return self._now


class Meter:
    """At most `most` in any `window_s` seconds; where `fixed`, in each window of the calendar."""

    def __init__(self, most: float, window_s: float, *, fixed: bool = False) -> None:
        self._most, self._window_s, self._fixed = most, window_s, fixed
        self._hits: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def hit(self, now: float, cost: float = 1.0) -> bool:
        """Count it; False where it is too much."""
        self._forget(now)
        if self._most == float("inf"):
            return True
        self._hits.append((now, cost))
        self._total += cost
        return self._total <= self._most + 1e-9

    def used(self, now: float) -> float:
        """What counts now."""
        self._forget(now)
        return self._total

    def wait_s(self, now: float) -> float:
        """Until the oldest hit is forgotten."""
        return max(0.0, self._forgotten_at(self._hits[0][0]) - now) if self._hits else 0.0

    def _forget(self, now: float) -> None:
        while self._hits and self._forgotten_at(self._hits[0][0]) <= now:
            self._total -= self._hits.popleft()[1]

    def _forgotten_at(self, hit_at: float) -> float:
        return (hit_at // self._window_s + 1) * self._window_s if self._fixed else hit_at + self._window_s
