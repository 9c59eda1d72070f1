"""`tapeline gaps`: everything that is wanted and not held."""

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tapeline.model.stamp import iso
from tapeline.store.reader import open_store
from tapeline.surfaces.options import StoreFolder
from tapeline.surfaces.rows import write_rows

COLUMNS = ("instrument", "channel", "from", "to", "state", "cause")
FIELDS = ("instrument", "channel", "from_ns", "to_ns", "state", "cause")


def gaps(
    *,
    store: StoreFolder,
    json: Annotated[bool, Parameter(help="As a JSON array, times in nanoseconds.", negative=())] = False,
) -> None:
    """Print every hole of every series: missing (it can be fetched), unrecoverable, or disputed, and its cause.

    A hole reaches over the instants of the events on both its sides, of which others may be missing.

    Exit codes: 0 with holes and without.

    Example: `tapeline gaps --store ./data --json`
    """
    with open_store(store) as held:
        holes = held.holes()
    if json:
        rows = [{name: getattr(hole, name) for name in FIELDS} for hole in holes]
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
        return
    shown = (
        (hole.instrument, hole.channel, iso(hole.from_ns), iso(hole.to_ns), hole.state, hole.cause) for hole in holes
    )
    write_rows(COLUMNS, shown, "table")
