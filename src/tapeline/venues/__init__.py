"""The registry: every venue by name, ours and those that other packages register (`tapeline.venues` entry points)."""

import difflib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

from tapeline.errors import ConfigError
from tapeline.venues.binance import BINANCE, BINANCE_US, BINANCE_USDM
from tapeline.venues.ccxt import PREFIX as THROUGH_CCXT
from tapeline.venues.ccxt import through_ccxt
from tapeline.venues.okx import OKX
from tapeline.venues.spec import Venue

_BUILT_IN: tuple[Venue, ...] = (BINANCE, BINANCE_US, BINANCE_USDM, OKX)


@cache
def venues() -> Mapping[str, Venue]:
    """Every known venue by name. Raises ConfigError where an entry point is not a Venue or takes a name twice."""
    found = {venue.name: venue for venue in _BUILT_IN}
    for point in entry_points(group="tapeline.venues"):
        venue = point.load()
        if not isinstance(venue, Venue):
            raise ConfigError(
                f"entry point {point.value} in group tapeline.venues is a {type(venue).__name__}, not a Venue"
            )
        if venue.name in found:
            raise ConfigError(f"entry point {point.value} registers venue {venue.name!r}, which exists already")
        found[venue.name] = venue
    return MappingProxyType(found)


def venue_named(name: str) -> Venue:
    """The venue of this name; `ccxt-EXCHANGE` is any that ccxt knows. Raises ConfigError with the nearest word."""
    known = venues()
    if name not in known and name.startswith(THROUGH_CCXT):
        return through_ccxt(name)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        raise ConfigError(
            f"unknown venue {name!r}" + (f": did you mean {near[0]!r}?" if near else f": one of {', '.join(known)}")
        )
    return known[name]
