"""The venue's own side of the account: who asks, what is asked, and how it is answered; see `OrderServer`.

https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/request-format
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import msgspec

from tapeline.errors import TapelineError
from tapeline.model.account import AccountEvent
from tapeline.model.instrument import Instrument
from tapeline.venues.binance.encode import ms
from tapeline.venues.binance.orders import serve_lists
from tapeline.venues.binance.orders.entry import SPOT_METHODS, SUBSCRIBE, USDM_METHODS
from tapeline.venues.binance.orders.refusals import SPOT_MARKET, USDM_MARKET, Market, refuse
from tapeline.venues.binance.orders.serve_fixed import spot_fixed, usdm_fixed
from tapeline.venues.binance.orders.serve_read import Natives, Routes, spot_routes, usdm_routes
from tapeline.venues.binance.orders.serve_rows_usdm import usdm_answer
from tapeline.venues.binance.orders.serve_stream import spot_frames, us_frames, usdm_frames
from tapeline.venues.binance.orders.serve_tickers import tickers
from tapeline.venues.binance.orders.sign import SecretOf, fields_of, pairs_of, verify, verify_params
from tapeline.venues.orders import Opening, OrderAnswer, OrderAsk, OrderRequest, OrderServer, Placed

CHANNELS = ("orders", "fills", "balances", "positions", "payments")
KEY_ONLY = frozenset({"/fapi/v1/listenKey", "/api/v3/userDataStream"})
NUMBER = "#"  # before the id of a request that is a number, so that its answer has a number, too
_SPOT_LISTS: Mapping[str, tuple[str, str]] = {
    "openOrders.status": ("GET", "/api/v3/openOrders"), "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"), "account.status": ("GET", "/api/v3/account"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
}  # fmt: skip
_USDM_LISTS: Mapping[str, tuple[str, str]] = {
    "account.balance": ("GET", "/fapi/v3/balance"), "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "account.status": ("GET", "/fapi/v3/account"), "v2/account.status": ("GET", "/fapi/v3/account"),
    "account.position": ("GET", "/fapi/v3/positionRisk"), "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"), "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
}  # fmt: skip
_KEY_METHODS = frozenset({"userDataStream.start", "userDataStream.ping", "userDataStream.stop"})


class Heard(msgspec.Struct):
    """A request.

    {"id":"56374a46-3061-486b-a311-99ee972eb648","method":"order.place","params":{"symbol":"BTCUSDT",...}}
    """

    method: str
    id: int | str | None = None
    params: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What the venue's side of one market says differently."""

    market: Market
    routes: Routes
    methods: Mapping[str, tuple[str, str]]  # of the WebSocket API: the call of REST it stands for
    answer: Callable[[Mapping[str, str], OrderAsk, Sequence[OrderAnswer], int], bytes]
    encode: Callable[[Sequence[AccountEvent], Mapping[str, Instrument]], Sequence[bytes]]
    fixed: Callable[[OrderRequest, Sequence[Instrument], int], bytes | None]
    natives: Mapping[str, str] = field(default_factory=dict)  # native symbols by id, where the name does not tell


_heard = msgspec.json.Decoder(Heard).decode


def server(side: Side) -> OrderServer:
    """The value that the paper exchange answers with."""
    return OrderServer(
        verify=partial(verify, key_only=KEY_ONLY),
        read=partial(_read, side),
        answer=partial(_answer, side),
        refuse=partial(refuse, market=side.market),
        hear=partial(_hear, side),
        told=partial(_told, side),
        encode=side.encode,
        listen_key_of=listen_key_of,
        fixed=side.fixed,
        tickers=tickers,
    )


def _spot() -> Side:
    methods = {name: call for call, name in SPOT_METHODS.items()}
    return Side(
        market=SPOT_MARKET, routes={**spot_routes(), **serve_lists.list_routes()},
        methods={**methods, **_SPOT_LISTS, **serve_lists.LIST_METHODS}, answer=serve_lists.answer, encode=spot_frames,
        fixed=spot_fixed,
    )  # fmt: skip


def _usdm() -> Side:
    methods = {name: call for call, name in USDM_METHODS.items()}
    return Side(
        market=USDM_MARKET, routes=usdm_routes(), methods={**methods, **_USDM_LISTS}, answer=usdm_answer,
        encode=usdm_frames, fixed=usdm_fixed,
    )  # fmt: skip


def listen_key_of(path: str, query: str) -> str:
    """The key in a stream's URL: in the query, or behind `/ws/`; "" where there is none.

    A number is no key: ccxt counts its connections that way (`/ws/0`), and subscribes by frames.
    """
    named = dict(pairs_of(query.encode()))
    key = named.get("listenKey") or path.partition("/ws/")[2] or named.get("streams", "")
    return "" if "@" in key or "/" in key or key.isdecimal() else key


# ---- REST ---------------------------------------------------------------------------------------------------------


def _read(side: Side, request: OrderRequest, natives: Natives) -> OrderAsk | None:
    route = side.routes.get((request.method, request.path))
    return None if route is None else route(fields_of(request), natives)


def _answer(side: Side, ask: OrderAsk, events: Sequence[OrderAnswer], now_ns: int) -> bytes:
    return side.answer(_names(side, ask, events), ask, events, now_ns)


def _names(side: Side, ask: OrderAsk, events: Sequence[OrderAnswer]) -> Mapping[str, str]:
    """Native symbols by id: that of the ask, and by the name of a pair, of which the venue's is a short form."""
    known = dict(side.natives)
    if ask.instrument is not None:
        known[ask.instrument.id] = ask.instrument.native
    for event in events:
        name = getattr(event, "instrument", None)
        if name is not None and name not in known:
            known[name] = native_name(name)
    return known


def native_name(instrument: str) -> str:
    """BTCUSDT of binance:BTC/USDT and BTC/USDT:USDT, BTCUSDT_251226 of BTC/USDT:USDT-251226."""
    symbol = instrument.partition(":")[2]
    pair, _, settled = symbol.partition(":")
    date = settled.partition("-")[2]
    return pair.replace("/", "") + (f"_{date}" if date else "")


# ---- the WebSocket API --------------------------------------------------------------------------------------------


def _hear(side: Side, frame: bytes, secret_of: SecretOf, natives: Natives, now_ns: int) -> Opening | Placed | None:
    try:
        heard = _heard(frame)
    except (ValueError, RecursionError):
        return None
    if heard.method.isupper() or "." not in heard.method:
        return _plainly(heard, now_ns)
    params = heard.params if isinstance(heard.params, dict) else {}
    try:
        key = _key(heard.method, params, secret_of, now_ns)
        opening = _opening(heard, key, now_ns)
        call = side.methods.get(heard.method)
        if opening is not None or call is None:
            return opening
        fields = {name: _word(value) for name, value in params.items()}
        return Placed(ask=side.routes[call](fields, natives), request_id=_kept(heard.id), key=key)
    except TapelineError as error:
        status, body = refuse(error, side.market)
        return Opening(answers=(_enveloped(heard.id, status, error=body),))


def _key(method: str, params: Mapping[str, Any], secret_of: SecretOf, now_ns: int) -> str:
    """Whose request it is; "" for one that relies on the connection's login. Raises as `verify` does."""
    if method in _KEY_METHODS:
        return str(params.get("apiKey", ""))
    if "signature" in params or method in {"session.logon", SUBSCRIBE}:
        return verify_params(params, secret_of, now_ns)
    return ""


def _opening(heard: Heard, key: str, now_ns: int) -> Opening | None:
    """What a request does to the connection; None where it does nothing to it."""
    match heard.method:
        case "session.logon":
            return Opening(key=key, login=True, answers=(_session(heard.id, key, now_ns),))
        case "session.status":
            return Opening(answers=(_session(heard.id, key, now_ns),))
        case "session.logout":
            return Opening(off=True, subscribe=CHANNELS, answers=(_session(heard.id, "", now_ns),))
        case "userDataStream.subscribe" | "userDataStream.subscribe.signature":
            yes = _enveloped(heard.id, 200, result={"subscriptionId": 0})
            no = _enveloped(heard.id, 401, error=b'{"code":-2015,"msg":"Log in first, or subscribe by signature."}')
            return Opening(key=key, login=heard.method == SUBSCRIBE, subscribe=CHANNELS, answers=(yes,), refused=no)
        case "userDataStream.unsubscribe":
            return Opening(off=True, subscribe=CHANNELS, answers=(_enveloped(heard.id, 200, result={}),))
        case _:
            return None


def _plainly(heard: Heard, now_ns: int) -> Opening | None:
    """Requests that need nobody's key; None for those of market streams."""
    match heard.method:
        case "ping":
            return Opening(answers=(_enveloped(heard.id, 200, result={}),))
        case "time":
            return Opening(answers=(_enveloped(heard.id, 200, result={"serverTime": ms(now_ns)}),))
        case _:
            return None


def _told(side: Side, request_id: str, ask: OrderAsk, said: Sequence[OrderAnswer] | Exception, now_ns: int) -> bytes:
    given: int | str = int(request_id[1:]) if request_id.startswith(NUMBER) else request_id
    if isinstance(said, Exception):
        status, body = refuse(said, side.market, asked=ask.call)
        return _enveloped(given, status, error=body)
    return _enveloped(given, 200, result=msgspec.Raw(_answer(side, ask, said, now_ns)))


def _kept(request_id: int | str | None) -> str:
    """An id as text that tells a number from the text of one."""
    return f"{NUMBER}{request_id}" if isinstance(request_id, int) else request_id or ""


def _enveloped(request_id: int | str | None, status: int, *, result: Any = None, error: bytes = b"") -> bytes:
    said = {"error": msgspec.Raw(error)} if error else {"result": result}
    return msgspec.json.encode({"id": request_id, "status": status, **said, "rateLimits": []})


def _session(request_id: int | str | None, key: str, now_ns: int) -> bytes:
    at_ms = ms(now_ns)
    result = {
        "apiKey": key or None, "authorizedSince": at_ms if key else None, "connectedSince": at_ms,
        "returnRateLimits": False, "serverTime": at_ms, "userDataStream": False,
    }  # fmt: skip
    return _enveloped(request_id, 200, result=result)


def _word(value: Any) -> str:
    """A parameter as it would stand in a query."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return format(value, "f").rstrip("0").rstrip(".")
    return "" if value is None else str(value)


SPOT_SERVER = server(_spot())
US_SERVER = server(replace(_spot(), encode=us_frames))
USDM_SERVER = server(_usdm())
