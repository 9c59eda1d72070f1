"""The venue's own side of order lists: what is asked, how it is answered, and what the private stream tells of one."""

from collections.abc import Mapping, Sequence

import msgspec

from tapeline.errors import OrderRefused
from tapeline.model.account import ListUpdate, OrderUpdate
from tapeline.model.order import Intent
from tapeline.venues.binance.encode import ms
from tapeline.venues.binance.orders.lists import PLACE_OCO
from tapeline.venues.binance.orders.serve_read import (
    Fields,
    Natives,
    Route,
    decimal_of,
    instrument_of,
    malformed,
    needed,
    time_of,
    whole_of,
    word_of,
)
from tapeline.venues.binance.orders.serve_rows import (
    Row,
    Writer,
    native_of,
    number_of,
    of_kind,
    spot_answer,
    spot_cancelled,
    spot_placed,
)
from tapeline.venues.binance.orders.words import MS_NS, POST_ONLY, SIDES, SPOT_KINDS
from tapeline.venues.orders import Leg, OrderAnswer, OrderAsk

LIST, OLD_OCO = "/api/v3/orderList", "/api/v3/order/oco"
LIST_METHODS: Mapping[str, tuple[str, str]] = {
    "orderList.place": ("POST", OLD_OCO), "orderList.cancel": ("DELETE", LIST), "orderList.status": ("GET", LIST),
    "openOrderLists.status": ("GET", "/api/v3/openOrderList"), "allOrderLists": ("GET", "/api/v3/allOrderList"),
}  # fmt: skip
"""Names on the WebSocket API that no call of ours has."""

_STATUSES: Mapping[str, tuple[str, str]] = {
    "open": ("EXEC_STARTED", "EXECUTING"), "done": ("ALL_DONE", "ALL_DONE"), "rejected": ("RESPONSE", "REJECT"),
}  # fmt: skip


def list_routes() -> dict[tuple[str, str], Route]:
    """Paths of lists, by method; also the one that a list was placed by before 2024."""
    return {
        ("POST", PLACE_OCO): _place,
        ("POST", OLD_OCO): _place_old,
        ("DELETE", LIST): lambda fields, natives: _which("cancel_list", fields, natives),
        ("GET", LIST): lambda fields, natives: _which("list", fields, natives),
        ("GET", "/api/v3/openOrderList"): lambda _fields, _natives: OrderAsk(call="open_lists"),
        ("GET", "/api/v3/allOrderList"): _all,
    }


# ---- what is asked ------------------------------------------------------------------------------------------------


def _place(fields: Fields, natives: Natives) -> OrderAsk:
    legs = []
    for where in ("above", "below"):
        part = {name.removeprefix(where): value for name, value in fields.items() if name.startswith(where)}
        for name in ("Type", "Price", "StopPrice", "TimeInForce", "TrailingDelta"):
            if name in part:
                part[name[0].lower() + name[1:]] = part.pop(name)
        if part.get("trailingDelta"):
            raise OrderRefused("Trailing stops of a list are not simulated.", reason="unsupported")
        legs.append(_leg({**fields, **part}, part.get("ClientOrderId", ""), natives, where))
    return _ask(fields, natives, legs)


def _place_old(fields: Fields, natives: Natives) -> OrderAsk:
    """`price` and `stopPrice`, and a `stopLimitPrice` where the stop is to be a limit."""
    common = {name: fields[name] for name in ("symbol", "side", "quantity") if name in fields}
    limit = {**common, "type": "LIMIT_MAKER", "price": fields.get("price", "")}
    stop = {**common, "type": "STOP_LOSS", "stopPrice": fields.get("stopPrice", "")}
    if fields.get("stopLimitPrice"):
        stop |= {
            "type": "STOP_LOSS_LIMIT", "price": fields["stopLimitPrice"],
            "timeInForce": fields.get("stopLimitTimeInForce", "GTC"),
        }  # fmt: skip
    return _ask(fields, natives, [
        _leg(limit, fields.get("limitClientOrderId", ""), natives, ""),
        _leg(stop, fields.get("stopClientOrderId", ""), natives, "stop"),
    ])  # fmt: skip


def _leg(fields: Fields, client_id: str, natives: Natives, where: str) -> Leg:
    if not fields.get("type"):
        raise malformed(f"{where}Type")
    type_ = word_of(fields, "type", SPOT_KINDS, -1116, "Invalid orderType.")
    intent = Intent(
        instrument=instrument_of(fields, natives).id, side=word_of(fields, "side", SIDES, -1117, "Invalid side."),
        kind=type_, size=needed(fields, "quantity"), price=decimal_of(fields, "price"),
        stop_price=decimal_of(fields, "stopPrice"), time_in_force=time_of(fields),
        post_only=fields["type"] in POST_ONLY,
    )  # fmt: skip
    if type_ in {"limit", "stop_limit", "take_profit_limit"} and intent.price is None:
        raise malformed(f"{where}Price")
    if type_ != "limit" and intent.stop_price is None:
        raise malformed(f"{where}StopPrice")
    return Leg(client_id, intent)


def _ask(fields: Fields, natives: Natives, legs: Sequence[Leg]) -> OrderAsk:
    return OrderAsk(
        call="place_list", instrument=instrument_of(fields, natives), client_id=fields.get("listClientOrderId", ""),
        legs=tuple(legs),
    )  # fmt: skip


def _which(call: str, fields: Fields, natives: Natives) -> OrderAsk:
    client_id = fields.get("listClientOrderId") or fields.get("origClientOrderId", "")
    venue_id = fields.get("orderListId", "")
    if not client_id and not venue_id:
        raise malformed("orderListId")
    instrument = instrument_of(fields, natives) if fields.get("symbol") else None
    if instrument is None and call == "cancel_list":
        raise malformed("symbol")
    return OrderAsk(call=call, instrument=instrument, client_id=client_id, venue_id=venue_id)


def _all(fields: Fields, _natives: Natives) -> OrderAsk:
    start, end = whole_of(fields, "startTime"), whole_of(fields, "endTime")
    return OrderAsk(
        call="closed_lists", from_ns=None if start is None else start * MS_NS,
        to_ns=None if end is None else (end + 1) * MS_NS, limit=whole_of(fields, "limit") or 500,
    )  # fmt: skip


# ---- how it is answered -------------------------------------------------------------------------------------------


def answer(natives: Mapping[str, str], ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> bytes:
    """The body for what was asked; of a cancel, with the lists that went."""
    write = _WRITERS.get(ask.call)
    if write is None or (ask.call in {"cancel", "cancel_all"} and not of_kind(events, ListUpdate)):
        return spot_answer(natives, ask, events, now_ns)
    return msgspec.json.encode(write(natives, ask, events, now_ns))


def _rows(natives: Mapping[str, str], ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> list[Row]:
    found = [each for each in of_kind(events, ListUpdate) if _within(each, ask)]
    return [_row(each, natives) for each in found[-(ask.limit or len(found)) :]]


def _one(natives: Mapping[str, str], _ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> Row:
    return _row(of_kind(events, ListUpdate)[-1], natives)


def _placed(natives: Mapping[str, str], ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Row:
    named = [msgspec.structs.replace(ask, client_id=each.client_id) for each in of_kind(events, OrderUpdate)]
    reports = [spot_placed(natives, each, events, now_ns) for each in named]
    return {**_one(natives, ask, events, now_ns), "orderReports": reports}


def _gone(natives: Mapping[str, str], _ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Row:
    return _cancelled(of_kind(events, ListUpdate)[-1], events, natives, now_ns)


def _all_gone(natives: Mapping[str, str], _ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> list[Row]:
    """Orders by themselves, then lists with theirs."""
    lists = of_kind(events, ListUpdate)
    listed = {name for each in lists for name, _ in each.orders}
    alone = [each for each in of_kind(events, OrderUpdate) if each.client_id not in listed]
    rows = [spot_cancelled(each, natives, now_ns) for each in alone]
    return [*rows, *(_cancelled(each, events, natives, now_ns) for each in lists)]


_WRITERS: Mapping[str, Writer] = {
    "open_lists": _rows, "closed_lists": _rows, "list": _one, "place_list": _placed, "cancel_list": _gone,
    "cancel": _gone, "cancel_all": _all_gone,
}  # fmt: skip


def list_status(update: ListUpdate, natives: Mapping[str, str]) -> Row:
    """What the private stream tells of a list."""
    at_ms, symbol = ms(update.at_ns), native_of(update.instrument, natives)
    kind, status = _STATUSES[update.state]
    return {
        "e": "listStatus", "E": at_ms, "s": symbol, "g": number_of(update.list_id), "c": update.kind.upper(),
        "l": kind, "L": status, "r": update.why or "NONE", "C": update.client_id, "T": at_ms,
        "O": [{"s": symbol, "i": number_of(venue_id), "c": client_id} for client_id, venue_id in update.orders],
    }  # fmt: skip


def _row(update: ListUpdate, natives: Mapping[str, str]) -> Row:
    symbol = native_of(update.instrument, natives)
    kind, status = _STATUSES[update.state]
    return {
        "orderListId": number_of(update.list_id), "contingencyType": update.kind.upper(), "listStatusType": kind,
        "listOrderStatus": status, "listClientOrderId": update.client_id, "transactionTime": ms(update.at_ns),
        "symbol": symbol,
        "orders": [
            {"symbol": symbol, "orderId": number_of(venue_id), "clientOrderId": client_id}
            for client_id, venue_id in update.orders
        ],
    }  # fmt: skip


def _cancelled(
    update: ListUpdate, events: Sequence[OrderAnswer], natives: Mapping[str, str], now_ns: int
) -> Row:  # fmt: skip
    names = {client_id for client_id, _ in update.orders}
    reports = [each for each in of_kind(events, OrderUpdate) if each.client_id in names]
    return {
        **_row(update, natives), "orderReports": [spot_cancelled(each, natives, now_ns) for each in reports]
    }  # fmt: skip


def _within(update: ListUpdate, ask: OrderAsk) -> bool:
    at_ns = update.at_ns or 0
    return (ask.from_ns is None or at_ns >= ask.from_ns) and (ask.to_ns is None or at_ns < ask.to_ns)
