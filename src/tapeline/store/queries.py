"""The texts of reads, and rows back to events. The names in them are our own: no input reaches these texts."""

from decimal import Decimal
from typing import Any

from tapeline.model.event import Bar, Trade
from tapeline.store.numbers import decimal
from tapeline.store.series import BAR_COLUMNS, BAR_NUMBERS

TRADE_COLUMNS = (
    "at_ns", "received_ns", "source", "id", "seq", "side", "price", "size", "first_id", "last_id",
)  # fmt: skip
_BAR_NAMES = ", ".join((*BAR_COLUMNS, "exact"))
_IN_RANGE = "WHERE series = ? AND open_at_ns >= ? AND open_at_ns < ?"
BARS = f"SELECT {{columns}} FROM bars {_IN_RANGE} ORDER BY open_at_ns"  # noqa: S608  # our own names, here and below
LAST_BARS = (  # backwards from the end, so that the last of a year are as quick as the last of a day
    f"SELECT {{columns}} FROM (SELECT * FROM bars {_IN_RANGE} ORDER BY open_at_ns DESC LIMIT ?) ORDER BY open_at_ns"  # noqa: S608
)
SUPERSEDED = f"SELECT {{columns}} FROM bars_superseded {_IN_RANGE} ORDER BY open_at_ns, revision"  # noqa: S608
BARS_AT = (  # of a group, SQLite gives the row that has the maximum
    f"SELECT {{columns}} FROM (SELECT {_BAR_NAMES}, max(revision) FROM (SELECT * FROM bars {_IN_RANGE} UNION ALL "  # noqa: S608
    f"SELECT series, {_BAR_NAMES} FROM bars_superseded {_IN_RANGE}) "
    "WHERE coalesce(known_at_ns, received_ns) <= ? GROUP BY open_at_ns) ORDER BY open_at_ns"
)
TRADES = (
    "SELECT {columns} FROM trades WHERE series = ? AND seq BETWEEN ? AND ? AND coalesce(at_ns, received_ns) >= ? "
    "AND coalesce(at_ns, received_ns) < ? AND received_ns <= ? ORDER BY seq, id"
)
TRADES_NEAR = (
    f"SELECT {', '.join((*TRADE_COLUMNS, 'exact'))} FROM trades WHERE series = ? AND seq BETWEEN ? AND ? "  # noqa: S608
    "AND coalesce(at_ns, received_ns) >= ? AND coalesce(at_ns, received_ns) < ? ORDER BY seq, id"
)
_PAGE = (
    "FROM trades WHERE series = ? AND (seq, id) > (?, ?) AND coalesce(at_ns, received_ns) >= ? "
    "AND coalesce(at_ns, received_ns) < ? ORDER BY seq, id"
)
TRADE_PAGE = f"SELECT {{columns}} {_PAGE}"
TRADE_PAGE_ENDS = f"SELECT seq, id {_PAGE}"


def bar_of(instrument: str, of: str, row: tuple[Any, ...]) -> Bar:
    """A row of BAR_COLUMNS and `exact`."""
    (open_at_ns, open_, high, low, close, volume, quote_volume, trades, bought, first_id, last_id, certificate,
     revision, origin, reason, known_at_ns, at_ns, received_ns, source, exact) = row  # fmt: skip
    interval = of.removeprefix("bars:").partition("@")[0]
    numbers = open_, high, low, close, volume, quote_volume, bought
    if exact is None:
        values: list[Any] = [None if value is None else Decimal(repr(value)) for value in numbers]
    else:
        values = [decimal(value, name, exact) for name, value in zip(BAR_NUMBERS, numbers, strict=True)]
    open_, high, low, close, volume, quote_volume, bought = values
    return Bar(
        instrument, of, at_ns, received_ns, source, interval, open_at_ns, open_, high, low, close, volume, quote_volume,
        trades, bought, first_id, last_id, closed=True, certificate=certificate, revision=revision, origin=origin,
        reason=reason, known_at_ns=known_at_ns,
    )  # fmt: skip


def trade_of(instrument: str, of: str, row: tuple[Any, ...]) -> Trade:
    """A row of TRADE_COLUMNS and `exact`."""
    at_ns, received_ns, source, ident, seq, side, price, size, first_id, last_id, exact = row
    assert len(row) == len(TRADE_COLUMNS) + 1, "the columns, and exact"
    if exact is None:  # nearly always: what `decimal` does then
        return Trade(
            instrument, of, at_ns, received_ns, source, ident, seq, side, Decimal(repr(price)), Decimal(repr(size)),
            first_id, last_id,
        )  # fmt: skip
    exact_price, exact_size = decimal(price, "price", exact), decimal(size, "size", exact)
    assert exact_price is not None, "price is NOT NULL"
    assert exact_size is not None, "size is NOT NULL"
    return Trade(
        instrument, of, at_ns, received_ns, source, ident, seq, side, exact_price, exact_size, first_id, last_id
    )  # fmt: skip
