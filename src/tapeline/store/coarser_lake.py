"""Coarser bars of archived ones, by one query of DuckDB: in decimals that are exact, or not at all."""

from typing import Any

from tapeline.market.resample import WORSE, Doubt, Parts, whole_of
from tapeline.model.event import Bar
from tapeline.model.interval import Interval
from tapeline.store.extras import optional
from tapeline.store.series import BAR_NUMBERS

_WORST = " ".join(f"WHEN '{name}' THEN {order}" for order, name in enumerate(WORSE))
_PARTS = f"""
SELECT {{start}} AS start, count(*), min(open_at_ns), max(open_at_ns),
  count(*) FILTER ((open_at_ns - {{part_offset}}) % {{part_length}} <> 0), arg_min(origin, open_at_ns),
  arg_min(open, open_at_ns), max(high), min(low), arg_max(close, open_at_ns), sum(volume),
  CASE WHEN count(quote_volume) = count(*) THEN sum(quote_volume) END,
  CASE WHEN count(taker_buy_volume) = count(*) THEN sum(taker_buy_volume) END,
  CASE WHEN count(trades) = count(*) THEN sum(trades) END,
  arg_min(first_id, open_at_ns), arg_max(last_id, open_at_ns), max(CASE certificate {_WORST} ELSE 0 END),
  sum(greatest(revision - 1, 0)),
  CASE WHEN max(open_at_ns) FILTER (at_ns IS NOT NULL) = max(open_at_ns) THEN arg_max(at_ns, open_at_ns) END,
  max(received_ns), max(coalesce(known_at_ns, received_ns))
FROM {{files}} WHERE open_at_ns >= ? AND open_at_ns < ? GROUP BY 1 ORDER BY 1
"""  # noqa: S608  # our own names


def coarser(
    connection: Any, files: str, part: Interval, to: Interval, within: tuple[int, int], *, instrument: str,
    doubt: Doubt | None,
) -> list[Bar] | None:  # fmt: skip
    """What `resample` makes of the bars in these files, of a range of whole bars; None where SQL could not be exact."""
    duckdb = optional("duckdb", "a Parquet archive")
    columns = connection.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()  # noqa: S608  # our own names
    kinds = {name: kind for name, kind, *_ in columns}
    if not all(kinds[name].startswith("DECIMAL") for name in BAR_NUMBERS):
        return None
    text = _PARTS.format(
        start=_start_of(to), part_offset=part.offset_ns, part_length=part.length_ns, files=files
    )  # fmt: skip
    try:
        rows = connection.execute(text, list(within)).fetchall()
    except (duckdb.OutOfRangeException, duckdb.ConversionException):
        return None
    return [whole_of(instrument, _parts(row, part), to, row[0], doubt) for row in rows]


def _parts(row: tuple[Any, ...], part: Interval) -> Parts:
    start_ns, count, first_ns, last_ns, aside, origin = row[:6]
    opened, high, low, close, volume, quote_volume, taker_buy_volume = row[6:13]
    trades, first_id, last_id, worst, revised, at_ns, received_ns, known_at_ns = row[13:]
    gapless = not aside and first_ns == start_ns and count == (last_ns - first_ns) // part.length_ns + 1
    return Parts(
        part.name, origin, last_ns, gapless, opened, high, low, close, volume, quote_volume, taker_buy_volume,
        None if trades is None else int(trades), first_id, last_id, WORSE[worst], int(revised), at_ns, received_ns,
        known_at_ns,
    )  # fmt: skip


def _start_of(to: Interval) -> str:
    if to.length_ns:
        length = to.length_ns
        return f"open_at_ns - ((open_at_ns - {to.offset_ns:d}) % {length:d} + {length:d}) % {length:d}"
    return "epoch_ns(date_trunc('month', make_timestamp_ns(open_at_ns)))"
