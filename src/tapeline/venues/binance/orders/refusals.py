"""What the venue's error codes mean for an order, and back: one table a direction and market.

https://developers.binance.com/docs/binance-spot-api-docs/errors
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from tapeline.errors import (
    AuthenticationRefused,
    ClockWrong,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Retry,
    UnknownInstrument,
)
from tapeline.venues.binance.refusals import CODES, banned_s

ACTING: Final = frozenset({
    "place", "place_list", "amend", "cancel", "cancel_all", "dead_man", "leverage", "position_mode",
})  # fmt: skip
"""Calls that change something: after an answer that says nothing certain, nobody knows whether they did."""

_UNSURE = frozenset({-1000, -1001, -1004, -1006, -1007, -1016})
_FAILED = "service unavailable"  # of USD-M's HTTP 503: "it failed for certain", whatever its code

_PARAMETER = frozenset(range(-1199, -1099))
BOTH: Mapping[int, str] = {
    -1014: "unsupported", -1020: "unsupported", -1112: "not_fillable", -1116: "unsupported", -1121: "instrument",
    -1122: "instrument", -1220: "instrument", -2011: "unknown_order", -2013: "unknown_order", -2016: "market_closed",
}  # fmt: skip
SPOT: Mapping[int, str] = {**BOTH, -2026: "already_final", -2039: "parameter"}
USDM: Mapping[int, str] = {
    **BOTH,
    -2018: "balance", -2019: "margin", -2020: "not_fillable", -2021: "would_trigger", -2022: "reduce_only",
    -2023: "permission",  # the account is being liquidated
    -2024: "reduce_only",  # not so much of a position
    -2025: "too_many_orders", -2026: "unsupported", -2027: "max_size", -2028: "margin",
    -4001: "parameter", -4002: "price_band", -4003: "min_size", -4004: "min_size", -4005: "max_size",
    -4006: "parameter", -4007: "price_band", -4013: "price_band", -4014: "tick", -4015: "parameter",
    -4016: "price_band", -4023: "lot", -4024: "price_band", -4045: "too_many_orders", -4061: "position_mode",
    -4067: "position_mode", -4068: "position_mode", -4087: "permission", -4088: "permission", -4109: "permission",
    **dict.fromkeys((-4105, -4106, -4107, -4189), "permission"),  # only what reduces a position is taken
    -4116: "duplicate", -4118: "reduce_only",
    -4120: "unsupported",  # a type of the algo service
    -4131: "price_band", -4140: "market_closed", -4141: "market_closed", -4142: "would_trigger",
    -4210: "price_band", -4211: "price_band",  # of a price that an order waits for
    -4164: "min_notional", -4192: "permission", -4400: "permission", -4401: "permission", -4531: "position_mode",
    -5021: "not_fillable", -5022: "would_cross", -5025: "unsupported",
    -5024: "market_closed",  # of an amend: "Symbol is not in trading status."
    -5026: "too_many_orders", -5029: "min_notional",
}  # fmt: skip
"""Code -> one of REASONS. -1013, -1111, -2010 and -2038 say more in their message, see WORDS."""

WORDS: tuple[tuple[str, str], ...] = (
    ("book liquidity", "not_fillable"),
    # "Filter failure: PRICE_FILTER"
    ("percent_price", "price_band"), ("price_filter", "tick"), ("market_lot_size", "lot"), ("lot_size", "lot"),
    ("notional", "min_notional"), ("max_num", "too_many_orders"), ("max_position", "max_size"),
    ("iceberg", "unsupported"), ("trailing_delta", "parameter"),
    # "Account has insufficient balance for requested action."
    ("insufficient balance", "balance"), ("margin is insufficient", "margin"), ("immediately match", "would_cross"),
    ("trigger immediately", "would_trigger"), ("duplicate order", "duplicate"), ("market is closed", "market_closed"),
    ("unknown order", "unknown_order"),
    ("cancel restrictions", "other"), ("not permitted", "permission"), ("disabled on this account", "permission"),
    ("may not place", "permission"), ("restricted for this account", "permission"), ("not enabled", "permission"),
    ("not support", "unsupported"), ("unsupported", "unsupported"), ("reduceonly", "reduce_only"),
    ("already filled", "already_final"), ("is filled", "already_final"), ("already closed", "already_final"),
    ("price * qty", "parameter"), ("exceeds qty", "parameter"), ("is invalid", "parameter"),
    ("relationship of the prices", "parameter"),
    # "Parameter 'quantity' has too much precision."; "Precision is over the maximum defined for this asset."
    ("quantity", "lot"), ("qty", "lot"), ("price", "tick"),
)  # fmt: skip
_WORDY = frozenset({-1013, -1111, -2010, -2011, -2038})
NO_CHANGE: Final = frozenset({-4046, -4059, -5027})
"""It is as it was asked to be: as good as done."""


class ErrorData(msgspec.Struct, gc=False):
    """What the WebSocket API adds: {"serverTime":1659142907531,"retryAfter":1659146400000}, both in milliseconds."""

    retryAfter: int | None = None


class OrderError(msgspec.Struct, gc=False):
    """A refusal.

    {"code":-2010,"msg":"Account has insufficient balance for requested action."}
    """

    code: int
    msg: str = ""
    data: ErrorData | None = None


_error = msgspec.json.Decoder(OrderError).decode


@dataclass(frozen=True, slots=True)
class Market:
    """What a market's codes mean, and which of them stands for a reason: HTTP status, code, message."""

    reasons: Mapping[int, str]
    codes: Mapping[str, tuple[int, str]]


def raise_refusal(body: bytes, call: str, what: str, market: Market, now_ns: int) -> bool:
    """Raise what the venue's error body means. True: all is as it was asked to be; False: this is no such body."""
    try:
        error = _error(body)
    except (ValueError, RecursionError):
        return False
    if error.code >= 0:
        return False
    if error.code in NO_CHANGE or (call == "cancel_all" and error.code == -2011):
        return True  # spot answers so to a cancel of all where there is none
    raise meaning(error, call, what, market, now_ns)


def meaning(error: OrderError, call: str, what: str, market: Market, now_ns: int) -> Retry | Refused:
    """What an error means to whoever asked for `call`."""
    message, code = f"{what}: {error.code} {error.msg}", str(error.code)
    if error.code in _UNSURE and call in ACTING and not error.msg.lower().startswith(_FAILED):
        return OutcomeUnknown(message)
    kind = CODES.get(error.code)
    if kind in (RateLimited, ClockWrong, Retry):
        return kind(message, after_s=_after_s(error, now_ns))
    if kind is AuthenticationRefused:
        return AuthenticationRefused(message, code=code)
    return OrderRefused(message, code=code, reason=reason_of(error, market))


def _after_s(error: OrderError, now_ns: int) -> float | None:
    """How long to wait: until a time that is named, as the WebSocket API does or in the message."""
    named_ms = None if error.data is None else error.data.retryAfter
    if named_ms is None:
        return banned_s(error.msg, now_ns)
    return max(0.0, named_ms / 1e3 - now_ns / 1e9)


def reason_of(error: OrderError, market: Market) -> str:
    """One of REASONS, by the message where the code says too little."""
    if error.code in _WORDY:
        said = error.msg.lower()
        found = next((reason for words, reason in WORDS if words in said), "")
        if found:
            return found
    return market.reasons.get(error.code, "parameter" if error.code in _PARAMETER else "other")


# ---- and back, for the paper exchange -----------------------------------------------------------------------------

# One answer for a key that is not known, not for this address, or without the right: on paper these are all of the key.
REJECTED_KEY, _REJECTED = -2015, "Invalid API-key, IP, or permissions for action."
_SPOT_CODES: Mapping[str, tuple[int, str]] = {
    "balance": (-2010, "Account has insufficient balance for requested action."),
    "margin": (-2010, "Account has insufficient balance for requested action."),
    "min_size": (-1013, "Filter failure: LOT_SIZE"), "max_size": (-1013, "Filter failure: MAX_POSITION"),
    "lot": (-1013, "Filter failure: LOT_SIZE"), "tick": (-1013, "Filter failure: PRICE_FILTER"),
    "min_notional": (-1013, "Filter failure: NOTIONAL"),
    "price_band": (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    "would_cross": (-2010, "Order would immediately match and take."),
    "would_trigger": (-2010, "Order would trigger immediately."),
    "not_fillable": (-2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity."),
    "market_closed": (-1013, "Market is closed."), "permission": (REJECTED_KEY, _REJECTED),
    "duplicate": (-2010, "Duplicate order sent."), "unknown_order": (-2011, "Unknown order sent."),
    "already_final": (-2011, "Unknown order sent."), "too_many_orders": (-1013, "Filter failure: MAX_NUM_ORDERS"),
    "unsupported": (-1020, "This operation is not supported."), "instrument": (-1121, "Invalid symbol."),
    "parameter": (-1130, "Invalid data sent for a parameter."), "other": (-2010, "NEW_ORDER_REJECTED"),
    "address": (REJECTED_KEY, _REJECTED),
    "position_mode": (-1106, "Parameter 'positionSide' sent when not required."),
    "reduce_only": (-1106, "Parameter 'reduceOnly' sent when not required."),
}  # fmt: skip
_USDM_CODES: Mapping[str, tuple[int, str]] = {
    **_SPOT_CODES,
    "balance": (-2018, "Balance is insufficient."), "margin": (-2019, "Margin is insufficient."),
    "min_size": (-4003, "Quantity less than or equal to zero."),
    "max_size": (-4005, "Quantity greater than max quantity."),
    "lot": (-4023, "Qty not increased by step size."), "tick": (-4014, "Price not increased by tick size."),
    "min_notional": (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
    "price_band": (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    "would_cross": (-5022, "The order could not be executed as maker, the Post Only order will be rejected."),
    "would_trigger": (-2021, "Order would immediately trigger."),
    "not_fillable": (-5021, "Due to the order could not be filled immediately, the FOK order has been rejected."),
    "market_closed": (-4141, "Symbol is closed."),
    "duplicate": (-4116, "ClientOrderId is duplicated."), "too_many_orders": (-2025, "Reach max open order limit."),
    "reduce_only": (-2022, "ReduceOnly Order is rejected."),
    "position_mode": (-4061, "Order's position side does not match user's setting."),
}  # fmt: skip

SPOT_MARKET = Market(SPOT, _SPOT_CODES)
USDM_MARKET = Market(USDM, _USDM_CODES)
_STATUSES: Mapping[type[Exception], tuple[int, int]] = {
    RateLimited: (429, -1003), ClockWrong: (400, -1021), OutcomeUnknown: (503, -1007), Retry: (503, -1000),
    AuthenticationRefused: (401, -2015), UnknownInstrument: (400, -1121),
}  # fmt: skip


def refuse(error: Exception, market: Market, *, asked: str = "place") -> tuple[int, bytes]:
    """HTTP status and body for an error, as the venue would answer the call `asked`."""
    status, code, text = _said(error, market, asked)
    return status, msgspec.json.encode({"code": code, "msg": text})


def _said(error: Exception, market: Market, asked: str) -> tuple[int, int, str]:
    own = getattr(error, "code", "")
    if isinstance(error, OrderRefused):
        if own.lstrip("-").isdigit():
            return 400, int(own), str(error)
        if asked == "order" and error.reason == "unknown_order":
            return 400, -2013, "Order does not exist."
        code, text = market.codes.get(error.reason, market.codes["other"])
        return 401 if code == REJECTED_KEY else 400, code, text
    for kind, (status, code) in _STATUSES.items():
        if isinstance(error, kind):
            return status, int(own) if own.lstrip("-").isdigit() else code, str(error)
    return 400, -1102, str(error)
