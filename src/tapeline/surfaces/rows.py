"""Rows to standard output as CSV, JSON lines or a table."""

import csv
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

Cell = str | int | None
TABLE_ROWS = 1000  # a table is for eyes; for more there is csv


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[Cell]], form: str) -> None:
    """Print rows; what is absent is empty in CSV and null in JSON."""
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    elif form == "json":
        encode = msgspec.json.Encoder().encode
        for row in rows:
            sys.stdout.write(encode(dict(zip(columns, row, strict=True))).decode() + "\n")
    else:
        _table(columns, iter(rows))


def _table(columns: Sequence[str], rows: Iterator[Sequence[Cell]]) -> None:
    table = Table(box=None, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in itertools.islice(rows, TABLE_ROWS):
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    wide = Console() if sys.stdout.isatty() else Console(width=250)
    wide.print(table)
    left = sum(1 for _ in rows)
    if left:
        sys.stderr.write(f"{left} more rows: narrow --from and --to, or use --format csv\n")
