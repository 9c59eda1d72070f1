"""How fast we may ask, and how long we wait before asking again. Pure: time and chance are arguments."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from tapeline.venues.spec import Allowance, Priority

RESERVE: Mapping[Priority, float] = {
    Priority.ORDERS: 0.0, Priority.REPAIRS: 0.02, Priority.BACKFILL: 0.08, Priority.AUDIT: 0.5,
}  # fmt: skip
"""The part of a window that each priority leaves to those above it."""
JITTER_S = 0.1  # requests reach the venue closer together than they left by as much as this
EVEN_PART = 0.1  # backfill and audit are spread over the window, but for so much of it at once


class TokenBucket:
    """`rate_per_s` tokens a second, at most `burst` saved up. A rate of infinity never waits."""

    def __init__(self, rate_per_s: float, burst: float, now: float) -> None:
        assert rate_per_s > 0, f"a bucket that never fills ({rate_per_s}) would wait for ever"
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Whether there was enough; only then is it spent."""
        self._fill(now)
        if self._tokens + 1e-9 < cost:
            return False
        self._tokens -= cost
        return True

    def ready_at(self, now: float, cost: float = 1.0) -> float:
        """When `take` will succeed."""
        self._fill(now)
        return now + max(0.0, cost - self._tokens) / self._rate_per_s

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate_per_s)
        self._at = max(self._at, now)


def at_most(limit: float, window_s: float, now: float) -> TokenBucket:
    """A bucket that never gives more than `limit` in any `window_s`: half saved up, half refilled meanwhile."""
    return TokenBucket(limit / 2 / window_s, max(1.0, limit / 2), now)


class Budget:
    """One allowance of a venue as we spend it: never more than it in any window, whenever the venue's own starts.

    The lower a priority, the more of the window it leaves free (`RESERVE`), so that what is urgent never waits for a
    whole window. Backfill and audit are spread over the window besides, or their bursts would fill it for everybody.
    """

    def __init__(self, allowance: Allowance, now: float) -> None:
        self.allowance = allowance
        self._until: deque[tuple[float, float]] = deque()  # when it counts no more, weight; oldest first
        self._spent = 0.0
        self._told = 0.0  # by the venue itself, with what we sent since; counts until `_told_until`
        self._told_until = float("-inf")
        steady = self.most(Priority.BACKFILL)
        self._even = TokenBucket(steady / allowance.window_s, max(1.0, steady * EVEN_PART), now)
        self._even_most = max(1.0, steady * EVEN_PART)

    def most(self, priority: Priority) -> float:
        """What a priority may bring the window's use up to."""
        return self.allowance.weight * (1.0 - RESERVE[priority])

    def cost(self, weight: float, priority: Priority) -> float:
        """What a request is counted for: one dearer than the window takes it all, or it would never go."""
        return min(weight, self.most(priority))

    def wait_s(self, now: float, weight: float, priority: Priority) -> float:
        """Seconds until a request may go; 0 where it may go now."""
        self._forget(now)
        cost, most = self.cost(weight, priority), self.most(priority)
        ready_at = now
        over = self._spent + cost - most
        for until, freed in self._until:
            if over <= 1e-9:
                break
            over -= freed
            ready_at = until
        if now < self._told_until and self._told + cost > most + 1e-9:
            ready_at = max(ready_at, self._told_until)
        if priority >= Priority.BACKFILL:
            ready_at = max(ready_at, self._even.ready_at(now, min(cost, self._even_most)))
        return ready_at - now

    def take(self, now: float, weight: float, priority: Priority) -> None:
        """It goes now; to be called where `wait_s` says 0."""
        cost = self.cost(weight, priority)
        self._until.append((now + self.allowance.window_s + JITTER_S, cost))
        self._spent += cost
        self._told += cost
        if priority >= Priority.BACKFILL:
            self._even.take(now, min(cost, self._even_most))

    def told(self, now: float, used: float, left_s: float) -> None:
        """The venue says that so much is used, by whomever, of a window that ends in `left_s`."""
        until = now + left_s
        same = self.allowance.fixed and until - self._told_until < self.allowance.window_s / 2
        self._told = max(self._told, used) if same else used  # an answer may be older than what went since
        self._told_until = until

    def used(self, now: float) -> float:
        """What counts now, by the larger of both accounts."""
        self._forget(now)
        return max(self._spent, self._told if now < self._told_until else 0.0)

    def _forget(self, now: float) -> None:
        while self._until and self._until[0][0] <= now:
            self._spent -= self._until.popleft()[1]
        if not self._until:
            self._spent = 0.0  # sums of floats drift


class SharedBudget(Protocol):
    """What every process on this host spends at one venue and address."""

    def take(self, allowance: Allowance, cost: float, most: float) -> tuple[float, float]:
        """(seconds of silence the venue asked for, seconds until there is room); where both are 0 it is spent.

        `most` is what the window's use may come to with it. Returns at once, whatever other processes do.
        """
        ...

    def silence(self, for_s: float) -> None:
        """No process asks this venue anything for so long."""
        ...


def backoff(first_s: float, most_s: float, chance: Callable[[], float]) -> Iterator[float]:
    """Waits before each further attempt: none, then full jitter under a doubling ceiling, for ever.

    `chance` gives a float in [0, 1).
    """
    yield 0.0
    ceiling_s = first_s
    while True:
        yield chance() * ceiling_s
        ceiling_s = min(ceiling_s * 2, most_s)


def retry_after_s(header: str) -> float | None:
    """Seconds of a Retry-After header; None where it has none we understand."""
    text = header.strip()
    return float(text) if text.isascii() and text.replace(".", "", 1).isdecimal() else None
