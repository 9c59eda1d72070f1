"""Everything an instance does with one venue: instruments, topics, connections, its clock, its books and bars."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tapeline.app.bars import BarDesk
from tapeline.app.books import BookDesk
from tapeline.app.probing import Prober
from tapeline.app.settings import delays, patience, rebased, timing
from tapeline.app.symbols import Symbols
from tapeline.clock import Clock
from tapeline.config import BarsConfig, ConnectionConfig
from tapeline.errors import BadData, ConfigError, Refused, Retry
from tapeline.market.bus import Bus
from tapeline.market.watermark import VenueClock
from tapeline.model.channel import Channel
from tapeline.model.event import BookSnapshot, Event, Gap, Link, type_name
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.outlet import Outlet
from tapeline.venues.spec import Ask, Venue
from tapeline.wire.breaker import Breaker
from tapeline.wire.continuity import Point
from tapeline.wire.drift import Drift
from tapeline.wire.feed import FeedStatistics, KeepFed, keep_fed
from tapeline.wire.merge import Merge
from tapeline.wire.pace import SharedBudget, at_most
from tapeline.wire.pipe import Dial, Fetch, Response
from tapeline.wire.rest import Rest
from tapeline.wire.shards import Shard, Shards
from tapeline.wire.wants import Outcome

CLOCK_AGAIN_S, CLOCK_SETTLED = 3.0, 3  # the first readings come soon after one another
CLOCK_EVERY_S, CLOCK_UNSTEADY_S = 180.0, 30.0  # once settled; of a clock that does not keep our pace (a tape's)
TIMED_FOR_S = 60.0
VENUE_NOW_FOR_S = 0.25  # an estimate of the venue's clock serves so long: it only has to tell 5 s ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What is real or simulated, injected."""

    dial: Callable[[ConnectionConfig], Dial]
    fetch: Fetch
    clock: Clock
    chance: Callable[[], float]
    record: Callable[[str, str, bytes, int, str], None] | None  # connection, direction, raw, at_ns, reason
    answered: Callable[[str, str, Response, int], None] | None
    problem: Callable[[str, str, str, str, bytes], None]  # venue, connection, kind, text, frame
    blocking: Sequence[Outlet]  # subscribers of policy `block`, as they come and go
    budget: Callable[[str, str], SharedBudget] | None = None  # (venue, REST URL) -> what its other users here spend


class VenueDesk:
    """One venue at one address. It is the sink of its feeds."""

    def __init__(
        self, venue: Venue, *, ws_url: str | None, rest_url: str | None, settings: ConnectionConfig,
        bars: BarsConfig, edge: Edge, bus: Bus, points: Mapping[tuple[str, str], Point],
    ) -> None:  # fmt: skip
        self.venue = venue
        self._ws_url, self._settings, self._bar_settings = ws_url, settings, bars
        self._edge, self._bus, self._points = edge, bus, points
        self.recording = edge.record is not None
        self._blocking = edge.blocking
        self._clock = edge.clock
        self._delays = delays(settings, edge.chance)
        base = rebased(venue.urls["rest"], rest_url)
        self.rest = Rest(
            venue, base, fetch=edge.fetch, clock=edge.clock, delays=self._delays, answered=edge.answered,
            shared=edge.budget(venue.name, base) if edge.budget is not None else None,
        )  # fmt: skip
        self.symbols = Symbols(venue.name)
        self._prober = Prober(self.rest, frozenset(venue.rest), self._trouble)
        self.merge = Merge()
        self._drift = Drift()
        self._timing: asyncio.TimerHandle | None = None
        self._held = asyncio.Event()  # set while events wait in `merge`
        self.shards = Shards(venue)
        self.venue_clock = VenueClock()
        self.books = BookDesk(
            bus, edge.clock, fetch_snapshot=self._snapshot, subscribe_again=self._subscribe_again, trouble=self._trouble
        )
        self._dial = edge.dial(settings)
        self._gate = at_most(venue.limits.connections_per_window, venue.limits.window_s, edge.clock.now())
        self._feeds: dict[Shard, KeepFed] = {}
        self._bar_desks: dict[Shard, BarDesk] = {}
        self._users: dict[Topic, int] = {}
        self._kept: dict[Topic, list[Channel]] = {}
        self._outcomes: dict[Topic, Outcome] = {}
        self._waiting: dict[Topic, list[asyncio.Future[Outcome]]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._venue_now_ns: int | None = None
        self._venue_read_at = float("-inf")

    # ---- life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._watch_clock(), name=f"{self.venue.name} clock")
            tasks.create_task(self.books.run(), name=f"{self.venue.name} books")
            tasks.create_task(self._release(), name=f"{self.venue.name} merge")
            for shard in self.shards:
                self._feed(shard)

    async def load_instruments(self) -> None:
        """Ask for the instrument list until it comes. Raises Refused or BadData where it never will."""
        waits = self._delays()
        while True:
            try:
                call = self.venue.rest["instruments"]
                for part in call.parts:
                    items = await self.rest.call(Ask("instruments", part=part), {})
                    self.symbols.learn([item for item in items if isinstance(item, Instrument)])
            except Retry as trouble:
                self._trouble("instruments", str(trouble))
                await asyncio.sleep(max(trouble.after_s or 0.0, next(waits)))
            else:
                return

    # ---- topics ----------------------------------------------------------------------------------------------

    def want(self, instrument: Instrument, channels: Iterable[Channel]) -> list[Topic]:
        """Keep these channels of an instrument; returns the wire topics. Each `want` is undone by one `unwant`."""
        topics = []
        for channel in channels:
            feed = self.venue.feeds.get(channel.wire.kind)
            if feed is None or not feed.offers(channel.wire):
                raise ConfigError(f"{self.venue.name} has no channel {str(channel)!r}; it has {self._menu()}")
            topic = Topic(str(channel.wire), instrument.native)
            self._users[topic] = self._users.get(topic, 0) + 1
            after = self._points.get((instrument.id, topic.channel))
            self.merge.declare(instrument.id, topic.channel, feed, after=after)
            if channel.kind == "book" and channel.levels is None:
                self.books.keep(topic, instrument.id, feed)
            self._kept.setdefault(topic, []).append(channel)
            topics.append(topic)
        fresh = self.shards.add(topics)
        for topic in topics:
            shard = self.shards.shard_of(topic)
            assert shard is not None, f"{topic} was just placed"
            for channel in self._kept[topic]:
                if channel.built_from:
                    self._bar_desk(shard).build(instrument, channel)
        if self._tasks is not None:
            for shard in fresh:
                self._feed(shard)
        return topics

    def unwant(self, instrument: Instrument, channels: Iterable[Channel]) -> None:
        """Undo one `want`; the last user of a topic unsubscribes it at the venue."""
        gone = []
        for channel in channels:
            topic = Topic(str(channel.wire), instrument.native)
            left = self._users.get(topic, 0) - 1
            if left > 0:
                self._users[topic] = left
                continue
            if self._users.pop(topic, None) is None:
                continue
            gone.append(topic)
            self._kept.pop(topic, None)
            self._outcomes.pop(topic, None)
            self._prober.forget(topic)
            self.books.drop(topic)
            self.merge.forget(instrument.id, topic.channel)
            shard = self.shards.shard_of(topic)
            if shard is not None and shard in self._bar_desks:
                self._bar_desks[shard].drop(instrument.id, topic.channel)
        self.shards.remove(gone)

    async def answers(self, topics: Sequence[Topic], within_s: float) -> list[Outcome]:
        """What became of each topic, in order; those without an answer in time are timed out."""
        loop = asyncio.get_running_loop()
        futures = []
        for topic in topics:
            future: asyncio.Future[Outcome] = loop.create_future()
            if topic in self._outcomes:
                future.set_result(self._outcomes[topic])
            else:
                self._waiting.setdefault(topic, []).append(future)
            futures.append(future)
        if futures:
            await asyncio.wait(futures, timeout=within_s)
        late = f"no answer within {within_s:g} s"
        return [
            future.result() if future.done() else Outcome(topic, "timed_out", text=late)
            for topic, future in zip(topics, futures, strict=True)
        ]

    def bar_desk(self, instrument: str, channel: str) -> BarDesk | None:
        """Who builds bars of this instrument from this channel."""
        return next((desk for desk in self._bar_desks.values() if desk.builder(instrument, channel)), None)

    # ---- the sink of the feeds -------------------------------------------------------------------------------

    def offer(self, events: Sequence[Event], stamps: Sequence[int | None], shard: Shard, now: float) -> None:
        """Events of frames that came together, in order; of each frame, the stamp of its last event."""
        merge = self.merge
        self._bus.publish_all(merge.offer(events, now))
        if merge.holding:
            self._held.set()
        if shard.stamped:
            self._advance(stamps, self._bar_desks[shard], now)

    def _advance(self, stamps: Sequence[int | None], desk: BarDesk, now: float) -> None:
        if now - self._venue_read_at > VENUE_NOW_FOR_S:
            self._venue_now_ns, self._venue_read_at = self.venue_clock.estimate(now), now
        stamp = desk.watermark.stamp
        for at_ns in stamps:
            if at_ns is not None:
                stamp(at_ns, self._venue_now_ns)
        desk.advance()

    def alive(self, shard: Shard, heard_at: float) -> None:
        """The connection was provably alive then: quiet bars may close by the venue's clock."""
        desk = self._bar_desks.get(shard)
        venue_ns = self.venue_clock.estimate(heard_at)
        if desk is not None and venue_ns is not None:
            desk.watermark.alive(venue_ns)
            desk.advance()

    def frame(self, connection: str, direction: str, raw: bytes, at_ns: int, reason: str) -> None:
        """For the tape."""
        if self._edge.record is not None:
            self._edge.record(connection, direction, raw, at_ns, reason)

    def problem(self, connection: str, kind: str, text: str, frame: bytes) -> None:
        """Counted and logged, at a bounded rate."""
        self._edge.problem(self.venue.name, connection, kind, text, frame)

    def slow(self) -> None:
        """Time each callback for a minute, so that status names the slow one."""
        self._bus.time_calls(on=True)
        if self._timing is not None:
            self._timing.cancel()
        self._timing = asyncio.get_running_loop().call_later(TIMED_FOR_S, lambda: self._bus.time_calls(on=False))

    def sample(self, connection: str, frame: bytes, events: Sequence[Event]) -> None:
        """A venue that adds or drops a field is told, once for each field; the feed goes on."""
        for difference in self._drift.look(f"{events[0].channel} {type_name(events[0])}", frame):
            self.problem(connection, "schema_drift", difference, frame)

    def outcome(self, outcome: Outcome) -> None:
        """Tell whoever waits for it."""
        self._outcomes[outcome.topic] = outcome
        for future in self._waiting.pop(outcome.topic, []):
            if not future.done():
                future.set_result(outcome)
        if outcome.state != "live":
            self._trouble("subscription", f"{outcome.topic} {outcome.state}: {outcome.code} {outcome.text}".rstrip())

    def count(self, topic: Topic) -> int:
        """Events of this topic so far."""
        track = self.merge.track(self.symbols.id_of(topic.native), topic.channel)
        return track.count if track is not None else 0

    def silent(self, topic: Topic) -> None:
        """What a dead topic missed is a hole."""
        self._broken((topic,), "silence")

    def down(self, topics: frozenset[Topic], cause: str) -> None:
        """No lane delivers these topics any more."""
        self._broken(sorted(topics), cause)
        for topic in topics:
            shard = self.shards.shard_of(topic)
            if shard is not None and shard in self._bar_desks:
                self._bar_desks[shard].watermark.freeze()

    def unproven(self, topics: frozenset[Topic], cause: str) -> None:
        """Nobody may have delivered these for a while: what cannot prove that nothing is missing has a hole."""
        tracks = (
            (topic, self.merge.track(self.symbols.id_of(topic.native), topic.channel)) for topic in sorted(topics)
        )
        self._broken((topic for topic, track in tracks if track is not None and not track.rule.provable), cause)

    def overlap(self, topics: frozenset[Topic], *, on: bool) -> None:
        """Two lanes deliver these topics, or only one again."""
        for topic in topics:
            track = self.merge.track(self.symbols.id_of(topic.native), topic.channel)
            if track is not None:
                track.overlap(on=on)

    def link(self, link: Link) -> None:
        """A change of a connection is an event like any other."""
        self._bus.publish(link)

    @property
    def blocked(self) -> bool:
        """Whether a blocking subscriber is over its mark."""
        return any(outlet.blocked for outlet in self._blocking) if self._blocking else False

    async def room(self) -> None:
        """Wait while one is."""
        for outlet in self._blocking:
            await outlet.wait_room()

    async def probe(self, topic: Topic) -> bool | None:
        """Ask REST whether a silent topic should have spoken."""
        return await self._prober.dead(topic, self.merge.track(self.symbols.id_of(topic.native), topic.channel))

    # ---- inside ----------------------------------------------------------------------------------------------

    def statistics(self) -> list[FeedStatistics]:
        """Every connection."""
        return [each for feed in self._feeds.values() for each in feed.statistics()]

    @property
    def given_up(self) -> bool:
        """Whether every connection has used up its attempts."""
        return bool(self._feeds) and all(feed.final for feed in self._feeds.values())

    def open_gaps(self) -> list[Gap]:
        """Holes that nothing has ended yet."""
        return self.merge.open_gaps(self._clock.wall_ns())

    def _feed(self, shard: Shard) -> None:
        assert self._tasks is not None, "feeds start once the desk runs"
        feed = self._feeds[shard] = KeepFed(
            self.venue, shard, url=rebased(self.venue.urls[shard.endpoint], self._ws_url),
            instruments=self.symbols.by_native, timing=timing(self._settings, self.venue, self._edge.chance),
            patience=patience(self._settings), dial=self._dial, sink=self, clock=self._clock, delays=self._delays,
            breaker=Breaker(self._settings.breaker_threshold, self._settings.breaker_cooldown_s), gate=self._gate,
            connections=self._settings.connections, score=self._settings.connection_score,
        )  # fmt: skip
        self._tasks.create_task(
            keep_fed(feed, restarted=lambda error: self._trouble("feed", repr(error)), delays=self._delays),
            name=f"feed {shard.name}",
        )

    def _bar_desk(self, shard: Shard) -> BarDesk:
        desk = self._bar_desks.get(shard)
        if desk is None:
            desk = self._bar_desks[shard] = BarDesk(
                self._bus, self._bar_settings, self._clock.wall_ns, self.merge.lacking_since_ns
            )
            shard.stamped = True
        return desk

    def _broken(self, topics: Iterable[Topic], cause: str) -> None:
        now = self._clock.now()
        for topic in topics:
            for event in self.merge.down(self.symbols.id_of(topic.native), topic.channel, cause, now):
                self._bus.publish(event)
            self.books.down(topic, cause)

    async def _release(self) -> None:
        """Let go of events that have waited long enough for what they jumped over."""
        while True:
            until = self.merge.waiting_until
            if until is None:
                self._held.clear()
                await self._held.wait()
                continue
            await asyncio.sleep(max(0.01, until - self._clock.now()))
            for event in self.merge.release(self._clock.now()):
                self._bus.publish(event)

    async def _watch_clock(self) -> None:
        while "time" in self.venue.rest:
            try:
                sent, server_ns, received = await self.rest.server_time()
            except (Retry, Refused, BadData) as error:
                self._trouble("clock", str(error))
            else:
                self.venue_clock.sample(sent, server_ns, received)
            found = self.venue_clock.statistics()
            pause_s = CLOCK_EVERY_S if found.running else CLOCK_UNSTEADY_S
            await asyncio.sleep(pause_s if found.samples >= CLOCK_SETTLED else CLOCK_AGAIN_S)

    async def _snapshot(self, topic: Topic) -> BookSnapshot:
        ids = {topic.native: self.symbols.id_of(topic.native)}
        items = await self.rest.call(Ask("depth", topic.native, limit=self.venue.rest["depth"].page), ids)
        for item in items:
            if isinstance(item, BookSnapshot):
                return item
        raise BadData(f"{self.venue.name}: the depth answer for {topic.native} holds no book")

    def _subscribe_again(self, topic: Topic) -> None:
        shard = self.shards.shard_of(topic)
        if shard is not None and shard in self._feeds:
            self._feeds[shard].subscribe_again(topic)

    def _trouble(self, kind: str, text: str) -> None:
        self._edge.problem(self.venue.name, "", kind, text, b"")

    def _menu(self) -> str:
        return ", ".join(sorted(self.venue.feeds))
