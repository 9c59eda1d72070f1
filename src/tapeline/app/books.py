"""Books we keep: one for each book topic, resynchronised one by one, within the venue's patience."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from tapeline.app.edge import Edge
from tapeline.errors import NotHeld, TapelineError
from tapeline.market.book import Book, whole
from tapeline.market.bus import Bus, Subscription
from tapeline.market.resync import Resync
from tapeline.model.event import BookDelta, BookSnapshot, Event, Gap
from tapeline.model.topic import Topic
from tapeline.venues.spec import Feed

IDLE_S = 3600.0


class BookDesk:
    """Every maintained book of one venue.

    `fetch_snapshot(topic)` asks REST and returns snapshots; `subscribe_again(topic)` asks the stream for a new one.
    Neither what REST says nor that a stream is gone is on the bus: `edge.book` hears of it, for books that others keep.
    """

    def __init__(
        self, bus: Bus, edge: Edge, *, fetch_snapshot: Callable[[Topic], Awaitable[BookSnapshot]],
        subscribe_again: Callable[[Topic], None], trouble: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._bus, self._clock, self._tell = bus, edge.clock, edge.book
        self._fetch_snapshot, self._subscribe_again, self._trouble = fetch_snapshot, subscribe_again, trouble
        self._books: dict[Topic, Book] = {}
        self._feeds: dict[Topic, Feed] = {}
        self._by_id: dict[tuple[str, str], Book] = {}
        self._subscriptions: dict[Topic, Subscription] = {}
        self._resync = Resync()
        self._wanting: dict[Topic, int] = {}  # attempts so far
        self._work = asyncio.Event()

    def keep(self, topic: Topic, instrument: str, feed: Feed) -> None:
        """Maintain this book from now on."""
        if topic in self._books:
            return
        book = Book(instrument, topic.channel, feed.judge, needs_snapshot=bool(feed.snapshot))
        self._books[topic] = self._by_id[instrument, topic.channel] = book
        self._feeds[topic] = feed
        self._subscriptions[topic] = self._bus.subscribe(
            partial(self._take, topic, book), channel=topic.channel, instrument=instrument,
            types=(BookSnapshot, BookDelta), name=f"book {instrument}",
        )  # fmt: skip

    def drop(self, topic: Topic) -> None:
        """Keep it no more."""
        book = self._books.pop(topic, None)
        if book is not None:
            self._subscriptions.pop(topic).close()
            self._by_id.pop((book.instrument, topic.channel), None)
            self._feeds.pop(topic)
            self._wanting.pop(topic, None)
            self._resync.forget(str(topic))

    def book(self, instrument: str, channel: str) -> Book:
        """The maintained book. Raises NotHeld where it is not kept."""
        book = self._by_id.get((instrument, channel))
        if book is None:
            raise NotHeld(f"no {channel} of {instrument} is kept: subscribe to it first")
        return book

    def has(self, instrument: str, channel: str) -> bool:
        """Whether this book is kept."""
        return (instrument, channel) in self._by_id

    def books(self) -> list[Book]:
        """All of them."""
        return list(self._books.values())

    def down(self, topic: Topic, instrument: str, reason: str) -> None:
        """The stream is gone: readers get an error at once, never stale levels; also those of the top levels alone."""
        now_ns = self._clock.wall_ns()
        book = self._books.get(topic)
        if book is not None:
            book.unsynchronise(reason, now_ns)
            self._wanting.pop(topic, None)
        if topic.channel.startswith("book"):
            self._tell(Gap(instrument, topic.channel, None, now_ns, "built", None, None, None, None, reason, True))

    async def run(self) -> None:
        """Resynchronise what asks for it, until cancelled."""
        while True:
            now = self._clock.now()
            due = [topic for topic in self._wanting if self._resync.allowed(str(topic), now)]
            for topic in due:
                await self._again(topic)
            self._work.clear()
            if self._wanting:
                await asyncio.sleep(max(0.01, min(self._resync.next_at(map(str, self._wanting), now) - now, 60.0)))
            else:
                await self._work.wait()

    def _take(self, topic: Topic, book: Book, event: Event) -> None:
        assert isinstance(event, (BookDelta, BookSnapshot)), f"a book takes snapshots and deltas, not {event!r}"
        was = book.synchronised
        book.apply(event, event.received_ns)
        if book.synchronised and not was:
            self._tell(whole(book, book.at_ns))
        if book.wants_snapshot:
            if topic not in self._wanting:
                self._wanting[topic] = 0
                self._work.set()
        elif self._wanting and topic in self._wanting:
            del self._wanting[topic]
            self._resync.done(str(topic))

    async def _again(self, topic: Topic) -> None:
        """The stream's own snapshot first where it sends one; REST where that did not help, or is the only way."""
        attempt = self._wanting.get(topic)
        book, feed = self._books.get(topic), self._feeds.get(topic)
        if attempt is None or book is None or feed is None:
            return
        self._wanting[topic] = attempt + 1
        self._resync.asked(str(topic), self._clock.now())
        if feed.snapshot == "stream" and attempt % 2 == 0:
            if attempt or book.statistics().applied:
                self._subscribe_again(topic)
            return
        try:
            snapshot = await self._fetch_snapshot(topic)
        except TapelineError as error:
            self._trouble("book_snapshot", f"{topic}: {error}")
            return
        self._take(topic, book, snapshot)
