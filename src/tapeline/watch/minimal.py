"""From configuration to a hand at each account's venue, with as little as there can be between: no engine, no store."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from urllib.parse import urlsplit, urlunsplit

import msgspec

from tapeline.clock import Clock
from tapeline.config import Config
from tapeline.config.account import AccountConfig
from tapeline.errors import ConfigError
from tapeline.store.budget import HostBudget, budget_path
from tapeline.store.latch import HaltLatch
from tapeline.trading.flatten import Steps
from tapeline.venues import venue_named
from tapeline.venues.ccxt import bridged
from tapeline.venues.spec import Venue
from tapeline.watch.hand import Hand
from tapeline.watch.heartbeat import last_beat
from tapeline.watch.signed_hand import SignedHand
from tapeline.watch.stop import Stop
from tapeline.wire.gateway.orders import at_testnet
from tapeline.wire.pace import backoff
from tapeline.wire.pipe import Fetch
from tapeline.wire.private.keys import credentials_of
from tapeline.wire.private.signed import SignedRest
from tapeline.wire.rest import Rest

FIRST_S, MOST_S = 0.2, 2.0  # an emergency is no time for long pauses
ATTEMPTS = 2  # of one request: the stop asks again by itself


def accounts_of(config: Config, name: str | None) -> dict[str, AccountConfig]:
    """The account of this name, or all. Raises ConfigError where there is none."""
    if not config.account:
        raise ConfigError(
            "there is no account in the configuration, nor does a run with its store name one: "
            "give --config FILE with an [account.NAME], or with the [store] of the run"
        )
    if name is None:
        return dict(config.account)
    if name not in config.account:
        raise ConfigError(f"there is no account {name!r}: {', '.join(config.account)}")
    return {name: config.account[name]}


def with_paper(config: Config) -> Config:
    """The same, with the accounts that a run on paper made for itself: its last sign of life names them."""
    beat = last_beat(config.store.folder) if config.store.folder is not None else None
    if beat is None:
        return config
    more = {name: AccountConfig(venue=name) for name in beat.accounts if name not in config.account}
    return msgspec.structs.replace(config, account={**config.account, **more})


def hand_of(
    name: str, config: Config, *, fetch: Fetch, clock: Clock, environ: Mapping[str, str],
    chance: Callable[[], float], ours: Callable[[], Mapping[str, Decimal]] | None = None,
) -> SignedHand:  # fmt: skip
    """The hand at a live account. Raises ConfigError where its venue takes no orders, or a key is missing."""
    account = config.account[name]
    venue = venue_named(account.venue)
    orders = venue.orders
    if orders is None:
        raise ConfigError(f"account.{name}: venue {venue.name} takes no orders here")
    if account.testnet:
        venue = at_testnet(venue)
        orders = venue.orders or orders
    settings = config.venue.get(account.venue)
    base = _rest_url(venue, settings.rest_url if settings is not None else None)
    rest = Rest(
        venue, base, fetch=fetch, clock=clock, delays=lambda: _delays(chance), attempts=ATTEMPTS,
        shared=HostBudget(budget_path(venue.name, base, environ), clock),
    )  # fmt: skip
    credentials = credentials_of(name, account, environ)
    signed = SignedRest(
        venue, orders, rest, credentials, clock=clock, delays=lambda: _delays(chance), attempts=ATTEMPTS
    )
    return SignedHand(name, venue, rest, signed, ours=ours)


def stop_of(
    hand: Hand, latch: HaltLatch, config: Config, *, clock: Clock, who: str, why: str, flatten: bool,
    note: Callable[[str, str], None], cancels: bool = True, owns: Callable[[str], bool] = lambda _client_id: True,
) -> Stop:  # fmt: skip
    """A stop as the configuration has it."""
    how = config.flatten
    return Stop(
        hand=hand, latch=latch, clock=clock, who=who, why=why, flatten=flatten, cancels=cancels, owns=owns,
        wait_s=how.wait_s, give_up_s=how.give_up_s, note=note,
        steps=Steps(band=how.band, widen=how.widen, band_max=how.band_max, slices=how.slices),
    )  # fmt: skip


def _delays(chance: Callable[[], float]) -> Iterator[float]:
    return backoff(FIRST_S, MOST_S, chance)


def _rest_url(venue: Venue, onto: str | None) -> str:
    """The venue's address with scheme, host and port of another, where one is set."""
    url = venue.urls["rest"]
    if not onto or bridged(url):
        return url
    there, here = urlsplit(onto), urlsplit(url)
    return urlunsplit((there.scheme, there.netloc, here.path, here.query, here.fragment))
