"""The venue's error codes as our errors: one table.

https://developers.binance.com/docs/binance-spot-api-docs/errors
"""

from collections.abc import Mapping

import msgspec

from tapeline.errors import AuthenticationRefused, RateLimited, Refused, Retry, UnknownInstrument
from tapeline.venues.binance.wire import Error

CODES: Mapping[int, type[Retry] | type[Refused]] = {
    -1000: Retry,  # unknown, internal
    -1001: Retry,  # disconnected, internal
    -1003: RateLimited,  # too many requests
    -1006: Retry,  # unexpected answer inside
    -1007: Retry,  # timeout inside
    -1008: RateLimited,  # overloaded
    -1015: RateLimited,  # too many orders
    -1016: Retry,  # the service is shutting down
    -1034: RateLimited,  # too many connections
    -1002: AuthenticationRefused,
    -1022: AuthenticationRefused,  # bad signature
    -2014: AuthenticationRefused,  # bad key format
    -2015: AuthenticationRefused,  # key, address or permission
    -1121: UnknownInstrument,
    -1122: UnknownInstrument,  # bad symbol status
}
"""Every other code is a plain Refused: asking again the same way will not help."""

HTTP_CODES: Mapping[int, int] = {400: -1100, 401: -2015, 403: -1003, 404: -1121, 418: -1003, 429: -1003}
"""The code the venue's error body holds for an HTTP status; -1000 for any other."""

_error = msgspec.json.Decoder(Error).decode


def raise_refusal(body: bytes, what: str) -> None:
    """Raise what the venue's own error body means; return where this is no such body."""
    try:
        error = _error(body)
    except (ValueError, RecursionError):
        return
    kind = CODES.get(error.code, Refused)
    message = f"{what}: {error.code} {error.msg}"
    if issubclass(kind, Refused):
        raise kind(message, code=str(error.code))
    raise kind(message)


def error_body(status: int, text: str) -> bytes:
    """The venue's error body for an HTTP status."""
    return msgspec.json.encode({"code": HTTP_CODES.get(status, -1000), "msg": text})
