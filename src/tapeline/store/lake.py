"""A Parquet archive through the same calls as a store, by DuckDB; in memory only, the files are the record."""

import difflib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from tapeline.errors import NotHeld, StoreClosed, StoreUnusable, UnknownInstrument
from tapeline.market.coverage import Coverage
from tapeline.market.holes import BEGINNING, END, Holes
from tapeline.market.resample import Doubt, resample
from tapeline.model.channel import Channel
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Span
from tapeline.model.instrument import Instrument
from tapeline.model.interval import Interval
from tapeline.model.interval import interval as interval_named
from tapeline.store import archive, bulk
from tapeline.store.asked import LAST, Instant, bars_channel, between, folder_of, instrument_named, nanoseconds, newest
from tapeline.store.coarser_lake import coarser
from tapeline.store.derive import aligned, ends, value_of
from tapeline.store.extras import optional
from tapeline.store.frames import KINDS
from tapeline.store.proof import MANY, holes_of, repaired_of
from tapeline.store.queries import TRADE_COLUMNS
from tapeline.store.reads import Reads
from tapeline.store.rows import Rows
from tapeline.store.series import BAR_COLUMNS

E_co = TypeVar("E_co", covariant=True)
_FETCH = 10_000


def open_lake(path: str | Path) -> "Lake":
    """Open an archive that `tapeline export` wrote as Parquet. Raises NotHeld where there is none."""
    root = folder_of(path)
    if not archive.series_in(root):
        raise NotHeld(f"no archive at {root}: it has no venue=.../symbol=.../channel=... folders")
    return Lake(root, optional("duckdb", "a Parquet archive").connect())


class Lake(Reads):
    """What an archive holds; the calls of `Store`. Times are UTC nanoseconds or ISO 8601 text, `end` exclusive."""

    def __init__(self, root: Path, connection: Any) -> None:
        self._root, self._duck = root, _Duck(root, connection)
        self._guard = threading.Lock()

    def close(self) -> None:
        """Close DuckDB; doing so twice changes nothing. What is read afterwards raises StoreClosed."""
        self._duck.close()

    def series(self) -> list[tuple[str, str]]:
        """(instrument, channel) of everything held."""
        return [(each.instrument, each.channel) for each in archive.series_in(self._root)]

    def instruments(self) -> list[Instrument]:
        """Every instrument, its newest version."""
        return list({each.id: each for each in archive.instruments_of(self._root)}.values())

    def gaps(self, instrument: str | None = None, channel: str | None = None) -> list[Gap]:
        """Holes on record; of every series, they stand beside its rows and those built from it."""
        found = [gap for each in archive.series_in(self._root) for gap in archive.gaps_of(each.folder)]
        once = {(gap.instrument, gap.channel, gap.after_ns, gap.before_ns, gap.cause): gap for gap in found}
        return [gap for gap in once.values() if instrument in {None, gap.instrument} and channel in {None, gap.channel}]

    def bars(
        self, instrument: str, interval: str, start: Instant = None, end: Instant = None, *, at: Instant = None,
        last: int | None = None, require: Literal["", "proven"] = "",
    ) -> Rows[Bar]:  # fmt: skip
        """Archived bars in order of time: `1m` is the venue's, `1m@trades` built from trades. Raises as a Store's do.

        `at` leaves out what was not known then; older revisions are not archived.
        """
        of = bars_channel(interval)
        within = self._within(instrument, of, start, end)
        text = f"FROM {self._files(instrument, of, within)} WHERE open_at_ns >= ? AND open_at_ns < ?"
        parameters: tuple[Any, ...] = within
        if at is not None:
            text, parameters = f"{text} AND coalesce(known_at_ns, received_ns) <= ?", (*within, nanoseconds(at))
        count = newest(last)
        if count is not None:
            text = f"FROM (FROM {text.removeprefix('FROM ')} ORDER BY open_at_ns DESC LIMIT {count:d})"
            text += " ORDER BY open_at_ns"
        make = partial(_bar, instrument, of)
        source = _Sql(self._duck, text, parameters, every=BAR_COLUMNS, make=make)
        return Rows("bars", source, self._proof(instrument, of, within, require))

    def trades(
        self, instrument: str, start: Instant = None, end: Instant = None, *, channel: str = "", at: Instant = None,
        require: Literal["", "proven"] = "",
    ) -> Rows[Trade]:  # fmt: skip
        """Archived trades in the venue's order, by the venue's time. Raises as a Store's do."""
        of = self._channel_of_trades(instrument, channel)
        within = self._within(instrument, of, start, end)
        known = LAST if at is None else nanoseconds(at)
        text = (
            f"FROM {self._files(instrument, of, within)} WHERE coalesce(at_ns, received_ns) >= ? "
            "AND coalesce(at_ns, received_ns) < ? AND received_ns <= ? ORDER BY seq, id"
        )
        make = partial(_trade, instrument, of)
        source = _Sql(self._duck, text, (*within, known), every=TRADE_COLUMNS, make=make)
        return Rows("trades", source, self._proof(instrument, of, within, require))

    def coarser(
        self, instrument: str, of: Channel, to: Interval, within: tuple[int, int], doubt: Doubt | None
    ) -> Iterator[Bar]:
        """Bars of `to` from the archived ones of a channel, reckoned by DuckDB; `resample` is the way to ask."""
        with self._duck.readable() as connection:
            found = coarser(
                connection.cursor(), self._files(instrument, str(of), within), interval_named(of.interval), to,
                within, instrument=instrument, doubt=doubt,
            )  # fmt: skip
        return resample(self.bars(instrument, str(of), *within), to, doubt) if found is None else iter(found)

    def extent(self, instrument: str, channel: str) -> tuple[int, int] | None:
        """Stamps of the first and the last row of a series; None where it is empty."""
        stamp = "open_at_ns" if channel.startswith("bars:") else "coalesce(at_ns, received_ns)"
        text = f"SELECT min({stamp}), max({stamp}) FROM {self._files(instrument, channel)}"  # noqa: S608  # our own names
        with self._duck.readable() as connection:
            first, last = connection.cursor().execute(text).fetchone()
        return None if first is None else (first, last)

    def held_bars(self, instrument: str) -> list[tuple[str, str]]:
        """(interval, what they are built from) of every series of bars."""
        channels = [parse_channel(of) for who, of in self.series() if who == instrument and of.startswith("bars:")]
        return [(of.interval, of.built_from) for of in channels]

    def coverage(self, instrument: str, channel: str, start: Instant = None, end: Instant = None) -> list[Span]:
        """What was known of a series when it was exported, in order without overlaps. Raises as a Store's does."""
        of = str(parse_channel(channel))
        if (instrument_named(instrument), of) not in self.series():
            raise self._not_held(instrument, of)
        return self.covering(instrument, of).spans(*between(start, end))

    def covering(self, instrument: str, channel: str) -> Coverage:
        """The same, to ask what is missing."""
        folder = archive.series_folder(self._root, instrument, channel)
        return Coverage(archive.facts_of(folder, archive.damaged(folder, "parquet")))

    def wanted_of(self, instrument: str, channel: str) -> list[tuple[int, int]]:
        """Nothing, as what was missing stands in the coverage; all there was, where some of its files are lost."""
        folder = archive.series_folder(self._root, instrument, channel)
        lost = archive.damaged(folder, "parquet")
        extent = self.extent(instrument, channel) if lost and archive.parts_of(folder, "parquet") else None
        ends = [(part.from_ns, part.to_ns) for part in lost if part.from_ns is not None and part.to_ns is not None]
        return [] if extent is None else [*ends, (extent[0] + 1, extent[1])]

    def _derived(
        self, instrument: str, of: Channel, to: Interval, within: tuple[int, int], at: int | None
    ) -> Iterator[Bar]:
        if of.kind != "bars" and at is None and value_of(self, instrument) is None:
            found = self._in_bulk(instrument, str(of), to, within)
            if found is not None:
                return iter(found)
        return super()._derived(instrument, of, to, within, at)

    def _in_bulk(self, instrument: str, of: str, to: Interval, within: tuple[int, int]) -> list[Bar] | None:
        low, high = aligned(to, within)
        columns = ", ".join(bulk.COLUMNS)
        with self._guard, self._duck.readable() as connection:
            files = self._files(instrument, of, (low, high))
            connection.execute(  # a table: the order of a view's rows is nobody's promise
                f"CREATE OR REPLACE TEMP TABLE trades AS SELECT {columns} FROM {files} "  # noqa: S608  # our own names
                f"WHERE at_ns >= {low:d} AND at_ns < {high:d} ORDER BY seq, id"
            )
            found = bulk.bars_of(connection, to)
            connection.execute("DROP TABLE trades")
        extent = self.extent(instrument, of)
        if found is None or extent is None:
            return None
        holes = holes_of(self, instrument, of)
        whole_first, whole_last = ends(self, instrument, of, to, within=(low, high), extent=extent)
        if not whole_first and found.bars:
            holes.mark(BEGINNING, found.bars[0].first_at_ns)
        if not whole_last and found.bars:
            holes.mark(found.bars[-1].last_at_ns, END)
        mended = Holes(MANY)
        for low_ns, high_ns in repaired_of(self, instrument, of):
            mended.mark(low_ns, high_ns - 1)
        known_ns = max((each.received_ns for each in found.bars), default=0)

        def whole(each: bulk.BulkBar) -> Bar:
            span = each.open_at_ns, to.next(each.open_at_ns)
            certificate = "partial" if holes.touch(*span) else "repaired" if mended.touch(*span) else "complete"
            return Bar(
                instrument, f"bars:{to}@{of}", each.last_at_ns, each.received_ns, "built", to.name, *each[:1],
                each.open, each.high, each.low, each.close, each.volume, each.quote_volume, each.trades,
                each.taker_buy_volume, each.first_id, each.last_id, closed=True, certificate=certificate, revision=1,
                origin=of, known_at_ns=known_ns,
            )  # fmt: skip

        return [whole(each) for each in found.bars]

    def _files(self, instrument: str, of: str, within: tuple[int, int] | None = None) -> str:
        """The series' files as DuckDB reads them: by name, so that a finer decimal in one file widens all."""
        folder = archive.series_folder(self._root, instrument_named(instrument), of)
        parts = archive.parts_of(folder, "parquet")
        if not parts:
            raise self._not_held(instrument, of)
        if within is not None:
            low, high = within
            parts = [
                each for each in parts if (each.to_ns is None or each.to_ns > low) and (each.from_ns or low) <= high
            ] or parts[:1]
        names = ", ".join("'" + str(each.path).replace("'", "''") + "'" for each in parts)
        return f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"

    def _closed(self) -> StoreClosed | None:
        return self._duck.after_close() if self._duck.closed else None

    def _not_held(self, instrument: str, of: str) -> NotHeld | UnknownInstrument:
        every = self.series()
        held = [channel for who, channel in every if who == instrument]
        if held:
            return NotHeld(f"the archive at {self._root} holds no {of} of {instrument}; it holds {', '.join(held)}")
        known = sorted({who for who, _ in every})
        near = difflib.get_close_matches(instrument, known, n=3, cutoff=0.5) or known[:5]
        return UnknownInstrument(f"the archive at {self._root} holds no {instrument!r}; it holds {', '.join(near)}")


class _Duck:
    """DuckDB over the files of an archive. What it says of one becomes StoreUnusable, its query left out."""

    def __init__(self, root: Path, connection: Any) -> None:
        self._root, self._connection = root, connection
        self._error = optional("duckdb", "a Parquet archive").Error
        self.closed = False

    @contextmanager
    def readable(self) -> Iterator[Any]:
        """The connection. Raises StoreUnusable; StoreClosed after `close`."""
        try:
            yield self._connection
        except self._error as error:
            if self.closed:
                raise self.after_close() from error
            said = str(error).partition("\n")[0]
            raise StoreUnusable(
                f"the archive at {self._root} cannot be read ({said}): move the damaged file away, and write it again "
                "with `tapeline export` from the store it came from"
            ) from error

    def close(self) -> None:
        self.closed = True
        self._connection.close()

    def after_close(self) -> StoreClosed:
        """What a read raises then."""
        return StoreClosed(f"the archive at {self._root} was closed: open it again, and read before it is closed")


class _Sql(Generic[E_co]):
    """Rows by DuckDB: `text` begins at FROM."""

    def __init__(
        self, duck: _Duck, text: str, parameters: tuple[Any, ...], *, every: Sequence[str],
        make: Callable[[tuple[Any, ...]], E_co],
    ) -> None:  # fmt: skip
        self._duck, self._text, self._parameters = duck, text, parameters
        self._every, self._make = every, make

    def events(self) -> Iterator[E_co]:
        return map(self._make, self._found(self._every))

    def tuples(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        return self._found([_floats(name) for name in columns])

    def table(self, columns: Sequence[str], *, exact: bool) -> Any:
        # DuckDB turns decimals into the nearest doubles; Arrow's own cast is off in the last place for a tenth of them.
        names = columns if exact else [_floats(name) for name in columns]
        text = f"SELECT {', '.join(names)} {self._text}"
        with self._duck.readable() as connection:
            return connection.sql(text, params=list(self._parameters)).to_arrow_table()

    def _found(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        with self._duck.readable() as connection:
            found = connection.cursor().execute(f"SELECT {', '.join(names)} {self._text}", self._parameters)
            while rows := found.fetchmany(_FETCH):
                yield from rows


def _floats(name: str) -> str:
    return f"{name}::DOUBLE AS {name}" if KINDS.get(name) == "number" else name


def _bar(instrument: str, of: str, row: tuple[Any, ...]) -> Bar:
    found = dict(zip(BAR_COLUMNS, row, strict=True))
    interval = of.removeprefix("bars:").partition("@")[0]
    return Bar(instrument=instrument, channel=of, interval=interval, closed=True, **found)


def _trade(instrument: str, of: str, row: tuple[Any, ...]) -> Trade:
    found = dict(zip(TRADE_COLUMNS, row, strict=True))
    return Trade(instrument=instrument, channel=of, **found)
