"""`tapeline backtest`: a strategy on stored or recorded data, its orders filled by a paper exchange."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
from cyclopts import Parameter

from tapeline.app.trade.backtesting import Missing, Outcome
from tapeline.app.trade.backtesting import backtest as play
from tapeline.app.trade.candles import Candles
from tapeline.app.trade.loading import with_settings
from tapeline.app.trade.setting_up import feeds_of, strategies_of
from tapeline.app.trade.tables import write_arrow, write_csv
from tapeline.config import Config, LogConfig, StrategyConfig, load
from tapeline.errors import ConfigError
from tapeline.model.stamp import iso
from tapeline.surfaces.log import configure_logging
from tapeline.surfaces.played_options import PlayedOptions
from tapeline.surfaces.report.figures import figures
from tapeline.surfaces.report.page import page
from tapeline.trading.strategy import Strategy

RUN = (
    "What to run: module:Class, module:function or path/to/file.py:Class; several trade one account. Left out: the "
    "[[strategy]] tables of the configuration."
)
NOTHING = PlayedOptions()  # it says itself what is missing


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ReportOptions:
    """Options for the files that are written of what came out."""

    html: Annotated[Path | None, Parameter(help="Write a report into this file: it needs no network.")] = None
    csv: Annotated[Path | None, Parameter(help="Write trades, fills and equity into this folder.")] = None
    arrow: Annotated[Path | None, Parameter(help="The same as Arrow files.")] = None

    def write(self, outcome: Outcome, made: Candles, strategies: Sequence[Strategy], data: str) -> None:
        """Those that were asked for; `data` is the name of what was played."""
        if self.csv is not None:
            write_csv(outcome.record, self.csv)
        if self.arrow is not None:
            write_arrow(outcome.record, self.arrow)
        if self.html is not None:
            title = "Backtest of " + ", ".join(each.name for each in strategies)
            self.html.parent.mkdir(parents=True, exist_ok=True)
            self.html.write_text(page(outcome, made, title, data), encoding="utf-8")


NO_FILES = ReportOptions()


def backtest(
    strategy: Annotated[tuple[str, ...], Parameter(negative=(), help=RUN)] = (),
    /,
    *,
    played: PlayedOptions = NOTHING,
    instrument: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Watch this, VENUE:SYMBOL, instead of what its code says.")
    ] = (),
    channel: Annotated[
        tuple[str, ...], Parameter(negative=(), help="Hear this of each, instead of what its code says.")
    ] = (),
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), help="A setting: name=value.")] = (),
    config: Annotated[
        Path | None, Parameter(help="Balances, fees and latency from its [trade], and strategies where none is named.")
    ] = None,
    limits: Annotated[bool, Parameter(negative=(), help="With the limits of [risk] too.")] = False,
    proven: Annotated[bool, Parameter(negative=(), help="Refuse data that are not proven to be whole.")] = False,
    json: Annotated[bool, Parameter(negative=(), help="Print the statistics as JSON.")] = False,
    files: ReportOptions = NO_FILES,
) -> None:
    """Play stored trades, bars or books, or a tape, to strategies, and say what they would have won.

    The engine, the risk and the orders are those of `tapeline trade`; orders are filled by the paper exchange from the
    same data, after the latency of `[trade]`. The same data and settings give the same orders, and the same digest.
    Progress goes to stderr. A warning says where the data are not proven to be whole.

    Exit codes: 0 played, 1 a strategy failed and was paused, or --proven and they are not, 2 bad usage or data.

    Example: `tapeline backtest examples/ma_cross.py:MovingAverageCross --store ./data --html run.html`
    """
    configure_logging(LogConfig())
    settings = _asked(config, strategy, instrument, channel, set_)
    strategies = strategies_of(settings, None if config is None else config.parent)
    feeds = feeds_of(strategies)
    with ExitStack() as stack:
        found = played.opened(stack, feeds)
        _warn(found.missing, sys.stderr)
        if proven and found.missing:
            sys.exit(1)
        made = Candles(*found.span)
        outcome = play(
            settings, strategies, feeds, made.through(found.events) if files.html else found.events,
            instruments=found.instruments, from_ns=found.span[0], to_ns=found.span[1], missing=found.missing,
            progress=_Progress(found.span, sys.stderr), limited=limits,
        )  # fmt: skip
    files.write(outcome, made, strategies, found.name)
    sys.stdout.write(_json(outcome) if json else _table(outcome))
    for name, why in outcome.paused.items():
        sys.stderr.write(f"strategy {name} was paused: {why}\n")
    sys.exit(1 if outcome.paused else 0)


def _asked(
    config: Path | None, named: Sequence[str], instruments: tuple[str, ...], channels: tuple[str, ...],
    texts: Sequence[str],
) -> Config:  # fmt: skip
    """The configuration with the strategies to be played: those that are named, else its own."""
    settings = load(config, os.environ) if config is not None else Config()
    asked = [StrategyConfig(run=each, instruments=instruments or None, channels=channels or None) for each in named]
    if asked:
        return msgspec.structs.replace(settings, strategy=tuple(with_settings(each, texts) for each in asked))
    if not settings.strategy:
        raise ConfigError("nothing to run: name a strategy, or give --config with a [[strategy]] table")
    if instruments or channels or texts:
        raise ConfigError("--instrument, --channel and --set belong to a strategy that is named: its table has its own")
    return settings


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
