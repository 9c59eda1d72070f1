"""Polling at the edge: what streams would bring, by REST; rounds end on the grid and go through the same merge.

A polled topic has two lanes, its stream where there is one and this; each event passes once, from whichever brings it
first. Requests wait their turn in the venue's budget like all others.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.errors import BadData, Refused, Retry
from tapeline.market.bus import Bus
from tapeline.model.channel import channel
from tapeline.model.event import Bar, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import SECOND_NS, interval
from tapeline.model.topic import Topic
from tapeline.sync.polls import Poll, poll_of
from tapeline.venues.spec import Ask, Priority
from tapeline.wire.track import Track

WORKERS = 4  # rounds of one venue under way at once
LOOK_EVERY_S = 0.5
AGAIN_MOST_S = 60.0  # after rounds that failed, doubling from one second
SHARE = 0.5  # of the venue's allowance, at most, for all rounds of trades together
BEHIND_NS = SECOND_NS  # what REST tells may lack the trades of the last second


@dataclass(frozen=True, slots=True)
class PollingStatistics:
    """`every_s` is the pause between rounds of trades; bars are polled as they close."""

    venue: str
    series: int
    rounds: int
    requests: int
    rows: int
    failures: int
    every_s: float
    trouble: str


@dataclass(slots=True, eq=False)
class _Series:
    """One polled topic."""

    topic: Topic
    instrument: Instrument
    track: Track
    poll: Poll
    weight: tuple[str, float]  # of a request: the budget it draws on, and how much
    due_ns: int = 0
    busy: bool = False
    leaving: bool = False
    failures: int = 0
    hurried_at: float = field(default=float("-inf"))


class Poller:
    """Polls topics of one venue. `tell` hears of each row right before it is published: the ledger does."""

    def __init__(
        self, desk: VenueDesk, bus: Bus, *, clock: Clock, every_s: float,
        tell: Callable[[Trade | Bar], None] = lambda _row: None,
        trouble: Callable[[str, str], None] = lambda _kind, _text: None,
    ) -> None:  # fmt: skip
        self.desk = desk
        self._bus, self._clock, self._least_s, self._tell, self._told = bus, clock, every_s, tell, trouble
        self._series: dict[Topic, _Series] = {}
        self._changed = asyncio.Event()
        self._rounds = self._requests = self._rows = self._failures = 0
        self._trouble = ""

    def add(self, topic: Topic, instrument: Instrument) -> None:
        """Poll this topic from now on, at once and then on the grid."""
        if topic in self._series:
            self._series[topic].leaving = False
            return
        if topic not in self.desk.polled:
            self.desk.poll(topic)
        call = self.desk.venue.rest[self.desk.venue.feeds[channel(topic.channel).kind].repair]
        track = self.desk.merge.track(instrument.id, topic.channel)
        assert track is not None, f"{topic} is polled without being wanted"
        poll = poll_of(topic.channel, topic.native, call)
        ask = Ask("trades", topic.native, limit=call.page) if not topic.channel.startswith("bars:") else None
        request = call.build(ask) if ask is not None else None
        weight = (request.budget, float(request.weight)) if request is not None else ("", 0.0)
        self._series[topic] = _Series(topic, instrument, track, poll, weight)
        self._changed.set()

    def leave(self, topic: Topic) -> None:
        """Its stream is enough from now on; should something wait to be filled in, after one more round."""
        series = self._series.get(topic)
        if series is None:
            return
        if series.track in self.desk.merge.holding:
            series.leaving, series.due_ns = True, 0
            self._changed.set()
        else:
            self._drop(series)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for series in [each for each in self._series.values() if each.topic not in self.desk.polled]:
                    del self._series[series.topic]  # wanted no more
                self._hurry()
                now_ns = self._now_ns()
                waiting = sorted((each for each in self._series.values() if not each.busy), key=lambda it: it.due_ns)
                free = WORKERS - sum(each.busy for each in self._series.values())
                for series in [each for each in waiting if each.due_ns <= now_ns][: max(0, free)]:
                    series.busy = True
                    tasks.create_task(self._round(series), name=f"poll {series.topic}")
                await self._pause()

    @property
    def every_s(self) -> float:
        """Between rounds of trades: as asked for, or longer where the venue's allowance would not bear it."""
        spent = dict[str, float]()
        for series in self._series.values():
            name, weight = series.weight
            spent[name] = spent.get(name, 0.0) + weight
        return max([self._least_s, *(
            spent[each.name] * each.window_s / (SHARE * each.weight)
            for each in self.desk.venue.limits.rest if each.name in spent
        )])  # fmt: skip

    def statistics(self) -> PollingStatistics:
        """How it is getting on."""
        return PollingStatistics(
            venue=self.desk.venue.name, series=len(self._series), rounds=self._rounds, requests=self._requests,
            rows=self._rows, failures=self._failures, every_s=self.every_s, trouble=self._trouble,
        )  # fmt: skip

    # ---- inside ----------------------------------------------------------------------------------------------

    async def _round(self, series: _Series) -> None:
        try:
            whole = await self._asked(series)
        except (Retry, Refused, BadData) as error:
            series.failures += 1
            self._failures += 1
            self._trouble = f"{series.topic}: {error}"
            self._told("polling", self._trouble)
            after_s = error.after_s or 0.0 if isinstance(error, Retry) else 0.0
            wait_s = max(after_s, min(AGAIN_MOST_S, 2.0 ** (series.failures - 1)))
            series.due_ns = self._now_ns() + int(wait_s * SECOND_NS)
        else:
            series.failures = 0
            now_ns = self._now_ns()
            series.due_ns = series.poll.due_ns(now_ns, int(self.every_s * SECOND_NS))
            if series.leaving and whole and series.topic in self._series:
                self._drop(series)
        finally:
            series.busy = False
            self._changed.set()

    async def _asked(self, series: _Series) -> bool:
        """A whole round, passed on; whether it brought everything up to when it began."""
        desk, poll, topic = self.desk, series.poll, series.topic
        ids = {topic.native: series.instrument.id}
        began_ns = self._now_ns()
        point = series.track.point
        poll.begin(_next_place(series.track), began_ns, None if point is None else point.at_ns)
        while (ask := poll.next()) is not None:
            self._requests += 1
            poll.took(await desk.rest.call(ask, ids, priority=Priority.REPAIRS))
        rows = poll.rows()
        if topic not in desk.polled:
            return False
        self._rounds += 1
        now = self._clock.now()
        for event in desk.merge.offer(rows, now):
            if event.source == "rest" and isinstance(event, Trade | Bar):
                self._tell(event)
                self._rows += 1
            self._bus.publish(event)
        if poll.whole:
            series.track.whole()
            bars = desk.bar_desk(series.instrument.id, topic.channel)
            if bars is not None:
                bars.watermark.alive(began_ns - BEHIND_NS)
                bars.advance()
        desk.offer((), (), desk.polled[topic], now)  # what is held back now is let go of in time
        return poll.whole

    def _hurry(self) -> None:
        """Where the stream is ahead of what is held, what lies between is asked for at once."""
        now = self._clock.now()
        for track in self.desk.merge.holding:
            for series in self._series.values():
                if series.track is track and now - series.hurried_at >= 1.0:
                    series.hurried_at, series.due_ns = now, 0

    async def _pause(self) -> None:
        self._changed.clear()
        if not self._series:
            await self._changed.wait()
            return
        idle = [each.due_ns for each in self._series.values() if not each.busy]
        free = idle and len(self._series) - len(idle) < WORKERS
        wait_s = (min(idle) - self._now_ns()) / SECOND_NS if free else LOOK_EVERY_S
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK_EVERY_S, max(0.01, wait_s))):
                await self._changed.wait()

    def _drop(self, series: _Series) -> None:
        del self._series[series.topic]
        if series.topic in self.desk.polled:
            self.desk.unpoll(series.topic)

    def _now_ns(self) -> int:
        """The venue's clock, or ours where it does not tell."""
        told = self.desk.venue_clock.estimate(self._clock.now())
        return self._clock.wall_ns() if told is None else told


def _next_place(track: Track) -> int | None:
    """The open time, or the id, that is due; None where nothing is held."""
    if track.channel.startswith("bars:"):
        if isinstance(track.last, Bar) and not track.last.closed:
            return track.last.open_at_ns
        point = track.point
        if point is None or point.seq is None:
            return None
        return interval(track.channel.removeprefix("bars:")).next(point.seq)
    point = track.point
    return None if point is None or point.seq is None else point.seq + 1
