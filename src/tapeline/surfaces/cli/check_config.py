"""`tapeline check-config`: whether a configuration would run, and where each value of it comes from."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

import msgspec
from cyclopts import Parameter

from tapeline.config import (
    Config,
    ConnectionConfig,
    Loaded,
    StreamConfig,
    connection_for,
    connection_origins,
    load_with_origins,
    mode_for,
)
from tapeline.control import Overrides, read_overrides
from tapeline.errors import ConfigError
from tapeline.model.channel import channel
from tapeline.model.instrument import kind_said
from tapeline.sync.polls import can_poll
from tapeline.venues import venue_named
from tapeline.venues.spec import Venue


def check_config(
    *,
    config: Annotated[Path, Parameter(help="The configuration file (TOML).")],
    show: Annotated[bool, Parameter(negative=(), help="Print every value in force, and where it comes from.")] = False,
) -> None:
    """Check a configuration without running it: its keys, types and values, its venues and channels.

    Whether a symbol is listed only the venue knows; of which kind it is, its name says. Strategies are not loaded:
    their code would run. `TAPELINE_*` variables count, as they do for `run`.

    Exit codes: 0 it is sound, 2 it is not; each fault is named with its path and the nearest right word.

    Example: `tapeline check-config --config tapeline.toml --show`
    """
    loaded = load_with_origins(config, os.environ)
    problems = list(_problems(loaded.config))
    if problems:
        raise ConfigError(f"{config}: " + "; ".join(problems))
    sys.stdout.write("ok\n")
    if show:
        sys.stdout.writelines(f"{line}\n" for line in shown(loaded))


def _problems(config: Config) -> Iterator[str]:
    """What `run` or `trade` would refuse although every value is well-formed."""
    if not config.stream and not config.strategy:  # strategies bring their own streams
        yield "nothing to stream: add a [[stream]] table with venue, symbols and channels"
    if config.store.folder is None:
        yield "no store: set [store] path, the folder that gets the data"
    for name in config.venue:
        try:
            venue_named(name)
        except ConfigError as error:
            yield f"venue.{name}: {error}"
    yield from _account_problems(config)
    for i, stream in enumerate(config.stream):
        try:
            venue = venue_named(stream.venue)
        except ConfigError as error:
            yield f"stream[{i}].venue: {error}"
        else:
            yield from (f"stream[{i}]: {problem}" for problem in _stream_problems(config, stream, venue))


def _stream_problems(config: Config, stream: StreamConfig, venue: Venue) -> Iterator[str]:
    polled = mode_for(config, stream).mode == "polling"
    for text in stream.channels:
        wanted = channel(text).wire
        try:
            for kind in dict.fromkeys(map(kind_said, stream.symbols)):
                venue.feed_of(wanted, kind)
        except ConfigError as error:
            yield str(error)
        else:
            if polled and not can_poll(venue, wanted) and not venue.feeds[wanted.kind].asked:
                yield f"{text} of {venue.name} cannot be polled: no REST call brings it whole"


def _account_problems(config: Config) -> Iterator[str]:
    for name, account in config.account.items():
        try:
            venue = venue_named(account.venue)
        except ConfigError as error:
            yield f"account.{name}.venue: {error}"
            continue
        if account.mode == "live" and venue.orders is None:
            yield f'account.{name}: orders at {venue.name} are simulated only: mode = "paper"'


def shown(loaded: Loaded) -> Iterator[str]:
    """Every value in force as TOML, each with its origin behind it; under a venue or a stream, what it inherits."""
    config = loaded.config
    for name in ("mode", "realtime_source", "enable_websocket", "fallback_to_polling"):
        if getattr(config, name) is not None:
            yield _line(name, getattr(config, name), loaded.origins.get(name, "default"))
    for name in ("repair", "seed"):
        yield _line(name, getattr(config, name), loaded.origins.get(name, "default"))
    for table in ("store", "connection", "sync", "bars", "audit", "alerts", "log"):
        yield from _table(f"[{table}]", table, msgspec.structs.asdict(getattr(config, table)), loaded.origins)
    named: tuple[tuple[str, Mapping[str, msgspec.Struct]], ...] = ("venue", config.venue), ("account", config.account)
    for kind, tables in named:
        for name, settings in tables.items():
            yield from _table(f"[{kind}.{name}]", f"{kind}.{name}", _given(settings), loaded.origins)
    for i, stream in enumerate(config.stream):
        yield from _stream(loaded, i, stream)
    yield from _overridden(config)


def _stream(loaded: Loaded, i: int, stream: StreamConfig) -> Iterator[str]:
    """One stream, and what it inherits."""
    config = loaded.config
    yield from _table("[[stream]]", f"stream[{i}]", _given(stream), loaded.origins)
    connection = connection_for(config, stream)
    origins = connection_origins(config, stream, loaded.origins)
    for name in ConnectionConfig.__struct_fields__:
        if origins[name] != "default" and not origins[name].startswith(f"[stream[{i}]]"):
            yield "# inherits " + _line(name, getattr(connection, name), origins[name])
    modes = mode_for(config, stream, loaded.origins)
    if not modes.mode_from.startswith(f"[stream[{i}]]"):
        yield "# inherits " + _line("mode", modes.mode, modes.mode_from)


def _overridden(config: Config) -> Iterator[str]:
    """What was set at run time, and wins over all of that."""
    overrides = read_overrides(config.store.folder) if config.store.folder is not None else Overrides()
    if overrides.mode is not None:
        yield "# overridden: " + _line("mode", overrides.mode, "overrides.json")
    for name, mode in overrides.instruments.items():
        yield f"# overridden for {name}: " + _line("mode", mode, "overrides.json")


def _given(settings: msgspec.Struct) -> dict[str, Any]:
    """What an overriding table says itself, what must be there first."""
    given = {name: value for name, value in msgspec.structs.asdict(settings).items() if value is not None}
    first = {name: given[name] for name in ("venue", "symbols", "channels") if name in given}
    return first | given


def _table(head: str, path: str, settings: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    yield ""
    yield head
    for name, value in settings.items():
        yield _line(name, value, origins.get(f"{path}.{name}", "default"))


def _line(name: str, value: Any, origin: str) -> str:
    if value is None:
        return f"# {name} is not set  # {origin}"
    if name in ("rest_url", "ws_url"):
        value = _without_credentials(value)
    return f"{name} = {msgspec.json.encode(value, enc_hook=str).decode()}  # {origin}"  # a Secret's text is ***


def _without_credentials(url: str) -> str:
    """The address without user, password and query, which may hold a key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, f"***@{host}" if "@" in parts.netloc else host, parts.path, "", ""))
