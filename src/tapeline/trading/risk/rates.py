"""How many orders and cancels there were lately, the last intents, and what orders are usually worth. Pure."""

from collections import deque
from decimal import Decimal

from tapeline.model.order import Intent

SECOND_NS, MINUTE_NS = 1_000_000_000, 60_000_000_000
RECENT = 256  # intents of a strategy that are remembered: past it a duplicate is not seen
USUAL_OF, USUAL_FROM = 20, 5  # an order's usual value is the median of so many, once there are so many

Key = tuple[str, ...]
"""A scope by name: ("account", "main")."""


class _Window:
    """How often something happened within the last so many nanoseconds."""

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._times: deque[int] = deque()

    def add(self, now_ns: int) -> None:
        self._times.append(now_ns)
        self.count(now_ns)

    def count(self, now_ns: int) -> int:
        times, oldest_ns = self._times, now_ns - self._length_ns
        while times and times[0] <= oldest_ns:
            times.popleft()
        return len(times)


class Rates:
    """Counts by scope. Memory is bounded by the limits themselves: what is refused is not counted."""

    def __init__(self) -> None:
        self._second: dict[Key, _Window] = {}
        self._minute: dict[Key, _Window] = {}
        self._cancels: dict[Key, _Window] = {}
        self._recent: dict[str, deque[tuple[int, Intent]]] = {}
        self._values: dict[tuple[str, str], deque[Decimal]] = {}

    def ordered(self, keys: list[Key], intent: Intent, value: Decimal | None, now_ns: int) -> None:
        """An order, or an amend, was approved in each of these scopes."""
        for key in keys:
            self._second.setdefault(key, _Window(SECOND_NS)).add(now_ns)
            self._minute.setdefault(key, _Window(MINUTE_NS)).add(now_ns)
        self._recent.setdefault(intent.strategy, deque(maxlen=RECENT)).append((now_ns, intent))
        if value is not None:
            name = intent.strategy, intent.instrument
            self._values.setdefault(name, deque(maxlen=USUAL_OF)).append(value)

    def cancelled(self, keys: list[Key], now_ns: int) -> None:
        """A cancel was asked for in each of these scopes."""
        for key in keys:
            self._cancels.setdefault(key, _Window(MINUTE_NS)).add(now_ns)

    def counts(self, key: Key, now_ns: int) -> tuple[int, int, int]:
        """(orders within a second, within a minute, cancels within a minute)."""
        windows = (self._second.get(key), self._minute.get(key), self._cancels.get(key))
        second, minute, cancels = (0 if each is None else each.count(now_ns) for each in windows)
        return second, minute, cancels

    def recent(self, strategy: str, now_ns: int, within_s: float = float("inf")) -> list[tuple[Intent, float]]:
        """The last intents of a strategy that are no older than this, each with its age in seconds, newest first."""
        found = []
        for at_ns, intent in reversed(self._recent.get(strategy, ())):
            ago_s = (now_ns - at_ns) / 1e9
            if ago_s > within_s:
                break
            found.append((intent, ago_s))
        return found

    def usual_value(self, strategy: str, instrument: str) -> Decimal | None:
        """The median of what its last orders were worth (the upper one of two); None while there are too few."""
        values = self._values.get((strategy, instrument), ())
        return sorted(values)[len(values) // 2] if len(values) >= USUAL_FROM else None
