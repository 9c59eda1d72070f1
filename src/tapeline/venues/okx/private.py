"""OKX's private streams: how they are opened, and what they say. Never reads a clock, raises BadData only. Pure.

https://www.okx.com/docs-v5/en/#trading-account-websocket
Two connections make the whole: `private` has orders, the account and positions, `business` the orders that wait for a
price: those that trail it by a channel of their own. `fills` is left alone: it is for high tiers, and merges what
`orders` brings one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, Struct

from tapeline.errors import BadData
from tapeline.model.account import AccountEvent, Fill
from tapeline.model.instrument import Instrument
from tapeline.model.secret import Credentials
from tapeline.venues.okx import order_events, order_wire
from tapeline.venues.okx.control import UPGRADE
from tapeline.venues.okx.order_events import Reading
from tapeline.venues.okx.signing import login
from tapeline.venues.okx.wire import UNREADABLE, Arg, Names
from tapeline.venues.orders import Answered, Beat, Ending, Expired, PrivateControl, PrivateDecode, PrivateStream

MOST_FILLS = 4096  # remembered, so that a fill that is said twice comes once
ORDERS, ACCOUNT, POSITIONS = Arg("orders", instType="ANY"), Arg("account"), Arg("positions", instType="ANY")
BALANCE_AND_POSITION, ALGO_ORDERS = Arg("balance_and_position"), Arg("orders-algo", instType="ANY")
TRAILING_ORDERS = Arg("algo-advance", instType="ANY")

UNUSED: Mapping[str, str] = {
    "account-greeks": "greeks of options are no part of an account's state here",
    "deposit-info": "deposits go to the funding account, which does not trade",
    "withdrawal-info": "withdrawals leave the funding account, which does not trade",
    "sprd-orders": "spreads are no instruments of ours",
    "sprd-trades": "spreads are no instruments of ours",
}
"""Private channels that are refused, and why; they are never asked for."""


class Head(Struct):
    """A private frame, as far as is needed to tell what it is."""

    event: str = ""
    op: str = ""
    id: str = ""
    code: str | int = ""
    msg: str = ""
    arg: Arg | None = None
    data: Raw = Raw()


_head = msgspec.json.Decoder(Head).decode
Read = Callable[[Raw, Reading], Sequence[AccountEvent]]


def _items(item: Any, make: Callable[[Any, Reading], Sequence[AccountEvent]]) -> Read:
    decode = msgspec.json.Decoder(list[item]).decode
    return lambda data, by: [event for each in decode(data) for event in make(each, by)]


def _order(item: order_wire.OrderItem, by: Reading) -> Sequence[AccountEvent]:
    """The fill first, so that an order that says it is filled has its fills."""
    fill = order_events.fill_of(item, by)
    update = order_events.order_update(item, by)
    return (update,) if fill is None else (fill, update)


def _trailing(item: order_wire.AlgoItem, by: Reading) -> Sequence[AccountEvent]:
    """Iceberg and TWAP orders come here too, and are none of ours; what they place comes by `orders`."""
    return (order_events.algo_update(item, by),) if item.ordType == order_wire.TRAILING else ()


READERS: Mapping[str, Read] = {
    "orders": _items(order_wire.OrderItem, _order),
    "orders-algo": _items(order_wire.AlgoItem, lambda item, by: (order_events.algo_update(item, by),)),
    "algo-advance": _items(order_wire.AlgoItem, _trailing),
    "fills": _items(order_wire.FillItem, lambda item, by: (order_events.fill(item, by),)),
    "account": _items(order_wire.AccountItem, lambda item, by: order_events.balances((item,), by)),
    "positions": _items(order_wire.PositionItem, lambda item, by: order_events.positions((item,), by)),
    # Of a position that is close to being liquidated: as it is.
    "liquidation-warning": _items(order_wire.PositionItem, lambda item, by: order_events.positions((item,), by)),
    "balance_and_position": _items(order_wire.BalanceAndPosition, order_events.both),
}


def decoder(venue: str, account: str, instruments: Mapping[str, Instrument]) -> PrivateDecode:
    """A decoder for one connection; see `venues.orders.PrivateDecode`. A fill that comes again is left out."""
    names = Names(venue, instruments)
    seen: dict[tuple[str | None, str], None] = {}

    def new(event: AccountEvent) -> bool:
        if not isinstance(event, Fill):
            return True
        key = (event.instrument, event.id)
        if key in seen:
            return False
        if len(seen) >= MOST_FILLS:
            del seen[next(iter(seen))]
        seen[key] = None
        return True

    def decode(frame: bytes, received_ns: int) -> Sequence[AccountEvent | PrivateControl]:
        if frame == b"pong":
            return (Beat(),)
        head = read_head(frame)
        if head.event or head.op or head.arg is None:
            return control(head, frame)
        by = Reading(names.id_of, account, received_ns, "ws")
        return [event for event in _read(head.arg.channel, head.data, by) if new(event)]

    return decode


def read_head(frame: bytes) -> Head:
    """What a frame is. Raises BadData."""
    try:
        return _head(frame)
    except msgspec.ValidationError as error:
        raise BadData(f"okx: {error}", kind="schema") from error
    except UNREADABLE as error:
        raise BadData(f"okx: {error}", kind="bad_json") from error


def _read(channel: str, data: Raw, by: Reading) -> Sequence[AccountEvent]:
    read = READERS.get(channel)
    if read is None:
        if channel in UNUSED:
            raise BadData(f"okx: {channel}: {UNUSED[channel]}", kind="unused")
        raise BadData(f"okx: {channel[:40]!r} is no private channel of ours", kind="unknown_type")
    try:
        return read(data, by)
    except UNREADABLE as error:
        raise BadData(f"okx: {channel}: {error}", kind="schema") from error


def control(head: Head, frame: bytes) -> Sequence[PrivateControl]:
    """The meaning of a frame that is no push. A refusal is its own body: reading it raises what it means."""
    if head.op:
        return (Answered(head.id, frame),)
    match head.event:
        case "login" | "subscribe":
            return (Answered(head.id),) if str(head.code) in {"", "0"} else (Answered(head.id, frame, 401),)
        case "unsubscribe" | "channel-conn-count":
            return ()
        case "error":
            return (Answered(head.id, frame, 400),)
        case "channel-conn-count-error":
            return (Expired(f"okx: too many connections subscribe the same channel: {head.msg}".rstrip(": ")),)
        case "notice":
            return (Ending(head.msg),) if str(head.code) == UPGRADE else ()
    raise BadData(f"okx: unknown event {head.event[:40]!r}", kind="unknown_type")


def subscribe(args: Sequence[Arg], _credentials: Credentials, _venue_ns: int, request_id: str) -> bytes:
    """Each channel has an answer of its own. The first answers the request, and a refusal that follows is told."""
    return msgspec.json.encode({"id": request_id, "op": "subscribe", "args": args})


PRIVATE = PrivateStream(
    endpoint="private",
    decoder=decoder,
    opening=(login, *(partial(subscribe, (arg,)) for arg in (ORDERS, ACCOUNT, POSITIONS, BALANCE_AND_POSITION))),
    ping=b"ping",
    ping_every_s=20,
    silence_s=30,
    tells=frozenset({"orders", "fills", "balances", "positions"}),
)
WAITING = PrivateStream(
    endpoint="business",
    decoder=decoder,
    opening=(login, partial(subscribe, (ALGO_ORDERS, TRAILING_ORDERS))),
    ping=b"ping",
    ping_every_s=20,
    silence_s=30,
    tells=frozenset({"orders"}),
)
"""Orders that wait for a price: OKX tells of them on another connection."""
