"""Bars that are not stored: from finer ones that are, else from trades. What is not known to be whole is partial."""

from collections.abc import Iterator
from functools import partial
from typing import Protocol

from tapeline.errors import NotHeld
from tapeline.market.activity import activity_bars
from tapeline.market.bars import BarBuilder
from tapeline.market.holes import BEGINNING, END, Holes
from tapeline.market.ladder import holds_whole
from tapeline.market.resample import Doubt, resample
from tapeline.market.tally import Notional
from tapeline.model.channel import BUILT_FROM, Channel
from tapeline.model.event import Bar, Trade
from tapeline.model.instrument import Instrument, notional
from tapeline.model.interval import Interval
from tapeline.model.interval import interval as interval_named
from tapeline.store.asked import FIRST, LAST, Size, size_of
from tapeline.store.proof import MANY, Known, holes_of, repaired_of


class Held(Known, Protocol):
    """What bars are made from: the reads of a Store, and of an archive."""

    def series(self) -> list[tuple[str, str]]:
        """(instrument, channel) of everything held."""
        ...

    def instruments(self) -> list[Instrument]:
        """Every instrument, its newest version."""
        ...

    def held_bars(self, instrument: str) -> list[tuple[str, str]]:
        """(interval, what they are built from) of every series of bars."""
        ...

    def trade_channel(self, instrument: str) -> str:
        """The trade channel that is held."""
        ...

    def bars(
        self, instrument: str, interval: str, start: int | None = None, end: int | None = None, *, at: int | None = None
    ) -> Iterator[Bar]:
        """Bars of a channel."""
        ...

    def coarser(
        self, instrument: str, of: Channel, to: Interval, within: tuple[int, int], doubt: Doubt | None
    ) -> Iterator[Bar]:
        """Bars of `to` from the stored ones of a channel, as `resample` makes them."""
        ...

    def trades(
        self,
        instrument: str,
        start: int | None = None,
        end: int | None = None,
        *,
        channel: str = "",
        at: int | None = None,
    ) -> Iterator[Trade]:
        """Trades of a channel."""
        ...


def basis(store: Held, instrument: str, to: Interval, origin: str, within: tuple[int, int]) -> Channel:
    """The stored channel to make bars from: of all that fit, the one that reaches furthest, the coarsest among equals.

    Its own bars where they reach as far as any. `origin` "" is the venue's bars, and ours only where it has none.
    Raises NotHeld.
    """
    held = [Channel("bars", interval=interval, built_from=built) for interval, built in store.held_bars(instrument)]
    channels = {of for who, of in store.series() if who == instrument}
    for source in (origin,) if origin else ("", *BUILT_FROM):
        fits = [each for each in held if each.built_from == source and _fits(to, interval_named(each.interval))]
        if fits:
            fits.sort(key=lambda each: interval_named(each.interval).length_ns or END, reverse=True)
            return max(fits, key=lambda each: _reach(store, instrument, str(each), to, within))
        if source in channels:
            return Channel(source)
    raise NotHeld(
        f"{instrument}: no bars of {to} can be made of what the store holds: {', '.join(sorted(channels)) or 'nothing'}"
    )


def derived(
    store: Held, instrument: str, of: Channel, to: Interval, *, within: tuple[int, int], at: int | None
) -> Iterator[Bar]:
    """Bars of `to` that start in the range, from that channel, as they were known at `at`."""
    low, high = aligned(to, within)
    if of.kind == "bars":
        last = store.extent(instrument, str(of))
        known_to = interval_named(of.interval).next(last[1]) if last else BEGINNING
        late = _late_bars(store, instrument, str(of), (low, high), at) if at is not None and of.built_from else []
        doubt = _doubt(store, instrument, str(of), known_to, late) if of.built_from else None
        if at is None and of.interval != to.name:
            return store.coarser(instrument, of, to, (low, high), doubt)
        return resample(store.bars(instrument, str(of), low, high, at=at), to, doubt)
    return _from_trades(store, instrument, str(of), to, within=(low, high), at=at)


def by_activity(
    store: Held, instrument: str, by: str, size: Size, *, within: tuple[int, int], channel: str
) -> Iterator[Bar]:
    """Tick, volume or value bars from stored trades."""
    trades = store.trades(instrument, *within, channel=channel)
    of = channel or store.trade_channel(instrument)
    holes = holes_of(store, instrument, of)
    return activity_bars(
        trades, by, size_of(size), notional=value_of(store, instrument),
        hole=lambda low, high: holes.touch(low, high + 1),
    )  # fmt: skip


def value_of(store: Held, instrument: str) -> Notional | None:
    """What a trade is worth, where that is not price times size."""
    listed = next((each for each in store.instruments() if each.id == instrument), None)
    return None if listed is None or listed.size_unit == "base" else partial(notional, listed)


def _from_trades(
    store: Held, instrument: str, channel: str, to: Interval, *, within: tuple[int, int], at: int | None
) -> Iterator[Bar]:
    low, high = within
    builder = BarBuilder(instrument, [to], origin=channel, notional=value_of(store, instrument), keep_bars=MANY)
    extent = store.extent(instrument, channel)
    if extent is None:
        return
    whole_first, whole_last = ends(store, instrument, channel, to, within=within, extent=extent)
    builder.join(max(low, extent[0] + 1), continues=whole_first)
    newest_ns, late = 0, _Late(at)
    for trade in store.trades(instrument, low, high, channel=channel):
        if late.known(trade.received_ns, trade.at_ns, trade.at_ns):
            builder.add(trade, trade.received_ns)
            newest_ns = max(newest_ns, trade.received_ns)
    for low_ns, high_ns in repaired_of(store, instrument, channel):
        builder.hole(low_ns, high_ns - 1, newest_ns)
        builder.proven(low_ns, high_ns, newest_ns)
    for after_ns, before_ns in [*holes_of(store, instrument, channel).ranges, *late.ranges]:
        builder.hole(after_ns, before_ns, newest_ns)
    now_ns = newest_ns if at is None else at
    if whole_last:
        yield from builder.advance(min(high, to.next(to.floor(extent[1]))), now_ns)
    yield from builder.finish(now_ns)


class _Late:
    """What was not known at `at`, though it is now: all from then on, and rows in order of time that came later."""

    def __init__(self, at: int | None) -> None:
        self._at = END if at is None else at
        self._inside = False
        self.ranges: list[tuple[int, int]] = [] if at is None else [(at, END)]

    def known(self, known_at_ns: int, from_ns: int | None, to_ns: int | None) -> bool:
        """Whether the next row was; one that was not has left a hole from and to there, both included."""
        inside, self._inside = self._inside, known_at_ns > self._at
        if self._inside and from_ns is not None and to_ns is not None:
            low, high = self.ranges.pop() if inside else (from_ns, to_ns)
            self.ranges.append((min(low, from_ns), max(high, to_ns)))
        return not self._inside


def ends(
    store: Known, instrument: str, channel: str, to: Interval, *, within: tuple[int, int], extent: tuple[int, int]
) -> tuple[bool, bool]:  # fmt: skip
    """Whether the first and the last bar that trades of a range make can be whole: the range ends within what is held,
    or the ledger proves the bar to its own end. Else we joined inside the one, and know nothing after the other.
    """
    low, high = within
    first, last = extent
    covering = store.covering(instrument, channel)
    from_ns, to_ns = to.floor(first), to.next(to.floor(last))
    whole_first = first < low or not covering.missing((from_ns, first + 1))
    return whole_first, high <= last or not covering.missing((last, to_ns))


def _doubt(store: Held, instrument: str, channel: str, known_to_ns: int, late: list[tuple[int, int]]) -> Doubt:
    """Bars that we build have no part where none traded, so that only the holes on record tell what is missing."""
    holes, mended = holes_of(store, instrument, channel), Holes(MANY)
    for low_ns, high_ns in late:
        holes.mark(low_ns, high_ns)
    for low_ns, high_ns in repaired_of(store, instrument, channel):
        mended.mark(low_ns, high_ns - 1)

    def doubt(from_ns: int, to_ns: int) -> str:
        if to_ns > known_to_ns or holes.touch(from_ns, to_ns):
            return "partial"
        return "repaired" if mended.touch(from_ns, to_ns) else "complete"

    return doubt


def _late_bars(store: Held, instrument: str, of: str, within: tuple[int, int], at: int) -> list[tuple[int, int]]:
    """Where bars are held of which no revision was known at `at`."""
    name, late = of.removeprefix("bars:"), _Late(at)
    then = {bar.open_at_ns for bar in store.bars(instrument, name, *within, at=at)}
    length = interval_named(name.partition("@")[0])
    for bar in store.bars(instrument, name, *within):
        late.known(at if bar.open_at_ns in then else at + 1, bar.open_at_ns, length.next(bar.open_at_ns) - 1)
    return late.ranges


def _fits(to: Interval, part: Interval) -> bool:
    return part.name == to.name or holds_whole(to, part)


def aligned(to: Interval, within: tuple[int, int]) -> tuple[int, int]:
    """From the first to the end of the last whole bar that starts in the range."""
    low, high = within
    if low > FIRST and to.floor(low) != low:
        low = to.next(to.floor(low))
    if high < LAST:
        high = min(high if to.floor(high) == high else to.next(to.floor(high)), LAST)
    return low, max(low, high)


def _reach(store: Held, instrument: str, of: str, to: Interval, within: tuple[int, int]) -> int:
    """How much of the range a series spans, in whole bars of `to` (as if each were as long as the first)."""
    extent = store.extent(instrument, of)
    if extent is None:
        return -1
    part = interval_named(of.removeprefix("bars:").partition("@")[0])
    low, high = max(extent[0], within[0]), min(part.next(extent[1]), within[1])
    if low >= high:
        return -1
    begin, end = to.floor(low), to.floor(high)
    length_ns = to.next(begin) - begin
    return (end - begin) // length_ns - (begin != low)
