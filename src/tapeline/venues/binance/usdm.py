"""Binance USD-M futures.

https://developers.binance.com/docs/derivatives/usds-margined-futures
Streams are split over routes since April 2026, and a stream asked for on the wrong one is acknowledged and mute.
"""

from decimal import Decimal
from functools import partial

from tapeline.model.event import BookDelta
from tapeline.model.instrument import Instrument
from tapeline.model.interval import NAMES
from tapeline.model.verdict import APPLY, GAP, STALE, Verdict
from tapeline.venues.binance.archive import ARCHIVE
from tapeline.venues.binance.decode import decoder
from tapeline.venues.binance.handlers import book_top
from tapeline.venues.binance.instruments import contract
from tapeline.venues.binance.orders.usdm import ORDERS
from tapeline.venues.binance.refusals import SILENCE_S, USED
from tapeline.venues.binance.rest import Rest, calls
from tapeline.venues.binance.serve import server
from tapeline.venues.binance.streams import Dialect, requests
from tapeline.venues.spec import Allowance, Feed, Heartbeat, Limits, Quirk, Venue

USDM = Dialect(
    words={
        "trades": "trade",
        "aggtrades": "aggTrade",
        "quotes": "bookTicker",
        "ticker": "ticker",
        "mark": "markPrice@1s",
        "index": "markPrice@1s",
        "funding": "markPrice@1s",
        "liquidations": "forceOrder",
        "status": "!contractInfo",
    },
    speeds={"": "@100ms", "250ms": "", "500ms": "@500ms"},
    intervals=tuple(name for name in NAMES if name != "1s"),
    top=book_top,
    spot=False,
)
REST = Rest(
    prefix="/fapi/v1",
    listed=contract,
    history="",
    depth=((50, 2), (100, 5), (500, 10), (1000, 20)),
    depth_page=1000,
    depth_sizes=(5, 10, 20, 50, 100, 500, 1000),
    klines=((99, 1), (499, 2), (1000, 5), (1500, 10)),
    kline_page=1000,  # 1500 rows cost twice as much as 1000
    trades_weight=5,
    aggtrades_weight=20,
    instruments_weight=1,
    open_interest=True,
    keeps_s=48 * 3600,
    window_s=3600,
)


def judge(at: int | None, delta: BookDelta) -> Verdict:
    """The venue's own steps for a local book, `at` being the u of the last event applied, or the snapshot's id.

    "4. Drop any event where u is < lastUpdateId in the snapshot." (one whose u equals it changes nothing either)
    "5. The first processed event should have U <= lastUpdateId AND u >= lastUpdateId."
    "6. While listening to the stream, each new event's pu should be equal to the previous event's u, otherwise
    initialize the process from step 3." Ids are exchange-wide and jump: U says nothing then.
    """
    if at is None or delta.first_seq is None or delta.last_seq is None:
        return APPLY
    if delta.last_seq <= at:
        return STALE
    return APPLY if delta.prev_seq == at or delta.first_seq <= at else GAP


_SAMPLES = tuple(
    Instrument(
        venue="binance-usdm", symbol=f"{base}/USDT:USDT", native=f"{base}USDT", kind="perpetual", base=base,
        quote="USDT", settle="USDT", tick=Decimal(tick), lot=Decimal("0.001"), min_size=Decimal("0.001"),
        min_notional=Decimal(least),
    )
    for base, tick, least in (("BTC", "0.10", "100"), ("ETH", "0.01", "20"), ("SOL", "0.01", "5"))
)  # fmt: skip

_FEEDS = (
    # Raw trades are not documented any more, and their history takes a key: what is missing stays so.
    Feed(channel="trades", wire_name="trade", endpoint="public", continuity="seq", evidence="ids"),
    Feed(
        channel="aggtrades", wire_name="aggTrade", endpoint="market", continuity="seq", evidence="ids",
        repair="aggtrades",
    ),
    Feed(channel="quotes", wire_name="bookTicker", endpoint="public"),
    Feed(channel="ticker", wire_name="ticker", endpoint="market"),
    Feed(
        channel="bars", wire_name="kline", endpoint="market", intervals=USDM.intervals, evidence="bars", repair="bars",
        quirks=(
            Quirk(
                kind="more", of=("aggtrades",), fields=("volume", "quote_volume", "trades", "taker_buy_volume"),
                why="trades of the insurance fund and of deleveraging are in no aggregate",
            ),
        ),
    ),
    Feed(
        channel="book", wire_name="depth", endpoint="public", judge=judge, snapshot="rest", speeds=tuple(USDM.speeds),
        levels=(5, 10, 20),
    ),
    Feed(channel="mark", wire_name="markPrice@1s", endpoint="market"),
    Feed(channel="index", wire_name="markPrice@1s", endpoint="market"),
    Feed(channel="funding", wire_name="markPrice@1s", endpoint="market"),
    Feed(channel="open_interest", wire_name="openInterest", endpoint="rest", asked="open_interest"),
    Feed(channel="liquidations", wire_name="forceOrder", endpoint="market", quiet=True),
    Feed(channel="status", wire_name="!contractInfo", endpoint="market", quiet=True),
)  # fmt: skip

BINANCE_USDM = Venue(
    name="binance-usdm",
    urls={
        "public": "wss://fstream.binance.com/public/stream",
        "market": "wss://fstream.binance.com/market/stream",
        "private": "wss://fstream.binance.com/private/ws",
        "ws_api": "wss://ws-fapi.binance.com/ws-fapi/v1",
        "rest": "https://fapi.binance.com",
    },
    feeds={feed.channel: feed for feed in _FEEDS},
    heartbeat=Heartbeat(every_s=20, silence_s=60),  # the venue pings every 3 min only: too late to notice a dead path
    limits=Limits(
        topics_per_connection=200,  # 1024 by the current page, 200 by older ones
        topics_per_request=100,
        messages_per_s=8,  # ten are allowed, pongs counted
        connections_per_window=300,
        window_s=300,
        connection_life_s=23.5 * 3600,  # cut at 24 h
        rest=(
            Allowance(weight=2400, window_s=60, fixed=True, used=USED),
            Allowance(name="orders", weight=300, window_s=10, fixed=True, used="x-mbx-order-count-10s"),
        ),
        silence_s=SILENCE_S,
    ),
    decoder=partial(decoder, USDM),
    requests=partial(requests, dialect=USDM),
    rest=calls(REST, "binance-usdm"),
    server=server(USDM, REST, _SAMPLES),
    archive=ARCHIVE,
    orders=ORDERS,
)
