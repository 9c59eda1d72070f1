"""OKX's private connections as the paper exchange plays them: logins, subscriptions, orders, and what is told. Pure."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from tapeline.errors import AuthenticationRefused, ClockWrong, OrderRefused, TapelineError
from tapeline.model.account import AccountEvent, Balance, Fill, OrderUpdate, Position
from tapeline.model.instrument import Instrument
from tapeline.venues.okx.order_refusals import code_of
from tapeline.venues.okx.order_rows import account_item, fill_item, order_item, position_item, pushed_algo, waits
from tapeline.venues.okx.placing import ALGO_KINDS
from tapeline.venues.okx.private import ACCOUNT, ALGO_ORDERS, ORDERS, POSITIONS, TRAILING_ORDERS
from tapeline.venues.okx.serve import refuse as error_frame
from tapeline.venues.okx.serve_orders import outcome, rows, verdict
from tapeline.venues.okx.serve_placing import Arg, Instruments, args_of, only, read_amend, read_cancels, read_place
from tapeline.venues.okx.signing import LoginArg, SecretOf, verify_login
from tapeline.venues.okx.wire import CONNECTION, UNREADABLE
from tapeline.venues.okx.wire import Arg as Stream
from tapeline.venues.orders import Opening, OrderAnswer, OrderAsk, Placed

PLACED, WAITING, TRAILING = "orders:placed", "orders:waiting", "orders:trailing"  # by which channel orders are told of
CHANNELS: Mapping[str, tuple[str, ...]] = {
    "orders": ("orders", "fills", PLACED),
    "orders-algo": ("orders", WAITING),
    "algo-advance": ("orders", TRAILING),
    "account": ("balances",),
    "positions": ("positions",),
    "balance_and_position": (),
    "fills": (),
    "liquidation-warning": (),
    "account-greeks": (),
}
"""Private channels, and what of ours they bring; of those that bring nothing the confirmation is all that comes."""
LOG_IN = "Please log in"
Kind = TypeVar("Kind", bound=AccountEvent)


class Request(Struct):
    """{"id":"1512","op":"order","args":[{...}]}. The id is text, and some clients write a number."""

    op: str
    id: str | int = ""
    args: Raw = Raw(b"[]")


_request = msgspec.json.Decoder(Request).decode
_logins = msgspec.json.Decoder(list[LoginArg]).decode
_streams = msgspec.json.Decoder(list[Stream]).decode
_json = msgspec.json.encode


def _place(args: list[Arg], instruments: Instruments) -> OrderAsk:
    return read_place(only(args), instruments, algo=False)


def _amend(args: list[Arg], instruments: Instruments) -> OrderAsk:
    return read_amend(only(args), instruments)


OPS: Mapping[str, Callable[[list[Arg], Instruments], OrderAsk]] = {
    "order": _place,
    "batch-orders": _place,
    "amend-order": _amend,
    "batch-amend-orders": _amend,
    "cancel-order": read_cancels,
    "batch-cancel-orders": read_cancels,
}
_OP_OF = {"place": "order", "amend": "amend-order", "cancel": "cancel-order", "cancel_all": "batch-cancel-orders"}


# ---- what is heard ----------------------------------------------------------------------------------------------


def hear(
    frame: bytes, secret_of: SecretOf, instruments: Mapping[str, Instrument], now_ns: int
) -> Opening | Placed | None:  # fmt: skip
    """What a frame asks; None where it is of the public kind. What is refused at once is answered with the refusal."""
    try:
        request = _request(frame)
    except UNREADABLE:
        return None  # a ping, or what the public half refuses
    request_id = str(request.id)
    match request.op:
        case "login":
            return _login(request.args, secret_of, now_ns)
        case "subscribe" | "unsubscribe":
            return _subscription(request, request_id)
        case op if op in OPS:
            return _order_call(op, request, instruments, now_ns)
        case "mass-cancel":
            return _refused(request_id, "60018", "mass-cancel is for options, which are not traded here")
    return None


def _login(args: Raw, secret_of: SecretOf, now_ns: int) -> Opening:
    try:
        (arg,) = _logins(args)
        key = verify_login(arg, secret_of, now_ns)
    except ClockWrong as error:
        return _refused("", "60006", str(error))
    except AuthenticationRefused as error:
        return _refused("", error.code, str(error))
    except UNREADABLE:
        return _refused("", "60009", "Login failed.")
    return Opening(
        key=key, login=True, answers=(_json({"event": "login", "msg": "", "code": "0", "connId": CONNECTION}),)
    )


def _subscription(request: Request, request_id: str) -> Opening | None:
    """Private channels, one confirmation each; None where none of them is private."""
    try:
        streams = _streams(request.args)
    except UNREADABLE:
        return None
    private = [stream for stream in streams if stream.channel in CHANNELS]
    if not private:
        return None
    named = {"id": request_id} if request_id else {}
    answers = [_json({**named, "event": request.op, "arg": each, "connId": CONNECTION}) for each in private]
    others = [each for each in streams if each.channel not in CHANNELS]
    answers += [_error(request_id, "60018", f"Wrong URL or channel:{each.channel} doesn't exist.") for each in others]
    wanted = dict.fromkeys(name for each in private for name in CHANNELS[each.channel])
    return Opening(
        subscribe=tuple(wanted), off=request.op == "unsubscribe", answers=tuple(answers),
        refused=_error(request_id, "60011", LOG_IN),
    )  # fmt: skip


def _order_call(op: str, request: Request, instruments: Instruments, now_ns: int) -> Opening | Placed:
    request_id = str(request.id)
    try:
        ask = OPS[op](args_of(bytes(request.args)), instruments)
    except OrderRefused as error:
        return Opening(answers=(_failed(op, request_id, OrderAsk(call="place"), error, now_ns),))
    part = op if op != _OP_OF[ask.call] else ""
    return Placed(ask=msgspec.structs.replace(ask, part=part), request_id=request_id)


def _refused(request_id: str, code: str, why: str) -> Opening:
    return Opening(answers=(_error(request_id, code, why),))


def _error(request_id: str, code: str, why: str) -> bytes:
    """An error frame; an id of any text, unlike those of public requests."""
    frame = error_frame(None, code, why)
    return _json({"id": request_id, **msgspec.json.decode(frame)}) if request_id else frame


# ---- what is answered -------------------------------------------------------------------------------------------


def told(request_id: str, ask: OrderAsk, result: Sequence[OrderAnswer] | Exception, now_ns: int) -> bytes:
    """The answer to an order call, under the op it came by."""
    op = ask.part or _OP_OF.get(ask.call, "order")
    if isinstance(result, Exception):
        return _failed(op, request_id, ask, result, now_ns)
    data = rows(msgspec.structs.replace(ask, part=""), result, now_ns)
    return _answered(op, request_id, data, now_ns, code=verdict(ask, data))


def _failed(op: str, request_id: str, ask: OrderAsk, error: Exception, now_ns: int) -> bytes:
    code, why = code_of(error)
    if isinstance(error, TapelineError) and not isinstance(error, OrderRefused):
        return _error(request_id, code, LOG_IN if code == "60011" else why)
    return _answered(op, request_id, [outcome(ask, None, now_ns, code, why)], now_ns, code="1")


def _answered(op: str, request_id: str, data: Sequence[Any], now_ns: int, *, code: str = "0") -> bytes:
    us = str(now_ns // 1000)
    return _json({"id": request_id, "op": op, "data": data, "code": code, "msg": "", "inTime": us, "outTime": us})


# ---- what is told -----------------------------------------------------------------------------------------------


def encode(events: Sequence[AccountEvent], instruments: Mapping[str, Instrument]) -> Sequence[bytes]:
    """Frames of the private streams: an order with the fill before it in one, balances that came together in one."""
    frames: list[bytes] = []
    fill: Fill | None = None
    for kind, run in groupby(events, type):
        if kind is Balance:
            frames.append(_push(ACCOUNT, account_item(_of(Balance, run)), listed=True))
        elif kind is Position:
            items = [position_item(each, instruments) for each in _of(Position, run)]
            frames.append(_push(POSITIONS, *items, listed=True))
        elif kind is Fill:
            *alone, fill = _of(Fill, run)
            frames += map(_alone, alone)
        elif kind is OrderUpdate:
            for update in _of(OrderUpdate, run):
                if fill is not None and fill.venue_id != update.venue_id:
                    frames.append(_alone(fill))
                    fill = None
                frames += _order(update, fill)
                fill = None
    return frames if fill is None else [*frames, _alone(fill)]


def _of(kind: type[Kind], run: Any) -> list[Kind]:
    return [each for each in run if isinstance(each, kind)]


def _order(update: OrderUpdate, fill: Fill | None) -> list[bytes]:
    """An order that waits for a price is told of on a channel of its kind; set off, on that of all orders too."""
    waiting = TRAILING_ORDERS if update.kind == "trailing_stop" else ALGO_ORDERS
    if waits(update):
        return [_push(waiting, pushed_algo(update))]
    frames = [_push(ORDERS, order_item(update, fill))]
    return [_push(waiting, pushed_algo(update)), *frames] if update.kind in ALGO_KINDS else frames


def _alone(fill: Fill) -> bytes:
    """A fill whose order is not told of: by the channel of fills, which has no fee."""
    return _push(Stream("fills"), msgspec.structs.replace(fill_item(fill), fee="", feeCcy="", count="1"))


def channel_of(frame: bytes) -> str:
    """Who hears it of those that hear of orders: who asked for algo orders, for those that trail, or for the others."""
    if frame.startswith(b'{"arg":{"channel":"orders-algo"'):
        return WAITING
    if frame.startswith(b'{"arg":{"channel":"algo-advance"'):
        return TRAILING
    return PLACED if frame.startswith((b'{"arg":{"channel":"orders"', b'{"arg":{"channel":"fills"')) else ""


def _push(stream: Stream, *items: Any, listed: bool = False) -> bytes:
    more = {"eventType": "event_update", "curPage": 1, "lastPage": True} if listed else {}
    return _json({"arg": stream, **more, "data": items})
