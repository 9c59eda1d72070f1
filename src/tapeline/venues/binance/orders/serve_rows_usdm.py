"""The venue's own side: the bodies that answer order calls of USD-M futures. The inverse of `rows_usdm`."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.number import EXACT, ZERO
from tapeline.venues.binance.encode import ms
from tapeline.venues.binance.orders.serve_read import ACCOUNT, ALGO_PART, DUAL
from tapeline.venues.binance.orders.serve_rows import (
    Natives,
    Row,
    Writer,
    key_row,
    native_of,
    number_of,
    of_kind,
    side,
    subject,
    text,
    value_of,
    waits,
)
from tapeline.venues.binance.orders.words import PRICED, SIDES_OF, STATUSES, TRIGGERED, USDM_TYPES, client_id_of
from tapeline.venues.orders import OrderAnswer, OrderAsk

INCOME: Mapping[str, str] = {
    "funding": "FUNDING_FEE", "transfer": "TRANSFER", "rebate": "COMMISSION_REBATE", "liquidation": "INSURANCE_CLEAR",
    "fee": "COMMISSION", "adjustment": "AUTO_EXCHANGE",
}  # fmt: skip
ALGO_STATUSES: Mapping[str, str] = {
    "submitted": "NEW", "open": "NEW", "cancelling": "NEW", "partly_filled": "TRIGGERED", "filled": "FINISHED",
    "cancelled": "CANCELED", "expired": "EXPIRED", "rejected": "REJECTED",
}  # fmt: skip
COUNTED = "USDT"
MODES = {"isolated": "isolated", "cross": "cross", "": "cross"}


def usdm_answer(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> bytes:
    """The body for what was asked."""
    return msgspec.json.encode(_USDM[ask.call](natives, ask, events, now_ns) if ask.call in _USDM else {})


def time_in_force(order: OrderUpdate) -> str:
    """The venue's word; a post-only order is a time in force of its own."""
    return "GTX" if order.post_only else (order.time_in_force or "gtc").upper()


def usdm_order(order: OrderUpdate, natives: Natives, now_ns: int) -> Row:
    """An order that rests or has filled."""
    at_ms, type_ = ms(order.at_ns) or ms(now_ns), USDM_TYPES.get(order.kind, order.kind.upper())
    became = type_ if order.kind not in TRIGGERED else "LIMIT" if order.kind in PRICED else "MARKET"
    return {
        "orderId": number_of(order.venue_id), "symbol": native_of(order.instrument, natives),
        "status": STATUSES.get(order.state, "NEW"), "price": text(order.price),
        "clientOrderId": client_id_of(order.client_id, order.venue_id, order.origin),
        "avgPrice": text(order.average), "origQty": text(order.size), "executedQty": text(order.filled),
        "cumQty": text(order.filled), "cumQuote": text(value_of(order)), "timeInForce": time_in_force(order),
        "type": became, "reduceOnly": order.reduce_only, "closePosition": False, "side": side(order.side),
        "positionSide": SIDES_OF[order.position], "stopPrice": text(order.stop_price),
        "workingType": "CONTRACT_PRICE", "priceProtect": False, "origType": type_, "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER", "goodTillDate": 0, "time": at_ms, "updateTime": at_ms,
    }  # fmt: skip


def algo_order(order: OrderUpdate, natives: Natives, now_ns: int) -> Row:
    """A conditional order. Once something is filled it has become an ordinary one, of the same number."""
    at_ms, number = ms(order.at_ns) or ms(now_ns), number_of(order.venue_id)
    status = ALGO_STATUSES.get(order.state, "NEW")
    if not waits(order):
        status = "FINISHED" if order.state in {"filled", "cancelled", "expired"} else "TRIGGERED"
    return {
        "algoId": number, "clientAlgoId": order.client_id, "algoType": "CONDITIONAL",
        "orderType": USDM_TYPES.get(order.kind, order.kind.upper()), "symbol": native_of(order.instrument, natives),
        "side": side(order.side), "positionSide": SIDES_OF[order.position], "timeInForce": time_in_force(order),
        "quantity": text(order.size), "algoStatus": status, "actualOrderId": "" if waits(order) else str(number),
        "actualPrice": text(order.average), "actualQty": text(order.filled), "triggerPrice": text(order.stop_price),
        "price": text(order.price), "icebergQuantity": None, "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "CONTRACT_PRICE", "priceMatch": "NONE", "closePosition": False, "priceProtect": False,
        "reduceOnly": order.reduce_only, "activatePrice": "", "callbackRate": "", "createTime": at_ms,
        "updateTime": at_ms, "triggerTime": 0, "goodTillDate": 0,
    }  # fmt: skip


def _one(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Row:
    order = subject(ask, events)
    if order is None:
        return {}
    algo = ask.part == ALGO_PART or (ask.intent is not None and ask.intent.kind in TRIGGERED)
    return (algo_order if algo else usdm_order)(order, natives, now_ns)


def _list(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> list[Row]:
    """Orders, or conditional orders: those that still wait."""
    algo = ask.part == ALGO_PART
    wanted = [one for one in of_kind(events, OrderUpdate) if algo is waits(one)]
    rows = [(algo_order if algo else usdm_order)(one, natives, now_ns) for one in wanted]
    return rows if ask.limit is None else rows[-ask.limit :]


def _fills(natives: Natives, _ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> list[Row]:
    return [
        {
            "symbol": native_of(one.instrument, natives), "id": number_of(one.id), "orderId": number_of(one.venue_id),
            "side": side(one.side), "price": text(one.price), "qty": text(one.size),
            "realizedPnl": text(one.realised), "quoteQty": text(EXACT.multiply(one.price, one.size)),
            "commission": text(one.fee), "commissionAsset": one.fee_currency, "time": ms(one.at_ns),
            "positionSide": SIDES_OF[one.position], "buyer": one.side == "buy", "maker": one.liquidity == "maker",
        }
        for one in of_kind(events, Fill)
    ]  # fmt: skip


def _balances(
    natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int
) -> Row | list[Row]:  # fmt: skip
    held, at_ms = of_kind(events, Balance), ms(now_ns)
    if ask.part == ACCOUNT:
        return _account(natives, held, of_kind(events, Position), at_ms)
    return [
        {
            "accountAlias": "paper", "asset": one.currency, "balance": text(one.total),
            "crossWalletBalance": text(one.total), "crossUnPnl": text(None), "availableBalance": text(one.free),
            "maxWithdrawAmount": text(one.free), "marginAvailable": True, "updateTime": at_ms,
        }
        for one in held
    ]  # fmt: skip


def _account(natives: Natives, held: Sequence[Balance], positions: Sequence[Position], at_ms: int) -> Row:
    open_profit = _sum([one.unrealised for one in positions])
    counted = [one for one in held if one.currency == COUNTED] or held  # "only for USDT asset"
    wallet, free = _sum([one.total for one in counted]), _sum([one.free for one in counted])
    return {
        "feeTier": 0, "feeBurn": False, "canTrade": True, "canDeposit": False, "canWithdraw": False,
        "updateTime": 0, "multiAssetsMargin": False, "tradeGroupId": -1, "totalInitialMargin": text(None),
        "totalMaintMargin": text(None), "totalWalletBalance": text(wallet), "totalUnrealizedProfit": text(open_profit),
        "totalMarginBalance": text(EXACT.add(wallet, open_profit)), "totalPositionInitialMargin": text(None),
        "totalOpenOrderInitialMargin": text(None), "totalCrossWalletBalance": text(wallet),
        "totalCrossUnPnl": text(open_profit), "availableBalance": text(free), "maxWithdrawAmount": text(free),
        "assets": [_asset(one, at_ms) for one in held],
        "positions": [
            {
                "symbol": native_of(one.instrument, natives), "positionSide": SIDES_OF[one.position],
                "positionAmt": text(one.size), "unrealizedProfit": text(one.unrealised), "isolatedMargin": text(None),
                "notional": text(_worth(one)), "isolatedWallet": text(None), "initialMargin": text(None),
                "maintMargin": text(None), "updateTime": at_ms, "entryPrice": text(one.entry_price),
                "leverage": text(one.leverage, Decimal(1)), "isolated": one.margin_mode == "isolated",
            }
            for one in positions
        ],
    }  # fmt: skip


def _asset(one: Balance, at_ms: int) -> Row:
    nothing = text(None)
    return {
        "asset": one.currency, "walletBalance": text(one.total), "unrealizedProfit": nothing,
        "marginBalance": text(one.total), "maintMargin": nothing, "initialMargin": text(one.locked),
        "positionInitialMargin": nothing, "openOrderInitialMargin": nothing, "crossWalletBalance": text(one.total),
        "crossUnPnl": nothing, "availableBalance": text(one.free), "maxWithdrawAmount": text(one.free),
        "marginAvailable": True, "updateTime": at_ms,
    }  # fmt: skip


def _positions(natives: Natives, _ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> list[Row]:
    return [
        {
            "symbol": native_of(one.instrument, natives), "positionSide": SIDES_OF[one.position],
            "positionAmt": text(one.size), "entryPrice": text(one.entry_price), "breakEvenPrice": text(one.entry_price),
            "markPrice": text(one.mark_price), "unRealizedProfit": text(one.unrealised),
            "liquidationPrice": text(one.liquidation_price), "isolatedMargin": text(None),
            "notional": text(_worth(one)),
            "marginAsset": "USDT", "isolatedWallet": text(None), "initialMargin": text(None), "maintMargin": text(None),
            "positionInitialMargin": text(None), "openOrderInitialMargin": text(None), "adl": 0,
            "bidNotional": "0", "askNotional": "0", "updateTime": ms(one.at_ns) or ms(now_ns),
            "leverage": text(one.leverage, Decimal(1)), "marginType": MODES[one.margin_mode],
            "maxNotionalValue": "100000000", "isAutoAddMargin": "false",
        }
        for one in of_kind(events, Position)
    ]  # fmt: skip


def _incomes(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> list[Row]:
    limit, page = ask.limit or 100, int(ask.page or "1")
    paid = of_kind(events, Payment)[(page - 1) * limit : page * limit]
    return [
        {
            "symbol": native_of(one.instrument, natives), "incomeType": INCOME[one.kind], "income": text(one.amount),
            "asset": one.currency, "info": INCOME[one.kind], "time": ms(one.at_ns),
            "tranId": one.id.rpartition("-")[2], "tradeId": "",
        }
        for one in paid
    ]  # fmt: skip


def _mode(_natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> Row:
    modes = of_kind(events, AccountMode)
    hedge = bool(modes) and modes[0].hedge
    if ask.part == DUAL:
        return {"dualSidePosition": hedge}
    return {
        "feeTier": 0, "canTrade": not modes or modes[0].may_trade, "canDeposit": False, "canWithdraw": False,
        "dualSidePosition": hedge, "updateTime": 0, "multiAssetsMargin": False, "tradeGroupId": -1,
    }  # fmt: skip


def _done(_natives: Natives, ask: OrderAsk, _events: Sequence[OrderAnswer], _now_ns: int) -> Row:
    native = "" if ask.instrument is None else ask.instrument.native
    match ask.call:
        case "dead_man":
            return {"symbol": native, "countdownTime": str((ask.countdown_s or 0) * 1000)}
        case "leverage":
            return {"leverage": int(ask.leverage or 1), "maxNotionalValue": "100000000", "symbol": native}
        case "position_mode":
            return {"code": 200, "msg": "success"}
        case _:
            return {"code": 200, "msg": "The operation of cancel all open order is done."}


def _worth(one: Position) -> Decimal | None:
    return None if one.mark_price is None else EXACT.multiply(one.mark_price, one.size)


def _sum(values: Sequence[Decimal | None]) -> Decimal:
    total = ZERO
    for value in values:
        total = EXACT.add(total, value or ZERO)
    return total


_USDM: Mapping[str, Writer] = {
    "place": _one, "amend": _one, "cancel": _one, "order": _one, "open_orders": _list, "closed_orders": _list,
    "cancel_all": _done, "fills": _fills, "balances": _balances, "positions": _positions, "payments": _incomes,
    "mode": _mode, "dead_man": _done, "leverage": _done, "position_mode": _done, "listen_key": key_row,
}  # fmt: skip
