"""A maintained book against a REST snapshot, at a sequence that both come to."""

import asyncio

from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.market.book import Book
from tapeline.market.bus import Bus
from tapeline.model.event import BookDelta, BookSnapshot, Level
from tapeline.model.instrument import Instrument
from tapeline.model.number import plain
from tapeline.sync.audit import Match, Mismatch, compare_books
from tapeline.venues.spec import Ask, Priority

LEVELS = 50  # a side; beyond the snapshot that a book began with, a level is known only once it has changed
WITHIN_S = 20.0


async def audit_book(
    desk: VenueDesk, bus: Bus, instrument: Instrument, channel: str, clock: Clock
) -> Match | Mismatch | None:
    """Compare once; None where the two came to no common sequence in time, or the book is not synchronised.

    The snapshot goes on by the stream's own deltas, in a book of its own, until it stands where ours does. Raises
    Retry, Refused or BadData where there is no snapshot.
    """
    book = desk.books.book(instrument.id, channel)
    shadow = Book(instrument.id, channel, desk.venue.feeds["book"].judge, needs_snapshot=True)
    done: asyncio.Future[Match | Mismatch] = asyncio.get_running_loop().create_future()

    def take(event: BookDelta | BookSnapshot) -> None:
        if isinstance(event, BookDelta):
            shadow.apply(event, event.received_ns)
            look()

    def look() -> None:
        same = shadow.sequence is not None and shadow.sequence == book.sequence
        if same and shadow.synchronised and book.synchronised and not done.done():
            done.set_result(compare_books(_top(book, clock), _top(shadow, clock), LEVELS))

    # Subscribed after the book itself, which has taken each event before this does.
    listening = bus.subscribe(
        take, channel=channel, instrument=instrument.id, types=(BookDelta, BookSnapshot), name="tapeline.audit"
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            ask = Ask("depth", instrument.native, limit=desk.venue.rest["depth"].page)
            answers = await desk.rest.call(ask, {instrument.native: instrument.id}, priority=Priority.AUDIT)
            for answer in answers:
                if isinstance(answer, BookSnapshot):
                    shadow.apply(answer, clock.wall_ns())
            look()
            return await done
    except TimeoutError:
        return None
    finally:
        listening.close()


def _top(book: Book, clock: Clock) -> BookSnapshot:
    """What readers see of a book, as a reading to be kept."""
    bids, asks = ([_level(*level) for level in side] for side in book.top(LEVELS))
    return BookSnapshot(
        book.instrument, book.channel, book.at_ns, clock.wall_ns(), "built", bids, asks, last_seq=book.sequence
    )


def _level(price: object, size: object) -> Level:
    return plain(price), plain(size)  # type: ignore[arg-type]  # both are Decimals
