"""The trading half of spot, and of Binance US."""

from functools import partial

from tapeline.venues.binance.orders.calls_spot import calls
from tapeline.venues.binance.orders.entry import LIFE_S, SPOT_METHODS, entry, subscribe
from tapeline.venues.binance.orders.private import decoder
from tapeline.venues.binance.orders.serve import SPOT_SERVER, US_SERVER
from tapeline.venues.binance.orders.sign import sign, with_key
from tapeline.venues.binance.orders.stream_spot import SPOT
from tapeline.venues.orders import Orders, PrivateStream

CLIENT_ID = r"[A-Za-z0-9_.:/-]{1,36}"
KINDS = frozenset({
    "market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop",
})  # fmt: skip
TELLS = frozenset({"orders", "fills", "balances", "payments"})
TESTNET = {
    "public": "wss://stream.testnet.binance.vision/stream",
    "ws_api": "wss://ws-api.testnet.binance.vision/ws-api/v3",
    "rest": "https://testnet.binance.vision",
}
_CALLS, _CALLS_US = calls("binance"), calls("binance-us", listen_keys=True, amends=False)

ORDERS = Orders(
    sign=sign,
    with_key=with_key,
    calls=_CALLS,
    # By its own signature on the WebSocket API: listen keys are gone from spot since February 2026.
    private=PrivateStream(
        endpoint="ws_api", decoder=partial(decoder, SPOT), opening=(subscribe,), tells=TELLS, life_s=LIFE_S
    ),
    entry=entry(_CALLS, SPOT_METHODS),
    server=SPOT_SERVER,
    client_id=CLIENT_ID,
    kinds=KINDS,
    amends=frozenset({"smaller"}),
    testnet=TESTNET,
)

# Binance US has kept listen keys, and documents neither amends in place nor a test network. Of its "Types of Orders"
# (LIMIT, MARKET, STOP_LOSS_LIMIT, TAKE_PROFIT_LIMIT, LIMIT_MAKER) none is a stop that takes at market.
ORDERS_US = Orders(
    sign=sign,
    with_key=with_key,
    calls=_CALLS_US,
    private=PrivateStream(
        endpoint="private", decoder=partial(decoder, SPOT), url=lambda base, key: f"{base}/{key}", listen_key=True,
        tells=TELLS, life_s=LIFE_S,
    ),
    server=US_SERVER,
    client_id=CLIENT_ID,
    kinds=frozenset({"market", "limit", "stop_limit", "take_profit_limit"}),  # LIMIT_MAKER is a limit, post-only
)  # fmt: skip
