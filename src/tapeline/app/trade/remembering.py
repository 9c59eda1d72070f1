"""What loss limits have seen goes to the journal: at once what a day begins with and costs, the rest now and then."""

from collections.abc import Callable, Mapping

from tapeline.trading.record import Remembered
from tapeline.trading.risk.losses import Since


class Remembering:
    """`seen` are the days of each scope, `write` puts a record of them into the journal.

    A run that dies again and again forgets neither what its day began with nor its fees.
    """

    def __init__(self, seen: Callable[[], Mapping[str, Since]], write: Callable[[Remembered], None]) -> None:
        self._seen, self._write = seen, write
        self._days: dict[str, tuple[object, ...]] = {}

    def look(self, now_ns: int) -> None:
        """Write all of it where a day has begun, begins with something else or has cost more; else nothing."""
        if _days(self._seen()) != self._days:
            self.write(now_ns)

    def write(self, now_ns: int) -> None:
        """Write all of it: equities and their best, too."""
        seen = self._seen()
        self._days = _days(seen)
        self._write(Remembered(seen, now_ns))


def _days(seen: Mapping[str, Since]) -> dict[str, tuple[object, ...]]:
    return {name: (each.day, each.at_start, each.fees) for name, each in seen.items()}
