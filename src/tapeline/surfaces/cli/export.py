"""`tapeline export`: series of a store to CSV, Parquet or Arrow files."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tapeline.errors import NotHeld
from tapeline.store.export import export_series
from tapeline.store.reader import Store, open_store
from tapeline.surfaces.options import From, StoreFolder, Until


def export(
    *instruments: Annotated[str, Parameter(help="Instruments as VENUE:SYMBOL; none is all of them.")],
    store: StoreFolder,
    to: Annotated[Path, Parameter(name="--to", help="The folder to write to.")],
    format: Annotated[Literal["parquet", "csv", "arrow"], Parameter(help="What to write.")] = "parquet",  # noqa: A002  # the option's name
    partition: Annotated[
        Literal["day", "month", "year", "none"], Parameter(help="A file for each of these, in a folder of its name.")
    ] = "day",
    channel: Annotated[
        list[str] | None, Parameter(help="Only these channels; repeat it for several.", negative=())
    ] = None,
    from_: From = None,
    until: Until = None,
) -> None:
    """Write series of bars and trades of a store as files, exactly: decimals in Parquet and Arrow, text in CSV.

    Files go to FOLDER/venue=V/symbol=S/channel=C/day=D/, which DuckDB, polars and pandas read as partitions, and
    `tapeline.open(FOLDER)` as a store. A range is widened to whole partitions; what is there already of it is replaced,
    but rows that are older than all that the store holds stay: an archive outlives `tapeline compact --keep-trades`.

    Example: `tapeline export binance:BTC/USDT --store ./data --to ./archive --format parquet`
    """
    with open_store(store) as held:
        wanted = _series(held, instruments, channel or ())
        for instrument, of in wanted:
            done = export_series(held, instrument, of, to, form=format, partition=partition, start=from_, end=until)
            sys.stdout.write(f"{instrument} {of}: {done.rows} rows in {len(done.files)} files\n")


def _series(held: Store, instruments: tuple[str, ...], channels: list[str] | tuple[()]) -> list[tuple[str, str]]:
    """What of it can be exported. Raises NotHeld naming what there is."""
    kept = [each for each in held.series() if each[1] in {"trades", "aggtrades"} or each[1].startswith("bars:")]
    known = {instrument for instrument, _ in kept}
    for instrument in instruments:
        if instrument not in known:
            raise NotHeld(f"the store holds no bars or trades of {instrument}; it holds {', '.join(sorted(known))}")
    found = [
        each for each in kept if (not instruments or each[0] in instruments) and (not channels or each[1] in channels)
    ]
    if not found:
        raise NotHeld(f"no such series; the store holds {', '.join(' '.join(each) for each in kept) or 'none'}")
    return found
