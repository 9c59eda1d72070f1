"""What reading a file gives: events, and rows that are refused, with file, line and reason. Pure."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from tapeline.errors import BadData, ConfigError
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS, Interval
from tapeline.model.number import number
from tapeline.model.plausible import impossible
from tapeline.model.stamp import instant

FIRST, LAST = -(2**63), 2**63 - 1  # what a store has room for
_LATEST_NS = 9 * 10**18  # 2255: the end of a bar of that year has room as well
_TODAY_NS = 10**17  # 1973
_YEAR_NS = 31_556_952 * 10**9
_EARLY_TRADE_NS, _EARLY_BAR_NS = 10**11, 10**14  # what lies from here to 1973 is of today, in another unit
# The unit of a bare number of time: each is for stamps from 1973 on, and no later unit reaches as low.
_UNITS = ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000), (10**8, 1_000_000_000))


class Refused(msgspec.Struct, frozen=True):
    """A row that was left out, or (line 0) a whole file."""

    file: str
    line: int
    reason: str
    text: str = ""


Found = Trade | Bar | Gap | Fact | Instrument | Refused


def event_or_refusal(
    make: Callable[[], Trade | Bar | None], file: str, line: int, text: str
) -> Trade | Bar | Refused | None:
    """The event of a row, where it can be read and a market can have made it; None for a row that is none."""
    try:
        event = make()
    except BadData as error:
        return Refused(file, line, str(error), text)
    if event is None:
        return None
    problem = impossible(event)
    return Refused(file, line, problem, text) if problem else event


def stamp(text: str, name: str = "time") -> int:
    """UTC nanoseconds of a column: s, ms, us or ns by their size, or ISO 8601. Raises BadData."""
    digits = text.strip()
    if digits.replace(".", "", 1).isdigit() and digits.isascii():
        value = Decimal(digits)
        for least, unit in _UNITS:
            if value >= least:
                return int(value * unit)
        return int(value * 1_000_000)
    try:
        return instant(digits.removesuffix("+00:00"))
    except ConfigError as error:
        raise BadData(f"{name} {text[:40]!r} is neither a number nor ISO 8601", kind="bad_time") from error


def needed(text: str | None, name: str) -> Decimal:
    """A number that must be there. Raises BadData."""
    return filled(number(text), name)


def filled(value: Decimal | None, name: str) -> Decimal:
    """The same; raises BadData where it is empty."""
    if value is None:
        raise BadData(f"{name} is empty", kind="bad_number")
    return value


def whole(text: str | None, name: str) -> int | None:
    """A whole number, None where empty. Raises BadData."""
    if not text:
        return None
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise BadData(f"{name} {text[:40]!r} is not a whole number", kind="bad_number")
    value = int(text)
    if not FIRST <= value <= LAST:
        raise BadData(f"{name} {text[:40]} is larger than a store has room for", kind="bad_number")
    return value


def number_of(ident: str) -> int | None:
    """The number that an id is; None where it is none that a store has room for."""
    value = int(ident) if ident.isascii() and ident.isdigit() else None
    return value if value is None or value <= LAST else None


def trade_at(at_ns: int, told: str, unit: str) -> int:
    """When a trade was. Raises BadData for a time that no trade has, which was told in another unit."""
    return _in_time(at_ns, told, unit, _EARLY_TRADE_NS)


def bar_at(open_ns: int, told: str, unit: str, of: Interval) -> int:
    """When a bar opens. Raises BadData for a time at which none does; days may be from before 1973."""
    _in_time(open_ns, told, unit, _EARLY_BAR_NS if 0 < of.length_ns < DAY_NS else _TODAY_NS)
    if of.floor(open_ns) != open_ns:
        raise BadData(f"{told} is no start of a bar of {of.name}", kind="bad_time")
    return open_ns


def _in_time(at_ns: int, told: str, unit: str, early_ns: int) -> int:
    if early_ns <= at_ns < _TODAY_NS or not -_LATEST_NS <= at_ns <= _LATEST_NS:
        raise BadData(f"{told} would be in the year {1970 + at_ns // _YEAR_NS}: give it in {unit}", kind="bad_time")
    return at_ns


def side_of(text: str, name: str) -> str:
    """Which side took. Raises BadData."""
    if text not in {"buy", "sell", ""}:
        raise BadData(f"{name} {text[:40]!r} must be buy, sell or empty", kind="bad_side")
    return text
