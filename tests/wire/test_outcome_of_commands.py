"""What became of a command: told once that it left, why it failed in our words, and whether an answer ends it."""

import pytest
from order_stage import A

from tapeline.clock import SystemClock
from tapeline.errors import (
    AuthenticationRefused,
    BadData,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    TapelineError,
    UnknownInstrument,
)
from tapeline.model.account import OrderUpdate
from tapeline.trading.input import Sent
from tapeline.venues.orders import ListenKey, OrderAsk
from tapeline.wire.gateway.outcome import Leaving, Told, ends, reason_of


def test_that_the_bytes_left_is_told_once() -> None:
    told: list[Told] = []
    leaving = Leaving("c1", "submit", SystemClock(), told.append)
    assert not leaving.left
    leaving()
    leaving()
    (sent,) = told
    assert isinstance(sent, Sent)
    assert (sent.client_id, sent.what, leaving.left) == ("c1", "submit", True)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OrderRefused("no", reason="balance"), "balance"),
        (AuthenticationRefused("no"), "permission"),
        (UnknownInstrument("no"), "instrument"),
        (RateLimited("no"), "too_many_orders"),
        (OutcomeUnknown("no"), ""),
        (BadData("no", kind="schema"), ""),
        (TapelineError("no"), "other"),
    ],
)
def test_why_it_failed(error: TapelineError, reason: str) -> None:
    assert reason_of(error) == reason


@pytest.mark.parametrize(
    ("call", "state", "over"),
    [
        ("cancel", "cancelled", True), ("cancel", "open", False), ("amend", "open", True),
        ("amend", "submitted", False), ("amend", "filled", True),
    ],
)  # fmt: skip
def test_whether_an_answer_says_how_it_ended(call: str, state: str, over: bool) -> None:
    update = OrderUpdate(A.id, "orders", 1, 1, "rest", "a", client_id="c1", venue_id="v1", state=state)
    assert ends(update, OrderAsk(call=call)) is over
    assert not ends(ListenKey("k"), OrderAsk(call=call))
