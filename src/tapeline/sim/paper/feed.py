"""The market of a paper exchange: what its source plays, decoded, and the books it needs to begin with."""

from collections.abc import Callable, Mapping, Sequence

from tapeline.errors import BadData, TapelineError
from tapeline.model.event import BookSnapshot, Event
from tapeline.model.instrument import Instrument
from tapeline.model.interval import SECOND_NS
from tapeline.model.topic import Topic
from tapeline.sim.source import Moment, Source
from tapeline.venues.spec import Ask, Control, Venue

# One of each row, the first that the source has; "bars" where there is nothing better.
WANTED = (("trades", "aggtrades"), ("book", "quotes"), ("mark",), ("funding",))
INSTEAD = "bars:1m"
BOOK_AGAIN_NS = SECOND_NS  # a book that is not there yet is looked for this often
DEPTH = 1000


class PaperFeed:
    """Turns moments of a source into events of the market. `hear` takes an event and the time it came."""

    def __init__(
        self, venue: Venue, source: Source, instruments: Mapping[str, Instrument], hear: Callable[[Event, int], None]
    ) -> None:
        self._venue, self._source = venue, source
        self._instruments = instruments  # by native symbol
        self._hear = hear
        self._decode = venue.decoder(venue.name, instruments)
        self._bookless: dict[str, int] = {}  # native -> when its book is looked for next
        self.topics: dict[Topic, None] = {}

    def begin(self, now_ns: int) -> None:
        """Choose what is followed, and load the books."""
        for native in self._instruments:
            found = [topic for row in WANTED if (topic := self._first(row, native)) is not None]
            if not any(topic.channel.startswith(("trades", "aggtrades", "book", "quotes")) for topic in found):
                found += [Topic(INSTEAD, native)] if self._source.served_as(Topic(INSTEAD, native)) else []
            self.topics.update(dict.fromkeys(found))
            if any(topic.channel.startswith("book") for topic in found):
                self._bookless[native] = now_ns
        self._look_for_books(now_ns)

    def take(self, moments: Sequence[Moment]) -> None:
        """What is played. A frame that means nothing is passed over, as a client would."""
        for at_ns, topic, frame in moments:
            if topic not in self.topics:
                continue
            try:
                items = self._decode(frame, at_ns)
            except BadData:
                continue
            for item in items:
                if not isinstance(item, Control):
                    self._hear(item, at_ns)
                if isinstance(item, BookSnapshot):
                    self._bookless.pop(topic.native, None)
        if self._bookless and moments:
            self._look_for_books(moments[-1][0])

    def _first(self, kinds: Sequence[str], native: str) -> Topic | None:
        """The topic of the timeline for the first of these kinds that it has."""
        for kind in kinds:
            if kind in self._venue.feeds:
                served = self._source.served_as(Topic(kind, native))
                if served is not None:
                    return served
        return None

    def _look_for_books(self, now_ns: int) -> None:
        for native, due_ns in list(self._bookless.items()):
            if now_ns < due_ns:
                continue
            self._bookless[native] = now_ns + BOOK_AGAIN_NS
            snapshot = self._book(native, now_ns)
            if snapshot is not None:
                del self._bookless[native]
                self._hear(snapshot, now_ns)

    def _book(self, native: str, now_ns: int) -> BookSnapshot | None:
        topic = next(topic for topic in self.topics if topic.native == native and topic.channel.startswith("book"))
        feed = self._venue.feeds["book"]
        if feed.snapshot == "stream":
            return self._source.book(topic)
        found = [one for one in answers(self._venue, self._source, Ask("depth", native, limit=DEPTH), now_ns)
                 if isinstance(one, BookSnapshot)]  # fmt: skip
        if not found:
            return None
        # The stream's own name: a snapshot by REST is the state of the same book.
        first = found[0]
        return BookSnapshot(first.instrument, topic.channel, first.at_ns, now_ns, "rest", first.bids, first.asks,
                            first_seq=first.first_seq, last_seq=first.last_seq)  # fmt: skip


def answers(venue: Venue, source: Source, ask: Ask, now_ns: int) -> Sequence[object]:
    """What a source knows of a question, as values; nothing where it knows nothing."""
    rows = source.rows(ask, now_ns)
    if rows is not None:
        return rows
    body = source.answer(ask, now_ns)
    if body is None:
        return ()
    try:
        return venue.rest[ask.call].parse(body, ask, {}, now_ns)
    except TapelineError:
        return ()


def listed(venue: Venue, source: Source) -> list[Instrument]:
    """The instruments of a source."""
    parts = venue.rest["instruments"].parts
    found: dict[str, Instrument] = {}
    for part in parts:
        for one in answers(venue, source, Ask("instruments", part=part), source.start_ns):
            if isinstance(one, Instrument):
                found[one.native] = one
    return list(found.values())
