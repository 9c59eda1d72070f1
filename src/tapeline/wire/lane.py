"""One connection from dial to end: pumps frames through a session, keeps its timer, asks about silent topics."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from tapeline.clock import Clock
from tapeline.errors import Retry
from tapeline.model.event import Event
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import Venue
from tapeline.wire.freshness import Deafness, Freshness
from tapeline.wire.pipe import Dial, Pipe
from tapeline.wire.score import ENOUGH, LOOKS, Health, Score
from tapeline.wire.session import Redial, Session, Timing
from tapeline.wire.shards import Shard
from tapeline.wire.sink import Sink

FRESHNESS_EVERY_S, FRESHNESS_MOST_S = 15.0, 300.0  # within these, four times while a connection may be silent
MOST_PROBES = 4
SLOW_S = 0.05  # frames that go on together and take longer hold everybody else up
TIMER_MOST_S = 3600.0
TOGETHER = 256  # frames whose events go on together: fewer calls, and the first of a burst still does not wait long


class Lane:
    """One connection. `over` holds why it ended; `settled` and `delivering` say how far it came."""

    # The hot path goes through it, and Python finds attributes slower where an object has more than thirty of them.
    __slots__ = (
        "_arriving", "_clock", "_deafness", "_dial", "_finish_reason", "_freshness", "_freshness_at", "_instruments",
        "_look_at", "_lost", "_offer", "_opened", "_pipe", "_probing", "_progress", "_score", "_shard", "_sink",
        "_tally", "_task", "_tasks", "_timer", "_timer_fired", "_timing", "_url", "_venue", "_verdict", "after_s",
        "arrived", "finished", "health", "joined", "name", "over", "session", "since", "tripped", "was_up",
    )  # fmt: skip

    def __init__(
        self, name: str, url: str, venue: Venue, shard: Shard, instruments: Mapping[str, Instrument], *,
        timing: Timing, dial: Dial, sink: Sink, clock: Clock, tasks: asyncio.TaskGroup, since: float = 0.0,
        arriving: Callable[["Lane"], None] = lambda _lane: None, opened: Callable[[], None] = lambda: None,
        beside_another: bool = False, score: Score | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.since = since  # what it brings follows what others bring that were alive then
        self.joined = self.arrived = False  # whether that has been judged; whether it has brought anything
        self._arriving, self._opened = arriving, opened
        self._score, self.health = score, Health(1.0)
        self._look_at = float("inf") if score is None else clock.now()
        self._offer = self._offer_first
        self._tally: dict[tuple[str, str | None], int] | None = defaultdict(int) if beside_another else None
        self._url, self._venue, self._shard, self._instruments = url, venue, shard, instruments
        self._timing, self._dial, self._sink, self._clock, self._tasks = timing, dial, sink, clock, tasks
        self.session: Session | None = None
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._progress = asyncio.Event()  # something about `settled`, `delivering` or `retiring` may have changed
        self._pipe: Pipe | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_fired = False
        self._verdict: Exception | None = None  # reached while the pump was waiting, for it to raise
        self._freshness, self._deafness = Freshness(), Deafness()
        self._freshness_at = clock.now() + self._freshness_every_s
        self._probing: set[Topic] = set()
        self.finished = False  # we ended it ourselves
        self._finish_reason = ""
        self._lost = ""  # a verdict reached outside the pump
        self.tripped = False
        self.was_up = False
        self.after_s = 0.0

    async def run(self) -> None:
        """Dial and pump until it is over, for whatever reason; the reason goes to `over`."""
        self._task = asyncio.current_task()
        reason = self._finish_reason or "cancelled"
        try:
            if self.finished:
                return
            async with self._dial(self._url) as pipe:
                self._pipe = pipe
                self._sink.frame(self.name, "open", b"", self._clock.wall_ns(), self._url)
                self._opened()
                reason = await self._pump(pipe)
        except Redial as ended:
            reason, self.tripped = ended.reason, ended.tripped
        except Retry as ended:
            reason, self.after_s = str(ended), ended.after_s or 0.0
        except Exception as bug:
            reason = f"our own code failed: {bug!r}"
            raise
        finally:
            self._end(reason)

    def want(self, topics: Iterable[Topic]) -> None:
        """The shard's topics have changed; without any, the connection has no purpose."""
        if not topics:
            self.finish("no topics")
        elif self.session is not None and self._pipe is not None:
            self.session.want(topics)
            self._wake()

    def again(self, topic: Topic) -> None:
        """Give a topic back and ask for it anew."""
        if self.session is not None and self._pipe is not None:
            self.session.wants.again(topic)
            self._wake()

    def finish(self, reason: str) -> None:
        """End it ourselves; that is no outage."""
        if self.over.done() or self.finished:
            return
        self.finished = True
        self._finish_reason = reason
        if self._pipe is None and self._task is not None:
            self._task.cancel()
        self._wake()

    @property
    def retiring_because(self) -> str:
        """Why a successor should take over, "" where none should (any more)."""
        wanted = self.session.successor_wanted if self.session is not None else ""
        return wanted or (str(self.health) if self.health.score < ENOUGH else "")

    @property
    def subscribed(self) -> bool:
        """Whether every topic has been answered."""
        return self.session is not None and self.session.wants.settled

    @property
    def up(self) -> bool:
        """Whether it delivers what is wanted, as far as one can know."""
        return not self.over.done() and (self.was_up or self.subscribed)

    @property
    def heard_at(self) -> float:
        """When anything last came."""
        return self.session.heard_at if self.session is not None else float("-inf")

    def ask_for_life(self) -> None:
        """Ping now."""
        if self.session is not None and self._pipe is not None:
            self.session.ask_for_life(self._clock.now())
            self._wake()

    async def heard_since(self, since: float, within_s: float) -> bool:
        """Wait until something came, at most so long; whether it did."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._until(lambda: self.heard_at >= since)
        return self.heard_at >= since

    @property
    def answers(self) -> int:
        """How many pings were answered."""
        return self.session.answers if self.session is not None else 0

    async def answering(self, answers: int, within_s: float) -> None:
        """Wait until it has answered more pings than these, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._until(lambda: self.answers > answers)

    def carried(self) -> set[Topic]:
        """Topics it delivers, or did when it ended."""
        if self.session is None:
            return set()
        return {topic for topic, state in self.session.wants.states().items() if state in {"confirmed", "live"}}

    def lacks(self, other: "Lane") -> list[Topic]:
        """Topics that are live on another connection and could not be had on this one."""
        if self.session is None or other.session is None:
            return []
        here, there = self.session.wants.states(), other.session.wants.states()
        return [topic for topic, state in here.items() if state == "timed_out" and there.get(topic) == "live"]

    def lived_s(self, now: float) -> float:
        """How long the connection was open."""
        return now - self.session.age_from if self.session is not None else 0.0

    async def settled(self) -> str:
        """Wait until every topic has its answer; "" then, or why it ended before."""
        await self._until(lambda: self.subscribed)
        if self.over.done():
            return self.over.result()
        self.was_up = True
        return ""

    async def delivering(self, within_s: float) -> str:
        """Wait until every topic delivers, or at least is settled after `within_s`; "" then, or why it failed."""
        try:
            async with asyncio.timeout(within_s):
                await self._until(lambda: self.session is not None and self.session.wants.delivering)
        except TimeoutError:
            if not self.subscribed:
                return f"not subscribed within {within_s:g} s"
        if self.over.done():
            return self.over.result()
        self.was_up = True
        return ""

    async def until_over_or_retiring(self) -> bool:
        """Wait; True where it is over, False where a successor is wanted."""
        await self._until(lambda: bool(self.retiring_because))
        return self.over.done()

    async def over_within(self, within_s: float) -> None:
        """Wait for the end, at most so long."""
        await asyncio.wait({self.over}, timeout=within_s)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not self.over.done() and not condition():
            self._progress.clear()
            await self._progress.wait()

    async def _pump(self, pipe: Pipe) -> str:
        now = self._clock.now()
        session = self.session = Session(
            self._venue, self._instruments, self._shard.topics, timing=self._timing, now=now,
            problem=lambda kind, text, frame: self._sink.problem(self.name, kind, text, frame),
        )  # fmt: skip
        while True:
            if self.finished:
                return self._finish_reason
            if session.dirty or self._timer_fired:
                await self._act(session, pipe)
                continue  # it may have been ended meanwhile
            await self._sink.room()
            frames = await pipe.receive(self._at_once)
            if self._verdict is not None:
                raise self._verdict
            if frames:
                self._take(session, frames)
            elif not self._timer_fired and not session.dirty:
                now = self._clock.now()
                session.heard(now)
                self._progress.set()
                if self.was_up:
                    self._sink.alive(self._shard, now)  # at once: a quiet bar closes by it

    def _at_once(self, frames: Sequence[bytes]) -> bool:
        """Frames that came while the pump waits, taken without waking it; True where there is more to do than that."""
        session = self.session
        assert session is not None, "frames come only once there is a session"
        try:
            self._take(session, frames)
        except Exception as verdict:  # noqa: BLE001  # the pump raises it: whoever calls here is the socket's reader
            self._verdict = verdict
            return True
        return session.dirty or self.finished or self._sink.blocked

    def _take(self, session: Session, frames: Sequence[bytes]) -> None:
        """Pass on what these frames hold; what came before one that ends the connection, too."""
        now, received_ns = self._clock.now(), self._clock.wall_ns()
        if self._sink.recording:
            name, record = self.name, self._sink.frame
            for frame in frames:
                record(name, "in", frame, received_ns, "")
        if len(frames) <= TOGETHER:
            self._pass_on(session, frames, now, received_ns)
        else:
            for start in range(0, len(frames), TOGETHER):
                now = self._pass_on(session, frames[start : start + TOGETHER], now, received_ns)

    def _pass_on(self, session: Session, frames: Sequence[bytes], now: float, received_ns: int) -> float:
        """Returns when it was done."""
        events: list[Event] = []
        stamps: list[int | None] | None = [] if self._shard.stamped else None
        try:
            session.received(frames, now, received_ns, events, stamps)
        finally:
            if events:
                self._offer(events, stamps or (), self._shard, now)
        done = self._clock.now()
        if done - now > SLOW_S:
            self._sink.slow()
        return done

    def _offer_first(self, events: Sequence[Event], stamps: Sequence[int | None], shard: Shard, now: float) -> None:
        """The first events of this connection: whoever keeps it hears of it before they pass."""
        self._offer = self._sink.offer if self._tally is None else self._offer_counted
        self._arriving(self)
        self._offer(events, stamps, shard, now)

    def _offer_counted(self, events: Sequence[Event], stamps: Sequence[int | None], shard: Shard, now: float) -> None:
        """Where another connection brings the same, only our own count shows that a topic is dead on this one."""
        tally = self._tally
        assert tally is not None, "counted only where there is a tally"
        for event in events:
            tally[event.channel, event.instrument] += 1
        self._sink.offer(events, stamps, shard, now)

    async def _act(self, session: Session, pipe: Pipe) -> None:
        """Whatever is not a frame: deadlines, requests, pings, questions; then set the timer anew."""
        now = self._clock.now()
        self._timer_fired = False
        if self._lost:
            raise Redial(self._lost)
        if now >= self._look_at and self._score is not None:
            self._look_at = now + LOOKS * self._timing.idle_ping_s
            self.health = self._score.look(session.signs(now))
        session.tick(now)
        self._ask_about_silence(session, now)
        if session.sample is not None:
            self._sink.sample(self.name, *session.sample)
            session.sample = None
        for frame in session.outgoing(now):
            self._sink.frame(self.name, "out", frame, self._clock.wall_ns(), "")
            await pipe.send(frame)
        if session.ping_due:
            session.ping_due = False
            await pipe.ping()
        for outcome in session.outcomes():
            self._sink.outcome(outcome)
        if self.was_up:  # before, others may well be told what this one is not
            self._sink.alive(self._shard, session.heard_at)
        self._progress.set()
        self._arm(min(session.deadline(now), self._freshness_at, self._look_at) - now)

    @property
    def _freshness_every_s(self) -> float:
        return min(max(FRESHNESS_EVERY_S, self._timing.silence_s / 4), FRESHNESS_MOST_S)

    def _arm(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(max(delay_s, 0.001), TIMER_MOST_S), self._wake)

    def _wake(self) -> None:
        self._timer_fired = True
        if self._pipe is not None:
            self._pipe.wake()

    def _ask_about_silence(self, session: Session, now: float) -> None:
        doubts, session.wants.doubts = session.wants.doubts, []
        if now >= self._freshness_at:
            self._freshness_at = now + self._freshness_every_s
            live = [topic for topic, state in session.wants.states().items() if state == "live"]
            doubts += self._freshness.sample({topic: self._sink.count(topic) for topic in live}, now)
            if self._tally is not None:
                self._ask_again_what_others_bring(session, self._tally, now)
        for topic in doubts:
            if topic not in self._probing and len(self._probing) < MOST_PROBES:
                self._probing.add(topic)
                self._tasks.create_task(self._probe(session, topic), name=f"probe {self.name} {topic}")

    def _ask_again_what_others_bring(
        self, session: Session, tally: Mapping[tuple[str, str | None], int], now: float
    ) -> None:  # fmt: skip
        key = session.wants.key
        counts = {topic: (tally.get(key(topic), 0), self._sink.count(topic)) for topic in self.carried()}
        for topic in self._deafness.sample(counts, now):
            self._sink.problem(self.name, "deaf_topic", f"{topic} comes on another connection and not on this one", b"")
            if not session.wants.renew(topic):
                raise Redial(f"{topic} does not come, though it does on another connection")
            session.dirty = True

    async def _probe(self, session: Session, topic: Topic) -> None:
        try:
            dead = await self._sink.probe(topic)
        finally:
            self._probing.discard(topic)
        if self.over.done() or topic not in self._shard.topics:
            return
        if dead:
            self._sink.silent(topic)
            if not session.wants.renew(topic):
                self._lost = f"{topic} stays silent though the venue has news of it"
        elif dead is None:
            session.wants.unsure(topic)
        else:
            session.wants.quiet(topic)
        session.dirty = True
        self._wake()

    def _end(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._pipe is not None:
            self._sink.frame(self.name, "close", b"", self._clock.wall_ns(), reason)
            if self.session is not None:
                for outcome in self.session.outcomes():
                    self._sink.outcome(outcome)
        self._pipe = None
        if not self.over.done():
            self.over.set_result(reason)
        self._progress.set()
