"""What an instance needs to know of configuration, as values the wiring can use."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

from tapeline.config import Config, ConnectionConfig
from tapeline.config.levels import not_an_address
from tapeline.errors import ConfigError
from tapeline.venues.ccxt import bridged
from tapeline.venues.spec import Venue
from tapeline.wire.ccxt.exchange import Reach
from tapeline.wire.leg import Patience
from tapeline.wire.pace import backoff
from tapeline.wire.session import Timing

AGE_MARGIN_S, AGE_SPREAD_S = 60.0, 1800.0  # re-dial so long before the venue's limit, and spread over so much more


def timing(settings: ConnectionConfig, venue: Venue, chance: Callable[[], float]) -> Timing:
    """Deadlines of one connection. The age limit is spread, so that connections do not re-dial all at once."""
    limits, heartbeat = venue.limits, venue.heartbeat
    life_s = limits.connection_life_s - AGE_MARGIN_S - AGE_SPREAD_S * chance()
    if settings.max_connection_age_s is not None:
        life_s = min(life_s, settings.max_connection_age_s)
    return Timing(
        ack_s=settings.ack_s,
        first_data_s=settings.first_data_s or limits.first_data_s,
        silence_s=settings.silence_s or heartbeat.silence_s,
        heartbeat_s=settings.heartbeat_interval_s or heartbeat.every_s,
        idle_ping_s=settings.idle_ping_s,
        max_age_s=max(1.0, life_s),
        bad_frames=settings.breaker_threshold,
    )


def patience(settings: ConnectionConfig) -> Patience:
    """When to try again, and when to stop."""
    return Patience(
        attempts=settings.reconnect_attempts, healthy_after_s=settings.healthy_after_s, overlap_s=settings.overlap_s
    )


def delays(settings: ConnectionConfig, chance: Callable[[], float]) -> Callable[[], Iterator[float]]:
    """A fresh back-off each time it is called."""
    return lambda: backoff(settings.reconnect_delay_s, settings.reconnect_delay_max_s, chance)


def rebased(url: str, onto: str | None) -> str:
    """The URL with scheme, host and port of another; its path stays. Of a venue behind ccxt: see `reaches`.

    Raises ConfigError where the other is no address of its kind.
    """
    if not onto or bridged(url):
        return url
    here = urlsplit(url)
    why = not_an_address(onto, "ws_url" if here.scheme.startswith("ws") else "rest_url")
    if why:
        raise ConfigError(f"{onto}: {why}")
    there = urlsplit(onto)
    return urlunsplit((there.scheme, there.netloc, here.path, here.query, here.fragment))


def reaches(config: Config) -> dict[str, Reach]:
    """What is configured of venues behind ccxt, for the bridge."""
    return {
        name: Reach(rest_url=each.rest_url, ws_url=each.ws_url, settings=each.ccxt)
        for name, each in config.venue.items()
    }
