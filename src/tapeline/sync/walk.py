"""Walks over a venue's history: what to ask next, what is new in an answer, and in the end what is proven. Pure.

A walk never sleeps, asks or stores: whoever drives it sends `next()`, hands the answer to `took()`, and calls
`failed()` where there was none. Which walk goes with a call is said by the venue: `RestCall.walk`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from tapeline.model.event import Bar, Trade
from tapeline.model.interval import interval as interval_named
from tapeline.sync.numbering import DISORDER_NS, covered
from tapeline.sync.places import Places, Run
from tapeline.venues.spec import Answer, Ask

Row = Bar | Trade


class Finding(msgspec.Struct, frozen=True):
    """What a walk found out of [from_ns, to_ns): proven | unrecoverable | disputed, by which evidence, and why.

    `first_seq` and `last_seq` are the numbers held at both ends of what is proven by ids.
    """

    from_ns: int
    to_ns: int
    state: str
    evidence: str = ""
    why: str = ""
    first_seq: int | None = None
    last_seq: int | None = None


class Walk(Protocol):
    """A way through a span of one series."""

    def next(self) -> Ask | None:
        """What to ask; the same until it is answered or has failed. None at the end."""
        ...

    def took(self, answers: Sequence[Answer]) -> Sequence[Row]:
        """What of the answer to `next` is new, each row once, in order within the answer."""
        ...

    def failed(self, why: str) -> None:
        """There is no answer to `next`, nor will there be: go on without it."""
        ...

    def findings(self) -> Sequence[Finding]:
        """What is known of the span, in order, without overlaps; of what no finding speaks, nothing is known."""
        ...

    @property
    def part(self) -> float:
        """How much of the span is done, 0 to 1."""
        ...


class BarsWalk:
    """Closed bars of a span, both ends on the interval's grid, in windows of `page` open times.

    An open bar ends the walk: nothing is said of it, and it is not given out. `sparse`: a venue that leaves out bars
    without trades; what is missing in its answer is no hole.
    """

    def __init__(
        self, native: str, interval: str, span: tuple[int, int], page: int, *, sparse: bool = False
    ) -> None:  # fmt: skip
        self._ask = Ask("bars", native, interval)
        self._sparse = sparse
        self._times = _BarTimes(interval, *span)
        self._places = Places(0, self._times.count, page)
        self._seen: Mapping[int, Row] = {}

    def next(self) -> Ask | None:
        """See `Walk`."""
        window = self._places.next()
        if window is None:
            return None
        first, end = window
        at_ns = self._times.at
        return msgspec.structs.replace(self._ask, from_ns=at_ns(first), to_ns=at_ns(end), limit=end - first)

    def took(self, answers: Sequence[Answer]) -> Sequence[Row]:
        """See `Walk`."""
        window = self._places.next()
        assert window is not None, "an answer to nothing"
        bars = [each for each in answers if isinstance(each, Bar)]
        still_open = [self._times.place(bar.open_at_ns) for bar in bars if not bar.closed]
        if still_open and min(still_open) >= 0:
            self._places.end_at(min(still_open))
        page = _Page(self._seen, lambda row: self._times.place(_open_of(row)))
        page.read([bar for bar in bars if bar.closed])
        fresh = _taken(page, self._places, _open_of)
        if fresh is None:
            return ()
        self._seen = page.rows
        if self._sparse and (fresh or self._places.asked_before):  # an empty page may be a slip
            for place in range(window[0], min(window[1], self._places.bounds[1])):
                if not self._places.held(place):
                    self._places.hold(place, self._times.at(place))
        self._places.settle(len(fresh), page.disputed)
        return fresh

    def failed(self, why: str) -> None:
        """See `Walk`."""
        self._places.give_up("missing", why)

    def findings(self) -> Sequence[Finding]:
        """See `Walk`."""
        at_ns = self._times.at
        found = [Finding(at_ns(run.first), at_ns(run.end), "proven", "bars") for run in self._places.runs]
        found += [
            Finding(at_ns(hole.first), at_ns(hole.end), hole.state, "", hole.why)
            for hole in self._places.holes
            if hole.state != "missing"
        ]
        return sorted(found, key=lambda each: each.from_ns)

    @property
    def part(self) -> float:
        """See `Walk`."""
        return self._places.asked_for


class IdsWalk:
    """Trades first_id..last_id, which are all there are of [from_ns, to_ns); `newest_first` from the last down.

    `first_id` None: not known, so it goes down until the trades are older than `from_ns`, or the venue has no more.
    """

    def __init__(
        self, call: str, native: str, ids: tuple[int | None, int], span: tuple[int, int], page: int, *,
        newest_first: bool = False,
    ) -> None:  # fmt: skip
        first, last = ids
        assert first is not None or newest_first, "only a walk down can do without the first id"
        self._ask = Ask(call, native)
        self._span, self._found_start = span, first is not None
        self._by_time = first is None
        self._places = Places(first or 0, last + 1, page, newest_first=newest_first)
        self._seen: Mapping[int, Row] = {}
        self._anew = ""  # why no number proves anything here

    def given(self, trades: Sequence[Trade]) -> bool:
        """These are held already: what of their numbers is in the way is not asked for. Whether any was."""
        any_ = False
        for trade in trades:
            for seq in range(covered(trade)[0], covered(trade)[1] + 1):
                if seq in self._places and not self._places.held(seq):
                    self._places.hold(seq, trade.at_ns or 0)
                    any_ = True
        return any_

    @property
    def top(self) -> int:
        """The last number."""
        return self._places.bounds[1] - 1

    def held(self, number: int) -> bool:
        """Whether this one is."""
        return self._places.held(number)

    def next(self) -> Ask | None:
        """See `Walk`."""
        window = self._places.next()
        if window is None:
            return None
        return msgspec.structs.replace(self._ask, from_id=window[0], limit=window[1] - window[0])

    def took(self, answers: Sequence[Answer]) -> Sequence[Row]:
        """See `Walk`."""
        window = self._places.next()
        assert window is not None, "an answer to nothing"
        from_ns = self._span[0]
        trades = [each for each in answers if isinstance(each, Trade) and each.seq is not None]
        older = [trade for trade in trades if (trade.at_ns or 0) < from_ns]
        if older and not self._found_start:
            self._places.begin_at(max(_seq_of(trade) for trade in older) + 1)
            self._found_start = True
        page = _Page(self._seen, _seq_of)
        page.read([trade for trade in trades if not self._by_time or (trade.at_ns or 0) >= from_ns])
        self._anew = self._anew or page.anew or self._of_another_time(trades)
        fresh = _taken(page, self._places, lambda row: row.at_ns or 0)
        if fresh is None:
            return ()
        self._seen = page.rows
        self._places.settle(len(fresh), page.disputed)
        if not self._found_start and self._places.holes and self._places.holes[-1].first == window[0]:
            self._places.holes.pop()
            self._places.begin_at(window[1])  # nothing there, twice: this is as far back as the venue goes
        return fresh

    def _of_another_time(self, trades: Sequence[Trade]) -> str:
        """Why numbers prove nothing here: one that was asked for is of a trade from after all that is missing."""
        until_ns = self._span[1] + DISORDER_NS
        late = next((each for each in trades if _seq_of(each) in self._places and (each.at_ns or 0) > until_ns), None)
        return "" if late is None else f"the venue gave number {late.seq} to a later trade: {_words(late)}"

    def failed(self, why: str) -> None:
        """See `Walk`."""
        self._places.give_up("missing", why)

    def findings(self) -> Sequence[Finding]:
        """See `Walk`. Where a number was given twice, that numbers follow each other says nothing."""
        if self._anew:
            return [Finding(*self._span, "disputed", "", self._anew)]
        first, end = self._places.bounds
        reasons = [(hole.first, hole.end, hole.state, hole.why) for hole in self._places.holes]
        if not self._found_start:
            reasons.append((first - 1, first, "unrecoverable", "the venue has no older ones"))
            first -= 1
        return spans(self._places.runs, reasons, (first, end), self._span)

    @property
    def part(self) -> float:
        """See `Walk`."""
        if self._found_start:
            return self._places.asked_for
        from_ns, to_ns = self._span
        oldest_ns = self._places.runs[0].first_ns if self._places.runs else to_ns
        return (to_ns - oldest_ns) / max(1, to_ns - from_ns)


def spans(
    runs: Sequence[Run], reasons: Sequence[tuple[int, int, str, str]], ids: tuple[int, int], span: tuple[int, int]
) -> Sequence[Finding]:
    """Runs of contiguous ids as spans of time; a hole between two of them takes the instants at both its ends."""
    (first, end), (from_ns, to_ns) = ids, span
    if first >= end and not runs:
        return [Finding(from_ns, to_ns, "proven", "ids")]
    found: list[Finding] = []
    at, at_ns = first, from_ns
    for run in [*runs, None]:
        here = end if run is None else run.first
        if here > at:  # a hole up to here
            until_ns = to_ns if run is None else run.first_ns + 1
            known = [(state, why) for a, b, state, why in reasons if a < here and b > at]
            if known and until_ns > at_ns:
                state, why = min(known)  # disputed before missing before unrecoverable
                if state != "missing":
                    found.append(Finding(at_ns, until_ns, state, "", why))
            at_ns = until_ns
        if run is None:
            break
        held_to_ns = to_ns if run.end >= end else run.last_ns
        if held_to_ns > at_ns:
            found.append(Finding(at_ns, held_to_ns, "proven", "ids", "", run.first, run.end - 1))
        at, at_ns = run.end, max(at_ns, held_to_ns)
    return found


class _Page:
    """The rows of one answer by place; a place with two different readings contradicts itself."""

    def __init__(self, before: Mapping[int, Row], place_of: Callable[[Row], int]) -> None:
        self._before, self._place_of = before, place_of
        self.rows: dict[int, Row] = {}
        self.disputed: list[tuple[int, str]] = []
        self.anew = ""  # two trades of one number, and when they were

    def read(self, rows: Sequence[Row]) -> None:
        """Sort them by place."""
        for row in rows:
            place = self._place_of(row)
            known = self.rows.get(place) or self._before.get(place)
            if known is not None and _content(known) != _content(row):
                self.disputed.append((place, f"two readings: {_words(known)} and {_words(row)}"))
                if not self.anew and abs((known.at_ns or 0) - (row.at_ns or 0)) > DISORDER_NS:
                    self.anew = (
                        f"the venue gave number {place} twice: {_words(known)}, and {_words(row)} at another time"
                    )
            self.rows.setdefault(place, row)


def _taken(page: _Page, places: Places, at_ns: Callable[[Row], int]) -> list[Row] | None:
    """The new rows of a page, now held; None where the page contradicts itself and is asked for once more."""
    if page.disputed and places.doubt():
        return None
    doubtful = {place for place, _ in page.disputed}
    page.disputed = [(place, why) for place, why in page.disputed if place in places and not places.held(place)]
    fresh = []
    for place in sorted(page.rows):
        if place in places and place not in doubtful and not places.held(place):
            fresh.append(page.rows[place])
            places.hold(place, at_ns(page.rows[place]))
    return fresh


class _BarTimes:
    """Open times by number, from `from_ns` on."""

    def __init__(self, name: str, from_ns: int, to_ns: int) -> None:
        step = interval_named(name)
        self._from_ns, self._length_ns = from_ns, step.length_ns
        self._opens: list[int] = []
        if self._length_ns:
            self.count = max(0, -(-(to_ns - from_ns) // self._length_ns))
            return
        at_ns = from_ns
        while at_ns < to_ns:
            self._opens.append(at_ns)
            at_ns = step.next(at_ns)
        self.count = len(self._opens)
        self._opens.append(at_ns)

    def at(self, place: int) -> int:
        """The open time of a bar."""
        return self._from_ns + place * self._length_ns if self._length_ns else self._opens[place]

    def place(self, open_ns: int) -> int:
        """The number of the bar that opens then; -1 for one that is not of this span."""
        if self._length_ns:
            place, off = divmod(open_ns - self._from_ns, self._length_ns)
            return -1 if off else place
        return self._opens.index(open_ns) if open_ns in self._opens[:-1] else -1


def _open_of(row: Row) -> int:
    assert isinstance(row, Bar), "bars walk over bars"
    return row.open_at_ns


def _seq_of(row: Row) -> int:
    assert isinstance(row, Trade), "ids walk over trades"
    assert row.seq is not None, "a trade without a number has no place"
    return row.seq


def _content(row: Row) -> Row:
    return msgspec.structs.replace(row, received_ns=0)


def _words(row: Row) -> str:
    if isinstance(row, Bar):
        return f"{row.open}/{row.high}/{row.low}/{row.close} {row.volume}"
    return f"{row.side} {row.size} at {row.price}"
