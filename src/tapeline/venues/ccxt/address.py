"""Names and addresses of exchanges that are reached through ccxt: `ccxt-EXCHANGE`, `ccxt-EXCHANGE-swap`. Pure."""

import re
from dataclasses import dataclass

from tapeline.errors import ConfigError

PREFIX = "ccxt-"
SCHEME = "ccxt://"
KINDS = ("spot", "swap")
_NAME = re.compile(r"ccxt-(?P<exchange>[a-z0-9]+)(-(?P<kind>swap))?")
_URL = re.compile(r"ccxt://(?P<exchange>[a-z0-9]+)/(?P<kind>spot|swap)(?P<sandbox>/sandbox)?")


@dataclass(frozen=True, slots=True)
class Place:
    """An exchange as ccxt calls it, one of its markets (spot | swap), and whether its test network is meant."""

    exchange: str
    kind: str = "spot"
    sandbox: bool = False

    @property
    def venue(self) -> str:
        """The name it has with us."""
        return PREFIX + self.exchange + ("" if self.kind == "spot" else f"-{self.kind}")

    @property
    def url(self) -> str:
        """Where requests to it go: it is read back by `place_of`."""
        return f"{SCHEME}{self.exchange}/{self.kind}{'/sandbox' if self.sandbox else ''}"


def place_named(name: str) -> Place:
    """The place of a venue's name. Raises ConfigError for a name that is none."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(
            f"unknown venue {name!r}: through ccxt a venue is {PREFIX}EXCHANGE, as ccxt calls it, for spot, "
            f"or {PREFIX}EXCHANGE-swap for linear perpetuals"
        )
    return Place(found["exchange"], found["kind"] or "spot")


def place_of(url: str) -> Place:
    """The place of an address. Raises ConfigError for one that is none."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ConfigError(f"{url!r} is no address of an exchange behind ccxt")
    return Place(found["exchange"], found["kind"], found["sandbox"] is not None)


def bridged(url: str) -> bool:
    """Whether what is sent there goes through ccxt."""
    return url.startswith(SCHEME)
