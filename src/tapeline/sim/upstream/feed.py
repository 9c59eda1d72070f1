"""The real market of what somebody trades, for matching: trades, marks, and a book that is right or empty."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from tapeline.app.venue import VenueDesk
from tapeline.market.book import Book, whole
from tapeline.market.bus import Bus
from tapeline.model.channel import Channel
from tapeline.model.event import BookDelta, BookSnapshot, Event, Gap, Link
from tapeline.model.instrument import Instrument
from tapeline.sim.paper.feed import WANTED
from tapeline.sim.playback import Say

READY_S = 5.0  # an order waits so long for the first book of its instrument


@dataclass(slots=True, eq=False)
class Followed:
    """One instrument."""

    book: Book
    channels: frozenset[str]
    hear: Callable[[Event], None]
    right: bool = False  # what was told last of the book is the book
    ready: asyncio.Event = field(default_factory=asyncio.Event)


class LiveFeed:
    """What matching hears. Our feeds judge the book; while they cannot, nothing is offered."""

    def __init__(self, bus: Bus, desk: VenueDesk, say: Say) -> None:
        self._bus, self._desk, self._say = bus, desk, say
        self._followed: dict[str, Followed] = {}
        bus.subscribe(self._linked, channel="link", types=(Link,), name="matching: links")

    async def follow(self, instrument: Instrument, hear: Callable[[Event], None]) -> None:
        """See `Live`."""
        found = self._followed.get(instrument.id)
        if found is None:
            found = self._begin(instrument, hear)
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_S):
                await found.ready.wait()
        if found.right and not found.book.synchronised:
            self._lose(found)

    def _begin(self, instrument: Instrument, hear: Callable[[Event], None]) -> Followed:
        feeds = self._desk.venue.feeds
        kinds = [next((kind for kind in row if kind in feeds and kind != "quotes"), "") for row in WANTED]
        spot = instrument.kind == "spot"
        wanted = [Channel(kind) for kind in kinds if kind and not (spot and kind in {"mark", "funding"})]
        self._desk.want(instrument, wanted)
        book = self._desk.books.book(instrument.id, "book")
        found = self._followed[instrument.id] = Followed(book, frozenset(map(str, wanted)), hear)
        hear(_empty(book))  # else its last trade would be taken for an offer
        self._bus.subscribe(partial(self._take, found), instrument=instrument.id, name=f"matching {instrument.id}")
        self._look(found)
        return found

    def _take(self, found: Followed, event: Event) -> None:
        if event.channel not in found.channels:
            return
        if event.channel != found.book.channel:
            if not isinstance(event, Gap):
                found.hear(event)
        elif found.right and found.book.synchronised and not isinstance(event, Gap):
            found.hear(event if isinstance(event, BookDelta) else whole(found.book, event.at_ns))
        else:
            self._look(found)

    def _look(self, found: Followed) -> None:
        """Tell of the book what has changed: that it is lost, or that it is there."""
        book = found.book
        if found.right and not book.synchronised:
            self._lose(found)
        elif book.synchronised and not found.right:
            found.right = True
            found.hear(whole(book, book.at_ns))
            found.ready.set()

    def _lose(self, found: Followed) -> None:
        found.right = False
        found.hear(_empty(found.book))
        self._say("nothing is filled while the book is not known", book=found.book.instrument, why=found.book.reason)

    def _linked(self, _link: Link) -> None:
        for found in self._followed.values():
            self._look(found)


def _empty(book: Book) -> BookSnapshot:
    return BookSnapshot(book.instrument, book.channel, None, 0, "ws", [], [])
