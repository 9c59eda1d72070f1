"""A shard kept fed by one connection, or by several that cover for each other; an outage is when none delivers."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from tapeline.clock import Clock
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import Venue
from tapeline.wire.breaker import Breaker
from tapeline.wire.lane import Lane
from tapeline.wire.leg import Leg, Means, Patience
from tapeline.wire.pace import TokenBucket
from tapeline.wire.pipe import Dial
from tapeline.wire.session import Timing
from tapeline.wire.shards import Shard
from tapeline.wire.sink import LinkSink

LIFE_WITHIN_S = 1.0  # a connection that is alive answers a ping by then


@dataclass(frozen=True, slots=True)
class FeedStatistics:
    """One connection of a shard, as status shows it. `outages` are the shard's: no connection of it delivered."""

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
    score: float | None
    reason: str


class KeepFed:
    """Keeps one shard fed until cancelled, or until its attempts are used up (`final`).

    One connection is named as the shard; several are named after it (`binance/public/1a`, `binance/public/1b`). Link
    events `up` and `down` are the shard's, and bracket the time in which no connection delivers; each connection tells
    its own state.
    """

    def __init__(
        self, venue: Venue, shard: Shard, *, url: str, instruments: Mapping[str, Instrument], timing: Timing,
        patience: Patience, dial: Dial, sink: LinkSink, clock: Clock, delays: Callable[[], Iterator[float]],
        breaker: Breaker, gate: TokenBucket, connections: int = 1, score: bool = False,
    ) -> None:  # fmt: skip
        self._shard, self._clock, self._sink, self._breaker, self._timing = shard, clock, sink, breaker, timing
        self._venue = venue
        means = Means(
            venue=venue, shard=shard, url=url, instruments=instruments, timing=timing, patience=patience, dial=dial,
            sink=sink, clock=clock, delays=delays, breaker=breaker, gate=gate, score=score,
        )  # fmt: skip
        names = [shard.name + "abcdefgh"[i] for i in range(connections)] if connections > 1 else [shard.name]
        self._legs = [Leg(name, means, self, first=i == 0) for i, name in enumerate(names)]
        self._outages = 0
        self._exhausted: set[Leg] = set()
        self._overlapping = False
        self._risen = asyncio.Event()
        self.replacing: Leg | None = None
        self.down = False
        self.final = False
        shard.changed = self._on_change

    async def run(self) -> None:
        """Serve the shard. Returns only where the attempts are used up."""
        async with asyncio.TaskGroup() as tasks:
            for leg in self._legs[1:]:
                tasks.create_task(leg.run(tasks), name=f"connection {leg.name}")
            await self._legs[0].run(tasks)

    def crashed(self, bug: Exception) -> None:
        """Our own code failed, and every connection went with it: an outage like any other."""
        for leg in self._legs:
            for lane in list(leg.lanes):
                leg.close(lane)
        self.replacing = None
        self._outage(self._legs[0], f"our own code failed: {bug!r}")

    def statistics(self) -> list[FeedStatistics]:
        """How each connection of this shard is doing."""
        return [self._statistics_of(leg) for leg in self._legs]

    def live_topics(self) -> set[Topic]:
        """What is delivered by a connection that is up."""
        sessions = [lane.session for lane in self._up() if lane.session is not None]
        return {
            topic for session in sessions for topic, state in session.wants.states().items() if state == "live"
        }  # fmt: skip

    @property
    def overlapping(self) -> bool:
        """Whether several connections deliver the same just now."""
        return self._overlapping

    def subscribe_again(self, topic: Topic) -> None:
        """Give a topic back and ask for it anew: the venue then sends a fresh snapshot."""
        for lane in self._lanes():
            lane.again(topic)

    # ---- what the connections tell and ask (see `Keeper`) ----------------------------------------------------------

    def rose(self, leg: Leg) -> None:
        """A connection has every topic answered: the end of an outage, or one more that covers."""
        self._exhausted.discard(leg)
        self._risen.set()
        reason = "subscribed" if leg.attempts <= 1 else f"subscribed after {leg.attempts} attempts"
        if self.down or not any(lane.up for other in self._legs if other is not leg for lane in other.lanes):
            self.down = False
            self._link(leg, "up", "live", reason)
        leg.say("live", reason)

    def arriving(self, leg: Leg, lane: Lane) -> None:
        """The first events of a lane are about to be passed on: judge whether they follow what the others bring."""
        self._join(leg, lane, self._up(but=lane))
        lane.arrived = True
        self.closed()

    def lost(self, leg: Leg, lane: Lane, reason: str) -> None:
        """A lane ended that should not have: an outage, where no other covers for it."""
        others = self._up(but=lane)
        if not others:
            self._outage(leg, reason)
            return
        for other in others:
            self._join(leg, other, [lane, *(each for each in others if each is not other)])
        alone = lane.carried().difference(*(other.carried() for other in others))
        if alone:
            self._sink.down(frozenset(alone & self._shard.topics), "link_down")
        if len(self._legs) > 1 and lane.was_up:
            self._sink.problem(leg.name, "connection_lost", f"{reason}; another connection delivers", b"")

    def closed(self) -> None:
        """Whether several lanes deliver may have changed."""
        on = sum(lane.arrived and not lane.over.done() for lane in self._lanes()) > 1
        if on != self._overlapping:
            self._overlapping = on
            self._sink.overlap(frozenset(self._shard.topics), on=on)

    def exhausted(self, leg: Leg) -> None:
        """Give up once every connection has used up its attempts and none is up."""
        self._exhausted.add(leg)
        if len(self._exhausted) == len(self._legs) and not self._up():
            self.final = self._shard.closed = True
            for each in self._legs:
                each.changed.set()

    def life_s(self, leg: Leg) -> float:
        """So long that no two connections of the shard are due at once: half, where another one is young itself."""
        now, most_s = self._clock.now(), self._timing.max_age_s
        others = [lane for other in self._legs if other is not leg for lane in other.lanes if lane.session is not None]
        return most_s / 2 if any(lane.lived_s(now) < most_s / 2 for lane in others) else most_s

    async def signs_of_life(self) -> float:
        """Ask the lanes that are up for one and wait for it a moment; returns when they were asked.

        What a new lane brings follows what they bring only where they lived when it was dialled.
        """
        asked_at, up = self._clock.now(), self._up()
        for lane in up:
            lane.ask_for_life()
        for lane in up:
            if await lane.heard_since(asked_at, LIFE_WITHIN_S):
                break
        return asked_at

    async def first_up(self, within_s: float) -> None:
        """Wait until any connection is up, at most so long."""
        if self._up():
            return
        self._risen.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._risen.wait()

    # ---- inside ----------------------------------------------------------------------------------------------------

    def _lanes(self) -> Iterator[Lane]:
        return (lane for leg in self._legs for lane in leg.lanes)

    def _up(self, *, but: Lane | None = None) -> list[Lane]:
        return [lane for lane in self._lanes() if lane is not but and lane.up]

    def _join(self, leg: Leg, lane: Lane, beside: Iterable[Lane]) -> None:
        """Whether lanes beside this one lived when it was dialled, so that what it brings follows what they brought.

        They may be connected and long dead: then nobody delivered meanwhile, and that was an outage. Judged once,
        before the first events of the lane pass, or when another one ends.
        """
        others = list(beside)
        if lane.joined or self.down or not others:
            lane.joined = True
            return
        lane.joined = True
        heard_at = max(other.heard_at for other in others)
        if heard_at < lane.since:
            silent_s = self._clock.now() - heard_at
            open_ = any(not other.over.done() for other in others)
            self._outage(leg, f"nothing was heard of the connection before it for {silent_s:.0f} s", open_=open_)
            if lane.up:
                self.rose(leg)

    def _outage(self, leg: Leg, reason: str, *, open_: bool = False) -> None:
        """One Link(down) an outage; and another, the last word, where the attempts are used up inside it.

        `open_`: the dead connection is still there and may bring what is stuck; numbers will show whether it did.
        """
        if self.final:
            reason = f"gave up after {leg.attempts} attempts: {reason}"
        elif self.down:
            return
        if not self.down:
            self.down = True
            self._outages += 1
            tell = self._sink.unproven if open_ else self._sink.down
            tell(frozenset(self._shard.topics), "link_down")
        self._link(leg, "down", "backing_off", reason)

    def _link(self, leg: Leg, change: str, state: str, reason: str) -> None:
        if leg.name == self._shard.name:
            leg.state, leg.reason = state, reason
        self._sink.link(leg.link(change, reason, name=self._shard.name, state=state, final=self.final))

    def _on_change(self) -> None:
        for leg in self._legs:
            leg.changed.set()
            for lane in leg.lanes:
                lane.want(self._shard.topics)
        if self._overlapping:  # those that are new, too
            self._sink.overlap(frozenset(self._shard.topics), on=True)

    def _statistics_of(self, leg: Leg) -> FeedStatistics:
        now = self._clock.now()
        sessions = [lane.session for lane in leg.lanes if lane.session is not None]
        session = sessions[-1] if sessions else None
        health = leg.lanes[-1].health if sessions and leg.scored else None
        frames, bytes_, bad = leg.past
        states = session.wants.states() if session is not None else {}
        return FeedStatistics(
            venue=self._venue.name, connection=leg.name, endpoint=self._shard.endpoint, state=leg.state,
            topics=len(self._shard.topics), live_topics=sum(state == "live" for state in states.values()),
            age_s=now - session.age_from if session is not None else None, re_dials=max(0, leg.generation - 1),
            attempts=leg.attempts, outages=self._outages, breaker=self._breaker.state(now),
            last_message_age_s=now - session.heard_at if session is not None else None,
            ping_s=session.ping_s if session is not None else None,
            frames=frames + sum(each.frames for each in sessions), bytes=bytes_ + sum(each.bytes for each in sessions),
            bad_frames=bad + sum(each.bad_frames for each in sessions),
            score=None if health is None else health.score, reason=leg.reason,
        )  # fmt: skip


async def keep_fed(
    feed: KeepFed, *, restarted: Callable[[BaseException], None], delays: Callable[[], Iterator[float]]
) -> None:
    """Run a feed and restart it should our own code fail: the supervisor of feeds."""
    waits = delays()
    while True:
        try:
            await feed.run()
        except Exception as bug:  # the supervisor: whatever failed is told, and the feed starts again
            feed.crashed(bug)
            restarted(bug)
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # at that very moment: the group tells of the bug alone
                raise asyncio.CancelledError from bug
        else:
            return
        await asyncio.sleep(max(1.0, next(waits)))
