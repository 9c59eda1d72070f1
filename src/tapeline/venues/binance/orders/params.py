"""What is asked, as parameters: the same by REST and on the WebSocket API. Raises OrderRefused for what has no words.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/trading-endpoints
https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api
"""

from decimal import Decimal
from typing import NoReturn

from tapeline.errors import Broken, OrderRefused
from tapeline.model.number import EXACT, plain
from tapeline.model.order import Intent
from tapeline.venues.binance.orders.words import (
    ALGO,
    PRICED,
    SIDES_OF,
    SPOT_TYPES,
    TRIGGERED,
    USDM_TYPES,
)
from tapeline.venues.binance.window import window
from tapeline.venues.orders import OrderAsk

Pairs = tuple[tuple[str, str], ...]
BIPS = Decimal(10_000)  # `trailingDelta` of spot is in hundredths of a percent
PERCENT = Decimal(100)  # `callbackRate` of USD-M is in percent
LEAST_CALLBACK, MOST_CALLBACK = Decimal("0.1"), Decimal(10)
SECOND_NS = 1_000_000_000
_TIMES = {"gtc": "GTC", "ioc": "IOC", "fok": "FOK", "gtd": "GTD"}


def native(ask: OrderAsk) -> str:
    """The symbol of a call that needs one."""
    if ask.instrument is None:
        raise Broken(f"{ask.call} needs an instrument")
    return ask.instrument.native


def symbol(ask: OrderAsk) -> Pairs:
    """The symbol, where the call is for one instrument alone."""
    return () if ask.instrument is None else (("symbol", ask.instrument.native),)


def intent_of(ask: OrderAsk) -> Intent:
    """What is wanted of an order."""
    if ask.intent is None:
        raise Broken(f"{ask.call} of {ask.client_id or ask.venue_id} needs what was wanted")
    return ask.intent


def which(ask: OrderAsk) -> Pairs:
    """The order itself: by our own id, which is known before the venue has answered; else by the venue's."""
    if ask.client_id:
        return (("origClientOrderId", ask.client_id),)
    if not ask.venue_id:
        raise Broken(f"{ask.call}: no order is named")
    return (("orderId", ask.venue_id),)


# ---- spot ---------------------------------------------------------------------------------------------------------


def place_spot(ask: OrderAsk) -> Pairs:
    """A new order. `FULL`: the answer tells of its fills."""
    intent, market = intent_of(ask), native(ask)
    if intent.position != "net":
        _no("spot has no positions", "position_mode")
    if intent.reduce_only and intent.side == "buy":
        _no("spot has no short positions to reduce", "reduce_only")  # a sale never sells what is not there
    type_ = _spot_type(intent)
    pairs: list[tuple[str, str]] = [("symbol", market), ("side", intent.side.upper()), ("type", type_)]
    if intent.kind in PRICED and type_ != "LIMIT_MAKER":
        pairs.append(("timeInForce", _time_in_force(intent, ("gtc", "ioc", "fok"))))
    if intent.quote_size is not None:
        if intent.kind != "market":
            _no("only a market order is sized in quote currency", "unsupported")
        pairs.append(("quoteOrderQty", plain(intent.quote_size)))
    elif intent.size is not None:
        pairs.append(("quantity", plain(intent.size)))
    pairs += _prices(intent, "stopPrice")
    if intent.kind == "trailing_stop":
        pairs.append(("trailingDelta", _whole(EXACT.multiply(_trail(intent), BIPS), "0.0001")))
    return (*pairs, ("newClientOrderId", ask.client_id), ("newOrderRespType", "FULL"))


def amend_spot(ask: OrderAsk) -> Pairs:
    """A smaller size, in place. The order keeps its client id only where it is named again."""
    intent = intent_of(ask)
    if ask.price is not None and ask.price != intent.price:
        _no("spot changes no price: cancel and place anew", "unsupported")
    if ask.size is None or (intent.size is not None and ask.size >= intent.size):
        _no("spot only makes an order smaller", "unsupported")
    keep = (("newClientOrderId", ask.client_id),) if ask.client_id else ()
    return (("symbol", native(ask)), *which(ask), *keep, ("newQty", plain(ask.size)))


def _spot_type(intent: Intent) -> str:
    if intent.kind == "trailing_stop":
        return "STOP_LOSS_LIMIT" if intent.price is not None else "STOP_LOSS"
    if intent.kind not in SPOT_TYPES:
        _no(f"spot has no {intent.kind} orders", "unsupported")
    if not intent.post_only:
        return SPOT_TYPES[intent.kind]
    if intent.kind != "limit" or intent.time_in_force != "gtc":
        _no("only a limit order until cancelled is post-only", "unsupported")
    return "LIMIT_MAKER"


# ---- USD-M --------------------------------------------------------------------------------------------------------


def conditional(ask: OrderAsk) -> bool:
    """Whether this order is with the algo service: until it is triggered, then it has an id of an ordinary one."""
    if ask.venue_id:
        return ask.venue_id.startswith(ALGO)
    return ask.intent is not None and ask.intent.kind in TRIGGERED


def place_usdm(ask: OrderAsk) -> Pairs:
    """A new order that rests or fills at once."""
    intent = intent_of(ask)
    pairs = [*_usdm_head(ask, intent), *_prices(intent, "stopPrice")]
    if intent.kind == "limit":
        pairs.append(("timeInForce", _usdm_time(intent)))
        pairs += _good_till(intent)
    return (*pairs, *_holding(intent), ("newClientOrderId", ask.client_id), ("newOrderRespType", "RESULT"))


def place_algo(ask: OrderAsk) -> Pairs:
    """A new order that waits for a price."""
    intent = intent_of(ask)
    pairs = [("algoType", "CONDITIONAL"), *_usdm_head(ask, intent)]
    if intent.kind == "trailing_stop":
        rate = EXACT.multiply(_trail(intent), PERCENT)
        if not LEAST_CALLBACK <= rate <= MOST_CALLBACK:
            _no(f"a trailing stop follows at 0.1 % to 10 %, not {plain(rate)} %", "parameter")
        pairs.append(("callbackRate", plain(rate)))
        pairs += () if intent.stop_price is None else (("activatePrice", plain(intent.stop_price)),)
    else:
        pairs += _prices(intent, "triggerPrice")
    if intent.kind in PRICED:
        pairs.append(("timeInForce", _usdm_time(intent)))
        pairs += _good_till(intent)
    return (*pairs, *_holding(intent), ("clientAlgoId", ask.client_id), ("newOrderRespType", "RESULT"))


def amend_usdm(ask: OrderAsk) -> Pairs:
    """Another size or price; the venue wants both, and the side. The place in the queue is lost."""
    intent = intent_of(ask)
    if intent.kind != "limit" or conditional(ask):
        _no("only a limit order is amended", "unsupported")
    size, price = ask.size or intent.size, ask.price or intent.price
    if size is None or price is None:
        _no("an amend names size and price", "parameter")
    sides = (("positionSide", SIDES_OF[intent.position]),) if intent.position != "net" else ()
    return (
        ("symbol", native(ask)), *which(ask), ("side", intent.side.upper()), *sides, ("quantity", plain(size)),
        ("price", plain(price)),
    )  # fmt: skip


def which_usdm(ask: OrderAsk) -> Pairs:
    """The order itself, in the words of the service it is with."""
    if not conditional(ask):
        return (("symbol", native(ask)), *which(ask))
    if ask.client_id:
        return (("clientAlgoId", ask.client_id),)
    return (("algoId", ask.venue_id.removeprefix(ALGO)),)


def _usdm_head(ask: OrderAsk, intent: Intent) -> list[tuple[str, str]]:
    if intent.quote_size is not None or intent.size is None:
        _no("futures are sized in base currency", "unsupported")
    if intent.kind not in USDM_TYPES:
        _no(f"USD-M has no {intent.kind} orders", "unsupported")
    return [
        ("symbol", native(ask)), ("side", intent.side.upper()), ("type", USDM_TYPES[intent.kind]),
        ("quantity", plain(intent.size)),
    ]  # fmt: skip


def _holding(intent: Intent) -> Pairs:
    """Which position it is for. In hedge mode side and position say whether it closes; no flag is taken there."""
    if intent.position == "net":
        return (("reduceOnly", "true"),) if intent.reduce_only else ()
    closes = (intent.side == "sell") == (intent.position == "long")
    if intent.reduce_only and not closes:
        _no(f"a {intent.side} order opens a {intent.position} position", "reduce_only")
    return (("positionSide", SIDES_OF[intent.position]),)


def _usdm_time(intent: Intent) -> str:
    if not intent.post_only:
        return _time_in_force(intent, ("gtc", "ioc", "fok", "gtd"))
    if intent.time_in_force != "gtc":
        _no("only an order until cancelled is post-only", "unsupported")
    return "GTX"


def _good_till(intent: Intent) -> Pairs:
    """Whole seconds: "the precision is seconds, the rest is cut off", so it is rounded down here, and seen."""
    if intent.time_in_force != "gtd":
        return ()
    if intent.expires_ns is None:
        _no("an order until a date names the date", "parameter")
    return (("goodTillDate", str(intent.expires_ns // SECOND_NS * 1000)),)


# ---- both ---------------------------------------------------------------------------------------------------------


def rows_asked(ask: OrderAsk, most: int) -> Pairs:
    """How many rows at most."""
    return (("limit", str(min(ask.limit or most, most))),)


def fills(ask: OrderAsk) -> Pairs:
    """Of one instrument: of one order, after one fill, or in a window. An id and times are not to be mixed."""
    pairs: Pairs = (("symbol", native(ask)),)
    if ask.venue_id:
        pairs = (*pairs, ("orderId", ask.venue_id))
    if ask.from_id:
        return (*pairs, ("fromId", str(int(ask.from_id) + 1)), *rows_asked(ask, 1000))
    return (*pairs, *window(ask), *rows_asked(ask, 1000))


def _prices(intent: Intent, trigger: str) -> list[tuple[str, str]]:
    pairs = []
    if intent.kind in PRICED or (intent.kind == "trailing_stop" and intent.price is not None):
        if intent.price is None:
            _no(f"a {intent.kind} order names its price", "parameter")
        pairs.append(("price", plain(intent.price)))
    if intent.kind in TRIGGERED and intent.stop_price is not None:
        pairs.append((trigger, plain(intent.stop_price)))
    elif intent.kind in TRIGGERED and intent.kind != "trailing_stop":
        _no(f"a {intent.kind} order names the price it waits for", "parameter")
    return pairs


def _time_in_force(intent: Intent, known: tuple[str, ...]) -> str:
    if intent.time_in_force not in known:
        _no(f"time in force {intent.time_in_force}: one of {', '.join(known)}", "unsupported")
    return _TIMES[intent.time_in_force]


def _trail(intent: Intent) -> Decimal:
    if intent.trail is None:
        _no("a trailing stop names how far it follows", "parameter")
    return intent.trail


def _whole(value: Decimal, step: str) -> str:
    if value != value.to_integral_value():
        _no(f"a trailing stop follows in steps of {step}", "parameter")
    return str(int(value))


def _no(text: str, reason: str) -> NoReturn:
    raise OrderRefused(text, reason=reason)
