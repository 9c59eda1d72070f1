"""How fast we may ask, and how long we wait before asking again. Pure: time and chance are arguments."""

from collections.abc import Callable, Iterator


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
