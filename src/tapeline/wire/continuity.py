"""How the events of a channel stand to each other: one small rule a kind of channel. Pure.

Here are those of trades and books, which are numbered; `latest` has those whose events replace each other.
A rule keeps only where its series is. `follows` is the hot path: it takes the event where it plainly comes next.
"""

from collections import OrderedDict
from enum import Enum, auto
from typing import Any, Protocol

import msgspec

from tapeline.model.event import BookDelta, BookSnapshot, Trade
from tapeline.model.verdict import APPLY, STALE, Verdict
from tapeline.venues.spec import Judge

REMEMBERED_IDS = 4096  # of a trade stream without continuity: how far back a repeat is recognised
REMEMBERED_MORE = 65_536  # while several lanes deliver, of which one may be a good deal slower

ANEW_NS = 60_000_000_000  # an older number on an event so much newer: the venue numbers anew, it is no repeat


class Place(Enum):
    """Where an event stands against the last one delivered."""

    FOLLOWS = auto()
    SEEN = auto()
    AHEAD = auto()


class Point(msgspec.Struct, frozen=True):
    """The last good point of a series."""

    at_ns: int | None
    received_ns: int
    seq: int | None


class Rule(Protocol):
    """One series' continuity."""

    cause: str  # of the Gap where an event is ahead
    waits: bool  # an event that is ahead may be filled in by another lane, or by a reordering
    provable: bool  # an event shows by itself whether any is missing before it
    overlap: bool  # several lanes deliver: what is older may be the slower one's, however much older

    def follows(self, event: Any) -> bool:
        """Take the event where it plainly comes next."""

    def place(self, event: Any) -> Place:
        """Where the event stands; changes nothing."""

    def proves(self, event: Any) -> bool:
        """Whether this event, where it FOLLOWS, shows that nothing before it is missing, even after an outage."""

    def take(self, event: Any) -> None:
        """Go on from this event."""

    def restart(self, point: Point) -> None:
        """Go on from this point of an earlier run."""

    def repeats(self, event: Any) -> bool:
        """Whether it is plainly older than what was delivered, by its number: quicker than `place`, which knows all."""

    def renews(self, held: Any, event: Any) -> bool:
        """Whether this event says more than one of the same number that is held back."""

    def order(self, event: Any) -> int:
        """Sort key among events of the series."""

    def seq_of(self, event: Any) -> int | None:
        """What a Gap names this event by, as the last good one."""

    def first_of(self, event: Any) -> int | None:
        """What a Gap names this event by, as the first good one."""


class Numbered:
    """What rules have in common whose events never change once they are numbered."""

    overlap = False
    provable = True

    def repeats(self, event: Any) -> bool:  # noqa: ARG002  # the protocol's signature
        """Not plainly."""
        return False

    def renews(self, held: Any, event: Any) -> bool:  # noqa: ARG002  # the protocol's signature
        """The other copy says the same."""
        return False


class BySeq(Numbered):
    """Trades whose `seq` grows by one."""

    cause, waits = "id_jump", True

    def __init__(self) -> None:
        self._next: int | None = None

    def follows(self, event: Trade) -> bool:
        """Take the next id."""
        due = self._next
        if due is None or event.seq != due:
            return False
        self._next = due + 1
        return True

    def repeats(self, event: Trade) -> bool:
        """By id."""
        return event.seq is not None and self._next is not None and event.seq < self._next

    def place(self, event: Trade) -> Place:
        """By id. A trade without one cannot be judged and passes."""
        if self._next is None or event.seq is None or event.seq == self._next:
            return Place.FOLLOWS
        return Place.SEEN if event.seq < self._next else Place.AHEAD

    def proves(self, event: Trade) -> bool:
        """Contiguous ids prove it."""
        return self._next is not None and event.seq is not None

    def take(self, event: Trade) -> None:
        """This is the last one now."""
        if event.seq is not None:
            self._next = event.seq + 1

    def restart(self, point: Point) -> None:
        """Go on after this point."""
        self._next = None if point.seq is None else point.seq + 1

    def order(self, event: Trade) -> int:
        """Venue order."""
        return event.seq or 0

    def seq_of(self, event: Trade) -> int | None:
        """What a Gap names as the last good one."""
        return event.seq

    first_of = seq_of


class ByIds(BySeq):
    """Merged trades that each cover first_id..last_id; the next begins right after."""

    def follows(self, event: Trade) -> bool:
        """Take the next range."""
        last = event.last_id
        if last is None or event.first_id != self._next or self._next is None:
            return False
        self._next = last + 1
        return True

    def repeats(self, event: Trade) -> bool:
        """By the end of its range."""
        return event.last_id is not None and self._next is not None and event.last_id < self._next

    def place(self, event: Trade) -> Place:
        """By range; one that overlaps what is held and goes on follows."""
        if self._next is None or event.first_id is None or event.last_id is None:
            return Place.FOLLOWS
        if event.last_id < self._next:
            return Place.SEEN
        return Place.FOLLOWS if event.first_id <= self._next else Place.AHEAD

    def proves(self, event: Trade) -> bool:
        """Contiguous ranges prove it."""
        return self._next is not None and event.first_id is not None and event.last_id is not None

    def take(self, event: Trade) -> None:
        """This is the last one now."""
        if event.last_id is not None:
            self._next = event.last_id + 1

    def order(self, event: Trade) -> int:
        """Venue order."""
        return event.first_id or 0

    def seq_of(self, event: Trade) -> int | None:
        """The last id it covers."""
        return event.last_id

    def first_of(self, event: Trade) -> int | None:
        """The first id it covers."""
        return event.first_id


class ByIdentity(Numbered):
    """Trades without continuity: repeats fall by id, or by content where there is none; nothing proves a hole."""

    cause, waits, provable = "id_jump", False, False

    def __init__(self) -> None:
        self._seen: OrderedDict[object, None] = OrderedDict()

    def follows(self, event: Any) -> bool:
        """Take it where it is new."""
        key = self._key(event)
        if key in self._seen:
            return False
        self._remember(key)
        return True

    def place(self, event: Any) -> Place:
        """New or seen; never ahead."""
        return Place.SEEN if self._key(event) in self._seen else Place.FOLLOWS

    def proves(self, event: Any) -> bool:  # noqa: ARG002  # the protocol's signature
        """Nothing can."""
        return False

    def take(self, event: Any) -> None:
        """Remember it."""
        self._remember(self._key(event))

    def restart(self, point: Point) -> None:
        """Nothing to go on from."""

    def order(self, event: Any) -> int:
        """Venue time."""
        return event.at_ns or 0

    def seq_of(self, event: Any) -> int | None:
        """What a Gap names, where there is anything."""
        return event.seq  # type: ignore[no-any-return]  # a trade's

    first_of = seq_of

    def _key(self, event: Any) -> object:
        return event.id or (event.at_ns, event.price, event.size, event.side)

    def _remember(self, key: object) -> None:
        self._seen[key] = None
        while len(self._seen) > (REMEMBERED_MORE if self.overlap else REMEMBERED_IDS):
            self._seen.popitem(last=False)


class ByContent(ByIdentity):
    """Liquidations and the like: each is an event of its own, without an id; a repeat is one that says the same."""

    def order(self, event: Any) -> int:
        """Venue time."""
        return event.at_ns or 0

    def seq_of(self, event: Any) -> int | None:  # noqa: ARG002  # the protocol's signature
        """There is none."""
        return None

    first_of = seq_of

    def _key(self, event: Any) -> object:
        return msgspec.structs.astuple(msgspec.structs.replace(event, received_ns=0, source=""))


class ByJudge(Numbered):
    """Book deltas, by the venue's own sequence rule; a snapshot starts the sequence anew."""

    cause, waits = "sequence_jump", True

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._at: int | None = None

    def follows(self, event: BookDelta | BookSnapshot) -> bool:
        """Take the next delta."""
        if self._at is None or type(event) is not BookDelta or self._judge(self._at, event) is not APPLY:
            return False
        self._at = event.last_seq
        return True

    def repeats(self, event: BookDelta | BookSnapshot) -> bool:
        """A delta that the venue's rule calls old."""
        return type(event) is BookDelta and self._at is not None and self._judge(self._at, event) is STALE

    def place(self, event: BookDelta | BookSnapshot) -> Place:
        """A snapshot is the whole state, so it follows unless it is older than what is held."""
        if self._at is None:
            return Place.FOLLOWS
        if isinstance(event, BookSnapshot):
            return Place.SEEN if event.last_seq is not None and event.last_seq < self._at else Place.FOLLOWS
        verdict = self._judge(self._at, event)
        return {Verdict.APPLY: Place.FOLLOWS, Verdict.STALE: Place.SEEN, Verdict.GAP: Place.AHEAD}[verdict]

    def proves(self, event: BookDelta | BookSnapshot) -> bool:
        """A delta that chains does; a snapshot only where nothing has moved."""
        if self._at is None or event.last_seq is None:
            return False
        return isinstance(event, BookDelta) or event.last_seq == self._at

    def take(self, event: BookDelta | BookSnapshot) -> None:
        """The state is at its last sequence now."""
        self._at = event.last_seq

    def restart(self, point: Point) -> None:
        """Go on after this point."""
        self._at = point.seq

    def order(self, event: BookDelta | BookSnapshot) -> int:
        """Venue order."""
        return event.last_seq or 0

    def seq_of(self, event: BookDelta | BookSnapshot) -> int | None:
        """Where the state is."""
        return event.last_seq

    def first_of(self, event: BookDelta | BookSnapshot) -> int | None:
        """The first update it holds."""
        return event.first_seq if event.first_seq is not None else event.last_seq
