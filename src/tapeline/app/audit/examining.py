"""A venue's own bars against what a store holds of their time: a verdict each, and what they prove. Reads only."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from tapeline.errors import NotHeld, UnknownInstrument
from tapeline.market.coverage import Coverage
from tapeline.market.remake import remade
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.model.instrument import Instrument
from tapeline.model.interval import HOUR_NS, MINUTE_NS, interval
from tapeline.store.reader import Store
from tapeline.sync.audit import Match, Mismatch, Unchecked, Verdict, agreed, audit_bars, disputed
from tapeline.sync.proofs import by_overlap, lacking, news, sums_of
from tapeline.venues.spec import Feed, Quirk, RestCall, Venue

CHUNK_NS = HOUR_NS  # of trades read at once
SHORT_NS = 5 * MINUTE_NS  # the same beside live events, which share the processor
Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is examined: these channels of an instrument, all by the venue's bars of one interval."""

    venue: Venue
    instrument: Instrument
    interval: str
    channels: tuple[str, ...]

    @property
    def call(self) -> RestCall:
        """How the venue's bars are asked for."""
        return self.venue.rest["bars"]

    @property
    def quirks(self) -> Sequence[Quirk]:
        """In what the venue's bars may differ."""
        feed = self.venue.feeds.get("bars")
        return () if feed is None else feed.quirks


@dataclass(slots=True)
class Examined:
    """What was found: verdicts in order, channel by channel, and facts for the ledger."""

    verdicts: list[Verdict] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def judge(self, verdicts: Sequence[Verdict], before: Coverage, known_at_ns: int) -> None:
        """Take verdicts, and what they mean for the ledger."""
        self.verdicts += verdicts
        self.facts += [disputed(each, known_at_ns) for each in verdicts if isinstance(each, Mismatch)]
        self.facts += agreed([each for each in verdicts if isinstance(each, Match)], before, known_at_ns)


def examine(
    store: Store, subject: Subject, span: Span, theirs: Sequence[Bar], *,
    covered: Callable[[str], Coverage], known_at_ns: int, all_trades: bool = True,
) -> Examined:  # fmt: skip
    """Compare all that is held of [from_ns, to_ns), whole bars, with the venue's bars of it.

    `covered` is the ledger, by channel. `all_trades` False: trades are read only where the ledger cannot prove them.
    """
    found = Examined()
    who = subject.instrument.id
    for name in subject.channels:
        of, before = parse_channel(name), covered(name)
        if of.kind == "bars":
            held = covered(of.built_from) if of.built_from else before
            ours = stored_bars(store, who, name, span)
            sparse = subject.call.sparse
            verdicts = audit_bars(who, name, span, ours, theirs, held=held, quirks=subject.quirks, sparse=sparse)
            found.judge(list(verdicts), before, known_at_ns)
        elif all_trades or _unproven(before, span):
            trades = _TradesExamined(store, subject, of.kind, before=before, known_at_ns=known_at_ns)
            trades.go(found, span, theirs, judge=all_trades)
    return found


def overlapping(store: Store, feed: Feed, answer: Sequence[Trade], before: Coverage, known_at_ns: int) -> list[Fact]:
    """What the venue's newest trades prove of ours, of a feed that cannot prove, or repair, all of it by itself."""
    trades = [trade for trade in answer if trade.at_ns is not None]
    if (feed.evidence and feed.repair) or not trades:
        return []
    first, last = trades[0], trades[-1]
    try:
        near = store.trades_near(first.instrument, first.channel, first.at_ns or 0, (last.at_ns or 0) + 1)
    except (NotHeld, UnknownInstrument):
        return []
    fact = by_overlap(trades, {(each.seq, each.id) for each in near}, known_at_ns)
    return [] if fact is None else news(fact, before)


def stored_bars(store: Store, instrument: str, name: str, span: Span) -> list[Bar]:
    """Stored bars; none where there is no such series yet."""
    try:
        return list(store.bars(instrument, name, *span))
    except (NotHeld, UnknownInstrument):
        return []


# ---- inside ----------------------------------------------------------------------------------------------------


class _TradesExamined:
    """Trades by the venue's bars: what their sums prove, and what bars made of them are."""

    def __init__(self, store: Store, subject: Subject, of: str, *, before: Coverage, known_at_ns: int) -> None:
        self._store, self._subject, self._of = store, subject, of
        self._before, self._known_at_ns = before, known_at_ns
        self._feed = subject.venue.feeds[of]

    def go(self, found: Examined, span: Span, theirs: Sequence[Bar], *, judge: bool) -> None:
        """An hour at a time; without `judge` only bars that are not proven, a few minutes at a time."""
        for low, high in _chunks(self._subject.interval, span, CHUNK_NS if judge else SHORT_NS):
            if not judge and not self._before.missing((low, high)):
                continue
            near = _near(self._store, self._subject.instrument.id, self._of, (low, high))
            bars = [bar for bar in theirs if low <= bar.open_at_ns < high]
            proven = self._prove(found, near, bars)
            if judge:
                self._judge(found, (low, high), near, bars, proven)

    def _prove(self, found: Examined, near: Sequence[Trade], bars: Sequence[Bar]) -> list[Fact]:
        step = interval(self._subject.interval)
        by_open: dict[int, list[Trade]] = {}
        for trade in near:
            by_open.setdefault(step.floor(_stamp(trade)), []).append(trade)
        facts = sums_of(self._of, by_open, bars, self._before, self._known_at_ns)
        found.facts += facts
        extent = None if self._feed.evidence or not near else self._store.extent(self._subject.instrument.id, self._of)
        for bar in bars:
            end_ns = step.next(bar.open_at_ns)
            if extent is None or bar.open_at_ns < extent[0] or end_ns > extent[1]:
                continue  # we joined inside it, or it goes on: less than the venue's is no wonder
            lost = "" if self._feed.repair else f"no REST call of the venue brings {self._of} back"
            short = lacking(self._of, by_open.get(bar.open_at_ns, ()), bar, self._known_at_ns, lost=lost)
            if short is not None and _is_news(short, self._before):
                found.facts.append(short)
        return facts

    def _judge(
        self, found: Examined, span: Span, near: Sequence[Trade], bars: Sequence[Bar], proven: Sequence[Fact]
    ) -> None:
        subject, known = self._subject, Coverage(proven)
        missing = [part for hole in self._before.missing(span) for part in known.missing(hole)]
        made = remade(subject.instrument, self._of, subject.interval, span, trades=near, missing=missing)
        verdicts = audit_bars(
            subject.instrument.id, f"bars:{subject.interval}@{self._of}", span, made, bars, held=self._before,
            quirks=subject.quirks, sparse=subject.call.sparse,
        )  # fmt: skip
        found.judge([replace(each, channel=self._of) for each in verdicts], self._before, self._known_at_ns)


def _chunks(name: str, span: Span, longest_ns: int) -> list[Span]:
    """Whole bars, so long or one bar at a time."""
    step, found, open_ns = interval(name), list[Span](), span[0]
    while open_ns < span[1]:
        end_ns = min(span[1], max(step.next(open_ns), step.floor(open_ns + longest_ns)))
        found.append((open_ns, end_ns))
        open_ns = end_ns
    return found


def _near(store: Store, instrument: str, of: str, span: Span) -> list[Trade]:
    try:
        return store.trades_near(instrument, of, *span)
    except (NotHeld, UnknownInstrument):
        return []


def _unproven(before: Coverage, span: Span) -> bool:
    return bool(before.missing(span))


def _stamp(trade: Trade) -> int:
    return trade.received_ns if trade.at_ns is None else trade.at_ns


def _is_news(fact: Fact, before: Coverage) -> bool:
    """Whether the ledger does not say so already."""
    spans = before.spans(fact.from_ns, fact.to_ns)
    return not any(span.cause == fact.cause and span.why == fact.why for span in spans)


def counts(verdicts: Collection[Verdict]) -> tuple[int, int, int]:
    """(equal, of these with a known difference, not equal)."""
    matches = [each for each in verdicts if isinstance(each, Match)]
    return len(matches), sum(bool(each.differences) for each in matches), sum(
        isinstance(each, Mismatch) for each in verdicts
    )  # fmt: skip


def unchecked(verdicts: Collection[Verdict]) -> list[Unchecked]:
    """What could not be compared."""
    return [each for each in verdicts if isinstance(each, Unchecked)]
