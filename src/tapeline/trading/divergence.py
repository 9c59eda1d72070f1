"""Paper against live: what became of the same orders in both, order by order, and in sum. Pure and exact.

The same strategy, with the same client ids, is run on paper beside live (or a live run's tape is played to it again);
the account events of both go in here. What it shows is how much of a paper result is to be believed.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from tapeline.model.account import AccountEvent, Fill, OrderUpdate
from tapeline.model.number import EXACT, ROUNDING, ZERO


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one order on one side. `price` is the average of what was filled, None where nothing was."""

    size: Decimal | None = None
    filled: Decimal = ZERO
    price: Decimal | None = None
    taken: Decimal = ZERO  # of `filled`, as a taker
    delay_ns: int | None = None  # from when it was placed to its first fill
    state: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One order on both sides. `worse` is how much worse the live price was, None where one side has none."""

    client_id: str
    instrument: str
    side: str
    paper: Outcome
    live: Outcome
    worse: Decimal | None = None


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """All orders, and sums of them.

    `cost` is what live paid more (or got less) per instrument, in its price times its size, on what both sides filled;
    `fill_ratio` is what live filled of what paper filled, None where paper filled nothing; `delay_ns` the median of how
    much later live was filled first.
    """

    orders: Sequence[Comparison]
    both: int
    only_paper: int
    only_live: int
    cost: Mapping[str, Decimal]
    fill_ratio: Decimal | None
    delay_ns: int | None


def divergence(
    paper: Iterable[AccountEvent], live: Iterable[AccountEvent], placed_ns: Mapping[str, int] | None = None
) -> Divergence:
    """Compare orders that both sides know by the same client id; `placed_ns` says when each was sent, where known."""
    sides = [_Side(events, placed_ns or {}) for events in (paper, live)]
    names = [name for name in sides[0].names if name in sides[1].names]
    rows = [_compared(name, *sides) for name in names]
    filled = [(row.paper.filled > 0, row.live.filled > 0) for row in rows]
    on_paper, in_life = (_sum([one.filled for one in side]) for side in
                         ([row.paper for row in rows], [row.live for row in rows]))  # fmt: skip
    delays = sorted(
        row.live.delay_ns - row.paper.delay_ns
        for row in rows
        if row.live.delay_ns is not None and row.paper.delay_ns is not None
    )
    return Divergence(
        orders=rows,
        both=filled.count((True, True)),
        only_paper=filled.count((True, False)),
        only_live=filled.count((False, True)),
        cost=_costs(rows),
        fill_ratio=ROUNDING.divide(in_life, on_paper) if on_paper else None,
        delay_ns=delays[len(delays) // 2] if delays else None,
    )


class _Side:
    """The orders of one side, by client id."""

    def __init__(self, events: Iterable[AccountEvent], placed_ns: Mapping[str, int]) -> None:
        self.names: dict[str, None] = {}
        self._placed_ns = placed_ns
        self._updates: dict[str, OrderUpdate] = {}
        self._first_ns: dict[str, int] = {}
        self._fills: dict[str, dict[str, Fill]] = {}  # by id, so that one seen twice is one
        for event in events:
            if isinstance(event, OrderUpdate) and event.client_id:
                self.names[event.client_id] = None
                self._first_ns.setdefault(event.client_id, event.at_ns or event.received_ns)
                self._updates[event.client_id] = event
            elif isinstance(event, Fill) and event.client_id:
                self._fills.setdefault(event.client_id, {}).setdefault(event.id, event)

    def about(self, name: str) -> tuple[str, str]:
        """(instrument, side)."""
        one = self._updates[name]
        first = next(iter(self._fills.get(name, {}).values()), None)
        return one.instrument or "", one.side or (first.side if first else "")

    def outcome(self, name: str) -> Outcome:
        """What became of this order."""
        update, fills = self._updates[name], list(self._fills.get(name, {}).values())
        value = filled = taken = ZERO
        for fill in fills:
            filled = EXACT.add(filled, fill.size)
            value = EXACT.fma(fill.price, fill.size, value)
            taken = EXACT.add(taken, fill.size) if fill.liquidity == "taker" else taken
        placed_ns = self._placed_ns.get(name, self._first_ns[name])
        times = [fill.at_ns or fill.received_ns for fill in fills]
        return Outcome(
            size=update.size, filled=filled, price=ROUNDING.divide(value, filled) if filled else None, taken=taken,
            delay_ns=min(times) - placed_ns if times else None, state=update.state,
        )  # fmt: skip


def _compared(name: str, paper: _Side, live: _Side) -> Comparison:
    instrument, side = paper.about(name)
    one, other = paper.outcome(name), live.outcome(name)
    worse = None
    if one.price is not None and other.price is not None:
        worse = ROUNDING.subtract(other.price, one.price)
        worse = worse if side == "buy" else worse.copy_negate()
    return Comparison(client_id=name, instrument=instrument, side=side, paper=one, live=other, worse=worse)


def _costs(rows: Sequence[Comparison]) -> dict[str, Decimal]:
    costs: dict[str, Decimal] = {}
    for row in rows:
        if row.worse is not None:
            common = min(row.paper.filled, row.live.filled)
            costs[row.instrument] = ROUNDING.fma(row.worse, common, costs.get(row.instrument, ZERO))
    return costs


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total
