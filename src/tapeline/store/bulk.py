"""Bars from many trades at once by DuckDB: a million trades a second and more, equal to `BarBuilder`'s to the digit.

Where SQL could not be exact (numbers too long for its decimals, trades whose order it would have to guess), it says
so by None, and the caller takes the slow way.
"""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from tapeline.model.interval import Interval
from tapeline.store.extras import installed, optional

_FILE_COLUMNS = ("ts_ms", "id", "taker_side", "price", "qty")
# What the query below needs of a row; `place` is its place in the order of arrival.
COLUMNS = ("at_ns", "received_ns", "seq", "side", "price", "size", "first_id", "last_id")
_SOUND = """
SELECT count(*), count(seq), count(at_ns), min(at_ns),
  count(*) FILTER (side NOT IN ('buy', 'sell', '')), count(*) FILTER (size < 0 OR price IS NULL OR size IS NULL),
  count(*) FILTER (at_ns = before_at_ns AND seq < before_seq), count(*) FILTER (size = 0)
FROM (SELECT *, lag(at_ns) OVER () AS before_at_ns, lag(seq) OVER () AS before_seq FROM trades)
"""
_BARS = """
SELECT {open} AS open_at_ns, arg_min(price, place), max(price), min(price), arg_max(price, place), sum(size),
  sum({price} * {size}), sum(coalesce(last_id - first_id + 1, 1)), coalesce(sum(size) FILTER (side = 'buy'), 0),
  arg_min(coalesce(first_id, seq), place), arg_max(coalesce(last_id, seq), place), min(at_ns), max(at_ns),
  max(received_ns)
FROM (SELECT *, at_ns::HUGEINT * 9223372036854775808 + row_number() OVER () AS place FROM trades)
WHERE size > 0 GROUP BY 1 ORDER BY 1
"""


class BulkBar(NamedTuple):
    """What trades of one interval sum up to."""

    open_at_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_volume: Decimal
    first_id: int | None
    last_id: int | None
    first_at_ns: int
    last_at_ns: int
    received_ns: int


class Bulk(NamedTuple):
    """Bars in order of time, and how many trades of size zero were left out."""

    bars: list[BulkBar]
    empty: int


def available() -> bool:
    """Whether `tapeline[lake]` is installed."""
    return installed("duckdb") and installed("pyarrow.csv")


def bars_of(connection: Any, interval: Interval) -> Bulk | None:
    """Bars of the view `trades`, which has COLUMNS in order of arrival; None where SQL could not be exact."""
    duckdb = optional("duckdb", "bars in bulk")
    rows, numbered, stamped, oldest, odd, bad, turned, empty = connection.execute(_SOUND).fetchone()
    if bad or odd or turned or numbered not in {0, rows} or stamped != rows or (oldest or 0) < interval.offset_ns:
        return None
    try:
        words = {
            "{open}": _open_of(interval),
            "{price}": _wide(connection, "price"),
            "{size}": _wide(connection, "size"),
        }
        text = _BARS
        for word, expression in words.items():
            text = text.replace(word, expression)
        found = connection.execute(text).fetchall()
    except (duckdb.OutOfRangeException, duckdb.ConversionException, duckdb.BinderException):
        return None
    return Bulk([BulkBar(*(_whole(row))) for row in found], empty)


def bars_of_file(file: Path, interval: Interval) -> Bulk | None:
    """Bars of a CSV (or .csv.gz) of trades, the columns `tapeline build-bars` reads; None where it has to be read row
    by row: also for a bad row, so that the slow way names it.
    """
    pa, csv = optional("pyarrow", "bars in bulk"), optional("pyarrow.csv", "bars in bulk")
    duckdb = optional("duckdb", "bars in bulk")
    for digits, scale in ((18, 8), (38, 12)):
        number = pa.decimal128(digits, scale)
        types = {"ts_ms": pa.int64(), "id": pa.string(), "taker_side": pa.string(), "price": number, "qty": number}
        options = csv.ConvertOptions(column_types=types, strings_can_be_null=False, null_values=[""])
        try:
            with csv.open_csv(str(file), convert_options=options) as reader:
                if tuple(reader.schema.names) != _FILE_COLUMNS:
                    return None
                table = reader.read_all()
        except (pa.ArrowException, OSError):
            continue
        if table.column("price").null_count or table.column("qty").null_count or table.column("ts_ms").null_count:
            return None
        with duckdb.connect() as connection:
            connection.register("file", table)
            connection.execute(
                "CREATE VIEW trades AS SELECT ts_ms * 1000000 AS at_ns, ts_ms * 1000000 AS received_ns, "
                "CASE WHEN regexp_full_match(id, '[0-9]{1,18}') THEN id::BIGINT END AS seq, taker_side AS side, price, "
                "qty AS size, NULL::BIGINT AS first_id, NULL::BIGINT AS last_id FROM file"
            )
            return bars_of(connection, interval)
    return None


def _open_of(interval: Interval) -> str:
    if interval.length_ns:
        return f"at_ns - (at_ns - {interval.offset_ns:d}) % {interval.length_ns:d}"
    return "epoch_ns(date_trunc('month', make_timestamp_ns(at_ns)))"


def _wide(connection: Any, name: str) -> str:
    """The column in 38 digits: DuckDB multiplies decimals of 18 into 18."""
    (kind,) = connection.execute(f"SELECT typeof({name}) FROM trades LIMIT 1").fetchone() or ("DECIMAL(18,8)",)  # noqa: S608  # our names
    scale = kind.rpartition(",")[2].rstrip(")")
    return f"{name}::DECIMAL(38, {scale})"


def _whole(row: Sequence[Any]) -> list[Any]:
    """Sums of whole numbers come back as such."""
    return [*row[:7], int(row[7]), Decimal(row[8]), *row[9:]]
