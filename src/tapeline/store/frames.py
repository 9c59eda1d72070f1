"""Columns of a table: which there are, and how numbers and times come. Numbers are exact in `decimal` and `text`."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Literal

from tapeline.errors import ConfigError
from tapeline.model.number import plain
from tapeline.store.extras import optional
from tapeline.store.numbers import decimal, exact_column

Numbers = Literal["float", "decimal", "text"]
Times = Literal["ns", "utc"]
# What Arrow type a column has before the user's choice; a number is a double until then.
KINDS = {
    "open_at_ns": "time", "at_ns": "time", "received_ns": "time", "known_at_ns": "time",
    "open": "number", "high": "number", "low": "number", "close": "number", "volume": "number",
    "quote_volume": "number", "taker_buy_volume": "number", "price": "number", "size": "number",
    "trades": "count", "first_id": "count", "last_id": "count", "seq": "count", "revision": "count",
}  # fmt: skip  # every other is text
BAR_FRAME = (
    "open_at_ns", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "certificate",
    "revision",
)  # fmt: skip
TRADE_FRAME = ("at_ns", "received_ns", "id", "seq", "side", "price", "size")
# (digits, scale): the narrowest that holds a column is taken; the last holds every number a market has.
_SCALES = ((18, 8), (38, 8), (38, 18), (76, 28))


def chosen(columns: Sequence[str] | None, usual: Sequence[str], every: Sequence[str]) -> tuple[str, ...]:
    """The columns to read. Raises ConfigError for one there is not, and where none is named."""
    try:
        wanted = tuple(usual if columns is None else columns)
    except TypeError:  # no list at all
        raise ConfigError(f"columns {columns!r}: names, as text; there are {', '.join(every)}") from None
    wrong = [str(name) for name in wanted if name not in every]
    if wrong or not wanted:
        raise ConfigError(f"no column {', '.join(wrong)!r}: there are {', '.join(every)}")
    return wanted


def raw_table(columns: dict[str, Iterable[Any]]) -> Any:
    """A table of plain values by column; numbers are floats, what floats cannot hold stands in `exact` as JSON."""
    pa = optional("pyarrow", "a table")
    kinds = _types(pa)
    return pa.table({name: pa.array(values, kinds[KINDS.get(name, "text")]) for name, values in columns.items()})


def event_table(events: Iterable[Any], columns: Sequence[str]) -> Any:
    """The same from events, for what no database holds."""
    numbers = [name for name in columns if KINDS.get(name) == "number"]
    values: dict[str, list[Any]] = {name: [] for name in (*columns, "exact")}
    for event in events:
        for name in columns:
            values[name].append(getattr(event, name))
        values["exact"].append(exact_column({name: getattr(event, name) for name in numbers}))
    for name in numbers:
        values[name] = [None if value is None else float(value) for value in values[name]]
    return raw_table(dict(values))


def finished(table: Any, columns: Sequence[str], numbers: Numbers, times: Times) -> Any:
    """Columns in order, each of its type, and numbers and times as asked. `exact` is worked in and left out."""
    if numbers not in ("float", "decimal", "text") or times not in ("ns", "utc"):
        raise ConfigError(f"numbers={numbers!r}, times={times!r}: float, decimal or text; ns or utc")
    pa = optional("pyarrow", "a table")
    types = _types(pa)
    names, arrays = [], []
    for name in columns:
        kind = KINDS.get(name, "text")
        array = table.column(name)
        exact = pa.types.is_decimal(array.type)  # an archive holds decimals as they are
        array = array if exact else array.cast(types[kind])
        if kind == "number" and numbers != "float":
            array = array if exact else _exact(pa, array, _lost(pa, table, name))
            array = array if numbers == "decimal" else _texts(pa, array)
        if kind == "time" and times == "utc":
            array = array.cast(pa.timestamp("ns", "UTC"))
        names.append(name.removesuffix("_ns") if times == "utc" and kind == "time" else name)
        arrays.append(array)
    return pa.table(arrays, names=names)


def to_polars(table: Any) -> Any:
    """A polars.DataFrame. Raises ConfigError where polars is not installed."""
    return optional("polars", "to_polars()").from_arrow(table)


def to_pandas(table: Any) -> Any:
    """A pandas.DataFrame. Raises ConfigError where pandas is not installed."""
    optional("pandas", "to_pandas()")
    return table.to_pandas()


def _types(pa: Any) -> dict[str, Any]:
    return {"time": pa.int64(), "count": pa.int64(), "number": pa.float64(), "text": pa.string()}


def _lost(pa: Any, table: Any, name: str) -> dict[int, Decimal]:
    """The exact values, by row, that the floats of this column do not hold."""
    if "exact" not in table.column_names:
        return {}
    exact = table.column("exact").combine_chunks()
    if exact.null_count == len(exact):
        return {}
    rows = pa.compute.indices_nonzero(exact.is_valid()).to_pylist()
    held = table.column(name)
    found = {}
    for row in rows:
        value = decimal(held[row].as_py(), name, exact[row].as_py())
        if value is not None:
            found[row] = value
    return found


def _exact(pa: Any, array: Any, lost: dict[int, Decimal]) -> Any:
    """Doubles as decimals, by their shortest text; the rows that doubles cannot hold by their own digits."""
    optional("pyarrow.compute", "a table")
    text = array.cast(pa.string())
    if lost:
        mask = pa.array([row in lost for row in range(len(text))])
        text = pa.compute.replace_with_mask(text.combine_chunks(), mask, pa.array(map(plain, lost.values())))
    return _fitted(pa, text)


def _fitted(pa: Any, numbers: Any) -> Any:
    for digits, scale in _SCALES:
        try:
            return numbers.cast(pa.decimal128(digits, scale) if digits <= 38 else pa.decimal256(digits, scale))
        except pa.ArrowInvalid:
            continue
    raise ConfigError('a number here is larger or finer than 48 and 28 digits: read with numbers="text"')


def _texts(pa: Any, array: Any) -> Any:
    """Plain text as the command line prints it: no exponent, no trailing zeros."""
    text = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    text = text.cast(pa.string())
    bare = pa.compute.utf8_rtrim(pa.compute.utf8_rtrim(text, "0"), ".")
    odd = pa.compute.match_substring(text, "E")  # Arrow writes 1E-8 where it is shorter
    if not pa.compute.any(odd).as_py():
        return bare
    values = [plain(Decimal(each)) for each in pa.compute.filter(text, odd).to_pylist()]
    return pa.compute.replace_with_mask(bare, odd, pa.array(values, pa.string()))
