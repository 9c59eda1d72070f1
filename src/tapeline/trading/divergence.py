"""Paper against live: what became of the same decisions in both, order by order, and in sum. Pure and exact.

Two runs of the same strategy never share a client id, and after their first difference need not decide the same any
more. So orders are paired by what was wanted, and when; those without a partner are counted, and shown.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal

import msgspec

from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.trading.outcomes import Outcome, Run

WITHIN_NS = 5_000_000_000  # how far apart two runs may decide the same, where nobody says


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. A side is None where that run did not decide it.

    `worse` is how much worse the live average price was; `cost` is that times the size that both filled, `value` what
    that size was worth on paper, in `currency`. They are None where one side filled nothing.
    """

    paper: Outcome | None
    live: Outcome | None
    worse: Decimal | None = None
    cost: Decimal | None = None
    value: Decimal | None = None
    currency: str = ""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """All pairs of one instrument: how many filled on both sides, or on one.

    `cost` is what live paid more or got less on what both filled, `worse_share` that as a fraction of its value;
    `fill_ratio` is what live filled of what paper filled, None where paper filled nothing.
    """

    instrument: str
    currency: str
    pairs: int
    both: int
    only_paper: int
    only_live: int
    cost: Decimal
    worse_share: Decimal | None
    fill_ratio: Decimal | None


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """The whole comparison, of [from_ns, to_ns); None is without end.

    Delays are medians from sending to the first fill, over orders that both sides filled; `later_ns` is how much later
    live was. Fees are all that each side paid, by currency.
    """

    from_ns: int
    to_ns: int | None
    pairs: Sequence[Pair]  # by time
    parts: Sequence[Part]
    alone_on_paper: int  # decisions without a partner
    alone_live: int
    denied_on_paper: int  # by risk, before they were orders
    denied_live: int
    paper_delay_ns: int | None
    live_delay_ns: int | None
    later_ns: int | None
    paper_fees: Mapping[str, Decimal]
    live_fees: Mapping[str, Decimal]


def divergence(
    paper: Run, live: Run, *, from_ns: int | None = None, to_ns: int | None = None, within_ns: int = WITHIN_NS
) -> Divergence:
    """Compare two runs, from when the later of them began. Decisions up to `within_ns` apart may be the same one."""
    start_ns = max(paper.begun_ns, live.begun_ns) if from_ns is None else from_ns

    def inside(at_ns: int) -> bool:
        return start_ns <= at_ns and (to_ns is None or at_ns < to_ns)

    sides = [[each for each in run.orders if inside(each.decided_ns)] for run in (paper, live)]
    denied = [sum(inside(at_ns) for at_ns in run.denied_ns) for run in (paper, live)]
    instruments = {**live.instruments, **paper.instruments}
    pairs = [_pair(one, other, instruments) for one, other in paired(*sides, within_ns=within_ns)]
    pairs.sort(key=_decided_ns)
    whole = [(pair.paper, pair.live) for pair in pairs if pair.paper is not None and pair.live is not None]
    delays = [
        (one.delay_ns, other.delay_ns)
        for one, other in whole
        if one.delay_ns is not None and other.delay_ns is not None
    ]
    return Divergence(
        from_ns=start_ns, to_ns=to_ns, pairs=pairs, parts=_parts(pairs),
        alone_on_paper=sum(pair.live is None for pair in pairs), alone_live=sum(pair.paper is None for pair in pairs),
        denied_on_paper=denied[0], denied_live=denied[1],
        paper_delay_ns=_median(one for one, _ in delays), live_delay_ns=_median(other for _, other in delays),
        later_ns=_median(other - one for one, other in delays),
        paper_fees=_fees(sides[0]), live_fees=_fees(sides[1]),
    )  # fmt: skip


def paired(
    paper: Sequence[Outcome], live: Sequence[Outcome], *, within_ns: int
) -> list[tuple[Outcome | None, Outcome | None]]:
    """Each order of one side with the one of the other that wanted the same at nearly the same time, if there is one.

    The same is: by the same strategy, of the same instrument, side, kind and place (`position`). Both in order of time.
    """
    found: list[tuple[Outcome | None, Outcome | None]] = []
    ours, theirs = _by_kind(paper), _by_kind(live)
    for key in {**ours, **theirs}:
        found += _walked(ours.get(key, []), theirs.get(key, []), within_ns)
    return found


def _by_kind(orders: Iterable[Outcome]) -> dict[tuple[str, ...], list[Outcome]]:
    found: dict[tuple[str, ...], list[Outcome]] = {}
    for each in orders:
        of = each.intent
        found.setdefault((of.strategy, of.instrument, of.side, of.kind, of.position), []).append(each)
    return found


def _walked(
    paper: Sequence[Outcome], live: Sequence[Outcome], within_ns: int
) -> list[tuple[Outcome | None, Outcome | None]]:
    """Along both at once: two that are near each other are a pair, unless one is nearer to the next of the other."""
    found: list[tuple[Outcome | None, Outcome | None]] = []
    i = j = 0
    while i < len(paper) and j < len(live):
        gap_ns = live[j].decided_ns - paper[i].decided_ns
        if gap_ns > within_ns or _nearer(paper, i, live, j):
            found.append((paper[i], None))
            i += 1
        elif gap_ns < -within_ns or _nearer(live, j, paper, i):
            found.append((None, live[j]))
            j += 1
        else:
            found.append((paper[i], live[j]))
            i, j = i + 1, j + 1
    found += [(each, None) for each in paper[i:]]
    return found + [(None, each) for each in live[j:]]


def _nearer(one: Sequence[Outcome], i: int, other: Sequence[Outcome], j: int) -> bool:
    """Whether `one[i]` has to stay alone: the next of its side is nearer to `other[j]`, and has none nearer itself."""
    if i + 1 >= len(one):
        return False
    gap_ns = abs(one[i + 1].decided_ns - other[j].decided_ns)
    if gap_ns >= abs(one[i].decided_ns - other[j].decided_ns):
        return False
    return j + 1 >= len(other) or gap_ns < abs(one[i + 1].decided_ns - other[j + 1].decided_ns)


def _pair(one: Outcome | None, other: Outcome | None, instruments: Mapping[str, Instrument]) -> Pair:
    either = one or other
    assert either is not None
    known = instruments.get(either.intent.instrument)
    currency = (known.settle or known.quote) if known is not None else ""
    if one is None or other is None or one.price is None or other.price is None:
        return Pair(paper=one, live=other, currency=currency)
    worse = ROUNDING.subtract(other.price, one.price)
    worse = worse if either.intent.side == "buy" else worse.copy_negate()
    units = min(one.filled, other.filled)
    if known is not None and known.size_unit == "contract":
        units = EXACT.multiply(units, known.contract_size)
    cost, value = ROUNDING.multiply(worse, units), ROUNDING.multiply(one.price, units)
    return Pair(paper=one, live=other, worse=worse, cost=cost, value=value, currency=currency)


def _parts(pairs: Iterable[Pair]) -> list[Part]:
    found: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs:
        if pair.paper is not None and pair.live is not None:
            found.setdefault((pair.paper.intent.instrument, pair.currency), []).append(pair)
    return [_part(name, currency, of) for (name, currency), of in found.items()]


def _part(name: str, currency: str, pairs: Sequence[Pair]) -> Part:
    filled = [tuple(each.filled if each is not None else ZERO for each in (pair.paper, pair.live)) for pair in pairs]
    on_paper, in_life = (_sum(each[at] for each in filled) for at in (0, 1))
    cost, value = (
        _sum((found or ZERO for found in each), ROUNDING)
        for each in ((pair.cost for pair in pairs), (pair.value for pair in pairs))
    )
    return Part(
        instrument=name, currency=currency, pairs=len(pairs),
        both=sum(bool(one and other) for one, other in filled),
        only_paper=sum(bool(one and not other) for one, other in filled),
        only_live=sum(bool(other and not one) for one, other in filled),
        cost=cost, worse_share=ROUNDING.divide(cost, value) if value else None,
        fill_ratio=ROUNDING.divide(in_life, on_paper) if on_paper else None,
    )  # fmt: skip


def _decided_ns(pair: Pair) -> int:
    return min(each.decided_ns for each in (pair.paper, pair.live) if each is not None)


def _median(values: Iterable[int]) -> int | None:
    ordered = sorted(values)
    return ordered[len(ordered) // 2] if ordered else None


def _fees(orders: Iterable[Outcome]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for each in orders:
        for currency, fee in each.fees.items():
            found[currency] = EXACT.add(found.get(currency, ZERO), fee)
    return found


def _sum(values: Iterable[Decimal], context: Context = EXACT) -> Decimal:
    total = ZERO
    for value in values:
        total = context.add(total, value)
    return total
