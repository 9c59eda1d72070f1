"""Binance's public data files: klines, trades and aggregated trades of a day or a month, as CSV in zips. Pure.

https://github.com/binance/binance-public-data
Spot files have no header and, since 2025-01-01, times in microseconds; futures files have a header and milliseconds.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from tapeline.errors import BadData
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import INTERVALS
from tapeline.model.interval import interval as interval_named
from tapeline.model.number import number
from tapeline.venues.spec import Archive

_NAME = re.compile(r"(\w+)-(trades|aggTrades|[0-9]{1,2}(?:[smhdw]|mo|M))-\d{4}-\d\d(?:-\d\d)?")
_CHANNELS = {"trades": "trades", "aggTrades": "aggtrades"}
_MICROSECONDS = 10**14  # milliseconds are below this until the year 5138, microseconds above it since 1973
_HEADERS = frozenset({"id", "agg_trade_id", "open_time"})
_SIDES = {"true": "sell", "false": "buy"}  # whether the buyer was the maker -> the taker's side


def series(name: str) -> tuple[str, str] | None:
    """BTCUSDT-1m-2024-01.zip is (BTCUSDT, bars:1m), ETHUSDT-aggTrades-2024-01-02.csv (ETHUSDT, aggtrades)."""
    match = _NAME.match(name)
    if match is None:
        return None
    native, of = match.groups()
    of = "1M" if of == "1mo" else of
    if of in _CHANNELS:
        return native, _CHANNELS[of]
    return (native, f"bars:{of}") if of in INTERVALS else None


def read(row: Sequence[str], instrument: str, channel: str) -> Trade | Bar | None:
    """A row as an event; None for a header. Raises BadData."""
    if row[:1] and row[0] in _HEADERS:
        return None
    if channel == "trades":
        return _trade(row, instrument)
    return _aggtrade(row, instrument) if channel == "aggtrades" else _bar(row, instrument, channel)


def _trade(row: Sequence[str], instrument: str) -> Trade:
    """id, price, qty, quote_qty, time, is_buyer_maker[, is_best_match]: 3,1.5,2,3.0,1704067200003,True,True."""
    _at_least(row, 6)
    at_ns, ident = _stamp(row[4]), _whole(row[0])
    return Trade(
        instrument, "trades", at_ns, at_ns, "file", row[0], ident, _side(row[5]), _number(row[1]), _number(row[2])
    )


def _aggtrade(row: Sequence[str], instrument: str) -> Trade:
    """id, price, qty, first_trade_id, last_trade_id, time, is_buyer_maker[, is_best_match]."""
    _at_least(row, 7)
    at_ns = _stamp(row[5])
    return Trade(
        instrument, "aggtrades", at_ns, at_ns, "file", row[0], _whole(row[0]), _side(row[6]), _number(row[1]),
        _number(row[2]), _whole(row[3]), _whole(row[4]),
    )  # fmt: skip


def _bar(row: Sequence[str], instrument: str, channel: str) -> Bar:
    """open_time, open, high, low, close, volume, close_time, quote_volume, count, taker_buy_volume, and two more."""
    _at_least(row, 10)
    open_ns = _stamp(row[0])
    name = channel.removeprefix("bars:")
    of = interval_named(name)
    if of.floor(open_ns) != open_ns:
        raise BadData(f"open time {row[0]} is no start of a bar of {name}", kind="bad_time")
    open_, high, low, close, volume = (_number(text) for text in row[1:6])
    return Bar(
        instrument, channel, None, of.next(open_ns), "file", name, open_ns, open_, high, low, close, volume,
        number(row[7]), _whole(row[8]), number(row[9]), None, None, closed=True, revision=1,
    )  # fmt: skip


def _at_least(row: Sequence[str], columns: int) -> None:
    if len(row) < columns:
        raise BadData(f"{len(row)} columns, not {columns} or more", kind="bad_row")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadData(f"{text[:40]!r} is not a whole number", kind="bad_number")
    return int(text)


def _stamp(text: str) -> int:
    at = _whole(text)
    return at * 1_000 if at >= _MICROSECONDS else at * 1_000_000


def _side(text: str) -> str:
    side = _SIDES.get(text.lower())
    if side is None:
        raise BadData(f"is_buyer_maker {text[:40]!r} is neither true nor false", kind="bad_side")
    return side


def _number(text: str) -> Decimal:
    value = number(text)
    if value is None:
        raise BadData("an empty price or size", kind="bad_number")
    return value


ARCHIVE = Archive(series=series, read=read)
