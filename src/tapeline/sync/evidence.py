"""What a live stream proves, from the events of a series as the bus delivers them: facts for the ledger. Pure.

A span that is proven grows with every event and is told when somebody asks (`due`); a hole is told at once. Only what
the stream itself brought counts, or polling in its place (`polled`): other events are repairs, and who repairs writes
facts of his own. A span is of one source: where the other takes over, it ends, and the next begins at the same place.

Instants of which other trades may be missing are never claimed: those of the first event, of both events beside a
hole, and of the last one, until a later one follows.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from tapeline.model.event import Bar, Event, Gap, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.model.interval import INTERVALS
from tapeline.venues.spec import Feed

STEP_NS = 5_000_000_000  # a stamp so far before the start of what is proven: that start was from a wild stamp
WORDS = {
    "ids": "ids without a hole",
    "count": "every message covers the ids since the one before",
    "bars": "bar follows bar",
}
LIVE = "live"  # who wants it
Note = Fact | Wanted
Ids = tuple[int | None, int | None]
NO_IDS: Ids = (None, None)


class Evidence(Protocol):
    """What one series shows."""

    def take(self, event: Any) -> Sequence[Note]:
        """The next event of the series; a Gap comes before the event that ended it. Returns what it ends."""
        ...

    def polled(self, event: Any) -> Sequence[Note]:
        """The next event of the series, brought by polling."""
        ...

    def due(self) -> Sequence[Note]:
        """What has grown since this was asked last."""
        ...


def evidence_for(
    instrument: str, channel: str, feed: Feed, *, resumed: Fact | None = None, wanted_ns: int | None = None
) -> Evidence:
    """The evidence of a series on this feed; `resumed` and `wanted_ns` are where an earlier run left it."""
    span = _Span(instrument, channel, feed, resumed, wanted_ns)
    if feed.evidence in {"ids", "count"}:
        return _ByIds(span)
    if feed.evidence == "bars":
        return _ByBars(span)
    return _Unproven(span)


class _Span:
    """The proven span that grows, and from where on the series is wanted."""

    def __init__(
        self, instrument: str, channel: str, feed: Feed, resumed: Fact | None, wanted_ns: int | None
    ) -> None:  # fmt: skip
        self.instrument, self.channel, self.evidence = instrument, channel, feed.evidence
        self.lost = "" if feed.repair else f"no REST call of the venue brings {channel} back"
        self.wanted_ns = wanted_ns
        self.resumed = resumed
        self.from_ns = None if resumed is None else resumed.from_ns  # None: it begins with the next event
        self.first_seq = None if resumed is None else resumed.first_seq
        self.run = 0 if resumed is None else resumed.run
        self.source = "ws" if resumed is None else resumed.source
        self._told: tuple[int, int] | None = None  # (from, to)
        self._wanted_to_ns: int | None = None

    def begin(self, from_ns: int, received_ns: int, first_seq: int | None = None) -> None:
        """Proven from here on."""
        self.from_ns, self.run, self.first_seq = from_ns, max(1, received_ns), first_seq
        if self.wanted_ns is None:
            self.wanted_ns = from_ns

    def grown(self, to_ns: int, known_at_ns: int, last_seq: int | None = None) -> list[Note]:
        """Proven up to here: what of that is news."""
        notes: list[Note] = []
        if self.from_ns is not None and to_ns > self.from_ns and self._told != (self.from_ns, to_ns):
            self._told = (self.from_ns, to_ns)
            notes.append(
                Fact(
                    self.instrument, self.channel, self.from_ns, to_ns, "proven", self.evidence, self.source,
                    WORDS[self.evidence], known_at_ns, self.first_seq, last_seq, run=self.run,
                )
            )  # fmt: skip
        return notes + self._wanted_up_to(to_ns)

    def hole(self, from_ns: int, to_ns: int, cause: str, received_ns: int, *, ids: Ids = NO_IDS) -> list[Note]:
        """Missing, or lost for good where nothing brings it back.

        `ids` are the first and the last of what is missing, where the ends tell.
        """
        if from_ns >= to_ns:
            return []
        why = self.lost
        state = "unrecoverable" if why else "missing"
        notes: list[Note] = [
            Fact(
                self.instrument, self.channel, from_ns, to_ns, state, "", "ws", why or f"seen live: {cause}",
                received_ns, *ids, cause=cause, run=max(1, received_ns),
            )
        ]  # fmt: skip
        if not self.evidence:
            return notes
        if self.wanted_ns is None or from_ns < self.wanted_ns:
            self.wanted_ns, self._wanted_to_ns = from_ns, None
        return notes + self._wanted_up_to(to_ns)  # at once: whoever repairs goes by what is wanted

    def _wanted_up_to(self, to_ns: int) -> list[Note]:
        wanted_ns = self.wanted_ns
        if wanted_ns is None or to_ns <= wanted_ns or (self._wanted_to_ns is not None and to_ns <= self._wanted_to_ns):
            return []
        self._wanted_to_ns = to_ns
        return [Wanted(self.instrument, self.channel, wanted_ns, to_ns, LIVE, self.lost)]


class _ByIds:
    """Trades by their numbers: each covers first..last, and the next begins right after."""

    def __init__(self, span: _Span) -> None:
        self._span = span
        self._ranges = span.evidence == "count"
        resumed = span.resumed
        self._due: int | None = None if resumed is None or resumed.last_seq is None else resumed.last_seq + 1
        # The number due while polling brings them: the hot path knows none then, and so sees a change of source.
        self._parked: int | None = None
        if span.source != "ws":
            self._due, self._parked = None, self._due
        self._last: Trade | None = None
        self._before: Trade | None = None  # the one before the last: a wild stamp right before a hole says nothing

    def take(self, event: Trade | Gap) -> Sequence[Note]:
        """See `Evidence`. The hot path: a trade whose number is due."""
        if event.__class__ is Trade:
            due = self._due
            if due is not None and event.source == "ws":
                if not self._ranges:
                    if event.seq == due:
                        self._due = due + 1
                        self._before, self._last = self._last, event
                        return ()
                elif event.first_id is not None and event.first_id <= due and (event.last_id or 0) >= due:
                    self._due = event.last_id + 1  # type: ignore[operator]  # it is at least `due`
                    self._before, self._last = self._last, event
                    return ()
            return self._from("ws", event) if event.source == "ws" else ()
        assert isinstance(event, Gap), f"trades and gaps, not {event!r}"
        if event.open:
            return ()
        if self._parked is not None:
            self._due, self._parked = self._parked, None
        return self._gap(event)

    def polled(self, event: Trade) -> Sequence[Note]:
        """See `Evidence`."""
        notes = self._from("rest", event)
        self._due, self._parked = None, self._due
        return notes

    def due(self) -> Sequence[Note]:
        """See `Evidence`."""
        last, span = self._last, self._span
        if last is None:
            return ()
        at_ns = _stamp(last)
        if span.from_ns is not None and at_ns < span.from_ns - STEP_NS:
            span.begin(at_ns + 1, last.received_ns, self._first(last))
        return span.grown(at_ns, last.received_ns, self._end(last))

    def _from(self, source: str, trade: Trade) -> Sequence[Note]:
        """A trade from another source than the one before, or not the one that was due."""
        if self._parked is not None:
            self._due, self._parked = self._parked, None
        notes = list(self._turn(source, trade)) if source != self._span.source else []
        first, last, due = self._first(trade), self._end(trade), self._due
        if due is not None and first is not None and last is not None and first <= due <= last:
            self._due = last + 1
            self._before, self._last = self._last, trade
            return notes
        return [*notes, *self._other(trade)]

    def _turn(self, source: str, trade: Trade) -> Sequence[Note]:
        """What follows comes from elsewhere: the span ends at the last trade, and the next one begins there."""
        span, held_to_ns, resumed = self._span, self._held_to_ns(), self._span.resumed
        notes = self.due()
        if self._last is None and resumed is not None:  # rows that an earlier run had not told of yet
            notes = span.grown(resumed.to_ns, trade.received_ns, resumed.last_seq)
        span.source = source
        if span.from_ns is not None and held_to_ns is not None:
            span.begin(max(span.from_ns, held_to_ns), trade.received_ns, self._due)
        return notes

    def _other(self, trade: Trade) -> Sequence[Note]:
        """A trade that is not the one that was due."""
        first, last = self._first(trade), self._end(trade)
        notes: Sequence[Note] = ()
        if self._due is not None or self._last is not None:  # without a number due, the one before had none
            if last is not None and self._due is not None and last < self._due:
                return ()  # a repeat: nothing new is shown
            cause = "restart" if self._last is None else "id_jump"
            ids = _between(None if self._due is None else self._due - 1, first)
            notes = self._break(self._held_to_ns(), _stamp(trade), cause, trade.received_ns, ids=ids)
        if self._span.from_ns is None:
            self._span.begin(_stamp(trade) + 1, trade.received_ns)
        self._span.first_seq = first
        self._due = None if last is None else last + 1
        self._before, self._last = None, trade
        return notes

    def _gap(self, gap: Gap) -> Sequence[Note]:
        after_ns, before_ns = gap.after_ns, gap.before_ns
        held_to_ns = self._held_to_ns()
        if after_ns is None:
            after_ns = held_to_ns if held_to_ns is not None else before_ns
        if before_ns is None:
            before_ns = after_ns
        if after_ns is None or before_ns is None:
            return ()
        if gap.after_seq is not None and gap.before_seq == gap.after_seq + 1 and self._due == gap.before_seq:
            return ()  # nothing lies between
        ids = _between(gap.after_seq, gap.before_seq)  # none where the venue numbers anew: time has to find them
        notes = self._break(after_ns, before_ns, gap.cause, gap.received_ns, ids=ids)
        self._due = None
        return notes

    def _break(
        self, after_ns: int | None, before_ns: int, cause: str, received_ns: int, *, ids: Ids = NO_IDS
    ) -> list[Note]:
        """End the span at a hole, and begin the next one after it."""
        span = self._span
        low, high = before_ns if after_ns is None else after_ns, before_ns
        if low > high:  # the last stamp before the hole was wild, or the first one after it is
            low, high = min(self._steady_ns(high), high), low
        notes: list[Note] = []
        if span.from_ns is not None:
            known_at_ns = received_ns if self._last is None else self._last.received_ns
            held_to_ns = self._held_to_ns()
            end_ns = low if held_to_ns is None else min(low, held_to_ns)
            notes += span.grown(end_ns, known_at_ns, None if self._due is None else self._due - 1)
        notes += span.hole(low, high + 1, cause, received_ns, ids=ids)
        span.begin(high + 1, received_ns)
        span.resumed = self._last = self._before = None
        return notes

    def _held_to_ns(self) -> int | None:
        if self._last is not None:
            return _stamp(self._last)
        return None if self._span.resumed is None else self._span.resumed.to_ns

    def _steady_ns(self, otherwise_ns: int) -> int:
        """The last stamp that is surely not wild."""
        if self._before is not None:
            return _stamp(self._before)
        return otherwise_ns if self._span.from_ns is None else self._span.from_ns

    def _first(self, trade: Trade) -> int | None:
        return trade.first_id if self._ranges else trade.seq

    def _end(self, trade: Trade) -> int | None:
        return trade.last_id if self._ranges else trade.seq


class _ByBars:
    """The venue's bars by their open times. Each is whole, however late we joined inside it."""

    def __init__(self, span: _Span) -> None:
        self._span = span
        self._interval = INTERVALS[span.channel.removeprefix("bars:")]
        self._end_ns = None if span.resumed is None else span.resumed.to_ns  # of the last bar that has closed
        self._known_at_ns = 0
        self._cause = ""

    def take(self, event: Bar | Gap) -> Sequence[Note]:
        """See `Evidence`. A Gap of bars says only why; which bars are missing, the next one shows."""
        if isinstance(event, Gap):
            if not event.open:
                self._cause = event.cause
                if self._end_ns is None and event.cause == "late_start" and event.after_ns is not None:
                    self._end_ns = self._interval.floor(event.after_ns)  # it was wanted since then
                    self._span.begin(self._end_ns, event.received_ns)
            return ()
        return self._bar(event, "ws") if event.source == "ws" else ()

    def polled(self, event: Bar) -> Sequence[Note]:
        """See `Evidence`."""
        return self._bar(event, "rest")

    def _bar(self, event: Bar, source: str) -> Sequence[Note]:
        cause, self._cause = self._cause, ""
        notes: Sequence[Note] = ()
        open_ns = event.open_at_ns
        told = self._turn(source, event.received_ns) if event.closed and source != self._span.source else []
        if self._end_ns is None:
            self._begin(event)
        elif open_ns > self._end_ns:
            notes = [
                *self._span.grown(self._end_ns, self._known_at_ns or event.received_ns),
                *self._span.hole(self._end_ns, open_ns, cause or self._otherwise(), event.received_ns),
            ]
            self._begin(event)
        elif cause and open_ns < self._end_ns - STEP_NS and self._interval.next(open_ns) < self._end_ns:
            self._begin(event)  # the one before was from the future
        self._known_at_ns = event.received_ns
        if event.closed and open_ns == self._end_ns:
            self._end_ns = self._interval.next(open_ns)
        return [*told, *notes] if told else notes

    def _turn(self, source: str, received_ns: int) -> list[Note]:
        """What follows comes from elsewhere: the span ends with the last bar, and the next one begins there."""
        span, end_ns = self._span, self._end_ns
        notes = [] if end_ns is None else span.grown(end_ns, self._known_at_ns or received_ns)
        span.source = source
        if end_ns is not None:
            span.begin(end_ns, received_ns)
        return notes

    def due(self) -> Sequence[Note]:
        """See `Evidence`."""
        if self._end_ns is None or not self._known_at_ns:
            return ()
        return self._span.grown(self._end_ns, self._known_at_ns)

    def _begin(self, bar: Bar) -> None:
        self._end_ns = bar.open_at_ns
        self._span.begin(bar.open_at_ns, bar.received_ns)

    def _otherwise(self) -> str:
        return "missing_bar" if self._known_at_ns else "restart"


class _Unproven:
    """A feed that can prove nothing: only its holes are known."""

    def __init__(self, span: _Span) -> None:
        self._span = span

    def take(self, event: Event) -> Sequence[Note]:
        """See `Evidence`."""
        if not isinstance(event, Gap) or event.open or event.before_ns is None:
            return ()
        after_ns = event.before_ns if event.after_ns is None else event.after_ns
        low, high = sorted((after_ns, event.before_ns))
        return self._span.hole(low, high + 1, event.cause, event.received_ns)

    def polled(self, event: Event) -> Sequence[Note]:  # noqa: ARG002  # the protocol's signature
        """Nothing is proven by it."""
        return ()

    def due(self) -> Sequence[Note]:
        """Nothing grows."""
        return ()


def _stamp(event: Trade) -> int:
    return event.received_ns if event.at_ns is None else event.at_ns


def _between(after_id: int | None, before_id: int | None) -> Ids:
    """The first and the last id between two that are held."""
    if after_id is None or before_id is None or before_id <= after_id + 1:
        return NO_IDS
    return after_id + 1, before_id - 1
