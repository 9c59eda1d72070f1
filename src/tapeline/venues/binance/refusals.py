"""The venue's error codes as our errors: one table.

https://developers.binance.com/docs/binance-spot-api-docs/errors
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code
"""

import re
from collections.abc import Mapping

import msgspec

from tapeline.errors import AuthenticationRefused, ClockWrong, RateLimited, Refused, Retry, UnknownInstrument
from tapeline.venues.binance.wire import Error

USED = "x-mbx-used-weight-1m"
SILENCE_S: Mapping[int, float] = {429: 10.0, 418: 120.0, 403: 60.0}  # 403: the firewall; a ban is two minutes at least
CODES: Mapping[int, type[Retry] | type[Refused]] = {
    # retry, after a back-off
    -1000: Retry,  # unknown, internal
    -1001: Retry,  # disconnected, internal
    -1004: Retry,  # server busy
    -1006: Retry,  # unexpected answer inside: the outcome of an order is unknown
    -1007: Retry,  # timeout inside: the same
    -1016: Retry,  # the service is shutting down
    # back off: nothing is asked until the time is over
    -1003: RateLimited,  # too many requests, or banned
    -1008: RateLimited,  # overloaded
    -1015: RateLimited,  # too many orders
    -1034: RateLimited,  # too many connections
    # fix the clock, then once more
    -1021: ClockWrong,  # the time stamp is outside recvWindow
    -5028: ClockWrong,  # the same, at the matching engine of futures
    # give up
    -1002: AuthenticationRefused,
    -1022: AuthenticationRefused,  # bad signature
    -2014: AuthenticationRefused,  # bad key format
    -2015: AuthenticationRefused,  # key, address or permission
    -1121: UnknownInstrument,
    -1122: UnknownInstrument,  # bad symbol status
}
"""Every other code (parameters, filters, orders) is a plain Refused: asking again the same way will not help."""

HTTP_CODES: Mapping[int, int] = {400: -1100, 401: -2015, 403: -1003, 404: -1121, 418: -1003, 429: -1003}
"""The code the venue's error body holds for an HTTP status; -1000 for any other."""

# "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket Streams ..."
_BANNED_UNTIL = re.compile(r"banned until (\d{13})\b", re.ASCII)
_MOST_BAN_S = 3 * 86400.0
_error = msgspec.json.Decoder(Error).decode


def raise_refusal(body: bytes, what: str, now_ns: int) -> None:
    """Raise what the venue's own error body means; return where this is no such body."""
    try:
        error = _error(body)
    except (ValueError, RecursionError):
        return
    kind = CODES.get(error.code, Refused)
    message = f"{what}: {error.code} {error.msg}"
    if issubclass(kind, Refused):
        raise kind(message, code=str(error.code))
    raise kind(message, after_s=banned_s(error.msg, now_ns))


def error_body(status: int, text: str) -> bytes:
    """The venue's error body for an HTTP status."""
    return msgspec.json.encode({"code": HTTP_CODES.get(status, -1000), "msg": text})


def banned_s(text: str, now_ns: int) -> float | None:
    """Seconds until the time that the message names; None where it names none that is ahead of us."""
    found = _BANNED_UNTIL.search(text)
    left_s = int(found[1]) / 1e3 - now_ns / 1e9 if found else 0.0
    return min(left_s, _MOST_BAN_S) if left_s > 0 else None
