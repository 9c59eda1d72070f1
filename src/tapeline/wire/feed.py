"""The only reconnect loop: dial, run a session, publish, back off, again. It owns one shard, and at most two lanes."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from tapeline.clock import Clock
from tapeline.model.event import Link
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import Venue
from tapeline.wire.breaker import Breaker
from tapeline.wire.lane import Lane, Sink
from tapeline.wire.pace import TokenBucket
from tapeline.wire.pipe import Dial
from tapeline.wire.session import Timing
from tapeline.wire.shards import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When to try again, and when to stop trying. `attempts` 0 is for ever."""

    attempts: int = 0  # dials without a healthy connection among them
    healthy_after_s: float = 60.0  # the attempt count starts anew only after a connection has lived this long
    overlap_s: float = 30.0  # how long a successor may take to deliver every topic
    linger_s: float = 1.0  # the old connection goes on this long after the new one delivers


@dataclass(frozen=True, slots=True)
class FeedStatistics:
    """One shard's connection, as status shows it."""

    venue: str
    connection: str
    endpoint: str
    state: str
    topics: int
    live_topics: int
    age_s: float | None
    re_dials: int
    attempts: int
    outages: int
    breaker: str
    last_message_age_s: float | None
    ping_s: float | None
    frames: int
    bytes: int
    bad_frames: int
    reason: str


class LinkSink(Sink, Protocol):
    """What a feed tells besides events."""

    def link(self, link: Link) -> None:
        """A change of this shard's connection."""

    def down(self, topics: frozenset[Topic], cause: str) -> None:
        """No lane delivers these topics any more."""

    def overlap(self, topics: frozenset[Topic], *, on: bool) -> None:
        """Two lanes deliver these topics, or only one again."""


class KeepFed:
    """Keeps one shard fed until cancelled, or until its attempts are used up (`final`)."""

    def __init__(
        self, venue: Venue, shard: Shard, *, url: str, instruments: Mapping[str, Instrument], timing: Timing,
        patience: Patience, dial: Dial, sink: LinkSink, clock: Clock, delays: Callable[[], Iterator[float]],
        breaker: Breaker, gate: TokenBucket,
    ) -> None:  # fmt: skip
        self._venue, self._shard, self._url, self._instruments = venue, shard, url, instruments
        self._timing, self._patience = timing, patience
        self._dial, self._sink, self._clock = dial, sink, clock
        self._delays, self._breaker, self._gate = delays, breaker, gate
        self._waits = delays()
        self._lanes: list[Lane] = []
        self._generation = 0
        self._changed = asyncio.Event()
        self._attempts = 0
        self._down = False
        self._outages = 0
        self._state = "idle"
        self._reason = ""
        self._retry_after_s = 0.0  # of the last successor that failed
        self._past = [0, 0, 0]  # frames, bytes, bad frames of lanes that are over
        self.final = False
        shard.changed = self._on_change

    async def run(self) -> None:
        """Serve the shard. Returns only where the attempts are used up."""
        async with asyncio.TaskGroup() as tasks:
            while not self.final:
                await self._until_wanted()
                lane = await self._establish(tasks)
                if lane is not None:
                    await self._serve(lane, tasks)

    def crashed(self, bug: Exception) -> None:
        """Our own code failed, and every connection went with it: an outage like any other."""
        for lane in list(self._lanes):
            self._close(lane)
        self._outage(f"our own code failed: {bug!r}")

    def statistics(self) -> FeedStatistics:
        """How this shard is doing."""
        now = self._clock.now()
        session = next((lane.session for lane in reversed(self._lanes) if lane.session is not None), None)
        frames, bytes_, bad = self._past
        for each in self._lanes:
            if each.session is not None:
                frames, bytes_ = frames + each.session.frames, bytes_ + each.session.bytes
                bad += each.session.bad_frames
        states = session.wants.states() if session is not None else {}
        return FeedStatistics(
            venue=self._venue.name, connection=self._shard.name, endpoint=self._shard.endpoint, state=self._state,
            topics=len(self._shard.topics), live_topics=sum(state == "live" for state in states.values()),
            age_s=now - session.age_from if session is not None else None, re_dials=max(0, self._generation - 1),
            attempts=self._attempts, outages=self._outages, breaker=self._breaker.state(now),
            last_message_age_s=now - session.heard_at if session is not None else None,
            ping_s=session.ping_s if session is not None else None, frames=frames, bytes=bytes_, bad_frames=bad,
            reason=self._reason,
        )  # fmt: skip

    def subscribe_again(self, topic: Topic) -> None:
        """Give a topic back and ask for it anew: the venue then sends a fresh snapshot."""
        for lane in self._lanes:
            lane.again(topic)

    async def _until_wanted(self) -> None:
        while not self._shard.topics:
            self._say("idle", "no topics")
            self._changed.clear()
            await self._changed.wait()

    async def _establish(self, tasks: asyncio.TaskGroup) -> Lane | None:
        """Dial until a connection has every topic answered. None: nothing is wanted, or the attempts are used up."""
        while self._shard.topics and not self.final:
            await self._allowed()
            if not self._shard.topics:
                break
            self._attempts += 1
            lane = self._open(tasks)
            self._say("dialling", self._reason)
            failure = await lane.settled()
            if not failure:
                self._breaker.worked()
                self._up()
                return lane
            self._close(lane)
            if not lane.finished:
                await self._back_off(lane, failure)
        return None

    async def _serve(self, lane: Lane, tasks: asyncio.TaskGroup) -> None:
        """Until no lane is left. A lane that should end gets a successor first, which takes over without a gap."""
        waits = self._delays()
        while not await lane.until_over_or_retiring():
            successor = await self._successor(lane, tasks)
            if successor is not None:
                await self._hand_over(lane, successor)
                lane, waits = successor, self._delays()
            else:
                await lane.over_within(max(1.0, next(waits), self._retry_after_s))
        self._close(lane)
        if not lane.finished:
            self._forgive(lane)
            await self._back_off(lane, lane.over.result())

    async def _successor(self, old: Lane, tasks: asyncio.TaskGroup) -> Lane | None:
        """A connection that delivers while the old one goes on. None: it failed, or the old one ended before it began.

        Should the old one end before the new one is subscribed, that is an outage, which the new one then ends.
        """
        self._say("draining", old.retiring_because)
        await self._allowed(old)
        if old.over.done():
            return None
        topics = frozenset(self._shard.topics)
        lane = self._open(tasks)
        self._sink.overlap(topics, on=True)
        arriving = tasks.create_task(lane.delivering(self._patience.overlap_s), name=f"arrival of {lane.name}")
        await asyncio.wait({arriving, old.over}, return_when=asyncio.FIRST_COMPLETED)
        if not arriving.done() and not lane.subscribed and not old.finished:
            self._outage(old.over.result())
        failure = await arriving
        if not failure and not old.over.done() and (lacking := lane.lacks(old)):
            failure = f"{len(lacking)} topics not confirmed"
        if not failure:
            self._breaker.worked()
            return lane
        if not lane.finished:
            self._blame(lane)
        self._close(lane)
        self._sink.overlap(topics, on=False)
        self._retry_after_s = lane.after_s
        return None

    async def _hand_over(self, old: Lane, new: Lane) -> None:
        """Both deliver for a moment, so that what one was slower to bring is not lost; then the old one goes."""
        await old.over_within(self._patience.linger_s)
        old.finish("replaced by a new connection")
        await old.over
        self._close(old)
        self._forgive(old)
        self._sink.overlap(frozenset(self._shard.topics), on=False)
        if new.over.done():
            return
        if self._down:
            self._up()
        else:
            self._say("live", "took over from the connection before it")

    async def _back_off(self, lane: Lane, reason: str) -> None:
        """Tell of the outage, once; then wait, or stop where the attempts are used up."""
        self._blame(lane)
        self.final = self._shard.closed = 0 < self._patience.attempts <= self._attempts
        self._outage(reason)
        if not self.final:
            self._say("backing_off", reason)
            await asyncio.sleep(max(next(self._waits), lane.after_s))

    async def _allowed(self, old: Lane | None = None) -> None:
        """Wait for the breaker's cool-down and for the venue's limit on new connections, while `old` lives."""
        wait_s = self._breaker.wait_s(self._clock.now())
        if wait_s > 0:
            self._say("breaker_open", f"leaving the venue alone for {wait_s:.0f} s")
            await self._pause(wait_s, old)
        if old is None or not old.over.done():
            self._breaker.probing()
        while (old is None or not old.over.done()) and not self._gate.take(now := self._clock.now()):
            await self._pause(max(0.001, self._gate.ready_at(now) - now), old)

    async def _pause(self, for_s: float, old: Lane | None) -> None:
        if old is None:
            await asyncio.sleep(for_s)
        else:
            await old.over_within(for_s)

    def _open(self, tasks: asyncio.TaskGroup) -> Lane:
        self._generation += 1
        lane = Lane(
            f"{self._shard.name}#{self._generation}", self._url, self._venue, self._shard, self._instruments,
            timing=self._timing, dial=self._dial, sink=self._sink, clock=self._clock, tasks=tasks,
        )  # fmt: skip
        self._lanes.append(lane)
        tasks.create_task(lane.run(), name=lane.name)
        return lane

    def _close(self, lane: Lane) -> None:
        lane.finish("done with")
        if lane in self._lanes:
            self._lanes.remove(lane)
            if lane.session is not None:
                for i, extra in enumerate((lane.session.frames, lane.session.bytes, lane.session.bad_frames)):
                    self._past[i] += extra

    def _on_change(self) -> None:
        self._changed.set()
        for lane in self._lanes:
            lane.want(self._shard.topics)

    def _up(self) -> None:
        self._down = False
        self._link("up", "live", "subscribed" if self._attempts <= 1 else f"subscribed after {self._attempts} attempts")

    def _outage(self, reason: str) -> None:
        """One Link(down) an outage; and another, the last word, where the attempts are used up inside it."""
        if self.final:
            reason = f"gave up after {self._attempts} attempts: {reason}"
        elif self._down:
            return
        if not self._down:
            self._down = True
            self._outages += 1
            self._sink.down(frozenset(self._shard.topics), "link_down")
        self._link("down", "backing_off", reason, final=self.final)

    def _blame(self, lane: Lane) -> None:
        now = self._clock.now()
        if lane.tripped:
            self._breaker.trip(now)
        elif not lane.was_up:
            self._breaker.failed(now)

    def _forgive(self, lane: Lane) -> None:
        """A connection that lived long enough proves the venue healthy: dials before it count no more."""
        if lane.lived_s(self._clock.now()) >= self._patience.healthy_after_s:
            self._waits, self._attempts = self._delays(), 0

    def _say(self, state: str, reason: str) -> None:
        if state != self._state:
            self._link("state", state, reason)

    def _link(self, change: str, state: str, reason: str, *, final: bool = False) -> None:
        self._state, self._reason = state, reason
        topics = tuple(sorted(str(topic) for topic in self._shard.topics))
        received_ns = self._clock.wall_ns()
        self._sink.link(
            Link(
                None, "link", None, received_ns, "ws", self._venue.name, self._shard.name, topics, change, state,
                reason, self._attempts, final,
            )
        )  # fmt: skip


async def keep_fed(
    feed: KeepFed, *, restarted: Callable[[BaseException], None], delays: Callable[[], Iterator[float]]
) -> None:
    """Run a feed and restart it should our own code fail; the only place that catches everything."""
    waits = delays()
    while True:
        try:
            await feed.run()
        except Exception as bug:  # noqa: BLE001  # the supervisor: whatever failed is told, and the feed starts again
            feed.crashed(bug)
            restarted(bug)
        else:
            return
        await asyncio.sleep(max(1.0, next(waits)))
