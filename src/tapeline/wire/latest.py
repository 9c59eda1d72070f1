"""Series whose events replace each other: quotes, tickers, top-of-book snapshots, the venue's bars. Pure."""

from typing import Any

import msgspec

from tapeline.model.event import Bar, BookDelta, BookSnapshot, Quote
from tapeline.model.interval import INTERVALS
from tapeline.wire.continuity import ANEW_NS, Numbered, Place, Point

ALIKE_MOST = 64  # of one stamp, remembered
STEP_NS = 5_000_000_000  # a slower lane is never later than this: an older stamp is the venue's clock set back


class ByUpdate(Numbered):
    """Quotes, top-of-book snapshots, and everything that only replaces itself: newer passes, same or older falls.

    By update id where there is one, else by time, else by content. Nothing proves that none is missing. A wild stamp or
    an id from before a venue's restart does not end the series: see STEP_NS, ANEW_NS.
    """

    cause, waits, provable = "silence", False, False

    def __init__(self) -> None:
        self._last: Any = None
        self._update: int | None = None
        self._received_ns = 0
        self._beside: list[Any] = []  # those before the last one that bear its stamp, while several lanes deliver

    def follows(self, event: Any) -> bool:
        """Take what is newer."""
        if type(event) is Quote and (update := event.update_id) and self._update and update > self._update:
            self._last, self._update, self._received_ns = event, update, event.received_ns  # nearly all
            return True
        if self.place(event) is not Place.FOLLOWS:
            return False
        self.take(event)
        return True

    def repeats(self, event: Any) -> bool:
        """By a quote's update id."""
        if type(event) is not Quote or event.update_id is None or self._update is None:
            return False
        return event.update_id <= self._update and event.received_ns - self._received_ns <= ANEW_NS

    def place(self, event: Any) -> Place:
        """Newer or not; never ahead."""
        update, last = self.seq_of(event), self._last
        if update is not None and self._update is not None:
            if update < self._update and event.received_ns - self._received_ns > ANEW_NS:
                return Place.FOLLOWS
            return Place.FOLLOWS if update > self._update else Place.SEEN
        if last is None:
            return Place.FOLLOWS
        if event.at_ns is not None and last.at_ns is not None and event.at_ns != last.at_ns:
            newer = event.at_ns > last.at_ns or self._set_back(event, last)
            return Place.FOLLOWS if newer else Place.SEEN
        same = any(msgspec.structs.replace(event, received_ns=one.received_ns) == one for one in (last, *self._beside))
        return Place.SEEN if same else Place.FOLLOWS

    def proves(self, event: Any) -> bool:  # noqa: ARG002  # the protocol's signature
        """Nothing can."""
        return False

    def take(self, event: Any) -> None:
        """This is the newest now."""
        if self.overlap or self._beside:
            same = self._last is not None and event.at_ns == self._last.at_ns
            self._beside = [*self._beside, self._last][-ALIKE_MOST:] if self.overlap and same else []
        self._last, self._update, self._received_ns = event, self.seq_of(event), event.received_ns

    def restart(self, point: Point) -> None:
        """Go on after this point."""
        self._update, self._received_ns = point.seq, point.received_ns

    def _set_back(self, event: Any, last: Any) -> bool:
        """Whether the venue's clock was set back. While several lanes deliver, only silence on all of them tells that
        from one lane that is behind.
        """
        if event.at_ns >= last.at_ns - STEP_NS:
            return False
        return not self.overlap or bool(event.received_ns - self._received_ns > ANEW_NS)

    def order(self, event: Any) -> int:
        """Venue order."""
        return self.seq_of(event) or 0

    def seq_of(self, event: Any) -> int | None:
        """The venue's update id, where there is one."""
        if isinstance(event, Quote):
            return event.update_id
        return event.last_seq if isinstance(event, BookSnapshot | BookDelta) else None

    first_of = seq_of


class ByOpenTime(Numbered):
    """The venue's bars: each closes once, the next opens where it ends."""

    cause, waits = "missing_bar", False

    def __init__(self, interval_name: str) -> None:
        self._interval = INTERVALS[interval_name]
        self._open_ns: int | None = None
        self._closed = False
        self._last: Bar | None = None

    def follows(self, event: Bar) -> bool:
        """Take an update of the open bar, or the one after a closed one."""
        if self.place(event) is not Place.FOLLOWS:
            return False
        self.take(event)
        return True

    def place(self, event: Bar) -> Place:
        """By open time; what a bar that closed is told again was seen."""
        if self._open_ns is None:
            return Place.FOLLOWS
        if event.open_at_ns == self._open_ns:
            return Place.SEEN if self._closed or self._told(event) else Place.FOLLOWS
        if event.open_at_ns < self._open_ns:
            return Place.AHEAD if self._strayed(event) else Place.SEEN
        expected = self._interval.next(self._open_ns)
        return Place.FOLLOWS if self._closed and event.open_at_ns == expected else Place.AHEAD

    def proves(self, event: Bar) -> bool:  # noqa: ARG002  # the protocol's signature
        """Bar times without a hole prove it."""
        return True

    def take(self, event: Bar) -> None:
        """This is the newest now."""
        self._open_ns, self._closed, self._last = event.open_at_ns, event.closed, event

    def restart(self, point: Point) -> None:
        """A point of a bar series names its open time; the bar had closed, or it would not be held."""
        self._open_ns, self._closed = point.seq, point.seq is not None

    def renews(self, held: Bar, event: Bar) -> bool:
        """A later state of the bar does; what closes it is the last."""
        return not held.closed and (event.closed or event.volume >= held.volume)

    def order(self, event: Bar) -> int:
        """Time order."""
        return event.open_at_ns

    def seq_of(self, event: Bar) -> int | None:
        """A bar's place is its open time."""
        return event.open_at_ns

    first_of = seq_of

    def _strayed(self, event: Bar) -> bool:
        """What is held is from the future by our clock, and this one is not: one wild stamp must not end the series."""
        open_ns = self._open_ns
        soon_ns = self._interval.next(self._interval.next(event.received_ns))
        return open_ns is not None and open_ns > soon_ns >= event.open_at_ns

    def _told(self, event: Bar) -> bool:
        """Whether this state of the open bar was told already: by a lane that is ahead, or by the same one twice."""
        last = self._last
        if last is None or event.closed or event.volume > last.volume:
            return False
        if event.volume < last.volume:
            return self.overlap
        if event.at_ns != last.at_ns:
            return self.overlap and (event.at_ns or 0) < (last.at_ns or 0)
        return msgspec.structs.replace(event, received_ns=last.received_ns) == last
