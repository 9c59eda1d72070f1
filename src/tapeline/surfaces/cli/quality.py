"""`tapeline quality`: a report per series of what cannot be, what is unlikely and what is missing."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from tapeline.errors import ConfigError, NotHeld
from tapeline.market.quality import Z_DEFAULT, BarQuality, TradeQuality, bars_quality, trades_quality
from tapeline.model.channel import channel as parse_channel
from tapeline.model.instrument import split_id
from tapeline.model.stamp import iso
from tapeline.store.reader import Store, open_store
from tapeline.surfaces.options import AnyInstruments, From, OneChannel, Until, instant_or_none

TRADES = ("trades", "aggtrades")
Report = BarQuality | TradeQuality


def quality(
    instruments: AnyInstruments = None,
    /,
    *,
    store: Annotated[Path, Parameter(help="The store's folder; an instance may be writing it.")],
    channel: OneChannel = None,
    from_: From = None,
    to: Until = None,
    z: Annotated[float, Parameter(help="From which robust z-score on a move is an outlier.")] = Z_DEFAULT,
    json: Annotated[bool, Parameter(help="As a JSON array, one object a series.", negative=())] = False,
) -> None:
    """Report how good each series of bars and trades is. Rows are flagged, and never dropped or changed.

    Bars: values that no market can have produced, moves far beyond what was usual of late, times off the interval's
    grid, bars that are missing, runs without a trade. Trades: the same of prices; stamps that are missing, go back or
    lie in the future, pauses, and how long frames took to come, which shows a clock that is behind.

    Exit codes: 0 whatever was found, 2 for an unknown instrument or where the store holds no bars and no trades.

    Example: `tapeline quality binance:BTC/USDT --store ./data --channel bars:1m`
    """
    if not 0 < z < float("inf"):
        raise ConfigError(f"--z {z:g}: write a score above zero")
    of = None if channel is None else str(parse_channel(channel))
    within = instant_or_none(from_), instant_or_none(to)
    with open_store(store) as held:
        chosen = _chosen(held, instruments or [], of)
        found = [(who, name, _report(held, who, name, within, z)) for who, name in chosen]
    if json:
        rows = [{"instrument": who, "channel": name, **msgspec.to_builtins(report)} for who, name, report in found]
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
        return
    for who, name, report in found:
        sys.stdout.write(f"{who} {name}\n")
        sys.stdout.writelines(f"  {line}\n" for line in lines(report))


def lines(report: Report) -> Iterator[str]:
    """A report for people: what is as it should be is left out."""
    told = msgspec.to_builtins(report)
    flags, runs = told.pop("flags"), [(name, told.pop(name)) for name in list(told) if name.startswith("runs_")]
    span = " to ".join(iso(told[name]) for name in ("from_ns", "to_ns") if told[name] is not None)
    yield f"{told.pop('rows')} rows" + (f", {span}" if span else "")
    for name in ("from_ns", "to_ns"):
        told.pop(name)
    for name, value in told.items():
        if value:
            yield f"{name.replace('_', ' ')}: {_shown(name, value)}"
    if isinstance(report, TradeQuality) and report.clock_behind_s:
        yield f"our clock was behind the venue's by {report.clock_behind_s:.3f} s or more"
    for flag in flags:
        score = "" if flag["z"] is None else f" (z {flag['z']:g})"
        yield f"{iso(flag['at_ns'])} {flag['what']}{score}"
    for name, every in runs:
        what = name.removeprefix("runs_").replace("_", " ")
        for run in every:
            yield f"{iso(run['from_ns'])} to {iso(run['to_ns'])}: {run['bars']} bars {what}"


def _shown(name: str, value: Any) -> str:
    return f"{value:.3f}" if name.endswith("_s") else str(value)


def _chosen(held: Store, instruments: list[str], of: str | None) -> list[tuple[str, str]]:
    every = [(who, name) for who, name in held.series() if who and (name in TRADES or name.startswith("bars:"))]
    for who in instruments:
        if not all(split_id(who)):
            raise ConfigError(f"{who}: write it as VENUE:SYMBOL")
        if not any(who == known for known, _ in every):
            held.coverage(who, of or "bars:1m")  # it says what is known, and what is near
    chosen = [(who, name) for who, name in every if (not instruments or who in instruments) and of in {None, name}]
    if not chosen:
        raise NotHeld("nothing to look at: the store holds " + (", ".join(sorted({n for _, n in every})) or "no rows"))
    return chosen


def _report(held: Store, who: str, name: str, within: tuple[int | None, int | None], z: float) -> Report:
    start, end = within
    if name in TRADES:
        trades = held.trades(who, start, end, channel=name)
        return trades_quality(trades.tuples("at_ns", "received_ns", "price", "size", "source"), z=z)
    try:
        bars = held.bars(who, name, start, end)
    except NotHeld:  # wanted, and none has closed yet
        return bars_quality((), parse_channel(name).interval, z=z)
    rows = bars.tuples("open_at_ns", "open", "high", "low", "close", "volume")
    return bars_quality(rows, parse_channel(name).interval, z=z)
