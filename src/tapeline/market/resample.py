"""Coarser bars from finer ones, exactly; the worst certificate of the parts is the whole's. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby

from tapeline.errors import BadData
from tapeline.model.event import Bar
from tapeline.model.interval import Interval
from tapeline.model.interval import interval as interval_named
from tapeline.model.number import EXACT

Doubt = Callable[[int, int], str]
"""(from_ns, to_ns) -> what is known of that time besides the parts: complete | repaired | partial."""

_WORSE = ("complete", "repaired", "partial")


def resample(parts: Iterable[Bar], to: Interval, doubt: Doubt | None = None) -> Iterator[Bar]:
    """Bars of `to` from closed bars of one finer interval, in order of time, of one instrument and origin.

    Of the venue's own bars every part must be there, or the whole is partial; where none traded, bars that we build
    have no part. A bar that is itself of `to` passes as it is. Raises BadData where a part does not fit into one whole.
    """
    for open_ns, group in groupby(parts, key=lambda part: to.floor(part.open_at_ns)):
        found = list(group)
        if found[0].interval == to.name:
            yield from found
        else:
            yield _whole(found, to, open_ns, doubt)


def worst(certificates: Iterable[str]) -> str:
    """The worst of them; "", the venue's own word, is as good as complete."""
    return max((each or "complete" for each in certificates), key=_WORSE.index)


def _whole(parts: Sequence[Bar], to: Interval, open_ns: int, doubt: Doubt | None) -> Bar:
    end_ns = to.next(open_ns)
    first, last = parts[0], parts[-1]
    part = interval_named(first.interval)
    if part.next(last.open_at_ns) > end_ns:
        raise BadData(f"a bar of {to} cannot be made of {first.interval}: {last.open_at_ns} reaches over its end")
    certificates = [each.certificate for each in parts]
    if first.origin == "venue" and not _gapless(parts, part, open_ns, end_ns):
        certificates.append("partial")
    if doubt is not None:
        certificates.append(doubt(open_ns, end_ns))
    known = [each.received_ns if each.known_at_ns is None else each.known_at_ns for each in parts]
    return Bar(
        first.instrument, f"bars:{to}" + ("" if first.origin == "venue" else f"@{first.origin}"),
        last.at_ns, max(each.received_ns for each in parts), "built",
        interval=to.name, open_at_ns=open_ns, open=first.open, high=max(each.high for each in parts),
        low=min(each.low for each in parts), close=last.close, volume=_total([each.volume for each in parts]),
        quote_volume=_sum([each.quote_volume for each in parts]), trades=_count([each.trades for each in parts]),
        taker_buy_volume=_sum([each.taker_buy_volume for each in parts]),
        first_id=next((each.first_id for each in parts if each.first_id is not None), None),
        last_id=next((each.last_id for each in reversed(parts) if each.last_id is not None), None),
        closed=True, certificate=worst(certificates), origin=first.origin,
        revision=1 + sum(max(0, each.revision - 1) for each in parts),  # a revision of any part is one of the whole
        known_at_ns=max(known),
    )  # fmt: skip


def _gapless(parts: Sequence[Bar], part: Interval, open_ns: int, end_ns: int) -> bool:
    expected = open_ns
    for each in parts:
        if each.open_at_ns != expected:
            return False
        expected = part.next(expected)
    return expected == end_ns


def _total(values: Sequence[Decimal]) -> Decimal:
    total = values[0]
    for value in values[1:]:
        total = EXACT.add(total, value)
    return total


def _sum(values: Sequence[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return _total(known) if len(known) == len(values) else None


def _count(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
