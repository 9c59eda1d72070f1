"""OKX's trading half as one value. Pure."""

from tapeline.venues.okx.entry import ENTRY
from tapeline.venues.okx.orders import calls
from tapeline.venues.okx.placing import ALGO_KINDS
from tapeline.venues.okx.private import PRIVATE, WAITING
from tapeline.venues.okx.serve_fixed import fixed
from tapeline.venues.okx.serve_orders import answer, read, refuse
from tapeline.venues.okx.serve_private import channel_of, encode, hear, told
from tapeline.venues.okx.serve_tickers import tickers
from tapeline.venues.okx.signing import sign, verify, with_key
from tapeline.venues.orders import Orders, OrderServer

DEMO = "wss://wspap.okx.com/ws/v5"

ORDERS = Orders(
    sign=sign,
    with_key=with_key,
    calls=calls("okx"),
    private=PRIVATE,
    more=(WAITING,),
    entry=ENTRY,
    server=OrderServer(
        verify=verify,
        read=read,
        answer=answer,
        refuse=refuse,
        hear=hear,
        told=told,
        encode=encode,
        greets=frozenset({"balances", "positions"}),
        channel_of=channel_of,
        fixed=fixed,
        tickers=tickers,
    ),
    client_id=r"[A-Za-z0-9]{1,32}",
    kinds=frozenset({"market", "limit"}) | ALGO_KINDS,
    times_in_force=frozenset({"gtc", "ioc", "fok"}),
    amends=frozenset({"size", "price"}),
    lag_s=10.0,  # twice as long as an order may be on its way (expTime)
    lag_times=3,
    dead_man="account",
    cancel_all="",
    derivatives=True,
    testnet={name: f"{DEMO}/{name}" for name in ("public", "private", "business")},
    testnet_headers=(("x-simulated-trading", "1"),),
    # Its WebSocket refuses the instIdCode that its own list gives (51001, seen in September 2026), its REST does not.
    testnet_entry=False,
)
