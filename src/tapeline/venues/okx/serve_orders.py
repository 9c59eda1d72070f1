"""OKX's REST side about orders and accounts, as the paper exchange plays it: the inverse of `orders`. Pure."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from tapeline.errors import AuthenticationRefused, BadData, ClockWrong, OrderRefused, RateLimited
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.number import plain
from tapeline.model.order import FINAL
from tapeline.venues.okx.order_refusals import NO_SUCH_ORDER, code_of
from tapeline.venues.okx.order_rows import (
    account_item,
    algo_item,
    bill_item,
    config_item,
    fill_item,
    ms,
    order_item,
    position_item,
    waits,
)
from tapeline.venues.okx.orders import MOST_ROWS, PATHS
from tapeline.venues.okx.placing import ALGO_KINDS
from tapeline.venues.okx.serve_placing import (
    Arg,
    Instruments,
    args_of,
    instrument_of,
    only,
    read_amend,
    read_cancels,
    read_named,
    read_place,
    text,
    wrong,
)
from tapeline.venues.orders import OrderAnswer, OrderAsk, OrderRequest

MS_NS, SECOND_NS = 1_000_000, 1_000_000_000
ALGO_PART = "algo"  # of an ask for one order, or for old ones: it came by the path of algo orders
_json = msgspec.json.encode

_BATCH = "/api/v5/trade/batch-orders"
_BATCH_AMEND = "/api/v5/trade/amend-batch-orders"
_ARCHIVE = "/api/v5/trade/orders-history-archive"
_ALGO_HISTORY = "/api/v5/trade/orders-algo-history"


# ---- what is asked ----------------------------------------------------------------------------------------------


def read(request: OrderRequest, instruments: Instruments) -> OrderAsk | None:
    """What a request asks for; None for a path that is none of the account's. Raises OrderRefused."""
    reader = _READERS.get((request.method, request.path))
    if reader is None:
        return None
    args = [query_of(request.query)] if request.method == "GET" else args_of(request.body)
    return reader(args, instruments)


Reader = Callable[[list[Arg], Instruments], OrderAsk]


def _place(args: list[Arg], instruments: Instruments, *, algo: bool = False) -> OrderAsk:
    return read_place(only(args), instruments, algo=algo)


def _amend(args: list[Arg], instruments: Instruments) -> OrderAsk:
    return read_amend(only(args), instruments)


def _order(args: list[Arg], instruments: Instruments) -> OrderAsk:
    return read_named("order", args[0], instruments)


def _algo_order(args: list[Arg], _instruments: Instruments) -> OrderAsk:
    """It is named without its instrument."""
    venue_id, client_id = text(args[0], "algoId"), text(args[0], "algoClOrdId")
    if not venue_id and not client_id:
        raise OrderRefused("Either algoId or algoClOrdId is required", code="50015", reason="parameter")
    return OrderAsk(call="order", venue_id=venue_id, client_id="" if venue_id else client_id, part=ALGO_PART)


def _list(call: str, part: str, args: list[Arg], instruments: Instruments, *, fixed_part: str = "") -> OrderAsk:
    """A list: of one instrument or all, of a span, a page of it. `part` names the argument that is its part."""
    arg = args[0]
    natives = text(arg, "instId")
    return OrderAsk(
        call=call, instrument=instrument_of(arg, instruments) if natives and "," not in natives else None,
        part=fixed_part or (text(arg, part) if part else ""), venue_id=text(arg, "ordId"),
        from_ns=_ns(arg, "begin"), to_ns=_ns(arg, "end"), page=text(arg, "after"), limit=_whole(arg, "limit"),
    )  # fmt: skip


def _account(call: str, _args: list[Arg], _instruments: Instruments) -> OrderAsk:
    return OrderAsk(call=call)


def _position_mode(args: list[Arg], _instruments: Instruments) -> OrderAsk:
    word = text(only(args), "posMode")
    if word not in {"long_short_mode", "net_mode"}:
        raise wrong("posMode")
    return OrderAsk(call="position_mode", hedge=word == "long_short_mode")


def _leverage(args: list[Arg], instruments: Instruments) -> OrderAsk:
    arg = only(args)
    try:
        leverage = Decimal(text(arg, "lever"))
    except ArithmeticError as error:
        raise wrong("lever") from error
    if not leverage.is_finite():
        raise wrong("lever")
    return OrderAsk(call="leverage", instrument=instrument_of(arg, instruments), leverage=leverage)


def _dead_man(args: list[Arg], _instruments: Instruments) -> OrderAsk:
    seconds = _whole(only(args), "timeOut")
    if seconds is None or not (seconds == 0 or 10 <= seconds <= 120):
        raise wrong("timeOut")
    return OrderAsk(call="dead_man", countdown_s=seconds)


_READERS: Mapping[tuple[str, str], Reader] = {
    ("POST", PATHS["order"]): _place,
    ("POST", _BATCH): _place,
    ("POST", PATHS["algo order"]): partial(_place, algo=True),
    ("POST", PATHS["amend"]): _amend,
    ("POST", _BATCH_AMEND): _amend,
    ("POST", PATHS["algo amend"]): _amend,
    ("POST", PATHS["cancel"]): read_cancels,
    ("POST", PATHS["cancels"]): read_cancels,
    ("POST", PATHS["algo cancels"]): read_cancels,
    ("GET", PATHS["order"]): _order,
    ("GET", PATHS["algo order"]): _algo_order,
    ("GET", PATHS["open orders"]): partial(_list, "open_orders", ""),
    ("GET", PATHS["open algo orders"]): partial(_list, "open_orders", "ordType"),
    ("GET", PATHS["closed orders"]): partial(_list, "closed_orders", "instType"),
    ("GET", _ARCHIVE): partial(_list, "closed_orders", "instType"),
    ("GET", _ALGO_HISTORY): partial(_list, "closed_orders", "", fixed_part=ALGO_PART),
    ("GET", PATHS["fills"]): partial(_list, "fills", "instType"),
    ("GET", PATHS["older fills"]): partial(_list, "fills", "instType"),
    ("GET", PATHS["balances"]): partial(_account, "balances"),
    ("GET", PATHS["positions"]): partial(_list, "positions", ""),
    ("GET", PATHS["payments"]): partial(_list, "payments", ""),
    ("GET", PATHS["older payments"]): partial(_list, "payments", ""),
    ("GET", PATHS["mode"]): partial(_account, "mode"),
    ("POST", PATHS["position mode"]): _position_mode,
    ("POST", PATHS["leverage"]): _leverage,
    ("POST", PATHS["dead man"]): _dead_man,
}


def query_of(query: str) -> Arg:
    """The arguments of a query, percent-decoded."""
    pairs = (each.partition("=") for each in query.split("&") if each)
    return {_unquoted(name): _unquoted(value) for name, _, value in pairs}


def _unquoted(quoted: str) -> str:
    first, *rest = quoted.replace("+", " ").encode().split(b"%")
    try:
        return (first + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest)).decode()
    except ValueError as error:
        raise OrderRefused("Invalid request", code="50014", reason="parameter") from error


def _whole(arg: Arg, name: str) -> int | None:
    value = text(arg, name)
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 13):
        raise wrong(name)
    return int(value)


def _ns(arg: Arg, name: str) -> int | None:
    value = _whole(arg, name)
    return None if value is None else value * MS_NS


# ---- what is answered -------------------------------------------------------------------------------------------


def answer(ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> bytes:
    """The body of an answer; lists newest first."""
    data = rows(ask, events, now_ns)
    return _json({"code": verdict(ask, data), "msg": "", "data": data})


def verdict(ask: OrderAsk, data: Sequence[Any]) -> str:
    """0 where all went well, 1 where nothing did, 2 where some did: of several orders named at once."""
    bad = [row for row in data if row["sCode"] != "0"] if ask.call == "cancel_all" else []
    return "0" if not bad else "1" if len(bad) == len(data) else "2"


def rows(ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Sequence[Any]:
    """What `data` holds. Raises BadData for a call that has no answer here."""
    make = _ANSWERS.get(ask.call)
    if make is None:
        raise BadData(f"okx: no answer to {ask.call}", kind="unknown_type")
    return make(ask, events, now_ns)


def outcome(ask: OrderAsk, update: OrderUpdate | None, now_ns: int, code: str = "0", why: str = "") -> dict[str, str]:
    """What became of one order that was named."""
    client_id = update.client_id if update is not None else ask.client_id
    venue_id = update.venue_id if update is not None else ask.venue_id
    told = {"tag": "", "ts": ms(now_ns), "sCode": code, "sMsg": why}
    kind = update.kind if update is not None else ask.intent.kind if ask.intent is not None else ""
    if kind in ALGO_KINDS and (update is None or waits(update)):
        return {"algoId": venue_id, "algoClOrdId": client_id, "clOrdId": "", **told}
    return {"ordId": venue_id, "clOrdId": client_id, **told}


def _acted(ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Sequence[Any]:
    updates = [event for event in events if isinstance(event, OrderUpdate)]
    return [outcome(ask, updates[-1] if updates else None, now_ns)]


def _cancelled(ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> Sequence[Any]:
    """Of several, each by the id it was named by."""
    gone = {event.venue_id: event for event in events if isinstance(event, OrderUpdate)}
    code, why = code_of(OrderRefused("", reason="unknown_order"))[0], "Cancellation failed"
    return [
        outcome(ask, gone[each], now_ns)
        if each in gone
        else {"ordId": each, "clOrdId": "", "tag": "", "ts": ms(now_ns), "sCode": code, "sMsg": why}
        for each in ask.venue_ids
    ]


def _one(ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> Sequence[Any]:
    updates = [event for event in events if isinstance(event, OrderUpdate)]
    return [algo_item(each) if ask.part == ALGO_PART else order_item(each) for each in updates]


def _open(ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> Sequence[Any]:
    """Orders, or those that wait for a price: of a kind that `part` names."""
    updates = [event for event in events if isinstance(event, OrderUpdate)]
    if not ask.part:
        return _paged(ask, [order_item(each) for each in updates if not waits(each)], "ordId")
    items = [algo_item(each) for each in updates if waits(each)]
    wanted = set(ask.part.split(",")) - {""}
    shown = [item for item in items if item.ordType in wanted or (item.slTriggerPx and "trigger" in wanted)]
    return _paged(ask, shown, "algoId")


def _closed(ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> Sequence[Any]:
    updates = [event for event in events if isinstance(event, OrderUpdate) and event.state in FINAL]
    if ask.part == ALGO_PART:
        return _paged(ask, [algo_item(each) for each in updates if each.kind in ALGO_KINDS], "algoId")
    items = [order_item(each) for each in updates if not waits(each)]
    return _paged(ask, [item for item in items if ask.part in {"", "ANY", item.instType}], "ordId")


def _fills(ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> Sequence[Any]:
    items = [fill_item(event) for event in events if isinstance(event, Fill)]
    return _paged(ask, [item for item in items if ask.part in {"", "ANY", item.instType}], "billId")


def _payments(ask: OrderAsk, events: Sequence[OrderAnswer], _now_ns: int) -> Sequence[Any]:
    return _paged(ask, [bill_item(event) for event in events if isinstance(event, Payment)], "billId")


def _paged(ask: OrderAsk, items: Sequence[Any], name: str) -> Sequence[Any]:
    """Newest first, older than the row that `after` names, at most a page."""
    newest = list(reversed(items))
    if ask.page:
        ids = [getattr(item, name) for item in newest]
        older = (n for n, each in enumerate(ids) if each.isdigit() and ask.page.isdigit() and int(each) < int(ask.page))
        start = ids.index(ask.page) + 1 if ask.page in ids else next(older, len(newest))
        newest = newest[start:]
    return newest[: min(ask.limit or MOST_ROWS, MOST_ROWS)]


_ANSWERS: Mapping[str, Callable[[OrderAsk, Sequence[OrderAnswer], int], Sequence[Any]]] = {
    "place": _acted,
    "amend": _acted,
    "cancel": _acted,
    "cancel_all": _cancelled,
    "order": _one,
    "open_orders": _open,
    "closed_orders": _closed,
    "fills": _fills,
    "balances": lambda _ask, events, _now: [account_item(each for each in events if isinstance(each, Balance))],
    "positions": lambda _ask, events, _now: [
        position_item(each, {}) for each in reversed(events) if isinstance(each, Position)
    ],
    "payments": _payments,
    "mode": lambda _ask, events, _now: [config_item(each) for each in events if isinstance(each, AccountMode)],
    "position_mode": lambda ask, _events, _now: [{"posMode": "long_short_mode" if ask.hedge else "net_mode"}],
    "leverage": lambda ask, _events, _now: [
        {
            "instId": ask.instrument.native if ask.instrument is not None else "",
            "lever": plain(ask.leverage) if ask.leverage is not None else "", "mgnMode": "cross", "posSide": "net",
        }
    ],
    "dead_man": lambda ask, _events, now: [
        {"triggerTime": ms(now + ask.countdown_s * SECOND_NS) if ask.countdown_s else "0", "tag": "", "ts": ms(now)}
    ],
}  # fmt: skip


def refuse(error: Exception) -> tuple[int, bytes]:
    """An error as OKX answers it: of an order with its own code inside an answer that is fine by HTTP.

    Of an unknown order a question is answered with 51603, a cancel with 51400 inside: both are said, for who asked is
    not known here.
    """
    code, why = code_of(error)
    if isinstance(error, OrderRefused):
        unknown = error.reason == "unknown_order"
        item = {"clOrdId": "", "ordId": "", "tag": "", "ts": "", "sCode": code, "sMsg": why}
        told = (NO_SUCH_ORDER, "Order does not exist") if unknown else ("1", "All operations failed")
        return 200, _json({"code": told[0], "msg": told[1], "data": [item]})
    status = 401 if isinstance(error, AuthenticationRefused | ClockWrong) else 400
    return 429 if isinstance(error, RateLimited) else status, _json({"code": code, "msg": why, "data": []})
