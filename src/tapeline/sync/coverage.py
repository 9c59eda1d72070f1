"""What is held and what is missing, as the hybrid engine sees it, and what a walk found out as facts. Pure.

The ledger's values and its arithmetic are shared with the store, so they live below: `model.fact`, `market.coverage`.
"""

from tapeline.market.coverage import Coverage, Range
from tapeline.model.fact import CLOSED, HELD, Fact, Hole, Span, Wanted
from tapeline.sync.walk import Finding

__all__ = ["CLOSED", "HELD", "Coverage", "Fact", "Hole", "Range", "Span", "Wanted", "fact_of"]


def fact_of(
    instrument: str, channel: str, finding: Finding, *, known_at_ns: int, source: str = "rest", repair: bool = False
) -> Fact:
    """A finding as a fact of a series. `repair`: what is proven now was missing before, so it is `repaired`."""
    state = "repaired" if repair and finding.state == "proven" else finding.state
    return Fact(
        instrument, channel, finding.from_ns, finding.to_ns, state, finding.evidence, source, finding.why, known_at_ns,
        finding.first_seq, finding.last_seq,
    )  # fmt: skip
