"""What the streams of a configuration ask of a venue, instrument by instrument, and by which way each comes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog

from tapeline.app.venue import VenueDesk
from tapeline.config import Config, Modes, StreamConfig, mode_for
from tapeline.control import Overrides
from tapeline.errors import ConfigError
from tapeline.model.channel import Channel, channel
from tapeline.model.instrument import Instrument
from tapeline.sync.mode import FALLS_BACK, Claim, Terms, places
from tapeline.sync.polls import can_poll

_log = structlog.get_logger("tapeline")


@dataclass(slots=True, eq=False)
class Wish:
    """Channels of an instrument that come together: by one connection, or polled. `modes` are the configuration's."""

    desk: VenueDesk
    instrument: Instrument
    channels: tuple[Channel, ...]
    modes: Modes
    polls: bool
    priority: int
    place: bool = True
    asked: bool = False  # no stream has it: by REST, whatever the mode

    @property
    def name(self) -> str:
        """For people: the instrument and what of it."""
        return f"{self.instrument.id} {', '.join(map(str, self.channels))}"

    def mode_under(self, overrides: Overrides) -> tuple[str, str]:
        """The mode that holds, and where it comes from."""
        set_mode, origin = overrides.mode_of(self.instrument.id)
        return (self.modes.mode, self.modes.mode_from) if set_mode is None else (set_mode, origin)

    def terms(self, overrides: Overrides) -> Terms:
        """What is wanted of it, and what the venue offers. Raises ConfigError where that cannot be had."""
        mode, origin = self.mode_under(overrides)
        found = Terms(mode=mode, fallback=self.modes.fallback, polls=self.polls, place=self.place)  # type: ignore[arg-type]  # both are of MODES
        why = found.impossible()
        if why:
            raise ConfigError(f"{self.name} ({origin} = {mode}) {why}: ask for another mode of its stream")
        return found


def wishes(desk: VenueDesk, streams: Sequence[StreamConfig], config: Config, origins: Mapping[str, str]) -> list[Wish]:
    """Everything these streams want of a venue. Raises ConfigError or UnknownInstrument."""
    found = [wish for stream in streams for wish in _of_stream(desk, stream, config, origins)]
    known: dict[tuple[str, str], Wish] = {}
    for wish in found:
        for of in wish.channels:
            other = known.setdefault((wish.instrument.id, str(of.wire)), wish)
            if other.modes.mode != wish.modes.mode:
                raise ConfigError(
                    f"{wish.instrument.id} {of}: asked for as {other.modes.mode} ({other.modes.mode_from}) "
                    f"and as {wish.modes.mode} ({wish.modes.mode_from})"
                )
    return found


def allot(found: Sequence[Wish], most: float, overrides: Overrides) -> None:
    """Give places on connections, of which the venue has so many, by priority."""
    claims = {}
    for number, wish in enumerate(found):
        mode, _ = wish.mode_under(overrides)
        movable = wish.polls and wish.modes.fallback and mode in FALLS_BACK
        topics = 0 if mode == "polling" or wish.asked else len({of.wire for of in wish.channels})
        claims[str(number)] = Claim(topics, wish.priority, movable)
    kept = places(claims, most)
    for number, wish in enumerate(found):
        wish.place = str(number) in kept


def most_topics(desk: VenueDesk, config: Config) -> float:
    """How many topics may be streamed of this venue."""
    shared = config.venue.get(desk.venue.name)
    own = shared.max_topics if shared is not None and shared.max_topics is not None else float("inf")
    return min(own, desk.venue.limits.topics)


def _of_stream(
    desk: VenueDesk, stream: StreamConfig, config: Config, origins: Mapping[str, str]
) -> Iterator[Wish]:  # fmt: skip
    modes = mode_for(config, stream, origins)
    for name in stream.symbols:
        found = desk.symbols.find(name)
        if found.symbol != name:
            _log.info("symbol", venue=desk.venue.name, asked=name, unified=found.symbol)
        groups: dict[tuple[str, bool, bool], list[Channel]] = {}
        for text in stream.channels:
            of = channel(text)
            feed = desk.venue.feeds.get(of.wire.kind)
            polls = can_poll(desk.venue, of.wire)
            of_feed = ("", False) if feed is None else (feed.endpoint, bool(feed.asked))
            groups.setdefault((*of_feed, polls), []).append(of)
        for (_, asked, polls), channels in groups.items():
            yield Wish(desk, found, tuple(channels), modes, polls, stream.websocket_priority or 0, asked=asked)
