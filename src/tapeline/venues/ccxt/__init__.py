"""Any exchange that ccxt knows, as a venue: `ccxt-EXCHANGE`, spot, and `ccxt-EXCHANGE-swap`, linear perpetuals. Pure.

A venue of ours speaks the exchange's protocol; this one speaks ccxt's unified structures to a bridge in the same
process (`wire.ccxt`), which has ccxt do the rest. What ccxt does not carry is not proven here: see
docs/how-to/trade-through-ccxt.md.
"""

from dataclasses import replace
from functools import cache

from tapeline.venues.ccxt.address import PREFIX, SCHEME, Place, bridged, place_named, place_of
from tapeline.venues.ccxt.market import FEEDS, decoder, market_calls, requests
from tapeline.venues.ccxt.orders import order_calls, sign, with_key
from tapeline.venues.ccxt.private import PRIVATE
from tapeline.venues.orders import Orders
from tapeline.venues.spec import Allowance, Heartbeat, Limits, Venue

__all__ = ["PREFIX", "SCHEME", "Place", "bridged", "place_named", "place_of", "through_ccxt"]

ENDPOINTS = ("rest", "public", "private")


@cache
def through_ccxt(name: str) -> Venue:
    """The venue of this name. Whether ccxt has the exchange shows when it is first asked. Raises ConfigError."""
    place = place_named(name)
    return Venue(
        name=name,
        urls=dict.fromkeys(ENDPOINTS, place.url),
        feeds={feed.channel: feed for feed in FEEDS},
        heartbeat=Heartbeat(every_s=20, silence_s=60),
        limits=Limits(
            topics_per_connection=50,
            topics_per_request=50,
            messages_per_s=10,
            connections_per_window=2,
            window_s=1,
            rest=(Allowance(weight=1200, window_s=60),),  # ccxt keeps to the exchange's own
        ),
        decoder=decoder,
        requests=requests,
        rest=market_calls(name),
        orders=_orders(name, place),
    )


def _orders(name: str, place: Place) -> Orders:
    return Orders(
        sign=sign,
        with_key=with_key,
        calls=order_calls(name),
        private=PRIVATE,
        kinds=frozenset({"market", "limit"}),
        times_in_force=frozenset({"gtc", "ioc", "fok"}),
        amends=frozenset({"size", "price"}),
        lag_s=15.0,  # an exchange of which we know nothing: longer than those we know
        lag_times=4,
        cancel_all="instrument",
        derivatives=place.kind == "swap",
        testnet=dict.fromkeys(ENDPOINTS, replace(place, sandbox=True).url),
    )
