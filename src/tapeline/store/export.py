"""A store's series to files others can read: CSV, Parquet, Arrow. Numbers stay exact, days stay whole."""

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tapeline.errors import ConfigError
from tapeline.market.coverage import Coverage
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.model.interval import HOUR_NS
from tapeline.model.number import plain
from tapeline.store.archive import (
    FACTS,
    GAPS,
    INSTRUMENTS,
    PARTITIONS,
    Parts,
    damaged,
    facts_of,
    gaps_of,
    next_partition,
    note_files,
    partition_name,
    parts_of,
    series_folder,
    write_lines,
)
from tapeline.store.asked import FIRST, LAST, Instant, between
from tapeline.store.extras import optional
from tapeline.store.queries import TRADE_COLUMNS
from tapeline.store.reader import Store
from tapeline.store.rows import Rows
from tapeline.store.series import BAR_COLUMNS
from tapeline.store.staying import clipped, keep_rows

Form = Literal["csv", "parquet", "arrow"]
Partition = Literal["day", "month", "year", "none"]
PAGE = 200_000  # rows in memory at once
GROUP = 122_880  # rows that one thread reads at once: a year of 1m bars is five such, not one
NOTHING = (LAST, LAST)
# The first columns are those of `tapeline bars` and `tapeline trades`; the rest makes the rows whole again.
BAR_CSV = (
    "start_ms", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "certificate",
    "revision", "origin", "source", "first_id", "last_id", "reason", "known_at_ns", "at_ns", "received_ns",
)  # fmt: skip
TRADE_CSV = (
    "ts_ms", "id", "taker_side", "price", "qty", "at_ns", "received_ns", "source", "seq", "first_id", "last_id",
)  # fmt: skip


class Exported(NamedTuple):
    """What was written."""

    rows: int
    files: list[Path]


def export_series(
    store: Store, instrument: str, channel: str, folder: str | Path, *, form: Form = "parquet",
    partition: Partition = "day", start: Instant = None, end: Instant = None,
) -> Exported:  # fmt: skip
    """Write one series of bars or trades below `folder`; whole partitions, so that a range is widened to them.

    What is there already of that range is replaced; what is older than all that the store holds stays, so that an
    archive outlives retention. Raises NotHeld, and ConfigError where the folder holds the series in other partitions,
    or where numbers are too large or fine for Parquet.
    """
    if partition not in PARTITIONS:
        raise ConfigError(f"partition {partition!r}: one of {', '.join(PARTITIONS)}")
    extent = store.extent(instrument, channel)
    target = series_folder(Path(folder).expanduser(), instrument, channel)
    _same_partitions(target, form, partition)
    parts = Parts(target, form, _OPEN[form])
    within = _widened(partition, between(start, end))
    ours = _ours(store, instrument, channel, within)
    try:
        pages = _pages(store, instrument, channel, partition, within) if extent else iter(())
        keep_rows(parts, target, form, partition, (FIRST, ours[0]), beside_ns=ours[0])
        count = sum(_take(parts, page, channel, form, partition) for page in pages)
        keep_rows(parts, target, form, partition, (ours[1], LAST), beside_ns=ours[1] - 1)
    except BaseException:
        parts.abandon()
        raise
    before = facts_of(target, damaged(target, form))
    files = list(parts.finish())
    target.mkdir(parents=True, exist_ok=True)
    note_files(target, files)
    seen = store.gaps(instrument, channel.partition("@")[2] or channel)
    write_lines(target / GAPS, [*(gap for gap in gaps_of(target) if gap not in seen), *seen])
    write_lines(target / FACTS, _facts(store, instrument, channel, before=before, within=within, ours=ours))
    write_lines(target.parent / INSTRUMENTS, store.versions(instrument))
    return Exported(count, files)


def _facts(
    store: Store, instrument: str, channel: str, *, before: list[Fact], within: tuple[int, int], ours: tuple[int, int]
) -> list[Fact]:
    """What is known of the archive's rows, and what is wanted of them and missing, as facts that stand for themselves.

    Of the store's rows the store knows; of the others what was known `before`, and only then what the store says.
    """
    covering = store.covering(instrument, channel)
    silent = [span for span in covering.holes(*store.wanted_of(instrument, channel)) if not span.source]
    told = [
        Fact(
            instrument, channel, span.from_ns, span.to_ns, span.state, span.evidence, span.source, span.why,
            span.to_ns, cause=span.cause,
        )
        for span in [*covering.spans(), *silent]
    ]  # fmt: skip
    apart = [*clipped(before, (FIRST, ours[0])), *clipped(before, (ours[1], LAST))]
    every = Coverage([*clipped(told, within), *apart, *clipped(told, ours)])
    return [
        Fact(
            instrument, channel, span.from_ns, span.to_ns, span.state, span.evidence, span.source, span.why,
            span.to_ns, cause=span.cause,
        )
        for span in every.spans()
    ]  # fmt: skip


def _ours(store: Store, instrument: str, channel: str, within: tuple[int, int]) -> tuple[int, int]:
    """What of a range the store's rows are the record of: nothing that is older than all of them."""
    extent = store.extent(instrument, channel)
    if extent is None:
        return NOTHING
    oldest_ns = extent[0]
    if not channel.startswith("bars:"):  # the first by number need not be the first by time
        near = store.trades(instrument, oldest_ns - HOUR_NS, oldest_ns, channel=channel)
        oldest_ns = min((_stamp(trade) for trade in near), default=oldest_ns)
    low, high = max(within[0], oldest_ns), within[1]
    return (low, high) if low < high else NOTHING


def _pages(store: Store, instrument: str, channel: str, partition: str, within: tuple[int, int]) -> Iterator[Rows[Any]]:
    """The series in pieces that fit in memory, in order."""
    if not channel.startswith("bars:"):
        yield from store.trade_pages(instrument, channel, *within, size=PAGE)
        return
    extent = store.extent(instrument, channel)
    assert extent is not None, "asked only where there are rows"
    low, high = max(within[0], extent[0]), min(within[1], extent[1] + 1)
    while low < high:
        end = next_partition("year" if partition in {"year", "none"} else "month", low)[1]
        yield store.bars(instrument, channel, low, min(end, high))
        low = end


def _take(parts: Parts, page: Rows[Any], channel: str, form: str, partition: str) -> int:
    if form == "csv":
        return _take_events(parts, page, partition)
    pa = optional("pyarrow", f"export to {form}")
    optional("pyarrow.compute", f"export to {form}")
    every = BAR_COLUMNS if channel.startswith("bars:") else TRADE_COLUMNS
    table = page.to_arrow(columns=every, numbers="decimal")
    if any(pa.types.is_decimal256(kind) for kind in table.schema.types):
        raise ConfigError(f"{channel} has numbers of more than 38 digits: export it as csv")
    for name, rows in _split(pa, table, partition):
        parts.writer(name, rows.schema).write_table(rows, GROUP)
    return len(table)


def _split(pa: Any, table: Any, partition: str) -> Iterator[tuple[str, Any]]:
    """The rows of each partition, in their order."""
    if not len(table):
        return
    stamps = table.column("open_at_ns") if "open_at_ns" in table.column_names else None
    if stamps is None:
        stamps = pa.compute.coalesce(table.column("at_ns"), table.column("received_ns"))
    if partition == "none":
        yield "", table
        return
    low, high = pa.compute.min(stamps).as_py(), pa.compute.max(stamps).as_py()
    while low <= high:
        start, end = next_partition(partition, low)
        inside = pa.compute.and_(pa.compute.greater_equal(stamps, start), pa.compute.less(stamps, end))
        rows = table.filter(inside)
        if len(rows):
            yield partition_name(partition, start), rows
        low = end


def _take_events(parts: Parts, page: Rows[Any], partition: str) -> int:
    count = 0
    for event in page:
        at_ns = event.open_at_ns if isinstance(event, Bar) else _stamp(event)
        parts.writer(partition_name(partition, at_ns), type(event)).writerow(event)
        count += 1
    return count


def _stamp(trade: Trade) -> int:
    return trade.received_ns if trade.at_ns is None else trade.at_ns


class _CsvFile:
    """A file of bars or trades."""

    def __init__(self, path: Path, kind: type) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(BAR_CSV if kind is Bar else TRADE_CSV)

    def copy(self, row: Iterable[str]) -> None:
        """A row of such a file as it is."""
        self._rows.writerow(row)

    def writerow(self, event: Bar | Trade) -> None:
        self._rows.writerow(_bar_row(event) if isinstance(event, Bar) else _trade_row(event))

    def close(self) -> None:
        self._file.close()


def _bar_row(bar: Bar) -> list[Any]:
    numbers = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume)
    return [
        bar.open_at_ns // 1_000_000, *("" if value is None else plain(value) for value in numbers), bar.trades,
        "" if bar.taker_buy_volume is None else plain(bar.taker_buy_volume), bar.certificate, bar.revision, bar.origin,
        bar.source, bar.first_id, bar.last_id, bar.reason, bar.known_at_ns, bar.at_ns, bar.received_ns,
    ]  # fmt: skip


def _trade_row(trade: Trade) -> list[Any]:
    at_ms = "" if trade.at_ns is None else trade.at_ns // 1_000_000
    return [
        at_ms, trade.id, trade.side, plain(trade.price), plain(trade.size), trade.at_ns, trade.received_ns,
        trade.source, trade.seq, trade.first_id, trade.last_id,
    ]  # fmt: skip


def _parquet(path: Path, schema: Any) -> Any:
    """Whole numbers and decimals of 18 digits as steps from one to the next: half the size, and read in two thirds."""
    pq = optional("pyarrow.parquet", "export to parquet")
    stepped = [each.name for each in schema if _stepped(each)]
    return pq.ParquetWriter(
        path, schema, compression="zstd", store_decimal_as_integer=True,
        use_dictionary=[name for name in schema.names if name not in stepped],
        column_encoding=dict.fromkeys(stepped, "DELTA_BINARY_PACKED"),
    )  # fmt: skip


def _stepped(field: Any) -> bool:
    """Sizes of trades come again and again, and far from each other: a dictionary is shorter."""
    kind = str(field.type)
    return field.name != "size" and (kind == "int64" or (kind.startswith("decimal128") and field.type.precision <= 18))


def _arrow(path: Path, schema: Any) -> Any:
    return optional("pyarrow.ipc", "export to arrow").new_file(str(path), schema)


_OPEN: dict[str, Callable[[Path, Any], Any]] = {"csv": _CsvFile, "parquet": _parquet, "arrow": _arrow}


def _widened(partition: str, within: tuple[int, int]) -> tuple[int, int]:
    low, high = within
    if partition == "none":
        return low, high
    low = low if low == FIRST else next_partition(partition, low)[0]
    return low, high if high == LAST else next_partition(partition, high - 1)[1]


def _same_partitions(target: Path, form: str, partition: str) -> None:
    for part in parts_of(target, form):
        found = part.path.parent.name.partition("=")[0] if part.from_ns is not None else "none"
        if found != partition:
            raise ConfigError(f"{target} is partitioned by {found}, not {partition}: use the same, or another folder")
