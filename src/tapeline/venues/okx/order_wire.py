"""OKX's private messages: the shape of each, and its words for what orders are and become. Pure.

https://www.okx.com/docs-v5/en/#order-book-trading-trade-ws-order-channel
Numbers and times are text, and "" is null, as everywhere on OKX. The same structs read REST rows and pushes, and are
what our paper exchange writes.
"""

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

Text = str | None

ALGO = "algo-"
"""Begins our name of an algo order's id (a stop, a take-profit, a trailing stop that waits): OKX counts those apart,
and a request has to say which kind of id it names."""


class Style(NamedTuple):
    """What an ordType says, in our words."""

    kind: str
    time_in_force: str = ""
    post_only: bool = False


STYLE_OF: Mapping[str, Style] = {
    "market": Style("market"),
    "limit": Style("limit", "gtc"),
    "post_only": Style("limit", "gtc", post_only=True),
    "ioc": Style("limit", "ioc"),
    "fok": Style("limit", "fok"),
    "optimal_limit_ioc": Style("market", "ioc"),
    "mmp": Style("limit", "gtc"),
    "mmp_and_post_only": Style("limit", "gtc", post_only=True),
    "op_fok": Style("limit", "fok"),
    "elp": Style("limit", "gtc", post_only=True),
    "rpi": Style("limit", "gtc", post_only=True),
}
STATE_OF: Mapping[str, str] = {
    "live": "open",
    "partially_filled": "partly_filled",
    "filled": "filled",
    "canceled": "cancelled",
    "mmp_canceled": "cancelled",
}
WORD_OF: Mapping[str, str] = {
    "open": "live", "partly_filled": "partially_filled", "cancelling": "live", "filled": "filled",
    "cancelled": "canceled", "expired": "canceled", "rejected": "canceled",
}  # fmt: skip
# An algo order that was set off goes on as the order it placed, so it is open until that one says more.
ALGO_STATE_OF: Mapping[str, str] = {
    "live": "open", "pause": "open", "partially_effective": "open", "effective": "open", "order_placed": "open",
    "filled": "filled", "canceled": "cancelled", "order_failed": "cancelled", "partially_failed": "cancelled",
}  # fmt: skip
SET_OFF = frozenset({"effective", "partially_effective", "order_placed", "filled"})
ORIGIN_OF: Mapping[str, str] = {
    "full_liquidation": "liquidation", "partial_liquidation": "liquidation", "adl": "adl", "delivery": "settlement",
}  # fmt: skip
CATEGORY_OF: Mapping[str, str] = {"liquidation": "full_liquidation", "adl": "adl", "settlement": "delivery"}
LIQUIDITY_OF: Mapping[str, str] = {"M": "maker", "T": "taker"}
EXECUTION_OF: Mapping[str, str] = {"maker": "M", "taker": "T"}
TRAILING = "move_order_stop"  # the ordType of an algo order that follows the price
MARKET_PRICE = "-1"  # ordPx of an algo order that is to take what there is


class CancelSource(NamedTuple):
    """Why the venue says an order ended: the state it is in for us, one of REASONS, and the venue's words."""

    state: str
    reason: str
    why: str


CANCEL_SOURCES: Mapping[str, CancelSource] = {
    "0": CancelSource("cancelled", "", "cancelled by the system"),
    "2": CancelSource("cancelled", "margin", "reduce-only order cancelled: the position's margin is insufficient"),
    "3": CancelSource("cancelled", "margin", "risk cancellation: maintenance margin is insufficient"),
    "6": CancelSource("cancelled", "margin", "cancelled by auto-deleveraging"),
    "7": CancelSource("cancelled", "market_closed", "the contract is delivered"),
    "9": CancelSource("cancelled", "balance", "balance is insufficient after funding"),
    "10": CancelSource("cancelled", "market_closed", "the option expired"),
    "13": CancelSource("expired", "not_fillable", "FOK order was not filled completely"),
    "14": CancelSource("expired", "not_fillable", "IOC order was not filled completely"),
    "15": CancelSource("cancelled", "price_band", "the price is beyond the limit"),
    "17": CancelSource("cancelled", "reduce_only", "the position was closed at the market"),
    "20": CancelSource("cancelled", "", "cancel-all-after was triggered"),
    "21": CancelSource("cancelled", "reduce_only", "the position had been closed"),
    "22": CancelSource("cancelled", "reduce_only", "reduce-only order with a better one in the same direction"),
    "23": CancelSource("cancelled", "reduce_only", "reduce-only order with a better one in the same direction"),
    "27": CancelSource("cancelled", "price_band", "price limit verification failed"),
    "31": CancelSource("cancelled", "would_cross", "the post-only order would take liquidity"),
    "32": CancelSource("cancelled", "", "self-trade prevention"),
    "33": CancelSource("cancelled", "not_fillable", "too many matches for one order"),
}
EVENT_REASONS: Mapping[str, str] = {
    "snapshot": "", "filled": "fill", "funding_fee": "funding", "transferred": "transfer", "interest_deduction": "fee",
}  # fmt: skip
"""Why balances changed, of balance_and_position; every other word (delivered, liquidation, ...) is an adjustment."""
ADJUSTMENT = "adjustment"
BILL_KINDS: Mapping[str, str] = {
    "1": "transfer", "6": "transfer", "7": "fee", "8": "funding", "10": "liquidation", "12": "transfer",
}  # fmt: skip
"""What a bill's type is for us; every other one that no fill explains is an adjustment."""
BILL_TYPES: Mapping[str, str] = {
    "transfer": "1", "fee": "7", "funding": "8", "liquidation": "10", "rebate": "27", "adjustment": "27",
}  # fmt: skip
LEVELS: Mapping[str, str] = {"1": "spot", "2": "futures", "3": "multi-currency", "4": "portfolio"}
"""acctLv: what kind of account it is."""


# {"arg":{"channel":"orders","instType":"FUTURES"},"data":[{"accFillSz":"0.001","algoClOrdId":"","algoId":"",
#  "amendResult":"","avgPx":"31527.1","cancelSource":"","category":"normal","clOrdId":"","code":"0",
#  "cTime":"1654084334977","execType":"M","fee":"-0.02522168","feeCcy":"USDT","fillFee":"-0.02522168",
#  "fillFeeCcy":"USDT","fillPx":"31527.1","fillSz":"0.001","fillPnl":"0.01","fillTime":"1654084353263",
#  "instId":"BTC-USDT","instType":"SPOT","msg":"","ordId":"452197707845865472","ordType":"limit","posSide":"",
#  "px":"31527.1","reduceOnly":"false","side":"sell","state":"filled","sz":"0.001","tdMode":"cash","tgtCcy":"",
#  "tradeId":"242589207","uTime":"1654084353264"}]}
class OrderItem(Struct, kw_only=True):
    """An order, of the `orders` channel and of REST. `fee` is cumulative and `fillFee` of the last fill, paid: < 0."""

    instId: str
    ordId: str
    state: str
    side: str
    instType: Text = ""
    clOrdId: Text = ""
    algoId: Text = ""
    algoClOrdId: Text = ""
    ordType: Text = ""
    px: Text = ""
    sz: Text = ""
    tgtCcy: Text = ""
    tdMode: Text = ""
    posSide: Text = ""
    reduceOnly: str | bool | None = "false"
    accFillSz: Text = ""
    avgPx: Text = ""
    tradeId: Text = ""
    fillPx: Text = ""
    fillSz: Text = ""
    fillTime: Text = ""
    fillFee: Text = ""
    fillFeeCcy: Text = ""
    fillPnl: Text = ""
    execType: Text = ""
    fee: Text = ""
    feeCcy: Text = ""
    category: Text = "normal"
    cancelSource: Text = ""
    cancelSourceReason: Text = ""
    amendResult: Text = ""
    code: Text = ""
    msg: Text = ""
    tag: Text = ""
    cTime: Text = ""
    uTime: Text = ""


# {"algoClOrdId":"STOP001BTCUSDT20250120","algoId":"706620792746729472","clOrdId":"","ordId":"","ordType":"trigger",
#  "instId":"BTC-USDT-SWAP","instType":"SWAP","state":"live","side":"sell","posSide":"long","sz":"0.01",
#  "triggerPx":"95000","triggerPxType":"last","ordPx":"-1","tdMode":"isolated","lever":"2.0","reduceOnly":"true",
#  "actualPx":"","actualSz":"0","triggerTime":"","tag":"","cTime":"1737400000000","uTime":"1737400000000"}
class AlgoItem(Struct, kw_only=True):
    """An algo order, of `orders-algo`, of `algo-advance`, which has no uTime, and of REST.

    `ordId` is the order it placed once it was set off.
    """

    algoId: str
    instId: str
    state: str
    side: str
    instType: Text = ""
    algoClOrdId: Text = ""
    ordId: Text = ""
    ordIdList: list[str] | None = None
    ordType: Text = ""
    posSide: Text = ""
    sz: Text = ""
    tgtCcy: Text = ""
    tdMode: Text = ""
    reduceOnly: str | bool | None = "false"
    triggerPx: Text = ""
    ordPx: Text = ""
    slTriggerPx: Text = ""
    slOrdPx: Text = ""
    tpTriggerPx: Text = ""
    tpOrdPx: Text = ""
    callbackRatio: Text = ""
    activePx: Text = ""
    actualSz: Text = ""
    actualPx: Text = ""
    failCode: Text = ""
    triggerTime: Text = ""
    cTime: Text = ""
    uTime: Text = ""
    pTime: Text = ""


# {"instType":"SPOT","instId":"BTC-USDT","tradeId":"123456789","ordId":"987654321","clOrdId":"client_1","billId":"1",
#  "fillPx":"42219.5","fillSz":"0.001","side":"buy","posSide":"","execType":"T","feeCcy":"USDT","fee":"-0.042219",
#  "ts":"1625097600000"}
class FillItem(Struct, kw_only=True):
    """A fill of REST, and of the `fills` channel, which has no fee and merges `count` fills under the last one's id."""

    instId: str
    tradeId: str
    fillPx: str
    fillSz: str
    side: str
    ordId: Text = ""
    clOrdId: Text = ""
    billId: Text = ""
    instType: Text = ""
    fillTime: Text = ""
    ts: Text = ""
    fee: Text = ""
    feeCcy: Text = ""
    fillPnl: Text = ""
    execType: Text = ""
    posSide: Text = ""
    count: Text = ""


# {"availBal":"4834.317093622894","availEq":"4834.3170936228935","cashBal":"4850.435693622894","ccy":"USDT",
#  "eq":"4992.890093622894","frozenBal":"158.573","ordFrozen":"0","uTime":"1705449605015","upl":"-7.545600000000006"}
class BalanceItem(Struct, kw_only=True):
    """One currency. cashBal is the wallet balance; eq has the unrealised profit in it. availBal is "" in some modes."""

    ccy: str
    cashBal: Text = ""
    eq: Text = ""
    availBal: Text = ""
    availEq: Text = ""
    frozenBal: Text = ""
    ordFrozen: Text = ""
    upl: Text = ""
    uTime: Text = ""


class AccountItem(Struct, kw_only=True):
    """An account: {"details":[...],"totalEq":"55837.43556134779","uTime":"1705474164160"}."""

    details: list[BalanceItem]
    totalEq: Text = ""
    uTime: Text = ""


# {"availPos":"1","avgPx":"2566.31","cTime":"1619507758793","ccy":"ETH","instId":"ETH-USD-210430",
#  "instType":"FUTURES","lever":"10","liqPx":"2352.8496681818233","markPx":"2353.849","mgnMode":"isolated",
#  "pos":"1","posId":"307173036051017730","posSide":"long","tradeId":"109844","uTime":"1619507761462",
#  "upl":"-0.0000009932766034","realizedPnl":"0.001","fee":"-0.0001","fundingFee":"0"}
class PositionItem(Struct, kw_only=True):
    """A position. `pos` is signed where posSide is net, and positive for a short one in hedge mode."""

    instId: str
    pos: str
    instType: Text = ""
    posId: Text = ""
    posSide: Text = ""
    mgnMode: Text = ""
    avgPx: Text = ""
    markPx: Text = ""
    upl: Text = ""
    liqPx: Text = ""
    lever: Text = ""
    ccy: Text = ""
    notionalUsd: Text = ""
    cTime: Text = ""
    uTime: Text = ""


# {"pTime":"1597026383085","eventType":"snapshot","balData":[{"ccy":"BTC","cashBal":"1","uTime":"1597026383085"}],
#  "posData":[{"posId":"1111111111","tradeId":"2","instId":"BTC-USD-191018","instType":"FUTURES","mgnMode":"cross",
#  "posSide":"long","pos":"10","ccy":"BTC","posCcy":"","avgPx":"3320","uTime":"1597026383085"}],
#  "trades":[{"instId":"BTC-USDT-SWAP","tradeId":"2"}]}
class BalanceAndPosition(Struct, kw_only=True):
    """balance_and_position: what changed at once, and why."""

    eventType: str = ""
    balData: list[BalanceItem] = []
    posData: list[PositionItem] = []


# {"bal":"8694.2179403378290202","balChg":"0.0219338232210000","billId":"623950854533513219","ccy":"USDT",
#  "fee":"-0.000021955779","instId":"BTC-USDT","instType":"SPOT","mgnMode":"isolated","pnl":"0","subType":"1",
#  "tradeId":"586760148","ts":"1695033476167","type":"2"}
class BillItem(Struct, kw_only=True):
    """A change of balance. One with a tradeId is explained by that fill. In isolated margin only pnl tells."""

    billId: str
    ccy: str
    type: str
    balChg: Text = ""
    pnl: Text = ""
    instId: Text = ""
    instType: Text = ""
    subType: Text = ""
    tradeId: Text = ""
    bal: Text = ""
    ts: Text = ""


# {"acctLv":"2","posMode":"net_mode","uid":"44705892343619584","label":"v5 test","perm":"read_only,withdraw,trade"}
class ConfigItem(Struct, kw_only=True):
    """How an account is set up."""

    acctLv: str
    posMode: str
    perm: Text = "read_only,trade"
    uid: Text = "44705892343619584"
    mainUid: Text = "44705892343619584"
    ip: Text = ""
    label: Text = ""


# {"clOrdId":"oktswap6","ordId":"312269865356374016","tag":"","ts":"1695190491421","sCode":"0","sMsg":""}
class Outcome(Struct, kw_only=True):
    """What became of one of the orders a request named; sCode "0" is a yes."""

    sCode: str
    sMsg: Text = ""
    ordId: Text = ""
    clOrdId: Text = ""
    algoId: Text = ""
    algoClOrdId: Text = ""
    ts: Text = ""
