"""What a subscriber of a seeded world saw, held against what the market really did: every difference is a sentence."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise

import msgspec

from tapeline.model.event import Bar, BookDelta, Event, Gap, Link, Quote, Trade
from tapeline.model.interval import INTERVALS
from tapeline.sim.market import SEQ_STEP
from tapeline.sim.pit import BEAT_NS, Pit

MOST_SENTENCES = 20  # of one kind of difference: a world that is wrong is wrong often
_encoder = msgspec.msgpack.Encoder(decimal_format="string")
_BAR_FIELDS = ("open", "high", "low", "close", "volume", "trades")


class Witness:
    """Hears every event (`hear`), keeps what the proofs need, and a digest of everything in order."""

    def __init__(self) -> None:
        self.trades: dict[str, list[Trade]] = defaultdict(list)
        self.quotes: dict[str, list[Quote]] = defaultdict(list)
        self.bars: dict[tuple[str, str], list[Bar]] = defaultdict(list)  # by (channel, instrument)
        self.gaps: dict[tuple[str, str], list[Gap]] = defaultdict(list)
        self.links: dict[str, list[Link]] = defaultdict(list)
        self.seqs: dict[str, list[int]] = defaultdict(list)  # of book deltas
        self.events = 0
        self._digest = blake2b(digest_size=16)

    def hear(self, event: Event) -> None:
        """Take an event as a subscriber gets it."""
        self.events += 1
        self._digest.update(_encoder.encode(event))
        match event:
            case Trade():
                self.trades[event.instrument].append(event)
            case Quote():
                self.quotes[event.instrument].append(event)
            case Bar() if event.closed:
                self.bars[event.channel, event.instrument].append(event)
            case Gap():
                self.gaps[event.channel, event.instrument].append(event)
            case Link() if event.change != "state":
                self.links[event.connection].append(event)
            case BookDelta():
                self.seqs[event.instrument].append(event.last_seq or 0)
            case _:
                pass

    def digest(self, *more: object) -> str:
        """A hash over everything heard, in order, and over these."""
        total = self._digest.copy()
        total.update(repr(more).encode())
        return total.hexdigest()


def proofs(
    seen: Witness, pits: Iterable[Pit], *, until_ns: int, bars: str, proven: bool, excused: Callable[[int], bool],
    struck: int,
) -> list[str]:  # fmt: skip
    """Every way in which this differs from what happened before `until_ns`; empty where all is well.

    `bars` is the interval asked for; `proven` says that trades carry proof of their continuity. What carries none may
    be missing unannounced where nobody could know: at a time that is `excused`, and once a `struck` frame.
    """
    found: list[str] = []
    for pit in pits:
        name = pit.instrument.id
        first = seen.trades[name][0].at_ns if seen.trades[name] else None
        if first is None:
            found.append(f"{name}: no trade ever came")
            continue
        truth = list(pit.between(first, until_ns))
        found += some(_trades(seen, pit, truth, excused=None if proven else excused, struck=struck))
        found += some(_quotes(seen, pit, until_ns, excused, struck))
        found += some(_built(seen, pit, bars, first, until_ns))
        found += some(_venue_bars(seen, pit, bars, until_ns))
        found += some(_increasing(f"{name} book", seen.seqs[name]))
    for connection, links in seen.links.items():
        changes = [link.change for link in links]
        if any(before == after for before, after in pairwise(changes)) or changes[-1] != "up":
            found.append(f"{connection}: not one down and one up an outage: {' '.join(changes)}")
    return found


def some(sentences: Iterator[str]) -> list[str]:
    """The first few of them."""
    return [sentence for sentence, _ in zip(sentences, range(MOST_SENTENCES), strict=False)]


def _increasing(name: str, numbers: Sequence[int]) -> Iterator[str]:
    for before, after in pairwise(numbers):
        if after <= before:
            yield f"{name}: {after} was delivered after {before}, {'twice' if after == before else 'out of order'}"


def _trades(
    seen: Witness, pit: Pit, truth: Sequence[Trade], *, excused: Callable[[int], bool] | None, struck: int
) -> Iterator[str]:
    name = pit.instrument.id
    came = {trade.seq: trade for trade in seen.trades[name]}
    yield from _increasing(f"{name} trades", [trade.seq or 0 for trade in seen.trades[name]])
    gaps = seen.gaps["trades", name]
    silent = 0
    used: set[int] = set()
    for trade in truth:
        got, at_ns = came.get(trade.seq), trade.at_ns or 0
        if got is not None:
            if (got.price, got.size, got.side, got.at_ns) != (trade.price, trade.size, trade.side, trade.at_ns):
                yield f"{name}: trade {trade.seq} is {got}, it was {trade}"
            continue
        within = [place for place, gap in enumerate(gaps) if _inside(gap, trade.seq or 0, at_ns)]
        used.update(within)
        if not within and not (excused is not None and excused(at_ns)):
            silent += 1
            if excused is None or silent > struck:
                yield f"{name}: trade {trade.seq} never came and no gap says so"
    if excused is None:
        for place, gap in enumerate(gaps):
            if place not in used:
                yield f"{name}: {gap} holds nothing that is missing"


def _inside(gap: Gap, seq: int, at_ns: int) -> bool:
    if gap.after_seq is not None and (gap.before_seq is not None or gap.open):
        return gap.after_seq < seq and (gap.before_seq is None or seq < gap.before_seq)
    return _covers(gap, at_ns)


def _covers(gap: Gap, at_ns: int) -> bool:
    return (gap.after_ns is None or gap.after_ns <= at_ns) and (gap.before_ns is None or at_ns <= gap.before_ns)


def _quotes(seen: Witness, pit: Pit, until_ns: int, excused: Callable[[int], bool], struck: int) -> Iterator[str]:
    name, step = pit.instrument.id, pit.rates.step_beats
    quotes = seen.quotes[name]
    beats = [
        (quote.update_id or 0) // SEQ_STEP if quote.update_id else (quote.at_ns or 0) // BEAT_NS for quote in quotes
    ]
    yield from _increasing(f"{name} quotes", beats)
    if not quotes:
        yield f"{name}: no quote ever came"
        return
    for beat, quote in zip(beats, quotes, strict=True):
        (bid,), (ask,) = pit.top(beat, 1)
        said = tuple(map(str, (quote.bid, quote.bid_size, quote.ask, quote.ask_size)))
        if said != (*bid, *ask):
            yield f"{name}: {quote}, but the market stood at {bid} {ask}"
    silent, came, gaps = 0, set(beats), seen.gaps["quotes", name]
    for beat in range(beats[0], until_ns // BEAT_NS, step):
        at_ns = beat * BEAT_NS
        if beat in came or excused(at_ns) or any(_inside(gap, beat * SEQ_STEP, at_ns) for gap in gaps):
            continue
        silent += 1
        if silent > struck:
            yield f"{name}: the quote of beat {beat} never came and no gap says so"


def _built(seen: Witness, pit: Pit, interval: str, first_ns: int, until_ns: int) -> Iterator[str]:
    """Bars from trades: those that say `complete` are what the market's trades give, and only gaps excuse others."""
    name, length = pit.instrument.id, INTERVALS[interval]
    revisions: dict[int, Bar] = {}
    for bar in seen.bars[f"bars:{interval}@trades", name]:
        before = revisions.get(bar.open_at_ns)
        due = 1 if before is None else before.revision + 1
        if bar.revision != due:
            yield f"{name}: revision {bar.revision} of the bar at {bar.open_at_ns} came where {due} was due"
        revisions[bar.open_at_ns] = bar
    gaps = seen.gaps["trades", name]
    start_ns = length.floor(first_ns)
    for bar in pit.candles(interval, start_ns, length.floor(until_ns), until_ns):
        end_ns = length.next(bar.open_at_ns)
        touched = bar.open_at_ns == start_ns or any(
            _covers(gap, bar.open_at_ns) or bar.open_at_ns <= (gap.after_ns or 0) < end_ns for gap in gaps
        )
        got = revisions.get(bar.open_at_ns)
        if got is None:
            if not touched:
                yield f"{name}: no bar at {bar.open_at_ns}"
        elif got.certificate == "complete":
            yield from _differs(name, got, bar)
        elif not touched:
            yield f"{name}: the bar at {bar.open_at_ns} is {got.certificate}, but nothing of it is missing"


def _venue_bars(seen: Witness, pit: Pit, interval: str, until_ns: int) -> Iterator[str]:
    """The venue's own bars: each closes once and is what the market made, or a gap says that it did not come."""
    name, length = pit.instrument.id, INTERVALS[interval]
    channel = f"bars:{interval}"
    closed = {bar.open_at_ns: bar for bar in seen.bars[channel, name]}
    opens = [bar.open_at_ns for bar in seen.bars[channel, name]]
    yield from _increasing(f"{name} {channel}", opens)
    if not opens:
        yield f"{name}: no bar of the venue ever closed"
        return
    gaps = seen.gaps[channel, name]
    for bar in pit.candles(interval, opens[0], length.floor(until_ns), until_ns):
        if (got := closed.get(bar.open_at_ns)) is not None:
            yield from _differs(name, got, bar)
        elif not any((gap.after_seq or 0) <= bar.open_at_ns < (gap.before_seq or until_ns) for gap in gaps):
            yield f"{name}: the venue's bar at {bar.open_at_ns} never closed and no gap says so"


def _differs(name: str, got: Bar, bar: Bar) -> Iterator[str]:
    for field in _BAR_FIELDS:
        said, true = getattr(got, field), getattr(bar, field)
        if said is not None and said != true:  # not every venue tells how many trades a bar holds
            yield f"{name}: {field} of the {got.channel} bar at {bar.open_at_ns} is {said}, it was {true}"


def nearby(windows: Sequence[tuple[int, int]], slack_ns: int) -> Callable[[int], bool]:
    """Whether a time lies in one of these stretches, or so close to it."""
    stretches = sorted(windows)
    starts = [start - slack_ns for start, _ in stretches]

    def lies(at_ns: int) -> bool:
        return any(at_ns <= end + slack_ns for _, end in stretches[: bisect_right(starts, at_ns)])

    return lies
