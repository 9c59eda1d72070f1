"""The venue's own side: the bodies that answer order calls. The inverse of `rows_spot` and `rows_usdm`."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.venues.binance.encode import ms
from tapeline.venues.binance.orders.serve_read import NOT_ZERO, REPLACE
from tapeline.venues.binance.orders.words import (
    ALGO,
    BUY,
    SELL,
    SPOT_TYPES,
    STATUSES,
    TRIGGERED,
)
from tapeline.venues.orders import ListenKey, OrderAnswer, OrderAsk

EIGHT = Decimal("0.00000001")
MOST_PLACES = 18
_Kind = TypeVar("_Kind")
Row = dict[str, Any]
Natives = Mapping[str, str]  # instrument id -> native symbol


def text(value: Decimal | None, places: Decimal = EIGHT) -> str:
    """A number as the venue writes it: with eight places, with more where a price has more; 0 where there is none.

    What division made longer than any price is rounded.
    """
    if value is None:
        value = ZERO
    rounded = ROUNDING.quantize(value, places)
    exponent = value.as_tuple().exponent
    short = isinstance(exponent, int) and exponent >= -MOST_PLACES
    return format(value if short and rounded != value else rounded, "f")


def value_of(order: OrderUpdate) -> Decimal:
    """What was paid for all that is filled, to eight places."""
    if order.average is None or not order.filled:
        return ZERO
    return ROUNDING.quantize(ROUNDING.multiply(order.average, order.filled), EIGHT)


def native_of(instrument: str | None, natives: Natives) -> str:
    """The venue's symbol; of one that is on no list, its name behind the venue's."""
    if instrument is None:
        return ""
    return natives.get(instrument) or instrument.partition(":")[2]


def number_of(venue_id: str) -> int:
    """An id as the venue writes it."""
    digits = venue_id.removeprefix(ALGO)
    return int(digits) if digits.isdigit() else 0


def side(word: str) -> str:
    """BUY or SELL."""
    return SELL if word == "sell" else BUY


def of_kind(events: Sequence[OrderAnswer], kind: type[_Kind]) -> list[_Kind]:
    """Those events that are of this kind."""
    return [event for event in events if isinstance(event, kind)]


def subject(ask: OrderAsk, events: Sequence[OrderAnswer]) -> OrderUpdate | None:
    """The last word on the order that was asked for."""
    updates = of_kind(events, OrderUpdate)
    named = [
        one
        for one in updates
        if (ask.client_id and one.client_id == ask.client_id)
        or (ask.venue_id and number_of(one.venue_id) == number_of(ask.venue_id))
    ]
    if not named and updates:  # it was given its client id by the venue
        named = [one for one in updates if one.venue_id == updates[0].venue_id]
    return named[-1] if named else None


# ---- spot ---------------------------------------------------------------------------------------------------------


def spot_answer(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> bytes:
    """The body for what was asked."""
    return msgspec.json.encode(_SPOT[ask.call](natives, ask, events, now_ns) if ask.call in _SPOT else {})


def spot_order(order: OrderUpdate, natives: Natives, now_ns: int) -> Row:
    """An order, as every call but a new order's tells it."""
    at_ms = ms(order.at_ns) or ms(now_ns)
    return {**_spot_core(order, natives), "stopPrice": text(order.stop_price), "icebergQty": text(None),
            "time": at_ms, "updateTime": at_ms, "isWorking": not waits(order),
            "workingTime": -1 if waits(order) else at_ms}  # fmt: skip


def spot_type(order: OrderUpdate) -> str:
    """The venue's word for an order's kind."""
    if order.kind == "trailing_stop":
        return "STOP_LOSS_LIMIT" if order.price is not None else "STOP_LOSS"
    return "LIMIT_MAKER" if order.post_only else SPOT_TYPES.get(order.kind, order.kind.upper())


def waits(order: OrderUpdate) -> bool:
    """Whether it still waits for a price."""
    return order.kind in TRIGGERED and not order.triggered and not order.filled


def _spot_core(order: OrderUpdate, natives: Natives) -> Row:
    return {
        "symbol": native_of(order.instrument, natives), "orderId": number_of(order.venue_id),
        "orderListId": number_of(order.list_id) if order.list_id else -1, "clientOrderId": order.client_id,
        "price": text(order.price), "origQty": text(order.size or order.filled),
        "executedQty": text(order.filled), "origQuoteOrderQty": text(None),
        "cummulativeQuoteQty": text(value_of(order)), "status": STATUSES.get(order.state, "NEW"),
        "timeInForce": (order.time_in_force or "gtc").upper(), "type": spot_type(order), "side": side(order.side),
        "selfTradePreventionMode": "NONE",
    }  # fmt: skip


def spot_placed(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Row:
    """A new order, its fills with it; an empty row where nothing tells of it."""
    order = subject(ask, events)
    if order is None:
        return {}
    at_ms = ms(now_ns)
    fills = [
        {
            "price": text(one.price), "qty": text(one.size), "commission": text(one.fee),
            "commissionAsset": one.fee_currency, "tradeId": number_of(one.id),
        }
        for one in of_kind(events, Fill)
        if one.venue_id == order.venue_id
    ]  # fmt: skip
    return {**_spot_core(order, natives), "stopPrice": text(order.stop_price), "transactTime": at_ms,
            "workingTime": -1 if waits(order) else at_ms, "fills": fills}  # fmt: skip


def _spot_one(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Row:
    order = subject(ask, events)
    return {} if order is None else spot_order(order, natives, now_ns)


def spot_cancelled(order: OrderUpdate, natives: Natives, now_ns: int) -> Row:
    """An order as its cancel tells it."""
    whole = {**spot_order(order, natives, now_ns), "transactTime": ms(now_ns)}
    return {**whole, "origClientOrderId": order.client_id}


def _spot_cancel(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Row:
    order = subject(ask, events)
    return {} if order is None else spot_cancelled(order, natives, now_ns)


def _spot_cancel_all(natives: Natives, _ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> list[Row]:
    return [spot_cancelled(one, natives, now_ns) for one in of_kind(events, OrderUpdate)]


def _spot_amend(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Row:
    order = subject(ask, events)
    if order is None:
        return {}
    if ask.part == REPLACE:
        return {
            "cancelResult": "SUCCESS", "newOrderResult": "SUCCESS",
            "cancelResponse": {**spot_cancelled(order, natives, now_ns), "status": "CANCELED"},
            "newOrderResponse": spot_placed(natives, ask, events, now_ns),
        }  # fmt: skip
    amended = {**spot_order(order, natives, now_ns), "origClientOrderId": order.client_id, "preventedQty": text(None),
               "qty": text(order.size), "cumulativeQuoteQty": text(value_of(order))}  # fmt: skip
    return {"transactTime": ms(now_ns), "executionId": number_of(order.venue_id), "amendedOrder": amended}


def _spot_list(natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> list[Row]:
    rows = [spot_order(one, natives, now_ns) for one in of_kind(events, OrderUpdate)]
    return rows if ask.limit is None else rows[-ask.limit :]


def _spot_fills(natives: Natives, _ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> list[Row]:
    return [
        {
            "symbol": native_of(one.instrument, natives), "id": number_of(one.id), "orderId": number_of(one.venue_id),
            "orderListId": -1, "price": text(one.price), "qty": text(one.size),
            "quoteQty": text(EXACT.multiply(one.price, one.size)), "commission": text(one.fee),
            "commissionAsset": one.fee_currency, "time": ms(one.at_ns), "isBuyer": one.side == "buy",
            "isMaker": one.liquidity == "maker", "isBestMatch": True,
        }
        for one in of_kind(events, Fill)
    ]  # fmt: skip


def _spot_account(_natives: Natives, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Row:
    modes = of_kind(events, AccountMode)
    held = [one for one in of_kind(events, Balance) if ask.part != NOT_ZERO or one.total]
    rates = {"maker": "0.00100000", "taker": "0.00100000", "buyer": "0.00000000", "seller": "0.00000000"}
    return {
        "makerCommission": 10, "takerCommission": 10, "buyerCommission": 0, "sellerCommission": 0,
        "commissionRates": rates, "canTrade": modes[0].may_trade if modes else True, "canWithdraw": False,
        "canDeposit": False, "brokered": False, "requireSelfTradePrevention": False, "preventSor": False,
        "updateTime": ms(now_ns), "accountType": "SPOT",
        "balances": [{"asset": one.currency, "free": text(one.free), "locked": text(one.locked)} for one in held],
        "permissions": ["SPOT"], "uid": 354937868,
    }  # fmt: skip


def key_row(_natives: Natives, _ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> Row:
    """A listen key, where there is one to tell."""
    keys = of_kind(events, ListenKey)
    return {"listenKey": keys[0].key} if keys else {}


Writer = Callable[[Natives, OrderAsk, Sequence[OrderAnswer], int], Row | list[Row]]
_SPOT: Mapping[str, Writer] = {
    "place": spot_placed, "amend": _spot_amend, "cancel": _spot_cancel, "order": _spot_one,
    "cancel_all": _spot_cancel_all, "open_orders": _spot_list, "closed_orders": _spot_list, "fills": _spot_fills,
    "balances": _spot_account, "mode": _spot_account, "listen_key": key_row,
}  # fmt: skip
