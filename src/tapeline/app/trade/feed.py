"""What a backtest plays: events of a store, or of tapes, in the order of their times, and what of them is proven."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from operator import itemgetter
from typing import Any

import msgspec

from tapeline.errors import ConfigError, NotHeld
from tapeline.market.bars import BarBuilder
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Event, Trade
from tapeline.model.instrument import Instrument, notional
from tapeline.model.interval import interval
from tapeline.store.reader import Store

Timed = tuple[int, Event]
TRADES = ("trades", "aggtrades")


class StoreFeed:
    """Events of these channels from a store, [from_ns, to_ns). Bars come when they closed, never sooner.

    `asked`: whether its beginning and its end were, or are only where the rows of the store begin and end.
    """

    def __init__(
        self, store: Store, wanted: Mapping[str, Sequence[str]], from_ns: int, to_ns: int, *,
        asked: tuple[bool, bool] = (True, True),
    ) -> None:  # fmt: skip
        self._store, self._from_ns, self._to_ns, self._asked = store, from_ns, to_ns, asked
        self.instruments = {each.id: each for each in store.instruments() if each.id in wanted}
        self._wanted = {instrument: [str(parse_channel(text)) for text in of] for instrument, of in wanted.items()}
        for instrument in self._wanted:
            if instrument not in self.instruments:
                known = ", ".join(sorted({who for who, _ in store.series()})[:8])
                raise ConfigError(f"the store knows no {instrument}; it holds {known or 'nothing'}")
        self._made: dict[str, list[str]] = {}  # bars made here, of the trades that are played: instrument -> intervals

    def __iter__(self) -> Iterator[Timed]:
        sources = [source for instrument in self._wanted for source in self._sources(instrument)]
        return sources[0] if len(sources) == 1 else merge(*sources, key=itemgetter(0))

    def missing(self) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """(instrument, channel) -> half-open ranges of what is played that are not proven to be whole."""
        found = {}
        for instrument, channels in self._wanted.items():
            for of in channels:
                kind = parse_channel(of)
                if kind.kind not in {"bars", *TRADES}:
                    continue
                ranges = [each for each in self._missing(instrument, of, kind.kind) if not self._edge(each)]
                if ranges:
                    found[instrument, of] = ranges
        return found

    def _missing(self, instrument: str, of: str, kind: str) -> list[tuple[int, int]]:
        try:
            if kind in TRADES:
                return self._store.trades(instrument, self._from_ns, self._to_ns, channel=of).missing
            return self._store.resample(instrument, of.removeprefix("bars:"), self._from_ns, self._to_ns).missing
        except NotHeld:
            return [(self._from_ns, self._to_ns)]

    def _edge(self, found: tuple[int, int]) -> bool:
        """Whether it is only the stamp of the first or the last row of a span that nobody asked for.

        A stream proves what lies between two of its trades: that it heard every trade of the very stamp at which it
        began, or stands now, nothing can show. Where the span is as long as the rows are, that is no hole in it.
        """
        if found[1] - found[0] > 1:
            return False
        first, last = found[0] == self._from_ns, found[1] == self._to_ns
        return (first and not self._asked[0]) or (last and not self._asked[1])

    def _sources(self, instrument: str) -> list[Iterator[Timed]]:
        """One a channel; bars that are built from trades come with those, where they are not stored."""
        channels = self._wanted[instrument]
        held = {of for who, of in self._store.series() if who == instrument}
        stored = {f"bars:{name}{'@' + by if by else ''}" for name, by in self._store.held_bars(instrument)}
        built: dict[str, list[str]] = {}
        rest: list[str] = []
        for of in channels:
            kind = parse_channel(of)
            if kind.kind == "bars" and kind.built_from and of not in stored and kind.built_from in channels:
                built.setdefault(kind.built_from, []).append(kind.interval)
            else:
                rest.append(of)
        found: list[Iterator[Timed]] = []
        for of in rest:
            kind = parse_channel(of)
            if kind.kind in TRADES:
                found.append(self._trades(instrument, of, built.get(of, [])))
            elif kind.kind == "bars":
                found.append(self._bars(instrument, of))
            elif of in held:
                found.append(self._slow(instrument, of))
            else:
                raise ConfigError(f"a store holds no {of}: play {instrument} from a tape (--tape), or leave it out")
        return found

    def _trades(self, instrument: str, of: str, intervals: Sequence[str]) -> Iterator[Timed]:
        rows = self._store.trades(instrument, self._from_ns, self._to_ns, channel=of)
        if intervals:
            return with_bars(rows, self.instruments[instrument], of, intervals, self._to_ns)
        return ((trade.at_ns or trade.received_ns, trade) for trade in rows)

    def _bars(self, instrument: str, of: str) -> Iterator[Timed]:
        name = of.removeprefix("bars:")
        length = interval(parse_channel(of).interval)
        start_ns = length.floor(self._from_ns)
        try:
            rows = self._store.bars(instrument, name, start_ns, self._to_ns)
        except NotHeld:
            rows = self._store.resample(instrument, name, start_ns, self._to_ns)
        channel = str(parse_channel(of))
        for bar in rows:
            at_ns = length.next(bar.open_at_ns)
            if self._from_ns < at_ns <= self._to_ns:
                yield at_ns, bar if bar.channel == channel else msgspec.structs.replace(bar, channel=channel)

    def _slow(self, instrument: str, of: str) -> Iterator[Timed]:
        for row in self._store.events(instrument, of):
            event: Event = msgspec.convert(row, Event, strict=False)  # JSON has no Decimals
            at_ns = event.at_ns or event.received_ns
            if self._from_ns <= at_ns < self._to_ns:
                yield at_ns, event


def with_bars(
    trades: Iterable[Trade], instrument: Instrument, of: str, intervals: Sequence[str], to_ns: int
) -> Iterator[Timed]:
    """Trades, and the bars that they make, each before the first trade that is not in it."""
    builder = _builder(instrument, of, intervals)
    advance, add, latest_ns = builder.advance, builder.add, 0
    for trade in trades:
        at_ns = trade.at_ns or trade.received_ns
        if at_ns > latest_ns:
            latest_ns = at_ns
            closed = advance(at_ns, at_ns)
            if closed:
                yield from ((_closed_ns(bar), bar) for bar in closed)
        revised = add(trade, latest_ns)
        if revised:
            yield from ((latest_ns, bar) for bar in revised)
        yield latest_ns, trade
    for bar in builder.advance(to_ns, to_ns):
        yield _closed_ns(bar), bar


def with_built_bars(
    events: Iterable[Timed], feeds: Mapping[str, Sequence[str]], instruments: Mapping[str, Instrument], to_ns: int
) -> Iterator[Timed]:
    """Events of a tape, and the bars that strategies want of its trades, by the time they were heard."""
    builders = _builders(feeds, instruments)
    for at_ns, event in events:
        for builder in builders.values():
            for bar in builder.advance(at_ns, at_ns):
                yield at_ns, bar
        if isinstance(event, Trade) and (event.instrument, event.channel) in builders:
            for bar in builders[event.instrument, event.channel].add(event, at_ns):
                yield at_ns, bar
        yield at_ns, event
    for builder in builders.values():
        for bar in builder.advance(to_ns, to_ns):
            yield to_ns, bar


def _builders(
    feeds: Mapping[str, Sequence[str]], instruments: Mapping[str, Instrument]
) -> dict[tuple[str, str], BarBuilder]:
    """(instrument, channel of trades) -> what makes bars of them."""
    wanted: dict[tuple[str, str], list[str]] = {}
    for instrument, channels in feeds.items():
        for of in map(parse_channel, channels):
            if of.kind == "bars" and of.built_from:
                wanted.setdefault((instrument, of.built_from), []).append(of.interval)
    return {key: _builder(instruments[key[0]], key[1], intervals) for key, intervals in wanted.items()}


def _builder(instrument: Instrument, of: str, intervals: Sequence[str]) -> BarBuilder:
    sizes = None if instrument.size_unit == "base" else _valued(instrument)
    return BarBuilder(instrument.id, [interval(name) for name in intervals], origin=of, notional=sizes)


def _closed_ns(bar: Bar) -> int:
    return interval(bar.interval).next(bar.open_at_ns)


def _valued(instrument: Instrument) -> Callable[[Any, Any], Any]:
    return lambda price, size: notional(instrument, price, size)
