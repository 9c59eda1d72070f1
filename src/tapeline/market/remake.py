"""Bars made once more from all that is held of their time, and what of them differs from those on record. Pure."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial

from msgspec.structs import replace

from tapeline.market.bars import BarBuilder
from tapeline.market.holes import END
from tapeline.market.resample import resample
from tapeline.model.event import Bar, Trade
from tapeline.model.instrument import Instrument, notional
from tapeline.model.interval import Interval, interval
from tapeline.model.number import ZERO

Range = tuple[int, int]
SAID = (
    "open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume", "first_id", "last_id",
    "certificate",
)  # fmt: skip


def remade(
    instrument: Instrument, of: str, name: str, within: Range, *, trades: Iterable[Trade] = (),
    parts: Sequence[Bar] = (), missing: Sequence[Range] = (), repaired: Sequence[Range] = (),
    carried: Decimal | None = None,
) -> list[Bar]:  # fmt: skip
    """Closed bars of interval `name` over [from_ns, to_ns), whole bars: of finer `parts`, else of `trades`.

    `missing` and `repaired` are half-open ranges of the trades channel `of`. `carried`: the close before, where bars
    without a trade are wanted too.
    """
    step = interval(name)

    def verdict(from_ns: int, to_ns: int) -> str:
        if _touch(missing, from_ns, to_ns):
            return "partial"
        return "repaired" if _touch(repaired, from_ns, to_ns) else "complete"

    if parts:
        made = list(resample([part for part in parts if part.trades], step, verdict))
        made = [replace(bar, certificate=verdict(bar.open_at_ns, step.next(bar.open_at_ns))) for bar in made]
    else:
        value = None if instrument.size_unit == "base" else partial(notional, instrument)
        builder = BarBuilder(instrument.id, [step], origin=of, notional=value, late_limit_ns=END, keep_bars=10**9)
        builder.join(within[0], continues=True)
        for trade in trades:
            builder.add(trade, trade.received_ns)
        built = builder.advance(within[1], 0)
        made = [replace(bar, certificate=verdict(bar.open_at_ns, step.next(bar.open_at_ns))) for bar in built]
    if carried is None:
        return made
    empty = Bar(
        instrument.id, f"bars:{name}@{of}", None, 0, "built", name, 0, carried, carried, carried, carried, ZERO, ZERO,
        0, ZERO, None, None, closed=True, origin=of,
    )  # fmt: skip
    return _unbroken(made, empty, within, step, verdict)


def _unbroken(
    made: Sequence[Bar], empty: Bar, within: Range, step: Interval, verdict: Callable[[int, int], str]
) -> list[Bar]:
    """The same with a bar like `empty` for every interval without a trade, at the close of the bar before."""
    found, by_open, open_ns = list[Bar](), {bar.open_at_ns: bar for bar in made}, within[0]
    while open_ns < within[1]:
        end_ns = step.next(open_ns)
        bar = by_open.get(open_ns) or replace(empty, open_at_ns=open_ns, certificate=verdict(open_ns, end_ns))
        found.append(bar)
        close = bar.close
        empty = replace(empty, open=close, high=close, low=close, close=close)
        open_ns = end_ns
    return found


def differing(made: Iterable[Bar], held: Iterable[Bar], now_ns: int) -> list[Bar]:
    """Of bars that were made again, those that say something else than those on record: as their next revision."""
    known = {bar.open_at_ns: bar for bar in held}
    found = []
    for bar in made:
        before = known.get(bar.open_at_ns)
        if before is not None and all(getattr(bar, name) == getattr(before, name) for name in SAID):
            continue
        revision = 1 if before is None else before.revision + 1
        received_ns = bar.received_ns or now_ns
        found.append(
            replace(bar, revision=revision, reason="repair", known_at_ns=now_ns, received_ns=received_ns)
        )  # fmt: skip
    return found


def _touch(ranges: Sequence[Range], from_ns: int, to_ns: int) -> bool:
    return any(low < to_ns and high > from_ns for low, high in ranges)
