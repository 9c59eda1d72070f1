"""Evidence where ids prove nothing: our trades add up to the venue's own bar, or lie within an answer of its. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from tapeline.market.coverage import Coverage
from tapeline.market.tally import tally
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.model.interval import interval
from tapeline.model.number import ZERO, plain

SUMS = "our trades add up to the venue's own bar"
OVERLAPS = "all of an answer of the venue is held, both its ends too"
Key = tuple[int | None, str]  # seq, id: what makes two readings of a trade the same


def by_sum(channel: str, trades: Sequence[Trade], theirs: Bar, known_at_ns: int) -> Fact | None:
    """All trades we hold of the time of a closed bar: the fact that they are all there are, None where they are not.

    Sizes are positive and no trade is held twice, so that equal volumes, and equal counts where the venue tells them,
    leave no room for another. Both are compared with `==`.
    """
    if not theirs.closed:
        return None
    volume, count = sums(trades)
    if volume != theirs.volume or theirs.trades not in {None, count}:
        return None
    end_ns = interval(theirs.interval).next(theirs.open_at_ns)
    return Fact(
        theirs.instrument, channel, theirs.open_at_ns, end_ns, "proven", "sum", theirs.source, SUMS, known_at_ns
    )  # fmt: skip


def sums_of(
    channel: str, trades: Mapping[int, Sequence[Trade]], bars: Iterable[Bar], covered: Coverage, known_at_ns: int
) -> list[Fact]:
    """What these closed bars prove of trades that was not held yet, in as few facts as can be.

    The trades come by the open time of their bar. What is in dispute stays so: a sum says nothing of one trade's price.
    """
    facts: list[Fact] = []
    for bar in sorted(bars, key=lambda each: each.open_at_ns):
        end_ns = interval(bar.interval).next(bar.open_at_ns)
        spans = covered.spans(bar.open_at_ns, end_ns)
        if any(span.state == "disputed" for span in spans) or not covered.missing((bar.open_at_ns, end_ns)):
            continue
        fact = by_sum(channel, trades.get(bar.open_at_ns, ()), bar, known_at_ns)
        if fact is None:
            continue
        if facts and facts[-1].to_ns == fact.from_ns:
            facts[-1] = msgspec.structs.replace(facts[-1], to_ns=fact.to_ns)
        else:
            facts.append(fact)
    return facts


def lacking(channel: str, trades: Sequence[Trade], theirs: Bar, known_at_ns: int, *, lost: str = "") -> Fact | None:
    """Of a feed without numbers: the venue has traded more in a closed bar than we hold, so something is missing.

    `lost` says why nothing brings it back, "" where it can be asked for.
    """
    volume, count = sums(trades)
    if not theirs.closed or volume >= theirs.volume:
        return None
    told = "" if theirs.trades is None else f" in {theirs.trades} trades"
    why = f"audit: volume ours {plain(volume)} in {count} trades, theirs {plain(theirs.volume)}{told}"
    end_ns = interval(theirs.interval).next(theirs.open_at_ns)
    return Fact(
        theirs.instrument, channel, theirs.open_at_ns, end_ns, "unrecoverable" if lost else "missing", "",
        theirs.source, f"{why}; {lost}" if lost else why, known_at_ns, cause="disputed",
    )  # fmt: skip


def by_overlap(answer: Sequence[Trade], held: Collection[Key], known_at_ns: int) -> Fact | None:
    """An answer of the venue without a gap of its own, oldest first: the fact that we hold all of its time.

    None where one of its trades is not held, or where it is too short to have two ends. The instants of both ends are
    left out: others may share their stamps.
    """
    if len(answer) < 2 or any((trade.seq, trade.id) not in held for trade in answer):
        return None
    first, last = answer[0], answer[-1]
    if first.at_ns is None or last.at_ns is None or first.at_ns + 1 >= last.at_ns:
        return None
    return Fact(
        first.instrument, first.channel, first.at_ns + 1, last.at_ns, "proven", "overlap", "rest", OVERLAPS, known_at_ns
    )  # fmt: skip


def news(fact: Fact, covered: Coverage) -> list[Fact]:
    """What of a proof was not held before, disputes left alone."""
    found = []
    for low, to_ns in covered.missing((fact.from_ns, fact.to_ns)):
        from_ns = low
        disputes = [span for span in covered.spans(low, to_ns) if span.state == "disputed"]
        for begins_ns, ends_ns in (*((span.from_ns, span.to_ns) for span in disputes), (to_ns, to_ns)):
            if from_ns < begins_ns:
                found.append(msgspec.structs.replace(fact, from_ns=from_ns, to_ns=begins_ns))
            from_ns = ends_ns
    return found


def sums(trades: Sequence[Trade]) -> tuple[Decimal, int]:
    """(volume, number) of trades; an aggregate counts as many as it holds."""
    found = tally(trades)[0] if trades else None
    return (ZERO, 0) if found is None else (found.volume, found.trades)
