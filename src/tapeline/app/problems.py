"""What could not be read or done: counted always, logged at a bounded rate with the first bytes of the frame."""

from collections import Counter

import structlog

from tapeline.clock import Clock

SHOWN_BYTES = 200
EVERY_S = 10.0
KINDS_MOST = 1000
_log = structlog.get_logger("tapeline")


class Problems:
    """Counts by venue and kind; each (venue, kind) is logged at most once in ten seconds, with how many were not."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.counts: Counter[tuple[str, str]] = Counter()
        self._logged_at: dict[tuple[str, str], float] = {}
        self._unlogged: Counter[tuple[str, str]] = Counter()

    def note(self, venue: str, connection: str, kind: str, text: str, frame: bytes, *, topic: str = "") -> None:
        """Count one, and log it if its turn has come; of which topic, where that can be told."""
        key = (venue, kind)
        if key not in self.counts and len(self.counts) >= KINDS_MOST:
            key = (venue, "other")
        self.counts[key] += 1
        now = self._clock.now()
        if now - self._logged_at.get(key, float("-inf")) < EVERY_S:
            self._unlogged[key] += 1
            return
        self._logged_at[key] = now
        more = self._unlogged.pop(key, 0)
        details: dict[str, object] = {"venue": venue, "kind": kind, "text": text}
        if topic:
            details["topic"] = topic
        if connection:
            details["connection"] = connection
        if frame:
            details["frame"] = frame[:SHOWN_BYTES].decode("utf-8", errors="backslashreplace")
        if more:
            details["not_logged"] = more
        _log.warning("problem", **details)

    def by_kind(self) -> dict[str, dict[str, int]]:
        """Counts, by venue and then by kind."""
        out: dict[str, dict[str, int]] = {}
        for (venue, kind), count in sorted(self.counts.items()):
            out.setdefault(venue, {})[kind] = count
        return out
