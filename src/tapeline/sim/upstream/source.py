"""The real market as a source: what clients ask for is subscribed upstream through our own feeds, and passed on.

Its clock is the venue's. Nothing here waits for the network but `opened` and `Live.prepare`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Container, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tapeline.app.instance import Instance, World
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.config import Place
from tapeline.errors import BadData, ConfigError, Retry, TapelineError
from tapeline.market.book import whole
from tapeline.model.channel import channel
from tapeline.model.event import BookDelta, BookSnapshot, Event, Gap
from tapeline.model.instrument import Instrument
from tapeline.model.interval import HOUR_NS, SECOND_NS
from tapeline.model.topic import Topic
from tapeline.sim.depth import Depth
from tapeline.sim.playback import Say
from tapeline.sim.source import Moment
from tapeline.sim.upstream.feed import LiveFeed
from tapeline.sim.upstream.rest import Asked
from tapeline.venues.spec import Answer, Ask, Server, ServerTime

LINGER_S = 30.0  # what nobody listens to any more is given back upstream after this
MOST_WAITING = 50_000  # events that wait for the slowest client; past this the oldest are left out
TIME_AGAIN_S = 1.0
QUIET_NS = HOUR_NS  # nothing is known of what comes next: look again by then


@dataclass(frozen=True, slots=True)
class VenueTime:
    """The venue's clock, carried forward by our own from one reading."""

    clock: Clock
    at_ns: int
    at_s: float

    def now_ns(self) -> int:
        """UTC nanoseconds."""
        return self.at_ns + int((self.clock.now() - self.at_s) * SECOND_NS)


class Upstream:
    """A `Source`, and its own `Live`. `opened` makes it."""

    waits = False

    def __init__(self, instance: Instance, desk: VenueDesk, time: VenueTime, say: Say) -> None:
        if desk.venue.server is None:
            raise ConfigError(f"venue {desk.venue.name!r} has no server side yet: it cannot be passed on")
        self._server: Server = desk.venue.server
        self._instance, self._desk, self._time, self._say = instance, desk, time, say
        self.arrived = asyncio.Event()
        self._waiting: deque[tuple[int, Topic, Event]] = deque()
        self.left_out = 0  # events that no client was given, as the slowest one read too slowly
        self._topics: dict[tuple[str, str], Topic] = {}  # passed on, by instrument and channel
        self._leaving: dict[Topic, float] = {}  # nobody listens any more: when they are given back
        self._left = asyncio.Event()
        self._depths: dict[Topic, Depth] = {}  # of streams that start with a snapshot: as of what was taken
        self._asked = Asked(desk, time.clock)
        self._feed = LiveFeed(instance.bus, desk, say)
        instance.bus.subscribe(self._hear, name=f"{desk.venue.name} passed on")

    # ---- the timeline

    @property
    def live(self) -> "Upstream":
        """See `Source`."""
        return self

    @property
    def start_ns(self) -> int:
        """See `Source`."""
        return self._time.now_ns()

    @property
    def at_ns(self) -> int:
        """See `Source`."""
        return self._time.now_ns()

    def next_ns(self) -> int:
        """See `Source`. It never ends."""
        return self._waiting[0][0] if self._waiting else self._time.now_ns() + QUIET_NS

    def take(self, before_ns: int | None, most: int, wanted: Container[Topic]) -> Sequence[Moment]:
        """See `Source`."""
        moments: list[Moment] = []
        waiting = self._waiting
        while waiting and len(moments) < most and (before_ns is None or waiting[0][0] < before_ns):
            at_ns, topic, event = waiting.popleft()
            depth = self._depths.get(topic)
            if depth is not None:
                _keep(depth, event)
            if topic in wanted:
                try:
                    moments.append((at_ns, topic, self._server.encode(event, topic.native)))
                except TapelineError as error:
                    self._say("the venue's half has no words for an event", topic=str(topic), error=str(error))
        return moments

    def skip_to(self, at_ns: int) -> None:
        """See `Source`."""
        while self._waiting and self._waiting[0][0] < at_ns:
            self.take(at_ns, MOST_WAITING, ())

    def served_as(self, topic: Topic) -> Topic | None:
        """See `Source`. Every speed of a book is a stream of its own upstream."""
        wanted = channel(topic.channel)
        feed = self._desk.venue.feeds.get(wanted.kind)
        offered = feed is not None and feed.offers(wanted) and topic.native in self._desk.symbols.by_native
        return topic if offered else None

    def knows(self, native: str) -> bool:
        """See `Source`. The list is that of the start."""
        return native == "" or native in self._desk.symbols.by_native

    def book(self, topic: Topic) -> BookSnapshot | None:
        """See `Source`."""
        depth = self._depths.get(topic)
        if depth is not None:
            return depth.snapshot(topic.channel, "ws", None)
        return self._maintained(topic)

    def number_anew(self, at_ns: int, repeated: int) -> None:
        """See `Source`. Nothing: the market keeps its numbers."""

    # ---- REST

    def rows(self, ask: Ask, now_ns: int) -> Sequence[Answer] | None:
        """See `Source`: what `prepare` has brought."""
        if ask.call == "time":
            return [ServerTime(now_ns)]
        if ask.call == "instruments":
            return list(self._desk.symbols.by_native.values())
        return self._asked.rows(ask)

    def answer(self, ask: Ask, now_ns: int) -> None:
        """See `Source`. Answers are made of rows only."""
        del ask, now_ns

    async def prepare(self, ask: Ask) -> None:
        """See `Live`."""
        if ask.call not in {"time", "instruments"} and self.knows(ask.native):
            await self._asked.prepare(ask)

    # ---- what is wanted

    def want(self, topics: Collection[Topic]) -> None:
        """See `Live`."""
        for topic in topics:
            self._leaving.pop(topic, None)
            key = (self._desk.symbols.id_of(topic.native), topic.channel)
            if key not in self._topics:
                self._topics[key] = topic
                self._begin(topic)
        for topic in self._topics.values():
            if topic not in topics and topic not in self._leaving:
                self._leaving[topic] = self._time.clock.now() + LINGER_S
                self._left.set()

    async def follow(self, instrument: Instrument, hear: Callable[[Event], None]) -> None:
        """See `Live`."""
        await self._feed.follow(instrument, hear)

    async def give_back(self) -> None:
        """Unsubscribe what nobody has listened to for a while, for ever."""
        while True:
            self._left.clear()
            if not self._leaving:
                await self._left.wait()
            await asyncio.sleep(LINGER_S / 2)
            now = self._time.clock.now()
            for topic in [topic for topic, until_s in self._leaving.items() if until_s <= now]:
                del self._leaving[topic]
                del self._topics[self._desk.symbols.id_of(topic.native), topic.channel]
                self._depths.pop(topic, None)
                self._desk.unwant(self._desk.symbols.by_native[topic.native], [channel(topic.channel)])

    # ---- inside

    def _begin(self, topic: Topic) -> None:
        """Ask for it upstream; a book that is kept for matching already goes on from where it is."""
        parsed = channel(topic.channel)
        if parsed.kind == "book" and parsed.levels is None and self._desk.venue.feeds["book"].snapshot == "stream":
            depth = self._depths[topic] = Depth(self._desk.venue.feeds["book"].judge)
            state = self._maintained(topic)
            if state is not None:
                depth.load(state)
        self._desk.want(self._desk.symbols.by_native[topic.native], [parsed])

    def _maintained(self, topic: Topic) -> BookSnapshot | None:
        """The book as our own feeds keep it; None where they do not, or not now."""
        instrument = self._desk.symbols.id_of(topic.native)
        if not self._desk.books.has(instrument, topic.channel):
            return None
        book = self._desk.books.book(instrument, topic.channel)
        return whole(book, self._time.now_ns()) if book.synchronised else None

    def _hear(self, event: Event) -> None:
        topic = self._topics.get((event.instrument or "", event.channel))
        if topic is None or isinstance(event, Gap):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            if not self.left_out % MOST_WAITING:
                self._say("clients read too slowly: events are left out", left_out=self.left_out + 1)
            self.left_out += 1
        self._waiting.append((self._time.now_ns(), topic, event))
        self.arrived.set()


def _keep(depth: Depth, event: Event) -> None:
    if isinstance(event, BookSnapshot):
        depth.load(event)
    elif isinstance(event, BookDelta):
        depth.apply(event)


async def _read_time(desk: VenueDesk, clock: Clock) -> VenueTime:
    """The venue's clock, asked for until it is told; ours at a venue that tells none."""
    while "time" in desk.venue.rest:
        try:
            before_s, at_ns, after_s = await desk.rest.server_time()
        except (Retry, BadData) as trouble:
            await asyncio.sleep(getattr(trouble, "after_s", None) or TIME_AGAIN_S)
        else:
            return VenueTime(clock, at_ns, (before_s + after_s) / 2)
    return VenueTime(clock, clock.wall_ns(), clock.now())


@asynccontextmanager
async def opened(venue: str, world: World, place: Place | None = None, *, say: Say) -> AsyncIterator[Upstream]:
    """The market of a venue, at its own addresses or at this place, until the block is left.

    Waits until the venue has told its instruments and its time. Raises Refused where it never will.
    """
    instance = Instance(world)
    async with instance.running(), asyncio.TaskGroup() as tasks:
        at = place or Place()
        desk = await instance.desk(venue, ws_url=at.ws_url, rest_url=at.rest_url, settings=at.connection)
        made = Upstream(instance, desk, await _read_time(desk, world.clock), say)
        giving_back = tasks.create_task(made.give_back(), name=f"{venue} upstream")
        try:
            yield made
        finally:
            giving_back.cancel()
