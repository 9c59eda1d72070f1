"""A run's trades, fills and equity as CSV or Arrow files. Money exactly, as decimals or their text."""

import csv
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tapeline.app.trade.record import Deal, Record, Trip
from tapeline.app.trade.statistics import drawdowns
from tapeline.model.number import ROUNDING, plain
from tapeline.store.extras import optional

EQUITY = ("at_ns", "equity", "drawdown", "exposed")


def tables(record: Record) -> dict[str, tuple[Sequence[str], list[tuple[Any, ...]]]]:
    """Name -> (columns, rows): trades (positions from open to flat), fills, equity."""
    lost = drawdowns(record.samples)
    return {
        "trades": (Trip.__struct_fields__, [msgspec.structs.astuple(each) for each in record.trips]),
        "fills": (Deal.__struct_fields__, [msgspec.structs.astuple(each) for each in record.deals]),
        "equity": (
            EQUITY,
            [(each.at_ns, each.equity, part, each.exposed) for each, part in zip(record.samples, lost, strict=True)],
        ),
    }


def write_csv(record: Record, folder: Path) -> list[Path]:
    """`trades.csv`, `fills.csv` and `equity.csv`; the folder is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (columns, rows) in tables(record).items():
        path = folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows([_text(each) for each in row] for row in rows)
        paths.append(path)
    return paths


def write_arrow(record: Record, folder: Path) -> list[Path]:
    """The same as Arrow IPC files, money as decimal128. Raises ConfigError where pyarrow is not installed."""
    pa = optional("pyarrow", "an Arrow file")
    ipc = optional("pyarrow.ipc", "an Arrow file")
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (columns, rows) in tables(record).items():
        path = folder / f"{name}.arrow"
        arrays = {column: _array(pa, [row[at] for row in rows]) for at, column in enumerate(columns)}
        table = pa.table(arrays)
        with pa.OSFile(str(path), "wb") as file, ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
        paths.append(path)
    return paths


def _array(pa: Any, values: list[Any]) -> Any:
    if any(isinstance(each, Decimal) for each in values):
        return pa.array([None if each is None else _quantized(each) for each in values], type=pa.decimal128(38, 12))
    return pa.array(values)


def _quantized(value: Decimal) -> Decimal:
    return value.quantize(Decimal("1e-12"), context=ROUNDING)


def _text(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    return str(value).lower() if isinstance(value, bool) else value
