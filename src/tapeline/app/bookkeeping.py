"""The coverage ledger of a running instance: what its streams prove, told to the store after the rows it speaks of."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import msgspec

from tapeline.errors import ConfigError, NotHeld
from tapeline.market.bus import Bus
from tapeline.model.channel import Channel
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact, Stretch, Wanted
from tapeline.model.instrument import split_id
from tapeline.model.interval import INTERVALS
from tapeline.store.reader import Store
from tapeline.store.series import PointRow, Row
from tapeline.sync.coverage import Coverage, Range
from tapeline.sync.evidence import Evidence, evidence_for
from tapeline.venues import venue_named
from tapeline.venues.spec import Feed

Key = tuple[str, str]  # instrument, channel
Take = Callable[[Any], Sequence[Fact | Wanted]]
SHOWN_BY: dict[str, tuple[type, ...]] = {"trades": (Trade, Gap), "aggtrades": (Trade, Gap), "bars": (Bar, Gap)}


@cache
def registered_feed(venue: str, kind: str) -> Feed | None:
    """The feed of a registered venue; None where there is none, and nothing can be proven."""
    try:
        return venue_named(venue).feeds.get(kind)
    except ConfigError:
        return None


class Bookkeeping:
    """Evidence, coverage and what is wanted, by series. `offer` takes facts to the store, in order with its rows."""

    def __init__(
        self, offer: Callable[[Row], None], *, feed_of: Callable[[str, str], Feed | None] = registered_feed
    ) -> None:  # fmt: skip
        self._offer, self._feed_of = offer, feed_of
        self._evidence: dict[Key, Evidence] = {}
        self._coverage: dict[Key, Coverage] = {}
        self._wanted: dict[Key, dict[tuple[str, int], Wanted]] = {}
        self._resumed: dict[Key, Fact] = {}
        self.broken: set[Key] = set()  # series with something new to fetch; whoever repairs takes them out

    def load(self, store: Store) -> None:
        """Go on from what an earlier run has left; from nothing where the store is older than the ledger."""
        try:
            ledger = store.ledger
        except NotHeld:
            return
        for wanted in ledger.wanted():
            self._remember(wanted)
        points = {(point.instrument, point.channel): point for point in store.points()}
        for key, fact in ledger.live().items():
            bars = fact.evidence == "bars"
            self._resumed[key] = _on(fact, store) if bars else _up_to(fact, points.get(key), store.gaps(*key))
        for instrument, channel in store.series():
            facts = ledger.facts(instrument, channel)
            if facts:
                self._coverage[instrument, channel] = Coverage(facts)
        self.broken.update(key for key in self.series() if self.to_fetch(*key))

    def attach(self, bus: Bus, channels: Iterable[Channel]) -> None:
        """Listen to these channels. To be called before whatever keeps their gaps: a hole is noted before its Gap is,
        so that a crash between the two leaves it in the ledger.
        """
        for of in sorted({each.wire for each in channels}, key=str):
            types = SHOWN_BY.get(of.kind, (Gap,))
            bus.subscribe(self._listener(str(of)), channel=str(of), types=types, name="tapeline.ledger")

    def note(self, *notes: Fact | Wanted) -> None:
        """Something that was found out, or is wanted: to memory and to the store, after the rows offered so far."""
        for note in notes:
            self._remember(note)
            self._offer(note)

    def learn(self, facts: Iterable[Fact]) -> None:
        """What the store found out itself, and has written already."""
        for fact in facts:
            self._remember(fact)

    def write(self) -> None:
        """Note what has grown: a row a series, however many events."""
        for evidence in self._evidence.values():
            self.note(*evidence.due())

    def polled(self, event: Trade | Bar) -> None:
        """A row that polling brings in place of its stream; to be told right before it is published."""
        key = (event.instrument, event.channel)
        if key not in self._evidence:
            self._open(key)
        if key in self._evidence:
            self.note(*self._evidence[key].polled(event))

    def coverage(self, instrument: str, channel: str) -> Coverage:
        """What is known of a series, now; for who wants to repair it. Rows the store had to drop are known to it only.

        `write` first, to have what has grown since it was called last.
        """
        return self._coverage.setdefault((instrument, channel), Coverage())

    def wanted(self, instrument: str, channel: str) -> list[Range]:
        """What of a series is to be held."""
        return [(each.from_ns, each.to_ns) for each in self._wanted.get((instrument, channel), {}).values()]

    def to_fetch(self, instrument: str, channel: str) -> list[Range]:
        """What of a series is missing and may be had."""
        coverage, wanted = self._coverage.get((instrument, channel)), self.wanted(instrument, channel)
        return (coverage or Coverage()).to_fetch(*wanted)

    def stretches(self, instrument: str, channel: str) -> list[Stretch]:
        """The same hole by hole, with the ids each misses where they are known."""
        coverage, wanted = self._coverage.get((instrument, channel)), self.wanted(instrument, channel)
        return (coverage or Coverage()).stretches(*wanted)

    def series(self) -> list[Key]:
        """Every series that has a ledger."""
        return sorted(self._coverage.keys() | self._wanted.keys())

    # ---- inside ----------------------------------------------------------------------------------------------

    def _listener(self, channel: str) -> Callable[[Any], None]:
        """Takes the events of a channel; called for every trade."""
        takes: dict[str, Take] = {}

        def listen(event: Any) -> None:
            instrument = event.instrument
            take = takes.get(instrument)
            if take is None:
                take = takes[instrument] = self._open((instrument, channel))
            notes = take(event)
            if notes:
                self.note(*notes)

        return listen

    def _open(self, key: Key) -> Take:
        if key in self._evidence:
            return self._evidence[key].take
        venue, _ = split_id(key[0])
        feed = self._feed_of(venue, parse_channel(key[1]).kind)
        if feed is None:
            return _nothing
        live = [each.from_ns for each in self._wanted.get(key, {}).values() if each.source == "live"]
        resumed = self._resumed.pop(key, None)
        found = self._evidence[key] = evidence_for(*key, feed, resumed=resumed, wanted_ns=min(live, default=None))
        return found.take

    def _remember(self, note: Fact | Wanted) -> None:
        key = (note.instrument, note.channel)
        if isinstance(note, Fact):
            self.coverage(*key).add(note)
            if note.state == "missing":
                self.broken.add(key)
        else:
            self._wanted.setdefault(key, {})[note.source, note.from_ns] = note


def _nothing(_event: Any) -> Sequence[Fact | Wanted]:
    """Of a venue that nobody knows, nothing is shown."""
    return ()


def _up_to(fact: Fact, point: PointRow | None, gaps: Iterable[Gap]) -> Fact:
    """What the stream proved last. Rows reach the disk a moment before the facts that speak of them: after a crash
    what is proven goes on to the last row, where no gap was seen on the way.
    """
    if point is None or point.seq is None or fact.last_seq is None or point.seq <= fact.last_seq:
        return fact
    at_ns = point.received_ns if point.at_ns is None else point.at_ns
    since = [gap for gap in gaps if not gap.open and (gap.after_seq is None or gap.after_seq >= fact.last_seq)]
    if since:
        return _after_gap(fact, since[-1], point.seq, at_ns)
    if at_ns < fact.to_ns:
        return fact
    return msgspec.structs.replace(fact, to_ns=at_ns, last_seq=point.seq)


def _on(fact: Fact, store: Store) -> Fact:
    """The same of bars: what is proven goes on as long as bar follows bar."""
    step = INTERVALS[fact.channel.removeprefix("bars:")]
    end_ns = fact.to_ns
    try:
        bars = store.bars(fact.instrument, str(step), end_ns)
    except NotHeld:  # retention has taken them
        return fact
    for bar in bars:
        if bar.open_at_ns != end_ns or bar.source != fact.source:
            break
        end_ns = step.next(end_ns)
    return msgspec.structs.replace(fact, to_ns=end_ns)


def _after_gap(fact: Fact, gap: Gap, seq: int, at_ns: int) -> Fact:
    """A hole was seen, and rows after it, and the process died before a fact could tell of them: they go on from it."""
    if gap.before_ns is None or gap.before_seq is None or gap.before_seq > seq:
        return fact
    from_ns = gap.before_ns + 1
    return msgspec.structs.replace(
        fact, from_ns=from_ns, to_ns=max(from_ns, at_ns), first_seq=gap.before_seq, last_seq=seq,
        run=max(1, gap.received_ns),
    )  # fmt: skip
