"""The trading half of the toy venue: asks and account events as tagged JSON, signed by an HMAC of the body."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from toy_venue import TOY

from tapeline.errors import AuthenticationRefused, BadData, OrderRefused, RateLimited
from tapeline.model.account import AccountEvent
from tapeline.model.instrument import Instrument
from tapeline.model.secret import Credentials
from tapeline.venues.orders import (
    ListenKey,
    Opening,
    OrderAnswer,
    OrderAsk,
    OrderCall,
    OrderRequest,
    Orders,
    OrderServer,
    Placed,
    PrivateStream,
)
from tapeline.venues.spec import Allowance, Request, Venue

SecretOf = Callable[[str], Credentials | None]
CALLS = ("place", "amend", "cancel", "cancel_all", "order", "open_orders", "closed_orders", "fills", "balances",
         "positions", "payments", "mode", "position_mode", "dead_man", "leverage", "listen_key", "listen_key_alive",
         "listen_key_close")  # fmt: skip


class Frame(msgspec.Struct):
    private: str  # login | subscribe | unsubscribe | call
    key: str = ""
    sign: str = ""
    channels: tuple[str, ...] = ()
    id: str = ""
    ask: OrderAsk | None = None


_FRAME = msgspec.json.Decoder(Frame)


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def request(ask: OrderAsk, key: str = "k", word: str = "s") -> OrderRequest:
    body = msgspec.json.encode(ask)
    headers = {"x-key": key, "x-sign": signature(word, body)}
    return OrderRequest(method="POST", path="/account", headers=headers, body=body)


def frame(what: str, **more: Any) -> bytes:
    return msgspec.json.encode(Frame(what, **more))


def _verified(key: str, sign: str, text: bytes, secret_of: SecretOf) -> str:
    found = secret_of(key)
    if found is None or found.sign(text).hex() != sign:
        raise AuthenticationRefused("wrong key or signature")
    return key


def _verify(asked: OrderRequest, secret_of: SecretOf, now_ns: int) -> str:
    del now_ns
    return _verified(asked.headers.get("x-key", ""), asked.headers.get("x-sign", ""), asked.body, secret_of)


def _read(asked: OrderRequest, instruments: Mapping[str, Instrument]) -> OrderAsk | None:
    del instruments
    if asked.path != "/account":
        return None
    try:
        return msgspec.json.decode(asked.body, type=OrderAsk)
    except msgspec.MsgspecError as error:
        raise BadData(str(error)) from error


def _refuse(error: Exception) -> tuple[int, bytes]:
    status = 401 if isinstance(error, AuthenticationRefused) else 429 if isinstance(error, RateLimited) else 400
    reason = error.reason if isinstance(error, OrderRefused) else type(error).__name__
    return status, msgspec.json.encode({"reason": reason, "text": str(error)})


def _hear(
    raw: bytes, secret_of: SecretOf, instruments: Mapping[str, Instrument], now_ns: int
) -> Opening | Placed | None:
    del instruments, now_ns
    if not raw.startswith(b'{"private"'):
        return None
    heard = _FRAME.decode(raw)
    key = _verified(heard.key, heard.sign, b"login", secret_of) if heard.key else ""
    if heard.private == "call":
        assert heard.ask is not None
        return Placed(ask=heard.ask, request_id=heard.id, key=key)
    answers = (msgspec.json.encode({"granted": heard.private}),)
    return Opening(
        key=key, login=heard.private == "login", subscribe=heard.channels, off=heard.private == "unsubscribe",
        answers=answers,
    )  # fmt: skip


def _told(number: str, ask: OrderAsk, told: Sequence[OrderAnswer] | Exception, now_ns: int) -> bytes:
    del ask, now_ns
    if isinstance(told, Exception):
        return msgspec.json.encode({"id": number, "error": _refuse(told)[1].decode()})
    return msgspec.json.encode({"id": number, "told": told})


def _encode(events: Sequence[AccountEvent], instruments: Mapping[str, Instrument]) -> Sequence[bytes]:
    assert all(event.instrument is None or event.instrument in instruments for event in events)
    return [msgspec.json.encode(event) for event in events]


def _build(ask: OrderAsk) -> Request:
    return Request("POST", "/account", budget="orders" if ask.call == "place" else "weight")


def _parse(body: bytes, ask: OrderAsk, ids: Mapping[str, str], received_ns: int) -> Sequence[OrderAnswer]:
    del ask, ids, received_ns
    return msgspec.json.decode(body, type=list[AccountEvent | ListenKey])


ORDER_SERVER = OrderServer(
    verify=_verify, read=_read, answer=lambda _ask, events, _now: msgspec.json.encode(events), refuse=_refuse,
    hear=_hear, told=_told, encode=_encode, greets=frozenset({"balances", "positions"}),
    listen_key_of=lambda path, _query: path.removeprefix("/private/") if path.startswith("/private/") else "",
    fixed=lambda asked, instruments, _now: (
        b'{"listed":%d}' % len(instruments) if asked.path == "/fixed" else None
    ),
)  # fmt: skip
ORDERS = Orders(
    sign=lambda asked, _credentials, _now: asked, with_key=lambda asked, _credentials: asked,
    calls={call: OrderCall(build=_build, parse=_parse) for call in CALLS},
    private=PrivateStream(endpoint="private", decoder=lambda _venue, _account, _ids: lambda _frame, _now: ()),
    server=ORDER_SERVER,
)  # fmt: skip
TRADING: Venue = replace(
    TOY, orders=ORDERS, urls={**TOY.urls, "private": "wss://toy.example/private"},
    limits=replace(
        TOY.limits, messages_per_s=100,
        rest=(*TOY.limits.rest, Allowance(name="orders", weight=5, window_s=10, used="")),
    ),
)  # fmt: skip
