"""Bars by what happened instead of by the clock: so many trades, so much volume, so much value. Exact and pure.

A bar ends with the trade that brings it to its measure; no trade is split, so a bar may hold more.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from tapeline.errors import ConfigError
from tapeline.market.tally import Notional, Tally, tally
from tapeline.model.event import Bar, Trade
from tapeline.model.number import plain

Measure = Callable[[Tally], Decimal]
_MEASURES: dict[str, Measure] = {
    "ticks": lambda found: Decimal(found.trades),
    "volume": lambda found: found.volume,
    "value": lambda found: found.quote_volume,
}


def activity_bars(
    trades: Iterable[Trade], by: str, size: Decimal | int, *, notional: Notional | None = None,
    hole: Callable[[int, int], bool] | None = None,
) -> Iterator[Bar]:  # fmt: skip
    """Bars of `size` ticks, volume or value (quote currency), from trades in the venue's order.

    `interval` is "ticks:100", `open_at_ns` the first trade's stamp, which several bars may share. The last is not
    `closed` where it has not reached its measure. `hole` says whether trades are missing between two stamps, both
    included: such a bar is partial. Trades without a stamp and of size zero count for nothing. Raises ConfigError.
    """
    measure = _MEASURES.get(by)
    wanted = Decimal(size)
    if measure is None or not wanted.is_finite() or wanted <= 0:
        raise ConfigError(f"bars by {by!r} of {size}: by ticks, volume or value, of more than zero")
    name = f"{by}:{plain(wanted)}"
    open_: Tally | None = None
    last: Trade | None = None
    for trade in trades:
        found = tally([trade], notional)[0] if trade.at_ns is not None else None
        if found is None:
            continue
        last = trade
        if open_ is None:
            open_ = found
        else:
            open_.merge(found)
        if measure(open_) >= wanted:
            yield _bar(open_, trade, name, hole, closed=True)
            open_ = None
    if open_ is not None and last is not None:
        yield _bar(open_, last, name, hole, closed=False)


def _bar(found: Tally, last: Trade, name: str, hole: Callable[[int, int], bool] | None, *, closed: bool) -> Bar:
    partial = not closed or (hole is not None and hole(found.open_at_ns, found.close_at_ns))
    return Bar(
        last.instrument, f"bars:{name}@{last.channel}", found.close_at_ns, found.received_ns, "built", interval=name,
        open_at_ns=found.open_at_ns, open=found.open, high=found.high, low=found.low, close=found.close,
        volume=found.volume, quote_volume=found.quote_volume, trades=found.trades,
        taker_buy_volume=found.taker_buy_volume, first_id=found.first_id, last_id=found.last_id, closed=closed,
        certificate="partial" if partial else "complete", revision=1 if closed else 0, origin=last.channel,
        known_at_ns=found.received_ns,
    )  # fmt: skip
