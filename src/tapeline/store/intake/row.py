"""What reading a file gives: events, and rows that are refused, with file, line and reason. Pure."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from tapeline.errors import BadData, ConfigError
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact
from tapeline.model.instrument import Instrument
from tapeline.model.number import number
from tapeline.model.plausible import impossible
from tapeline.model.stamp import instant

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
    value = number(text)
    if value is None:
        raise BadData(f"{name} is empty", kind="bad_number")
    return value


def whole(text: str | None, name: str) -> int | None:
    """A whole number, None where empty. Raises BadData."""
    if not text:
        return None
    if not text.removeprefix("-").isdigit():
        raise BadData(f"{name} {text[:40]!r} is not a whole number", kind="bad_number")
    return int(text)
