"""REST answers of spot that tell of orders, fills and balances.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/trading-endpoints
https://developers.binance.com/docs/binance-spot-api-docs/rest-api/account-endpoints
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tapeline.errors import BadData
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate
from tapeline.model.number import EXACT, ZERO, number
from tapeline.venues.binance.orders.stream_spot import kind_of
from tapeline.venues.binance.orders.wire import Side
from tapeline.venues.binance.orders.words import (
    MS_NS,
    POST_ONLY,
    SIDES,
    STATES,
    TIMES,
    TRIGGERED,
    filled_state,
    list_id,
    mean,
    origin_of,
    some,
)
from tapeline.venues.binance.wire import Ms, Number


class OrderFill(msgspec.Struct, gc=False):
    """A fill in the answer to a new order.

    {"price":"4000.00000000","qty":"1.00000000","commission":"4.00000000","commissionAsset":"USDT","tradeId":56}
    """

    price: str
    qty: str
    commission: str
    commissionAsset: str
    tradeId: Number = -1


class SpotOrder(msgspec.Struct, gc=False):
    """An order.

    {"symbol":"LTCBTC","orderId":1,"orderListId":-1,"clientOrderId":"myOrder1","price":"0.1","origQty":"1.0",
    "executedQty":"0.0","cummulativeQuoteQty":"0.0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY",
    "stopPrice":"0.0","icebergQty":"0.0","time":1499827319559,"updateTime":1499827319559,"isWorking":true,
    "workingTime":1499827319559,"origQuoteOrderQty":"0.000000","selfTradePreventionMode":"NONE"}

    Of a cancel, `clientOrderId` is the cancel's and `origClientOrderId` the order's; an amend spells sizes `qty`.
    """

    symbol: str
    orderId: Number
    orderListId: Number = -1
    clientOrderId: str = ""
    origClientOrderId: str = ""
    price: str | None = None
    origQty: str | None = None
    qty: str | None = None
    executedQty: str | None = None
    cummulativeQuoteQty: str | None = None
    cumulativeQuoteQty: str | None = None
    status: str = "NEW"  # an acknowledgement says none
    timeInForce: str = ""
    type: str = ""
    side: Side | None = None
    stopPrice: str | None = None
    trailingDelta: int | None = None
    transactTime: Ms | None = None
    updateTime: Ms | None = None
    time: Ms | None = None
    workingTime: int | None = None  # -1 where it waits for a price
    fills: list[OrderFill] = []


class Amended(msgspec.Struct, gc=False):
    """An order made smaller.

    {"transactTime":1684804350068,"executionId":1234567890123456789,"amendedOrder":{"symbol":"BTCUSDT",...}}
    """

    amendedOrder: SpotOrder
    transactTime: Ms | None = None


class SpotTrade(msgspec.Struct, gc=False):
    """A fill of ours.

    {"symbol":"BNBBTC","id":28457,"orderId":100234,"orderListId":-1,"price":"4.00000100","qty":"12.00000000",
    "quoteQty":"48.000012","commission":"10.10000000","commissionAsset":"BNB","time":1499865549590,"isBuyer":true,
    "isMaker":false,"isBestMatch":true}
    """

    symbol: str
    id: Number
    orderId: Number
    price: str
    qty: str
    commission: str
    commissionAsset: str
    time: Ms
    isBuyer: bool
    isMaker: bool


class SpotAsset(msgspec.Struct, gc=False):
    """A balance: {"asset":"BTC","free":"4723846.89208129","locked":"0.00000000"}."""

    asset: str
    free: str
    locked: str


class SpotAccount(msgspec.Struct, gc=False):
    """The account.

    {"makerCommission":15,...,"canTrade":true,"canWithdraw":true,"canDeposit":true,...,"updateTime":123456789,
    "accountType":"SPOT","balances":[{"asset":"BTC","free":"4723846.89208129","locked":"0.00000000"}],
    "permissions":["SPOT"],"uid":354937868}
    """

    balances: list[SpotAsset]
    canTrade: bool
    accountType: str = ""
    updateTime: Ms | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Who was told so, and when: what every event of an answer says first."""

    venue: str
    account: str
    ids: Mapping[str, str]
    received_ns: int

    def id_of(self, native: str) -> str:
        """The instrument's id; one that is on no list goes by the venue's own name."""
        return self.ids.get(native, f"{self.venue}:{native}")


def order_update(row: SpotOrder, told: Told, at_ms: int | None = None) -> OrderUpdate:
    """The order as REST tells it."""
    filled, size = number(row.executedQty) or ZERO, some(row.origQty or row.qty)
    client_id = row.origClientOrderId or row.clientOrderId
    value = number(row.cummulativeQuoteQty or row.cumulativeQuoteQty) or ZERO
    kind = kind_of(row.type, row.trailingDelta)
    return OrderUpdate(
        told.id_of(row.symbol), "orders", stamp(row.transactTime or row.updateTime or row.time or at_ms),
        told.received_ns, "rest", told.account, client_id=client_id, venue_id=str(row.orderId),
        state=filled_state(STATES.get(row.status, ""), filled, size), side=SIDES.get(row.side or "", ""),
        kind=kind, size=size, price=some(row.price), stop_price=some(row.stopPrice),
        filled=filled, average=mean(value, filled), time_in_force=TIMES.get(row.timeInForce, row.timeInForce.lower()),
        post_only=row.type in POST_ONLY,
        triggered=kind in TRIGGERED and (bool(filled) or (row.workingTime or -1) > 0), origin=origin_of(client_id),
        list_id=list_id(row.orderListId),
    )  # fmt: skip


def placed(row: SpotOrder, told: Told) -> Iterator[Fill | OrderUpdate]:
    """A new order, its fills first. What fills at once takes."""
    order = order_update(row, told)
    for each in row.fills:
        price, size = some(each.price), some(each.qty)
        if each.tradeId > 0 and price is not None and size is not None:
            yield Fill(
                order.instrument, "fills", order.at_ns, told.received_ns, "rest", told.account, id=str(each.tradeId),
                client_id=order.client_id, venue_id=order.venue_id, side=order.side, price=price, size=size,
                fee=number(each.commission), fee_currency=each.commissionAsset, liquidity="taker",
                origin=order.origin,
            )  # fmt: skip
    yield order


def fill(row: SpotTrade, told: Told, client_id: str) -> Fill:
    """A fill; the venue names its order by the venue's own id only."""
    price, size = number(row.price), number(row.qty)
    if price is None or size is None:
        raise BadData(f"{told.venue}: fill {row.id} without price or size", kind="bad_number")
    return Fill(
        told.id_of(row.symbol), "fills", row.time * MS_NS, told.received_ns, "rest", told.account, id=str(row.id),
        client_id=client_id, venue_id=str(row.orderId), side="buy" if row.isBuyer else "sell", price=price, size=size,
        fee=number(row.commission), fee_currency=row.commissionAsset, liquidity="maker" if row.isMaker else "taker",
    )  # fmt: skip


def balances(account: SpotAccount, told: Told) -> Sequence[Balance]:
    """All that is held of each currency."""
    at_ns = stamp(account.updateTime)
    found = []
    for each in account.balances:
        free, locked = number(each.free), number(each.locked)
        if free is None or locked is None:
            raise BadData(f"{told.venue}: a balance of {each.asset} without a number", kind="bad_number")
        found.append(
            Balance(
                None, "balances", at_ns, told.received_ns, "rest", told.account, currency=each.asset,
                total=EXACT.add(free, locked), free=free, locked=locked,
            )
        )  # fmt: skip
    return found


def mode(account: SpotAccount, told: Told) -> AccountMode:
    """Whether it may trade."""
    at_ns = stamp(account.updateTime)
    return AccountMode(
        None, "account", at_ns, told.received_ns, "rest", told.account, may_trade=account.canTrade,
        level=account.accountType,
    )  # fmt: skip


def stamp(at_ms: int | None) -> int | None:
    """Nanoseconds; None where the venue says no time."""
    return None if not at_ms else at_ms * MS_NS
