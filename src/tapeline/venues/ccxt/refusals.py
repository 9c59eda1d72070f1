"""What every error of ccxt means to us: one table, by its class. Pure.

https://docs.ccxt.com/#/?id=exception-hierarchy
An error comes with the names of its class and of all that it derives from, the nearest first: the first that is in the
table counts, so that a class which ccxt adds is read as what it derives from.
"""

from collections.abc import Callable, Mapping, Sequence

from tapeline.errors import (
    AuthenticationRefused,
    ClockWrong,
    ConnectionLost,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Retry,
    TapelineError,
    TimedOut,
    Unsent,
)

Make = Callable[[str, str, bool], TapelineError]  # message, ccxt's class, whether it was to change something


def _refused(reason: str) -> Make:
    """A definite no: nothing was done."""
    return lambda message, code, _acting: OrderRefused(message, code=code, reason=reason)


def _key(message: str, code: str, _acting: bool) -> TapelineError:
    return AuthenticationRefused(message, code=code)


def _slow(message: str, _code: str, _acting: bool) -> TapelineError:
    return RateLimited(message)


def _clock(message: str, _code: str, _acting: bool) -> TapelineError:
    return ClockWrong(message)


def _unsent(message: str, _code: str, _acting: bool) -> TapelineError:
    return Unsent(message)


def _lost(message: str, _code: str, acting: bool) -> TapelineError:
    """The request may have arrived."""
    return OutcomeUnknown(message) if acting else ConnectionLost(message)


def _late(message: str, _code: str, acting: bool) -> TapelineError:
    """No answer in time: the request may have arrived."""
    return OutcomeUnknown(message) if acting else TimedOut(message)


def _unsure(message: str, _code: str, acting: bool) -> TapelineError:
    """An error that says too little: an exchange's word that ccxt does not know may be "internal error"."""
    return OutcomeUnknown(message) if acting else Retry(message)


TABLE: Mapping[str, Make] = {
    # Errors of ccxt's own, the exchange had nothing to do with them.
    "ArgumentsRequired": _refused("unsupported"),
    "NotSupported": _refused("unsupported"),
    "InvalidProxySettings": _refused("other"),
    # What the exchange refuses.
    "AuthenticationError": _key,
    "PermissionDenied": _key,
    "AccountNotEnabled": _key,
    "AccountSuspended": _key,
    "RestrictedLocation": _refused("address"),
    "BadSymbol": _refused("instrument"),
    "BadRequest": _refused("parameter"),
    "MarketClosed": _refused("market_closed"),
    "ManualInteractionNeeded": _refused("permission"),
    "NoChange": _refused("other"),
    "OperationRejected": _refused("other"),
    "InsufficientFunds": _refused("balance"),
    "InvalidAddress": _refused("other"),
    "OrderNotFound": _refused("unknown_order"),
    "OrderImmediatelyFillable": _refused("would_cross"),
    "OrderNotFillable": _refused("not_fillable"),
    "DuplicateOrderId": _refused("duplicate"),
    "ContractUnavailable": _refused("market_closed"),
    "InvalidOrder": _refused("parameter"),
    "Tick": _refused("tick"),  # ours: the price would have been rounded on its way
    "Lot": _refused("lot"),  # ours: the size would have been
    # Where the request never left.
    "ClientConnectorError": _unsent,
    "gaierror": _unsent,
    "ExchangeClosedByUser": _unsent,
    # What will pass.
    "RateLimitExceeded": _slow,
    "DDoSProtection": _slow,
    "InvalidNonce": _clock,
    "RequestTimeout": _late,
    "ChecksumError": _lost,
    "OnMaintenance": _lost,
    "ExchangeNotAvailable": _lost,
    "NetworkError": _lost,
    "CancelPending": _unsure,
    "OrderNotCached": _unsure,
    "NullResponse": _unsure,
    "BadResponse": _unsure,
    "OperationFailed": _unsure,
    "UnsubscribeError": _unsure,
    "ExchangeError": _unsure,
    "BaseError": _unsure,
}


def refusal(names: Sequence[str], text: str, what: str, *, acting: bool, derivative: bool = False) -> TapelineError:
    """What an error means of `what` was asked; `acting`: it was to change something, so that not to know matters.

    An error of no class of ccxt's is an adapter's own bug: it says nothing of what has become of the request.
    """
    code = next((name for name in names if name in TABLE), "")
    message = f"{what}: {names[0] if names else 'error'}: {text}"
    if code == "InsufficientFunds" and derivative:
        return OrderRefused(message, code=code, reason="margin")
    return TABLE.get(code, _unsure)(message, code or (names[0] if names else ""), acting)


def is_definite(names: Sequence[str]) -> bool:
    """Whether asking again the same way will not help."""
    return isinstance(refusal(names, "", "", acting=False), Refused)
