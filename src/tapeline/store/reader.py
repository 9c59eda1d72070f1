"""Reading a store: plain, synchronous, read-only; works while an instance writes. Exact `Decimal`s come back."""

import difflib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from tapeline.errors import NotHeld, StoreTooNew, UnknownInstrument
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Gap, Link, Notice, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.stamp import instant
from tapeline.store.numbers import decimal
from tapeline.store.schema import FILE, VERSION, version_of
from tapeline.store.series import BAR_COLUMNS, BAR_NUMBERS, PointRow

Instant = int | str | None  # UTC nanoseconds, or ISO 8601 text
_FIRST, _LAST = -(2**63), 2**63 - 1
_BAR_NAMES = ", ".join((*BAR_COLUMNS, "exact"))
_IN_RANGE = "WHERE series = ? AND open_at_ns >= ? AND open_at_ns < ?"
# The names are our own, no input reaches these texts.
_BARS = f"SELECT {_BAR_NAMES} FROM bars {_IN_RANGE} ORDER BY open_at_ns"  # noqa: S608
_SUPERSEDED = f"SELECT {_BAR_NAMES} FROM bars_superseded {_IN_RANGE} ORDER BY open_at_ns, revision"  # noqa: S608
_BARS_AT = (  # of a group, SQLite gives the row that has the maximum
    f"SELECT {_BAR_NAMES}, max(revision) FROM (SELECT * FROM bars {_IN_RANGE} UNION ALL "  # noqa: S608
    f"SELECT series, {_BAR_NAMES} FROM bars_superseded {_IN_RANGE}) "
    "WHERE coalesce(known_at_ns, received_ns) <= ? GROUP BY open_at_ns ORDER BY open_at_ns"
)
_TRADES = (
    "SELECT at_ns, received_ns, source, id, seq, side, price, size, first_id, last_id, exact FROM trades "
    "WHERE series = ? AND coalesce(at_ns, received_ns) >= ? AND coalesce(at_ns, received_ns) < ? "
    "AND received_ns <= ? ORDER BY seq, id"
)


class Dispute(msgspec.Struct, frozen=True):
    """Two readings of one trade: `held` is kept as (price, size, exact digits, side), `given` is the later one."""

    instrument: str
    channel: str
    id: str
    received_ns: int
    held: tuple[float, float, str | None, str]
    given: Trade


class Poison(msgspec.Struct, frozen=True):
    """A row that could not be written: its type, its JSON, and why."""

    type: str
    body: str
    reason: str


def open_store(path: str | Path) -> "Store":
    """Open a store read-only. Raises NotHeld where there is none, StoreTooNew for one from a later version."""
    file = Path(path).expanduser() / FILE
    if not file.is_file():
        raise NotHeld(f"no store at {Path(path)}: it has no {FILE}")
    connection = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
    found = version_of(connection)
    if found > VERSION or found == 0:
        connection.close()
        if found == 0:
            raise NotHeld(f"the store at {Path(path)} is empty: nothing has been written yet")
        raise StoreTooNew(
            f"the store at {Path(path)} has schema version {found}, this Tapeline knows {VERSION}: upgrade"
        )
    return Store(connection, Path(path))


class Store:
    """What a store holds. Times are UTC nanoseconds or ISO 8601 text; `start` is inclusive, `end` exclusive."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def instruments(self) -> list[Instrument]:
        """Every instrument, its newest version."""
        rows = self._connection.execute(
            "SELECT body, max(valid_from_ns) FROM instruments GROUP BY instrument ORDER BY instrument"
        )
        decode = msgspec.json.Decoder(Instrument).decode
        return [msgspec.structs.replace(decode(body), valid_from_ns=valid) for body, valid in rows]

    def versions(self, instrument: str) -> list[Instrument]:
        """Every version of one instrument, oldest first; `valid_from_ns` says since when, 0 where since ever."""
        rows = self._connection.execute(
            "SELECT body, valid_from_ns FROM instruments WHERE instrument = ? ORDER BY valid_from_ns", (instrument,)
        )
        decode = msgspec.json.Decoder(Instrument).decode
        return [msgspec.structs.replace(decode(body), valid_from_ns=valid) for body, valid in rows]

    def series(self) -> list[tuple[str, str]]:
        """(instrument, channel) of everything held."""
        rows = self._connection.execute("SELECT instrument, channel FROM series ORDER BY instrument, channel")
        return [(instrument, of) for instrument, of in rows]

    def bars(
        self, instrument: str, interval: str, start: Instant = None, end: Instant = None, *, at: Instant = None,
        superseded: bool = False,
    ) -> Iterator[Bar]:  # fmt: skip
        """Closed bars in order of time, by open time: `1m` is the venue's, `1m@trades` built from trades.

        `at` gives what was known then; `superseded` the older revisions instead of the newest. Raises
        UnknownInstrument, or NotHeld naming what is held: also for the venue's bars where none has closed yet.
        """
        of = str(parse_channel(interval if interval.startswith("bars:") else f"bars:{interval}"))
        series = self._held(instrument, of)
        if "@" not in of and not self._any_bar(series):
            raise self._not_held(instrument, of)
        within = (series, *_range(start, end))
        if superseded:
            rows = self._connection.execute(_SUPERSEDED, within)
        elif at is not None:
            rows = self._connection.execute(_BARS_AT, (*within, *within, _ns(at)))
        else:
            rows = self._connection.execute(_BARS, within)
        name = of.removeprefix("bars:").partition("@")[0]
        return (_bar(instrument, of, name, row) for row in rows)

    def trades(
        self, instrument: str, start: Instant = None, end: Instant = None, *, channel: str = "", at: Instant = None
    ) -> Iterator[Trade]:
        """Trades in the venue's order, by the venue's time; `channel` trades or aggtrades, else whichever is held.

        `at` gives what was known then. Raises UnknownInstrument, or NotHeld naming what is held.
        """
        of = channel or self._trade_channel(instrument)
        series = self._held(instrument, of)
        known = _LAST if at is None else _ns(at)
        rows = self._connection.execute(_TRADES, (series, *_range(start, end), known))
        return (_trade(instrument, of, row) for row in rows)

    def gaps(self, instrument: str | None = None, channel: str | None = None) -> list[Gap]:
        """Holes on record, in the order they were seen."""
        rows = self._connection.execute(
            "SELECT instrument, channel, received_ns, after_ns, before_ns, after_seq, before_seq, cause, open "
            "FROM gaps JOIN series USING (series) ORDER BY gap"
        )
        return [
            Gap(
                who, of, before_ns, received_ns, "built", after_ns, before_ns, after_seq, before_seq, cause, bool(open_)
            )
            for who, of, received_ns, after_ns, before_ns, after_seq, before_seq, cause, open_ in rows
            if instrument in {None, who} and channel in {None, of}
        ]

    def links(self) -> list[Link]:
        """Every change of a connection."""
        rows = self._connection.execute(
            "SELECT received_ns, venue, connection, change, state, reason, attempts, final FROM links ORDER BY link"
        )
        return [
            Link(
                None,
                "link",
                None,
                received_ns,
                "ws",
                venue,
                connection,
                (),
                change,
                state,
                reason,
                attempts,
                bool(final),
            )
            for received_ns, venue, connection, change, state, reason, attempts, final in rows
        ]

    def notices(self) -> list[Notice]:
        """The venues' own words, as they came."""
        rows = self._connection.execute("SELECT received_ns, venue, code, text FROM notices ORDER BY notice")
        return [Notice(None, "notice", None, received_ns, "ws", *words) for received_ns, *words in rows]

    def disputes(self) -> list[Dispute]:
        """Trades that came again with another price, size or side; the first reading is what `trades` gives."""
        rows = self._connection.execute(
            "SELECT instrument, channel, id, received_ns, held, given FROM disputes JOIN series USING (series)"
        )
        held_of = msgspec.json.Decoder(tuple[float, float, str | None, str]).decode
        given_of = msgspec.json.Decoder(Trade).decode
        return [
            Dispute(who, of, ident, received_ns, held_of(held), given_of(given))
            for who, of, ident, received_ns, held, given in rows
        ]

    def poison(self) -> list[Poison]:
        """Rows that were set aside."""
        return [Poison(*row) for row in self._connection.execute("SELECT type, body, reason FROM poison")]

    def points(self) -> list[PointRow]:
        """The last good point of every series; of trades it moves with their rows, in the same transaction."""
        rows = self._connection.execute(
            "SELECT instrument, channel, at_ns, received_ns, seq FROM points JOIN series USING (series)"
        )
        return [PointRow(*row) for row in rows]

    def events(self, instrument: str, channel: str) -> list[dict[str, Any]]:
        """Events of a slow channel (mark, funding, status, ...), as they are in JSON."""
        rows = self._connection.execute(
            "SELECT body FROM events WHERE series = ? ORDER BY received_ns", (self._held(instrument, channel),)
        )
        return [msgspec.json.decode(body) for (body,) in rows]

    def _trade_channel(self, instrument: str) -> str:
        held = {of for who, of in self.series() if who == instrument}
        return "aggtrades" if "aggtrades" in held and "trades" not in held else "trades"

    def _held(self, instrument: str, of: str) -> int:
        row = self._connection.execute(
            "SELECT series FROM series WHERE instrument = ? AND channel = ?", (instrument, of)
        ).fetchone()
        if row is not None:
            return int(row[0])
        raise self._not_held(instrument, of)

    def _any_bar(self, series: int) -> bool:
        return self._connection.execute("SELECT 1 FROM bars WHERE series = ? LIMIT 1", (series,)).fetchone() is not None

    def _not_held(self, instrument: str, of: str) -> NotHeld | UnknownInstrument:
        every = self.series()
        held = [channel for who, channel in every if who == instrument and channel != of]
        if held:
            return NotHeld(f"the store at {self._path} holds no {of} of {instrument}; it holds {', '.join(held)}")
        listed = {each.id for each in self.instruments()}
        if instrument in listed or (instrument, of) in every:
            return NotHeld(f"the store at {self._path} knows {instrument} but holds nothing of it")
        known = sorted({who for who, _ in every if who}) or sorted(listed)
        near = difflib.get_close_matches(instrument, listed.union(known), n=3, cutoff=0.5) or known[:5]
        return UnknownInstrument(
            f"the store at {self._path} holds no {instrument!r}; it holds {', '.join(near) if near else 'nothing'}"
        )


def _ns(at: int | str) -> int:
    return instant(at) if isinstance(at, str) else at


def _range(start: Instant, end: Instant) -> tuple[int, int]:
    return _FIRST if start is None else _ns(start), _LAST if end is None else _ns(end)


def _bar(instrument: str, of: str, interval: str, row: tuple[Any, ...]) -> Bar:
    found = dict(zip(BAR_COLUMNS, row, strict=False))  # an as-of row has one more column
    exact = row[len(BAR_COLUMNS)]
    for name in BAR_NUMBERS:
        found[name] = decimal(found[name], name, exact)
    return Bar(instrument=instrument, channel=of, interval=interval, closed=True, **found)


def _trade(instrument: str, of: str, row: tuple[Any, ...]) -> Trade:
    at_ns, received_ns, source, ident, seq, side, price, size, first_id, last_id, exact = row
    exact_price, exact_size = decimal(price, "price", exact), decimal(size, "size", exact)
    assert exact_price is not None, "price is NOT NULL"
    assert exact_size is not None, "size is NOT NULL"
    return Trade(
        instrument, of, at_ns, received_ns, source, ident, seq, side, exact_price, exact_size, first_id, last_id
    )  # fmt: skip
