"""The venue's own side: what happened to an account, as frames of its private stream. The inverse of the readers."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.model.account import AccountEvent, Balance, Fill, ListUpdate, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.venues.binance.encode import ms
from tapeline.venues.binance.orders.serve_lists import list_status
from tapeline.venues.binance.orders.serve_rows import (
    EIGHT,
    Natives,
    Row,
    native_of,
    number_of,
    side,
    spot_type,
    text,
    value_of,
    waits,
)
from tapeline.venues.binance.orders.serve_rows_usdm import ALGO_STATUSES, time_in_force
from tapeline.venues.binance.orders.words import PRICED, SIDES_OF, STATUSES, TRIGGERED, USDM_TYPES, client_id_of

Step = tuple[OrderUpdate | None, Fill | None]  # what became of an order, and the fill that did it
_json = msgspec.json.encode
_HAPPENED: Mapping[str, str] = {
    "open": "NEW", "submitted": "NEW", "cancelling": "NEW", "partly_filled": "REPLACED", "filled": "TRADE",
    "cancelled": "CANCELED", "expired": "EXPIRED", "rejected": "REJECTED",
}  # fmt: skip
_WHY: Mapping[str, str] = {
    "balance": "INSUFFICIENT_BALANCES", "would_cross": "WOULD_MATCH_IMMEDIATELY",
    "would_trigger": "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY", "not_fillable": "INSUFFICIENT_LIQUIDITY",
    "price_band": "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
}  # fmt: skip
_EXPIRED: Mapping[str, str] = {"not_fillable": "2", "reduce_only": "4", "margin": "5", "market_closed": "7"}
_CHANGES: Mapping[str, str] = {
    "fill": "ORDER", "funding": "FUNDING_FEE", "transfer": "MARGIN_TRANSFER", "adjustment": "ADJUSTMENT",
    "liquidation": "INSURANCE_CLEAR", "fee": "ORDER", "rebate": "ADJUSTMENT", "": "ORDER",
}  # fmt: skip


def steps(events: Sequence[AccountEvent]) -> Iterator[Step | Balance | Position | Payment | ListUpdate]:
    """Events in their order, each fill with the update that counts it.

    An update that counts several fills stands for each of them, with what was filled by then.
    """
    counted: set[int] = set()
    for at, event in enumerate(events):
        if isinstance(event, Fill):
            found = _counts(events, at)
            if found is None:
                yield None, event
            else:
                counted.add(found[0])
                yield found[1], event
        elif isinstance(event, OrderUpdate):
            if at not in counted:
                yield event, None
        elif isinstance(event, Balance | Position | Payment | ListUpdate):
            yield event


def _counts(events: Sequence[AccountEvent], at: int) -> tuple[int, OrderUpdate] | None:
    """The update that counts the fill at this place, as it was before any later fill that it counts too."""
    fill, later = events[at], ZERO
    assert isinstance(fill, Fill)
    for index in range(at + 1, len(events)):
        event = events[index]
        if isinstance(event, Fill) and event.venue_id == fill.venue_id:
            later = EXACT.add(later, event.size)
        if isinstance(event, OrderUpdate) and event.venue_id == fill.venue_id:
            if not later:
                return index, event
            so_far = EXACT.subtract(event.filled or ZERO, later)
            return index, msgspec.structs.replace(event, filled=so_far, state="partly_filled")
    return None


# ---- spot ---------------------------------------------------------------------------------------------------------


def spot_frames(events: Sequence[AccountEvent], instruments: Mapping[str, Instrument]) -> Sequence[bytes]:
    """Frames of the subscription that every connection has but one of."""
    return [_json({"subscriptionId": 0, "event": payload}) for payload in _payloads(events, names(instruments))]


def us_frames(events: Sequence[AccountEvent], instruments: Mapping[str, Instrument]) -> Sequence[bytes]:
    """The same payloads, bare: of the stream that a listen key opens at Binance US."""
    return [_json(payload) for payload in _payloads(events, names(instruments))]


def _payloads(events: Sequence[AccountEvent], natives: Natives) -> list[Row]:
    payloads: list[Row] = []
    held: list[Balance] = []
    for each in steps(events):
        if isinstance(each, Balance):
            held.append(each)
            continue
        payloads += _positions_of(held)
        held = []
        match each:
            case Payment():
                payloads.append(_transfer(each))
            case ListUpdate():
                payloads.append(list_status(each, natives))
            case (update, fill):
                payloads.append(execution_report(update, fill, natives))
    return payloads + _positions_of(held)


def execution_report(update: OrderUpdate | None, fill: Fill | None, natives: Natives) -> Row:
    """An order, or a fill of it."""
    order = update if update is not None else _bare(fill)
    at_ms = ms(fill.at_ns if fill is not None else order.at_ns)
    happened = "TRADE" if fill is not None else _HAPPENED.get(order.state, "NEW")
    gone = happened in {"CANCELED", "REPLACED"}
    why = _WHY.get(order.reason, "NONE") if order.state in {"rejected", "expired"} else "NONE"
    if order.state == "expired" and order.list_id and not order.reason:
        why = "OCO_TRIGGER"
    size, price = (ZERO, ZERO) if fill is None else (fill.size, fill.price)
    return {
        "e": "executionReport", "E": at_ms, "s": native_of(order.instrument, natives), "c": order.client_id,
        "S": side(order.side), "o": spot_type(order), "f": (order.time_in_force or "gtc").upper(),
        "q": text(order.size), "p": text(order.price), "P": text(order.stop_price), "F": text(None),
        "g": number_of(order.list_id) if order.list_id else -1,
        "C": order.client_id if gone else "", "x": happened, "X": STATUSES.get(order.state, "NEW"),
        "r": why if order.state == "rejected" else "NONE", "i": number_of(order.venue_id), "l": text(size),
        "z": text(order.filled), "L": text(price), "n": text(fill.fee) if fill is not None else "0",
        "N": (fill.fee_currency or None) if fill is not None else None, "T": at_ms,
        "t": number_of(fill.id) if fill is not None else -1, "I": number_of(order.venue_id),
        "w": order.state in {"open", "partly_filled"} and not waits(order),
        "m": fill is not None and fill.liquidity == "maker", "M": False, "O": at_ms, "Z": text(value_of(order)),
        "Y": text(_product(price, size)), "Q": text(None), "V": "NONE",
        **({} if waits(order) else {"W": at_ms}),
        **({"d": 1} if order.kind == "trailing_stop" else {}), **({} if why == "NONE" else {"eR": why}),
    }  # fmt: skip


def _positions_of(held: Sequence[Balance]) -> list[Row]:
    if not held:
        return []
    at_ms = ms(held[-1].at_ns)
    rows = [{"a": one.currency, "f": text(_free(one)), "l": text(one.locked)} for one in held]
    return [{"e": "outboundAccountPosition", "E": at_ms, "u": at_ms, "B": rows}]


def _free(one: Balance) -> Decimal:
    return one.free if one.free is not None else EXACT.subtract(one.total or ZERO, one.locked or ZERO)


def _transfer(paid: Payment) -> Row:
    at_ms = ms(paid.at_ns)
    return {"e": "balanceUpdate", "E": at_ms, "a": paid.currency, "d": text(paid.amount), "T": at_ms}


# ---- USD-M --------------------------------------------------------------------------------------------------------


def usdm_frames(events: Sequence[AccountEvent], instruments: Mapping[str, Instrument]) -> Sequence[bytes]:
    """Frames of the stream that a listen key opens."""
    natives, payloads = names(instruments), list[Row]()
    changed: list[Balance | Position | Payment] = []
    for each in steps(events):
        if isinstance(each, Balance | Position | Payment):
            changed.append(each)
            continue
        payloads += _account_updates(changed, natives)
        changed = []
        assert not isinstance(each, ListUpdate), "order lists are of spot"
        update, fill = each
        waiting = update is not None and fill is None and waits(update)
        payloads.append(algo_update(update, natives) if waiting and update else order_update(update, fill, natives))
    payloads += _account_updates(changed, natives)
    return [_json(payload) for payload in payloads]


def order_update(update: OrderUpdate | None, fill: Fill | None, natives: Natives) -> Row:
    """An order, or a fill of it."""
    order = update if update is not None else _bare(fill)
    at_ms = ms(fill.at_ns if fill is not None else order.at_ns)
    type_ = USDM_TYPES.get(order.kind, order.kind.upper())
    became = type_ if order.kind not in TRIGGERED else "LIMIT" if order.kind in PRICED else "MARKET"
    happened = _HAPPENED.get(order.state, "NEW") if fill is None else "TRADE"
    if fill is not None and order.origin:
        happened = "CALCULATED"
    body = {
        "s": native_of(order.instrument, natives), "c": client_id_of(order.client_id, order.venue_id, order.origin),
        "S": side(order.side), "o": became,
        "f": time_in_force(order), "q": text(order.size), "p": text(order.price), "ap": text(order.average),
        "sp": text(order.stop_price), "x": "AMENDMENT" if happened == "REPLACED" else happened,
        "X": STATUSES.get(order.state, "NEW"), "i": number_of(order.venue_id),
        "l": text(fill.size if fill is not None else None), "z": text(order.filled),
        "L": text(fill.price if fill is not None else None), "T": at_ms,
        "t": number_of(fill.id) if fill is not None else 0, "b": "0", "a": "0",
        "m": fill is not None and fill.liquidity == "maker", "R": order.reduce_only, "wt": "CONTRACT_PRICE",
        "ot": type_, "ps": SIDES_OF[order.position], "cp": False, "AP": "0", "cr": "0", "pP": False, "si": 0, "ss": 0,
        "rp": text(fill.realised if fill is not None else None), "V": "EXPIRE_MAKER", "pm": "NONE", "gtd": 0,
        "er": _EXPIRED.get(order.reason, "0") if order.state == "expired" else "0",
    }  # fmt: skip
    if fill is not None and fill.fee is not None:
        body |= {"N": fill.fee_currency, "n": text(fill.fee)}
    return {"e": "ORDER_TRADE_UPDATE", "T": at_ms, "E": at_ms, "o": body}


def algo_update(order: OrderUpdate, natives: Natives) -> Row:
    """A conditional order that waits, or ended while it waited."""
    at_ms = ms(order.at_ns)
    body = {
        "caid": order.client_id, "aid": number_of(order.venue_id), "at": "CONDITIONAL",
        "o": USDM_TYPES.get(order.kind, order.kind.upper()), "s": native_of(order.instrument, natives),
        "S": side(order.side), "ps": SIDES_OF[order.position], "f": time_in_force(order), "q": text(order.size),
        "X": ALGO_STATUSES.get(order.state, "NEW"), "ai": "", "ap": text(None), "aq": text(None), "act": "0",
        "tp": text(order.stop_price), "p": text(order.price), "V": "EXPIRE_MAKER", "wt": "CONTRACT_PRICE",
        "pm": "NONE", "cp": False, "pP": False, "R": order.reduce_only, "tt": 0, "gtd": 0,
        **({"rm": order.why} if order.why else {}),
    }  # fmt: skip
    return {"e": "ALGO_UPDATE", "T": at_ms, "E": at_ms, "o": body}


def _account_updates(changed: Sequence[Balance | Position | Payment], natives: Natives) -> list[Row]:
    """One message for each reason, in the order they came."""
    found: list[Row] = []
    for word, part in _by_reason(changed):
        at_ms = ms(part[-1].at_ns)
        paid = {one.currency: one for one in part if isinstance(one, Payment)}
        where = next((native_of(one.instrument, natives) for one in paid.values() if one.instrument), "")
        balances = [
            {
                "a": one.currency, "wb": text(one.total), "cw": text(one.total),
                "bc": text(paid[one.currency].amount if one.currency in paid else None),
            }
            for one in part
            if isinstance(one, Balance)
        ]  # fmt: skip
        positions = [
            {
                "s": native_of(one.instrument, natives), "pa": text(one.size), "ep": text(one.entry_price),
                "bep": text(one.entry_price), "cr": "0", "up": text(one.unrealised), "mt": one.margin_mode or "cross",
                "iw": "0", "ps": SIDES_OF[one.position],
            }
            for one in part
            if isinstance(one, Position)
        ]  # fmt: skip
        body: dict[str, Any] = {"m": word, "B": balances, "P": positions, **({"S": where} if where else {})}
        found.append({"e": "ACCOUNT_UPDATE", "E": at_ms, "T": at_ms, "a": body})
    return found


def _by_reason(
    changed: Sequence[Balance | Position | Payment],
) -> list[tuple[str, list[Balance | Position | Payment]]]:
    """Runs of changes of one reason; a position goes with what came before it.

    A message has room for one payment of a currency, and for the name of one instrument.
    """
    runs: list[tuple[str, list[Balance | Position | Payment]]] = []
    for one in changed:
        word = _reason(one)
        if not runs or (word and runs[-1][0] != word) or (isinstance(one, Payment) and _full(runs[-1][1], one)):
            runs.append((word or "ORDER", []))
        runs[-1][1].append(one)
    return runs


def _full(run: Sequence[Balance | Position | Payment], one: Payment) -> bool:
    paid = [each for each in run if isinstance(each, Payment)]
    return any(each.currency == one.currency or each.instrument != one.instrument for each in paid)


def _reason(one: Balance | Position | Payment) -> str:
    match one:
        case Payment():
            return _CHANGES.get(one.kind, "ADJUSTMENT")
        case Balance():
            return _CHANGES.get(one.reason, "ORDER") if one.reason else ""
        case _:
            return ""


# ---- both ---------------------------------------------------------------------------------------------------------


def names(instruments: Mapping[str, Instrument]) -> dict[str, str]:
    """Native symbols by id."""
    return {name: instrument.native for name, instrument in instruments.items()}


def _bare(fill: Fill | None) -> OrderUpdate:
    """What a fill alone says of its order."""
    assert fill is not None, "there is an update or a fill"
    return OrderUpdate(
        fill.instrument, "orders", fill.at_ns, fill.received_ns, fill.source, fill.account, client_id=fill.client_id,
        venue_id=fill.venue_id, state="partly_filled", side=fill.side, kind="limit", size=fill.size, price=fill.price,
        filled=fill.size, average=fill.price, time_in_force="gtc", position=fill.position, origin=fill.origin,
    )  # fmt: skip


def _product(price: Decimal, size: Decimal) -> Decimal:
    return ROUNDING.quantize(ROUNDING.multiply(price, size), EIGHT)
