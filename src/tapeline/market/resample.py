"""Coarser bars from finer ones, exactly; the worst certificate of the parts is the whole's. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from tapeline.errors import BadData
from tapeline.model.event import Bar
from tapeline.model.interval import Interval
from tapeline.model.interval import interval as interval_named
from tapeline.model.number import EXACT

Doubt = Callable[[int, int], str]
"""(from_ns, to_ns) -> what is known of that time besides the parts: complete | repaired | partial."""

WORSE = ("complete", "repaired", "partial")


class Parts(NamedTuple):
    """What the parts of one whole come to, exactly. `gapless`: one after the other from its start to the last of them.

    `revised` is how many revisions after its first each has had, all together.
    """

    interval: str
    origin: str
    last_open_ns: int
    gapless: bool
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal | None
    taker_buy_volume: Decimal | None
    trades: int | None
    first_id: int | None
    last_id: int | None
    certificate: str
    revised: int
    at_ns: int | None
    received_ns: int
    known_at_ns: int


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
            yield whole_of(found[0].instrument, _parts(found, open_ns), to, open_ns, doubt)


def worst(certificates: Iterable[str]) -> str:
    """The worst of them; "", the venue's own word, is as good as complete."""
    return max((each or "complete" for each in certificates), key=WORSE.index)


def whole_of(instrument: str, parts: Parts, to: Interval, open_ns: int, doubt: Doubt | None) -> Bar:
    """The bar of `to` that starts at `open_ns`. Raises BadData where its last part reaches over its end."""
    end_ns = to.next(open_ns)
    part = interval_named(parts.interval)
    if part.next(parts.last_open_ns) > end_ns:
        raise BadData(f"a bar of {to} cannot be made of {part}: {parts.last_open_ns} reaches over its end")
    certificates = [parts.certificate]
    if parts.origin == "venue" and not (parts.gapless and part.next(parts.last_open_ns) == end_ns):
        certificates.append("partial")
    if doubt is not None:
        certificates.append(doubt(open_ns, end_ns))
    return Bar(
        instrument, f"bars:{to}" + ("" if parts.origin == "venue" else f"@{parts.origin}"), parts.at_ns,
        parts.received_ns, "built", interval=to.name, open_at_ns=open_ns, open=parts.open, high=parts.high,
        low=parts.low, close=parts.close, volume=parts.volume, quote_volume=parts.quote_volume, trades=parts.trades,
        taker_buy_volume=parts.taker_buy_volume, first_id=parts.first_id, last_id=parts.last_id, closed=True,
        certificate=worst(certificates), origin=parts.origin,
        revision=1 + parts.revised,  # a revision of any part is one of the whole
        known_at_ns=parts.known_at_ns,
    )  # fmt: skip


def _parts(found: Sequence[Bar], open_ns: int) -> Parts:
    first, last = found[0], found[-1]
    return Parts(
        first.interval, first.origin, last.open_at_ns, _gapless(found, open_ns),
        first.open, max(each.high for each in found), min(each.low for each in found), last.close,
        _total([each.volume for each in found]), _sum([each.quote_volume for each in found]),
        _sum([each.taker_buy_volume for each in found]), _count([each.trades for each in found]),
        next((each.first_id for each in found if each.first_id is not None), None),
        next((each.last_id for each in reversed(found) if each.last_id is not None), None),
        worst([each.certificate for each in found]), sum(max(0, each.revision - 1) for each in found),
        last.at_ns, max(each.received_ns for each in found),
        max(each.received_ns if each.known_at_ns is None else each.known_at_ns for each in found),
    )  # fmt: skip


def _gapless(parts: Sequence[Bar], open_ns: int) -> bool:
    step = interval_named(parts[0].interval)
    for each in parts:
        if each.open_at_ns != open_ns:
            return False
        open_ns = step.next(open_ns)
    return True


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
