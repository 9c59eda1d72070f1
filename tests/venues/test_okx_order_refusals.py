"""What OKX's codes mean of an order: a no with its reason, not to know, or nothing done; and back."""

import json
from typing import Any

import pytest

from okx_fixtures import IDS, SPOT, SWAP
from tapeline.errors import (
    AuthenticationRefused,
    BadData,
    ClockWrong,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Retry,
    TapelineError,
)
from tapeline.model.order import REASONS
from tapeline.venues.okx.order_refusals import CODE_OF, REASON_OF, code_of
from tapeline.venues.okx.orders import calls
from tapeline.venues.orders import OrderAsk

CALLS = calls("okx")


def ask(call: str, **changes: Any) -> OrderAsk:
    return OrderAsk(**({"call": call, "account": "main"} | changes))


def parsed(asked: OrderAsk, answer: bytes) -> list[Any]:
    return list(CALLS[asked.call].parse(answer, asked, IDS, 7))


def body(*rows: Any, code: str = "0", msg: str = "") -> bytes:
    return json.dumps({"code": code, "msg": msg, "data": rows}).encode()


def item(code: str, msg: str = "", **more: str) -> dict[str, str]:
    return {"clOrdId": "mine", "ordId": "", "sCode": code, "sMsg": msg} | more


@pytest.mark.parametrize(
    ("code", "msg", "reason"),
    [
        ("51008", "Insufficient", "balance"), ("51020", "", "min_size"), ("51121", "", "lot"),
        ("51006", "", "price_band"), ("51280", "", "would_trigger"), ("51169", "", "reduce_only"),
        ("51028", "", "market_closed"), ("51010", "", "permission"), ("50110", "", "address"),
        ("50120", "", "permission"), ("54109", "You haven't activated trading for this pair", "permission"),
        ("54094", "The cool-off period is active", "permission"), ("51016", "", "duplicate"),
        ("51603", "", "unknown_order"), ("51402", "", "already_final"), ("51025", "", "too_many_orders"),
        ("51001", "", "instrument"), ("51000", "Parameter posSide error", "position_mode"),
        ("51000", "Parameter px error", "tick"), ("51000", "no idea", "parameter"), ("59999", "", "other"),
    ],
)  # fmt: skip
def test_a_no_by_its_reason(code: str, msg: str, reason: str) -> None:
    asked = ask("place", instrument=SPOT, client_id="mine")
    for answer in (body(item(code, msg), code="1"), body(item(code, msg), code="2"), body(code=code, msg=msg)):
        with pytest.raises(OrderRefused) as refused:
            parsed(asked, answer)
        assert (refused.value.reason, refused.value.code) == (reason, code)
        assert "mine" in str(refused.value)


def test_what_is_balance_on_spot_is_margin_on_derivatives() -> None:
    with pytest.raises(OrderRefused) as refused:
        parsed(ask("place", instrument=SWAP), body(item("51008"), code="1"))
    assert refused.value.reason == "margin"


@pytest.mark.parametrize("code", ["50004", "50026", "51054", "51149", "51412"])
def test_not_to_know_is_no_refusal(code: str) -> None:
    with pytest.raises(OutcomeUnknown):
        parsed(ask("place", instrument=SPOT), body(item(code), code="1"))
    with pytest.raises(Retry) as asked_again:
        parsed(ask("balances"), body(code=code))
    assert not isinstance(asked_again.value, OutcomeUnknown)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("50011", RateLimited), ("50061", RateLimited), ("51113", RateLimited), ("50102", ClockWrong),
     ("50112", ClockWrong), ("50036", ClockWrong), ("50111", AuthenticationRefused), ("50113", AuthenticationRefused),
     ("50101", AuthenticationRefused), ("60009", AuthenticationRefused), ("60011", AuthenticationRefused),
     ("50001", Retry), ("50013", Retry)],
)  # fmt: skip
def test_what_is_no_refusal_of_the_order(code: str, kind: type[TapelineError]) -> None:
    for asked in (ask("place", instrument=SPOT), ask("cancel", instrument=SPOT), ask("balances")):
        with pytest.raises(kind) as refused:
            parsed(asked, body(code=code))
        assert not isinstance(refused.value, OutcomeUnknown)


def test_an_error_frame_reads_as_an_answer_does() -> None:
    with pytest.raises(AuthenticationRefused, match="60009"):
        parsed(ask("mode"), b'{"event":"error","code":"60009","msg":"Login failed.","connId":"a4d3ae55"}')
    with pytest.raises(Refused, match="60012"):
        parsed(ask("place"), b'{"id":"4","event":"error","code":"60012","msg":"Invalid request"}')


def test_a_cancel_under_way_is_a_yes_and_of_several_what_is_gone_is_left_alone() -> None:
    asked = ask("cancel", instrument=SPOT)
    assert [each.state for each in parsed(asked, body(item("51410", ordId="5"), code="1"))] == ["cancelling"]
    with pytest.raises(OrderRefused) as refused:
        parsed(asked, body(item("51400"), code="1"))
    assert refused.value.reason == "unknown_order"
    every = ask("cancel_all", instrument=SPOT)
    some = body(item("51400", ordId="1"), item("0", ordId="2"), code="2")
    assert [each.venue_id for each in parsed(every, some)] == ["2"]
    with pytest.raises(OrderRefused):
        parsed(every, body(item("51400"), item("51401"), code="1"))
    with pytest.raises(OrderRefused):
        parsed(ask("place", instrument=SPOT), body(item("51410"), code="1"))
    with pytest.raises(OrderRefused, match="51503"):
        parsed(ask("amend", instrument=SPOT), body(item("51503"), code="1"))


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (ask("place"), b""), (ask("place"), b"<html>"), (ask("place"), body()),
        (ask("amend"), b'{"code":"0","data":[1]}'),
        (ask("balances"), b"[]"), (ask("balances"), body({})), (ask("fills"), b'{"code":"0","data":[{}]}'),
        (ask("order"), body({"instId": "BTC-USDT", "ordId": "1", "state": "?", "side": "buy"})),
        (ask("fills"), body({"instId": "B", "tradeId": "1", "fillPx": "x", "fillSz": "1", "side": "buy"})),
    ],
)  # fmt: skip
def test_what_means_nothing(asked: OrderAsk, answer: bytes) -> None:
    with pytest.raises(BadData):
        parsed(asked, answer)


# ---- reasons back -----------------------------------------------------------------------------------------------


def test_every_reason_has_a_code_that_means_it_or_the_nearest_there_is() -> None:
    assert set(CODE_OF) == set(REASONS)
    assert set(REASON_OF.values()) <= set(REASONS)
    nearest = {
        "min_notional": "min_size", "other": "parameter", "margin": "balance", "already_final": "unknown_order",
    }  # fmt: skip
    for reason in REASONS:
        code, text = code_of(OrderRefused("no", reason=reason))
        with pytest.raises(OrderRefused) as refused:
            parsed(ask("place", instrument=SPOT), body(item(code, text), code="1"))
        assert refused.value.reason == nearest.get(reason, reason)


def test_what_the_venue_would_say_of_other_errors() -> None:
    assert code_of(OrderRefused("so", code="51155", reason="permission")) == ("51155", "so")
    assert code_of(AuthenticationRefused("Invalid Sign", code="50113")) == ("50113", "Invalid Sign")
    assert code_of(Refused("no", code="what")) == ("51000", "no")
    assert code_of(RateLimited("slow"))[0] == "50011"
    assert code_of(ClockWrong("late"))[0] == "50102"
    assert code_of(OutcomeUnknown("?"))[0] == "50004"
    assert code_of(Retry("later"))[0] == "50013"
    assert code_of(ValueError("bug"))[0] == "51000"
