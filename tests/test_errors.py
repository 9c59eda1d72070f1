import inspect

import pytest

from tapeline import errors
from tapeline.errors import (
    BadData,
    Broken,
    ClockWrong,
    ConfigError,
    ConnectionLost,
    Impossible,
    NotHeld,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Retry,
    StoreBehind,
    StoreLocked,
    StoreUnusable,
    SubscriptionRefused,
    TapelineError,
    TimedOut,
    UnknownInstrument,
    Unsent,
    Unsynchronised,
)

ALL = [each for _, each in inspect.getmembers(errors, inspect.isclass)]


def test_every_error_says_its_remedy_by_its_parent() -> None:
    remedies = {TapelineError, Retry, Refused, BadData, Unsynchronised, Broken, ConfigError}
    for each in ALL:
        assert issubclass(each, TapelineError)
        assert each in remedies or remedies & set(each.__mro__[1:-3])
    assert {each for each in ALL if issubclass(each, Retry)} == {
        Retry,
        ConnectionLost,
        Unsent,
        TimedOut,
        RateLimited,
        StoreBehind,
        ClockWrong,
        OutcomeUnknown,
    }
    for each in (SubscriptionRefused, UnknownInstrument, NotHeld, StoreLocked, StoreUnusable):
        assert issubclass(each, Refused)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    words = (errors.__doc__ or "").split()
    assert [each.__name__ for each in ALL if each.__name__ not in words] == []


@pytest.mark.parametrize(
    "error", [Retry("x", after_s=3.0), RateLimited("x", after_s=3.0), ConnectionLost("x", after_s=3.0)]
)
def test_a_retry_may_say_when(error: Retry) -> None:
    assert (str(error), error.after_s) == ("x", 3.0)
    assert type(error)("y").after_s is None


def test_what_errors_carry() -> None:
    assert (ConnectionLost("x", code=1001).code, ConnectionLost("x").code) == (1001, None)
    assert (Refused("x", code="-1121").code, SubscriptionRefused("x").code) == ("-1121", "")
    assert (BadData("x").kind, BadData("x", kind="bad_json").kind, Impossible("x").kind) == (
        "bad_value", "bad_json", "impossible",
    )  # fmt: skip
    late = Unsynchronised("x", reason="sequence", age_s=1.5)
    assert (late.reason, late.age_s) == ("sequence", 1.5)
