"""Private payloads, field for field, a real one above each. Single letters are the venue's own names.

https://developers.binance.com/docs/binance-spot-api-docs/user-data-stream
https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams
"""

from typing import Literal

import msgspec

from tapeline.venues.binance.wire import Ms, Number

Side = Literal["BUY", "SELL"]
PositionSide = Literal["BOTH", "LONG", "SHORT"]


class Wrapped(msgspec.Struct, gc=False):
    """What is around a payload, or an answer, or instead of both: the payload itself.

    {"subscriptionId":0,"event":{...}}; {"stream":"...","data":{...}}; {"id":"1","status":200,"result":{...}}
    """

    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: int | str | msgspec.UnsetType | None = msgspec.UNSET
    status: int = 0
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class Name(msgspec.Struct, gc=False):
    """The name of a payload."""

    e: str = ""


# ---- spot -------------------------------------------------------------------------------------------------------


class ExecutionReport(msgspec.Struct, gc=False):
    """An order, or a fill of it.

    {"e":"executionReport","E":1709654401000,"s":"ETHUSDT","c":"x-TD67BGP9-T0000000000000","S":"BUY","o":"LIMIT",
    "f":"GTC","q":"1.00000000","p":"2500.00000000","P":"0.00000000","x":"TRADE","X":"FILLED","r":"NONE","i":12345678,
    "l":"1.00000000","z":"1.00000000","L":"2500.00000000","n":"0.00100000","N":"ETH","T":1709654401000,"t":98765432,
    "w":false,"m":true,"O":1709654400000,"Z":"2500.00000000","C":""}
    """

    s: str
    c: str  # client order id; of the cancel request where one was cancelled
    S: Side
    o: str  # type
    f: str  # time in force
    q: str  # size
    p: str  # limit price
    x: str  # what happened
    X: str  # status
    i: Number  # order id
    z: str  # filled
    T: Ms  # transaction time
    C: str = ""  # the order's own client id where it was cancelled or amended
    P: str = "0"  # stop price
    d: int | None = None  # trailing delta, in hundredths of a percent
    r: str = "NONE"  # why it was rejected
    eR: str = ""  # why it expired
    l: str = "0"  # of this fill: size
    L: str = "0"  # price
    n: str | None = None  # fee
    N: str | None = None  # of this currency
    t: Number = -1  # trade id, -1 where this is no fill
    m: bool = False  # filled as a maker
    Z: str = "0"  # value of all that is filled
    W: int | None = None  # since when it works; absent where it waits for a price
    g: Number = -1  # of this order list


class SpotBalance(msgspec.Struct, gc=False):
    """One of `B` of an account position."""

    a: str
    f: str  # free
    l: str  # locked


class ListedOrder(msgspec.Struct, gc=False):
    """One of `O` of a list."""

    c: str
    i: Number


class ListStatus(msgspec.Struct, gc=False):
    """An order list.

    {"e":"listStatus","E":1564035303637,"s":"ETHBTC","g":2,"c":"OCO","l":"EXEC_STARTED","L":"EXECUTING","r":"NONE",
    "C":"F4QN4G8DlFATFlIUQ0cjdD","T":1564035303625,"O":[{"s":"ETHBTC","i":17,"c":"AJYsMjErWJesZvqlJCTUgL"}, ...]}
    """

    s: str
    g: Number  # its id
    c: str  # OCO | OTO
    L: str  # how it stands
    C: str  # its client id
    T: Ms
    r: str = "NONE"  # why it was refused
    O: list[ListedOrder] = []


class AccountPosition(msgspec.Struct, gc=False):
    """Balances that may have changed.

    {"e":"outboundAccountPosition","E":1564034571105,"u":1564034571073,"B":[{"a":"ETH","f":"10000.000000",
    "l":"0.000000"}]}
    """

    u: Ms
    B: list[SpotBalance]


class BalanceUpdate(msgspec.Struct, gc=False):
    """A deposit, a withdrawal, a transfer.

    {"e":"balanceUpdate","E":1573200697110,"a":"BTC","d":"100.00000000","T":1573200697068}
    """

    a: str
    d: str  # change
    T: Ms


class StreamTerminated(msgspec.Struct, gc=False):
    """The subscription has ended: {"e":"eventStreamTerminated","E":1728973001334}."""

    E: Ms | None = None


# ---- USD-M ------------------------------------------------------------------------------------------------------


class OrderBody(msgspec.Struct, gc=False):
    """The `o` of an order update."""

    s: str
    c: str
    S: Side
    o: str  # type now
    f: str
    q: str
    p: str
    x: str
    X: str
    i: Number
    z: str
    T: Ms
    sp: str | None = None  # stop price
    ap: str | None = None  # average price
    l: str = "0"
    L: str = "0"
    n: str | None = None
    N: str | None = None
    t: Number = 0  # trade id, 0 where this is no fill
    m: bool = False
    R: bool = False  # reduce only
    ot: str = ""  # type as it was placed
    ps: PositionSide = "BOTH"
    rp: str | None = None  # realised profit of this fill
    er: str | int = 0  # why it expired


class OrderTradeUpdate(msgspec.Struct, gc=False):
    """An order, or a fill of it.

    {"e":"ORDER_TRADE_UPDATE","T":1568879465651,"E":1568879465651,"o":{"s":"BTCUSDT","c":"settlement_autoclose-9999",
    "S":"SELL","o":"LIMIT","f":"IOC","q":"0.010","p":"50000.00","ap":"50000.00","sp":"0","x":"TRADE","X":"FILLED",
    "i":8887002,"l":"0.010","z":"0.010","L":"50000.00","N":"USDT","n":"0.25000000","T":1568879465651,"t":12346002,
    "b":"0","a":"0","m":false,"R":true,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"LONG","cp":false,"AP":"0","cr":"0",
    "pP":false,"si":0,"ss":0,"rp":"-10.00","V":"NONE"}}
    """

    T: Ms
    o: OrderBody


class AlgoBody(msgspec.Struct, gc=False):
    """The `o` of a conditional order."""

    caid: str  # client id
    aid: Number  # id
    o: str
    s: str
    S: Side
    f: str
    q: str
    X: str
    ps: PositionSide = "BOTH"
    ai: str | int = ""  # id of the order it became
    ap: str | None = None
    aq: str | None = None  # of which so much is filled
    tp: str | None = None  # trigger price
    p: str | None = None
    R: bool = False
    rm: str = ""  # why it failed


class AlgoUpdate(msgspec.Struct, gc=False):
    """A conditional order.

    {"e":"ALGO_UPDATE","T":1750515742297,"E":1750515742303,"o":{"caid":"Q5xaq5EGKgXXa0fD7fs0Ip","aid":2148719,
    "at":"CONDITIONAL","o":"TAKE_PROFIT","s":"BNBUSDT","S":"SELL","ps":"BOTH","f":"GTC","q":"0.01","X":"CANCELED",
    "ai":"","ap":"0.00000","aq":"0.00000","act":"0","tp":"750","p":"750","V":"EXPIRE_MAKER","wt":"CONTRACT_PRICE",
    "pm":"NONE","cp":false,"pP":false,"R":false,"tt":0,"gtd":0}}
    """

    T: Ms
    o: AlgoBody


class TriggerReject(msgspec.Struct, gc=False):
    """The `or` of a conditional order that was triggered in vain."""

    s: str
    i: Number
    r: str


class ConditionalReject(msgspec.Struct, gc=False):
    """A triggered order that was refused.

    {"e":"CONDITIONAL_ORDER_TRIGGER_REJECT","E":1685517224945,"T":1685517224955,"or":{"s":"ETHUSDT","i":155618472834,
    "r":"Due to the order could not be filled immediately, the FOK order has been rejected..."}}
    """

    T: Ms
    refused: TriggerReject = msgspec.field(name="or")


class UsdmBalance(msgspec.Struct, gc=False):
    """One of `B` of an account update."""

    a: str
    wb: str  # wallet balance
    bc: str = "0"  # changed by so much, profit and fees apart


class UsdmPosition(msgspec.Struct, gc=False):
    """One of `P` of an account update."""

    s: str
    pa: str  # size, signed
    ep: str | None = None  # entry price
    up: str | None = None  # unrealised profit
    mt: str = ""
    ps: PositionSide = "BOTH"


class AccountBody(msgspec.Struct, gc=False):
    """The `a` of an account update."""

    m: str  # reason
    B: list[UsdmBalance] = []
    P: list[UsdmPosition] = []
    S: str = ""  # of a funding fee: the symbol


class AccountUpdate(msgspec.Struct, gc=False):
    """Balances and positions that changed.

    {"e":"ACCOUNT_UPDATE","E":1564745798939,"T":1564745798938,"a":{"m":"ORDER","B":[{"a":"USDT","wb":"122624.12345678",
    "cw":"100.12345678","bc":"50.12345678"}],"P":[{"s":"BTCUSDT","pa":"-10","ep":"6563.86000","bep":"6563.6",
    "cr":"-45.04000000","up":"-1423.15600","mt":"isolated","iw":"6570.42511771","ps":"SHORT"}]}}
    """

    T: Ms
    a: AccountBody


class CalledPosition(msgspec.Struct, gc=False):
    """One of `p` of a margin call."""

    s: str
    pa: str
    ps: PositionSide = "BOTH"
    mt: str = ""
    mp: str | None = None  # mark price
    up: str | None = None


class MarginCall(msgspec.Struct, gc=False):
    """Positions that come near liquidation.

    {"e":"MARGIN_CALL","E":1587727187525,"cw":"3.16812045","p":[{"s":"ETHUSDT","ps":"LONG","pa":"1.327","mt":"CROSSED",
    "iw":"0","mp":"187.17127","up":"-1.166074","mm":"1.614445"}]}
    """

    E: Ms
    p: list[CalledPosition]


class ListenKeyExpired(msgspec.Struct, gc=False):
    """The key of the stream has expired.

    {"e":"listenKeyExpired","E":1736996475556,"listenKey":"WsCMN0a4KHUPTQuX6IUnqEZfB1inxmv1qR4kbf1LuEjur5VdbzqvyxqG9TSjVVxv"}
    """

    E: Ms
    listenKey: str = ""
