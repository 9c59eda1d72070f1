"""The trading half of USD-M futures."""

from functools import partial

from tapeline.venues.binance.orders.calls_usdm import calls
from tapeline.venues.binance.orders.entry import LIFE_S, USDM_METHODS, entry
from tapeline.venues.binance.orders.private import decoder
from tapeline.venues.binance.orders.serve import USDM_SERVER
from tapeline.venues.binance.orders.sign import sign, with_key
from tapeline.venues.binance.orders.spot import CLIENT_ID, KINDS, TELLS
from tapeline.venues.binance.orders.stream_usdm import EVENTS, USDM
from tapeline.venues.orders import Orders, PrivateStream

ROUTE = "/private/ws"  # in production; the test network knows the key in the path alone
TESTNET = {
    "public": "wss://demo-fstream.binance.com/stream",
    "market": "wss://demo-fstream.binance.com/stream",
    "private": "wss://demo-fstream.binance.com/ws",
    "ws_api": "wss://testnet.binancefuture.com/ws-fapi/v1",
    "rest": "https://demo-fapi.binance.com",
}
_CALLS = calls("binance-usdm")


def stream_url(base: str, key: str) -> str:
    """Where the private stream is dialled. What is not named in `events` does not come."""
    if base.endswith(ROUTE):
        return f"{base}?listenKey={key}&events={'/'.join(EVENTS)}"
    return f"{base}/{key}"


ORDERS = Orders(
    sign=sign,
    with_key=with_key,
    calls=_CALLS,
    private=PrivateStream(
        endpoint="private", decoder=partial(decoder, USDM), url=stream_url, listen_key=True,
        alive_s=1800.0,  # a key lives an hour
        tells=TELLS | {"positions"}, life_s=LIFE_S,
    ),
    entry=entry(_CALLS, USDM_METHODS),
    server=USDM_SERVER,
    client_id=CLIENT_ID,
    kinds=KINDS,
    times_in_force=frozenset({"gtc", "ioc", "fok", "gtd"}),
    amends=frozenset({"size", "price"}),
    dead_man="instrument",
    derivatives=True,
    testnet=TESTNET,
)  # fmt: skip
