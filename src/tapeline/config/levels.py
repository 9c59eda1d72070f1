"""Which connection settings hold for a stream or a venue, and the checks that take more than one setting. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from tapeline.config.account import account_faults
from tapeline.config.modes import mode_faults
from tapeline.config.risk import risk_faults
from tapeline.config.trade import trade_faults
from tapeline.config.tree import Config, ConnectionConfig, ConnectionOverrides, StreamConfig, VenueConfig
from tapeline.config.watch import watch_faults
from tapeline.errors import ConfigError
from tapeline.model.channel import channel

_NAMES = tuple(ConnectionConfig.__struct_fields__)
_NOT_FOR_CCXT = ("apiKey", "secret", "password", "privateKey", "walletAddress", "token", "number", "verbose")
_SCHEMES = {"ws_url": ("ws", "wss"), "rest_url": ("http", "https")}


def connection_for(config: Config, of: StreamConfig | str) -> ConnectionConfig:
    """The settings that hold for a stream, or a venue by name: default < [connection] < [venue.NAME] < [[stream]]."""
    resolved = config.connection
    for _, overrides in _levels(config, of):
        given = {name: value for name in _NAMES if (value := getattr(overrides, name)) is not None}
        resolved = msgspec.structs.replace(resolved, **given)
    return resolved


class Place(NamedTuple):
    """Where a venue is, and how it is talked to; None is the venue's own address."""

    ws_url: str | None = None
    rest_url: str | None = None
    connection: ConnectionConfig = ConnectionConfig()


def place_of(config: Config, venue: str, *, ws_url: str | None = None, rest_url: str | None = None) -> Place:
    """Of a venue by name: the addresses given, else [venue.NAME]'s, else those of its first [[stream]] that has one."""
    levels: list[VenueConfig | StreamConfig] = [config.venue[venue]] if venue in config.venue else []
    levels += [each for each in config.stream if each.venue == venue]
    return Place(
        ws_url or next((each.ws_url for each in levels if each.ws_url), None),
        rest_url or next((each.rest_url for each in levels if each.rest_url), None),
        connection_for(config, venue),
    )


def connection_origins(config: Config, of: StreamConfig | str, origins: Mapping[str, str]) -> dict[str, str]:
    """Where each of those settings comes from: "default", or "[venue.NAME]: file"."""
    found = {name: _origin("connection", name, origins) for name in _NAMES}
    for path, overrides in _levels(config, of):
        found |= {name: _origin(path, name, origins) for name in _NAMES if getattr(overrides, name) is not None}
    return found


def not_an_address(url: str, name: str) -> str:
    """Why this cannot be a `ws_url` or a `rest_url`; "" where it can."""
    schemes = _SCHEMES[name]
    try:
        parts = urlsplit(url)
        good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that does not close
        good = False
    return "" if good else f"not an address: expected {schemes[0]}://HOST[:PORT] or {schemes[1]}://HOST[:PORT]"


def faults(config: Config) -> Iterator[str]:
    """What no single setting can tell: channels, addresses, and settings that contradict each other."""
    for i, stream in enumerate(config.stream):
        for j, name in enumerate(stream.channels):
            try:
                channel(name)
            except ConfigError as error:
                yield f"stream[{i}].channels[{j}]: {error}"
    levels: list[tuple[str, ConnectionOverrides]] = [
        *((f"venue.{name}", venue) for name, venue in config.venue.items()),
        *((f"stream[{i}]", stream) for i, stream in enumerate(config.stream)),
    ]
    for path, level in levels:
        yield from _bad_urls(path, level)
    for name, venue in config.venue.items():
        for each in _NOT_FOR_CCXT:
            if each in venue.ccxt:
                yield f"venue.{name}.ccxt: {each} is not set here: keys belong to [account.NAME], and numbers are exact"
    yield from mode_faults(config)
    yield from account_faults(config.account)
    yield from trade_faults(config.strategy)
    yield from risk_faults(config.risk, config.account)
    yield from watch_faults(config.watch, config.flatten)
    yield from _contradictions("connection", config.connection)
    for name in config.venue:
        yield from _contradictions(f"venue.{name}", connection_for(config, name))
    for i, stream in enumerate(config.stream):
        yield from _contradictions(f"stream[{i}]", connection_for(config, stream))


def _levels(config: Config, of: StreamConfig | str) -> Iterator[tuple[str, ConnectionOverrides]]:
    name = of if isinstance(of, str) else of.venue
    if name in config.venue:
        yield f"venue.{name}", config.venue[name]
    if isinstance(of, StreamConfig):
        at = next((i for i, each in enumerate(config.stream) if each is of), None)
        yield ("stream" if at is None else f"stream[{at}]"), of


def _origin(path: str, name: str, origins: Mapping[str, str]) -> str:
    origin = origins.get(f"{path}.{name}", "default")
    return origin if origin == "default" else f"[{path}]: {origin}"


def _bad_urls(path: str, level: ConnectionOverrides) -> Iterator[str]:
    for name in _SCHEMES:
        url = getattr(level, name)
        if url is not None and (why := not_an_address(url, name)):
            yield f"{path}.{name}: {why}"


def _contradictions(path: str, at: ConnectionConfig) -> Iterator[str]:
    if at.reconnect_delay_s > at.reconnect_delay_max_s:
        yield (
            f"{path}: reconnect_delay_s ({at.reconnect_delay_s:g}) is over "
            f"reconnect_delay_max_s ({at.reconnect_delay_max_s:g})"
        )
    if at.silence_s is not None and at.heartbeat_interval_s is not None and at.heartbeat_interval_s >= at.silence_s:
        yield (
            f"{path}: heartbeat_interval_s ({at.heartbeat_interval_s:g}) must be under silence_s ({at.silence_s:g}), "
            "or a live connection looks dead"
        )
