"""What an archive holds and an export does not write anew: rows and facts outside of its range stay as they are."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.store.archive import Part, Parts, partition_name, parts_of
from tapeline.store.extras import optional
from tapeline.store.intake.arrow_rows import batches

Range = tuple[int, int]


def keep_rows(parts: Parts, folder: Path, form: str, partition: str, within: Range, *, beside_ns: int) -> None:
    """Take the rows of [from, to) into the new file of the partition of `beside_ns`, which replaces the old one.

    Other partitions are not written, so that theirs stay where they are.
    """
    name = partition_name(partition, beside_ns)
    for part in parts_of(folder, form):
        if part.path.parent == folder / name and within[0] < within[1]:
            _keep(parts, name, part, form, within)


def clipped(facts: Iterable[Fact], within: Range) -> Iterator[Fact]:
    """What they say of [from, to)."""
    low, high = within
    for fact in facts:
        if max(fact.from_ns, low) < min(fact.to_ns, high):
            yield msgspec.structs.replace(fact, from_ns=max(fact.from_ns, low), to_ns=min(fact.to_ns, high))


def _keep(parts: Parts, name: str, part: Part, form: str, within: Range) -> None:
    if form == "csv":
        with part.path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            kind = Bar if "start_ms" in (rows.fieldnames or ()) else Trade
            for row in rows:
                if within[0] <= _stamp_of(row) < within[1]:
                    parts.writer(name, kind).copy(row.values())
        return
    pa, compute = optional("pyarrow", f"export to {form}"), optional("pyarrow.compute", f"export to {form}")
    for batch in batches(part.path):
        table = pa.Table.from_batches([batch])
        stamps = _stamps(compute, table)
        inside = compute.and_(compute.greater_equal(stamps, within[0]), compute.less(stamps, within[1]))
        rows_inside = table.filter(inside)
        if len(rows_inside):
            parts.writer(name, rows_inside.schema).write_table(rows_inside)


def _stamps(compute: Any, table: Any) -> Any:
    if "open_at_ns" in table.column_names:
        return table.column("open_at_ns")
    return compute.coalesce(table.column("at_ns"), table.column("received_ns"))


def _stamp_of(row: dict[str, str]) -> int:
    return int(row["start_ms"]) * 1_000_000 if "start_ms" in row else int(row["at_ns"] or row["received_ns"])
