"""A recorded session as a source: its frames in order, and everything that follows from those before now."""

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from tapeline.errors import BadData, TapelineError
from tapeline.model.channel import Channel, channel
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Event, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.sim.candles import Candles
from tapeline.sim.depth import Depth
from tapeline.sim.source import Moment, window
from tapeline.venues.spec import Ask, Control, ServerTime, Venue

DEPTH_LEVELS = 1000


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded REST answer."""

    at_ns: int
    path: str
    query: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Read:
    """How far one topic's frames have been decoded."""

    positions: list[int] = field(default_factory=list)
    done: int = 0
    events: list[Event] = field(default_factory=list)


class Recording:
    """A `Source`. Frames are (time, raw), merged by time; what is no market frame is left out."""

    waits = True
    live = None

    def __init__(self, venue: Venue, frames: Iterable[tuple[int, bytes]], answers: Iterable[Recorded] = ()) -> None:
        assert venue.server is not None, f"{venue.name} has no server side"
        self._venue, self._server = venue, venue.server
        self.moments: list[Moment] = []
        self._reads: dict[Topic, _Read] = {}
        self._load(frames)
        self._times = [moment[0] for moment in self.moments]
        self._answers: dict[tuple[str, str, str], list[tuple[Recorded, Ask]]] = {}
        self._file(answers)
        self._ids: Mapping[str, str] = {}
        self._instruments = self._listed()
        self._natives = {topic.native for topic in self._reads} | set(self._instruments) | {""}
        self._decode = venue.decoder(venue.name, self._instruments)
        self._ids = {native: instrument.id for native, instrument in self._instruments.items()}
        self._as_served = {_without_speed(topic): topic for topic in reversed(self._reads)}
        self._depths: dict[str, tuple[Depth, list[int]]] = {}
        self._candles: dict[tuple[Topic, str], tuple[Candles, list[int]]] = {}
        self._at = 0
        self.start_ns = self._times[0] if self._times else min((a.at_ns for a in answers), default=0)
        self._at_ns = self.start_ns

    # ---- the timeline

    @property
    def at_ns(self) -> int:
        """See `Source`."""
        return self._at_ns

    @property
    def topics(self) -> Sequence[Topic]:
        """What was recorded."""
        return list(self._reads)

    def next_ns(self) -> int | None:
        """See `Source`."""
        return self._times[self._at] if self._at < len(self._times) else None

    def take(self, before_ns: int | None, most: int, wanted: Container[Topic]) -> Sequence[Moment]:
        """See `Source`."""
        del wanted
        end = min(self._at + most, len(self._times))
        if before_ns is not None:
            end = min(end, bisect_left(self._times, before_ns, self._at))
        batch = self.moments[self._at : end]
        self._at = end
        if batch:
            self._at_ns = max(self._at_ns, batch[-1][0])
        return batch

    def skip_to(self, at_ns: int) -> None:
        """See `Source`."""
        self._at = max(self._at, bisect_left(self._times, at_ns))
        self._at_ns = max(self._at_ns, at_ns)

    def served_as(self, topic: Topic) -> Topic | None:
        """See `Source`."""
        if topic in self._reads:
            return topic
        return self._as_served.get(_without_speed(topic))

    def knows(self, native: str) -> bool:
        """See `Source`."""
        return native in self._natives

    # ---- what follows from it

    def book(self, topic: Topic) -> BookSnapshot | None:
        """See `Source`."""
        served = self.served_as(topic)
        if served is None or self._at == 0:
            return None
        depth = self._depth(topic.native)
        return None if depth is None else depth.snapshot(topic.channel, "ws", None)

    def rows(self, ask: Ask, now_ns: int) -> None:
        """See `Source`. Answers are those that were recorded, byte for byte."""

    def number_anew(self, at_ns: int, repeated: int) -> None:
        """See `Source`. Nothing: a recording keeps its numbers."""

    def answer(self, ask: Ask, now_ns: int) -> bytes | None:
        """See `Source`."""
        if ask.call == "time":
            return self._server.answer_rest(ask, [ServerTime(now_ns)])
        compute = _COMPUTED.get(ask.call)
        computed = compute(self, ask, now_ns) if compute else None
        if computed is not None:
            return computed
        recorded = self._recorded(ask, now_ns)
        if recorded is None and ask.call == "instruments":
            return self._server.answer_rest(ask, list(self._instruments.values()))
        return recorded

    def _depth_answer(self, ask: Ask, now_ns: int) -> bytes | None:
        first = self._answers.get(("depth", ask.native, ""), ())
        if first and now_ns < first[0][0].at_ns:
            return first[0][0].body
        depth = self._depth(ask.native)
        snapshot = depth.snapshot("book", "rest", ask.limit or DEPTH_LEVELS) if depth else None
        return None if snapshot is None else self._server.answer_rest(ask, [snapshot])

    def _trades_answer(self, ask: Ask, now_ns: int) -> bytes | None:
        del now_ns
        kept = next((kind for kind in (ask.call, "trades") if Topic(kind, ask.native) in self._reads), "")
        if not kept:
            return None
        rows = [event for event in self._events(Topic(kept, ask.native)) if isinstance(event, Trade)]
        if kept != ask.call:
            rows = [_alone(trade) for trade in rows]
        chosen = window(rows, ask, lambda trade: trade.at_ns or 0, _trade_number, self._page(ask))
        return self._server.answer_rest(ask, chosen)

    def _bars_answer(self, ask: Ask, now_ns: int) -> bytes | None:
        rows = self._bars(ask.native, ask.interval, now_ns)
        if rows is None:
            return None
        chosen = window(rows, ask, lambda bar: bar.open_at_ns, lambda _bar: None, self._page(ask))
        return self._server.answer_rest(ask, chosen)

    def _bars(self, native: str, interval: str, now_ns: int) -> Sequence[Bar] | None:
        """The venue's own streamed bars as they last were, and bars of the trades where it streamed none."""
        computed = self._computed_bars(native, interval, now_ns)
        topic = Topic(f"bars:{interval}", native)
        if topic not in self._reads:
            return computed
        newest = {bar.open_at_ns: bar for bar in computed or ()}
        newest.update((event.open_at_ns, event) for event in self._events(topic) if isinstance(event, Bar))
        return [newest[open_at_ns] for open_at_ns in sorted(newest)]

    def _computed_bars(self, native: str, interval: str, now_ns: int) -> Sequence[Bar] | None:
        for kind in ("trades", "aggtrades"):
            topic = Topic(kind, native)
            if topic in self._reads:
                candles, read = self._candles.setdefault(
                    (topic, interval), (Candles(interval, self._instruments.get(native)), [0])
                )
                events = self._events(topic)
                for event in events[read[0] :]:
                    if isinstance(event, Trade):
                        candles.add(event)
                read[0] = len(events)
                return candles.rows(now_ns)
        return None

    def _depth(self, native: str) -> Depth | None:
        """The book as of everything taken so far; None where nothing was recorded to build it from."""
        topic = self._as_served.get(Topic("book", native))
        if topic is None:
            return None
        made = self._depths.get(native)
        if made is None:
            feed = self._venue.feeds.get("book")
            made = self._depths[native] = (Depth(feed.judge if feed else None), [0, 0])
        depth, read = made
        starts = self._answers.get(("depth", native, ""), ())
        if not depth.ready and read[1] < len(starts):
            self._start(depth, starts, read)
        events = self._events(topic)
        for event in events[read[0] :]:
            if isinstance(event, BookSnapshot):
                depth.load(event)
            elif isinstance(event, BookDelta):
                while not depth.apply(event) and read[1] < len(starts):
                    self._start(depth, starts, read)
        read[0] = len(events)
        return depth

    def _start(self, depth: Depth, starts: Sequence[tuple[Recorded, Ask]], read: list[int]) -> None:
        recorded, ask = starts[read[1]]
        read[1] += 1
        for event in self._parse(recorded, ask):
            if isinstance(event, BookSnapshot):
                depth.load(event)

    def _events(self, topic: Topic) -> list[Event]:
        """What the frames of this topic so far mean; each is decoded once."""
        read = self._reads[topic]
        while read.done < len(read.positions) and read.positions[read.done] < self._at:
            at_ns, _, frame = self.moments[read.positions[read.done]]
            read.done += 1
            try:
                items = self._decode(frame, at_ns)
            except BadData:
                continue  # a recording may hold a bad frame; it is played, and means nothing
            read.events.extend(item for item in items if not isinstance(item, Control))
        return read.events

    # ---- what was recorded

    def _load(self, frames: Iterable[tuple[int, bytes]]) -> None:
        topic_of = self._server.topic_of
        latest_ns = 0
        for at_ns, raw in sorted(frames, key=lambda frame: frame[0]):
            topic = topic_of(raw)
            if topic is None:
                continue
            latest_ns = max(latest_ns, at_ns)
            read = self._reads.get(topic)
            if read is None:
                read = self._reads[topic] = _Read()
            read.positions.append(len(self.moments))
            self.moments.append((latest_ns, topic, raw))

    def _file(self, answers: Iterable[Recorded]) -> None:
        for recorded in sorted(answers, key=lambda answer: answer.at_ns):
            try:
                ask = self._server.read_rest(recorded.path, recorded.query)
            except TapelineError:
                continue
            if ask is not None:
                self._answers.setdefault((ask.call, ask.native, ask.part or ask.interval), []).append((recorded, ask))

    def _recorded(self, ask: Ask, now_ns: int) -> bytes | None:
        """The latest recorded answer to this question up to now, else the first."""
        answers = self._answers.get((ask.call, ask.native, ask.part or ask.interval))
        if not answers:
            return None
        before = [recorded for recorded, _ in answers if recorded.at_ns <= now_ns]
        return (before[-1] if before else answers[0][0]).body

    def _listed(self) -> dict[str, Instrument]:
        """Instruments by native symbol: the recorded lists, or without any the venue's samples that were recorded."""
        recorded = [answers[-1] for (call, _, _), answers in self._answers.items() if call == "instruments"]
        found = [item for answer in recorded for item in self._parse(*answer) if isinstance(item, Instrument)]
        if not recorded:
            streamed = {topic.native for topic in self._reads}
            found = [sample for sample in self._server.sample_instruments if sample.native in streamed]
        return {instrument.native: instrument for instrument in found}

    def _parse(self, recorded: Recorded, ask: Ask) -> Sequence[object]:
        try:
            return self._venue.rest[ask.call].parse(recorded.body, ask, self._ids, recorded.at_ns)
        except TapelineError:
            return ()

    def _page(self, ask: Ask) -> int:
        call = self._venue.rest.get(ask.call)
        return call.page if call else 1


_COMPUTED: dict[str, Callable[[Recording, Ask, int], bytes | None]] = {
    "depth": Recording._depth_answer,  # noqa: SLF001  # a table of its own methods
    "trades": Recording._trades_answer,  # noqa: SLF001
    "aggtrades": Recording._trades_answer,  # noqa: SLF001
    "bars": Recording._bars_answer,  # noqa: SLF001
}


def _alone(trade: Trade) -> Trade:
    """A trade as an aggregate of its own: which ones the venue took together, trades alone do not say."""
    number = _trade_number(trade)
    return replace(trade, channel="aggtrades", seq=number, first_id=number, last_id=number)


def _trade_number(trade: Trade) -> int | None:
    return int(trade.id) if trade.id.isdecimal() else trade.seq


def _without_speed(topic: Topic) -> Topic:
    if "@" not in topic.channel:
        return topic
    parsed = channel(topic.channel)
    return Topic(str(Channel(parsed.kind, levels=parsed.levels, interval=parsed.interval)), topic.native)
