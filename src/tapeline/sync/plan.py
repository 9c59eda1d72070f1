"""From what is missing to what is asked: near holes of a series together, cheap evidence first, newest first. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from tapeline.model.channel import channel
from tapeline.model.event import Trade
from tapeline.model.fact import Fact, Stretch
from tapeline.model.interval import interval
from tapeline.sync.history import reach
from tapeline.sync.numbering import covered
from tapeline.venues.spec import RestCall


class Errand(msgspec.Struct, frozen=True):
    """Holes of one series that one walk fills, in order of time. Bars: all of one page. Trades with ids: the same.

    Trades whose ids nobody knows are one hole an errand, to be found by time.
    """

    instrument: str
    channel: str
    holes: tuple[Stretch, ...]

    @property
    def span(self) -> tuple[int, int]:
        """From the start of the first hole to the end of the last, UTC nanoseconds."""
        return self.holes[0].from_ns, self.holes[-1].to_ns

    @property
    def ids(self) -> tuple[int, int] | None:
        """The first and the last id to ask for; None where they are not known."""
        firsts = [hole.first for hole in self.holes if hole.numbered and hole.first is not None]
        lasts = [hole.last for hole in self.holes if hole.numbered and hole.last is not None]
        return (min(firsts), max(lasts)) if len(firsts) == len(self.holes) else None

    def misses(self, trades: Iterable[Trade]) -> bool:
        """Whether all of these have the numbers that are missing; others may be of another numbering, or held."""
        ids = self.ids
        return ids is not None and all(ids[0] <= covered(each)[0] and covered(each)[1] <= ids[1] for each in trades)


def errands(instrument: str, name: str, call: RestCall, missing: Iterable[Stretch]) -> list[Errand]:
    """What to do about the holes of one series, given in order of time."""
    holes = [_aligned(name, hole) for hole in missing]
    found: list[list[Stretch]] = []
    for hole in holes:
        if found and _one_page(name, call, found[-1], hole):
            found[-1].append(hole)
        else:
            found.append([hole])
    return [Errand(instrument, name, tuple(group)) for group in found]


def precedence(errand: Errand) -> tuple[bool, int]:
    """Sort key: bars before trades, as one request brings hundreds; then what ended last, as somebody looks at it."""
    return not errand.channel.startswith("bars:"), -errand.span[1]


def too_old(errand: Errand, call: RestCall, now_ns: int, known_at_ns: int) -> tuple[list[Fact], Errand | None]:
    """What of an errand the venue has no more, as facts, and what is left of it."""
    facts, left = list[Fact](), list[Stretch]()
    for hole in errand.holes:
        lost, (from_ns, to_ns) = reach(call, (hole.from_ns, hole.to_ns), now_ns)
        if lost is not None:
            facts.append(
                Fact(
                    errand.instrument, errand.channel, lost.from_ns, lost.to_ns, lost.state, "", "rest", lost.why,
                    known_at_ns, cause=hole.cause,
                )
            )  # fmt: skip
        if from_ns < to_ns:  # where it was cut, nobody knows the first id any more
            first = hole.first if lost is None else None
            left.append(msgspec.structs.replace(hole, from_ns=from_ns, first=first))
    return facts, Errand(errand.instrument, errand.channel, tuple(left)) if left else None


def _aligned(name: str, hole: Stretch) -> Stretch:
    """A hole of bars from open time to open time."""
    of = channel(name)
    if of.kind != "bars":
        return hole
    step = interval(of.interval)
    to_ns = step.floor(hole.to_ns)
    return msgspec.structs.replace(
        hole, from_ns=step.floor(hole.from_ns), to_ns=to_ns if to_ns == hole.to_ns else step.next(to_ns)
    )


def _one_page(name: str, call: RestCall, group: Sequence[Stretch], hole: Stretch) -> bool:
    of = channel(name)
    if of.kind == "bars":
        length_ns = interval(of.interval).length_ns
        return bool(length_ns) and hole.to_ns - group[0].from_ns <= length_ns * call.page
    if hole.last is None or hole.first is None or not all(each.numbered for each in group):
        return False
    lowest = group[0].first
    return lowest is not None and lowest < hole.first and hole.last - lowest < call.page
