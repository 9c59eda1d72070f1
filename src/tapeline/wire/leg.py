"""One of a shard's connections, and the only reconnect loop: dial, serve, hand over to a successor, back off, again."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from tapeline.clock import Clock
from tapeline.model.event import Link
from tapeline.model.instrument import Instrument
from tapeline.venues.spec import Venue
from tapeline.wire.breaker import Breaker
from tapeline.wire.lane import Lane
from tapeline.wire.pace import TokenBucket
from tapeline.wire.pipe import Dial
from tapeline.wire.score import Ends, Score
from tapeline.wire.session import Timing
from tapeline.wire.shards import Shard
from tapeline.wire.sink import LinkSink
from tapeline.wire.track import OVERLAP_S

TURN_EVERY_S = 0.5  # how often a connection looks whether another one of its shard has been replaced
APART_S = 5.0  # at the start a second connection leaves the first one so long to come up before it is dialled


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """When to try again, and when to stop trying. `attempts` 0 is for ever."""

    attempts: int = 0  # dials without a healthy connection among them
    healthy_after_s: float = 60.0  # the attempt count starts anew only after a connection has lived this long
    overlap_s: float = 30.0  # how long a successor may take to deliver every topic
    linger_s: float = 1.0  # the old connection goes on this long after the new one delivers


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the connections of a shard are made with; they share the breaker and the limit on new connections."""

    venue: Venue
    shard: Shard
    url: str
    instruments: Mapping[str, Instrument]
    timing: Timing
    patience: Patience
    dial: Dial
    sink: LinkSink
    clock: Clock
    delays: Callable[[], Iterator[float]]
    breaker: Breaker
    gate: TokenBucket
    score: bool  # whether a connection that does badly is replaced before it ends


class Keeper(Protocol):
    """Who owns the connections of a shard and tells of its outages."""

    final: bool
    down: bool
    replacing: "Leg | None"  # whose connection has a successor on the way: one at a time

    def rose(self, leg: "Leg") -> None:
        """A connection has every topic answered."""

    def arriving(self, leg: "Leg", lane: Lane) -> None:
        """The first events of a lane are about to be passed on."""

    def lost(self, leg: "Leg", lane: Lane, reason: str) -> None:
        """A lane ended that should not have."""

    def closed(self) -> None:
        """A lane is gone, for whatever reason."""

    def exhausted(self, leg: "Leg") -> None:
        """A connection has used up its attempts."""

    def life_s(self, leg: "Leg") -> float:
        """At which age a connection that is dialled now is to be replaced."""

    async def signs_of_life(self) -> float:
        """Ask the lanes that are up for one and wait for it a moment; returns when they were asked."""

    async def first_up(self, within_s: float) -> None:
        """Wait until any connection is up, at most so long."""


class Leg:
    """One connection of a shard, kept: at most two lanes, the one that serves and its successor."""

    def __init__(self, name: str, means: Means, keeper: Keeper, *, first: bool) -> None:
        self.name = name
        self._means, self._keeper, self._first = means, keeper, first
        self._waits = means.delays()
        self.lanes: list[Lane] = []
        self.generation = 0
        self.changed = asyncio.Event()
        self.attempts = 0
        self.state = "idle"
        self.reason = ""
        self._ends = Ends()
        self._retry_after_s = 0.0  # of the last successor that failed
        self.scored = means.score
        self.past = [0, 0, 0]  # frames, bytes, bad frames of lanes that are over

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Serve the shard. Returns only where its keeper has given up."""
        while not self._keeper.final:
            await self._until_wanted()
            lane = await self._establish(tasks)
            if lane is not None:
                await self._serve(lane, tasks)

    def say(self, state: str, reason: str) -> None:
        """A state of this connection; told where it is another one."""
        changes = state != self.state
        if changes or self.name != self._means.shard.name:
            self.reason = reason
        if changes:
            self.state = state
            self._means.sink.link(self.link("state", reason, name=self.name))

    def link(self, change: str, reason: str, *, name: str, state: str = "", final: bool = False) -> Link:
        """An event about this connection, or about its shard."""
        shard = self._means.shard
        return Link(
            None, "link", None, self._means.clock.wall_ns(), "ws", self._means.venue.name, name,
            tuple(sorted(str(topic) for topic in shard.topics)), change, state or self.state, reason, self.attempts,
            final,
        )  # fmt: skip

    def close(self, lane: Lane) -> None:
        """Be done with a lane; what it counted is kept."""
        lane.finish("done with")
        if lane in self.lanes:
            self.lanes.remove(lane)
            if lane.session is not None:
                for i, extra in enumerate((lane.session.frames, lane.session.bytes, lane.session.bad_frames)):
                    self.past[i] += extra
            self._keeper.closed()

    async def _until_wanted(self) -> None:
        topics = self._means.shard.topics
        if topics and self.generation:
            return
        while not self._means.shard.topics and not self._keeper.final:
            self.say("idle", "no topics")
            self.changed.clear()
            await self.changed.wait()
        if not self._first:
            await self._keeper.first_up(APART_S)

    async def _establish(self, tasks: asyncio.TaskGroup) -> Lane | None:
        """Dial until a connection has every topic answered. None: nothing is wanted, or the attempts are used up."""
        while self._means.shard.topics and not self._keeper.final:
            await self._allowed()
            asked_at = await self._keeper.signs_of_life()
            if not self._means.shard.topics or self._keeper.final:
                break
            self.attempts += 1
            lane = self._open(tasks, asked_at)
            self.say("dialling", self.reason)
            failure = await lane.settled()
            if not failure:
                self._means.breaker.worked()
                self._keeper.rose(self)
                return lane
            self.close(lane)
            if not lane.finished:
                await self._back_off(lane, failure)
        return None

    async def _serve(self, lane: Lane, tasks: asyncio.TaskGroup) -> None:
        """Until no lane is left. A lane that should end gets a successor first, which takes over without a gap."""
        waits = self._means.delays()
        while not await lane.until_over_or_retiring():
            successor = await self._replaced(lane, tasks)
            if successor is not None:
                lane, waits = successor, self._means.delays()
            else:
                await lane.over_within(max(1.0, next(waits), self._retry_after_s))
        self.close(lane)
        if not lane.finished:
            self._ends.note(lane.lived_s(self._means.clock.now()))
            self._forgive(lane)
            await self._back_off(lane, lane.over.result())

    async def _replaced(self, old: Lane, tasks: asyncio.TaskGroup) -> Lane | None:
        """The lane that took over, once it is this connection's turn; None: it failed, or the old one ended before."""
        self.say("draining", old.retiring_because)
        keeper = self._keeper
        while keeper.replacing not in {None, self} and not old.over.done():
            await old.over_within(TURN_EVERY_S)
        if old.over.done():
            return None
        keeper.replacing = self
        try:
            successor = await self._successor(old, tasks)
            if successor is not None:
                await self._hand_over(old, successor)
        finally:
            keeper.replacing = None
        return successor

    async def _successor(self, old: Lane, tasks: asyncio.TaskGroup) -> Lane | None:
        """A connection that delivers while the old one goes on. None: it failed, or the old one ended before it began.

        Should the old one end before the new one is subscribed, that is an outage, which the new one then ends; unless
        another connection of the shard is up.
        """
        await self._allowed(old)
        asked_at = await self._keeper.signs_of_life()
        if old.over.done():
            return None
        lane = self._open(tasks, asked_at)
        arriving = tasks.create_task(lane.delivering(self._means.patience.overlap_s), name=f"arrival of {lane.name}")
        await asyncio.wait({arriving, old.over}, return_when=asyncio.FIRST_COMPLETED)
        self._mourn(old)
        failure = await arriving
        if not failure and not old.over.done() and (lacking := lane.lacks(old)):
            failure = f"{len(lacking)} topics not confirmed"
        if not failure:
            self._means.breaker.worked()
            return lane
        if not lane.finished:
            self._blame(lane)
        self.close(lane)
        self._retry_after_s = lane.after_s
        return None

    async def _hand_over(self, old: Lane, new: Lane) -> None:
        """Both deliver for a moment, so that what one was slower to bring is not lost; then the old one goes.

        It has brought everything once it answers a ping that was sent after the new one began.
        """
        answers = old.answers
        old.ask_for_life()
        await old.over_within(self._means.patience.linger_s)
        await old.answering(answers, OVERLAP_S)
        self._mourn(old)
        old.finish("replaced by a new connection")
        await old.over
        self.close(old)
        self._forgive(old)
        if new.over.done():
            return
        if self._keeper.down:
            self._keeper.rose(self)
        else:
            self.say("live", "took over from the connection before it")

    def _mourn(self, old: Lane) -> None:
        if old.over.done() and not old.finished:
            self._keeper.lost(self, old, old.over.result())

    async def _back_off(self, lane: Lane, reason: str) -> None:
        """Tell of it; then wait, or stop where the attempts are used up."""
        self._blame(lane)
        if 0 < self._means.patience.attempts <= self.attempts:
            self._keeper.exhausted(self)
        self._keeper.lost(self, lane, reason)
        if not self._keeper.final:
            self.say("backing_off", reason)
            await asyncio.sleep(max(next(self._waits), lane.after_s))

    async def _allowed(self, old: Lane | None = None) -> None:
        """Wait for the breaker's cool-down and for the venue's limit on new connections, while `old` lives."""
        breaker, gate, clock = self._means.breaker, self._means.gate, self._means.clock
        wait_s = breaker.wait_s(clock.now())
        if wait_s > 0:
            self.say("breaker_open", f"leaving the venue alone for {wait_s:.0f} s")
            await self._pause(wait_s, old)
        if old is None or not old.over.done():
            breaker.probing()
        while (old is None or not old.over.done()) and not gate.take(now := clock.now()):
            await self._pause(max(0.001, gate.ready_at(now) - now), old)

    async def _pause(self, for_s: float, old: Lane | None) -> None:
        if old is None:
            await asyncio.sleep(for_s)
        else:
            await old.over_within(for_s)

    def _open(self, tasks: asyncio.TaskGroup, asked_at: float) -> Lane:
        self.generation += 1
        means = self._means
        lane = Lane(
            f"{self.name}#{self.generation}", means.url, means.venue, means.shard, means.instruments,
            timing=replace(means.timing, max_age_s=self._keeper.life_s(self)), dial=means.dial, sink=means.sink,
            clock=means.clock, tasks=tasks, since=asked_at, arriving=lambda lane: self._keeper.arriving(self, lane),
            opened=self._opened, beside_another=self.name != means.shard.name,
            score=Score(self._ends) if means.score else None,
        )  # fmt: skip
        self.lanes.append(lane)
        tasks.create_task(lane.run(), name=lane.name)
        return lane

    def _opened(self) -> None:
        """The first lane has its socket; a successor's is no state of this connection, which delivers."""
        if self.state == "dialling":
            self.say("subscribing", self.reason)

    def _blame(self, lane: Lane) -> None:
        now = self._means.clock.now()
        if lane.tripped:
            self._means.breaker.trip(now)
        elif not lane.was_up:
            self._means.breaker.failed(now)

    def _forgive(self, lane: Lane) -> None:
        """A connection that lived long enough proves the venue healthy: dials before it count no more."""
        if lane.lived_s(self._means.clock.now()) >= self._means.patience.healthy_after_s:
            self._waits, self.attempts = self._means.delays(), 0
