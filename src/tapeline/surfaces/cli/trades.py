"""`tapeline trades`: trades of a store."""

import sys
from collections.abc import Iterator
from typing import Annotated, Literal

from cyclopts import Parameter

from tapeline.errors import NotHeld
from tapeline.model.event import Trade
from tapeline.model.number import plain
from tapeline.store.reader import open_store
from tapeline.surfaces.options import From, OneInstrument, StoreFolder, Until
from tapeline.surfaces.rows import write_rows

COLUMNS = ("ts_ms", "id", "taker_side", "price", "qty", "at_ns", "received_ns", "source")


def trades(
    instrument: OneInstrument,
    /,
    *,
    store: StoreFolder,
    format: Annotated[Literal["table", "csv", "json"], Parameter(help="How to print.")] = "table",  # noqa: A002  # the option's name
    from_: From = None,
    to: Until = None,
    channel: Annotated[
        Literal["trades", "aggtrades"] | None, Parameter(help="Which trades; else those that are held, `trades` first.")
    ] = None,
) -> None:
    """Print trades of a store, in the venue's order.

    Exit codes: 0 also where nothing is found, 2 for an unknown instrument.

    Example: `tapeline trades binance:BTC/USDT --store ./data --format csv --to 2024-08-09T00:00:00Z`
    """
    with open_store(store) as held:
        try:
            found: Iterator[Trade] = held.trades(instrument, from_, to, channel=channel or "")
        except NotHeld as error:
            sys.stderr.write(f"tapeline: {error}\n")
            found = iter(())
        write_rows(COLUMNS, map(_row, found), format)


def _row(trade: Trade) -> list[str | int | None]:
    at_ms = None if trade.at_ns is None else trade.at_ns // 1_000_000
    return [
        at_ms, trade.id, trade.side, plain(trade.price), plain(trade.size), trade.at_ns, trade.received_ns, trade.source
    ]  # fmt: skip
