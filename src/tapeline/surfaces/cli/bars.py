"""`tapeline bars`: closed bars of a store."""

import sys
from collections.abc import Iterator
from typing import Annotated, Literal

from cyclopts import Parameter

from tapeline.errors import NotHeld
from tapeline.model.event import Bar
from tapeline.model.number import plain
from tapeline.store.reader import open_store
from tapeline.surfaces.options import From, OneInstrument, StoreFolder, Until
from tapeline.surfaces.rows import write_rows

COLUMNS = (
    "start_ms", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "certificate",
    "revision", "origin", "source",
)  # fmt: skip


def bars(
    instrument: OneInstrument,
    interval: Annotated[str, Parameter(help="An interval; `1m` is the venue's bar, `1m@trades` built from trades.")],
    /,
    *,
    store: StoreFolder,
    format: Annotated[Literal["table", "csv", "json"], Parameter(help="How to print.")] = "table",  # noqa: A002  # the option's name
    from_: From = None,
    to: Until = None,
) -> None:
    """Print closed bars of a store, oldest first.

    Exit codes: 0 also where nothing is found, 2 for an unknown instrument, and where the venue's own bars are asked
    for and there are none: the error names what there is.

    Example: `tapeline bars binance:BTC/USDT 1m@trades --store ./data --format csv --from 2024-08-08T23:55:00Z`
    """
    with open_store(store) as held:
        try:
            found: Iterator[Bar] = held.bars(instrument, interval, from_, to)
        except NotHeld as error:
            if "@" not in interval:
                raise
            sys.stderr.write(f"tapeline: {error}\n")
            found = iter(())
        write_rows(COLUMNS, map(_row, found), format)


def _row(bar: Bar) -> list[str | int | None]:
    return [
        bar.open_at_ns // 1_000_000,
        *(None if value is None else plain(value) for value in (bar.open, bar.high, bar.low, bar.close, bar.volume)),
        None if bar.quote_volume is None else plain(bar.quote_volume),
        bar.trades,
        None if bar.taker_buy_volume is None else plain(bar.taker_buy_volume),
        bar.certificate,
        bar.revision,
        bar.origin,
        bar.source,
    ]
