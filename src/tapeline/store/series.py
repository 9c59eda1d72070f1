"""Events to rows: one transaction a batch, keyed so that a repeat is no duplicate. Runs on the writer's thread."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tapeline.model.event import Bar, Event, Gap, Link, Notice, Trade
from tapeline.model.instrument import Instrument
from tapeline.store.numbers import exact_column, real
from tapeline.store.schema import connect

BAR_COLUMNS = (
    "open_at_ns", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "first_id",
    "last_id", "certificate", "revision", "origin", "reason", "known_at_ns", "at_ns", "received_ns", "source",
)  # fmt: skip
BAR_NUMBERS = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")
_BAR_NAMES = ", ".join(("series", *BAR_COLUMNS, "exact"))
_BAR_MARKS = ", ".join("?" * (len(BAR_COLUMNS) + 2))
_BAR_UPDATES = ", ".join(f"{name} = excluded.{name}" for name in (*BAR_COLUMNS[1:], "exact"))
_INSERT_TRADE = "INSERT OR IGNORE INTO trades VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_BAR = (  # the names above are ours, no input reaches this text
    f"INSERT INTO bars ({_BAR_NAMES}) VALUES ({_BAR_MARKS}) "  # noqa: S608
    f"ON CONFLICT DO UPDATE SET {_BAR_UPDATES} WHERE excluded.revision > bars.revision"
)
_SUPERSEDE = (
    f"INSERT OR IGNORE INTO bars_superseded ({_BAR_NAMES}, superseded_at_ns) "  # noqa: S608  # our own names again
    f"SELECT {_BAR_NAMES}, ? FROM bars WHERE series = ? AND open_at_ns = ? AND revision < ?"
)
_INSERT_GAP = (
    "INSERT OR IGNORE INTO gaps (series, received_ns, after_ns, before_ns, after_seq, before_seq, cause, open) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_encode = msgspec.json.Encoder().encode


class PointRow(msgspec.Struct, frozen=True):
    """The last good point of a series, kept so that a restart can announce the hole after it."""

    instrument: str
    channel: str
    at_ns: int | None
    received_ns: int
    seq: int | None


Row = Event | Instrument | PointRow


class SeriesStore:
    """The only writer of `series.sqlite`. Every `write` is one transaction: all of it, or none."""

    def __init__(self, folder: Path) -> None:
        self.connection = connect(folder)
        self._series: dict[tuple[str, str], int] = {
            (instrument, channel): series
            for series, instrument, channel in self.connection.execute("SELECT series, instrument, channel FROM series")
        }
        self._instruments: dict[str, bytes] = {
            instrument: body.encode()
            for instrument, body in self.connection.execute(
                "SELECT instrument, body FROM instruments ORDER BY instrument, valid_from_ns"
            )
        }
        self.rows_written = 0
        self.disputes = 0
        self._keepers: dict[type, Callable[[list[Any]], None]] = {
            Trade: self._trades, Bar: self._bars, Gap: self._gaps, Link: self._links, Notice: self._notices,
            Instrument: self._versions, PointRow: self._points,
        }  # fmt: skip

    def write(self, rows: Sequence[Row]) -> None:
        """Write a batch. Raises sqlite3.Error or ValueError, and then nothing of it was written."""
        by_type: dict[type, list[Any]] = {}
        for row in rows:
            by_type.setdefault(type(row), []).append(row)
        known = dict(self._series), dict(self._instruments)
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for kind, group in by_type.items():
                self._keepers.get(kind, self._events)(group)
            self.connection.execute("COMMIT")
        except BaseException:
            self.connection.execute("ROLLBACK")
            self._series, self._instruments = known
            raise
        self.rows_written += len(rows)

    def poison(self, row: Row, reason: str) -> None:
        """Set a row aside that cannot be written, with why."""
        body = _encode(row).decode()
        self.connection.execute(
            "INSERT INTO poison (type, body, reason) VALUES (?, ?, ?)", (type(row).__name__, body, reason)
        )

    def close(self) -> None:
        """Close; what was written stays."""
        self.connection.close()

    def _key(self, instrument: str, channel: str) -> int:
        found = self._series.get((instrument, channel))
        if found is None:
            cursor = self.connection.execute(
                "INSERT INTO series (instrument, channel) VALUES (?, ?)", (instrument, channel)
            )
            assert cursor.lastrowid is not None, "an insert gives its row id"
            found = self._series[instrument, channel] = cursor.lastrowid
        return found

    def _trades(self, trades: list[Trade]) -> None:
        rows = [self._trade_row(trade) for trade in trades]
        before = self.connection.total_changes
        self.connection.executemany(_INSERT_TRADE, rows)
        if self.connection.total_changes - before < len(rows):
            self._dispute(rows, trades)

    def _trade_row(self, trade: Trade) -> tuple[Any, ...]:
        price, sure_price = real(trade.price)
        size, sure_size = real(trade.size)
        exact = None if sure_price and sure_size else exact_column({"price": trade.price, "size": trade.size})
        seq = trade.seq if trade.seq is not None else trade.at_ns if trade.at_ns is not None else trade.received_ns
        ident = trade.id or f"~{trade.price}-{trade.size}-{trade.side}"
        return (
            self._key(trade.instrument, trade.channel), seq, ident, trade.at_ns, trade.received_ns, trade.side, price,
            size, trade.first_id, trade.last_id, trade.source, exact,
        )  # fmt: skip

    def _dispute(self, rows: list[tuple[Any, ...]], trades: list[Trade]) -> None:
        """Some ids were held already: the first reading stays; a different price or size is a dispute, on record."""
        for row, trade in zip(rows, trades, strict=True):
            held = self.connection.execute(
                "SELECT price, size, exact, side FROM trades WHERE series = ? AND seq = ? AND id = ?", row[:3]
            ).fetchone()
            if held is None or held == (row[6], row[7], row[11], row[5]):
                continue
            self.disputes += 1
            self.connection.execute(
                "INSERT OR IGNORE INTO disputes VALUES (?, ?, ?, ?, ?)",
                (row[0], row[2], trade.received_ns, _encode(held).decode(), _encode(trade).decode()),
            )

    def _bars(self, bars: list[Bar]) -> None:
        for bar in bars:
            if not bar.closed:
                continue  # an open bar is not a fact yet
            series = self._key(bar.instrument, bar.channel)
            numbers = {name: getattr(bar, name) for name in BAR_NUMBERS}
            values = [
                None if value is None else float(value) if name in BAR_NUMBERS else value
                for name in BAR_COLUMNS
                for value in (getattr(bar, name),)
            ]
            if bar.revision > 1:
                self.connection.execute(_SUPERSEDE, (bar.received_ns, series, bar.open_at_ns, bar.revision))
            self.connection.execute(_INSERT_BAR, (series, *values, exact_column(numbers)))

    def _gaps(self, gaps: list[Gap]) -> None:
        for gap in gaps:
            series = self._key(gap.instrument, gap.channel)
            if not gap.open:  # what was on record as open has ended now
                self.connection.execute(
                    "DELETE FROM gaps WHERE series = ? AND open = 1 AND after_ns IS ?", (series, gap.after_ns)
                )
            row = (gap.received_ns, gap.after_ns, gap.before_ns, gap.after_seq, gap.before_seq, gap.cause, gap.open)
            self.connection.execute(_INSERT_GAP, (series, *row))

    def _links(self, links: list[Link]) -> None:
        self.connection.executemany(
            "INSERT INTO links (received_ns, venue, connection, change, state, reason, attempts, final) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (each.received_ns, each.venue, each.connection, each.change, each.state, each.reason, each.attempts,
                 each.final)
                for each in links
            ],
        )  # fmt: skip

    def _notices(self, notices: list[Notice]) -> None:
        self.connection.executemany(
            "INSERT INTO notices (received_ns, venue, code, text) VALUES (?, ?, ?, ?)",
            [(each.received_ns, each.venue, each.code, each.text) for each in notices],
        )

    def _versions(self, instruments: list[Instrument]) -> None:
        """A version is written only where something has changed since the last one."""
        for instrument in instruments:
            body = _encode(msgspec.structs.replace(instrument, valid_from_ns=0))
            if self._instruments.get(instrument.id) == body:
                continue
            self._instruments[instrument.id] = body
            self.connection.execute(
                "INSERT OR REPLACE INTO instruments VALUES (?, ?, ?, ?)",
                (instrument.id, instrument.valid_from_ns, instrument.native, body.decode()),
            )

    def _points(self, points: Iterable[PointRow]) -> None:
        self.connection.executemany(
            "INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)",
            [(self._key(each.instrument, each.channel), each.at_ns, each.received_ns, each.seq) for each in points],
        )

    def _events(self, events: list[Event]) -> None:
        """Slow channels (mark, funding, status, ...): the event as JSON, by the names of the event reference."""
        self.connection.executemany(
            "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?)",
            [
                (self._key(each.instrument or "", each.channel), each.received_ns, _encode(each).decode(), each.at_ns)
                for each in events
            ],
        )
