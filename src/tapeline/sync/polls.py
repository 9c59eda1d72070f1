"""What to ask in a round of polling, and what of the answers to pass on: every row since the last, in order. Pure.

A round is `begin`, then `next` and `took` in turn until `next` is None, then `rows`. Its rows go on together, so that
a stream beside it never sees half a round.
"""

from collections.abc import Sequence
from typing import Protocol

from tapeline.model.channel import Channel
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import SECOND_NS, interval
from tapeline.sync.numbering import DISORDER_NS, covered, follows, numberings
from tapeline.venues.spec import Answer, Ask, Feed, RestCall, Venue

MOST_PAGES = 20  # of a round; what is missing beyond that is a hole, which repair fills
TRIES = 3  # rounds in which a bar may be missing between others before it is passed over
SETTLED_NS = 3_200_000_000  # a venue's bar is final so long after its end
AGAIN_S = (1.0, 2.0, 4.0)  # a bar that is due and has not come
LEAST, ROOM = 50, 4  # rows of the newest page: so many times what the last round brought, and no fewer than
Row = Trade | Bar


class Poll(Protocol):
    """One series."""

    whole: bool  # whether the last round brought everything up to when it began

    def begin(self, next_place: int | None, now_ns: int, held_ns: int | None = None) -> None:
        """A new round, from this open time or id on; None: nothing is held. `now_ns` by the venue's clock; `held_ns` is
        the stamp of the last row held.
        """
        ...

    def next(self) -> Ask | None:
        """What to ask; None at the end."""
        ...

    def took(self, answers: Sequence[Answer]) -> None:
        """The answer to `next`."""
        ...

    def rows(self) -> Sequence[Row]:
        """What came, in order."""
        ...

    def due_ns(self, now_ns: int, every_ns: int) -> int:
        """When the next round is worth its while, by the venue's clock."""
        ...


def pollable(feed: Feed, call: RestCall | None) -> bool:
    """Whether REST brings a channel as whole as its stream does: by id, or by bar times."""
    return call is not None and bool(call.walk) and feed.evidence in {"ids", "count", "bars"}


def can_poll(venue: Venue, wanted: Channel) -> bool:
    """Whether a venue's channel, as it comes by wire, can be polled."""
    feed = venue.feeds.get(wanted.kind)
    return feed is not None and pollable(feed, venue.rest.get(feed.repair))


def poll_of(channel: str, native: str, call: RestCall) -> Poll:
    """The poll of a series."""
    if channel.startswith("bars:"):
        return BarsPoll(native, channel.removeprefix("bars:"), call)
    return TradesPoll(channel, native, call.page)


class BarsPoll:
    """The venue's closed bars. One request brings all that closed since the last."""

    def __init__(self, native: str, name: str, call: RestCall) -> None:
        self._native, self._step, self._page, self._sparse = native, interval(name), call.page, call.sparse
        self._bars: dict[int, Bar] = {}
        self._from_ns = self._at_ns = self._end_ns = 0
        self._next_ns: int | None = None  # the open time that is waited for
        self._short = 0  # rounds in a row that lacked what was due
        self.whole = False

    def begin(self, next_place: int | None, now_ns: int, held_ns: int | None = None) -> None:  # noqa: ARG002  # the protocol's signature
        """See `Poll`. The bar that is open now is asked for, too: behind it the one before it is surely closed."""
        step = self._step
        self._bars = {}
        self._end_ns = step.next(step.floor(now_ns))
        waited_ns = step.floor(now_ns) if self._next_ns is None else self._next_ns  # since the first round
        first_ns = waited_ns if next_place is None else next_place
        oldest_ns = self._end_ns - step.length_ns * self._page * MOST_PAGES
        self._from_ns = self._at_ns = max(first_ns, oldest_ns) if step.length_ns else first_ns

    def next(self) -> Ask | None:
        """See `Poll`."""
        if self._at_ns >= self._end_ns:
            return None
        return Ask("bars", self._native, self._step.name, self._at_ns, self._page_end_ns(), limit=self._page)

    def took(self, answers: Sequence[Answer]) -> None:
        """See `Poll`."""
        self._at_ns = self._page_end_ns()
        for bar in answers:
            if isinstance(bar, Bar) and bar.closed and self._from_ns <= bar.open_at_ns < self._end_ns:
                self._bars[bar.open_at_ns] = bar

    def rows(self) -> Sequence[Row]:
        """See `Poll`. Up to a bar that is missing between others, which the next rounds ask for again."""
        step, at_ns = self._step, self._from_ns
        opens = sorted(self._bars)
        due_ns = step.floor(self._end_ns - 1)  # the one that is open now
        if not self._sparse and self._short < TRIES:
            found = []
            while at_ns in self._bars:
                found.append(self._bars[at_ns])
                at_ns = step.next(at_ns)
        else:
            found = [self._bars[open_ns] for open_ns in opens]
            at_ns = max((step.next(open_ns) for open_ns in opens), default=at_ns)
        self.whole = at_ns >= due_ns
        self._short = 0 if self.whole else self._short + 1
        self._next_ns = at_ns
        return found

    def due_ns(self, now_ns: int, every_ns: int) -> int:  # noqa: ARG002  # the protocol's signature
        """See `Poll`: at the close of the bar that is waited for; soon, where that is over."""
        end_ns = self._step.next(self._step.floor(now_ns) if self._next_ns is None else self._next_ns)
        if end_ns + SETTLED_NS > now_ns:
            return end_ns + SETTLED_NS
        again_s = AGAIN_S[min(self._short, len(AGAIN_S)) - 1] if self._short else AGAIN_S[0]
        return now_ns + int(again_s * SECOND_NS)

    def _page_end_ns(self) -> int:
        if not self._step.length_ns:
            return self._end_ns
        return min(self._end_ns, self._at_ns + self._step.length_ns * self._page)


class TradesPoll:
    """Trades by id: the newest page, then whatever lies between it and the last one held.

    Few rows are asked for where the last round brought few. Only a page that shows the last one held proves that these
    were enough; else the whole page is asked for, as in the first round and in one after a round that failed.

    A venue may begin to number anew (`sync.numbering`). That this goes on from the last one held is shown by its number
    together with its stamp; where only one of them agrees, the rows are told as they are, and the merge finds the hole.
    """

    def __init__(self, channel: str, native: str, page: int) -> None:
        self._channel, self._native, self._page = channel, native, page
        self._limit = self._limit_after = page  # of the newest page, in this round and in the next
        self._due: int | None = None  # the id that was due as the round began
        self._held_ns: int | None = None
        self._earlier: list[list[Trade]] = []  # of numberings that have ended meanwhile
        self._rows: dict[int, Trade] = {}  # of the present one, by the first id of each
        self._at: int | None = None  # the id that is asked for next
        self._newest: int | None = None
        self._anew = False  # what is held is of an earlier numbering
        self._pages = self._idle = 0
        self.whole = False

    def begin(self, next_place: int | None, now_ns: int, held_ns: int | None = None) -> None:  # noqa: ARG002  # the protocol's signature
        """See `Poll`."""
        self._due = self._at = next_place
        self._held_ns, self._newest, self._anew = held_ns, None, False
        self._limit, self._limit_after = self._limit_after, self._page
        self._earlier, self._rows = [], {}
        self._pages = self._idle = 0

    def next(self) -> Ask | None:
        """See `Poll`."""
        if not self._pages:
            return Ask(self._channel, self._native, limit=self._limit)
        if self._at is None or self._newest is None or self._at > self._newest:
            return None
        if self._idle >= TRIES or self._pages > MOST_PAGES:
            return None
        from_id = self._at - 1 if self._at == self._due else self._at  # the last one held shows whether it is the same
        return Ask(self._channel, self._native, from_id=from_id, limit=self._page)

    def took(self, answers: Sequence[Answer]) -> None:
        """See `Poll`."""
        trades = [each for each in answers if isinstance(each, Trade) and each.seq is not None]
        if not self._pages and self._limit < self._page and not self._reaches(trades):
            self._limit = self._page
            return
        first, before = not self._pages, self._at
        self._pages += 1
        if first:
            self._newest_page(trades)
        else:
            self._filled([trade for trade in trades if not self._old(trade)])
        while self._at is not None and (row := self._rows.get(self._at)) is not None:
            self._at = covered(row)[1] + 1
        self._idle = 0 if self._at != before else self._idle + 1

    def rows(self) -> Sequence[Row]:
        """See `Poll`. Everything came only where the page showed that it reaches back to what is held."""
        rows = [self._rows[low] for low in sorted(self._rows)]
        if self._due is not None and not self._anew:
            rows = [trade for trade in rows if covered(trade)[1] >= self._due]
        reached = self._newest is not None and (self._due is None or self._anew or self._newest >= self._due - 1)
        self.whole = (
            reached and self._at is not None and self._newest is not None and self._at > self._newest
            and all(map(follows, self._earlier)) and follows(rows)
        )  # fmt: skip
        rows = [*(trade for earlier in self._earlier for trade in earlier), *rows]
        self._limit_after = min(self._page, max(LEAST, ROOM * len(rows)))
        return rows

    def due_ns(self, now_ns: int, every_ns: int) -> int:
        """See `Poll`: on the grid, a moment after it, so that bars which end there can close."""
        after_ns = now_ns - SETTLED_NS
        return after_ns - after_ns % every_ns + every_ns + SETTLED_NS

    def _reaches(self, trades: Sequence[Trade]) -> bool:
        """Whether more of the newest page would tell nothing: it shows the last one held, or has not come to it yet."""
        if self._due is None:
            return True
        last = self._due - 1
        if any(covered(trade)[0] <= last <= covered(trade)[1] and not self._late_or_early(trade) for trade in trades):
            return True
        return bool(trades) and all(covered(trade)[1] < last and not self._later(trade) for trade in trades)

    def _newest_page(self, trades: list[Trade]) -> None:
        found = numberings(trades)
        if not found:
            return
        self._newest = covered(found[-1][-1])[1]
        if self._due is None:  # nothing is held: it begins here
            self._take(found[-1][-1:])
            self._at = covered(found[-1][-1])[0]
            return
        found = self._since_held(found)
        if not found:
            return
        self._earlier, last = found[:-1], found[-1]
        self._take(last)
        lowest = covered(last[0])[0]
        if self._anew or lowest - self._due > self._page * MOST_PAGES:
            self._at = lowest  # of another numbering, or so far behind: that is a hole, and repair's

    def _since_held(self, found: Sequence[list[Trade]]) -> list[list[Trade]]:
        """What of a page is of later than what is held, as far as that is known."""
        assert self._due is not None, "only where something is held"
        held = self._held_in(found)
        if held is not None:
            self._anew = held < len(found) - 1
            if not self._anew:
                return [found[held]]
            rest = [trade for trade in found[held] if covered(trade)[1] >= self._due]
            return [rest, *found[held + 1 :]] if rest else list(found[held + 1 :])
        repeats = any(covered(trade)[1] < self._due and self._later(trade) for each in found for trade in each)
        self._anew = repeats or (len(found) > 1 and self._later(found[-1][-1]))
        ours = self._later if self._anew else lambda trade: not self._old(trade)
        return [kept for each in found if (kept := [trade for trade in each if ours(trade)])]

    def _filled(self, trades: Sequence[Trade]) -> None:
        """What lies before the newest page. The last one held may be of another time than we hold it of."""
        assert self._due is not None, "only where something is held"
        held = [trade for trade in trades if covered(trade)[0] < self._due <= covered(trade)[1] + 1]
        self._anew |= any(map(self._later, held))
        self._take(trades)

    def _take(self, trades: Sequence[Trade]) -> None:
        for trade in trades:
            self._rows.setdefault(covered(trade)[0], trade)

    def _held_in(self, found: Sequence[Sequence[Trade]]) -> int | None:
        """In which of these the last one held is: by number and stamp; by its number alone where there is but one."""
        assert self._due is not None, "only where something is held"
        last = self._due - 1
        for place in reversed(range(len(found))):
            for trade in reversed(found[place]):  # mostly among the newest
                first, end = covered(trade)
                if first <= last <= end and not self._late_or_early(trade):
                    return place
        if len(found) == 1 and covered(found[0][0])[0] <= last and not self._later(found[0][-1]):
            return 0
        return None

    def _old(self, trade: Trade) -> bool:
        """From before the last one held, and so of an earlier numbering where its number seems new."""
        if self._held_ns is None or trade.at_ns is None or self._due is None:
            return False
        return covered(trade)[1] >= self._due and trade.at_ns < self._held_ns - DISORDER_NS

    def _late_or_early(self, trade: Trade) -> bool:
        """Not of the time of the last one held."""
        if self._held_ns is None or trade.at_ns is None:
            return False
        return abs(trade.at_ns - self._held_ns) > DISORDER_NS

    def _later(self, trade: Trade) -> bool:
        """Surely from after the last one held."""
        return self._held_ns is not None and trade.at_ns is not None and trade.at_ns > self._held_ns + DISORDER_NS
