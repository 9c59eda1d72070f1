"""Binance spot, and Binance US, which speaks the same.

https://developers.binance.com/docs/binance-spot-api-docs
"""

from dataclasses import replace
from decimal import Decimal
from functools import partial

from tapeline.model.event import BookDelta
from tapeline.model.instrument import Instrument
from tapeline.model.interval import NAMES
from tapeline.model.verdict import APPLY, GAP, STALE, Verdict
from tapeline.venues.binance.archive import ARCHIVE
from tapeline.venues.binance.decode import decoder
from tapeline.venues.binance.handlers import partial_book
from tapeline.venues.binance.instruments import pair
from tapeline.venues.binance.orders.spot import ORDERS, ORDERS_US
from tapeline.venues.binance.refusals import SILENCE_S, USED
from tapeline.venues.binance.rest import Rest, calls
from tapeline.venues.binance.serve import server
from tapeline.venues.binance.streams import Dialect, requests
from tapeline.venues.spec import Allowance, Feed, Heartbeat, Limits, Quirk, Venue

SPOT = Dialect(
    words={"trades": "trade", "aggtrades": "aggTrade", "quotes": "bookTicker", "ticker": "ticker"},
    speeds={"": "@100ms", "1000ms": ""},
    intervals=NAMES,
    top=partial_book,
    spot=True,
)
REST = Rest(
    prefix="/api/v3",
    listed=pair,
    history="/api/v3/historicalTrades",
    depth=((100, 5), (500, 25), (1000, 50), (5000, 250)),
    depth_page=1000,  # 5000 levels cost five times the weight: 24 books a minute instead of 120
    depth_sizes=(),
    klines=((1000, 2),),
    kline_page=1000,
    trades_weight=25,
    aggtrades_weight=4,
    instruments_weight=20,
    open_interest=False,
    keeps_s=float("inf"),
    window_s=float("inf"),
)

# New orders in ten seconds: "10 orders a second" in some examples, 50 in ten by exchangeInfo.
ORDER_COUNT = Allowance(name="orders", weight=50, window_s=10, fixed=True, used="x-mbx-order-count-10s")


def judge(at: int | None, delta: BookDelta) -> Verdict:
    """The venue's own steps for a local book, `at` being its book id.

    "3. If the event u (last update ID) is < the update ID of your local order book, ignore the event." (so is u == id,
    by "4. Drop any event where u is <= lastUpdateId")
    "5. If the event U (first update ID) is > the update ID of your local order book + 1, something went wrong."
    "Normally, U of the next event is equal to u + 1 of the previous event."
    """
    if at is None or delta.first_seq is None or delta.last_seq is None:
        return APPLY
    if delta.last_seq <= at:
        return STALE
    return APPLY if delta.first_seq <= at + 1 else GAP


def _samples(venue: str) -> tuple[Instrument, ...]:
    """Three pairs, by the venue's rules of 2024."""
    rules = (("BTC", "USDT", "0.01", "0.00001", "5"), ("ETH", "USDT", "0.01", "0.0001", "5"),
             ("ETH", "BTC", "0.00001", "0.0001", "0.0001"))  # fmt: skip
    return tuple(
        Instrument(
            venue=venue, symbol=f"{base}/{quote}", native=base + quote, kind="spot", base=base, quote=quote,
            tick=Decimal(tick), lot=Decimal(lot), min_size=Decimal(lot), min_notional=Decimal(least),
        )
        for base, quote, tick, lot, least in rules
    )  # fmt: skip


_FEEDS = (
    Feed(
        channel="trades", wire_name="trade", endpoint="public", continuity="seq", evidence="ids", repair="trades",
    ),
    Feed(
        channel="aggtrades", wire_name="aggTrade", endpoint="public", continuity="seq", evidence="ids",
        repair="aggtrades",
    ),
    Feed(channel="quotes", wire_name="bookTicker", endpoint="public"),
    Feed(channel="ticker", wire_name="ticker", endpoint="public"),
    Feed(
        channel="bars", wire_name="kline", endpoint="public", intervals=SPOT.intervals, evidence="bars", repair="bars",
        quirks=(
            Quirk(
                kind="rounds", fields=("quote_volume",), step=Decimal("0.00000001"),
                why="the venue keeps eight digits of each trade's value",
            ),
        ),
    ),
    Feed(
        channel="book", wire_name="depth", endpoint="public", judge=judge, snapshot="rest", speeds=tuple(SPOT.speeds),
        levels=(5, 10, 20),
    ),
)  # fmt: skip

BINANCE = Venue(
    name="binance",
    urls={
        "public": "wss://stream.binance.com:9443/stream",
        "ws_api": "wss://ws-api.binance.com:443/ws-api/v3",
        "rest": "https://api.binance.com",
    },
    feeds={feed.channel: feed for feed in _FEEDS},
    heartbeat=Heartbeat(every_s=20, silence_s=60),
    limits=Limits(
        topics_per_connection=1024,
        topics_per_request=100,
        messages_per_s=4,  # five are allowed, pongs counted; one is left for the pong
        connections_per_window=300,
        window_s=300,
        connection_life_s=23.5 * 3600,  # cut at 24 h
        rest=(Allowance(weight=6000, window_s=60, fixed=True, used=USED), ORDER_COUNT),
        silence_s=SILENCE_S,
    ),
    decoder=partial(decoder, SPOT),
    requests=partial(requests, dialect=SPOT),
    rest=calls(REST, "binance"),
    server=server(SPOT, REST, _samples("binance")),
    archive=ARCHIVE,
    orders=ORDERS,
)

# "Get Historical Trades (MARKET_DATA)": at Binance US it takes a key, so what is missing of its raw trades stays so.
REST_US = replace(REST, history="")

BINANCE_US = replace(
    BINANCE,
    name="binance-us",
    urls={
        "public": "wss://stream.binance.us:9443/stream",
        "private": "wss://stream.binance.us:9443/ws",
        "rest": "https://api.binance.us",
    },
    limits=replace(BINANCE.limits, rest=(Allowance(weight=1200, window_s=60, fixed=True, used=USED), ORDER_COUNT)),
    feeds={**BINANCE.feeds, "trades": replace(BINANCE.feeds["trades"], repair="")},
    rest=calls(REST_US, "binance-us"),  # its instruments bear its name, and so do those of its synthetic market
    server=server(SPOT, REST_US, _samples("binance-us")),
    archive=None,
    orders=ORDERS_US,
)
