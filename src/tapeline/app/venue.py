"""Everything an instance does with one venue: instruments, topics, connections, its clock, its books and bars."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from tapeline.app.answers import Answers
from tapeline.app.bars import BarDesk
from tapeline.app.books import BookDesk
from tapeline.app.clocks import VenueNow, watch_clock
from tapeline.app.edge import Edge
from tapeline.app.listing import listed
from tapeline.app.probing import Prober
from tapeline.app.sampling import Sampler
from tapeline.app.settings import delays, patience, rebased, timing
from tapeline.app.symbols import Symbols
from tapeline.config import BarsConfig, ConnectionConfig
from tapeline.errors import BadData
from tapeline.market.bus import Bus
from tapeline.market.watermark import VenueClock
from tapeline.model.channel import Channel
from tapeline.model.event import BookSnapshot, Event, Gap, Link, type_name
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import Ask, Venue
from tapeline.wire.breaker import Breaker
from tapeline.wire.continuity import Point
from tapeline.wire.drift import Drift
from tapeline.wire.feed import FeedStatistics, KeepFed, keep_fed
from tapeline.wire.merge import Merge
from tapeline.wire.pace import at_most
from tapeline.wire.rest import Rest
from tapeline.wire.shards import Shard, Shards
from tapeline.wire.turns import dials_in_turn
from tapeline.wire.wants import Outcome

TIMED_FOR_S = 60.0


class VenueDesk:
    """One venue at one address. It is the sink of its feeds."""

    def __init__(
        self, venue: Venue, *, ws_url: str | None, rest_url: str | None, settings: ConnectionConfig,
        bars: BarsConfig, edge: Edge, bus: Bus, points: Mapping[tuple[str, str], Point], since_ns: int | None = None,
    ) -> None:  # fmt: skip
        self.venue = venue
        self._urls = {name: rebased(url, ws_url) for name, url in venue.urls.items() if url[:4] != "http"}
        self._settings, self._bar_settings = settings, bars
        self._edge, self._bus, self._points, self._since_ns = edge, bus, points, since_ns
        self._record, self.recording = edge.record, edge.record is not None
        self._blocking, self._clock = edge.blocking, edge.clock
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
            bus, edge, fetch_snapshot=self._snapshot, subscribe_again=self._subscribe_again, trouble=self._trouble
        )
        self.sampler = Sampler(
            venue, self.rest, self.symbols, edge.clock, offer=self.offer, told=self.outcome, broken=self._broken
        )
        self._dial = edge.dial(settings)
        self._gate = at_most(venue.limits.connections_per_window, venue.limits.window_s, edge.clock.now())
        self.dial = dials_in_turn(self._dial, self._gate, edge.clock)  # for what else connects to the venue
        self._feeds: dict[Shard, KeepFed] = {}
        self._bar_desks: dict[Shard, BarDesk] = {}
        self._users, self._kept = dict[Topic, int](), dict[Topic, list[Channel]]()
        self._answers = Answers()
        self.polled: dict[Topic, Shard] = {}  # topics that polling brings, too, each with what closes its bars
        self.failed: Callable[[Topic, str, bool], None] = lambda _topic, _why, _refused: None
        self.alive_at: dict[Shard, float] = {}  # when a connection last gave a sign of life without data
        self._tasks: asyncio.TaskGroup | None = None
        self._venue_now = VenueNow(self.venue_clock)

    # ---- life ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            if "time" in self.venue.rest:
                watching = watch_clock(self.rest, self.venue_clock, self._trouble)
                tasks.create_task(watching, name=f"{self.venue.name} clock")
            tasks.create_task(self.books.run(), name=f"{self.venue.name} books")
            tasks.create_task(self._release(), name=f"{self.venue.name} merge")
            tasks.create_task(self.sampler.run(), name=f"{self.venue.name} asking")
            for shard in self.shards:
                self._feed(shard)

    async def load_instruments(self) -> None:
        """Ask for the instrument list until it comes and can be read. Raises Refused where it never will, and Retry or
        BadData once the attempts that a connection has are used up.
        """
        await listed(
            self.rest, self.venue, self.symbols, waits=self._delays(), trouble=self._trouble,
            attempts=self._settings.reconnect_attempts,
        )  # fmt: skip

    # ---- topics ----------------------------------------------------------------------------------------------

    def want(self, instrument: Instrument, channels: Iterable[Channel], *, polled: bool = False) -> list[Topic]:
        """Keep these channels of an instrument; returns the wire topics. Each `want` is undone by one `unwant`.

        `polled`: on no connection; somebody polls them.
        """
        topics = []
        for channel in channels:
            feed = self.venue.feed_of(channel.wire, instrument.kind)
            topic = Topic(str(channel.wire), instrument.native)
            self._users[topic] = self._users.get(topic, 0) + 1
            after = self._points.get((instrument.id, topic.channel))
            self.merge.declare(instrument.id, topic.channel, feed, after=after, since_ns=self._since_ns)
            if channel.kind == "book" and channel.levels is None:
                self.books.keep(topic, instrument.id, feed)
            self._kept.setdefault(topic, []).append(channel)
            topics.append(topic)
        if polled:
            for topic in topics:
                self.poll(topic)
        else:
            self.stream(topics)
        for topic in topics:
            for channel in self._kept[topic]:
                if channel.built_from:
                    self._bar_desk(self.shards.shard_of(topic) or self.polled[topic]).build(instrument, channel)
        return topics

    def stream(self, topics: Iterable[Topic]) -> None:
        """Place these on connections; those that are there stay."""
        for shard in self.shards.add(self.sampler.add(topics)):
            if self._tasks is not None:
                self._feed(shard)

    def poll(self, topic: Topic) -> None:
        """Polling is a lane of this topic from now on, and closes the bars that are built of it."""
        self.polled[topic] = Shard(self.venue.name, "polling", len(self.polled) + 1)
        self._bars_to(self.polled[topic], topic)
        self._overlap(topic, on=True)

    def unpoll(self, topic: Topic) -> None:
        """Only its connection brings it from now on."""
        shard = self.shards.shard_of(topic)
        assert shard is not None, f"nothing would bring {topic} any more"
        self._bars_to(shard, topic)
        self._bar_desks.pop(self.polled.pop(topic), None)
        self._overlap(topic, on=shard in self._feeds and self._feeds[shard].overlapping)

    def feed_of(self, topic: Topic) -> KeepFed | None:
        """Who keeps the connection of this topic."""
        shard = self.shards.shard_of(topic)
        return None if shard is None else self._feeds.get(shard)

    def live_topics(self) -> set[Topic]:
        """What connections deliver just now."""
        return {topic for feed in self._feeds.values() for topic in feed.live_topics()} | self.sampler.live

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
            self._answers.forget(topic)
            self._prober.forget(topic)
            self.books.drop(topic)
            self.merge.forget(instrument.id, topic.channel)
            shard = self.shards.shard_of(topic)
            for home in (shard, self.polled.pop(topic, None)):
                if home is not None and home in self._bar_desks:
                    self._bar_desks[home].drop(instrument.id, topic.channel)
        self.shards.remove(gone)
        self.sampler.remove(gone)

    async def answers(self, topics: Sequence[Topic], within_s: float) -> list[Outcome]:
        """What became of each topic, in order; those without an answer in time are timed out."""
        return await self._answers.wait(topics, within_s)

    def bar_desk(self, instrument: str, channel: str) -> BarDesk | None:
        """Who builds bars of this instrument from this channel."""
        return next((desk for desk in self._bar_desks.values() if desk.builder(instrument, channel)), None)

    # ---- the sink of the feeds -------------------------------------------------------------------------------

    def offer(self, events: Sequence[Event], stamps: Sequence[int | None], shard: Shard, now: float) -> None:
        """Events of frames that came together, in order; of each frame, the stamp of its last event."""
        merge = self.merge
        merge.pass_on(events, now, self._bus)
        if merge.holding:
            self._held.set()
        if shard.stamped:
            self._advance(stamps, self._bar_desks[shard], now)
        if self.polled:
            self._advance_polled(now)

    def _advance_polled(self, now: float) -> None:
        """A stream that is back moves the bars of what is polled still, as far as its own trades have come."""
        for topic, shard in self.polled.items():
            desk = self._bar_desks.get(shard)
            track = self.merge.track(self.symbols.id_of(topic.native), topic.channel) if desk is not None else None
            if desk is not None and track is not None and not track.broken and track not in self.merge.holding:
                self._advance((track.last.at_ns,) if track.last is not None else (), desk, now)

    def _advance(self, stamps: Sequence[int | None], desk: BarDesk, now: float) -> None:
        venue_now_ns = self._venue_now.at(now)
        stamp = desk.watermark.stamp
        for at_ns in stamps:
            if at_ns is not None:
                stamp(at_ns, venue_now_ns)
        desk.advance()

    def alive(self, shard: Shard, heard_at: float) -> None:
        """The connection was provably alive then: quiet bars may close by the venue's clock."""
        self.alive_at[shard] = heard_at
        desk = self._bar_desks.get(shard)
        venue_ns = self.venue_clock.estimate(heard_at)
        if desk is not None and venue_ns is not None:
            desk.watermark.alive(venue_ns)
            desk.advance()

    def frame(self, connection: str, direction: str, raw: bytes, at_ns: int, reason: str) -> None:
        """For the tape."""
        if self._record is not None:
            self._record(connection, direction, raw, at_ns, reason)

    def problem(self, connection: str, kind: str, text: str, frame: bytes) -> None:
        """Counted and logged, at a bounded rate."""
        topic = self.venue.server.topic_of(frame) if self.venue.server is not None and frame else None
        self._edge.problem(self.venue.name, connection, kind, text, frame, topic=str(topic or ""))

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
        self._answers.told(outcome)
        if outcome.state != "live":
            self.failed(outcome.topic, f"{outcome.code} {outcome.text}".strip(), outcome.state == "refused")
            self._trouble("subscription", f"{outcome.topic} {outcome.state}: {outcome.code} {outcome.text}".rstrip())

    def count(self, topic: Topic) -> int:
        """Events of this topic so far."""
        track = self.merge.track(self.symbols.id_of(topic.native), topic.channel)
        return track.count if track is not None else 0

    def silent(self, topic: Topic) -> None:
        """What a dead topic missed is a hole, unless it is polled, too."""
        self.failed(topic, f"{topic.channel} is silent though the venue has news of it", False)
        if topic not in self.polled:
            self._broken((topic,), "silence")

    def down(self, topics: frozenset[Topic], cause: str) -> None:
        """No lane delivers these topics any more."""
        self._broken(sorted(topics - self.polled.keys()), cause)
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
            self._overlap(topic, on=on)

    def link(self, link: Link) -> None:
        """A change of a connection is an event like any other."""
        self._bus.publish(link)

    @property
    def blocked(self) -> bool:
        """Whether a blocking subscriber is over its mark."""
        return any(outlet.blocked for outlet in self._blocking) if self._blocking else False

    async def room(self) -> None:
        """Wait while one is."""
        for outlet in tuple(self._blocking):
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
            self.venue, shard, url=self._urls[shard.endpoint],
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

    def _bars_to(self, shard: Shard, topic: Topic) -> None:
        key = (self.symbols.id_of(topic.native), topic.channel)
        before = self.bar_desk(*key)
        if before is not None and before is not self._bar_desks.get(shard):
            before.hand_over(*key, self._bar_desk(shard))

    def _overlap(self, topic: Topic, *, on: bool) -> None:
        track = self.merge.track(self.symbols.id_of(topic.native), topic.channel)
        if track is not None:
            track.overlap(on=on or topic in self.polled)

    def _broken(self, topics: Iterable[Topic], cause: str) -> None:
        now = self._clock.now()
        for topic in topics:
            for event in self.merge.down(self.symbols.id_of(topic.native), topic.channel, cause, now):
                self._bus.publish(event)
            self.books.down(topic, self.symbols.id_of(topic.native), cause)

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
