"""`tapeline import`: files of others, and our own exports and tapes, into a store."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tapeline.app.history.importing import Importing
from tapeline.app.history.intake import Asked, rows_of
from tapeline.clock import SystemClock
from tapeline.errors import ConfigError, NotHeld
from tapeline.model.instrument import Instrument
from tapeline.store.intake.row import Found, Refused
from tapeline.store.reader import open_store

SHOWN = 20  # refusals printed one by one; all of them are in the store


def import_(
    *files: Annotated[Path, Parameter(help="Zips, CSV, Parquet, Arrow, tapes, folders of them or of an export.")],
    store: Annotated[Path, Parameter(help="The store's folder; made where there is none.")],
    as_: Annotated[
        str, Parameter(name="--as", help="The instrument as VENUE:SYMBOL, where the files do not say it.")
    ] = "",
    venue: Annotated[str, Parameter(help="The venue of zips and tapes; else that of --as.")] = "",
    channel: Annotated[str, Parameter(help="trades, aggtrades or bars:1m, where the files do not say it.")] = "",
    sqlite: Annotated[Path | None, Parameter(help="A SQLite file of bars, a table a timeframe.")] = None,
    table: Annotated[str, Parameter(help="The table of --sqlite; its name says the interval, or --channel does.")] = "",
    rest: Annotated[
        list[Path] | None, Parameter(help="Recorded REST answers with a tape's instrument list.", negative=())
    ] = None,
) -> None:
    """Put bars and trades from files into a store. Importing twice changes nothing.

    Zips are a venue's own public files, held against the .CHECKSUM beside them and their name against --as; CSV has the
    columns of `build-bars` (trades) or of `bars --format csv`. A bad row is told with file, line and reason and set
    aside in the store; the rest goes on. What the store holds already stays; what differs is counted, and of trades
    kept as a dispute.

    Exit codes: 0 all taken, 1 something was refused, or an instance writes the store, 2 bad usage.

    Example: `tapeline import BTCUSDT-1m-2024-01.zip --venue binance --store ./data`
    """
    given = [*files, *([sqlite] if sqlite else ())]
    if not given or bool(sqlite) != bool(table):
        raise ConfigError("nothing to import: name files, or --sqlite FILE --table TABLE")
    asked = Asked(instrument=as_, venue=venue, channel=channel, rest=tuple(rest or ()), listed=_listed(store))
    by_table = Asked(instrument=as_, venue=venue, channel=channel, table=table)

    def rows() -> Iterator[Found]:
        for path in given:
            yield from rows_of(path, by_table if path is sqlite else asked)

    told = _Refusals()
    found = Importing(store, SystemClock(), told).run(rows())
    sys.stdout.write(f"{found.new} new, {found.held} held already, {found.differ} differ, {found.refused} refused\n")
    if found.refused:
        sys.exit(1)


class _Refusals:
    """Tells the first of them."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, row: Refused) -> None:
        self._told += 1
        if self._told <= SHOWN:
            where = f"{row.file}:{row.line}" if row.line else row.file
            sys.stderr.write(f"{where}: {row.reason}\n")
        elif self._told == SHOWN + 1:
            sys.stderr.write("more are refused: they are all in the store's `poison`\n")


def _listed(store: Path) -> dict[str, Instrument]:
    try:
        with open_store(store) as held:
            return {f"{each.venue}:{each.native}": each for each in held.instruments()}
    except NotHeld:
        return {}
