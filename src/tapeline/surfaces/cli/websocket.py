"""`tapeline websocket`: how streams are doing, whether they could, and which mode holds."""

import asyncio
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from tapeline.app.trial import Trial
from tapeline.app.trying import Target, try_targets
from tapeline.clock import SystemClock
from tapeline.config import Config, connection_for, load
from tapeline.config.kinds import Mode
from tapeline.control import Overrides, ask, read_lock, read_overrides, write_overrides
from tapeline.errors import ConfigError, ConnectionLost, TimedOut
from tapeline.surfaces.cli.status import find_status, say
from tapeline.surfaces.options import RestUrl, StoreOrConfigured, WhoseStore, WsUrl, configured, store_of

WITHIN_S = 5.0
PARTS = ("state", "connections", "modes", "mode_totals", "polling")

Json = Annotated[bool, Parameter(negative=(), help="Print JSON.")]

websocket = App(
    name="websocket",
    help="Streams: how they are doing, whether they could, and which mode holds.\n\n"
    "Example: `tapeline websocket status --store data/store`",
)


@websocket.command
def status(*, store: StoreOrConfigured = None, config: WhoseStore = None, json: Json = False) -> None:
    """Show every connection (state, age, ping, last message, re-dials, breaker) and every instrument's mode, with why.

    The running instance is asked; where it does not answer, its last word is read and its age told on standard error.

    Example: `tapeline websocket status --store data/store`
    """
    found, notes = find_status(store_of(configured(config, store)), SystemClock().wall_ns())
    sys.stderr.writelines(f"tapeline: {note}\n" for note in notes)
    say({name: found[name] for name in PARTS if name in found}, json=json)


@websocket.command(name="test")
def try_(
    *,
    config: Annotated[Path | None, Parameter(help="Try what this configuration would stream.")] = None,
    venue: Annotated[str | None, Parameter(help="Try this venue, without a configuration.")] = None,
    symbol: Annotated[str, Parameter(help="With --venue: a symbol.")] = "BTC/USDT",
    channel: Annotated[str, Parameter(help="With --venue: a channel.")] = "trades",
    ws_url: WsUrl = None,
    rest_url: RestUrl = None,
    timeout: Annotated[float, Parameter(help="Seconds for each connection, all its steps together.")] = 30.0,
    json: Json = False,
) -> None:
    """Open each connection once, step by step and timed: dns, tcp, tls, handshake, subscribe, first data.

    Exit codes: 0 data came on every connection, 1 a step failed (it is named, with why), 2 bad usage.

    Example: `tapeline websocket test --venue binance --timeout 10`
    """
    if not 0 < timeout < float("inf"):
        raise ConfigError(f"--timeout {timeout:g}: seconds, more than none")
    if venue is not None:
        targets = [Target(venue=venue, symbol=symbol, channels=(channel,), ws_url=ws_url, rest_url=rest_url)]
    elif config is not None:
        targets = _targets(load(config, os.environ), ws_url, rest_url)
    else:
        raise ConfigError("test what? Give --config FILE or --venue NAME")
    trials = asyncio.run(try_targets(targets, timeout))
    if json:
        sys.stdout.write(msgspec.json.encode([{**asdict(trial), "ok": trial.ok} for trial in trials]).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _told(trials))
    sys.exit(0 if trials and all(trial.ok for trial in trials) else 1)


@websocket.command(name="config")
def set_(
    *,
    set_mode: Annotated[Mode | None, Parameter(help="The mode from now on: it wins over the configuration.")] = None,
    instrument: Annotated[str | None, Parameter(help="Only of this one, VENUE:SYMBOL.")] = None,
    clear: Annotated[bool, Parameter(negative=(), help="Go by the configuration again.")] = False,
    store: StoreOrConfigured = None,
    config: WhoseStore = None,
    json: Json = False,
) -> None:
    """Show, set or clear modes in the running instance and in `overrides.json` of its store, which outlives it.

    A mode that the instance cannot have (a book cannot be polled) is refused, and nothing changes.

    Exit codes: 0 done, 1 the instance refused, 2 bad usage.

    Example: `tapeline websocket config --store data/store --set-mode polling`
    """
    if set_mode is not None and clear:
        raise ConfigError("--set-mode and --clear at once: give one of them")
    folder = store_of(configured(config, store))
    if set_mode is None and not clear:
        found, notes = find_status(folder, SystemClock().wall_ns())
        sys.stderr.writelines(f"tapeline: {note}\n" for note in notes)
        overrides = msgspec.to_builtins(read_overrides(folder))
        say({"overrides": overrides, "modes": found.get("modes", [])}, json=json)
        return
    rows = _asked(folder, set_mode, instrument)
    if rows is None:
        before = Overrides() if clear and instrument is None else read_overrides(folder)  # clearing mends a broken file
        after = before.with_mode(set_mode, instrument) if set_mode is not None else before.without(instrument)
        if not folder.is_dir():
            raise ConfigError(f"there is no store {folder}: nothing has run with it yet")
        write_overrides(folder, after)
        sys.stderr.write("tapeline: no instance runs with this store: it holds from the next start on\n")
        rows = []
    say({"overrides": msgspec.to_builtins(read_overrides(folder)), "modes": rows}, json=json)


def _asked(folder: Path, mode: str | None, instrument: str | None) -> list[dict[str, Any]] | None:
    """What the running instance made of it; None where there is none. Raises Refused, or TimedOut where it is stuck."""
    holder = read_lock(folder / "lock")
    if holder is None or not holder.socket or not holder.alive:
        return None
    request = {"op": "clear_mode"} if mode is None else {"op": "set_mode", "mode": mode}
    if instrument is not None:
        request["instrument"] = instrument
    try:
        rows: list[dict[str, Any]] = ask(Path(holder.socket), request, WITHIN_S)
    except TimedOut:
        raise
    except ConnectionLost:
        return None
    return rows


def _targets(loaded: Config, ws_url: str | None, rest_url: str | None) -> list[Target]:
    found = []
    for stream in loaded.stream:
        shared = loaded.venue.get(stream.venue)
        found.append(
            Target(
                venue=stream.venue, symbol=stream.symbols[0], channels=stream.channels,
                ws_url=ws_url or stream.ws_url or (shared.ws_url if shared else None),
                rest_url=rest_url or stream.rest_url or (shared.rest_url if shared else None),
                settings=connection_for(loaded, stream),
            )
        )  # fmt: skip
    if not found:
        raise ConfigError("nothing to test: the configuration has no [[stream]]")
    return found


def _told(trials: Sequence[Trial]) -> Iterable[str]:
    for trial in trials:
        yield f"{trial.venue} {trial.endpoint} {trial.url} ({trial.topic})"
        for step in trial.steps:
            took = "-" if step.took_s is None else f"{step.took_s * 1000:.1f} ms"
            yield f"  {step.name:<10} {step.state:<7} {took:>12}  {step.text}".rstrip()
        yield "  ok" if trial.ok else f"  failed at {trial.steps[-1].name}"
