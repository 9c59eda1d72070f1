"""`tapeline bars`: closed bars of a store."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tapeline.model.event import Bar
from tapeline.model.number import plain
from tapeline.store.reader import open_store
from tapeline.surfaces.rows import write_rows

COLUMNS = (
    "start_ms", "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "certificate",
    "revision", "origin", "source",
)  # fmt: skip


def bars(
    instrument: Annotated[str, Parameter(help="The instrument as VENUE:SYMBOL.")],
    interval: Annotated[str, Parameter(help="An interval; `1m` is the venue's bar, `1m@trades` built from trades.")],
    /,
    *,
    store: Annotated[Path, Parameter(help="The store's folder.")],
    format: Annotated[Literal["table", "csv", "json"], Parameter(help="How to print.")] = "table",  # noqa: A002  # the option's name
    from_: Annotated[
        str | None, Parameter(name="--from", help="From this time on: ISO 8601 in UTC, or nanoseconds.")
    ] = None,
    to: Annotated[str | None, Parameter(help="Up to, not including, this time.")] = None,
) -> None:
    """Print closed bars of a store, oldest first.

    Exit codes: 0 also where nothing is in range, 2 where the store does not hold the series.

    Example: `tapeline bars binance:BTC/USDT 1m@trades --store ./data --format csv --from 2024-08-08T23:55:00Z`
    """
    with open_store(store) as held:
        write_rows(COLUMNS, map(_row, held.bars(instrument, interval, from_, to)), format)


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
