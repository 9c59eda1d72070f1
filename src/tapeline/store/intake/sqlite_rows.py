"""Bars from SQLite files of others: one database a symbol, one table a timeframe, columns by their usual names."""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from tapeline.errors import ConfigError
from tapeline.model.event import Bar
from tapeline.model.interval import INTERVALS
from tapeline.model.interval import interval as interval_named
from tapeline.store.intake.row import Refused, bar_at, event_or_refusal, filled, needed, stamp, whole

# What a column may be called, in the order they are looked for.
_NAMES = {
    "time": ("open_time", "opentime", "timestamp", "ts", "time", "open_at", "date", "datetime", "start", "t"),
    "open": ("open", "o"), "high": ("high", "h"), "low": ("low", "l"), "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "base_volume"),
    "quote_volume": ("quote_volume", "quote_asset_volume", "quotevolume", "amount", "turnover"),
    "trades": ("trades", "trade_count", "num_trades", "number_of_trades", "count"),
    "taker_buy_volume": ("taker_buy_volume", "taker_buy_base_asset_volume", "taker_buy_base"),
}  # fmt: skip
_NEEDED = ("time", "open", "high", "low", "close", "volume")


def tables(path: Path) -> list[str]:
    """The tables of a database. Raises ConfigError where it is none."""
    try:
        with closing(_opened(path)) as connection:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    except sqlite3.OperationalError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except sqlite3.Error as error:
        raise ConfigError(f"{path} is no SQLite database: {error}") from error
    return [name for (name,) in rows]


def interval_of_table(name: str) -> str | None:
    """The interval that a table's name says: `1m`, `ohlcv_1h`, `BTCUSDT_5m`; None where it says none."""
    words = [word for word in re.split(r"[^0-9A-Za-z]+|(?<=[a-zA-Z])(?=\d)", name) if word in INTERVALS]
    return words[-1] if words else None


def read_sqlite(path: Path, table: str, instrument: str, channel: str) -> Iterator[Bar | Refused]:
    """The rows of a table as bars of this series, in order of time. Raises ConfigError for a table there is not.

    A file that is damaged further on is said to be, as what SQLite says of it would be taken for a word on the store.
    """
    there = tables(path)
    if table not in there:
        raise ConfigError(f"{path} has no table {table!r}: it has {', '.join(there) or 'none'}")
    line = 0
    try:
        for line, row in enumerate(_read(path, table), 1):
            event = event_or_refusal(
                partial(_bar, row, instrument, channel), f"{path}:{table}", line, str(tuple(row.values()))
            )
            if isinstance(event, Bar | Refused):
                yield event
    except sqlite3.Error as error:
        yield Refused(f"{path}:{table}", line, f"cannot be read further: {error}")


def _read(path: Path, table: str) -> Iterator[dict[str, Any]]:
    with closing(_opened(path)) as connection:
        quoted = '"' + table.replace('"', '""') + '"'
        found = connection.execute(f"SELECT * FROM {quoted} LIMIT 0")  # noqa: S608  # the name is quoted, and known
        columns = _columns(path, table, [name for name, *_ in found.description])
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in columns.values())
        rows = connection.execute(f"SELECT {names} FROM {quoted} ORDER BY 1")  # noqa: S608  # quoted, and from SQLite itself
        for values in rows:
            yield dict(zip(columns, values, strict=True))


def _columns(path: Path, table: str, names: list[str]) -> dict[str, str]:
    by_lower = {name.lower(): name for name in names}
    columns = {
        ours: next(by_lower[each] for each in theirs if each in by_lower)
        for ours, theirs in _NAMES.items()
        if any(each in by_lower for each in theirs)
    }
    missing = [ours for ours in _NEEDED if ours not in columns]
    if missing:
        raise ConfigError(f"{path}: table {table} has no column for {', '.join(missing)}: it has {', '.join(names)}")
    return columns


def _opened(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise ConfigError(f"no file {path}")
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _bar(row: Mapping[str, Any], instrument: str, channel: str) -> Bar:
    name, _, built = channel.removeprefix("bars:").partition("@")
    of = interval_named(name)
    open_ns = bar_at(stamp(str(row["time"])), f"time {row['time']!r}", "s, ms, us, ns or ISO 8601", of)
    return Bar(
        instrument, channel, None, of.next(open_ns), "file", name, open_ns, _needed(row, "open"), _needed(row, "high"),
        _needed(row, "low"), _needed(row, "close"), _needed(row, "volume"), _number(row.get("quote_volume")),
        _count(row.get("trades")), _number(row.get("taker_buy_volume")), None, None, closed=True,
        revision=1, origin=built or "venue",
    )  # fmt: skip


def _needed(row: Mapping[str, Any], name: str) -> Decimal:
    return filled(_number(row[name]), name)


def _count(value: Any) -> int | None:
    """INTEGER, and REAL or TEXT that is one."""
    whole_real = isinstance(value, float) and value.is_integer()
    return None if value is None else whole(str(int(value) if whole_real else value), "trades")


def _number(value: Any) -> Decimal | None:
    """REAL by its shortest text, TEXT as it stands."""
    return None if value is None else needed(repr(value) if isinstance(value, float) else str(value), "a number")
