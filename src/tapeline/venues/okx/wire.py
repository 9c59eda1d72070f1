"""OKX on the wire: channel names, the arg that names a stream, and the shape of every public message. Pure.

https://www.okx.com/docs-v5/en/#websocket-api

A subscription is named by an `arg`. Most topics of ours have one of their own; three share one, and the way there and
back is this:

| topic | arg | the arg back as a topic |
|---|---|---|
| `index BTC-USDT-SWAP` | index-tickers, instId BTC-USDT: the index the instrument follows | `index BTC-USDT` |
| `liquidations BTC-USDT-SWAP` | liquidation-orders, instType SWAP: all of one type | `liquidations SWAP` |
| `status BTC-USDT` | instruments, instType SPOT: all of one type | `status SPOT` |
| `status` (no instrument) | status: the venue's own maintenance | `status` |

A native that is an index id or an instType already stays as it is, so that the right column maps onto itself.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic

# What reading the wire can raise: bad JSON, a wrong shape, a number that is none, too deep a nesting.
UNREADABLE = (ValueError, ArithmeticError, RecursionError)
MS_NS = 1_000_000
CONNECTION = "a4d3ae55"  # the docs' own connId, for the simulator
Ms = Annotated[int, Meta(ge=0, le=9_000_000_000_000)]  # as text on the wire; the bound keeps nanoseconds in 64 bits
Seq = Annotated[int, Meta(ge=-1, le=2**63 - 1)]
Side = Literal["buy", "sell"]

# ---- names ------------------------------------------------------------------------------------------------------

BY_INSTRUMENT = {
    "trades": "trades",
    "quotes": "bbo-tbt",
    "ticker": "tickers",
    "book": "books",
    "book:5": "books5",
    "mark": "mark-price",
    "funding": "funding-rate",
    "open_interest": "open-interest",
}
# From six hours up OKX cuts candles at midnight of Hong Kong unless asked for the utc ones. It has none of 8 hours.
INTERVALS = {
    "1s": "1s", "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1H", "2h": "2H", "4h": "4H",
    "6h": "6Hutc", "12h": "12Hutc", "1d": "1Dutc", "3d": "3Dutc", "1w": "1Wutc", "1M": "1Mutc",
}  # fmt: skip
INTERVAL_OF = {bar: name for name, bar in INTERVALS.items()}
BY_INSTRUMENT |= {f"bars:{name}": f"candle{bar}" for name, bar in INTERVALS.items()}
CHANNEL_OF = {wire: channel for channel, wire in BY_INSTRUMENT.items()}
# Never asked for, but read where a recording holds them: the candles of Hong Kong (each keeps its own open time), one
# record a fill, and the faster books for high tiers.
ALSO_READ = {
    **{f"candle{bar.removesuffix('utc')}": f"bars:{name}" for name, bar in INTERVALS.items() if bar.endswith("utc")},
    "trades-all": "trades",
    "books-l2-tbt": "book",
    "books50-l2-tbt": "book",
}
UNUSED = {
    "price-limit": "the band orders must stay in concerns trading",
    "estimated-price": "an estimate of a delivery price, no market event",
    "opt-summary": "greeks and volatilities, no market event",
    "adl-warning": "the state of the insurance fund, no market event",
    "option-trades": "repeats trades of options, with their greeks",
    "public-struc-block-trades": "negotiated off the book",
    "public-block-trades": "negotiated off the book",
    "block-tickers": "volumes negotiated off the book",
    "call-auction-details": "an auction's estimate, no market event",
    "sprd-bbo-tbt": "spreads are no instruments of ours",
    "sprd-books5": "spreads are no instruments of ours",
    "sprd-books-l2-tbt": "spreads are no instruments of ours",
    "sprd-public-trades": "spreads are no instruments of ours",
    "sprd-tickers": "spreads are no instruments of ours",
}
# Candles without volume, and lengths no grammar of ours has (2D, 5D, 3M).
UNUSED_PREFIXES = ("mark-price-candle", "index-candle", "sprd-candle", "candle")
PRIVATE_PREFIXES = (
    "account", "positions", "balance_and_position", "orders", "fills", "liquidation-warning", "algo-", "grid-",
    "deposit-info", "withdrawal-info", "rfqs", "quotes", "struc-block-trades", "sprd-orders", "sprd-trades",
    "copytrading", "economic-calendar",
)  # fmt: skip


class Arg(Struct, frozen=True, omit_defaults=True):
    """What names a stream: {"channel":"trades","instId":"BTC-USDT"}."""

    channel: str
    instType: str = ""
    instId: str = ""


def arg_of(topic: Topic) -> Arg:
    """The arg that brings this topic. Raises KeyError for a channel OKX does not have."""
    match topic.channel:
        case "index":
            return Arg("index-tickers", instId=index_of(topic.native))
        case "liquidations":
            instrument_type = type_of(topic.native)
            return Arg("liquidation-orders", instType="MARGIN" if instrument_type == "SPOT" else instrument_type)
        case "status":
            return Arg("instruments", instType=type_of(topic.native)) if topic.native else Arg("status")
        case channel:
            return Arg(BY_INSTRUMENT[channel], instId=topic.native)


def topic_of(arg: Arg) -> Topic | None:
    """The topic an arg stands for, of those we ask for; None for every other arg."""
    match arg.channel:
        case "index-tickers":
            return Topic("index", arg.instId)
        case "liquidation-orders":
            return Topic("liquidations", arg.instType)
        case "instruments":
            return Topic("status", arg.instType)
        case "status":
            return Topic("status", "")
        case channel:
            ours = CHANNEL_OF.get(channel)
            return Topic(ours, arg.instId) if ours is not None else None


def shared(topic: Topic) -> bool:
    """Whether other topics may come by the same arg, so that giving this one back must not end it."""
    return topic.channel in {"index", "liquidations", "status"} and "-" in topic.native


def type_of(native: str) -> str:
    """OKX's instType of an instrument by its name; any other word as it is."""
    parts = native.split("-")
    if parts[-1] == "SWAP" and len(parts) == 3:
        return "SWAP"
    return {2: "SPOT", 3: "FUTURES", 5: "OPTION"}.get(len(parts), native)


def index_of(native: str) -> str:
    """The index an instrument follows: BTC-USDT of BTC-USDT-SWAP, BTC-USD of BTC-USD_UM-310404; else as it is."""
    parts = native.split("-")
    return f"{parts[0]}-{parts[1].partition('_')[0]}" if len(parts) > 1 else native


class Names:
    """Native symbols to instrument ids, and what shares an arg. The list may grow while the connection lives."""

    def __init__(self, venue: str, instruments: Mapping[str, Instrument]) -> None:
        self.venue = venue
        self._instruments = instruments
        self._followers: dict[str, list[str]] = {}
        self._known = -1

    def knows(self, native: str) -> bool:
        """Whether it is on the list."""
        return native in self._instruments

    def id_of(self, native: str) -> str:
        """`venue:symbol`, or `venue:NATIVE` for what is on no list."""
        instrument = self._instruments.get(native)
        return instrument.id if instrument is not None else f"{self.venue}:{native}"

    def sharing(self, arg: Arg) -> Sequence[Topic]:
        """Every topic that this arg brings: its own, and those of the instruments on the list that share it."""
        own = topic_of(arg)
        if own is None:
            return ()
        if own.channel == "index":
            return [Topic("index", native) for native in self.following(own.native)]
        if own.channel in {"liquidations", "status"} and own.native:
            listed = (Topic(own.channel, native) for native in self._instruments)
            return [own, *(topic for topic in listed if arg_of(topic) == arg)]
        return (own,)

    def following(self, index: str) -> list[str]:
        """Natives with this index price: the index's own name first."""
        if self._known != len(self._instruments):
            self._known = len(self._instruments)
            self._followers = {}
            for native in self._instruments:
                self._followers.setdefault(index_of(native), []).append(native)
        return [index, *(native for native in self._followers.get(index, ()) if native != index)]


# ---- messages ---------------------------------------------------------------------------------------------------
# Numbers and times are text; "" is null. The docs' own examples stand above the structs.


# {"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9",
#  "sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3"}]}
class TradeItem(Struct, gc=False):
    """Fills of one taker order at one price: `count` of them, of which `tradeId` is the last."""

    instId: str
    tradeId: Annotated[str, Meta(max_length=18)]
    px: str
    sz: str
    side: Side
    ts: Ms
    count: Annotated[int, Meta(ge=1, le=1_000_000)] = 1


class Row(Struct, array_like=True, gc=False):
    """One level: ["8476.98","415","0","13"]; what follows price and size (deprecated, orders) is left alone."""

    price: str
    size: str


# {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["8476.98","415","0","13"]],
#  "bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":0,"prevSeqId":123456,"seqId":123457}]}
class BookItem(Struct, gc=False):
    """A book, whole or changed; books5 and bbo-tbt are whole each time. Archives of 2022 have no sequence."""

    asks: list[Row]
    bids: list[Row]
    ts: Ms
    checksum: int = 0
    prevSeqId: Seq | None = None
    seqId: Seq | None = None


# {"arg":{"channel":"tickers","instId":"LTC-USD-200327"},"data":[{"instType":"SWAP","instId":"LTC-USD-SWAP",
#  "last":"9999.99","lastSz":"0.1","askPx":"9999.99","askSz":"11","bidPx":"8888.88","bidSz":"5","open24h":"9000",
#  "high24h":"10000","low24h":"8888.88","volCcy24h":"2222","vol24h":"2222","sodUtc0":"2222","ts":"1597026383085"}]}
class TickerItem(Struct, gc=False):
    """vol24h is in the venue's unit; volCcy24h is quote currency for spot, base for the rest."""

    instId: str
    ts: Ms | None
    instType: str = ""
    last: Decimal | None = None
    askPx: Decimal | None = None
    bidPx: Decimal | None = None
    open24h: Decimal | None = None
    high24h: Decimal | None = None
    low24h: Decimal | None = None
    volCcy24h: Decimal | None = None
    vol24h: Decimal | None = None


# {"arg":{"channel":"candle1D","instId":"BTC-USDT"},"data":[["1597026383085","8533.02","8553.74","8527.17","8548.26",
#  "45247","529.5858061","5529.5858061","0"]]}
class CandleRow(Struct, array_like=True, gc=False):
    """Nine columns; seven until August 2022, without volCcyQuote and confirm."""

    ts: Ms
    o: Decimal
    h: Decimal
    l: Decimal
    c: Decimal
    vol: Decimal
    volCcy: Decimal | None
    volCcyQuote: Decimal | None = None
    confirm: Literal["0", "1"] | None = None


# {"instType":"FUTURES","instId":"LTC-USD-190628","markPx":"0.1","ts":"1597026383085"}
class MarkItem(Struct, gc=False):
    """mark-price."""

    instId: str
    markPx: Decimal
    ts: Ms | None = None


# {"instId":"BTC-USDT","idxPx":"0.1","high24h":"0.5","low24h":"0.1","open24h":"0.1","ts":"1597026383085"}
class IndexItem(Struct, gc=False):
    """index-tickers; instId is the index."""

    instId: str
    idxPx: Decimal
    ts: Ms | None = None


# {"fundingRate":"0.0001875391284828","fundingTime":"1700726400000","instId":"BTC-USD-SWAP","instType":"SWAP",
#  "method":"next_period","nextFundingRate":"0.0002608059239328","nextFundingTime":"1700755200000","ts":"1700724675402"}
class FundingItem(Struct, gc=False):
    """funding-rate: fundingRate is paid at fundingTime."""

    instId: str
    fundingRate: Decimal
    fundingTime: Ms | None = None
    nextFundingTime: Ms | None = None
    ts: Ms | None = None


# {"instType":"SWAP","instId":"LTC-USD-SWAP","oi":"5000","oiCcy":"555.55","ts":"1597026383085"}
class OpenInterestItem(Struct, gc=False):
    """open-interest: oi in contracts."""

    instId: str
    oi: Decimal
    ts: Ms | None = None


class LiquidationDetail(Struct, gc=False):
    """One order; bkPx is the bankruptcy price it was sent at."""

    side: Side
    bkPx: Decimal
    sz: Decimal
    ts: Ms | None = None


# {"instType":"SWAP","instFamily":"IOST-USDT","uly":"IOST-USDT","instId":"IOST-USDT-SWAP","details":[{"bkLoss":"0",
#  "bkPx":"0.007831","ccy":"","posSide":"short","side":"buy","sz":"13","ts":"1692266434010"}]}
class LiquidationItem(Struct, gc=False):
    """liquidation-orders, at most one per contract and second."""

    instId: str
    details: list[LiquidationDetail]


class InstrumentItem(Struct, gc=False):
    """instruments, as far as an instrument's status goes; the REST list has the rest."""

    instId: str
    state: str


# {"title":"Spot System Upgrade","state":"scheduled","begin":"1610019546","end":"1610019996","serviceType":"1",
#  "system":"unified","ts":"1610019546000"}
class MaintenanceItem(Struct, gc=False):
    """status: planned and running maintenance."""

    title: str
    state: str
    begin: Ms | None = None
    end: Ms | None = None
    ts: Ms | None = None


STATUS_OF = {
    "live": "trading", "suspend": "halted", "preopen": "preopen", "expired": "delisted",
    "test": "halted", "rebase": "halted", "settling": "settling", "post_only": "preopen",
}  # fmt: skip
STATE_OF = {"trading": "live", "halted": "suspend", "preopen": "preopen", "delisted": "expired", "settling": "settling",
            "cancel_only": "suspend"}  # fmt: skip
