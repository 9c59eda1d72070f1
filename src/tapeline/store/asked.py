"""What a read is asked for, checked before anything is read: instants, ranges, counts, names. Pure.

A notebook has no type checker: what is not meant is a ConfigError here, that says what is.
"""

import operator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from tapeline.errors import ConfigError
from tapeline.model.channel import BUILT_FROM
from tapeline.model.channel import channel as parse_channel
from tapeline.model.stamp import instant

Instant = int | str | datetime | None  # UTC nanoseconds, ISO 8601 text, or a time with its zone (of pandas too)
Size = int | str | Decimal
FIRST, LAST = -(2**63), 2**63 - 1
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_EARLY, _LATE = 10**17, 10**18  # 1973 and 2001, in nanoseconds


def folder_of(path: str | Path) -> Path:
    """The folder that is meant. Raises ConfigError for what is no path."""
    try:
        return Path(path).expanduser()
    except (TypeError, RuntimeError) as error:  # RuntimeError: the home of nobody
        raise ConfigError(f"{path!r} is no path: name the folder of a store, or of an archive") from error


def nanoseconds(at: int | str | datetime) -> int:
    """An instant as UTC nanoseconds; the first or the last there is for one beyond them. Raises ConfigError."""
    return max(FIRST, min(_nanoseconds(at), LAST))


def between(start: Instant, end: Instant) -> tuple[int, int]:
    """The range, where None is without end. Raises ConfigError where it ends before it begins."""
    low, high = FIRST if start is None else nanoseconds(start), LAST if end is None else nanoseconds(end)
    if low > high:
        raise ConfigError(f"nothing lies between {start} and {end}: the end comes before the start")
    return low, high


def early(within: tuple[int, int]) -> int | None:
    """A time of the range in 1970 to 1973, which are seconds or milliseconds, most likely."""
    return next((at for at in within if 0 < at < _EARLY), None)


def refuse_early(at: int, extent: tuple[int, int] | None) -> None:
    """Raises ConfigError for such a time, where the series is of this century."""
    if extent is not None and min(extent) >= _LATE:
        factor = next((f"{10**power:_d}" for power in (9, 6, 3) if _LATE <= at * 10**power < 8 * _LATE), None)
        raise ConfigError(
            f"{at} would be in {1970 + at // (31_556_952 * 10**9)}, long before the series begins: integer times are "
            "nanoseconds" + (f" (did you mean {at} * {factor}?)" if factor else "")
        )


def newest(count: int | None) -> int | None:
    """How many of the newest are asked for. Raises ConfigError."""
    if count is None:
        return None
    found = _index(count)
    if found is None or found < 0:
        raise ConfigError(f"last={count!r}: a whole number, of how many of the newest")
    return min(found, LAST)


def instrument_named(instrument: str) -> str:
    """The instrument. Raises ConfigError for what is no text."""
    if not isinstance(instrument, str):
        raise ConfigError(f"an instrument is text, as 'VENUE:BTC/USDT', or the `id` of one; not {instrument!r:.60}")
    return instrument


def bars_channel(interval: str) -> str:
    """The channel of `1m`, `1m@trades` or `bars:1m`. Raises ConfigError."""
    if not isinstance(interval, str):
        raise ConfigError(f"{interval!r} is no interval: write it as text, as '1m', '4h' or '1m@trades'")
    return str(parse_channel(interval if interval.startswith("bars:") else f"bars:{interval}"))


def trades_channel(channel: str) -> str:
    """A channel of trades. Raises ConfigError for any other."""
    if channel not in BUILT_FROM:
        raise ConfigError(f"channel={channel!r} is none of trades: there are {' and '.join(BUILT_FROM)}")
    return channel


def size_of(size: Size | float) -> Decimal:
    """What a bar by activity is to measure. Raises ConfigError; also for a float, which is not quite what it says."""
    if isinstance(size, float):
        raise ConfigError(f"{size!r} is a float: write it exactly, as text ('{float(size)!r}') or a Decimal")
    try:
        return Decimal(size) if isinstance(size, str | Decimal) else Decimal(operator.index(size))
    except (InvalidOperation, TypeError) as error:
        raise ConfigError(f"{size!r} is not a number") from error


def _nanoseconds(at: int | str | datetime) -> int:
    if isinstance(at, str):
        return instant(at)
    if isinstance(at, datetime) and isinstance(at.year, int):  # pandas.NaT is a datetime of no year
        if at.tzinfo is None:
            raise ConfigError(f"{at!r} has no zone: give it one (tzinfo=UTC), or write {at.isoformat()}Z")
        return (at - _EPOCH) // _MICROSECOND * 1000 + int(getattr(at, "nanosecond", 0))  # pandas.Timestamp has them
    found = _index(at)
    if found is None:
        raise ConfigError(
            f"{at!r} is not a time: write ISO 8601 in UTC (2024-08-08T23:56:30Z), integer nanoseconds, or a datetime"
        )
    return found


def _index(value: Any) -> int | None:
    """A whole number, of numpy too; None for all else, True and False among it."""
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None
