"""One series (a channel of an instrument) from several lanes: what follows, what was seen, what is missing. Pure."""

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tapeline.market.bus import NOWHERE
from tapeline.model.event import Event, Gap
from tapeline.model.interval import DAY_NS, SECOND_NS
from tapeline.wire.continuity import Place, Point, Rule

HOLD_S, HOLD_EVENTS = 0.25, 64  # an event that is ahead waits so long, and with so many, for what it jumped over
# An older number on an event so much newer by its stamp is no repeat, which has the stamp it had: numbers begin anew.
ANEW_NS = 5 * SECOND_NS
LATE_NS, LATE_MOST_NS = 30 * SECOND_NS, DAY_NS  # a first event is late by so much; by more, and a clock is wrong
OVERLAP_S, OVERLAP_EVENTS = 5.0, 50_000  # while two lanes deliver, the slower one may well bring it


class Track:
    """State of one series. `rule` says how its events stand to each other, `seq_of` what a Gap names.

    An event that follows passes at once. One that is ahead waits a moment for what it jumped over (another lane may
    bring it), then a Gap is announced before it. After `down` the next event is preceded by a Gap unless the rule can
    prove that nothing is missing.
    """

    def __init__(self, instrument: str, channel: str, rule: Rule) -> None:
        self.instrument = instrument
        self.channel = channel
        self.rule = rule
        self.last: Any = None  # the last event delivered
        self.route = NOWHERE  # where it went
        self._resumed: Point | None = None
        self.count = 0
        self.duplicates = 0
        self.gaps = 0
        self.broken = ""  # the cause of a hole that the next event will end
        # The last point before an outage over which numbers follow each other, and the event after it: whoever wants to
        # know whether a venue has numbered anew meanwhile takes it out.
        self.outage: tuple[Point, Any] | None = None
        self._wanted_ns: int | None = None  # since when it is wanted, until the first event
        # The hot path: whether the rule takes an event as the next. False: ask `admit`. True: count it, it is the last.
        self.follows: Callable[[Any], bool] = rule.follows
        self._hold_s, self._hold_events = HOLD_S, HOLD_EVENTS
        self._waits = rule.waits
        self._held: list[tuple[int, int, float, Any]] = []  # order, arrival, when it arrived, event: sorted
        self._arrivals = 0
        self._held_since = 0.0  # when the first of those that are held arrived

    @property
    def point(self) -> Point | None:
        """The last good point; None before the first event."""
        if self.last is None:
            return self._resumed
        return Point(self.last.at_ns, self.last.received_ns, self.rule.seq_of(self.last))

    def repeated(self, event: Any) -> bool:
        """Whether the slower lane brings what has passed; False: `admit` knows. Half of all events come to it."""
        if self.broken or not self.rule.repeats(event):
            return False
        last = self.last
        if self.rule.waits and (
            last is None or last.at_ns is None or event.at_ns is None or event.at_ns - last.at_ns > ANEW_NS
        ):
            return False
        self.duplicates += 1
        return True

    def admit(self, event: Any, now: float) -> Sequence[Event]:
        """The rest: what to deliver now, a Gap among it where there is a hole."""
        if self._wanted_ns is not None:
            return self._first(event, self._wanted_ns)
        if self.broken:
            return self._mend(event)
        place = self.rule.place(event)
        if place is Place.SEEN:
            return self._seen(event, now)
        if place is Place.FOLLOWS:
            self._deliver(event)
            return (event, *self._drain())
        if not self._waits:
            return self._jump(event)
        self._hold(event, now)
        return self.release(now) if len(self._held) > self._hold_events else ()

    def release(self, now: float, *, at_once: bool = False) -> Sequence[Event]:
        """What has waited long enough, in order, each hole announced. What is behind a later hole waits on."""
        out: list[Event] = []
        while self._held and (at_once or now >= self._held_since + self._hold_s or len(self._held) > self._hold_events):
            out.extend(self._jump(self._held.pop(0)[-1]))  # the first is ahead: else it would have been drained
            self._since_first()
            out.extend(self._drain())
        self._settle()
        return out

    def down(self, cause: str) -> None:
        """No lane delivers this series any more. Release what is held first: nothing can fill its holes now."""
        assert not self._held, f"{self.channel} of {self.instrument} goes down with {len(self._held)} events held"
        if self.point is not None and not self.broken:
            self.broken = cause
            self._settle()

    def overlap(self, *, on: bool) -> None:
        """Two lanes deliver this series (or only one again): how patient to be with an event that is ahead."""
        self._hold_s, self._hold_events = (OVERLAP_S, OVERLAP_EVENTS) if on else (HOLD_S, HOLD_EVENTS)
        self._waits = self.rule.waits or on
        self.rule.overlap = on

    def resume(self, point: Point) -> None:
        """Go on from what a store holds: the first event ends a hole of cause `restart`."""
        self._resumed = point
        self.rule.restart(point)
        self.broken = "restart"
        self._settle()

    def expect(self, since_ns: int) -> None:
        """It is wanted since then: a first event that comes long after ends a hole of cause `late_start`."""
        self._wanted_ns = since_ns
        self._settle()

    def whole(self) -> None:
        """Everything up to now was asked for and is here: an open hole is none, and what comes next follows or not."""
        last = self.point
        if self.broken and last is not None and last.seq is not None:
            self.broken = ""
            self._settle()

    def open_gap(self, received_ns: int) -> Gap | None:
        """The hole that nothing has ended yet, for the record at the end of a run."""
        if not self.broken:
            return None
        return self._gap(None, self.broken, received_ns, open_=True)

    @property
    def lacking_since_ns(self) -> int | None:
        """Venue time after which something may still come that belongs before what is held; None: nothing waits."""
        return self.last.at_ns if self._held and self.last is not None else None

    @property
    def waiting_until(self) -> float | None:
        """When `release` has something to do."""
        return self._held_since + self._hold_s if self._held else None

    def _settle(self) -> None:
        """Nothing simply follows while a hole is open or an event waits, nor does the first event."""
        waits = self.broken or self._held or self._wanted_ns is not None
        self.follows = _never if waits else self.rule.follows

    def _first(self, event: Any, wanted_ns: int) -> Sequence[Event]:
        self._wanted_ns = None
        self._settle()
        at_ns = event.received_ns if event.at_ns is None else event.at_ns
        out: list[Event] = [event]
        if LATE_NS < at_ns - wanted_ns < LATE_MOST_NS:
            gap = self._gap(event, "late_start", event.received_ns)
            out.insert(0, msgspec.structs.replace(gap, after_ns=wanted_ns))
            self.gaps += 1
        self._deliver(event)
        return out

    def _mend(self, event: Any) -> Sequence[Event]:
        place = self.rule.place(event)
        if place is Place.SEEN and not self._anew(event):
            self.duplicates += 1
            return ()
        cause, self.broken = self.broken, ""
        self._settle()
        if place is Place.FOLLOWS and self.rule.proves(event):
            if self.rule.waits and self.point is not None:
                self.outage = self.point, event
            self._deliver(event)
            return (event,)
        return self._jump(event, cause)

    def _jump(self, event: Any, cause: str = "") -> Sequence[Event]:
        gap = self._gap(event, cause or self.rule.cause, event.received_ns)
        self.gaps += 1
        self._deliver(event)
        return (gap, event)

    def _deliver(self, event: Any) -> None:
        self.rule.take(event)
        self.count += 1
        self.last = event

    def _seen(self, event: Any, now: float) -> Sequence[Event]:
        if not self._anew(event):
            self.duplicates += 1
            return ()
        return (*self.release(now, at_once=True), *self._jump(event))

    def _anew(self, event: Any) -> bool:
        """An old number on a much newer event: the venue numbers anew. Taken for repeats, all would fall, for ever."""
        last, seq = self.point, self.rule.seq_of(event)
        if not self.rule.waits or last is None or last.seq is None or last.at_ns is None:
            return False
        return seq is not None and seq < last.seq and event.at_ns is not None and event.at_ns - last.at_ns > ANEW_NS

    def _hold(self, event: Any, now: float) -> None:
        order, seq = self.rule.order(event), self.rule.seq_of(event)
        i = bisect_left(self._held, (order,))
        if i < len(self._held) and seq is not None and self.rule.seq_of(self._held[i][-1]) == seq:
            self.duplicates += 1  # the other lane brought it too
            if self.rule.renews(self._held[i][-1], event):
                self._held[i] = (*self._held[i][:-1], event)
            return
        if not self._held:
            self._held_since = now
        self._arrivals += 1
        insort(self._held, (order, self._arrivals, now, event))
        self._settle()

    def _drain(self) -> list[Event]:
        """What was held and follows now."""
        out: list[Event] = []
        taken = 0
        for *_, event in self._held:
            place = self.rule.place(event)
            if place is Place.AHEAD:
                break
            taken += 1
            if place is Place.FOLLOWS:
                self._deliver(event)
                out.append(event)
            else:
                self.duplicates += 1
        if taken:
            del self._held[:taken]
            self._since_first()
            self._settle()
        return out

    def _since_first(self) -> None:
        self._held_since = min((at for _, _, at, _ in self._held), default=0.0)

    def _gap(self, event: Any, cause: str, received_ns: int, *, open_: bool = False) -> Gap:
        last = self.point
        after_ns = None if last is None else last.at_ns if last.at_ns is not None else last.received_ns
        before_ns = None if event is None else event.at_ns if event.at_ns is not None else event.received_ns
        return Gap(
            self.instrument, self.channel, None if event is None else event.at_ns, received_ns, "built",
            after_ns, before_ns, None if last is None else last.seq,
            None if event is None else self.rule.first_of(event), cause, open_,
        )  # fmt: skip


def _never(_event: Any) -> bool:
    return False
