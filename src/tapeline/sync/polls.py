"""What to ask in a round of polling, and what of the answers to pass on: every row since the last, in order. Pure.

A round is `begin`, then `next` and `took` in turn until `next` is None, then `rows`. Its rows go on together, so that
a stream beside it never sees half a round.
"""

from collections.abc import Sequence
from typing import Protocol

from tapeline.model.channel import Channel
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import SECOND_NS, interval
from tapeline.venues.spec import Answer, Ask, Feed, RestCall, Venue

MOST_PAGES = 20  # of a round; what is missing beyond that is a hole, which repair fills
DISORDER_NS = 5_000_000_000  # stamps of neighbouring trades may be out of order by so much
ANEW_NS = 60_000_000_000  # an older number on a trade so much newer: the venue numbers anew
TRIES = 3  # rounds in which a bar may be missing between others before it is passed over
SETTLED_NS = 3_200_000_000  # a venue's bar is final so long after its end
AGAIN_S = (1.0, 2.0, 4.0)  # a bar that is due and has not come
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

    A venue may begin to number anew. Rows are what they seem only where their stamps agree: a higher number on an older
    stamp is from before that, and a lower one on a much newer stamp from after it.
    """

    def __init__(self, channel: str, native: str, page: int) -> None:
        self._channel, self._native, self._page = channel, native, page
        self._rows: dict[int, Trade] = {}
        self._from: int | None = None  # the id that was due as the round began
        self._held_ns: int | None = None
        self._at: int | None = None  # the id that is due
        self._newest: int | None = None
        self._pages = self._idle = 0
        self.whole = False

    def begin(self, next_place: int | None, now_ns: int, held_ns: int | None = None) -> None:  # noqa: ARG002  # the protocol's signature
        """See `Poll`."""
        self._from = self._at = next_place
        self._held_ns = held_ns
        self._rows, self._newest, self._pages, self._idle = {}, None, 0, 0

    def next(self) -> Ask | None:
        """See `Poll`."""
        if not self._pages:
            return Ask(self._channel, self._native, limit=self._page)
        if self._at is None or self._newest is None or self._at > self._newest:
            return None
        if self._idle >= TRIES or self._pages > MOST_PAGES:
            return None
        return Ask(self._channel, self._native, from_id=self._at, limit=self._page)

    def took(self, answers: Sequence[Answer]) -> None:
        """See `Poll`."""
        trades = [each for each in answers if isinstance(each, Trade) and each.seq is not None and not self._old(each)]
        first = not self._pages
        self._pages += 1
        if first and trades:
            trades = self._newest_page(trades)
        before = self._at
        for trade in trades:
            self._rows.setdefault(_ids(trade)[0], trade)
        while self._at is not None and (row := self._rows.get(self._at)) is not None:
            self._at = _ids(row)[1] + 1
        self._idle = 0 if self._at != before else self._idle + 1

    def rows(self) -> Sequence[Row]:
        """See `Poll`. Everything came only where the page showed that it reaches back to what is held."""
        reached = self._newest is not None and (self._from is None or self._newest >= self._from - 1)
        self.whole = reached and self._at is not None and self._newest is not None and self._at > self._newest
        trades = [self._rows[low] for low in sorted(self._rows)]
        return [trade for trade in trades if self._from is None or _ids(trade)[1] >= self._from or self._anew(trade)]

    def due_ns(self, now_ns: int, every_ns: int) -> int:
        """See `Poll`: on the grid, a moment after it, so that bars which end there can close."""
        after_ns = now_ns - SETTLED_NS
        return after_ns - after_ns % every_ns + every_ns + SETTLED_NS

    def _newest_page(self, trades: list[Trade]) -> list[Trade]:
        newest = max(trades, key=_ids)
        self._newest = _ids(newest)[1]
        if self._at is None:  # nothing is held: it begins here
            self._at = _ids(newest)[0]
            return [newest]
        lowest = min(_ids(trade)[0] for trade in trades)
        if lowest - self._at > self._page * MOST_PAGES:
            self._at = lowest  # so far behind: that is a hole, and repair's
        return trades

    def _old(self, trade: Trade) -> bool:
        """A number that seems new, on a trade from before the last one held."""
        if self._held_ns is None or trade.at_ns is None or self._from is None:
            return False
        return _ids(trade)[1] >= self._from and trade.at_ns < self._held_ns - DISORDER_NS

    def _anew(self, trade: Trade) -> bool:
        """A number that seems old, on a trade from long after it."""
        return self._held_ns is not None and trade.at_ns is not None and trade.at_ns > self._held_ns + ANEW_NS


def _ids(trade: Trade) -> tuple[int, int]:
    """The first and the last number it covers, in its own series."""
    seq = trade.seq or 0
    if trade.first_id is not None and trade.last_id is not None and trade.channel == "trades":
        return trade.first_id, trade.last_id
    return seq, seq
