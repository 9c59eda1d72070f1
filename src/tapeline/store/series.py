"""Events to rows: one transaction a batch, keyed so that a repeat is no duplicate. Runs on the writer's thread."""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tapeline.clock import Clock, SystemClock
from tapeline.model.event import Bar, Event, Gap, Link, Notice, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.model.instrument import Instrument
from tapeline.store.ledger import disputed, fold, keep_facts, keep_wanted, overflown, set_aside
from tapeline.store.numbers import exact_column, reals
from tapeline.store.schema import connect
from tapeline.store.trouble import usable

BAR_COLUMNS = (
    "open_at_ns", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "first_id",
    "last_id", "certificate", "revision", "origin", "reason", "known_at_ns", "at_ns", "received_ns", "source",
)  # fmt: skip
BAR_NUMBERS = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")
FOUND_MOST = 10_000
ANOTHER_NS = 5_000_000_000  # two readings of one trade have stamps that are not so far apart
POISON_FILE = "poison.jsonl"
ROW_FAULTS = (sqlite3.Error, ValueError, TypeError, AttributeError, ArithmeticError, msgspec.MsgspecError)
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
_ADVANCE_POINT = (
    "INSERT INTO points VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET at_ns = excluded.at_ns, "
    "received_ns = excluded.received_ns, seq = excluded.seq WHERE excluded.seq > points.seq"
)
_INSERT_GAP = (
    "INSERT OR IGNORE INTO gaps (series, received_ns, after_ns, before_ns, after_seq, before_seq, cause, open) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_encode = msgspec.json.Encoder().encode
_decode_instrument = msgspec.json.Decoder(Instrument).decode


class PointRow(msgspec.Struct, frozen=True):
    """The last good point of a series, kept so that a restart can announce the hole after it."""

    instrument: str
    channel: str
    at_ns: int | None
    received_ns: int
    seq: int | None


Row = Event | Instrument | PointRow | Fact | Wanted


class SeriesStore:
    """The only writer of `series.sqlite`. Every `write` is one transaction: all of it, or none.

    `clock` stamps the versions of instruments that do not say since when they are so.
    Raises StoreTooNew, and StoreUnusable where its files cannot be opened.
    """

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self._folder, self._clock = folder, clock or SystemClock()
        with usable(folder):
            self.connection = connect(folder)
            try:
                self._look()
            except BaseException:
                self.connection.close()
                raise
        self.rows_written = 0
        self.disputes = 0
        self.found: deque[Fact] = deque(
            maxlen=FOUND_MOST
        )  # facts that only we could find out, until somebody takes them
        self._keepers: dict[type, Callable[[list[Any]], None]] = {
            Trade: self._trades, Bar: self._bars, Gap: self._gaps, Link: self._links, Notice: self._notices,
            Instrument: self._versions, PointRow: self._points, Fact: self._facts, Wanted: self._wanted,
        }  # fmt: skip

    def _look(self) -> None:
        """What is on record by now."""
        fold(self.connection)
        self._series: dict[tuple[str, str], int] = {
            (instrument, channel): series
            for series, instrument, channel in self.connection.execute("SELECT series, instrument, channel FROM series")
        }
        self._instruments: dict[str, bytes] = {
            # As it would be written today: a field that is new since is no change of the instrument.
            instrument: _encode(_decode_instrument(body))
            for instrument, body in self.connection.execute(
                "SELECT instrument, body FROM instruments ORDER BY instrument, valid_from_ns"
            )
        }

    def write(self, rows: Sequence[Row]) -> None:
        """Write a batch. Raises one of ROW_FAULTS, and then nothing of it was written."""
        by_type: dict[type, list[Any]] = {}
        for row in rows:
            by_type.setdefault(type(row), []).append(row)
        known = dict(self._series), dict(self._instruments), self.disputes
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            # Points first: one that was noted before a trade of this batch must not put the series back before it.
            for kind in sorted(by_type, key=lambda each: each is not PointRow):
                self._keepers.get(kind, self._events)(by_type[kind])
            self.connection.execute("COMMIT")
        except BaseException:
            self._series, self._instruments, self.disputes = known
            if self.connection.in_transaction:  # SQLite itself rolls back when the disk is full
                self.connection.execute("ROLLBACK")
            raise
        self.rows_written += len(rows)

    def poison(self, row: Row, reason: str) -> None:
        """Set a row aside that cannot be written, with why: in the store, or beside it where even that fails."""
        kind = type(row).__name__
        try:
            body = _encode(row).decode()
        except (TypeError, ValueError):
            body = repr(row)
        try:
            self.connection.execute("INSERT INTO poison (type, body, reason) VALUES (?, ?, ?)", (kind, body, reason))
            lost = set_aside(row, reason)
            if lost is not None:
                self._found(lost)
        except (sqlite3.Error, ValueError):
            line = _encode({"type": kind, "body": body, "reason": reason}) + b"\n"
            with (self._folder / POISON_FILE).open("ab") as file:
                file.write(line)

    @staticmethod
    def place(trade: Trade) -> tuple[int, str]:
        """(seq, id) of a trade's row."""
        return _seq(trade) if trade.seq is None else trade.seq, trade.id or _name(trade)

    def last_good(self, instrument: str, channel: str) -> tuple[int | None, int | None]:
        """(time, seq) of the newest row of a series; of its point where its rows are kept elsewhere."""
        series = self._series.get((instrument, channel))
        for query in (
            "SELECT at_ns, seq FROM trades WHERE series = ? ORDER BY seq DESC LIMIT 1",
            "SELECT open_at_ns, NULL FROM bars WHERE series = ? ORDER BY open_at_ns DESC LIMIT 1",
            "SELECT at_ns, seq FROM points WHERE series = ?",
        ):
            row = self.connection.execute(query, (series,)).fetchone()
            if row is not None:
                return row[0], row[1]
        return None, None

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
        numbers = [number for trade in trades for number in (trade.price, trade.size)]
        floats, unsure = reals(numbers)
        exact = self._exact(unsure, numbers, ("price", "size"))
        rows = [
            (
                self._series.get((trade.instrument, trade.channel)) or self._key(trade.instrument, trade.channel),
                _seq(trade) if trade.seq is None else trade.seq, trade.id or _name(trade), trade.at_ns,
                trade.received_ns, trade.side, price, size, trade.first_id, trade.last_id, trade.source, exact.get(i),
            )
            for i, (trade, price, size) in enumerate(zip(trades, floats[::2], floats[1::2], strict=True))
        ]  # fmt: skip
        before = self.connection.total_changes
        self.connection.executemany(_INSERT_TRADE, rows)
        if self.connection.total_changes - before < len(rows):
            self._dispute(rows, trades)
        # In this very transaction, so that after a crash the point is where the rows end, not a second before.
        last = {row[0]: trade for row, trade in zip(rows, trades, strict=True)}
        self.connection.executemany(
            _ADVANCE_POINT,
            [(series, each.at_ns, each.received_ns, each.seq) for series, each in last.items() if each.seq is not None],
        )

    def _dispute(self, rows: list[tuple[Any, ...]], trades: list[Trade]) -> None:
        """Some ids were held already: the first reading stays; a different price or size is a dispute, on record.

        So is a stamp so far off that it must be of another trade: a venue that has numbered anew.
        """
        for row, trade in zip(rows, trades, strict=True):
            found = self.connection.execute(
                "SELECT price, size, exact, side, at_ns FROM trades WHERE series = ? AND seq = ? AND id = ?", row[:3]
            ).fetchone()
            if found is None:
                continue
            *held, at_ns = found
            apart_ns = 0 if at_ns is None or trade.at_ns is None else abs(at_ns - trade.at_ns)
            if held == [row[6], row[7], row[11], row[5]] and apart_ns <= ANOTHER_NS:
                continue
            self.disputes += 1
            self.connection.execute(
                "INSERT OR IGNORE INTO disputes VALUES (?, ?, ?, ?, ?)",
                (row[0], row[2], trade.received_ns, _encode(held).decode(), _encode(trade).decode()),
            )
            self._found(disputed(trade, f"{held[3]} {held[1]} at {held[0]}"))

    def _bars(self, bars: list[Bar]) -> None:
        """The newest revision of each closed bar; an open bar is not a fact yet."""
        closed = [bar for bar in bars if bar.closed]
        rows, begin = self._bar_rows(closed), 0
        for i in [i for i, bar in enumerate(closed) if bar.revision > 1]:
            self.connection.executemany(_INSERT_BAR, rows[begin:i])  # what it replaces may stand in this very batch
            bar, begin = closed[i], i
            since = bar.received_ns if bar.known_at_ns is None else bar.known_at_ns
            self.connection.execute(_SUPERSEDE, (since, rows[i][0], bar.open_at_ns, bar.revision))
        self.connection.executemany(_INSERT_BAR, rows[begin:])

    def _bar_rows(self, bars: list[Bar]) -> list[tuple[Any, ...]]:
        numbers = [
            number
            for bar in bars
            for number in (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume, bar.taker_buy_volume)
        ]
        floats, unsure = reals(numbers)
        exact = self._exact(unsure, numbers, BAR_NUMBERS)
        each = iter(floats)
        return [
            (
                self._series.get((bar.instrument, bar.channel)) or self._key(bar.instrument, bar.channel),
                bar.open_at_ns, open_, high, low, close, volume, quote_volume, bar.trades, bought, bar.first_id,
                bar.last_id, bar.certificate, bar.revision, bar.origin, bar.reason, bar.known_at_ns, bar.at_ns,
                bar.received_ns, bar.source, exact.get(i),
            )
            for i, (bar, open_, high, low, close, volume, quote_volume, bought) in enumerate(
                zip(bars, each, each, each, each, each, each, each, strict=True)
            )
        ]  # fmt: skip

    @staticmethod
    def _exact(unsure: list[int], numbers: Sequence[Decimal | None], names: tuple[str, ...]) -> dict[int, str | None]:
        """The `exact` column of each row, by its place, that floats may not hold."""
        width = len(names)
        return {
            row: exact_column(dict(zip(names, numbers[row * width : (row + 1) * width], strict=True)))
            for row in {place // width for place in unsure}
        }

    def _gaps(self, gaps: list[Gap]) -> None:
        for gap in gaps:
            series = self._key(gap.instrument, gap.channel)
            if not gap.open:  # what was on record as open has ended now
                self.connection.execute(
                    "DELETE FROM gaps WHERE series = ? AND open = 1 AND after_ns IS ?", (series, gap.after_ns)
                )
            row = (gap.received_ns, gap.after_ns, gap.before_ns, gap.after_seq, gap.before_seq, gap.cause, gap.open)
            self.connection.execute(_INSERT_GAP, (series, *row))
            lost = overflown(gap) if gap.cause == "overflow" and not gap.open else None
            if lost is not None:
                self._found(lost)

    def _found(self, fact: Fact) -> None:
        self._facts([fact])
        self.found.append(fact)

    def _facts(self, facts: list[Fact]) -> None:
        keep_facts(self.connection, self._key, facts)

    def _wanted(self, wanted: list[Wanted]) -> None:
        keep_wanted(self.connection, self._key, wanted)

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
        """A version is written only where something has changed since the last one, and never over it."""
        for instrument in instruments:
            body = _encode(msgspec.structs.replace(instrument, valid_from_ns=0))
            before = self._instruments.get(instrument.id)
            if before == body:
                continue
            self._instruments[instrument.id] = body
            since = instrument.valid_from_ns or (0 if before is None else self._clock.wall_ns())
            self.connection.execute(
                "INSERT OR REPLACE INTO instruments VALUES (?, ?, ?, ?)",
                (instrument.id, since, instrument.native, body.decode()),
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


def _seq(trade: Trade) -> int:
    """The place in the series of a trade that the venue does not number."""
    return trade.received_ns if trade.at_ns is None else trade.at_ns


def _name(trade: Trade) -> str:
    """What tells a trade without an id from others at the same place."""
    return f"~{trade.price}-{trade.size}-{trade.side}"
