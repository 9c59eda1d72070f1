"""OKX's REST calls about orders and accounts, both directions of each: what to ask, what the answer says. Pure.

https://www.okx.com/docs-v5/en/#order-book-trading-trade
An answer's `code` is 0 where all went well, 1 where nothing did and 2 where some did; each order's own `sCode` is what
counts, and is always read. Lists come newest first, page by `after` an id, and are turned round.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tapeline.errors import BadData, OrderRefused
from tapeline.model.account import OrderUpdate
from tapeline.model.number import plain
from tapeline.venues.okx import order_events, order_wire
from tapeline.venues.okx.order_events import Reading
from tapeline.venues.okx.order_refusals import UNDER_WAY, order_refusal
from tapeline.venues.okx.order_wire import ALGO, Outcome
from tapeline.venues.okx.placing import (
    amend_arg,
    cancel_arg,
    cancel_args,
    ids_of,
    instrument_of,
    is_algo,
    place_arg,
)
from tapeline.venues.okx.wire import UNREADABLE
from tapeline.venues.orders import OrderAnswer, OrderAsk, OrderCall
from tapeline.venues.request import Request
from tapeline.venues.spec import Allowance

MS_NS = 1_000_000
DAY_S = 86400
MOST_ROWS, MOST_CANCELS = 100, 20
ACTING = frozenset({"place", "amend", "cancel", "cancel_all"})
TYPES = ("SPOT", "SWAP", "FUTURES")
ALGO_LISTS = ("conditional,oco", "trigger", "move_order_stop")  # what one request for waiting orders may name
DEAD_MAN_S = (10, 120)

PATHS = {
    "order": "/api/v5/trade/order",
    "algo order": "/api/v5/trade/order-algo",
    "amend": "/api/v5/trade/amend-order",
    "algo amend": "/api/v5/trade/amend-algos",
    "cancel": "/api/v5/trade/cancel-order",
    "algo cancels": "/api/v5/trade/cancel-algos",
    "cancels": "/api/v5/trade/cancel-batch-orders",
    "open orders": "/api/v5/trade/orders-pending",
    "open algo orders": "/api/v5/trade/orders-algo-pending",
    "closed orders": "/api/v5/trade/orders-history",
    "fills": "/api/v5/trade/fills",
    "older fills": "/api/v5/trade/fills-history",
    "balances": "/api/v5/account/balance",
    "positions": "/api/v5/account/positions",
    "payments": "/api/v5/account/bills",
    "older payments": "/api/v5/account/bills-archive",
    "mode": "/api/v5/account/config",
    "position mode": "/api/v5/account/set-position-mode",
    "leverage": "/api/v5/account/set-leverage",
    "dead man": "/api/v5/trade/cancel-all-after",
}
# One allowance a path, named as the path is here: limits are per endpoint, and what places also asks.
ORDER_ALLOWANCES = tuple(
    Allowance(name=name, weight=most, window_s=window_s)
    for name, most, window_s in (
        ("orders", 60, 2), ("order", 60, 2), ("place algo", 20, 2), ("algo order", 20, 2), ("amend", 60, 2),
        ("algo amend", 20, 2), ("cancel", 60, 2), ("algo cancels", 20, 2), ("cancels", 300, 2), ("open orders", 60, 2),
        ("open algo orders", 20, 2), ("closed orders", 40, 2), ("fills", 60, 2), ("older fills", 10, 2),
        ("balances", 10, 2), ("positions", 10, 2), ("payments", 5, 1), ("older payments", 5, 2), ("mode", 5, 2),
        ("position mode", 5, 2), ("leverage", 20, 2), ("dead man", 1, 1),
    )
)  # fmt: skip


class Envelope(Struct):
    """{"code":"0","msg":"","data":[...]}, and over a WebSocket the same with more round it."""

    code: str | int = "0"
    msg: str = ""
    data: Raw = Raw(b"[]")


_envelope = msgspec.json.Decoder(Envelope).decode
_json = msgspec.json.encode


def _rows(item: Any) -> Callable[[Raw], Any]:
    return msgspec.json.Decoder(list[item]).decode


_outcomes = _rows(Outcome)
_orders, _algos, _fills = _rows(order_wire.OrderItem), _rows(order_wire.AlgoItem), _rows(order_wire.FillItem)
_accounts, _positions = _rows(order_wire.AccountItem), _rows(order_wire.PositionItem)
_bills, _configs, _anything = _rows(order_wire.BillItem), _rows(order_wire.ConfigItem), _rows(Raw)
_ids = _rows(dict[str, Any])


# ---- asking -----------------------------------------------------------------------------------------------------


def _post(path: str, body: Any, *, budget: str = "", weight: int = 1) -> Request:
    return Request("POST", PATHS[path], body=_json(body), budget=budget or path, weight=weight)


def _get(path: str, query: Iterable[tuple[str, str | None]] = ()) -> Request:
    return Request("GET", PATHS[path], tuple((name, value) for name, value in query if value), budget=path)


def _place(ask: OrderAsk) -> Request:
    algo = is_algo(ask)
    return _post("algo order" if algo else "order", place_arg(ask), budget="place algo" if algo else "orders")


def _amend(ask: OrderAsk) -> Request:
    return _post("algo amend" if is_algo(ask) else "amend", amend_arg(ask))


def _cancel(ask: OrderAsk) -> Request:
    return _post("algo cancels", [cancel_arg(ask)]) if is_algo(ask) else _post("cancel", cancel_arg(ask))


def _cancel_all(ask: OrderAsk) -> Request:
    args = cancel_args(ask)
    return _post("algo cancels" if "algoId" in args[0] else "cancels", args, weight=len(args))


def _order(ask: OrderAsk) -> Request:
    if is_algo(ask):
        return _get("algo order", ids_of(ask).items())
    return _get("order", {"instId": instrument_of(ask).native, **ids_of(ask)}.items())


def _open_orders(ask: OrderAsk) -> Request:
    if ask.part:
        return _get("open algo orders", [("ordType", ask.part), ("instId", _native(ask)), *_paged(ask)])
    return _get("open orders", [("instId", _native(ask)), *_paged(ask)])


def _listed(path: str, ask: OrderAsk) -> Request:
    order = ask.venue_id if not ask.venue_id.startswith(ALGO) else ""
    return _get(path, [("instType", ask.part), ("instId", _native(ask)), ("ordId", order), *_span(ask), *_paged(ask)])


def _payments(path: str, ask: OrderAsk) -> Request:
    return _get(path, [("instId", _native(ask)), *_span(ask), *_paged(ask)])


def _dead_man(ask: OrderAsk) -> Request:
    least, most = DEAD_MAN_S
    seconds = ask.countdown_s
    if seconds is None or not (seconds == 0 or least <= seconds <= most):
        raise OrderRefused(f"okx cancels all after {least} to {most} s, or 0 to disarm, not {seconds}",
                           reason="parameter")  # fmt: skip
    return _post("dead man", {"timeOut": str(seconds)})


def _leverage(ask: OrderAsk) -> Request:
    if ask.leverage is None:
        raise OrderRefused("okx leverage: none is named", reason="parameter")
    arg = {"instId": instrument_of(ask).native, "lever": plain(ask.leverage), "mgnMode": "cross"}
    return _post("leverage", arg)


def _position_mode(ask: OrderAsk) -> Request:
    return _post("position mode", {"posMode": "long_short_mode" if ask.hedge else "net_mode"})


def _native(ask: OrderAsk) -> str:
    return "" if ask.instrument is None else ask.instrument.native


def _span(ask: OrderAsk) -> list[tuple[str, str | None]]:
    begin = None if ask.from_ns is None else str(ask.from_ns // MS_NS)
    end = None if ask.to_ns is None else str(-(-ask.to_ns // MS_NS))
    return [("begin", begin), ("end", end)]


def _paged(ask: OrderAsk) -> list[tuple[str, str | None]]:
    limit = None if ask.limit is None else str(min(ask.limit, MOST_ROWS))
    return [("after", ask.page), ("limit", limit)]


# ---- reading ----------------------------------------------------------------------------------------------------


def _data(body: bytes, ask: OrderAsk, read: Callable[[Raw], Any]) -> Any:
    """The rows of an answer. Raises what the venue's code means, or BadData."""
    try:
        envelope = _envelope(body)
        if str(envelope.code) != "0":
            raise _refusal(str(envelope.code), envelope.msg, ask)
        return read(envelope.data)
    except UNREADABLE as error:
        raise BadData(f"okx {ask.call}: {error}: {body[:200]!r}", kind="schema") from error


def _refusal(code: str, text: str, ask: OrderAsk) -> Exception:
    derivative = ask.instrument is not None and ask.instrument.kind != "spot"
    what = f"{ask.call} {ask.client_id or ask.venue_id}".rstrip()
    return order_refusal(code, text, what, acting=ask.call in ACTING, derivative=derivative)


def _told(body: bytes, ask: OrderAsk) -> list[Outcome]:
    """What became of each order that was named; of them all, where the answer is about none of them."""
    try:
        envelope = _envelope(body)
        outcomes: list[Outcome] = _outcomes(envelope.data)
    except UNREADABLE as error:
        raise BadData(f"okx {ask.call}: {error}: {body[:200]!r}", kind="schema") from error
    if outcomes:
        return outcomes
    if str(envelope.code) == "0":
        raise BadData(f"okx {ask.call}: an answer about no order: {body[:200]!r}", kind="schema")
    raise _refusal(str(envelope.code), envelope.msg, ask)


def _acted(state: str, body: bytes, ask: OrderAsk, ids: Mapping[str, str], received_ns: int) -> Sequence[OrderAnswer]:
    """An order was taken, or its cancel was. Its stream says what becomes of it, and when."""
    updates = []
    for outcome in _told(body, ask):
        if outcome.sCode not in {"0", UNDER_WAY} or (outcome.sCode == UNDER_WAY and state != "cancelling"):
            raise _refusal(outcome.sCode, outcome.sMsg or "", ask)
        updates.append(_named(outcome, state, ask, ids, received_ns))
    return updates


def _cancelled(body: bytes, ask: OrderAsk, ids: Mapping[str, str], received_ns: int) -> Sequence[OrderAnswer]:
    """Of several, those that are being cancelled; the rest is left as it is, but where that is all of them."""
    told = _told(body, ask)
    taken = [outcome for outcome in told if outcome.sCode in {"0", UNDER_WAY}]
    if not taken:
        raise _refusal(told[0].sCode, told[0].sMsg or "", ask)
    return [_named(outcome, "cancelling", ask, ids, received_ns) for outcome in taken]


def _named(outcome: Outcome, state: str, ask: OrderAsk, ids: Mapping[str, str], received_ns: int) -> OrderUpdate:
    venue_id = ALGO + outcome.algoId if outcome.algoId else outcome.ordId or ""
    native = _native(ask)
    return OrderUpdate(
        instrument=ids.get(native, ask.instrument.id if ask.instrument is not None else None), channel="orders",
        at_ns=None, received_ns=received_ns, source="rest", account=ask.account,
        client_id=outcome.algoClOrdId or outcome.clOrdId or ask.client_id, venue_id=venue_id, state=state,
    )  # fmt: skip


def _amended(body: bytes, ask: OrderAsk, *_: Any) -> Sequence[OrderAnswer]:
    """Taken, and not done yet: the order's stream says what it is now, or that it could not be."""
    for outcome in _told(body, ask):
        if outcome.sCode != "0":
            raise _refusal(outcome.sCode, outcome.sMsg or "", ask)
    return ()


Parse = Callable[[bytes, OrderAsk, Mapping[str, str], int], Sequence[OrderAnswer]]


def _each(venue: str, read: Callable[[Raw], Any], make: Callable[[Any, Reading], OrderAnswer | None]) -> Parse:
    """Reads a list of which each row is one event, or none; oldest first."""
    return _several(venue, read, lambda item, by: [event] if (event := make(item, by)) is not None else ())


def _several(
    venue: str, read: Callable[[Raw], Any], make: Callable[[Any, Reading], Sequence[OrderAnswer]]
) -> Parse:  # fmt: skip
    """Reads a list of which each row is any number of events."""

    def parse(body: bytes, ask: OrderAsk, ids: Mapping[str, str], received_ns: int) -> Sequence[OrderAnswer]:
        by = Reading(lambda native: ids.get(native) or f"{venue}:{native}", ask.account, received_ns, "rest")
        rows = _data(body, ask, read)
        try:
            return [event for item in reversed(rows) for event in make(item, by)]
        except UNREADABLE as error:
            raise BadData(f"okx {ask.call}: {error}", kind="schema") from error

    return parse


def _orders_parse(venue: str) -> Parse:
    """Orders, or the waiting ones where those were asked for."""
    plain_orders = _each(venue, _orders, order_events.order_update)
    waiting = _each(venue, _algos, order_events.algo_update)

    def parse(body: bytes, ask: OrderAsk, ids: Mapping[str, str], received_ns: int) -> Sequence[OrderAnswer]:
        algo = bool(ask.part) if ask.call == "open_orders" else is_algo(ask)
        return (waiting if algo else plain_orders)(body, ask, ids, received_ns)

    return parse


def _nothing(body: bytes, ask: OrderAsk, *_: Any) -> Sequence[OrderAnswer]:
    """It was done, and there is nothing more to say."""
    _data(body, ask, _anything)
    return ()


def _next(names: Sequence[str], ask: OrderAsk, body: bytes) -> OrderAsk | None:
    """The page of older rows, after the last id of this one; None where this one is not full."""
    rows = _data(body, ask, _ids)
    if len(rows) < min(ask.limit or MOST_ROWS, MOST_ROWS):
        return None
    last = next((rows[-1][name] for name in names if rows[-1].get(name)), "")
    return msgspec.structs.replace(ask, page=last) if last and last != ask.page else None


def calls(venue: str) -> Mapping[str, OrderCall]:
    """Every call, for the venue of this name."""
    return {**_order_calls(venue), **_money_calls(venue), **_account_calls(venue)}


def _order_calls(venue: str) -> dict[str, OrderCall]:
    """What is done to orders, and what they are and were."""
    orders, by_order = _orders_parse(venue), partial(_next, ("ordId", "algoId"))
    return {
        "place": OrderCall(build=_place, parse=partial(_acted, "open")),
        "amend": OrderCall(build=_amend, parse=_amended),
        "cancel": OrderCall(build=_cancel, parse=partial(_acted, "cancelling")),
        "cancel_all": OrderCall(build=_cancel_all, parse=_cancelled, page=MOST_CANCELS),
        "order": OrderCall(build=_order, parse=orders),
        "open_orders": OrderCall(
            build=_open_orders, parse=orders, parts=("", *ALGO_LISTS), page=MOST_ROWS, next=by_order
        ),
        "closed_orders": OrderCall(
            build=partial(_listed, "closed orders"),
            parse=orders,
            parts=TYPES,
            keeps_s=7 * DAY_S,
            page=MOST_ROWS,
            next=by_order,
        ),
    }


def _money_calls(venue: str) -> dict[str, OrderCall]:
    """What came of orders, what is held, and what was paid."""
    fills, by_bill = _each(venue, _fills, order_events.fill), partial(_next, ("billId",))
    balances = _several(venue, _accounts, lambda item, by: order_events.balances((item,), by))
    positions = _several(venue, _positions, lambda item, by: order_events.positions((item,), by))
    payments = _each(venue, _bills, order_events.payment)
    return {
        "fills": OrderCall(
            build=partial(_listed, "fills"), parse=fills, keeps_s=3 * DAY_S, page=MOST_ROWS, next=by_bill
        ),
        "older_fills": OrderCall(
            build=partial(_listed, "older fills"),
            parse=fills,
            parts=TYPES,
            keeps_s=90 * DAY_S,
            page=MOST_ROWS,
            next=by_bill,
        ),
        "balances": OrderCall(build=lambda _ask: _get("balances"), parse=balances),
        "positions": OrderCall(build=lambda ask: _get("positions", [("instId", _native(ask))]), parse=positions),
        "payments": OrderCall(
            build=partial(_payments, "payments"), parse=payments, keeps_s=7 * DAY_S, page=MOST_ROWS, next=by_bill
        ),
        "older_payments": OrderCall(
            build=partial(_payments, "older payments"), parse=payments, keeps_s=90 * DAY_S, page=MOST_ROWS, next=by_bill
        ),
    }


def _account_calls(venue: str) -> dict[str, OrderCall]:
    """How the account is set up, and its dead man's switch."""
    return {
        "mode": OrderCall(build=lambda _ask: _get("mode"), parse=_each(venue, _configs, order_events.account_mode)),
        "position_mode": OrderCall(build=_position_mode, parse=_nothing),
        "leverage": OrderCall(build=_leverage, parse=_nothing),
        "dead_man": OrderCall(build=_dead_man, parse=_nothing),
    }
