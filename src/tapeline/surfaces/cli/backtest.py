"""`tapeline backtest`: a strategy on stored or recorded data, its orders filled by a paper exchange."""

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, NamedTuple, TextIO

import msgspec
from cyclopts import Parameter

from tapeline.app.trade.backtesting import Missing, Outcome
from tapeline.app.trade.backtesting import backtest as play
from tapeline.app.trade.candles import Candles
from tapeline.app.trade.feed import StoreFeed, Timed, with_built_bars
from tapeline.app.trade.loading import with_settings
from tapeline.app.trade.setting_up import feeds_of, strategies_of
from tapeline.app.trade.tables import write_arrow, write_csv
from tapeline.app.trade.tapes import TapeFeed, only
from tapeline.config import Config, LogConfig, StrategyConfig, load
from tapeline.errors import ConfigError
from tapeline.model.channel import channel as parse_channel
from tapeline.model.instrument import Instrument, split_id
from tapeline.model.stamp import instant, iso
from tapeline.store.reader import Store, open_store
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.report.figures import figures
from tapeline.surfaces.report.page import page
from tapeline.trading.strategy import Strategy
from tapeline.venues import venue_named

FIRST, LAST = 0, (1 << 63) - 1
HELD = frozenset({"trades", "aggtrades", "bars"})


def backtest(
    strategy: Annotated[str, Parameter(help="What to run: module:Class, module:function or path/to/file.py:Class.")],
    /,
    *,
    store: Annotated[Path | None, Parameter(help="Play from this store.")] = None,
    tape: Annotated[
        tuple[Path, ...], Parameter(negative=(), help="Play from a tape (.ws.jsonl[.gz]) instead; repeat it for more.")
    ] = (),
    rest: Annotated[
        tuple[Path, ...],
        Parameter(negative=(), help="REST answers recorded with the tape: instrument lists and book snapshots."),
    ] = (),
    from_: Annotated[
        str | None, Parameter(name="--from", help="From this time on: ISO 8601 in UTC, or nanoseconds.")
    ] = None,
    to: Annotated[str | None, Parameter(help="Up to, not including, this time.")] = None,
    instrument: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Watch this, VENUE:SYMBOL, instead of what its code says.")
    ] = (),
    channel: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Hear this of each, instead of what its code says.")
    ] = (),
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), help="A setting: name=value.")] = (),
    config: Annotated[Path | None, Parameter(help="Balances, fees and latency from its [trade].")] = None,
    limits: Annotated[bool, Parameter(negative=(), help="With the limits of [risk] too.")] = False,
    proven: Annotated[bool, Parameter(negative=(), help="Refuse data that are not proven to be whole.")] = False,
    json: Annotated[bool, Parameter(negative=(), help="Print the statistics as JSON.")] = False,
    html: Annotated[Path | None, Parameter(help="Write a report into this file: it needs no network.")] = None,
    csv: Annotated[Path | None, Parameter(help="Write trades, fills and equity into this folder.")] = None,
    arrow: Annotated[Path | None, Parameter(help="The same as Arrow files.")] = None,
) -> None:
    """Play stored trades, bars or books, or a tape, to a strategy, and say what it would have won.

    The engine, the risk and the orders are those of `tapeline trade`; orders are filled by the paper exchange from the
    same data, after the latency of `[trade]`. The same data and settings give the same orders, and the same digest.
    Progress goes to stderr. A warning says where the data are not proven to be whole.

    Exit codes: 0 played, 1 a strategy failed and was paused, or --proven and they are not, 2 bad usage or data.

    Example: `tapeline backtest examples/ma_cross.py:MovingAverageCross --store ./data --html run.html`
    """
    configure_logging(LogConfig())
    settings = load(config, os.environ) if config is not None else Config()
    asked = StrategyConfig(run=strategy, instruments=instrument or None, channels=channel or None)
    settings = msgspec.structs.replace(settings, strategy=(with_settings(asked, set_),))
    strategies = strategies_of(settings, None)
    feeds = feeds_of(strategies)
    span = (FIRST if from_ is None else instant(from_), LAST if to is None else instant(to))
    if span[1] <= span[0]:
        raise ConfigError("there is nothing to play: --to is not after --from")
    with ExitStack() as stack:
        found = _source(stack, feeds, span, store=store, tapes=tape, answers=rest)
        _warn(found.missing, sys.stderr)
        if proven and found.missing:
            sys.exit(1)
        made = Candles(*found.span)
        outcome = play(
            settings, strategies, feeds, made.through(found.events) if html else found.events,
            instruments=found.instruments, from_ns=found.span[0], to_ns=found.span[1], missing=found.missing,
            progress=_Progress(found.span, sys.stderr), limited=limits,
        )  # fmt: skip
    _write(outcome, made, strategies, found.name, html=html, csv=csv, arrow=arrow)
    sys.stdout.write(_json(outcome) if json else _table(outcome))
    for name, why in outcome.paused.items():
        sys.stderr.write(f"strategy {name} was paused: {why}\n")
    sys.exit(1 if outcome.paused else 0)


class _Source(NamedTuple):
    """What is played."""

    events: Iterable[Timed]
    instruments: Mapping[str, Instrument]
    span: tuple[int, int]
    missing: Missing
    name: str


def _source(
    stack: ExitStack, feeds: Mapping[str, Sequence[str]], span: tuple[int, int], *, store: Path | None,
    tapes: Sequence[Path], answers: Sequence[Path],
) -> _Source:  # fmt: skip
    if (store is None) == (not tapes):
        raise ConfigError("say what to play: either --store PATH or --tape FILE (and --rest FILE)")
    if store is None:
        events, listed, span = _from_tapes(feeds, tapes, answers, span)
        return _Source(events, listed, span, {}, "tape " + ", ".join(each.name for each in tapes))
    held = stack.enter_context(open_store(store))
    asked = (span[0] > FIRST, span[1] < LAST)
    span = _within(held, feeds, span)
    feed = StoreFeed(held, feeds, *span, asked=asked)
    return _Source(feed, feed.instruments, span, feed.missing(), f"store {store}")


class _Progress:
    """A line on a terminal, rewritten; nothing where stderr is none."""

    def __init__(self, span: tuple[int, int], out: TextIO) -> None:
        self._span, self._out, self._began = span, out, time.monotonic()

    def __call__(self, events: int, now_ns: int) -> None:
        if not self._out.isatty():
            return
        part = (now_ns - self._span[0]) / max(1, self._span[1] - self._span[0])
        rate = events / max(1e-9, time.monotonic() - self._began)
        self._out.write(f"\r{part:6.1%}  {iso(now_ns)[:19]}  {events:,} events, {rate:,.0f}/s \x1b[K")
        if part >= 1:
            self._out.write("\n")


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
    return (first if span[0] == FIRST else span[0]), (last if span[1] == LAST else span[1])


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


def _warn(missing: Missing, out: TextIO) -> None:
    for (instrument, of), ranges in missing.items():
        total_s = sum(to_ns - from_ns for from_ns, to_ns in ranges) / 1e9
        first = ranges[0]
        out.write(
            f"warning: {of} of {instrument} are not proven to be whole: {len(ranges)} ranges, {_span(total_s)}, the "
            f"first {iso(first[0])} to {iso(first[1])}\n"
        )


def _span(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.3g} s"


def _write(
    outcome: Outcome, made: Candles, strategies: Sequence[Strategy], data: str, *, html: Path | None,
    csv: Path | None, arrow: Path | None,
) -> None:  # fmt: skip
    if csv is not None:
        write_csv(outcome.record, csv)
    if arrow is not None:
        write_arrow(outcome.record, arrow)
    if html is not None:
        title = "Backtest of " + ", ".join(each.name for each in strategies)
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(outcome, made, title, data), encoding="utf-8")


def _json(outcome: Outcome) -> str:
    whole = {
        "statistics": outcome.statistics, "digest": outcome.digest, "events": outcome.events, "paused": outcome.paused,
        "denied": outcome.record.denied,
        "missing": [
            {"instrument": instrument, "channel": of, "ranges": ranges}
            for (instrument, of), ranges in outcome.missing.items()
        ],
    }  # fmt: skip
    return msgspec.json.format(msgspec.json.encode(whole), indent=1).decode() + "\n"


def _table(outcome: Outcome) -> str:
    rows = [*figures(outcome.statistics), ("digest", outcome.digest or "-")]
    wide = max(len(name) for name, _ in rows)
    return "".join(f"{name:<{wide}}  {text}\n" for name, text in rows)
