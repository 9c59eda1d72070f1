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
        self._now = 0.0

    def now(self) -> float:
        """Seconds since it was made."""
        at_ns, at_s = self._tape_ns(), self._loop_s()
        self._now += max(0.0, (at_ns - self._last_ns) / 1e9, at_s - self._last_s)
        self._last_ns, self._last_s = max(at_ns, self._last_ns), at_s
        return self._now


class Meter:
    """At most `most` in any `window_s` seconds."""

    def __init__(self, most: float, window_s: float) -> None:
        self._most, self._window_s = most, window_s
        self._hits: deque[tuple[float, float]] = deque()
        self._total = 0.0

    def hit(self, now: float, cost: float = 1.0) -> bool:
        """Count it; False where it is too much."""
        while self._hits and self._hits[0][0] <= now - self._window_s:
            self._total -= self._hits.popleft()[1]
        if self._most == float("inf"):
            return True
        self._hits.append((now, cost))
        self._total += cost
        return self._total <= self._most + 1e-9

    def wait_s(self, now: float) -> float:
        """Until the oldest hit is forgotten."""
        return max(0.0, self._hits[0][0] + self._window_s - now) if self._hits else 0.0
