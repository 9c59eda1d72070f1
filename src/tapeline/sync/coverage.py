"""What is held and what is missing, as the hybrid engine sees it, and what a walk found out as facts. Pure.

The ledger's values and its arithmetic are shared with the store, so they live below: `model.fact`, `market.coverage`.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from tapeline.market.coverage import Coverage, Range
from tapeline.model.fact import CLOSED, HELD, Fact, Hole, Span, Wanted
from tapeline.sync.walk import Finding

__all__ = ["CLOSED", "HELD", "Coverage", "Fact", "Hole", "Range", "Span", "Wanted", "fact_of", "facts_of"]


def fact_of(
    instrument: str, channel: str, finding: Finding, *, known_at_ns: int, source: str = "rest", repair: bool = False
) -> Fact:
    """A finding as a fact of a series. `repair`: what is proven now was missing before, so it is `repaired`."""
    state = "repaired" if repair and finding.state == "proven" else finding.state
    return Fact(
        instrument, channel, finding.from_ns, finding.to_ns, state, finding.evidence, source, finding.why, known_at_ns,
        finding.first_seq, finding.last_seq,
    )  # fmt: skip


def facts_of(
    instrument: str, channel: str, finding: Finding, holes: Sequence[Span], *, known_at_ns: int, source: str = "rest"
) -> list[Fact]:
    """A finding as facts of a series whose holes before it were these, in order: what filled one is `repaired`.

    The rest of what is proven was never asked for before.
    """
    whole = fact_of(instrument, channel, finding, known_at_ns=known_at_ns, source=source)
    within = [hole for hole in holes if hole.from_ns < whole.to_ns and hole.to_ns > whole.from_ns]
    if whole.state != "proven" or not within:
        return [whole]
    facts, at_ns = [], whole.from_ns
    for hole in within:
        begins_ns, ends_ns = max(hole.from_ns, at_ns), min(hole.to_ns, whole.to_ns)
        if begins_ns > at_ns:
            facts.append(_part(whole, at_ns, begins_ns))
        why = f"fetched after {hole.cause}" if hole.cause else "fetched later"
        facts.append(replace(_part(whole, begins_ns, ends_ns), state="repaired", why=why))
        at_ns = ends_ns
    if at_ns < whole.to_ns:
        facts.append(_part(whole, at_ns, whole.to_ns))
    return facts


def _part(whole: Fact, from_ns: int, to_ns: int) -> Fact:
    """The numbers at its ends are known only where it ends as the whole does."""
    return replace(
        whole, from_ns=from_ns, to_ns=to_ns, first_seq=whole.first_seq if from_ns == whole.from_ns else None,
        last_seq=whole.last_seq if to_ns == whole.to_ns else None,
    )  # fmt: skip
