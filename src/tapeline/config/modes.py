"""Which mode holds for a stream, and who said so. Pure.

A level (everything, the venue, the stream) says its mode by `mode`, by `realtime_source` or by `enable_websocket`;
the nearest level that says one decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tapeline.config.kinds import Mode
from tapeline.config.tree import Config, StreamConfig, VenueConfig

NAMES = ("mode", "realtime_source", "enable_websocket", "fallback_to_polling")
Level = Config | VenueConfig | StreamConfig
_FALLS_BACK = ("hybrid", "auto")


@dataclass(frozen=True, slots=True)
class Modes:
    """What holds for a stream, and where it comes from: "default", "[[stream]] mode: file"."""

    mode: Mode
    mode_from: str
    fallback: bool
    fallback_from: str


def mode_for(config: Config, stream: StreamConfig, origins: Mapping[str, str] | None = None) -> Modes:
    """The mode of a stream: default < everything < its venue < the stream itself."""
    found = Modes("auto", "default", True, "default")
    for path, level in _levels(config, stream):
        mode, key = said(level)
        if mode is not None:
            found = Modes(mode, _origin(path, key, origins), found.fallback, found.fallback_from)
        if level.fallback_to_polling is not None:
            told = _origin(path, "fallback_to_polling", origins)
            found = Modes(found.mode, found.mode_from, level.fallback_to_polling, told)
    return found


def said(level: Level) -> tuple[Mode | None, str]:
    """The mode that a level asks for, and by which key; None where it says nothing."""
    if level.mode is not None:
        return level.mode, "mode"
    if level.realtime_source is not None:
        return level.realtime_source, "realtime_source"
    if level.enable_websocket is False:
        return "polling", "enable_websocket"
    return None, ""


def mode_faults(config: Config) -> Iterator[str]:
    """What contradicts itself on one level."""
    yield from _faults("", config)
    for name, venue in config.venue.items():
        yield from _faults(f"venue.{name}.", venue)
    for i, stream in enumerate(config.stream):
        yield from _faults(f"stream[{i}].", stream)


def _faults(path: str, level: Level) -> Iterator[str]:
    mode, key = said(level)
    if level.mode is not None and level.realtime_source not in (None, level.mode):
        yield f"{path}realtime_source ({level.realtime_source}) is another name of mode ({level.mode}): give one"
    if level.enable_websocket is False and mode != "polling":
        yield f"{path}enable_websocket = false says polling, {key} says {mode}: give one of them"
    if level.enable_websocket and mode == "polling":
        yield f"{path}enable_websocket = true and {key} = polling contradict each other: give one of them"
    if level.fallback_to_polling and mode is not None and mode not in _FALLS_BACK:
        yield f"{path}fallback_to_polling = true means something with hybrid and auto, not with {key} = {mode}"


def _levels(config: Config, stream: StreamConfig) -> Iterator[tuple[str, Level]]:
    yield "", config
    if stream.venue in config.venue:
        yield f"venue.{stream.venue}", config.venue[stream.venue]
    at = next((i for i, each in enumerate(config.stream) if each is stream), None)
    yield ("stream" if at is None else f"stream[{at}]"), stream


def _origin(path: str, key: str, origins: Mapping[str, str] | None) -> str:
    where = f"[{path}] {key}" if path else key
    told = (origins or {}).get(f"{path}.{key}" if path else key)
    return f"{where}: {told}" if told else where
