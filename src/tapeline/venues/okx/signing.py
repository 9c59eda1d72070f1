"""OKX's signatures: the headers of a REST request, and the login of a connection; made here, and checked here. Pure.

https://www.okx.com/docs-v5/en/#overview-rest-authentication
https://www.okx.com/docs-v5/en/#overview-websocket-login
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from hmac import compare_digest

import msgspec
from msgspec import Struct

from tapeline.errors import AuthenticationRefused, ClockWrong, ConfigError
from tapeline.model.secret import Credentials
from tapeline.model.stamp import instant, iso
from tapeline.venues.orders import OrderRequest
from tapeline.venues.request import Request

MS_NS, SECOND_NS = 1_000_000, 1_000_000_000
VALID_NS = 30 * SECOND_NS  # a stamp is good for so long
EXPIRES_NS = 5 * SECOND_NS  # an order that has not arrived by then is refused there, so that it cannot appear later
EXPIRING = frozenset({"/api/v5/trade/order", "/api/v5/trade/batch-orders", "/api/v5/trade/amend-order"})
VERIFY = "GET/users/self/verify"

SecretOf = Callable[[str], Credentials | None]


def sign(request: Request, credentials: Credentials, venue_ns: int) -> Request:
    """The request as it is sent: base64(HMAC-SHA256(secret, timestamp + METHOD + path with ?query + body))."""
    stamp = iso_ms(venue_ns)
    query = f"?{request.query_text}" if request.query else ""
    signature = _signature(credentials, f"{stamp}{request.method}{request.path}{query}".encode() + request.body)
    headers = [
        *request.headers,
        ("OK-ACCESS-KEY", credentials.key.reveal()),
        ("OK-ACCESS-SIGN", signature),
        ("OK-ACCESS-TIMESTAMP", stamp),
        ("OK-ACCESS-PASSPHRASE", _passphrase(credentials)),
        ("Content-Type", "application/json"),
    ]
    if request.method == "POST" and request.path in EXPIRING:
        headers.append(("expTime", expires(venue_ns)))
    return msgspec.structs.replace(request, headers=tuple(headers))


def with_key(request: Request, credentials: Credentials) -> Request:
    """A request that carries the key alone; OKX has no call that wants it so."""
    headers = (*request.headers, ("OK-ACCESS-KEY", credentials.key.reveal()))
    return msgspec.structs.replace(request, headers=headers)


def login(credentials: Credentials, venue_ns: int, _request_id: str) -> bytes:
    """The frame that logs a connection in; the time is in seconds here. Its answer names no request."""
    stamp = str(venue_ns // SECOND_NS)
    arg = {
        "apiKey": credentials.key.reveal(),
        "passphrase": _passphrase(credentials),
        "timestamp": stamp,
        "sign": _signature(credentials, (stamp + VERIFY).encode()),
    }
    return msgspec.json.encode({"op": "login", "args": [arg]})


def iso_ms(at_ns: int) -> str:
    """2020-12-08T09:08:57.715Z: milliseconds always."""
    whole = iso(at_ns // SECOND_NS * SECOND_NS).removesuffix("Z")
    return f"{whole}.{at_ns // MS_NS % 1000:03d}Z"


def expires(venue_ns: int) -> str:
    """`expTime`: until when, in ms of the venue's clock, an order may still arrive."""
    return str((venue_ns + EXPIRES_NS) // MS_NS)


def _signature(credentials: Credentials, text: bytes) -> str:
    if credentials.kind != "hmac":
        raise ConfigError(f"okx signs with HMAC-SHA256, and this key is of kind {credentials.kind!r}")
    return b64encode(credentials.sign(text)).decode()


def _passphrase(credentials: Credentials) -> str:
    if credentials.passphrase is None:
        raise ConfigError("okx wants the key's passphrase besides its secret")
    return credentials.passphrase.reveal()


# ---- the venue's side -------------------------------------------------------------------------------------------


class LoginArg(Struct):
    """What a login says. python-okx writes the time as a number."""

    apiKey: str = ""
    passphrase: str = ""
    timestamp: str | int = ""
    sign: str = ""


def verify(request: OrderRequest, secret_of: SecretOf, now_ns: int) -> str:
    """The key that a REST request proves to hold. Raises AuthenticationRefused, ClockWrong."""
    key, signature, stamp, passphrase = (_header(request.headers, name) for name in ("key", "sign", "timestamp",
                                                                                    "passphrase"))  # fmt: skip
    try:
        at_ns = instant(stamp)
    except ConfigError as error:
        raise AuthenticationRefused("Invalid OK-ACCESS-TIMESTAMP", code="50112") from error
    if abs(now_ns - at_ns) > VALID_NS:
        raise ClockWrong("Timestamp request expired")
    credentials = secret_of(key)
    if credentials is None:
        raise AuthenticationRefused("API key doesn't exist", code="50119")
    if not _same(_passphrase(credentials), passphrase):
        raise AuthenticationRefused("Request header OK-ACCESS-PASSPHRASE incorrect", code="50105")
    query = f"?{request.query}" if request.query else ""
    text = f"{stamp}{request.method}{request.path}{query}".encode() + request.body
    if not _same(_signature(credentials, text), signature):
        raise AuthenticationRefused("Invalid Sign", code="50113")
    return key


def verify_login(arg: LoginArg, secret_of: SecretOf, now_ns: int) -> str:
    """The key that a login proves to hold. Raises AuthenticationRefused, ClockWrong."""
    stamp = str(arg.timestamp)
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise AuthenticationRefused("Invalid timestamp", code="60004")
    if abs(now_ns - int(stamp) * SECOND_NS) > VALID_NS:
        raise ClockWrong("Timestamp request expired")
    credentials = secret_of(arg.apiKey)
    if credentials is None:
        raise AuthenticationRefused("Invalid apiKey", code="60005")
    if not _same(_passphrase(credentials), arg.passphrase):
        raise AuthenticationRefused("Wrong passphrase", code="60024")
    if not _same(_signature(credentials, (stamp + VERIFY).encode()), arg.sign):
        raise AuthenticationRefused("Invalid sign", code="60007")
    return arg.apiKey


_MISSING = {"key": "50103", "passphrase": "50104", "sign": "50106", "timestamp": "50107"}


def _header(headers: Mapping[str, str], name: str) -> str:
    found = headers.get(f"ok-access-{name}", "")
    if not found:
        raise AuthenticationRefused(f'Request header "OK-ACCESS-{name.upper()}" can not be empty', code=_MISSING[name])
    return found


def _same(ours: str, theirs: str) -> bool:
    return compare_digest(ours.encode(), theirs.encode())
