"""A toy venue's trading half in JSON, and an exchange that answers as it is told: for tests of orders on the wire."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from rest_stage import CALL, VENUE, ceilings
from wire_fakes import LIMITS, START_NS, Script

from tapeline.errors import (
    AuthenticationRefused,
    BadData,
    ClockWrong,
    ConnectionLost,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    TimedOut,
)
from tapeline.model.account import AccountEvent, Fill, OrderUpdate
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.model.secret import Credentials, Secret
from tapeline.sim.loop import VirtualClock
from tapeline.venues.orders import (
    Answered,
    Beat,
    Ending,
    Expired,
    ListenKey,
    OrderAnswer,
    OrderAsk,
    OrderCall,
    OrderEntry,
    Orders,
    PrivateControl,
    PrivateDecode,
    PrivateStream,
)
from tapeline.venues.spec import Allowance, Request
from tapeline.wire.pipe import Pipe, Response
from tapeline.wire.private.signed import SignedRest
from tapeline.wire.rest import Rest

KEY, SECRET = "the-key-of-a-toy-account", "the-secret-of-a-toy-account"
ACCOUNT = "main"
SECOND_NS = 10**9
A = Instrument(
    venue="toy", symbol="A/X", native="A", kind="spot", base="A", quote="X", tick=Decimal("0.1"), lot=Decimal("0.01")
)
B = Instrument(venue="toy", symbol="B/X", native="B", kind="spot", base="B", quote="X")
KNOWN = {each.id: each for each in (A, B)}
IDS = {each.native: each.id for each in (A, B)}
BUY = Intent(instrument=A.id, side="buy", kind="limit", size=Decimal(2), price=Decimal(10), account=ACCOUNT)
REFUSALS = {"unknown": "unknown_order", "final": "already_final", "balance": "balance", "twice": "duplicate"}


def hmac_of(secret: str) -> Callable[[bytes], bytes]:
    return lambda text: hmac.new(secret.encode(), text, hashlib.sha256).digest()


CREDENTIALS = Credentials(Secret(KEY), hmac_of(SECRET))


# ---- what the toy venue says -------------------------------------------------------------------------------------


def events_of(said: Mapping[str, Any], ids: Mapping[str, str], received_ns: int, source: str) -> list[AccountEvent]:
    """{"order": {...}} or {"fill": {...}} of the toy venue."""
    number = {"size", "price", "filled", "average", "fee"}
    if "order" in said:
        fields: dict[str, Any] = {n: Decimal(v) if n in number else v for n, v in said["order"].items()}
        native, at_ns = fields.pop("s", "A"), fields.pop("at", None)
        fields = {"venue_id": "", "client_id": ""} | fields
        return [OrderUpdate(ids.get(native, native), "orders", at_ns, received_ns, source, ACCOUNT, **fields)]
    fields = {n: Decimal(v) if n in number else v for n, v in said["fill"].items()}
    return [Fill(ids.get(fields.pop("s", "A")), "fills", None, received_ns, source, ACCOUNT, **fields)]


def parse(body: bytes, _ask: OrderAsk, ids: Mapping[str, str], received_ns: int) -> Sequence[OrderAnswer]:
    try:
        said = json.loads(body)
    except ValueError as error:
        raise BadData(f"not JSON: {body[:20]!r}", kind="bad_json") from error
    if isinstance(said, dict) and "code" in said:
        code = said["code"]
        if code == "busy":
            raise RateLimited("too many orders", after_s=said.get("after_s"))
        if code == "stamp":
            raise ClockWrong("timestamp out of the window")
        if code == "maybe":
            raise OutcomeUnknown("the matching engine did not answer")
        if code == "key":
            raise AuthenticationRefused("no such key", code=code)
        raise OrderRefused(f"refused: {code}", code=code, reason=REFUSALS.get(code, "other"))
    if isinstance(said, dict) and "listen" in said:
        return [ListenKey(said["listen"])]
    rows = said if isinstance(said, list) else [said] if said else []
    return [event for row in rows for event in events_of(row, ids, received_ns, "rest")]


def build(ask: OrderAsk) -> Request:
    named = {
        "s": ask.instrument.native if ask.instrument else "", "id": ask.client_id, "venue_id": ask.venue_id,
        "size": str(ask.size or ""), "price": str(ask.price or ""), "listen": ask.listen_key, "part": ask.part,
        "from": ask.from_id, "countdown": "" if ask.countdown_s is None else str(ask.countdown_s),
    }  # fmt: skip
    query = tuple((name, value) for name, value in named.items() if value)
    return Request("POST" if ask.call in {"place", "amend"} else "GET", f"/{ask.call}", query)


def sign(request: Request, credentials: Credentials, venue_ns: int) -> Request:
    query = (*request.query, ("stamp", str(venue_ns)))
    signature = credentials.sign("&".join(f"{n}={v}" for n, v in query).encode()).hex()
    headers = (("toy-key", credentials.key.reveal()),)
    return Request(request.method, request.path, (*query, ("signature", signature)), headers=headers)


def with_key(request: Request, credentials: Credentials) -> Request:
    return replace_headers(request, (("toy-key", credentials.key.reveal()),))


def replace_headers(request: Request, headers: tuple[tuple[str, str], ...]) -> Request:
    return Request(request.method, request.path, request.query, headers=headers)


def decoder(_venue: str, _account: str, instruments: Mapping[str, Instrument]) -> PrivateDecode:
    ids = {native: each.id for native, each in instruments.items()}

    def decode(frame: bytes, received_ns: int) -> Sequence[AccountEvent | PrivateControl]:
        try:
            said = json.loads(frame)
        except ValueError as error:
            raise BadData(str(error), kind="bad_json") from error
        if "answer" in said:
            body = said.get("body")
            return [Answered(said["answer"], b"" if body is None else json.dumps(body).encode(),
                             said.get("status", 200))]  # fmt: skip
        if "ending" in said:
            return [Ending(said["ending"])]
        if "expired" in said:
            return [Expired(said["expired"])]
        return [Beat()] if "beat" in said else events_of(said, ids, received_ns, "ws")

    return decode


def opening(op: str) -> Callable[[Credentials, int, str], bytes]:
    def frame(credentials: Credentials, venue_ns: int, request_id: str) -> bytes:
        signature = credentials.sign(str(venue_ns).encode()).hex()
        key = credentials.key.reveal()
        return json.dumps({"op": op, "id": request_id, "key": key, "stamp": venue_ns, "sign": signature}).encode()

    return frame


def entry_frame(ask: OrderAsk, request_id: str, _credentials: Credentials, venue_ns: int) -> bytes:
    return json.dumps({"op": ask.call, "id": request_id, "order": ask.client_id, "stamp": venue_ns}).encode()


STREAM = PrivateStream(endpoint="private", decoder=decoder, opening=(opening("login"), opening("subscribe")))
ENTRY = OrderEntry(
    endpoint="entry", calls=frozenset({"place", "amend", "cancel"}), frame=entry_frame,
    decoder=decoder("toy", ACCOUNT, {"A": A, "B": B}), opening=(opening("login"),),
)  # fmt: skip
_CALL = OrderCall(build=build, parse=parse)
NAMES = (
    "place", "amend", "cancel", "cancel_all", "order", "open_orders", "fills", "balances", "positions", "payments",
    "mode", "dead_man", "leverage",
)  # fmt: skip
KEYED = replace(_CALL, signed="key")
ORDERS = Orders(
    sign=sign, with_key=with_key,
    calls=dict.fromkeys(NAMES, _CALL) | dict.fromkeys(("listen_key", "listen_key_alive", "listen_key_close"), KEYED),
    private=STREAM, lag_s=10.0, lag_times=3, amends=frozenset({"price", "size"}), dead_man="account",
)  # fmt: skip
TOY = replace(
    VENUE, urls={"rest": "https://toy", "private": "wss://toy/private", "entry": "wss://toy/entry"},
    rest={"time": CALL}, limits=replace(LIMITS, rest=(Allowance(weight=10_000, window_s=10),)), orders=ORDERS,
)  # fmt: skip


def ok(body: Any = None, status: int = 200) -> Response:
    return Response(status, {}, json.dumps(body).encode())


def order(client_id: str, state: str = "open", **more: Any) -> dict[str, Any]:
    return {"order": {"client_id": client_id, "venue_id": "v" + client_id, "state": state} | more}


Said = Response | Exception | Callable[[Request], Awaitable[Response]]


@dataclass
class Exchange:
    """A `Fetch`: what it says to each call, in turn, the last for ever. Its clock is `off_s` ahead of ours."""

    clock: VirtualClock
    said: dict[str, list[Said]] = field(default_factory=dict)
    off_s: float = 0.0
    takes_s: float = 0.0
    asked: list[tuple[float, Request]] = field(default_factory=list)

    def venue_ns(self) -> int:
        return START_NS + round((self.clock.now() + self.off_s) * 1e9)

    def paths(self) -> list[str]:
        return [request.path for _, request in self.asked]

    async def __call__(self, _base_url: str, request: Request) -> Response:
        self.asked.append((round(asyncio.get_running_loop().time(), 3), request))
        await asyncio.sleep(self.takes_s)
        said = self.said.get(request.path.removeprefix("/"), [])
        if request.path == "/time" and not said:
            return Response(200, {}, json.dumps({"time": self.venue_ns()}).encode())
        if not said:
            return ok([])
        one = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(one, Exception):
            raise one
        return await one(request) if callable(one) else one


def signed_rest(
    exchange: Exchange, *, venue: Any = TOY, orders: Orders = ORDERS, credentials: Credentials = CREDENTIALS
) -> SignedRest:
    rest = Rest(venue, "https://toy", fetch=exchange, clock=exchange.clock, delays=ceilings)
    return SignedRest(venue, orders, rest, credentials, clock=exchange.clock, delays=ceilings)


AMBIGUOUS: list[Said] = [
    TimedOut("no answer within 10 s"), ConnectionLost("cut"), Response(502, {}, b"bad gateway"), ok({"code": "maybe"}),
    Response(200, {}, b"<html>"), ok({"code": "twice"}, 400),
]  # fmt: skip
"""Answers to an order that leave open what became of it."""


# ---- private connections -----------------------------------------------------------------------------------------


def accepting(script: Script, said: dict[str, Any]) -> None:
    """A friendly venue: every step of the opening is accepted; a placed order is open, a cancelled one is gone."""
    if said["op"] in {"login", "subscribe"}:
        script.say(json.dumps({"answer": said["id"]}).encode())
    else:
        state = {"place": "open", "amend": "open", "cancel": "cancelled"}[said["op"]]
        script.say(answer(said, order(said["order"], state)))


def answer(said: Mapping[str, Any], body: Any, status: int = 200) -> bytes:
    return json.dumps({"answer": said["id"], "body": body, "status": status}).encode()


def told(**said: Any) -> bytes:
    """A frame of the private stream."""
    return json.dumps(said).encode()


@dataclass
class Network:
    """Dials by URL. `how` says what a connection of an endpoint does with what we send; an error is raised instead."""

    how: dict[str, Any] = field(default_factory=dict)
    dialled: list[tuple[float, str]] = field(default_factory=list)
    scripts: dict[str, list[Script]] = field(default_factory=dict)

    def dial(self, url: str) -> Any:
        return self._dial(url)

    @asynccontextmanager
    async def _dial(self, url: str) -> AsyncIterator[Pipe]:
        self.dialled.append((round(asyncio.get_running_loop().time(), 3), url))
        await asyncio.sleep(0)
        endpoint = url.split("/")[3].partition("?")[0]
        how = self.how.get(endpoint, accepting)
        if isinstance(how, list):
            how = how.pop(0) if len(how) > 1 else how[0]
        if isinstance(how, Exception):
            raise how
        script = Script(len(self.dialled))
        script.on_send = how
        self.scripts.setdefault(endpoint, []).append(script)
        try:
            yield script
        finally:
            script.closed = True

    def last(self, endpoint: str) -> Script:
        return self.scripts[endpoint][-1]


async def settle(seconds: float = 0.05) -> None:
    """Let everything that is due happen."""
    await asyncio.sleep(seconds)
