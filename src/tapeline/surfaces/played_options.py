"""What the command line says of stored or recorded data that are played, and the opening of them."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

from cyclopts import Parameter

from tapeline.app.trade.backtesting import Missing
from tapeline.app.trade.feed import StoreFeed, Timed, with_built_bars
from tapeline.app.trade.tapes import TapeFeed, only
from tapeline.errors import ConfigError
from tapeline.model.channel import channel as parse_channel
from tapeline.model.instrument import Instrument, split_id
from tapeline.model.stamp import instant, iso
from tapeline.store.reader import Store, open_store
from tapeline.surfaces.options import From, Until
from tapeline.venues import venue_named

FIRST, LAST = 0, (1 << 63) - 1
HELD = frozenset({"trades", "aggtrades", "bars"})


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedOptions:
    """Options of `backtest` for the data: a store or tapes, and the time."""

    store: Annotated[Path | None, Parameter(help="Play from this store.")] = None
    tape: Annotated[
        tuple[Path, ...], Parameter(negative=(), help="Play from a tape (.ws.jsonl[.gz]) instead; repeat it for more.")
    ] = ()
    rest: Annotated[
        tuple[Path, ...],
        Parameter(negative=(), help="REST answers recorded with the tape: instrument lists and book snapshots."),
    ] = ()
    from_: From = None
    to: Until = None

    def opened(self, stack: ExitStack, feeds: Mapping[str, Sequence[str]]) -> "Played":
        """What is to be played to these feeds, open until the stack is closed. Raises ConfigError."""
        span = self._span()
        if (self.store is None) == (not self.tape):
            raise ConfigError("say what to play: either --store PATH or --tape FILE (and --rest FILE)")
        if self.store is None:
            events, listed, span = _from_tapes(feeds, self.tape, self.rest, span)
            return Played(events, listed, span, {}, "tape " + ", ".join(each.name for each in self.tape))
        held = stack.enter_context(open_store(self.store))
        asked = (span[0] > FIRST, span[1] < LAST)
        span = _within(held, feeds, span)
        feed = StoreFeed(held, feeds, *span, asked=asked)
        return Played(feed, feed.instruments, span, feed.missing(), f"store {self.store}")

    def _span(self) -> tuple[int, int]:
        """The time that was asked for, from `FIRST` or up to `LAST` where an end was not."""
        span = (FIRST if self.from_ is None else instant(self.from_), LAST if self.to is None else instant(self.to))
        if span[1] <= span[0]:
            raise ConfigError("there is nothing to play: --to is not after --from")
        return span


class Played(NamedTuple):
    """What is played: events in time's order, of this time; what of it is not proven; and what it is called."""

    events: Iterable[Timed]
    instruments: Mapping[str, Instrument]
    span: tuple[int, int]
    missing: Missing
    name: str


def _within(held: Store, feeds: Mapping[str, Sequence[str]], span: tuple[int, int]) -> tuple[int, int]:
    """The time that was asked for; where an end was not, as far as the store holds anything."""
    if span[0] > FIRST and span[1] < LAST:
        return span
    first, last = LAST, FIRST
    series = set(held.series())
    for instrument, channels in feeds.items():
        for of in channels:
            kind = parse_channel(of)
            sources = (of, str(kind.wire), "bars:1m", "trades") if kind.kind == "bars" else (of,)
            stored = next((each for each in sources if (instrument, each) in series), None)
            ends = None if stored is None or parse_channel(stored).kind not in HELD else held.extent(instrument, stored)
            if ends is not None:
                first, last = min(first, ends[0]), max(last, ends[1] + 1)
    if first > last:
        raise ConfigError(f"the store holds nothing of {', '.join(feeds)}: say --from and --to, or look at its series")
    found = (first if span[0] == FIRST else span[0]), (last if span[1] == LAST else span[1])
    if found[1] <= found[0]:
        reach = f"{iso(first)} to {iso(last)}"
        raise ConfigError(f"there is nothing to play: the store holds {', '.join(feeds)} from {reach}")
    return found


def _from_tapes(
    feeds: Mapping[str, Sequence[str]], tapes: Sequence[Path], answers: Sequence[Path], span: tuple[int, int]
) -> tuple[Iterable[Timed], dict[str, Instrument], tuple[int, int]]:
    venues = {split_id(instrument)[0] for instrument in feeds}
    if len(venues) > 1:
        raise ConfigError(f"tapes are of one venue, and these are of {', '.join(sorted(venues))}: play from a store")
    feed = TapeFeed(venue_named(venues.pop()), tapes, answers)
    for name in feeds:
        if name not in feed.instruments:
            feed.assume(name)
            sys.stderr.write(
                f"warning: no recorded list names {name}: it is played with any tick and lot (--rest FILE)\n"
            )
    listed = {name: feed.instruments[name] for name in feeds}
    wanted: dict[str, set[str]] = {}
    for instrument, channels in feeds.items():
        wanted[instrument] = {str(parse_channel(of).wire) for of in channels} | set(channels)
    if span[0] == FIRST or span[1] == LAST:
        times = [at_ns for at_ns, _ in only(iter(feed), wanted, *span)]
        if not times:
            raise ConfigError(f"the tape has no event of {', '.join(feeds)} that the strategy hears")
        span = (times[0] if span[0] == FIRST else span[0], times[-1] + 1 if span[1] == LAST else span[1])
    return with_built_bars(only(iter(feed), wanted, *span), feeds, listed, span[1]), listed, span
