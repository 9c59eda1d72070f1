"""The only place that reads a clock. Everything else takes time as an argument, or a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of now: one for stamps, one for waiting."""

    def wall_ns(self) -> int:
        """UTC nanoseconds since 1970: for stamps only; it may jump."""
        ...

    def now(self) -> float:
        """Monotonic seconds: for deadlines and durations; it never jumps."""
        ...


class SystemClock:
    """The machine's clocks."""

    wall_ns = staticmethod(time.time_ns)
    now = staticmethod(time.monotonic)
