"""A circuit breaker: after enough failures in a row, leave the venue alone for a while, then probe once. Pure."""

from typing import Literal

State = Literal["closed", "open", "half_open"]


class Breaker:
    """Counts consecutive failures (bad frames, failed dials). One good frame or a live session closes it again."""

    def __init__(self, threshold: int, cooldown_s: float) -> None:
        assert threshold > 0, "a breaker that trips at nothing never lets anything through"
        self._threshold = threshold
        self._cooldown_s = cooldown_s
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False
        self.trips = 0

    def state(self, now: float) -> State:
        """`open` refuses, `half_open` lets one probe through."""
        if self._opened_at is None:
            return "closed"
        return "half_open" if now >= self._opened_at + self._cooldown_s or self._probing else "open"

    def wait_s(self, now: float) -> float:
        """How long until a probe is allowed; 0 where none is held back."""
        return 0.0 if self._opened_at is None else max(0.0, self._opened_at + self._cooldown_s - now)

    def failed(self, now: float) -> bool:
        """Count a failure; True where it has just tripped (again: a failed probe re-opens at once)."""
        self._failures += 1
        if self._probing or (self._opened_at is None and self._failures >= self._threshold):
            self.trip(now)
            return True
        return False

    def trip(self, now: float) -> None:
        """Open at once: somebody else has counted (bad frames on one connection)."""
        self._probing = False
        self._opened_at = now
        self.trips += 1

    def probing(self) -> None:
        """The cool-down is over and one probe goes out."""
        self._probing = self._opened_at is not None

    def worked(self) -> None:
        """Something good arrived."""
        self._failures = 0
        self._opened_at = None
        self._probing = False
