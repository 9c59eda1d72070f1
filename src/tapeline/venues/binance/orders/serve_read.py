"""The venue's own side: what a request asks for, by REST or on the WebSocket API. The inverse of `params`."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from tapeline.errors import BadData, OrderRefused
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, number
from tapeline.model.order import Intent
from tapeline.venues.binance.orders.params import BIPS, PERCENT
from tapeline.venues.binance.orders.words import (
    MS_NS,
    POSITIONS,
    POST_ONLY,
    SIDES,
    SPOT_KINDS,
    TIMES,
    USDM_KINDS,
)
from tapeline.venues.orders import OrderAsk

Fields = Mapping[str, str]
Natives = Mapping[str, Instrument]
Route = Callable[[Fields, Natives], OrderAsk]
Routes = Mapping[tuple[str, str], Route]
REPLACE: Final = "replace"  # part of an amend: the order is cancelled, and a new one answers
ACCOUNT: Final = "account"  # part of balances: positions belong into the answer, too
NOT_ZERO: Final = "not_zero"  # part of balances: those of zero do not
ALGO_PART: Final = "algo"
DUAL: Final = "dual"  # part of mode: only whether both sides are held


def spot_routes() -> Routes:
    """Paths of spot, by method."""
    order = "/api/v3/order"
    routes: dict[tuple[str, str], Route] = {
        ("POST", order): _place_spot,
        ("DELETE", order): lambda fields, natives: _which("cancel", fields, natives),
        ("GET", order): lambda fields, natives: _which("order", fields, natives),
        ("PUT", f"{order}/amend/keepPriority"): _amend_spot,
        ("POST", f"{order}/cancelReplace"): _replace,
        ("GET", "/api/v3/openOrders"): lambda fields, natives: _list("open_orders", fields, natives),
        ("DELETE", "/api/v3/openOrders"): lambda fields, natives: _list("cancel_all", fields, natives),
        ("GET", "/api/v3/allOrders"): lambda fields, natives: _list("closed_orders", fields, natives),
        ("GET", "/api/v3/myTrades"): _fills,
        ("GET", "/api/v3/account"): _account,
        **_key_routes("/api/v3/userDataStream"),
    }
    return routes


def usdm_routes() -> Routes:
    """Paths of USD-M, by method; older versions of a path answer the same."""
    f = "/fapi/v1"
    routes: dict[tuple[str, str], Route] = {
        ("POST", f"{f}/order"): _place_usdm,
        ("PUT", f"{f}/order"): _amend_usdm,
        ("DELETE", f"{f}/order"): lambda fields, natives: _which("cancel", fields, natives),
        ("GET", f"{f}/order"): lambda fields, natives: _which("order", fields, natives),
        ("GET", f"{f}/openOrder"): lambda fields, natives: _which("order", fields, natives),
        ("POST", f"{f}/algoOrder"): _place_usdm,
        ("DELETE", f"{f}/algoOrder"): lambda fields, natives: _which_algo("cancel", fields, natives),
        ("GET", f"{f}/algoOrder"): lambda fields, natives: _which_algo("order", fields, natives),
        ("GET", f"{f}/openOrders"): lambda fields, natives: _list("open_orders", fields, natives, "orders"),
        ("GET", f"{f}/openAlgoOrders"): lambda fields, natives: _list("open_orders", fields, natives, ALGO_PART),
        ("DELETE", f"{f}/allOpenOrders"): lambda fields, natives: _list("cancel_all", fields, natives, "orders"),
        ("DELETE", f"{f}/algoOpenOrders"): lambda fields, natives: _list("cancel_all", fields, natives, ALGO_PART),
        ("GET", f"{f}/allOrders"): lambda fields, natives: _list("closed_orders", fields, natives),
        ("GET", f"{f}/allAlgoOrders"): lambda fields, natives: _list("closed_orders", fields, natives, ALGO_PART),
        ("GET", f"{f}/userTrades"): _fills,
        ("GET", f"{f}/income"): lambda fields, natives: _list("payments", fields, natives),
        ("GET", f"{f}/accountConfig"): lambda _fields, _natives: OrderAsk(call="mode"),
        ("GET", f"{f}/positionSide/dual"): lambda _fields, _natives: OrderAsk(call="mode", part=DUAL),
        ("POST", f"{f}/positionSide/dual"): _position_mode,
        ("POST", f"{f}/countdownCancelAll"): _dead_man,
        ("POST", f"{f}/leverage"): _leverage,
        **_key_routes(f"{f}/listenKey"),
    }
    for version in ("v1", "v2", "v3"):
        routes["GET", f"/fapi/{version}/balance"] = lambda _fields, _natives: OrderAsk(call="balances")
        routes["GET", f"/fapi/{version}/account"] = lambda _fields, _natives: OrderAsk(call="balances", part=ACCOUNT)
        routes["GET", f"/fapi/{version}/positionRisk"] = lambda fields, natives: _list("positions", fields, natives)
    return routes


# ---- orders -------------------------------------------------------------------------------------------------------


def _place_spot(fields: Fields, natives: Natives) -> OrderAsk:
    instrument, type_ = instrument_of(fields, natives), word_of(fields, "type", SPOT_KINDS, -1116, "Invalid orderType.")
    delta = fields.get("trailingDelta", "")
    kind = "trailing_stop" if delta and type_ in {"stop", "stop_limit"} else type_
    intent = Intent(
        instrument=instrument.id, side=word_of(fields, "side", SIDES, -1117, "Invalid side."), kind=kind,
        size=decimal_of(fields, "quantity"), quote_size=decimal_of(fields, "quoteOrderQty"),
        price=decimal_of(fields, "price"), stop_price=decimal_of(fields, "stopPrice"),
        trail=EXACT.divide(Decimal(delta), BIPS) if delta.isdigit() else None, time_in_force=time_of(fields),
        post_only=fields["type"] in POST_ONLY,
    )  # fmt: skip
    return OrderAsk(
        call="place", instrument=instrument, client_id=fields.get("newClientOrderId", ""), intent=_checked(intent)
    )


def _place_usdm(fields: Fields, natives: Natives) -> OrderAsk:
    """A limit or market order, or a conditional one, which names some things otherwise."""
    instrument, kind = instrument_of(fields, natives), word_of(fields, "type", USDM_KINDS, -1116, "Invalid orderType.")
    rate = decimal_of(fields, "callbackRate")
    trigger = (
        decimal_of(fields, "triggerPrice") or decimal_of(fields, "stopPrice") or decimal_of(fields, "activatePrice")
    )
    intent = Intent(
        instrument=instrument.id, side=word_of(fields, "side", SIDES, -1117, "Invalid side."), kind=kind,
        size=decimal_of(fields, "quantity"), price=decimal_of(fields, "price"), stop_price=trigger,
        trail=None if rate is None else EXACT.divide(rate, PERCENT), time_in_force=time_of(fields),
        expires_ns=_expiry(fields), post_only=fields.get("timeInForce") in POST_ONLY,
        reduce_only=fields.get("reduceOnly", "").lower() == "true",
        position=word_of(fields, "positionSide", POSITIONS, -1117, "Invalid side.", default="BOTH"),
    )  # fmt: skip
    client_id = fields.get("newClientOrderId") or fields.get("clientAlgoId", "")
    return OrderAsk(call="place", instrument=instrument, client_id=client_id, intent=_checked(intent))


def _amend_spot(fields: Fields, natives: Natives) -> OrderAsk:
    ask = _which("amend", fields, natives)
    return OrderAsk(
        call="amend", instrument=ask.instrument, client_id=ask.client_id, venue_id=ask.venue_id,
        size=needed(fields, "newQty"),
    )  # fmt: skip


def _replace(fields: Fields, natives: Natives) -> OrderAsk:
    """Cancelled and placed anew: on paper, an amend of the same order."""
    client_id, venue_id = fields.get("cancelOrigClientOrderId", ""), fields.get("cancelOrderId", "")
    if not client_id and not venue_id:
        raise malformed("cancelOrderId")
    return OrderAsk(
        call="amend", instrument=instrument_of(fields, natives), client_id=client_id, venue_id=venue_id,
        size=decimal_of(fields, "quantity"), price=decimal_of(fields, "price"), part=REPLACE,
    )  # fmt: skip


def _amend_usdm(fields: Fields, natives: Natives) -> OrderAsk:
    ask = _which("amend", fields, natives)
    return OrderAsk(
        call="amend", instrument=ask.instrument, client_id=ask.client_id, venue_id=ask.venue_id,
        size=needed(fields, "quantity"), price=needed(fields, "price"),
    )  # fmt: skip


def _which(call: str, fields: Fields, natives: Natives) -> OrderAsk:
    client_id, venue_id = fields.get("origClientOrderId", ""), fields.get("orderId", "")
    if not client_id and not venue_id:
        raise OrderRefused(
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!", code="-1102",
            reason="parameter",
        )  # fmt: skip
    return OrderAsk(call=call, instrument=instrument_of(fields, natives), client_id=client_id, venue_id=venue_id)


def _which_algo(call: str, fields: Fields, natives: Natives) -> OrderAsk:
    client_id, venue_id = fields.get("clientAlgoId", ""), fields.get("algoId", "")
    if not client_id and not venue_id:
        raise malformed("algoId")
    instrument = instrument_of(fields, natives) if fields.get("symbol") else None
    return OrderAsk(call=call, instrument=instrument, client_id=client_id, venue_id=venue_id, part=ALGO_PART)


# ---- lists and settings -------------------------------------------------------------------------------------------


def _list(call: str, fields: Fields, natives: Natives, part: str = "") -> OrderAsk:
    instrument = instrument_of(fields, natives) if fields.get("symbol") else None
    if instrument is None and call == "cancel_all":
        raise malformed("symbol")
    start, end = whole_of(fields, "startTime"), whole_of(fields, "endTime")
    return OrderAsk(
        call=call, instrument=instrument, from_ns=None if start is None else start * MS_NS,
        to_ns=None if end is None else (end + 1) * MS_NS, limit=whole_of(fields, "limit"), part=part,
        page=fields.get("page", ""),
    )  # fmt: skip


def _fills(fields: Fields, natives: Natives) -> OrderAsk:
    ask, first = _list("fills", fields, natives), whole_of(fields, "fromId")
    return OrderAsk(
        call="fills", instrument=instrument_of(fields, natives), from_ns=ask.from_ns, to_ns=ask.to_ns, limit=ask.limit,
        venue_id=fields.get("orderId", ""), from_id="" if first is None else str(first - 1),
    )  # fmt: skip


def _account(fields: Fields, _natives: Natives) -> OrderAsk:
    return OrderAsk(call="balances", part=NOT_ZERO if fields.get("omitZeroBalances", "").lower() == "true" else "")


def _position_mode(fields: Fields, _natives: Natives) -> OrderAsk:
    both = fields.get("dualSidePosition", "").lower()
    if both not in {"true", "false"}:
        raise malformed("dualSidePosition")
    return OrderAsk(call="position_mode", hedge=both == "true")


def _dead_man(fields: Fields, natives: Natives) -> OrderAsk:
    after_ms = whole_of(fields, "countdownTime")
    if after_ms is None:
        raise malformed("countdownTime")
    return OrderAsk(call="dead_man", instrument=instrument_of(fields, natives), countdown_s=-(-after_ms // 1000))


def _leverage(fields: Fields, natives: Natives) -> OrderAsk:
    return OrderAsk(call="leverage", instrument=instrument_of(fields, natives), leverage=needed(fields, "leverage"))


def _key_routes(path: str) -> dict[tuple[str, str], Route]:
    return {
        ("POST", path): lambda _fields, _natives: OrderAsk(call="listen_key"),
        ("PUT", path): lambda fields, _natives: _listen("listen_key_alive", fields),
        ("DELETE", path): lambda fields, _natives: _listen("listen_key_close", fields),
    }


def _listen(call: str, fields: Fields) -> OrderAsk:
    return OrderAsk(call=call, listen_key=fields.get("listenKey", ""))


# ---- fields -------------------------------------------------------------------------------------------------------


def instrument_of(fields: Fields, natives: Natives) -> Instrument:
    """What `symbol` names. Raises OrderRefused."""
    name = fields.get("symbol", "")
    if not name:
        raise malformed("symbol")
    found = natives.get(name)
    if found is None:
        raise OrderRefused("Invalid symbol.", code="-1121", reason="instrument")
    return found


def _checked(intent: Intent) -> Intent:
    """What no order goes without, as the venue says it."""
    if intent.size is None and intent.quote_size is None:
        raise malformed("quantity")
    if intent.kind in {"limit", "stop_limit", "take_profit_limit"} and intent.price is None:
        raise malformed("price")
    waits = intent.kind in {"stop", "stop_limit", "take_profit", "take_profit_limit"}
    if waits and intent.stop_price is None:
        raise malformed("stopPrice")
    if intent.kind == "trailing_stop" and intent.trail is None:
        raise malformed("callbackRate")
    return intent


def time_of(fields: Fields) -> str:
    """The time in force, until cancelled where none is named. Raises OrderRefused."""
    return word_of(fields, "timeInForce", TIMES, -1115, "Invalid timeInForce.", default="GTC")


def _expiry(fields: Fields) -> int | None:
    at_ms = whole_of(fields, "goodTillDate")
    return at_ms * MS_NS if at_ms and fields.get("timeInForce") == "GTD" else None


def word_of(
    fields: Fields, name: str, words: Mapping[str, str], code: int, text: str, *, default: str = ""
) -> str:  # fmt: skip
    """One of the venue's words, as ours. Raises OrderRefused."""
    given = fields.get(name) or default
    if not given:
        raise malformed(name)
    if given not in words:
        raise OrderRefused(text, code=str(code), reason="parameter")
    return words[given]


def needed(fields: Fields, name: str) -> Decimal:
    """A number that has to be there. Raises OrderRefused."""
    value = decimal_of(fields, name)
    if value is None:
        raise malformed(name)
    return value


def decimal_of(fields: Fields, name: str) -> Decimal | None:
    """A number, None where there is none. Raises OrderRefused."""
    try:
        return number(fields.get(name))
    except BadData as error:
        raise OrderRefused(
            f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'.",
            code="-1100", reason="parameter",
        ) from error  # fmt: skip


def whole_of(fields: Fields, name: str) -> int | None:
    """A whole number, None where there is none. Raises OrderRefused."""
    text = fields.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise OrderRefused(f"Illegal characters found in parameter '{name}'.", code="-1100", reason="parameter")
    return int(text)


def malformed(name: str) -> OrderRefused:
    """The refusal of what lacks this."""
    return OrderRefused(
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.", code="-1102", reason="parameter"
    )
