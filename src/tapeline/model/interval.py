"""Bar intervals and half-open spans of event time, in UTC nanoseconds."""

from datetime import UTC, datetime

import msgspec

from tapeline.errors import BadData, ConfigError

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
_MONDAY_NS = 4 * DAY_NS  # 1970-01-05, the first Monday after the epoch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": SECOND_NS, "m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS}


class Span(msgspec.Struct, frozen=True, order=True):
    """[from_ns, to_ns): the start belongs to it, the end does not."""

    from_ns: int
    to_ns: int

    def __post_init__(self) -> None:
        if self.to_ns < self.from_ns:
            raise BadData(f"a span cannot end ({self.to_ns}) before it starts ({self.from_ns})")

    def __contains__(self, at_ns: int) -> bool:
        return self.from_ns <= at_ns < self.to_ns

    def overlaps(self, other: "Span") -> bool:
        """Whether both hold some instant."""
        return max(self.from_ns, other.from_ns) < min(self.to_ns, other.to_ns)


class Interval(msgspec.Struct, frozen=True):
    """A bar length: `1m`, `4h`, `1w` (from Monday), `1M` (by calendar). `length_ns` is 0 for months."""

    name: str
    length_ns: int
    offset_ns: int = 0

    def floor(self, at_ns: int) -> int:
        """Open time of the bar that holds this instant."""
        if self.length_ns:
            return at_ns - (at_ns - self.offset_ns) % self.length_ns
        day = datetime.fromtimestamp(at_ns // SECOND_NS, UTC)
        return _stamp(day.year, day.month)

    def next(self, open_ns: int) -> int:
        """Open time of the following bar: the exclusive end of this one."""
        if self.length_ns:
            return open_ns + self.length_ns
        day = datetime.fromtimestamp(open_ns // SECOND_NS, UTC)
        return _stamp(day.year + day.month // 12, day.month % 12 + 1)

    def span(self, at_ns: int) -> Span:
        """The whole bar that holds this instant."""
        open_ns = self.floor(at_ns)
        return Span(open_ns, self.next(open_ns))

    def __str__(self) -> str:
        return self.name


def _stamp(year: int, month: int) -> int:
    return (datetime(year, month, 1, tzinfo=UTC) - _EPOCH).days * DAY_NS


def _make(name: str) -> Interval:
    if name == "1M":
        return Interval(name, 0)
    return Interval(name, int(name[:-1]) * _UNITS[name[-1]], _MONDAY_NS if name.endswith("w") else 0)


NAMES = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
INTERVALS = {name: _make(name) for name in NAMES}


def interval(name: str) -> Interval:
    """The interval of this name; case matters (`1m` is a minute, `1M` a month). Raises ConfigError."""
    try:
        return INTERVALS[name]
    except (KeyError, TypeError):  # TypeError: a list, of a user who has no type checker
        raise ConfigError(f"unknown interval {name!r}: one of {', '.join(NAMES)}") from None
