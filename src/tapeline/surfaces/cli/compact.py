"""`tapeline compact`: a smaller store."""

import sys
from typing import Annotated

from cyclopts import Parameter

from tapeline.clock import SystemClock
from tapeline.model.stamp import iso
from tapeline.store.compact import compact as make_smaller
from tapeline.store.compact import duration
from tapeline.surfaces.options import StoreFolder


def compact(
    *,
    store: StoreFolder,
    keep_trades: Annotated[
        str,
        Parameter(
            name=["--keep-trades", "--keep"], help="Delete trades older than this, as 90d, 12h, 4w; none by default."
        ),
    ] = "",
    dry_run: Annotated[bool, Parameter(help="Only say what would be deleted.", negative=())] = False,
) -> None:
    """Give a store's free space back to the disk and, with --keep-trades, delete its old trades first.

    What is deleted is printed by series; it cannot be had back from the store, so `tapeline export` comes first where
    it matters. Bars, gaps and coverage stay. Exit codes: 0 done, 1 an instance writes the store, 2 bad usage.

    Example: `tapeline compact --store ./data --keep-trades 90d`
    """
    kept_ns = duration(keep_trades) if keep_trades else None
    found = make_smaller(store, SystemClock(), keep_trades_ns=kept_ns, dry_run=dry_run)
    verb = "would delete" if dry_run else "deleted"
    for each in found.deleted:
        sys.stdout.write(f"{each.instrument} {each.channel}: {verb} {each.rows} before {iso(each.before_ns)}\n")
    if not found.deleted and keep_trades:
        sys.stdout.write("no trades are that old\n")
    if not dry_run:
        sys.stdout.write(f"{found.bytes_before} bytes before, {found.bytes_after} after\n")
