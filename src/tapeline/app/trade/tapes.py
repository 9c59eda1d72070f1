"""Tapes as events: recorded frames through the venue's own decoder, with the REST answers recorded beside them."""

from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tapeline.app.trade.feed import Timed
from tapeline.errors import BadData, ConfigError, RateLimited, Refused
from tapeline.model.event import BookDelta, BookSnapshot, Event
from tapeline.model.instrument import Instrument, split_id
from tapeline.store.tape import TapeAnswer, TapeReading, merge_tapes, read_answers
from tapeline.venues.spec import Ack, Ask, Closing, Decode, Pong, Problem, Refusal, Venue

CONTROL = (Ack, Refusal, Pong, Closing, Problem)


class TapeFeed:
    """Events of one venue's tapes in the order they were heard. `instruments` are those of the recorded lists.

    `bad` counts what could not be read. Raises ConfigError where a file is missing.
    """

    def __init__(self, venue: Venue, tapes: Sequence[Path], answers: Sequence[Path]) -> None:
        for path in (*tapes, *answers):
            if not path.is_file():
                raise ConfigError(f"no such file: {path}")
        self._venue, self._tapes = venue, tapes
        self._by_native: dict[str, Instrument] = {}
        self.bad = 0
        recorded = [(one, self._asked(one)) for path in answers for one in read_answers(path)]
        for answer, ask in recorded:
            for item in self._read(answer, ask, "instruments"):
                if isinstance(item, Instrument):
                    self._by_native[item.native] = item
        self.instruments = {each.id: each for each in self._by_native.values()}
        self._snapshots = [
            (answer.at_ns, item)
            for answer, ask in recorded
            for item in self._read(answer, ask, "depth")
            if isinstance(item, BookSnapshot)
        ]

    def assume(self, instrument: str) -> Instrument:
        """Play an instrument that no recorded list names: of any tick and lot, by the usual spellings of its name."""
        venue, symbol = split_id(instrument)
        pair, _, settle = symbol.partition(":")
        base, _, quote = pair.partition("/")
        made = Instrument(
            venue=venue, symbol=symbol, native=base + quote, kind="perpetual" if settle else "spot", base=base,
            quote=quote, settle=settle,
        )  # fmt: skip
        for native in (base + quote, f"{base}-{quote}", f"{base}_{quote}", pair, symbol):
            self._by_native.setdefault(native, made)
        self.instruments[instrument] = made
        return made

    def __iter__(self) -> Iterator[Timed]:
        return merge(self._frames(), self._booked(), key=lambda pair: pair[0])

    def _booked(self) -> Iterator[Timed]:
        """REST snapshots: of every book channel that the tape has deltas of, as a running instance would use them."""
        channels = {
            (event.instrument, event.channel): None for _, event in self._frames() if isinstance(event, BookDelta)
        } if self._snapshots else {}  # fmt: skip
        for at_ns, snapshot in sorted(self._snapshots, key=lambda pair: pair[0]):
            for instrument, channel in channels:
                if instrument == snapshot.instrument:
                    yield (
                        at_ns,
                        BookSnapshot(
                            instrument, channel, snapshot.at_ns, snapshot.received_ns, "rest", snapshot.bids,
                            snapshot.asks, snapshot.first_seq, snapshot.last_seq,
                        ),
                    )  # fmt: skip

    def _frames(self) -> Iterator[Timed]:
        decoders: dict[str, Decode] = {}
        latest_ns = 0
        for line in merge_tapes(list(self._tapes), TapeReading()):
            latest_ns = max(latest_ns, line.at_ns)
            if line.dir == "open":
                decoders.pop(line.conn, None)  # a new connection knows nothing of the one before
            if line.dir != "in":
                continue
            decoder = decoders.get(line.conn)
            if decoder is None:
                decoder = decoders[line.conn] = self._venue.decoder(self._venue.name, self._by_native)
            try:
                found = decoder(line.frame, latest_ns)
            except BadData:
                self.bad += 1
                continue
            for item in found:
                if not isinstance(item, CONTROL):
                    yield latest_ns, item

    def _asked(self, answer: TapeAnswer) -> Ask | None:
        url = urlsplit(answer.url)
        ask = self._venue.server.read_rest(url.path, dict(parse_qsl(url.query))) if self._venue.server else None
        return ask if ask is not None and ask.call in self._venue.rest and answer.status == 200 else None

    def _read(self, answer: TapeAnswer, ask: Ask | None, call: str) -> Sequence[object]:
        if ask is None or ask.call != call:
            return ()
        listed = self._by_native.get(ask.native)
        ids = {ask.native: listed.id if listed else f"{self._venue.name}:{ask.native}"} if ask.native else {}
        try:
            return self._venue.rest[call].parse(answer.content, ask, ids, answer.at_ns)
        except (BadData, Refused, RateLimited):
            self.bad += 1
            return ()


def only(events: Iterator[Timed], wanted: dict[str, set[str]], from_ns: int, to_ns: int) -> Iterator[Timed]:
    """Events of these channels of these instruments within a time."""
    for at_ns, event in events:
        if from_ns <= at_ns < to_ns and _is_wanted(event, wanted):
            yield at_ns, event


def _is_wanted(event: Event, wanted: dict[str, set[str]]) -> bool:
    return event.instrument is not None and event.channel in wanted.get(event.instrument, ())
