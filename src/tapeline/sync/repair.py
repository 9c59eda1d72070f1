"""One errand on its way: what to ask next, which rows were missing, and what the ledger is to know of it. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from tapeline.model.channel import channel
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact, Stretch
from tapeline.sync.coverage import fact_of
from tapeline.sync.history import bars_walk, trades_walk
from tapeline.sync.listed_walk import ListedWalk
from tapeline.sync.numbering import DISORDER_NS
from tapeline.sync.places import NOT_GIVEN
from tapeline.sync.plan import Errand
from tapeline.sync.walk import IdsWalk, Row, Walk
from tapeline.venues.spec import Answer, Ask, RestCall


class Mending:
    """Walks over an errand's holes; what was held already on the way does not come out.

    Raises ConfigError where the venue has no history of this.
    """

    def __init__(self, errand: Errand, call: RestCall, native: str) -> None:
        self.errand = errand
        self.count = 0
        self._walk = _walk(errand, call, native)
        self._known: set[tuple[int, int, str, str]] = set()  # findings that were told
        self._looked = False

    def next(self) -> Ask | None:
        """What to ask; None at the end."""
        return self._walk.next()

    def took(self, answers: Sequence[Answer]) -> Sequence[Row]:
        """The rows of an answer that were missing, each once."""
        fresh = [row for row in self._walk.took(answers) if self._missed(row)]
        self.count += len(fresh)
        return fresh

    def asks_the_store(self, answers: Sequence[Answer]) -> bool:
        """Whether numbers brought nothing, the first time: what is held of them, `given` has to be told before that.

        A hole may hold rows that no fact speaks of: a crash came between them, or they came by number, and no list of
        the venue said yet that they are all.
        """
        ask = self._walk.next()
        if answers or self._looked or self.errand.ids is None or ask is None or ask.from_id is None:
            return False
        self._looked = True
        return True

    def given(self, held: Sequence[Trade]) -> None:
        """These are in the store: what of them seemed to be missing is not given up, and does not come out."""
        if isinstance(self._walk, IdsWalk | ListedWalk):
            self._walk.given([each for each in held if self._missed(each)])

    def failed(self, why: str) -> None:
        """There is no answer to `next` that can be read: go on without it."""
        self._walk.failed(why)

    def settled(self, known_at_ns: int) -> list[Fact]:
        """What is known since this was asked last: only of the holes, which it was all about."""
        facts = []
        for finding in self._walk.findings():
            key = (finding.from_ns, finding.to_ns, finding.state, finding.why)
            if key in self._known:
                continue
            self._known.add(key)
            whole = fact_of(
                self.errand.instrument, self.errand.channel, finding, known_at_ns=known_at_ns, repair=True
            )  # fmt: skip
            facts += [part for hole in self.errand.holes if (part := _within(whole, hole)) is not None]
        return facts

    @property
    def part(self) -> float:
        """How much of it is done, 0 to 1."""
        return self._walk.part

    def _missed(self, row: Row) -> bool:
        if isinstance(row, Bar):
            return any(hole.from_ns <= row.open_at_ns < hole.to_ns for hole in self.errand.holes)
        if self.errand.ids is None:
            return True  # by time: whoever asked looks at what is held
        return any(_lies_in(hole, row) for hole in self.errand.holes)


def _walk(errand: Errand, call: RestCall, native: str) -> Walk:
    of = channel(errand.channel)
    if of.kind == "bars":
        return bars_walk(call, native, of.interval, errand.span)
    if call.locate and call.walk:
        return ListedWalk(errand.channel, call, native, errand.span, errand.ids or (None, None))
    if errand.ids is not None and call.walk:
        # The newest first: after a cut somebody looks at these now, and a venue forgets the oldest first anyway.
        return IdsWalk(errand.channel, native, errand.ids, errand.span, call.page, newest_first=True)
    return trades_walk(errand.channel, call, native, errand.span, (None, None))


def _lies_in(hole: Stretch, trade: Trade) -> bool:
    """Whether a trade was missing in a hole whose numbers are known: by its time, and at both ends by its number."""
    low, high = ids_of(trade)
    if hole.first is None or hole.last is None:
        return False
    at_ns = trade.received_ns if trade.at_ns is None else trade.at_ns
    if hole.first <= low and high <= hole.last:
        return hole.from_ns - DISORDER_NS <= at_ns < hole.to_ns + DISORDER_NS
    return hole.from_ns < at_ns < hole.to_ns - 1  # of another numbering


def ids_of(trade: Trade) -> tuple[int, int]:
    """The first and the last of the series' own numbers that a trade covers."""
    if trade.first_id is not None and trade.last_id is not None and trade.channel == "trades":
        return trade.first_id, trade.last_id  # merged: the series counts single trades
    return trade.seq or 0, trade.seq or 0


def _within(whole: Fact, hole: Stretch) -> Fact | None:
    """What a fact says of a hole. The numbers at its ends are known only where it ends as the whole does."""
    from_ns, to_ns = max(whole.from_ns, hole.from_ns), min(whole.to_ns, hole.to_ns)
    if from_ns >= to_ns:
        return None
    why = whole.why or (f"fetched after {hole.cause}" if hole.cause else "fetched later")
    return replace(
        whole, from_ns=from_ns, to_ns=to_ns, why=why, cause="" if whole.state == "repaired" else hole.cause,
        first_seq=whole.first_seq if from_ns == whole.from_ns else None,
        last_seq=whole.last_seq if to_ns == whole.to_ns else None,
    )  # fmt: skip


def listed(fact: Fact) -> Fact:
    """A trade of an outage that seemed to have none: the venue lists it, and gives no such number."""
    if fact.state != "unrecoverable" or fact.why != NOT_GIVEN:
        return fact
    return replace(fact, state="disputed", why="the venue lists a trade that it does not give")


def unbroken(fact: Fact) -> Fact:
    """A repair that brought nothing new."""
    why = "asked for again: nothing was missing"
    return replace(fact, state="proven", why=why) if fact.state == "repaired" else fact
