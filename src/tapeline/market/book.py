"""A maintained book: a snapshot and the deltas that provably follow it. What is not proven is not shown. Pure."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tapeline.errors import Impossible, Unsynchronised
from tapeline.market.levels import Levels
from tapeline.model.event import BookDelta, BookSnapshot
from tapeline.model.interval import SECOND_NS
from tapeline.model.number import plain
from tapeline.model.verdict import APPLY, GAP, STALE, Verdict

Judge = Callable[[int | None, BookDelta], Verdict]
PriceLevel = tuple[Decimal, Decimal]  # price, size

WAITING = "waiting for a snapshot"
_SIDES: tuple[Literal["bid", "ask"], ...] = ("bid", "ask")


@dataclass(frozen=True, slots=True)
class BookStatistics:
    """`stale` deltas were in the state already; `crossed` and `bad` count states given up for it; `levels` now."""

    applied: int
    snapshots: int
    stale: int
    gaps: int
    crossed: int
    bad: int
    resyncs: int
    pending: int
    levels: int


class Book:
    """One book of one instrument. Readers get exact numbers, or Unsynchronised with the reason: never stale levels.

    `judge` says how deltas follow each other (None: each is trusted); `needs_snapshot`: deltas mean nothing before a
    snapshot, and wait for it, at most `pending_max` of them.
    """

    def __init__(
        self, instrument: str, channel: str, judge: Judge | None, *, needs_snapshot: bool, pending_max: int = 20_000
    ) -> None:
        self.instrument = instrument
        self.channel = channel
        self.synchronised = False
        self.reason = WAITING  # why it is not synchronised; "" while it is
        self.sequence: int | None = None  # the venue's, of the state
        self.at_ns: int | None = None  # the venue's stamp of the state
        self._judge = judge
        self._needs_snapshot = needs_snapshot
        self._pending: deque[BookDelta] = deque(maxlen=pending_max)
        self._held: BookSnapshot | None = None  # came while no stream was there to keep it up to date
        self._bids, self._asks = Levels(1), Levels(-1)
        self._now_ns = 0
        self._good_ns: int | None = None  # when it was last known to be right
        self._applied = self._snapshots = self._stale = self._gaps = 0
        self._crossed = self._bad = self._resyncs = 0

    def apply(self, event: BookSnapshot | BookDelta, now_ns: int) -> bool:
        """Take an event of this book's channel; returns whether readers can see a change."""
        self._now_ns = now_ns
        if not isinstance(event, BookDelta):  # quick where it is one, which is nearly always
            return self._load(event)
        if not self.synchronised:
            if self._needs_snapshot or self._good_ns is not None:
                self._pending.append(event)
                held, self._held = self._held, None
                return held is not None and self._load(held)
            self._begin(None)  # the first delta starts the state, where the venue sends no snapshot
        return self._follow(event)

    def unsynchronise(self, reason: str, now_ns: int) -> None:
        """It cannot be trusted any more (the stream ended, a checksum failed): levels and waiting deltas go."""
        self._now_ns = now_ns
        self._pending.clear()
        self._held = None
        self._give_up(reason)

    @property
    def wants_snapshot(self) -> bool:
        """Whether deltas wait for a state to follow: without them one could only be too old."""
        return not self.synchronised and bool(self._pending)

    def top(self, count: int, now_ns: int | None = None) -> tuple[list[PriceLevel], list[PriceLevel]]:
        """(bids, asks), at most `count` levels a side, best first. Raises Unsynchronised."""
        self._check(now_ns)
        return self._bids.top(count), self._asks.top(count)

    def best(self, now_ns: int | None = None) -> tuple[PriceLevel | None, PriceLevel | None]:
        """(best bid, best ask), None for an empty side. Raises Unsynchronised."""
        bids, asks = self.top(1, now_ns)
        return (bids[0] if bids else None), (asks[0] if asks else None)

    def depth(self, side: Literal["bid", "ask"], now_ns: int | None = None) -> int:
        """How many levels this side has. Raises Unsynchronised."""
        self._check(now_ns)
        return len(self._bids if side == "bid" else self._asks)

    def levels(self, side: Literal["bid", "ask"], now_ns: int | None = None) -> Iterator[PriceLevel]:
        """All levels of a side, best first, one by one; apply nothing meanwhile. Raises Unsynchronised."""
        self._check(now_ns)
        return iter(self._bids if side == "bid" else self._asks)

    def __iter__(self) -> Iterator[tuple[str, Decimal, Decimal]]:
        """("bid" | "ask", price, size) of all levels, best first. Raises Unsynchronised."""
        self._check(None)
        for side, levels in (("bid", self._bids), ("ask", self._asks)):
            for price, size in levels:
                yield side, price, size

    def statistics(self) -> BookStatistics:
        """Counts since the start."""
        return BookStatistics(
            applied=self._applied,
            snapshots=self._snapshots,
            stale=self._stale,
            gaps=self._gaps,
            crossed=self._crossed,
            bad=self._bad,
            resyncs=self._resyncs,
            pending=len(self._pending),
            levels=len(self._bids) + len(self._asks),
        )

    def _load(self, event: BookSnapshot) -> bool:
        """A new state; what waited follows it."""
        was = self.synchronised
        if event.source == "rest" and was and _older(event.last_seq, self.sequence):
            self._stale += 1
            return False
        if event.source == "rest" and self._needs_snapshot and not was and not self._pending:
            self._held = event
            return False
        try:
            self._bids.load(event.bids)
            self._asks.load(event.asks)
        except Impossible as error:
            self._impossible(error)
            return was
        self._snapshots += 1
        if self._bids.crosses(self._asks):
            self._give_up_crossed()
            return was
        self._begin(event.last_seq)
        self.at_ns = event.at_ns
        self._catch_up()
        if self.synchronised:
            self._resyncs += not was and self._good_ns is not None
            self._good_ns = self._now_ns
        return was or self.synchronised

    def _catch_up(self) -> None:
        """Apply what waited for the state. Where something is missing, the rest waits for the next state."""
        waiting = list(self._pending)
        self._pending.clear()
        started_at = self.sequence
        for index, delta in enumerate(waiting):
            self._follow(delta)
            if not self.synchronised:
                if index == 0 and self._pending:  # not a gap in the stream: the snapshot was taken too early
                    self._gaps -= 1
                    self.reason = f"the snapshot, at {started_at}, is older than the stream, from {delta.first_seq}"
                self._pending.extend(waiting[index + 1 :])
                return

    def _begin(self, sequence: int | None) -> None:
        self.synchronised = True
        self.reason = ""
        self.sequence = sequence

    def _follow(self, delta: BookDelta) -> bool:
        """Apply a delta to a state that is right, if it follows."""
        verdict = APPLY if self._judge is None else self._judge(self.sequence, delta)
        if verdict is STALE:
            self._stale += 1
            return False
        if verdict is GAP:
            self._gaps += 1
            self._give_up(
                f"gap: the state is at {self.sequence}, the next delta is {delta.first_seq}..{delta.last_seq}"
            )
            self._pending.append(delta)
            return True
        try:
            self._bids.change(delta.bids)
            self._asks.change(delta.asks)
        except Impossible as error:
            self._impossible(error)
            return True
        self._applied += 1
        self.sequence = delta.last_seq
        self.at_ns = delta.at_ns
        if self._bids.crosses(self._asks):
            self._give_up_crossed()
        else:
            self._good_ns = self._now_ns
        return True

    def _impossible(self, error: Impossible) -> None:
        self._bad += 1
        self._give_up(f"impossible: {error}")

    def _give_up_crossed(self) -> None:
        self._crossed += 1
        (bid, _), (ask, _) = self._bids.top(1)[0], self._asks.top(1)[0]
        self._give_up(f"crossed: best bid {bid}, best ask {ask}")

    def _give_up(self, reason: str) -> None:
        self.synchronised = False
        self.reason = reason
        self.sequence = None
        self.at_ns = None
        self._bids.clear()
        self._asks.clear()

    def _check(self, now_ns: int | None) -> None:
        if self.synchronised:
            return
        age_s = None
        if self._good_ns is not None:
            age_s = ((self._now_ns if now_ns is None else now_ns) - self._good_ns) / SECOND_NS
        ago = "never was right" if age_s is None else f"last right {age_s:.3f} s ago"
        raise Unsynchronised(
            f"{self.channel} of {self.instrument} is not synchronised ({self.reason}); {ago}",
            reason=self.reason, age_s=age_s,
        )  # fmt: skip


def whole(book: Book, at_ns: int | None) -> BookSnapshot:
    """All of a book that is synchronised, as its stream would tell it. Raises Unsynchronised."""
    sides = [[(plain(price), plain(size)) for price, size in book.levels(side)] for side in _SIDES]
    return BookSnapshot(
        book.instrument, book.channel, at_ns, at_ns or 0, "ws", sides[0], sides[1], last_seq=book.sequence
    )


def _older(sequence: int | None, other: int | None) -> bool:
    return sequence is not None and other is not None and sequence < other
