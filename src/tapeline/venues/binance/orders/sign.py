"""Signatures, made and checked: of a REST request, and of a request on the WebSocket API.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security
https://developers.binance.com/docs/binance-spot-api-docs/websocket-api/request-security
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from tapeline.errors import AuthenticationRefused, ClockWrong
from tapeline.model.secret import Credentials
from tapeline.venues.orders import OrderRequest
from tapeline.venues.request import Request

MS_NS = 1_000_000
KEY_HEADER = "X-MBX-APIKEY"
WINDOW_MS = 5000  # `recvWindow`: how late a request may arrive; the venue's own default
MOST_WINDOW_MS = 60_000
AHEAD_MS = 1000  # "timestamp < serverTime + 1 second"
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_MICROSECONDS = 10**15  # a stamp above is in microseconds: milliseconds reach it in the year 33658

SecretOf = Callable[[str], Credentials | None]
Pairs = tuple[tuple[str, str], ...]


def with_key(request: Request, credentials: Credentials) -> Request:
    """The request with the key that says whose it is."""
    return replace(request, headers=(*request.headers, (KEY_HEADER, credentials.key.reveal())))


def sign(request: Request, credentials: Credentials, venue_ns: int) -> Request:
    """The request as it is sent: stamped with the venue's time, `signature` last.

    "The string to sign is the query string and the body, concatenated, percent-encoded as they are sent."
    """
    stamped = replace(
        request, query=(*request.query, ("recvWindow", str(WINDOW_MS)), ("timestamp", str(venue_ns // MS_NS)))
    )
    signature = written(credentials, stamped.query_text.encode() + request.body)
    return with_key(replace(stamped, query=(*stamped.query, ("signature", signature))), credentials)


def signed_params(params: Mapping[str, Any], credentials: Credentials, venue_ns: int) -> dict[str, Any]:
    """Parameters of a WebSocket API request: stamped, with the key and the signature."""
    whole = {
        **params, "apiKey": credentials.key.reveal(), "recvWindow": WINDOW_MS, "timestamp": venue_ns // MS_NS,
    }  # fmt: skip
    return {**whole, "signature": written(credentials, params_text(whole))}


def params_text(params: Mapping[str, Any]) -> bytes:
    """What is signed of them: "sort by name, join with & in the form name=value", without percent-encoding."""
    return "&".join(f"{name}={_plain(params[name])}" for name in sorted(params) if name != "signature").encode()


def written(credentials: Credentials, payload: bytes) -> str:
    """The signature as the venue writes it: hex of an HMAC-SHA256, base64 of an Ed25519 one."""
    raw = credentials.sign(payload)
    return raw.hex() if credentials.kind == "hmac" else b64encode(raw).decode()


# ---- the venue's own side -----------------------------------------------------------------------------------------


def fields_of(request: OrderRequest) -> dict[str, str]:
    """Parameters of a request: those of the query and those of a form body."""
    whole = request.query.encode() + b"&" + request.body
    return {name: value for name, value in pairs_of(whole) if name}


def pairs_of(text: bytes) -> Pairs:
    """`a=1&b=2` as pairs, percent-decoded; a plus is a space."""
    parts = (part.partition(b"=") for part in text.split(b"&"))
    return tuple((_decoded(name), _decoded(value)) for name, _, value in parts)


def verify(
    request: OrderRequest, secret_of: SecretOf, now_ns: int, *, key_only: frozenset[str] = frozenset()
) -> str:  # fmt: skip
    """The key of a signed request, or of one to a path of `key_only`; see `OrderServer`."""
    key = request.headers.get(KEY_HEADER.lower(), "")
    credentials = secret_of(key) if key else None
    if credentials is None:
        raise AuthenticationRefused("Invalid API-key, IP, or permissions for action.", code="-2015")
    fields = fields_of(request)
    if "signature" not in fields:
        if request.path in key_only:
            return key
        raise AuthenticationRefused("Mandatory parameter 'signature' was not sent.", code="-1102")
    payload = _unsigned(request.query.encode()) + _unsigned(request.body)
    _check(fields, written(credentials, payload), credentials, now_ns)
    return key


def verify_params(params: Mapping[str, Any], secret_of: SecretOf, now_ns: int) -> str:
    """The key of a signed request on the WebSocket API. Raises as `verify` does."""
    key = str(params.get("apiKey", ""))
    credentials = secret_of(key) if key else None
    if credentials is None:
        raise AuthenticationRefused("Invalid API-key, IP, or permissions for action.", code="-2015")
    _check(params, written(credentials, params_text(params)), credentials, now_ns)
    return key


def _check(fields: Mapping[str, Any], wanted: str, credentials: Credentials, now_ns: int) -> None:
    given = str(fields.get("signature", ""))
    if credentials.kind == "hmac":
        given = given.lower()  # "the hex is not case sensitive"
    if not hmac.compare_digest(given.encode(), wanted.encode()):
        raise AuthenticationRefused("Signature for this request is not valid.", code="-1022")
    stamp_ms, window_ms = _number(fields, "timestamp", 0.0), _number(fields, "recvWindow", WINDOW_MS)
    if stamp_ms > _MICROSECONDS:
        stamp_ms /= 1000
    now_ms = now_ns / MS_NS
    if stamp_ms >= now_ms + AHEAD_MS:
        raise ClockWrong("Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - stamp_ms > min(window_ms, MOST_WINDOW_MS):
        raise ClockWrong("Timestamp for this request is outside of the recvWindow.")


def _number(fields: Mapping[str, Any], name: str, default: float) -> float:
    text = str(fields.get(name, ""))
    return float(text) if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit() else default


def _unsigned(text: bytes) -> bytes:
    return b"&".join(part for part in text.split(b"&") if not part.startswith(b"signature="))


def _decoded(text: bytes) -> str:
    plain = text.replace(b"+", b" ")
    return _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), plain).decode(errors="replace")


def _plain(value: Any) -> str:
    """A value as it stands in JSON: true, not True."""
    return str(value).lower() if isinstance(value, bool) else str(value)
