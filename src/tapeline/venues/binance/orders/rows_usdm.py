"""REST answers of USD-M futures that tell of orders, fills, balances, positions and payments.

https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api
https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api
"""

from collections.abc import Mapping

import msgspec

from tapeline.errors import BadData
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.number import ZERO, number
from tapeline.venues.binance.orders.rows_spot import Told, stamp
from tapeline.venues.binance.orders.wire import PositionSide, Side
from tapeline.venues.binance.orders.words import (
    ALGO,
    ALGO_STATES,
    CONDITIONAL,
    MS_NS,
    POSITIONS,
    POST_ONLY,
    SIDES,
    STATES,
    TIMES,
    USDM_KINDS,
    filled_state,
    origin_of,
    some,
)
from tapeline.venues.binance.wire import Ms, Number

INCOME: Mapping[str, str] = {
    "FUNDING_FEE": "funding", "TRANSFER": "transfer", "INTERNAL_TRANSFER": "transfer",
    "CROSS_COLLATERAL_TRANSFER": "transfer", "COIN_SWAP_DEPOSIT": "transfer", "COIN_SWAP_WITHDRAW": "transfer",
    "STRATEGY_UMFUTURES_TRANSFER": "transfer", "COMMISSION_REBATE": "rebate", "API_REBATE": "rebate",
    "REFERRAL_KICKBACK": "rebate", "FEE_RETURN": "rebate", "INSURANCE_CLEAR": "liquidation",
}  # fmt: skip
"""Why a balance changed, to ours; what is not here is an adjustment."""
FROM_FILLS = frozenset({"REALIZED_PNL", "COMMISSION"})  # fills say it


class UsdmOrder(msgspec.Struct, gc=False):
    """An order.

    {"avgPrice":"0.00000","clientOrderId":"abc","cumQuote":"0","executedQty":"0","orderId":1917641,"origQty":"0.40",
    "origType":"TRAILING_STOP_MARKET","price":"0","reduceOnly":false,"side":"BUY","positionSide":"SHORT",
    "status":"NEW","stopPrice":"9300","closePosition":false,"symbol":"BTCUSDT","time":1579276756075,
    "timeInForce":"GTC","type":"TRAILING_STOP_MARKET","activatePrice":"9020","priceRate":"0.3",
    "updateTime":1579276756075,"workingType":"CONTRACT_PRICE","priceProtect":false}
    """

    symbol: str
    orderId: Number
    clientOrderId: str
    side: Side
    status: str = "NEW"
    price: str | None = None
    avgPrice: str | None = None
    origQty: str | None = None
    executedQty: str | None = None
    timeInForce: str = ""
    type: str = ""
    origType: str = ""
    reduceOnly: bool = False
    positionSide: PositionSide = "BOTH"
    stopPrice: str | None = None
    updateTime: Ms | None = None
    time: Ms | None = None


class AlgoOrder(msgspec.Struct, gc=False):
    """A conditional order.

    {"algoId":2146760,"clientAlgoId":"6B2I9XVcJpCjqPAJ4YoFX7","algoType":"CONDITIONAL","orderType":"TAKE_PROFIT",
    "symbol":"BNBUSDT","side":"SELL","positionSide":"BOTH","timeInForce":"GTC","quantity":"0.01","algoStatus":"NEW",
    "triggerPrice":"750.000","price":"750.000","icebergQuantity":null,...,"reduceOnly":false,"activatePrice":"",
    "callbackRate":"","createTime":1750485492076,"updateTime":1750485492076,"triggerTime":0,"goodTillDate":0}

    A cancel may be answered by {"algoId":2146760,"clientAlgoId":"...","code":"200","msg":"success"} alone.
    """

    algoId: Number
    clientAlgoId: str = ""
    symbol: str = ""
    side: Side | None = None
    orderType: str = ""
    type: str = ""
    positionSide: PositionSide = "BOTH"
    timeInForce: str = ""
    quantity: str | None = None
    algoStatus: str = ""
    triggerPrice: str | None = None
    price: str | None = None
    actualOrderId: str | int | None = None
    actualPrice: str | None = None
    actualQty: str | None = None
    reduceOnly: bool = False
    updateTime: Ms | None = None
    createTime: Ms | None = None


class UsdmTrade(msgspec.Struct, gc=False):
    """A fill of ours.

    {"buyer":false,"commission":"-0.07819010","commissionAsset":"USDT","id":698759,"maker":false,"orderId":25851813,
    "price":"7819.01","qty":"0.002","quoteQty":"15.63802","realizedPnl":"-0.91539999","side":"SELL",
    "positionSide":"SHORT","symbol":"BTCUSDT","time":1569514978020}
    """

    symbol: str
    id: Number
    orderId: Number
    side: Side
    price: str
    qty: str
    time: Ms
    commission: str | None = None
    commissionAsset: str = ""
    realizedPnl: str | None = None
    positionSide: PositionSide = "BOTH"
    maker: bool = False


class UsdmBalance(msgspec.Struct, gc=False):
    """A balance.

    {"accountAlias":"SgsR","asset":"USDT","balance":"122607.35137903","crossWalletBalance":"23.72469206",
    "crossUnPnl":"0.00000000","availableBalance":"23.72469206","maxWithdrawAmount":"23.72469206",
    "marginAvailable":true,"updateTime":1617939110373}
    """

    asset: str
    balance: str
    availableBalance: str | None = None
    updateTime: Ms | None = None


class UsdmRisk(msgspec.Struct, gc=False):
    """A position.

    {"symbol":"BTCUSDT","positionAmt":"0.001","entryPrice":"22185.2","breakEvenPrice":"0.0",
    "markPrice":"21123.05052574","unRealizedProfit":"-1.06214947","liquidationPrice":"19731.45529116","leverage":"4",
    "maxNotionalValue":"100000000","marginType":"cross","isolatedMargin":"0.00000000","isAutoAddMargin":"false",
    "positionSide":"LONG","notional":"21.12305052","isolatedWallet":"0","updateTime":1655217461579}
    """

    symbol: str
    positionAmt: str
    positionSide: PositionSide = "BOTH"
    entryPrice: str | None = None
    markPrice: str | None = None
    unRealizedProfit: str | None = None
    unrealizedProfit: str | None = None  # on the WebSocket API
    liquidationPrice: str | None = None
    leverage: str | None = None
    marginType: str = ""
    isolatedMargin: str | None = None
    updateTime: Ms | None = None


class Income(msgspec.Struct, gc=False):
    """A change of a balance.

    {"symbol":"","incomeType":"TRANSFER","income":"-0.37500000","asset":"USDT","info":"TRANSFER","time":1570608000000,
    "tranId":"9689322392","tradeId":""}
    """

    incomeType: str
    income: str
    asset: str
    time: Ms
    symbol: str = ""
    tranId: str | int = ""


class AccountConfig(msgspec.Struct, gc=False):
    """How the account is set up.

    {"feeTier":0,"canTrade":true,"canDeposit":true,"canWithdraw":true,"dualSidePosition":true,"updateTime":0,
    "multiAssetsMargin":false,"tradeGroupId":-1}
    """

    canTrade: bool
    dualSidePosition: bool
    multiAssetsMargin: bool = False


class NewKey(msgspec.Struct, gc=False):
    """{"listenKey":"pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"}."""

    listenKey: str


def order_update(row: UsdmOrder, told: Told) -> OrderUpdate:
    """The order as REST tells it."""
    filled, size = number(row.executedQty) or ZERO, some(row.origQty)
    kind = row.origType or row.type
    return OrderUpdate(
        told.id_of(row.symbol), "orders", stamp(row.updateTime or row.time), told.received_ns, "rest", told.account,
        client_id=row.clientOrderId, venue_id=str(row.orderId),
        state=filled_state(STATES.get(row.status, ""), filled, size), side=SIDES[row.side],
        kind=USDM_KINDS.get(kind, kind.lower()), size=size, price=some(row.price), stop_price=some(row.stopPrice),
        filled=filled, average=some(row.avgPrice), time_in_force=TIMES.get(row.timeInForce, row.timeInForce.lower()),
        post_only=row.timeInForce in POST_ONLY, reduce_only=row.reduceOnly, position=POSITIONS[row.positionSide],
        triggered=kind in CONDITIONAL and row.type != kind, origin=origin_of(row.clientOrderId),
    )  # fmt: skip


def algo_update(row: AlgoOrder, told: Told, *, otherwise: str = "open") -> OrderUpdate:
    """A conditional order, by the id of the order it became once it has one. `otherwise`: where no state is told."""
    filled, size, kind = number(row.actualQty) or ZERO, some(row.quantity), row.orderType or row.type
    state = ALGO_STATES.get(row.algoStatus, "") if row.algoStatus else otherwise
    if not state:
        state = "filled" if size is not None and filled >= size else "cancelled"
    became = "" if row.actualOrderId is None else str(row.actualOrderId)
    return OrderUpdate(
        told.id_of(row.symbol) if row.symbol else None, "orders", stamp(row.updateTime or row.createTime),
        told.received_ns, "rest", told.account, client_id=row.clientAlgoId,
        venue_id=became or f"{ALGO}{row.algoId}", state=state, side=SIDES.get(row.side or "", ""),
        kind=USDM_KINDS.get(kind, kind.lower()), size=size, price=some(row.price), stop_price=some(row.triggerPrice),
        filled=filled, average=some(row.actualPrice) if filled else None,
        time_in_force=TIMES.get(row.timeInForce, row.timeInForce.lower()), post_only=row.timeInForce in POST_ONLY,
        reduce_only=row.reduceOnly, position=POSITIONS[row.positionSide], triggered=bool(became),
    )  # fmt: skip


def fill(row: UsdmTrade, told: Told, client_id: str) -> Fill:
    """A fill; the venue names its order by the venue's own id only."""
    price, size = number(row.price), number(row.qty)
    if price is None or size is None:
        raise BadData(f"{told.venue}: fill {row.id} without price or size", kind="bad_number")
    return Fill(
        told.id_of(row.symbol), "fills", row.time * MS_NS, told.received_ns, "rest", told.account, id=str(row.id),
        client_id=client_id, venue_id=str(row.orderId), side=SIDES[row.side], price=price, size=size,
        fee=number(row.commission), fee_currency=row.commissionAsset, liquidity="maker" if row.maker else "taker",
        realised=number(row.realizedPnl), position=POSITIONS[row.positionSide],
    )  # fmt: skip


def balance(row: UsdmBalance, told: Told) -> Balance:
    """What is held of a currency, without unrealised profit."""
    return Balance(
        None, "balances", stamp(row.updateTime), told.received_ns, "rest", told.account, currency=row.asset,
        total=number(row.balance), free=number(row.availableBalance),
    )  # fmt: skip


def position(row: UsdmRisk, told: Told) -> Position:
    """A position, negative where it is short."""
    size = number(row.positionAmt) or ZERO
    if row.positionSide == "SHORT":
        size = -abs(size)
    isolated = row.marginType.lower() == "isolated" or some(row.isolatedMargin) is not None
    return Position(
        told.id_of(row.symbol), "positions", stamp(row.updateTime), told.received_ns, "rest", told.account, size=size,
        position=POSITIONS[row.positionSide], entry_price=some(row.entryPrice), mark_price=some(row.markPrice),
        unrealised=number(row.unRealizedProfit or row.unrealizedProfit), liquidation_price=some(row.liquidationPrice),
        leverage=number(row.leverage), margin_mode="isolated" if isolated else "cross",
    )  # fmt: skip


def payment(row: Income, told: Told) -> Payment | None:
    """A change that no fill explains; None for one that a fill does. Ids are unique within a type."""
    amount = number(row.income)
    if row.incomeType in FROM_FILLS or amount is None:
        return None
    return Payment(
        told.id_of(row.symbol) if row.symbol else None, "payments", row.time * MS_NS, told.received_ns, "rest",
        told.account, id=f"{row.incomeType}-{row.tranId}", currency=row.asset, amount=amount,
        kind=INCOME.get(row.incomeType, "adjustment"),
    )  # fmt: skip


def mode(row: AccountConfig, told: Told) -> AccountMode:
    """One-way or hedge mode, and whether the account may trade."""
    return AccountMode(
        None, "account", None, told.received_ns, "rest", told.account, hedge=row.dualSidePosition,
        may_trade=row.canTrade, level="multi-assets" if row.multiAssetsMargin else "single-asset",
    )  # fmt: skip
