"""What a client asks of an order, read as an ask of ours: the inverse of `placing`. Raises OrderRefused. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.errors import BadData, OrderRefused
from tapeline.model.instrument import Instrument
from tapeline.model.number import number
from tapeline.model.order import Intent
from tapeline.venues.okx.order_wire import MARKET_PRICE, STYLE_OF
from tapeline.venues.orders import OrderAsk

ALGO_TYPES = frozenset({"conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase"})
# What would change the meaning of an order if it were left unread.
_UNREAD = ("attachAlgoOrds", "closeFraction", "pxUsd", "pxVol", "callbackSpread", "newSlTriggerPx", "newTpTriggerPx")

_decode = msgspec.json.Decoder(float_hook=Decimal).decode

Arg = Mapping[str, Any]
Instruments = Mapping[str, Instrument]


def args_of(body: bytes) -> list[Arg]:
    """The arguments of a POST: an object, or a list of them. Numbers may come as such, and what is unsaid as ""."""
    try:
        read = _decode(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise OrderRefused("JSON syntax error", code="50002", reason="parameter") from error
    items = read if isinstance(read, list) else [read]
    if not items or not all(isinstance(item, dict) for item in items):
        raise wrong("body")
    return items


def read_place(arg: Arg, instruments: Instruments, *, algo: bool) -> OrderAsk:
    """A new order."""
    _only_what_is_read(arg)
    instrument = instrument_of(arg, instruments)
    if text(arg, "side") not in {"buy", "sell"}:
        raise wrong("side")
    fields = _algo(arg) if algo or text(arg, "ordType") in ALGO_TYPES else _plain(arg)
    position = text(arg, "posSide") or "net"
    if position not in {"net", "long", "short"}:
        raise wrong("posSide")
    reducing = position != "net" and (text(arg, "side") == "sell") == (position == "long")
    intent = Intent(
        instrument=instrument.id, side=text(arg, "side"), position=position,
        reduce_only=reducing or text(arg, "reduceOnly") == "true", **fields, **_size(arg, instrument, fields["kind"]),
    )  # fmt: skip
    client_id = text(arg, "algoClOrdId") or text(arg, "clOrdId") if algo else text(arg, "clOrdId")
    return OrderAsk(call="place", instrument=instrument, client_id=client_id, intent=intent)


def _plain(arg: Arg) -> dict[str, Any]:
    style = STYLE_OF.get(text(arg, "ordType"))
    if style is None:
        raise wrong("ordType")
    price = decimal(arg, "px") if style.kind == "limit" else None
    if style.kind == "limit" and price is None:
        raise wrong("px")
    return {
        "kind": style.kind, "price": price, "time_in_force": style.time_in_force or "gtc",
        "post_only": style.post_only,
    }  # fmt: skip


def _algo(arg: Arg) -> dict[str, Any]:
    """A `trigger` order does not say on which side of the market it waits: it is read as a stop."""
    kind = text(arg, "ordType")
    if kind == "move_order_stop":
        trail = decimal(arg, "callbackRatio")
        if trail is None:
            raise wrong("callbackRatio")
        return {"kind": "trailing_stop", "trail": trail, "stop_price": decimal(arg, "activePx")}
    if kind == "trigger":
        name, stop, price = "stop", "triggerPx", "ordPx" if text(arg, "ordPx") else "orderPx"
    elif kind == "conditional" and not (text(arg, "slTriggerPx") and text(arg, "tpTriggerPx")):
        side = "sl" if text(arg, "slTriggerPx") else "tp"
        name, stop, price = "stop" if side == "sl" else "take_profit", f"{side}TriggerPx", f"{side}OrdPx"
    else:
        raise OrderRefused(f"{kind or 'no'} orders are not to be had here", code="51506", reason="unsupported")
    stop_price, limit = decimal(arg, stop), text(arg, price)
    if stop_price is None:
        raise wrong(stop)
    if limit in {"", MARKET_PRICE}:
        return {"kind": name, "stop_price": stop_price}
    return {"kind": f"{name}_limit", "stop_price": stop_price, "price": decimal(arg, price)}


def _size(arg: Arg, instrument: Instrument, kind: str) -> dict[str, Any]:
    """Of what takes the market on spot, a buy is of quote currency unless it says otherwise."""
    size = decimal(arg, "sz")
    if size is None:
        raise wrong("sz")
    takes = kind in {"market", "stop", "take_profit", "trailing_stop"}
    buys = text(arg, "side") == "buy"
    target = text(arg, "tgtCcy") or ("quote_ccy" if buys else "base_ccy")
    if instrument.kind != "spot" or not takes or target == "base_ccy":
        return {"size": size}
    if not buys or target != "quote_ccy":
        raise wrong("tgtCcy")
    return {"quote_size": size}


def read_named(call: str, arg: Arg, instruments: Instruments, **more: Any) -> OrderAsk:
    """A call about an order that is there. Of algo orders the paper exchange keeps no numbers of their own."""
    venue_id = text(arg, "ordId") or text(arg, "algoId")
    client_id = "" if venue_id else text(arg, "clOrdId") or text(arg, "algoClOrdId")
    if not venue_id and not client_id:
        raise OrderRefused("Either ordId or clOrdId is required", code="51407", reason="parameter")
    return OrderAsk(
        call=call, instrument=instrument_of(arg, instruments), client_id=client_id, venue_id=venue_id, **more
    )


def read_amend(arg: Arg, instruments: Instruments) -> OrderAsk:
    """A new size, a new price, or both."""
    _only_what_is_read(arg)
    size = decimal(arg, "newSz")
    names = [name for name in ("newPx", "newSlOrdPx", "newTpOrdPx", "newOrdPx") if text(arg, name)]
    price = decimal(arg, names[0]) if names else None
    if size is None and price is None:
        raise OrderRefused("Either newPx or newSz is required", code="51500", reason="parameter")
    return read_named("amend", arg, instruments, size=size, price=price)


def read_cancels(args: list[Arg], instruments: Instruments) -> OrderAsk:
    """One order, or several of one instrument by the venue's ids."""
    if len(args) == 1:
        return read_named("cancel", args[0], instruments)
    instrument = instrument_of(args[0], instruments)
    ids = tuple(text(arg, "ordId") or text(arg, "algoId") for arg in args)
    if not all(ids) or any(instrument_of(arg, instruments) is not instrument for arg in args):
        raise OrderRefused(
            "several orders are cancelled at once by their ordId, and of one instrument", code="51000",
            reason="unsupported",
        )  # fmt: skip
    return OrderAsk(call="cancel_all", instrument=instrument, venue_ids=ids)


def only(args: list[Arg]) -> Arg:
    """The one order there is. Raises OrderRefused for several: they come one by one here."""
    if len(args) != 1:
        raise OrderRefused("one order at a time is placed or amended here", code="51111", reason="unsupported")
    return args[0]


def instrument_of(arg: Arg, instruments: Instruments) -> Instrument:
    """The instrument an order is of, by its name or its number."""
    native, code = text(arg, "instId"), text(arg, "instIdCode")
    found = instruments.get(native)
    if found is None and code:
        found = next((each for each in instruments.values() if each.code == code), None)
    if found is None:
        raise OrderRefused("Instrument ID, Instrument ID code or Spread ID doesn't exist.", code="51001",
                           reason="instrument")  # fmt: skip
    return found


def text(arg: Arg, name: str) -> str:
    """What an argument says, "" where it says nothing: a number and a truth as their text."""
    value = arg.get(name)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def decimal(arg: Arg, name: str) -> Decimal | None:
    """A positive number; None where there is none."""
    try:
        value = number(text(arg, name))
    except BadData as error:
        raise wrong(name) from error
    if value is not None and value <= 0:
        raise wrong(name)
    return value


def wrong(name: str) -> OrderRefused:
    """What the venue says of a parameter it cannot read."""
    return OrderRefused(f"Parameter {name} error", code="51000", reason="parameter")


def _only_what_is_read(arg: Arg) -> None:
    unread = next((name for name in _UNREAD if arg.get(name) not in (None, "", [])), "")
    if unread:
        raise OrderRefused(f"{unread} is not to be had here", code="51506", reason="unsupported")
