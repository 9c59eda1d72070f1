"""ccxt's errors: one table, and what each means of an order and of a question."""

import pytest

from tapeline.errors import (
    AuthenticationRefused,
    ClockWrong,
    ConnectionLost,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    Retry,
    TapelineError,
    TimedOut,
    Unsent,
)
from tapeline.model.order import REASONS
from tapeline.venues.ccxt.refusals import TABLE, is_definite, refusal

# ccxt 4.5.90, base/errors.py: every class with all it derives from.
TREE = {
    "ExchangeError": "BaseError", "AuthenticationError": "ExchangeError", "PermissionDenied": "AuthenticationError",
    "AccountNotEnabled": "PermissionDenied", "AccountSuspended": "AuthenticationError",
    "ArgumentsRequired": "ExchangeError", "BadRequest": "ExchangeError", "BadSymbol": "BadRequest",
    "OperationRejected": "ExchangeError", "NoChange": "OperationRejected", "MarginModeAlreadySet": "NoChange",
    "MarketClosed": "OperationRejected", "ManualInteractionNeeded": "OperationRejected",
    "RestrictedLocation": "OperationRejected", "InsufficientFunds": "ExchangeError", "InvalidAddress": "ExchangeError",
    "AddressPending": "InvalidAddress", "InvalidOrder": "ExchangeError", "OrderNotFound": "InvalidOrder",
    "OrderNotCached": "InvalidOrder", "OrderImmediatelyFillable": "InvalidOrder", "OrderNotFillable": "InvalidOrder",
    "DuplicateOrderId": "InvalidOrder", "ContractUnavailable": "InvalidOrder", "NotSupported": "ExchangeError",
    "InvalidProxySettings": "ExchangeError", "ExchangeClosedByUser": "ExchangeError", "OperationFailed": "BaseError",
    "NetworkError": "OperationFailed", "DDoSProtection": "NetworkError", "RateLimitExceeded": "NetworkError",
    "ExchangeNotAvailable": "NetworkError", "OnMaintenance": "ExchangeNotAvailable", "InvalidNonce": "NetworkError",
    "ChecksumError": "InvalidNonce", "RequestTimeout": "NetworkError", "BadResponse": "OperationFailed",
    "NullResponse": "BadResponse", "CancelPending": "OperationFailed", "UnsubscribeError": "BaseError",
}  # fmt: skip


def line(name: str) -> list[str]:
    found = [name]
    while found[-1] in TREE:
        found.append(TREE[found[-1]])
    return found


# class -> (what it means of an order that was sent, of a question)
CASES: list[tuple[str, type[TapelineError], type[TapelineError]]] = [
    ("InsufficientFunds", OrderRefused, OrderRefused),
    ("InvalidOrder", OrderRefused, OrderRefused),
    ("OrderNotFound", OrderRefused, OrderRefused),
    ("BadSymbol", OrderRefused, OrderRefused),
    ("MarginModeAlreadySet", OrderRefused, OrderRefused),
    ("AddressPending", OrderRefused, OrderRefused),
    ("AccountNotEnabled", AuthenticationRefused, AuthenticationRefused),
    ("AccountSuspended", AuthenticationRefused, AuthenticationRefused),
    ("RateLimitExceeded", RateLimited, RateLimited),
    ("DDoSProtection", RateLimited, RateLimited),
    ("InvalidNonce", ClockWrong, ClockWrong),
    ("RequestTimeout", OutcomeUnknown, TimedOut),
    ("NetworkError", OutcomeUnknown, ConnectionLost),
    ("ExchangeNotAvailable", OutcomeUnknown, ConnectionLost),
    ("OnMaintenance", OutcomeUnknown, ConnectionLost),
    ("ChecksumError", OutcomeUnknown, ConnectionLost),
    ("BadResponse", OutcomeUnknown, Retry),
    ("NullResponse", OutcomeUnknown, Retry),
    ("CancelPending", OutcomeUnknown, Retry),
    ("OrderNotCached", OutcomeUnknown, Retry),
    ("OperationFailed", OutcomeUnknown, Retry),
    ("UnsubscribeError", OutcomeUnknown, Retry),
    ("ExchangeError", OutcomeUnknown, Retry),
    ("ExchangeClosedByUser", Unsent, Unsent),
]


@pytest.mark.parametrize(("name", "of_order", "of_question"), CASES, ids=[case[0] for case in CASES])
def test_what_an_error_means(name: str, of_order: type[TapelineError], of_question: type[TapelineError]) -> None:
    for acting, kind in ((True, of_order), (False, of_question)):
        error = refusal(line(name), "the exchange's words", "ccxt-fakex place t1", acting=acting)
        assert type(error) is kind
        assert str(error) == f"ccxt-fakex place t1: {name}: the exchange's words"


def test_every_class_of_ccxt_means_something_and_every_reason_is_one_of_ours() -> None:
    for name in TREE:
        error = refusal(line(name), "", "", acting=True)
        assert isinstance(error, OrderRefused | AuthenticationRefused | Retry), name
        if isinstance(error, OrderRefused):
            assert error.reason in REASONS
            assert error.code in TABLE


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("InsufficientFunds", "balance"), ("OrderImmediatelyFillable", "would_cross"),
        ("OrderNotFillable", "not_fillable"), ("DuplicateOrderId", "duplicate"), ("MarketClosed", "market_closed"),
        ("ContractUnavailable", "market_closed"), ("RestrictedLocation", "address"), ("NotSupported", "unsupported"),
        ("ArgumentsRequired", "unsupported"), ("BadSymbol", "instrument"), ("BadRequest", "parameter"),
        ("OrderNotFound", "unknown_order"), ("Tick", "tick"), ("Lot", "lot"),
    ],
)  # fmt: skip
def test_the_reason_in_our_words(name: str, reason: str) -> None:
    error = refusal(line(name), "", "", acting=True)
    assert isinstance(error, OrderRefused)
    assert (error.reason, error.code) == (reason, name)


def test_no_funds_for_a_derivative_is_no_margin() -> None:
    error = refusal(line("InsufficientFunds"), "", "", acting=True, derivative=True)
    assert isinstance(error, OrderRefused)
    assert error.reason == "margin"


def test_a_request_that_never_left_is_unsent_and_an_unknown_error_is_unsure() -> None:
    assert type(refusal(["ClientConnectorError", *line("ExchangeNotAvailable")], "", "", acting=True)) is Unsent
    for names in (["TypeError"], []):
        assert type(refusal(names, "'NoneType'...", "", acting=True)) is OutcomeUnknown
        assert type(refusal(names, "", "", acting=False)) is Retry


def test_a_class_that_ccxt_adds_is_read_as_what_it_derives_from() -> None:
    assert type(refusal(["BrandNew", *line("RateLimitExceeded")], "", "", acting=True)) is RateLimited


def test_what_is_definite() -> None:
    assert is_definite(line("BadSymbol"))
    assert is_definite(line("PermissionDenied"))
    assert not is_definite(line("RequestTimeout"))
    assert not is_definite(line("ExchangeError"))
    assert not is_definite([])
