"""Reading a store: plain, synchronous, read-only; works while an instance writes. Exact `Decimal`s come back."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tapeline.errors import ConfigError, NotHeld, StoreClosed, StoreTooNew, UnknownInstrument
from tapeline.market.coverage import Coverage
from tapeline.market.resample import Doubt
from tapeline.model.channel import BUILT_FROM, Channel
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Hole, Span
from tapeline.model.interval import HOUR_NS, Interval
from tapeline.model.interval import interval as interval_named
from tapeline.store import adbc, queries
from tapeline.store.asked import (
    FIRST,
    LAST,
    Instant,
    bars_channel,
    between,
    folder_of,
    instrument_named,
    nanoseconds,
    newest,
)
from tapeline.store.coarser import coarser
from tapeline.store.ledger import Ledger
from tapeline.store.place import numbers_of
from tapeline.store.proof import Proof
from tapeline.store.queries import TRADE_COLUMNS
from tapeline.store.reading import Reading, open_for_reading
from tapeline.store.reads import Reads
from tapeline.store.records import Dispute, Poison, Records
from tapeline.store.rows import Query, Rows
from tapeline.store.schema import FILE, LEDGER_SINCE, VERSION, version_of
from tapeline.store.series import BAR_COLUMNS
from tapeline.store.trouble import usable
from tapeline.store.watching import LOOK_BACK, Watch

if TYPE_CHECKING:
    from tapeline.store.lake import Lake

__all__ = ["Dispute", "Instant", "Poison", "Store", "open_path", "open_store"]


def open_path(path: str | Path) -> "Store | Lake":
    """Open a store read-only, or a Parquet archive. Raises NotHeld where there is neither; and as `open_store`."""
    folder = folder_of(path)
    if not (folder / FILE).exists() and next(folder.glob("venue=*"), None) is not None:
        from tapeline.store.lake import open_lake  # noqa: PLC0415  # a store needs none of it

        return open_lake(folder)
    return open_store(folder)


def open_store(path: str | Path) -> "Store":
    """Open a store read-only. Raises NotHeld where there is none, StoreTooNew for one from a later version.

    StoreUnusable where its files are damaged, or cannot be opened.
    """
    folder = folder_of(path)
    file = folder / FILE
    with usable(folder):
        if not file.is_file():
            raise NotHeld(f"no store at {folder}: it has no {FILE}{_instead(folder)}")
        connection = open_for_reading(file)
        try:
            found = version_of(connection)
        except BaseException:
            connection.close()
            raise
    if found > VERSION or found == 0:
        connection.close()
        if found == 0:
            raise NotHeld(f"the store at {folder} is empty: nothing has been written yet")
        raise StoreTooNew(f"the store at {folder} has schema version {found}, this Tapeline knows {VERSION}: upgrade")
    return Store(connection, folder)


def _instead(folder: Path) -> str:
    """What is there instead of a store."""
    if next(folder.glob("venue=*"), None) is not None:
        return "; it is an archive: `tapeline.open` reads it, `tapeline import` makes a store of it"
    root = next((each.parent for each in (folder, *folder.parents) if each.name.startswith("venue=")), None)
    if root is not None:
        return f"; it lies within the archive at {root}: open that"
    if folder.is_file():
        return f"; a file is there: open the folder {folder.parent}" if folder.name == FILE else "; a file is there"
    return "" if folder.is_dir() else "; there is no such folder"


class Store(Records, Reads):
    """What a store holds. Times are UTC nanoseconds or ISO 8601 text; `start` is inclusive, `end` exclusive.

    Reads give `Rows`: iterate over them for events, or take `.to_arrow()`, `.to_polars()`, `.to_pandas()`.
    """

    def __init__(self, connection: Reading, path: Path) -> None:
        super().__init__(connection)
        self._path = path
        self._file = (path / FILE).resolve()
        adbc.register(self._file)

    def close(self) -> None:
        """Close the connection; doing so twice changes nothing. What is read afterwards raises StoreClosed."""
        if not self._connection.closed:
            self._connection.close()
            adbc.release(self._file)

    def series(self) -> list[tuple[str, str]]:
        """(instrument, channel) of everything held."""
        rows = self._connection.execute("SELECT instrument, channel FROM series ORDER BY instrument, channel")
        return [(instrument, of) for instrument, of in rows]

    def bars(
        self, instrument: str, interval: str, start: Instant = None, end: Instant = None, *, at: Instant = None,
        superseded: bool = False, last: int | None = None, require: Literal["", "proven"] = "",
    ) -> Rows[Bar]:  # fmt: skip
        """Stored closed bars in order of time, by open time: `1m` is the venue's, `1m@trades` built from trades.

        `at` gives what was known then; `superseded` the older revisions instead of the newest; `last` the newest so
        many of the range. `require="proven"` raises NotProven with the ranges that are missing. Raises
        UnknownInstrument, or NotHeld naming what is held: also for the venue's bars where none has closed yet.
        """
        of = bars_channel(interval)
        series = self._held(instrument, of)
        if "@" not in of and not self._any_bar(series):
            raise self._not_held(instrument, of)
        asked = self._within(instrument, of, start, end)
        within = (series, *asked)
        proof = self._proof(instrument, of, asked, require)
        make = partial(queries.bar_of, instrument, of)
        if superseded:
            return self._rows("bars", queries.SUPERSEDED, within, make, proof)
        if at is not None:
            return self._rows("bars", queries.BARS_AT, (*within, *within, nanoseconds(at)), make, proof)
        count = newest(last)
        if count is not None:
            return self._rows("bars", queries.LAST_BARS, (*within, count), make, proof)
        return self._rows("bars", queries.BARS, within, make, proof)

    def trades(
        self, instrument: str, start: Instant = None, end: Instant = None, *, channel: str = "", at: Instant = None,
        require: Literal["", "proven"] = "",
    ) -> Rows[Trade]:  # fmt: skip
        """Trades in the venue's order, by the venue's time; `channel` trades or aggtrades, else whichever is held.

        `at` gives what was known then; `require="proven"` raises NotProven with the ranges that are missing. A trade
        whose stamp is over an hour off its neighbours' is found only where no range is asked for. Raises
        UnknownInstrument, or NotHeld naming what is held.
        """
        of = self._channel_of_trades(instrument, channel)
        series = self._held(instrument, of)
        known = LAST if at is None else nanoseconds(at)
        make = partial(queries.trade_of, instrument, of)
        asked = self._within(instrument, of, start, end)
        proof = self._proof(instrument, of, asked, require)
        numbers = numbers_of(self._connection, series, *asked, slack_ns=HOUR_NS)
        return self._rows("trades", queries.TRADES, (series, *numbers, *asked, known), make, proof)

    def trade_pages(
        self, instrument: str, channel: str, start: Instant = None, end: Instant = None, *, size: int = 100_000
    ) -> Iterator[Rows[Trade]]:
        """The same trades in pages of `size`, each of which fits in memory."""
        series, make = self._held(instrument, channel), partial(queries.trade_of, instrument, channel)
        after: tuple[int, str] | None = (FIRST, "")
        while after is not None:
            parameters = (series, *after, *between(start, end))
            ends = self._connection.execute(f"{queries.TRADE_PAGE_ENDS} LIMIT 1 OFFSET ?", (*parameters, size - 1))
            yield self._rows("trades", f"{queries.TRADE_PAGE} LIMIT {size:d}", parameters, make, None)
            after = ends.fetchone()

    def trades_near(self, instrument: str, channel: str, from_ns: int, to_ns: int) -> list[Trade]:
        """Trades of [from_ns, to_ns), found by halving where numbers follow time: quick for short stretches.

        One whose stamp is over a minute out of order with its neighbours is not found, see `store.place`.
        """
        series = self._held(instrument, channel)
        numbers = numbers_of(self._connection, series, from_ns, to_ns)
        rows = self._connection.execute(queries.TRADES_NEAR, (series, *numbers, from_ns, to_ns)).fetchall()
        return [queries.trade_of(instrument, channel, row) for row in rows]

    def partial_bars(self, instrument: str, channel: str) -> list[int]:
        """Open times of stored bars that are partial."""
        rows = self._connection.execute(
            "SELECT open_at_ns FROM bars JOIN series USING (series) WHERE instrument = ? AND channel = ? "
            "AND certificate = 'partial' ORDER BY open_at_ns", (instrument, channel)
        )  # fmt: skip
        return [open_ns for (open_ns,) in rows]

    def coarser(
        self, instrument: str, of: Channel, to: Interval, within: tuple[int, int], doubt: Doubt | None
    ) -> Iterator[Bar]:
        """Bars of `to` from the stored ones of a channel, reckoned by SQLite; `resample` is the way to ask."""
        return coarser(
            self._connection, self._held(instrument, str(of)), interval_named(of.interval), to, within,
            instrument=instrument, doubt=doubt, parts=lambda low, high: self.bars(instrument, str(of), low, high),
        )  # fmt: skip

    def watch(
        self, instrument: str, channel: str, start: Instant = None, *, within_s: float = 60.0, poll_s: float = 0.05
    ) -> Watch[Any]:
        """Trades (`trades`) or closed bars (`bars:1m`) as they are written, from `start` or from now on, each once.

        Ends once nothing new came for `within_s`; looks every `poll_s`. A revised bar comes again. Raises ConfigError
        for a channel of which no rows are kept.
        """
        of = str(parse_channel(channel))
        if not of.startswith("bars:") and of not in BUILT_FROM:
            raise ConfigError(f"{of} cannot be watched: trades, aggtrades and bars are rows of a store")
        if not isinstance(within_s, int | float) or not isinstance(poll_s, int | float):
            raise ConfigError(f"within_s={within_s!r}, poll_s={poll_s!r}: seconds, as numbers")
        series = self._held(instrument, of)
        table, key = ("bars", "open_at_ns") if of.startswith("bars:") else ("trades", "seq")
        make = partial(queries.bar_of if table == "bars" else queries.trade_of, instrument, of)
        names = ", ".join((*(BAR_COLUMNS if table == "bars" else TRADE_COLUMNS), "exact"))
        text = f"SELECT {names} FROM {table} WHERE series = ? AND {key} >= ? ORDER BY {key}"  # noqa: S608  # our names

        def read(floor: int) -> Sequence[Any]:
            return [make(row) for row in self._connection.execute(text, (series, floor)).fetchall()]

        floor = self._place_of(table, key, series, start)
        seen = read(floor) if start is None else ()
        return Watch(read, self._version, floor, within_s=within_s, poll_s=poll_s, seen=seen)

    @property
    def ledger(self) -> Ledger:
        """The facts behind `coverage` and `holes`. Raises NotHeld for a store of before there was one."""
        if version_of(self._connection) < LEDGER_SINCE:
            raise NotHeld(f"the store at {self._path} is older than the coverage ledger: what writes to it adds one")
        return Ledger(self._connection)

    def coverage(self, instrument: str, channel: str, start: Instant = None, end: Instant = None) -> list[Span]:
        """What is known of a series, in order without overlaps. Raises UnknownInstrument, or NotHeld."""
        of = str(parse_channel(channel))
        self._held(instrument, parse_channel(of).built_from or of)
        return self.ledger.coverage(instrument, of).spans(*between(start, end))

    def holes(self, instrument: str | None = None, channel: str | None = None) -> list[Hole]:
        """All that is wanted and not held: missing, unrecoverable or disputed. `gaps` is what was seen live."""
        return self.ledger.holes(instrument, channel)

    def extent(self, instrument: str, channel: str) -> tuple[int, int] | None:
        """Stamps of the first and the last row of a series of bars (their open times) or trades; None where empty."""
        series = self._held(instrument, channel)
        table, key, stamp = (
            ("bars", "open_at_ns", "open_at_ns")
            if channel.startswith("bars:")
            else ("trades", "seq", "coalesce(at_ns, received_ns)")
        )
        ends = [
            self._connection.execute(
                f"SELECT {stamp} FROM {table} WHERE series = ? ORDER BY {key} {way} LIMIT 1",  # noqa: S608  # our names
                (series,),
            ).fetchone()
            for way in ("ASC", "DESC")
        ]
        return None if ends[0] is None else (ends[0][0], ends[1][0])

    def held_bars(self, instrument: str) -> list[tuple[str, str]]:
        """(interval, what they are built from) of every series of bars that has any."""
        channels = [parse_channel(of) for who, of in self.series() if who == instrument and of.startswith("bars:")]
        return [(of.interval, of.built_from) for of in channels if self._any_bar(self._held(instrument, str(of)))]

    def events(self, instrument: str, channel: str) -> list[dict[str, Any]]:
        """Events of a slow channel (mark, funding, status, ...), as they are in JSON."""
        rows = self._connection.execute(
            "SELECT body FROM events WHERE series = ? ORDER BY received_ns", (self._held(instrument, channel),)
        )
        return [msgspec.json.decode(body) for (body,) in rows]

    def covering(self, instrument: str, channel: str) -> Coverage:
        """What is known of a series; nothing in a store that is older than the ledger."""
        return self.ledger.coverage(instrument, channel) if self._has_ledger else Coverage()

    def wanted_of(self, instrument: str, channel: str) -> list[tuple[int, int]]:
        """What of a series is to be held, as half-open ranges."""
        wanted = self.ledger.wanted(instrument, channel) if self._has_ledger else []
        return [(each.from_ns, each.to_ns) for each in wanted]

    @cached_property
    def _has_ledger(self) -> bool:
        return version_of(self._connection) >= LEDGER_SINCE

    def _rows(
        self, kind: str, sql: str, parameters: tuple[Any, ...], make: Any, proof: Callable[[], Proof] | None
    ) -> Rows[Any]:
        every = BAR_COLUMNS if kind == "bars" else TRADE_COLUMNS
        return Rows(kind, Query(self._connection, sql, parameters, every=every, make=make, fast=self._arrow), proof)

    def _arrow(self, sql: str, parameters: tuple[Any, ...]) -> Any:
        """By ADBC, which has its own connection; None after `close`, as SQLite then says what is wrong."""
        return None if self._connection.closed else adbc.arrow(self._file, sql, parameters)

    def _closed(self) -> StoreClosed | None:
        return self._connection.after_close() if self._connection.closed else None

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _place_of(self, table: str, key: str, series: int, start: Instant) -> int:
        """The key to watch from: of the first row that is not before `start`, or of the last thousandth."""
        if start is None:
            text = f"SELECT {key} FROM {table} WHERE series = ? ORDER BY {key} DESC LIMIT 1 OFFSET ?"  # noqa: S608
            row = self._connection.execute(text, (series, LOOK_BACK)).fetchone()
        else:
            stamp = key if table == "bars" else "coalesce(at_ns, received_ns)"
            text = f"SELECT min({key}) FROM {table} WHERE series = ? AND {stamp} >= ?"  # noqa: S608
            row = self._connection.execute(text, (series, nanoseconds(start))).fetchone()
            if row[0] is None:  # nothing yet: from the end on
                text = f"SELECT max({key}) + 1 FROM {table} WHERE series = ?"  # noqa: S608
                row = self._connection.execute(text, (series,)).fetchone()
        return FIRST if row is None or row[0] is None else int(row[0])

    def _held(self, instrument: str, of: str) -> int:
        row = self._connection.execute(
            "SELECT series FROM series WHERE instrument = ? AND channel = ?", (instrument_named(instrument), of)
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
