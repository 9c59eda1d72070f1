"""Which connections a configuration would open, each tried once."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tapeline.app.history.asking import HistoryDesk, Outside
from tapeline.app.running import real_world_dial
from tapeline.app.settings import rebased
from tapeline.app.trial import Trial, try_connection
from tapeline.clock import SystemClock
from tapeline.config import ConnectionConfig, Place
from tapeline.errors import ConfigError, TapelineError
from tapeline.model.channel import channel
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues import venue_named
from tapeline.venues.spec import Venue
from tapeline.wire.rest import real_fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A venue at an address, a symbol, and channels of which one for each endpoint is tried."""

    venue: str
    symbol: str
    channels: tuple[str, ...]
    ws_url: str | None = None
    rest_url: str | None = None
    settings: ConnectionConfig = field(default_factory=ConnectionConfig)


async def try_targets(targets: Sequence[Target], within_s: float) -> list[Trial]:
    """One after the other. Raises ConfigError on a channel that the venue has not, UnknownInstrument on a symbol."""
    found = []
    for target in targets:
        venue = venue_named(target.venue)
        wanted = _by_endpoint(venue, target.channels)
        instruments = await _instruments(venue, target)
        for endpoint, text in wanted.items():
            native = next(iter(instruments.values())).native if instruments else target.symbol
            url = rebased(venue.urls[endpoint], target.ws_url)
            found.append(
                await try_connection(
                    venue, Topic(text, native), url, instruments=instruments, clock=SystemClock(),
                    dial=real_world_dial(target.settings), within_s=within_s, endpoint=endpoint,
                )
            )  # fmt: skip
    return found


def _by_endpoint(venue: Venue, channels: Sequence[str]) -> dict[str, str]:
    """One channel for each connection, the one that says something soonest."""
    found: dict[str, str] = {}
    for text in channels:
        wanted = channel(text).wire
        feed = venue.feed_of(wanted)
        if feed.asked:
            continue
        if feed.endpoint not in found or wanted.kind in {"quotes", "book"}:
            found[feed.endpoint] = str(wanted)
    if not found:
        raise ConfigError(f"{venue.name} streams no {' and no '.join(channels)}: that is asked for by REST")
    return found


async def _instruments(venue: Venue, target: Target) -> Mapping[str, Instrument]:
    """The one that is meant, by its native name; none where the list cannot be had: the name is then taken as it is."""
    fetch, client = real_fetch(within_s=target.settings.connection_timeout_s)
    clock = SystemClock()
    outside = Outside(fetch=fetch, clock=clock, chance=random.Random(0).random)
    async with client:
        desk = HistoryDesk(venue, outside, Place(rest_url=target.rest_url, connection=target.settings))
        try:
            async with asyncio.timeout(target.settings.connection_timeout_s):  # a ban is waited for, however long
                await desk.open()
        except (TapelineError, TimeoutError):
            return {}
        found = desk.symbols.find(target.symbol)
    return {found.native: found}
