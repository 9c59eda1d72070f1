"""Books for an engine: its own, fed in the order in which it decides, so that a book never runs ahead of its events."""

from tapeline.market.book import Book
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import BookDelta, BookSnapshot
from tapeline.model.instrument import split_id
from tapeline.venues import venue_named


class EngineBooks:
    """Keeps a book for each channel that brings one; partial books (`book:20`) are whole snapshots."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], Book] = {}

    def apply(self, event: BookSnapshot | BookDelta, now_ns: int) -> Book | None:
        """The book as it is now; None where readers see no change."""
        key = (event.instrument, event.channel)
        book = self._books.get(key)
        if book is None:
            book = self._books[key] = _book(event)
        return book if book.apply(event, now_ns) else None

    def lose(self, instrument: str, channel: str, why: str, now_ns: int) -> None:
        """The stream has a hole: what is known is no book any more."""
        book = self._books.get((instrument, channel))
        if book is not None:
            book.unsynchronise(why, now_ns)


def _book(event: BookSnapshot | BookDelta) -> Book:
    venue = venue_named(split_id(event.instrument)[0])
    feed = venue.feeds.get(parse_channel(event.channel).kind)
    judge, snapshot = (None, "") if feed is None else (feed.judge, feed.snapshot)
    return Book(event.instrument, event.channel, judge, needs_snapshot=bool(snapshot))
