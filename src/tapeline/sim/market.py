"""A seeded synthetic market as a source: every instrument of a venue's samples, streamed and answered for.

Trades, quotes, books, bars and REST agree with each other at any time, in any order. Pure: time is an argument.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from decimal import Decimal

from tapeline.errors import ConfigError
from tapeline.model.channel import Channel, channel
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Funding,
    Index,
    Mark,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)  # fmt: skip
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, SECOND_NS
from tapeline.model.number import EXACT, ZERO
from tapeline.model.topic import Topic
from tapeline.sim.pit import BEAT_NS, BEATS, Pit, Rates
from tapeline.sim.source import Moment, window
from tapeline.venues.spec import Answer, Ask, ServerTime, Venue

SEQ_STEP = 3  # the venue's updates in one book message
HISTORY_NS = 2 * DAY_NS
FUNDING_NS = 8 * HOUR_NS
STEADY = 10  # from so many beats a step on, all that is told between two steps is trades
THIN = 60  # trades a minute; then an hour of them is looked at together


class Market:
    """A `Source`: every instrument of the venue's samples, with at least a day of history before the start."""

    waits = False
    live = None

    def __init__(self, venue: Venue, seed: int, start_ns: int, rates: Rates | None = None) -> None:
        assert venue.server is not None, f"{venue.name} has no server side"
        instruments = venue.server.sample_instruments
        if not instruments:
            raise ConfigError(f"venue {venue.name!r} names no instruments for a synthetic market")
        self._venue, self._server = venue, venue.server
        rates = rates or Rates()
        self._pits = {one.native: Pit(one, seed, rates) for one in instruments}
        self._step = rates.step_beats
        self._merges = "trades" in venue.feeds and venue.feeds["trades"].evidence == "count"  # what one order took
        self._agenda: list[
            int
        ] = []  # beats of this minute at which something is told, newest first; where they are few
        self.start_ns = start_ns // BEAT_NS * BEAT_NS
        self._beat = self.start_ns // BEAT_NS  # the last one that was taken
        self._at_ns = self.start_ns
        self.history_ns = (self.start_ns - HISTORY_NS) // DAY_NS * DAY_NS
        self._parsed: dict[Topic, Channel] = {}

    @property
    def pits(self) -> Sequence[Pit]:
        """Every instrument's trading: what truly happened."""
        return list(self._pits.values())

    @property
    def at_ns(self) -> int:
        """See `Source`."""
        return self._at_ns

    def next_ns(self) -> int | None:
        """See `Source`. A market never ends."""
        return self._next_beat() * BEAT_NS

    def _next_beat(self) -> int:
        if self._step == 1:
            return self._beat + 1
        agenda = self._agenda
        if agenda and agenda[-1] > self._beat:
            return agenda[-1]
        while agenda and agenda[-1] <= self._beat:
            agenda.pop()
        minute = self._beat // BEATS
        while not agenda:
            first = minute * BEATS
            told = set(range(-(-(first + 1) // self._step) * self._step, first + BEATS + 1, self._step))
            for pit in self._pits.values():
                told |= {(trade.at_ns or 0) // BEAT_NS + 1 for trade in pit.trades(minute)}
            agenda = self._agenda = sorted((beat for beat in told if beat > self._beat), reverse=True)
            minute += 1
        return agenda[-1]

    def take(self, before_ns: int | None, most: int, wanted: Container[Topic]) -> Sequence[Moment]:
        """See `Source`."""
        moments: list[Moment] = []
        every = sorted(wanted) if isinstance(wanted, Mapping) else ()
        traded = [topic for topic in every if self._channel(topic).kind in _TRADES] if self._step >= STEADY else every
        for _ in range(most):
            beat = self._next_beat()
            at_ns = beat * BEAT_NS
            if before_ns is not None and at_ns >= before_ns:
                break
            self._beat = beat
            self._at_ns = at_ns
            for topic in traded if beat % self._step else every:
                for event in self.events(topic, self._beat):
                    moments.append((at_ns, topic, self._server.encode(event, topic.native)))  # noqa: PERF401  # nested
            if len(moments) >= most:
                break
        return moments

    def skip_to(self, at_ns: int) -> None:
        """See `Source`."""
        self._beat = max(self._beat, at_ns // BEAT_NS)
        self._at_ns = max(self._at_ns, at_ns)

    def served_as(self, topic: Topic) -> Topic | None:
        """See `Source`. Every speed of a book is a stream of its own here."""
        pit = self._pits.get(topic.native)
        kind = channel(topic.channel).kind
        return topic if pit is not None and kind in _TELLERS and _sells(pit.instrument, kind) else None

    def knows(self, native: str) -> bool:
        """See `Source`."""
        return native in self._pits or native == ""

    # ---- the stream

    def events(self, topic: Topic, beat: int) -> Sequence[Event]:
        """What is said under this topic at this beat."""
        parsed = self._channel(topic)
        return _TELLERS[parsed.kind](self, self._pits[topic.native], parsed, topic.channel, beat)

    def _channel(self, topic: Topic) -> Channel:
        parsed = self._parsed.get(topic)
        if parsed is None:
            parsed = self._parsed[topic] = channel(topic.channel)
        return parsed

    def _tell_trades(self, pit: Pit, parsed: Channel, name: str, beat: int) -> Sequence[Event]:
        del name
        end_ns = beat * BEAT_NS
        if parsed.kind == "aggtrades":
            return list(pit.aggregates(end_ns - BEAT_NS, end_ns))
        told = pit.merged if self._merges and pit.rates.fills > 1 else pit.between
        return list(told(end_ns - BEAT_NS, end_ns))

    def _tell_quotes(self, pit: Pit, parsed: Channel, name: str, beat: int) -> Sequence[Event]:
        del parsed
        if beat % self._step:
            return ()
        (bid,), (ask,) = pit.top(beat, 1)
        at_ns = beat * BEAT_NS
        return [
            Quote(
                pit.instrument.id, name, at_ns, at_ns, "ws", Decimal(bid[0]), Decimal(bid[1]), Decimal(ask[0]),
                Decimal(ask[1]), beat * SEQ_STEP,
            )
        ]  # fmt: skip

    def _tell_book(self, pit: Pit, parsed: Channel, name: str, beat: int) -> Sequence[Event]:
        beats = (
            max(self._step, int(parsed.speed.removesuffix("ms")) * 1_000_000 // BEAT_NS) if parsed.speed else self._step
        )
        if beat % beats:
            return ()
        at_ns = beat * BEAT_NS
        if parsed.levels:
            bids, asks = pit.top(beat, parsed.levels)
            return [BookSnapshot(pit.instrument.id, name, at_ns, at_ns, "ws", bids, asks, last_seq=beat * SEQ_STEP)]
        bids, asks = pit.change(beat, beats)
        before = (beat - beats) * SEQ_STEP
        return [
            BookDelta(
                pit.instrument.id, name, at_ns, at_ns, "ws", bids, asks, before + 1, beat * SEQ_STEP, before
            )
        ]  # fmt: skip

    def _tell_bars(self, pit: Pit, parsed: Channel, name: str, beat: int) -> Sequence[Event]:
        """Once a second the open bar, and a bar that has just ended once more, closed."""
        if beat % max(10, self._step):
            return ()
        now_ns, interval = beat * BEAT_NS, INTERVALS[parsed.interval]
        open_ns = interval.floor(now_ns)
        if open_ns == now_ns:
            open_ns = interval.floor(now_ns - 1)
        found = pit.candles(parsed.interval, max(open_ns, self.history_ns), now_ns, now_ns)
        return [_streamed(bar, name, now_ns) for bar in found]

    def _tell_ticker(self, pit: Pit, parsed: Channel, name: str, beat: int) -> Sequence[Event]:
        del parsed
        if beat % max(10, self._step):
            return ()
        now_ns = beat * BEAT_NS
        hours = pit.candles("1h", (now_ns - DAY_NS) // HOUR_NS * HOUR_NS, now_ns, now_ns)
        if not hours:
            return ()
        (bid,), (ask,) = pit.top(beat, 1)
        volume = quote = ZERO
        for bar in hours:
            volume = EXACT.add(volume, bar.volume)
            quote = EXACT.add(quote, bar.quote_volume or ZERO)
        return [
            Ticker(
                pit.instrument.id, name, now_ns, now_ns, "ws", hours[-1].close, hours[0].open,
                max(bar.high for bar in hours), min(bar.low for bar in hours), volume, quote,
                Decimal(bid[0]), Decimal(ask[0]),
            )
        ]  # fmt: skip

    def _tell_derivative(self, pit: Pit, parsed: Channel, name: str, beat: int) -> Sequence[Event]:
        return () if beat % max(10, self._step) else [_derivative(pit, parsed.kind, name, beat * BEAT_NS, "ws")]

    # ---- REST

    def book(self, topic: Topic) -> BookSnapshot | None:
        """See `Source`."""
        pit = self._pits[topic.native]
        beat = self._told_beat
        bids, asks = pit.top(beat)
        at_ns = beat * BEAT_NS
        return BookSnapshot(pit.instrument.id, topic.channel, at_ns, at_ns, "ws", bids, asks, last_seq=beat * SEQ_STEP)

    @property
    def _told_beat(self) -> int:
        """The last beat of which books were told."""
        return self._beat // self._step * self._step

    def answer(self, ask: Ask, now_ns: int) -> bytes | None:
        """See `Source`."""
        rows = self.rows(ask, now_ns)
        return None if rows is None else self._server.answer_rest(ask, rows)

    def number_anew(self, at_ns: int, repeated: int) -> None:
        """See `Source`."""
        for pit in self._pits.values():
            pit.number_anew(at_ns, repeated)

    def rows(self, ask: Ask, now_ns: int) -> Sequence[Answer] | None:
        """See `Source`."""
        if ask.call == "time":
            return [ServerTime(now_ns)]
        if ask.call == "instruments":
            return [pit.instrument for pit in self._pits.values()]
        pit = self._pits.get(ask.native)
        if pit is None:
            return None
        if ask.call in _DERIVATIVES:
            return [_derivative(pit, ask.call, ask.call, now_ns, "rest")] if _sells(pit.instrument, ask.call) else None
        answers: Mapping[str, Callable[[Pit, Ask, int], Sequence[Answer]]] = {
            "depth": self._depth, "bars": self._bars, "trades": self._traded, "aggtrades": self._traded,
        }  # fmt: skip
        call = answers.get(ask.call)
        return None if call is None else call(pit, ask, now_ns)

    def _depth(self, pit: Pit, ask: Ask, now_ns: int) -> Sequence[BookSnapshot]:
        beat = self._told_beat
        bids, asks = pit.top(beat, ask.limit)
        at_ns, seq = beat * BEAT_NS, beat * SEQ_STEP
        return [BookSnapshot(pit.instrument.id, "book", at_ns, now_ns, "rest", bids, asks, last_seq=seq)]

    def _traded(self, pit: Pit, ask: Ask, now_ns: int) -> Sequence[Trade]:
        most = self._page(ask)
        limit = min(ask.limit or most, most)
        from_ns, to_ns = self._reach(ask, now_ns)
        by_order = ask.call == "aggtrades"
        told = pit.aggregates if by_order else pit.between
        if ask.from_id is not None:
            minute = pit.order_minute(ask.from_id) if by_order else pit.trade_minute(ask.from_id)
            from_ns, to_ns = max(from_ns, minute * MINUTE_NS), now_ns
        keeps_s = self._venue.rest[ask.call].keeps_s
        if keeps_s != float("inf"):
            from_ns = max(from_ns, now_ns - int(keeps_s * SECOND_NS))
        forward = ask.from_id is not None or ask.from_ns is not None
        thin = self._step >= STEADY and pit.rates.trades_per_minute <= THIN
        part_ns = HOUR_NS if thin else MINUTE_NS
        rows: list[Trade] = []
        while from_ns < to_ns and len(rows) < limit:
            if forward:
                end_ns = min(from_ns - from_ns % part_ns + part_ns, to_ns)
                rows += [trade for trade in told(from_ns, end_ns) if (trade.seq or 0) >= (ask.from_id or 0)]
                from_ns = end_ns
            else:  # the newest first, until there are enough
                start_ns = max((to_ns - 1) // part_ns * part_ns, from_ns)
                rows += reversed(list(told(start_ns, to_ns)))
                to_ns = start_ns
        return rows[:limit] if forward else rows[:limit][::-1]

    def _bars(self, pit: Pit, ask: Ask, now_ns: int) -> Sequence[Bar]:
        interval = INTERVALS[ask.interval]
        most = self._page(ask)
        limit = min(ask.limit or most, most)
        from_ns, to_ns = self._reach(ask, now_ns)
        from_ns = interval.floor(from_ns + (interval.length_ns or 1) - 1) if ask.from_ns is not None else from_ns
        span_ns = (interval.length_ns or 31 * DAY_NS) * limit
        if ask.from_ns is not None:
            to_ns = min(to_ns, from_ns + span_ns)
        else:
            from_ns = max(from_ns, interval.floor(max(to_ns - span_ns, 0)))
        to_ns = interval.next(interval.floor(to_ns - 1)) if to_ns > from_ns else to_ns
        rows = pit.candles(ask.interval, max(from_ns, self.history_ns), to_ns, now_ns)
        return window(rows, ask, lambda bar: bar.open_at_ns, lambda _bar: None, most)

    def _reach(self, ask: Ask, now_ns: int) -> tuple[int, int]:
        """The part of [from, to) that lies between the history's start and now."""
        from_ns = self.history_ns if ask.from_ns is None else max(ask.from_ns, self.history_ns)
        return from_ns, now_ns if ask.to_ns is None else min(ask.to_ns, now_ns)

    def _page(self, ask: Ask) -> int:
        call = self._venue.rest.get(ask.call)
        return call.page if call else 1


_TRADES = frozenset({"trades", "aggtrades"})
_DERIVATIVES = ("mark", "index", "funding", "open_interest")
_Teller = Callable[[Market, Pit, Channel, str, int], Sequence[Event]]
_TELLERS: Mapping[str, _Teller] = {
    "trades": Market._tell_trades, "aggtrades": Market._tell_trades,  # noqa: SLF001
    "quotes": Market._tell_quotes,  # noqa: SLF001
    "book": Market._tell_book, "bars": Market._tell_bars, "ticker": Market._tell_ticker,  # noqa: SLF001
    **dict.fromkeys(_DERIVATIVES, Market._tell_derivative),  # noqa: SLF001
}  # fmt: skip


def _sells(instrument: Instrument, kind: str) -> bool:
    """An index is named after a spot pair at some venues; the rest is of derivatives only."""
    return kind not in _DERIVATIVES or kind == "index" or instrument.kind != "spot"


def _streamed(bar: Bar, name: str, now_ns: int) -> Bar:
    return Bar(
        bar.instrument, name, now_ns, now_ns, "ws", bar.interval, bar.open_at_ns, bar.open, bar.high, bar.low,
        bar.close, bar.volume, bar.quote_volume, bar.trades, bar.taker_buy_volume,
        bar.first_id, bar.last_id, bar.closed,
    )  # fmt: skip


def _derivative(pit: Pit, kind: str, name: str, at_ns: int, source: str) -> Event:
    """Mark and index near the price, a funding rate for each eight hours, a slowly changing open interest."""
    instrument, bid = pit.instrument.id, pit.bid(at_ns // BEAT_NS)
    minute = at_ns // MINUTE_NS
    if kind == "mark":
        return Mark(instrument, name, at_ns, at_ns, source, pit.price(bid + pit.mix(minute) % 3))
    if kind == "index":
        return Index(instrument, name, at_ns, at_ns, source, pit.price(bid + pit.mix(minute + 1) % 5))
    if kind == "funding":
        period = at_ns // FUNDING_NS
        rate = EXACT.multiply(Decimal(pit.mix(period) % 401 - 100), Decimal("0.000001"))
        return Funding(instrument, name, at_ns, at_ns, source, rate, FUNDING_NS // 10**9, (period + 1) * FUNDING_NS)
    return OpenInterest(instrument, name, at_ns, at_ns, source, Decimal(50_000 + pit.mix(minute) % 1000))
