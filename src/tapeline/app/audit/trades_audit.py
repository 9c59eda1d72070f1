"""What unequal bars say of the trades they were built of, where numbers alone would prove that none is missing. Pure.

A bar of ours that is not the venue's may be wrong itself, or the venue may think better of it later. So its trades are
asked for once more first (`app.repairing`). What is unequal in the next turn, too, leaves its trades in dispute.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from tapeline.app.audit.examining import Examined, Subject
from tapeline.market.coverage import Coverage
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar
from tapeline.model.fact import Fact, Span
from tapeline.model.interval import interval
from tapeline.sync.audit import AUDITED, Match, Mismatch, Unchecked, Verdict, agreed, compare_bars, disputed
from tapeline.venues.spec import Quirk

Known = Mapping[str, Coverage]  # the ledger before, by channel


def trades_judged(
    subject: Subject, found: Examined, known: Known, span: tuple[int, int], *,
    builds: Callable[[str], Sequence[str]], known_at_ns: int,
) -> tuple[list[Fact], int]:  # fmt: skip
    """Facts of the trades, and from where on the next turn is to look again, which is the end of `span` at most.

    `builds` tells the intervals that are built of a channel, all of them `known`: the shortest speaks for its trades.
    """
    facts, until_ns = list[Fact](), span[1]
    for each in found.verdicts:
        of = parse_channel(each.channel).built_from
        if not of or subject.interval != _shortest(builds(of)):
            continue
        if isinstance(each, Match):
            facts += agreed([replace(each, channel=of)], known[of], known_at_ns)
        elif isinstance(each, Unchecked):
            for name in builds(of):
                facts += _left_in_doubt(each, of, known[f"bars:{name}@{of}"], known_at_ns)
        elif _is_revised(each, found, subject.quirks):
            continue
        elif is_new(each, known):
            until_ns = min(until_ns, each.from_ns)
        else:
            facts.append(disputed(replace(each, channel=of), known_at_ns))
    return [fact for fact in facts if not is_told(fact, known)], until_ns


def is_new(verdict: Verdict, known: Known) -> bool:
    """Whether it is a mismatch of something that no audit has found unequal before."""
    if not isinstance(verdict, Mismatch):
        return False
    return not any(_audited(known[verdict.channel], verdict.from_ns, verdict.to_ns))


def is_told(fact: Fact, known: Known) -> bool:
    """Whether the ledger says so in these very words."""
    spans = known[fact.channel].spans(fact.from_ns, fact.to_ns)
    return bool(spans) and all((span.state, span.why) == (fact.state, fact.why) for span in spans)


# ---- inside ----------------------------------------------------------------------------------------------------


def _audited(before: Coverage, from_ns: int, to_ns: int) -> Iterator[Span]:
    """What an audit has found unequal."""
    for span in before.spans(from_ns, to_ns):
        if span.state == "disputed" and span.cause == AUDITED and span.why.startswith("audit: "):
            yield span


def _left_in_doubt(each: Unchecked, of: str, before: Coverage, known_at_ns: int) -> Iterator[Fact]:
    """Bars that were unequal, or part of one, and lack something by now: that it is all they lacked, nobody knows."""
    for span in _audited(before, each.from_ns, each.to_ns):
        yield Fact(
            each.instrument, of, span.from_ns, span.to_ns, "disputed", "", "rest", span.why, known_at_ns, cause=AUDITED
        )  # fmt: skip


def _is_revised(built: Mismatch, found: Examined, quirks: Sequence[Quirk]) -> bool:
    """Whether the venue's own bar, as it came live, is what we built: the venue has thought better of it since."""
    others = (
        each.ours
        for each in found.verdicts
        if isinstance(each, Mismatch) and each.from_ns == built.from_ns and not parse_channel(each.channel).built_from
    )  # fmt: skip
    return any(
        isinstance(built.ours, Bar)
        and isinstance(own, Bar)
        and isinstance(compare_bars(built.ours, own, quirks), Match)
        for own in others
    )


def _shortest(names: Sequence[str]) -> str:
    return min(names, key=lambda name: interval(name).length_ns or 1 << 62, default="")
