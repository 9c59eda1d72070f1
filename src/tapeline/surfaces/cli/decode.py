"""`tapeline decode`: a recording in, one JSON object an event out."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import Annotated, TextIO
from urllib.parse import parse_qsl, urlsplit

import msgspec
from cyclopts import Parameter

from tapeline.errors import BadData, ConfigError, RateLimited, Refused, Unsynchronised
from tapeline.market.book import Book
from tapeline.model.account import AccountEvent
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import BookDelta, BookSnapshot, Event, type_name
from tapeline.model.instrument import Instrument, split_id
from tapeline.store.tape import TapeAnswer, TapeLine, TapeReading, read_answers, read_numbered
from tapeline.venues import venue_named
from tapeline.venues.orders import Answered, Beat, Ending, Expired, PrivateControl, PrivateDecode
from tapeline.venues.spec import Ack, Answer, Ask, Closing, Control, Decode, Pong, Problem, Refusal, Venue

LEVELS = 20  # of a "book" line, each side
SHOWN = 20  # problems printed one by one; the rest is counted
_encode = msgspec.json.Encoder().encode


def decode(
    file: Annotated[Path, Parameter(help="A recording, NAME.ws.jsonl or NAME.ws.jsonl.gz.")],
    *,
    venue: Annotated[str, Parameter(help="The venue it was recorded from; `tapeline venues` lists them.")],
    rest: Annotated[
        list[Path] | None,
        Parameter(help="Recorded REST answers (instrument lists, book snapshots); repeat it for several.", negative=()),
    ] = None,
    books_at: Annotated[
        list[str] | None,
        Parameter(help="Print books after these lines: 0-based numbers with commas, or @FILE with them.", negative=()),
    ] = None,
) -> None:
    """Print every event of a recording as a line of JSON: the event's own fields and i, symbol and native.

    `i` is the 0-based line of FILE, `native` the venue's own symbol; decimals are strings. With --books-at come lines
    of type "book" as well: the 20 best levels of every synchronised book there has been so far. Problems and a summary
    go to stderr; a bad or torn line is told and skipped. The frames of an account, in the `private` folder of a
    recorded trading run, are read by the venue's private decoder: orders, fills, balances, positions and payments.

    Example: `tapeline decode --venue binance --rest day.rest.jsonl.gz --books-at 1000,2000 day.ws.jsonl.gz`
    """
    run = Decoding(venue_named(venue), sys.stdout, Report(sys.stderr))
    lines = frozenset(line for text in books_at or () for line in numbers(text))
    reading = TapeReading()
    try:
        answers = [answer for path in rest or () for answer in read_answers(path, reading)]
        run.play(read_numbered(file, reading), answers, lines)
    except BrokenPipeError:  # who reads our lines has had enough: no fault of a file
        raise
    except OSError as error:
        raise ConfigError(str(error)) from error
    run.report.tape(reading)
    run.report.summary()


def numbers(text: str) -> list[int]:
    """Line numbers: "3,5", or "@FILE" with commas or line ends between them. Raises ConfigError."""
    try:
        listed = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        return [int(word) for word in listed.replace(",", " ").split()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"--books-at {text}: line numbers with commas, or @FILE with such: {error}") from error


class Report:
    """What goes to stderr: the first problems in full, then counts."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._problems = 0
        self.counts: Counter[str] = Counter()

    def problem(self, where: str, kind: str, text: str) -> None:
        """Something could not be read."""
        self.counts[f"problem {kind}"] += 1
        self._problems += 1
        if self._problems <= SHOWN:
            self._out.write(f"{where}: {kind}: {text[:300]}\n")

    def control(self, where: str, item: Control) -> None:
        """What a decoder says besides events."""
        match item:
            case Problem():
                self.problem(where, item.kind, item.text)
            case Refusal():
                self.problem(where, "refusal", f"{item.code} {item.text}".strip())
            case Ack():
                self.counts["ack"] += 1
            case Pong():
                self.counts["pong"] += 1
            case Closing():
                self.counts["closing"] += 1

    def private(self, where: str, item: PrivateControl) -> None:
        """What a private decoder says besides events."""
        match item:
            case Answered(status=status, body=body) if status >= 300:
                self.problem(where, "refusal", body.decode(errors="replace"))
            case Answered():
                self.counts["answer"] += 1
            case Expired() | Ending():
                self.counts["closing"] += 1
            case Beat():
                self.counts["pong"] += 1

    def tape(self, reading: TapeReading) -> None:
        """What was wrong with the files themselves."""
        for text in reading.bad:
            self._problems += 1
            self.counts["problem bad_line"] += 1
            if self._problems <= SHOWN:
                self._out.write(f"{text}\n")

    def summary(self) -> None:
        """One line of counts."""
        if self._problems > SHOWN:
            self._out.write(f"and {self._problems - SHOWN} problems more\n")
        counted = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        self._out.write(f"{counted or 'nothing'}\n")


class Decoding:
    """One recording being decoded: a decoder a connection, and the books it keeps."""

    def __init__(self, venue: Venue, out: TextIO, report: Report) -> None:
        self.report = report
        self._venue = venue
        self._out = out
        self._by_native: dict[str, Instrument] = {}
        self._names: dict[str, tuple[str, str]] = {}  # instrument id -> symbol, native
        self._decoders: dict[str, Decode | PrivateDecode] = {}
        self._books: dict[tuple[str, str], Book] = {}
        self._snapshots: dict[str, BookSnapshot] = {}  # newest of each instrument

    def play(
        self, frames: Iterable[tuple[int, TapeLine]], answers: Sequence[TapeAnswer], books_at: frozenset[int]
    ) -> None:
        """Instrument lists first, then frames and REST snapshots as they came."""
        asked = [(answer, self._asked(answer)) for answer in answers]
        for answer, ask in asked:
            for item in self._read_answer(answer, ask, "instruments"):
                if isinstance(item, Instrument):
                    self._by_native[item.native] = item
                    self._names[item.id] = (item.symbol, item.native)
        items = [(answer.at_ns, item) for answer, ask in asked for item in self._read_answer(answer, ask, "depth")]
        books = [(at_ns, item) for at_ns, item in items if isinstance(item, BookSnapshot)]
        snapshots = sorted(books, key=lambda pair: pair[0])
        for number, line, snapshot in _in_time(frames, snapshots):
            if snapshot is not None:
                self._snapshot(snapshot)
            elif line is not None:
                self._line(number, line)
                if number in books_at:
                    self._print_books(number)

    def _line(self, number: int, line: TapeLine) -> None:
        if line.dir == "open":
            self._decoders.pop(line.conn, None)  # a new connection knows nothing of the one before
        if line.dir != "in":
            return
        decoder = self._decoders.get(line.conn)
        if decoder is None:
            decoder = self._decoders[line.conn] = self._private(line.conn) or self._venue.decoder(
                self._venue.name, self._by_native
            )
        try:
            found = decoder(line.frame, line.at_ns)
        except BadData as error:
            self.report.problem(f"line {number + 1}", error.kind, str(error))
            return
        for item in found:
            if isinstance(item, Ack | Refusal | Pong | Closing | Problem):
                self.report.control(f"line {number + 1}", item)
            elif isinstance(item, Answered | Expired | Ending | Beat):
                self.report.private(f"line {number + 1}", item)
            else:
                self._print(number, item)
                if isinstance(item, BookSnapshot | BookDelta):
                    self._book(item).apply(item, line.at_ns)

    def _private(self, connection: str) -> PrivateDecode | None:
        """The decoder of an account's connection, VENUE/ACCOUNT/ENDPOINT#NUMBER; None where it is none."""
        name, orders = connection.partition("#")[0].split("/"), self._venue.orders
        if len(name) != 3 or orders is None:
            return None
        for stream in (orders.private, *orders.more):
            if stream.endpoint == name[2]:
                return stream.decoder(self._venue.name, name[1], self._by_native)
        return orders.entry.decoder if orders.entry is not None and orders.entry.endpoint == name[2] else None

    def _print(self, number: int, event: Event | AccountEvent) -> None:
        self.report.counts[type_name(event)] += 1
        symbol, native = self._named(event.instrument)
        head = _encode({"i": number, "symbol": symbol, "native": native})
        self._out.write((head[:-1] + b"," + _encode(event)[1:]).decode() + "\n")

    def _named(self, instrument: str | None) -> tuple[str | None, str | None]:
        if instrument is None:
            return None, None
        symbol = split_id(instrument)[1]  # on no list: the venue's own symbol
        return self._names.get(instrument, (symbol, symbol))

    def _book(self, event: BookSnapshot | BookDelta) -> Book:
        key = (event.instrument, event.channel)
        book = self._books.get(key)
        if book is None:
            feed = self._venue.feeds.get(parse_channel(event.channel).kind)
            judge, snapshot = (feed.judge, feed.snapshot) if feed else (None, "")
            book = self._books[key] = Book(event.instrument, event.channel, judge, needs_snapshot=bool(snapshot))
            if snapshot == "rest" and event.instrument in self._snapshots:
                held = self._snapshots[event.instrument]
                book.apply(held, held.received_ns)
        return book

    def _snapshot(self, snapshot: BookSnapshot) -> None:
        """A REST answer: for every book of the instrument that begins with one, there already or still to come."""
        self._snapshots[snapshot.instrument] = snapshot
        for (instrument, _), book in self._books.items():
            if instrument == snapshot.instrument and not book.synchronised:
                book.apply(snapshot, snapshot.received_ns)

    def _print_books(self, number: int) -> None:
        for (instrument, channel), book in self._books.items():
            try:
                bids, asks = book.top(LEVELS)
            except Unsynchronised:
                self.report.counts["book not synchronised"] += 1
                continue
            self.report.counts["book"] += 1
            symbol, native = self._named(instrument)
            line = {
                "i": number, "symbol": symbol, "native": native, "type": "book", "instrument": instrument,
                "channel": channel, "sequence": book.sequence, "bids": bids, "asks": asks,
            }  # fmt: skip
            self._out.write(_encode(line).decode() + "\n")

    def _asked(self, answer: TapeAnswer) -> Ask | None:
        """What a recorded REST answer answers."""
        url = urlsplit(answer.url)
        ask = self._venue.server.read_rest(url.path, dict(parse_qsl(url.query))) if self._venue.server else None
        if ask is None or ask.call not in self._venue.rest:
            self.report.problem(answer.url[:100], "unknown_call", f"{self._venue.name} has no such REST call")
            return None
        return ask

    def _read_answer(self, answer: TapeAnswer, ask: Ask | None, call: str) -> Sequence[Answer]:
        """What an answer to this call says; nothing, told, where it cannot be read."""
        if ask is None or ask.call != call:
            return ()
        ids = {ask.native: self._id(ask.native)} if ask.native else {}
        try:
            return self._venue.rest[call].parse(answer.body.encode(), ask, ids, answer.at_ns)
        except BadData as error:
            self.report.problem(answer.url[:100], error.kind, str(error))
        except (Refused, RateLimited) as error:
            self.report.problem(answer.url[:100], "refusal", str(error))
        return ()

    def _id(self, native: str) -> str:
        listed = self._by_native.get(native)
        return listed.id if listed else f"{self._venue.name}:{native}"


def _in_time(
    frames: Iterable[tuple[int, TapeLine]], snapshots: Sequence[tuple[int, BookSnapshot]]
) -> Iterator[tuple[int, TapeLine | None, BookSnapshot | None]]:
    """(line number, frame or None, snapshot or None), snapshots first among equals; a frame without a time follows."""
    ours = ((at_ns, -1, None, snapshot) for at_ns, snapshot in snapshots)
    latest = 0

    def theirs() -> Iterator[tuple[int, int, TapeLine | None, BookSnapshot | None]]:
        nonlocal latest
        for number, line in frames:
            latest = max(latest, line.at_ns)  # receive times never go back: a recording without some stays in order
            yield latest, number, line, None

    for _, number, line, snapshot in merge(ours, theirs(), key=lambda entry: entry[:2]):
        yield number, line, snapshot
