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
from tapeline.model.event import Bar, Gap, Link, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.stamp import instant
from tapeline.store.numbers import decimal
from tapeline.store.schema import FILE, VERSION, version_of
from tapeline.store.series import BAR_COLUMNS, BAR_NUMBERS, PointRow

Instant = int | str | None  # UTC nanoseconds, or ISO 8601 text
_FIRST, _LAST = -(2**62), 2**62


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

    def series(self) -> list[tuple[str, str]]:
        """(instrument, channel) of everything held."""
        rows = self._connection.execute("SELECT instrument, channel FROM series ORDER BY instrument, channel")
        return [(instrument, of) for instrument, of in rows]

    def bars(
        self, instrument: str, interval: str, start: Instant = None, end: Instant = None, *, superseded: bool = False
    ) -> Iterator[Bar]:
        """Closed bars in order of time: `1m` is the venue's, `1m@trades` built from trades; by open time.

        `superseded` gives the older revisions instead. Raises UnknownInstrument, or NotHeld naming what is held.
        """
        of = str(parse_channel(f"bars:{interval}"))
        series = self._held(instrument, of)
        table = "bars_superseded" if superseded else "bars"
        rows = self._connection.execute(
            f"SELECT {', '.join(BAR_COLUMNS)}, exact FROM {table} "  # noqa: S608  # our own names, no input
            "WHERE series = ? AND open_at_ns >= ? AND open_at_ns < ? ORDER BY open_at_ns, revision",
            (series, *_range(start, end)),
        )
        name = interval.partition("@")[0]
        return (_bar(instrument, of, name, row) for row in rows)

    def trades(
        self, instrument: str, start: Instant = None, end: Instant = None, *, channel: str = ""
    ) -> Iterator[Trade]:
        """Trades in the venue's order, by the venue's time; `channel` trades or aggtrades, else whichever is held.

        Raises UnknownInstrument, or NotHeld naming what is held.
        """
        of = channel or self._trade_channel(instrument)
        series = self._held(instrument, of)
        rows = self._connection.execute(
            "SELECT at_ns, received_ns, source, id, seq, side, price, size, first_id, last_id, exact FROM trades "
            "WHERE series = ? AND coalesce(at_ns, received_ns) >= ? AND coalesce(at_ns, received_ns) < ? "
            "ORDER BY seq, id",
            (series, *_range(start, end)),
        )
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

    def points(self) -> list[PointRow]:
        """The last good point of every series."""
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
        every = self.series()
        held = [channel for who, channel in every if who == instrument]
        if held:
            raise NotHeld(f"the store at {self._path} holds no {of} of {instrument}; it holds {', '.join(held)}")
        known = sorted({who for who, _ in every})
        if any(each.id == instrument for each in self.instruments()):
            raise NotHeld(f"the store at {self._path} knows {instrument} but holds nothing of it")
        near = difflib.get_close_matches(instrument, known, n=3, cutoff=0.5) or known[:5]
        raise UnknownInstrument(
            f"the store at {self._path} holds no {instrument!r}; it holds {', '.join(near) if near else 'nothing'}"
        )


def _range(start: Instant, end: Instant) -> tuple[int, int]:
    low = _FIRST if start is None else instant(start) if isinstance(start, str) else start
    high = _LAST if end is None else instant(end) if isinstance(end, str) else end
    return low, high


def _bar(instrument: str, of: str, interval: str, row: tuple[Any, ...]) -> Bar:
    *values, exact = row
    found = dict(zip(BAR_COLUMNS, values, strict=True))
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
