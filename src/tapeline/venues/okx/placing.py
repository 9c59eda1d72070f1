"""What we ask of an order, as OKX wants it said: the same arguments by REST and over the private WebSocket. Pure.

https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order
https://www.okx.com/docs-v5/en/#order-book-trading-algo-trading-post-place-algo-order
Spot is traded in cash, derivatives in cross margin. What waits for a price is an algo order, with calls and ids of its
own. All of it raises OrderRefused for what OKX has no words for.
"""

from decimal import Decimal
from typing import Any

from tapeline.errors import OrderRefused
from tapeline.model.instrument import Instrument
from tapeline.model.number import plain
from tapeline.model.order import Intent
from tapeline.venues.okx.order_wire import ALGO, MARKET_PRICE
from tapeline.venues.orders import OrderAsk

ALGO_KINDS = frozenset({"stop", "stop_limit", "take_profit", "take_profit_limit", "trailing_stop"})

Arg = dict[str, Any]


def is_algo(ask: OrderAsk) -> bool:
    """Whether an ask concerns an algo order: by its venue id, else by what was placed."""
    if ask.venue_id:
        return ask.venue_id.startswith(ALGO)
    return ask.intent is not None and ask.intent.kind in ALGO_KINDS


def place_arg(ask: OrderAsk) -> Arg:
    """What `order` or `order-algo` takes."""
    intent, instrument = intent_of(ask), instrument_of(ask)
    spot = instrument.kind == "spot"
    algo = intent.kind in ALGO_KINDS
    arg: Arg = {"instId": instrument.native, "tdMode": "cash" if spot else "cross", "side": intent.side}
    if intent.position != "net":
        arg["posSide"] = intent.position
    if ask.client_id:
        arg["algoClOrdId" if algo else "clOrdId"] = ask.client_id
    arg |= _algo(intent) if algo else _plain(intent, spot=spot)
    arg |= _size(intent, spot=spot)
    if intent.reduce_only and _reducing(intent, spot=spot):
        arg["reduceOnly"] = "true"
    return arg


def _plain(intent: Intent, *, spot: bool) -> Arg:
    if intent.kind not in {"market", "limit"}:
        raise _unsupported(f"{intent.kind} orders")
    if intent.kind == "market":
        if intent.time_in_force not in {"gtc", "ioc"} or intent.post_only:
            raise _unsupported(f"market orders that are {'post-only' if intent.post_only else intent.time_in_force}")
        return {"ordType": "optimal_limit_ioc" if intent.time_in_force == "ioc" and not spot else "market"}
    return {"ordType": _limit_type(intent), "px": _text(intent.price, "a price")}


def _limit_type(intent: Intent) -> str:
    word = "limit" if intent.time_in_force == "gtc" else intent.time_in_force
    if word not in {"limit", "ioc", "fok"} or (intent.post_only and word != "limit"):
        raise _unsupported(f"limit orders that are {intent.time_in_force}{' and post-only' * intent.post_only}")
    return "post_only" if intent.post_only else word


def _algo(intent: Intent) -> Arg:
    """One side of a `conditional` order, which unlike `trigger` says whether it stops a loss or takes a profit."""
    if intent.time_in_force != "gtc" or intent.post_only:
        raise _unsupported(f"{intent.kind} orders that are {'post-only' if intent.post_only else intent.time_in_force}")
    if intent.kind == "trailing_stop":
        arg = {"ordType": "move_order_stop", "callbackRatio": _text(intent.trail, "a trail")}
        return arg if intent.stop_price is None else {**arg, "activePx": plain(intent.stop_price)}
    side = "sl" if intent.kind.startswith("stop") else "tp"
    limited = intent.kind.endswith("_limit")
    return {
        "ordType": "conditional",
        f"{side}TriggerPx": _text(intent.stop_price, "a stop price"),
        f"{side}OrdPx": _text(intent.price, "a price") if limited else MARKET_PRICE,
        f"{side}TriggerPxType": "last",
    }


def _size(intent: Intent, *, spot: bool) -> Arg:
    """The size, and for what takes the market on spot, which currency it is in: of buys OKX thinks the quote."""
    takes = intent.kind in {"market", "stop", "take_profit", "trailing_stop"}
    if intent.quote_size is None:
        size = {"sz": _text(intent.size, "a size")}
        return {**size, "tgtCcy": "base_ccy"} if spot and takes else size
    if not (spot and intent.kind == "market" and intent.side == "buy"):
        raise _unsupported("a quote size but for market buys of spot")
    return {"sz": plain(intent.quote_size), "tgtCcy": "quote_ccy"}


def _reducing(intent: Intent, *, spot: bool) -> bool:
    """Whether `reduceOnly` has to be said. In hedge mode side and position say it; sold spot is what is there."""
    if spot and intent.side == "buy":
        raise OrderRefused("okx: there is nothing that a buy of spot could reduce", reason="reduce_only")
    if intent.position != "net" and (intent.side == "sell") != (intent.position == "long"):
        raise OrderRefused(
            f"okx: to {intent.side} a {intent.position} position opens it, and cannot be reduce-only",
            reason="reduce_only",
        )
    return not spot and intent.position == "net"


def amend_arg(ask: OrderAsk) -> Arg:
    """What `amend-order` or `amend-algos` takes. `newSz` is the total, what is filled included."""
    arg = _named(ask)
    if ask.size is not None:
        arg["newSz"] = plain(ask.size)
    if ask.price is not None:
        arg[_new_price(ask)] = plain(ask.price)
    return arg


def _new_price(ask: OrderAsk) -> str:
    if not is_algo(ask):
        return "newPx"
    kind = ask.intent.kind if ask.intent is not None else ""
    if kind not in {"stop_limit", "take_profit_limit"}:
        raise _unsupported(f"a new price for a {kind or 'waiting'} order")
    return "newSlOrdPx" if kind == "stop_limit" else "newTpOrdPx"


def cancel_arg(ask: OrderAsk) -> Arg:
    """What `cancel-order` takes, and `cancel-algos` as one of several."""
    return _named(ask)


def cancel_args(ask: OrderAsk) -> list[Arg]:
    """What `cancel-batch-orders`, or where they are algo orders `cancel-algos`, takes: the orders by name."""
    if not ask.venue_ids:
        raise OrderRefused("okx has no cancel-all: cancel orders one by one, or name them", reason="unsupported")
    algo = [each.startswith(ALGO) for each in ask.venue_ids]
    if any(algo) and not all(algo):
        raise OrderRefused("okx cancels algo orders in requests of their own", reason="parameter")
    native, name = instrument_of(ask).native, "algoId" if all(algo) else "ordId"
    return [{"instId": native, name: each.removeprefix(ALGO)} for each in ask.venue_ids]


def ids_of(ask: OrderAsk) -> Arg:
    """How an order is named: by the venue's id where it is known, else by ours."""
    algo = is_algo(ask)
    if ask.venue_id:
        return {"algoId" if algo else "ordId": ask.venue_id.removeprefix(ALGO)}
    if not ask.client_id:
        raise OrderRefused(f"okx {ask.call}: no order is named", reason="parameter")
    return {"algoClOrdId" if algo else "clOrdId": ask.client_id}


def instrument_of(ask: OrderAsk) -> Instrument:
    """The instrument an ask needs."""
    if ask.instrument is None:
        raise OrderRefused(f"okx {ask.call}: no instrument is named", reason="parameter")
    return ask.instrument


def intent_of(ask: OrderAsk) -> Intent:
    """What is to be placed."""
    if ask.intent is None:
        raise OrderRefused(f"okx {ask.call}: nothing to place", reason="parameter")
    return ask.intent


def _named(ask: OrderAsk) -> Arg:
    return {"instId": instrument_of(ask).native, **ids_of(ask)}


def _text(value: Decimal | None, what: str) -> str:
    if value is None:
        raise OrderRefused(f"okx: the order lacks {what}", reason="parameter")
    return plain(value)


def _unsupported(what: str) -> OrderRefused:
    return OrderRefused(f"okx has no {what}", reason="unsupported")
