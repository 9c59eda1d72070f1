"""One errand of a repair on its way: what it is for, how far it is, and what of its findings is news. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tapeline.app.venue import VenueDesk
from tapeline.model.event import Trade
from tapeline.model.fact import HELD, Fact
from tapeline.model.instrument import Instrument
from tapeline.sync.plan import Errand
from tapeline.sync.repair import Mending, listed
from tapeline.sync.walk import Row
from tapeline.venues.spec import RestCall

AGAIN_S = 1.0  # after an errand that failed, doubling


@dataclass(slots=True, eq=False)
class Job:
    """An errand under way."""

    desk: VenueDesk
    call: RestCall
    instrument: Instrument
    errand: Errand
    began_at: float
    mending: Mending | None = None
    doubt: bool = False  # all of it may be held: whatever comes of it, nothing that was proven is taken back
    delivering: bool = False
    delivered: int = 0
    fresh: list[Row] = field(default_factory=list)  # of these, since the ledger was told last
    trouble: str = ""
    again_s: float = AGAIN_S

    @property
    def unseen(self) -> bool:
        """Whether it is a doubt about an outage over which numbers follow each other."""
        return self.doubt and self.errand.ids is not None


def news(job: Job, facts: Sequence[Fact]) -> Sequence[Fact]:
    """Of an outage over which numbers follow: what was missed. That nothing was is no news to anybody."""
    if not job.unseen:
        return facts
    return [fact for fact in map(listed, facts) if job.delivered or fact.state not in HELD]


def length(errand: Errand) -> int:
    """How much time its holes are, in nanoseconds."""
    return sum(hole.to_ns - hole.from_ns for hole in errand.holes)


def stamp(row: Row) -> int:
    """When it was, by the venue; of a trade without that, when it came."""
    if isinstance(row, Trade):
        return row.received_ns if row.at_ns is None else row.at_ns
    return row.open_at_ns
