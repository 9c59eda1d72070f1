"""The family's stream payloads, field for field, a real one above each. Single letters are the venue's own names.

Prices and sizes stay text here: `number.exact` makes numbers of them in less time than msgspec does. Fields in the
order of the wire are found soonest.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams
"""

from typing import Annotated

import msgspec

# Milliseconds whose nanoseconds still fit 64 bits (year 2262), and numbers that fit a database's integer.
Ms = Annotated[int, msgspec.Meta(ge=0, le=9_223_372_036_854)]
Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Levels = list[tuple[str, str]]
SPOT_OR_USDM = 1  # of `st`; 2 marks a COIN-M contract, which all-market streams of USD-M carry too


class Trade(msgspec.Struct, gc=False):
    """`<symbol>@trade`.

    {"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000",
    "T":1723161255342,"m":true,"M":true}

    USD-M adds "X":"MARKET" (a fill that was not made in the market says otherwise).
    """

    s: str
    t: Number  # trade id
    p: str  # price
    q: str  # size
    T: Ms  # trade time
    m: bool  # the buyer is the maker, so the taker sold
    X: str = "MARKET"


class AggTrade(msgspec.Struct, gc=False, kw_only=True):
    """`<symbol>@aggTrade`.

    {"e":"aggTrade","E":1633998523963,"s":"NKNUSDT","a":15683430,"p":"0.35280000","q":"58.00000000","f":19862790,
    "l":19862790,"T":1633998523963,"m":false,"M":true}
    """

    s: str
    a: Number | None = None  # aggregate id; recordings of 2019 have none
    p: str
    q: str
    f: Number  # first trade id
    l: Number  # last trade id
    T: Ms
    m: bool


class BookTicker(msgspec.Struct, gc=False):
    """`<symbol>@bookTicker`.

    {"u":499869768,"s":"NKNUSDT","b":"0.35210000","B":"672.00000000","a":"0.35260000","A":"3199.00000000"}

    USD-M adds e, T and E; spot gives no time at all.
    """

    u: Number  # update id, comparable with depth ids
    s: str
    b: str  # bid
    B: str
    a: str  # ask
    A: str
    T: Ms | None = None


class Depth(msgspec.Struct, gc=False):
    """`<symbol>@depth`.

    {"e":"depthUpdate","E":1626992741037,"T":1626992741024,"s":"SUSHIUSDT","U":600859599090,"u":600859600917,
    "pu":600859598061,"b":[["7.5040","813"],["7.6090","0"]],"a":[["7.6150","1563"]]}

    Spot has neither T nor pu. USD-M's partial books have this shape too, with the whole top in b and a.
    """

    s: str
    E: Ms
    U: Number  # first update id in the event
    u: Number  # last
    b: Levels
    a: Levels
    pu: Number | None = None  # last update id of the event before
    T: Ms | None = None


class PartialDepth(msgspec.Struct, gc=False):
    """`<symbol>@depth5`, 10 and 20 of spot.

    {"lastUpdateId":160,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}

    Spot's partial book, and the REST book of all (USD-M adds E and T): no symbol inside.
    """

    lastUpdateId: Number
    bids: Levels
    asks: Levels
    T: Ms | None = None


class KlineBody(msgspec.Struct, gc=False):
    """The `k` of a kline."""

    t: Ms  # open time
    i: str  # interval
    f: Number  # first trade id, -1 where there was no trade
    L: Number  # last trade id
    o: str
    c: str
    h: str
    l: str
    v: str  # volume
    n: Number  # number of trades
    x: bool  # closed
    q: str  # quote volume
    V: str  # volume bought by takers


class Kline(msgspec.Struct, gc=False):
    """`<symbol>@kline_1m`.

    {"e":"kline","E":1633998523963,"s":"NKNUSDT","k":{"t":1633998480000,"T":1633998539999,"s":"NKNUSDT","i":"1m",
    "f":19862761,"L":19862790,"o":"0.35270000","c":"0.35280000","h":"0.35280000","l":"0.35220000","v":"25877.00000000",
    "n":30,"x":false,"q":"9116.04600000","V":"58.00000000","Q":"20.46240000","B":"0"}}
    """

    E: Ms
    s: str
    k: KlineBody


class Ticker(msgspec.Struct, gc=False):
    """`<symbol>@ticker`.

    {"e":"24hrTicker","E":1653812650349,"s":"ETHUSDT","p":"28.23000000","P":"1.600","w":"1781.16275609",
    "x":"1764.61000000","c":"1792.84000000","Q":"0.55720000","b":"1792.83000000","B":"1.62740000","a":"1792.84000000",
    "A":"20.29140000","o":"1764.61000000","h":"1808.98000000","l":"1748.94000000","v":"471703.53110000",
    "q":"840180761.51358100","O":1653726250344,"C":1653812650344,"F":841094172,"L":841646650,"n":552479}

    USD-M has no bid and ask; the mini ticker has c, o, h, l, v and q only.
    """

    E: Ms
    s: str
    c: str  # last
    o: str | None = None
    h: str | None = None
    l: str | None = None
    v: str | None = None
    q: str | None = None
    b: str | None = None
    a: str | None = None


class MarkPrice(msgspec.Struct, gc=False):
    """`<symbol>@markPrice@1s`.

    {"e":"markPriceUpdate","E":1597536008000,"s":"BTCUSDT","p":"11857.56000000","i":"11851.86949091",
    "r":"0.00015640","T":1597564800000}

    A delivery contract has no funding: its r is "" and its T is 0.
    """

    E: Ms
    s: str
    p: str | None = None  # mark price
    i: str | None = None  # index price; recordings of 2019 have none
    r: str | None = None  # funding rate of the coming settlement
    T: Ms | None = None  # when that is


class ForceOrderBody(msgspec.Struct, gc=False):
    """The `o` of a forced order."""

    s: str
    S: str  # side of the order
    q: str
    p: str  # the order's limit
    T: Ms
    ap: str | None = None  # what it was filled at on average, 0 before any fill


class ForceOrder(msgspec.Struct, gc=False):
    """`<symbol>@forceOrder`.

    {"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014",
    "p":"9910.00000000","ap":"9910.12345678","X":"FILLED","l":"0.014","z":"0.014","T":1568014460893}}
    """

    o: ForceOrderBody


class ContractInfo(msgspec.Struct, gc=False):
    """`!contractInfo`.

    {"e":"contractInfo","E":1669356423908,"s":"IOTAUSDT","ps":"IOTAUSDT","ct":"PERPETUAL","dt":4133404800000,
    "ot":1569398400000,"cs":"TRADING","bks":[...]}
    """

    E: Ms
    s: str
    cs: str  # contract status


class OpenInterest(msgspec.Struct, gc=False):
    """Open interest, by REST.

    {"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}
    """

    symbol: str
    openInterest: str
    time: Ms | None = None


class Peek(msgspec.Struct, gc=False):
    """What a payload says of itself: enough to find who can read it."""

    e: str = ""
    s: str = ""
    st: int = SPOT_OR_USDM
    u: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # with no `e`: a spot bookTicker
    k: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # a kline's body; elsewhere other things
    E: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class PeekKline(msgspec.Struct, gc=False):
    """The interval in a kline's body."""

    i: str = ""


class Error(msgspec.Struct, gc=False):
    """A refusal, or the same under "error".

    {"code":2,"msg":"Invalid request: unknown method","id":1}
    """

    code: int
    msg: str = ""


class Envelope(msgspec.Struct, gc=False):
    """What is around a payload, or instead of one."""

    stream: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    code: int | None = None
    msg: str = ""
    error: Error | None = None
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # private streams wrap theirs so
