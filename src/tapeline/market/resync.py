"""When an unsynchronised book may ask for its state again: seldom, ever more seldom, and few at once. Pure."""

from collections import deque
from collections.abc import Iterable


class Resync:
    """One venue's books. A key may ask once per `every_s`, doubled each time it did not help, up to `cap_s`; all
    together `per_window` times in any `window_s`.
    """

    def __init__(
        self, *, every_s: float = 5.0, cap_s: float = 120.0, per_window: int = 20, window_s: float = 10.0
    ) -> None:
        self._every_s = every_s
        self._cap_s = cap_s
        self._window_s = window_s
        self._recent: deque[float] = deque(maxlen=per_window)  # when anybody asked
        self._asked: dict[str, float] = {}
        self._attempts: dict[str, int] = {}

    def allowed(self, key: str, now: float) -> bool:
        """Whether this book may ask now."""
        return now >= self._own(key) and now >= self._window()

    def asked(self, key: str, now: float) -> None:
        """It did."""
        self._asked[key] = now
        self._attempts[key] = self._attempts.get(key, 0) + 1
        self._recent.append(now)

    def done(self, key: str) -> None:
        """It helped: the next time starts at `every_s` again."""
        self._attempts.pop(key, None)

    def forget(self, key: str) -> None:
        """The book is kept no more; its memory goes."""
        self._attempts.pop(key, None)
        self._asked.pop(key, None)

    def attempts(self, key: str) -> int:
        """How often it has asked since it was last well."""
        return self._attempts.get(key, 0)

    def next_at(self, keys: Iterable[str], now: float) -> float:
        """The earliest instant, not before now, at which one of these may ask; infinity for none."""
        earliest = min((self._own(key) for key in keys), default=float("inf"))
        return max(now, earliest, self._window())

    def _own(self, key: str) -> float:
        asked = self._asked.get(key)
        if asked is None:
            return float("-inf")
        doublings = min(max(0, self._attempts.get(key, 0) - 1), 32)  # bounded, so that the power never overflows
        return asked + min(self._cap_s, self._every_s * 2.0**doublings)

    def _window(self) -> float:
        """When all together may ask again."""
        if len(self._recent) < (self._recent.maxlen or 0):
            return float("-inf")
        return self._recent[0] + self._window_s
