"""The venue's error table: every code of both fact sheets, and back for the paper exchange."""

import json
from pathlib import Path

import pytest

from tapeline.errors import (
    AuthenticationRefused,
    Broken,
    ClockWrong,
    OrderRefused,
    OutcomeUnknown,
    RateLimited,
    Retry,
    TapelineError,
    UnknownInstrument,
)
from tapeline.model.order import REASONS
from tapeline.venues.binance.orders.refusals import (
    SPOT_MARKET,
    USDM_MARKET,
    Market,
    OrderError,
    meaning,
    raise_refusal,
    reason_of,
    refuse,
)

AT = 1_659_142_907_531 * 1_000_000


def heard(code: int, message: str = "", call: str = "place", market: Market = SPOT_MARKET) -> TapelineError:
    return meaning(OrderError(code, message), call, "test", market, AT)


@pytest.mark.parametrize("call", ["place", "amend", "cancel", "cancel_all", "leverage"])
@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -1016])
def test_nobody_knows_what_became_of_an_order(code: int, call: str) -> None:
    assert type(heard(code, "Execution status unknown.", call)) is OutcomeUnknown
    assert type(heard(code, "Execution status unknown.", "order")) is Retry


def test_usdm_says_for_certain_that_it_failed() -> None:
    assert type(heard(-1000, "Service Unavailable.", market=USDM_MARKET)) is Retry
    unknown = "Unknown error, please check your request or try again later."
    assert type(heard(-1000, unknown, market=USDM_MARKET)) is OutcomeUnknown


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1003, RateLimited), (-1008, RateLimited), (-1015, RateLimited), (-1021, ClockWrong), (-5028, ClockWrong),
        (-1002, AuthenticationRefused), (-1022, AuthenticationRefused), (-2014, AuthenticationRefused),
        (-2015, AuthenticationRefused),
    ],
)  # fmt: skip
def test_what_is_no_word_on_the_order(code: int, kind: type[TapelineError]) -> None:
    for market in (SPOT_MARKET, USDM_MARKET):
        assert type(heard(code, market=market)) is kind


def test_a_ban_names_its_end() -> None:
    banned = heard(-1003, "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket.")
    assert isinstance(banned, RateLimited)
    assert banned.after_s == pytest.approx(3492.469)


def test_the_websocket_api_names_a_time() -> None:
    body = b'{"code":-1003,"msg":"Too much.","data":{"serverTime":1659142907531,"retryAfter":1659142937531}}'
    with pytest.raises(RateLimited) as limited:
        raise_refusal(body, "place", "test", SPOT_MARKET, AT)
    assert limited.value.after_s == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (-1013, "Filter failure: PRICE_FILTER", "tick"),
        (-1013, "Filter failure: LOT_SIZE", "lot"),
        (-1013, "Filter failure: MARKET_LOT_SIZE", "lot"),
        (-1013, "Filter failure: NOTIONAL", "min_notional"),
        (-1013, "Filter failure: MIN_NOTIONAL", "min_notional"),
        (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE", "price_band"),
        (-1013, "Filter failure: MAX_NUM_ORDERS", "too_many_orders"),
        (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS", "too_many_orders"),
        (-1013, "Filter failure: MAX_POSITION", "max_size"),
        (-1013, "Filter failure: TRAILING_DELTA", "parameter"),
        (-1013, "Invalid quantity.", "lot"),
        (-1013, "Market is closed.", "market_closed"),
        (-1014, "Unsupported order combination.", "unsupported"),
        (-1020, "This operation is not supported.", "unsupported"),
        (-1102, "Mandatory parameter 'side' was not sent", "parameter"),
        (-1106, "Parameter 'timeInForce' sent when not required.", "parameter"),
        (-1111, "Parameter 'price' has too much precision.", "tick"),
        (-1111, "Parameter 'quantity' has too much precision.", "lot"),
        (-1116, "Invalid orderType.", "unsupported"),
        (-1121, "Invalid symbol.", "instrument"),
        (-1130, "Data sent for parameter '%s' is not valid.", "parameter"),
        (-2010, "Account has insufficient balance for requested action.", "balance"),
        (-2010, "Order would immediately match and take.", "would_cross"),
        (-2010, "Order would trigger immediately.", "would_trigger"),
        (-2010, "Duplicate order sent.", "duplicate"),
        (-2010, "Market is closed.", "market_closed"),
        (-2010, "This symbol is not permitted for this account.", "permission"),
        (-2010, "This action is disabled on this account.", "permission"),
        (-2010, "Trailing stop orders are not supported for this symbol.", "unsupported"),
        (-2010, "Order book liquidity is less than LOT_SIZE filter minimum quantity.", "not_fillable"),
        (-2010, "Price * QTY is zero or less.", "parameter"),
        (-2010, "Something new.", "other"),
        (-2011, "Unknown order sent.", "unknown_order"),
        (-2011, "Order was not canceled due to cancel restrictions.", "other"),
        (-2013, "Order does not exist.", "unknown_order"),
        (-2026, "Order was canceled or expired with no executed qty over 90 days ago and has been archived.",
         "already_final"),
        (-2038, "Order amend (quantity increase) is not supported.", "unsupported"),
        (-2039, "Client order ID is not correct for this order ID.", "parameter"),
        (-9999, "Whatever.", "other"),
    ],
)  # fmt: skip
def test_reasons_of_spot(code: int, message: str, reason: str) -> None:
    refused = heard(code, message)
    assert isinstance(refused, OrderRefused)
    assert (refused.reason, refused.code) == (reason, str(code))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-2018, "balance"), (-2019, "margin"), (-2021, "would_trigger"), (-2022, "reduce_only"), (-2023, "permission"),
        (-2025, "too_many_orders"), (-2027, "max_size"), (-2028, "margin"), (-4003, "min_size"), (-4005, "max_size"),
        (-4014, "tick"), (-4015, "parameter"), (-4023, "lot"), (-4061, "position_mode"), (-4067, "position_mode"),
        (-4068, "position_mode"), (-4116, "duplicate"), (-4120, "unsupported"), (-4131, "price_band"),
        (-4164, "min_notional"), (-4192, "permission"), (-4400, "permission"), (-4401, "permission"),
        (-4531, "position_mode"), (-5021, "not_fillable"), (-5022, "would_cross"), (-5024, "market_closed"),
        (-5025, "unsupported"), (-5026, "too_many_orders"), (-2011, "unknown_order"), (-2013, "unknown_order"),
        (-4105, "permission"), (-4107, "permission"), (-4189, "permission"), (-4210, "price_band"),
        (-4211, "price_band"), (-5029, "min_notional"), (-1125, "parameter"), (-1023, "other"),
    ],
)  # fmt: skip
def test_reasons_of_usdm(code: int, reason: str) -> None:
    refused = heard(code, "", market=USDM_MARKET)
    assert isinstance(refused, OrderRefused)
    assert refused.reason == reason


@pytest.mark.parametrize("code", [-4046, -4059, -5027])
def test_nothing_to_change_is_as_good_as_done(code: int) -> None:
    assert raise_refusal(b'{"code":%d,"msg":"No need to change."}' % code, "amend", "test", USDM_MARKET, AT)


def test_a_body_that_is_no_error() -> None:
    for body in (b"", b"[]", b'{"code":200}', b'{"id":1}'):
        assert not raise_refusal(body, "place", "test", SPOT_MARKET, AT)
    assert raise_refusal(b'{"code":-2011,"msg":"Unknown order sent."}', "cancel_all", "test", SPOT_MARKET, AT)
    with pytest.raises(OrderRefused):
        raise_refusal(b'{"code":-2011,"msg":"Unknown order sent."}', "cancel", "test", SPOT_MARKET, AT)


def test_every_documented_message_has_a_meaning(shared: Path) -> None:
    documented = json.loads((shared / "errors" / "binance_spot.json").read_text(encoding="utf-8"))["errors"]
    for row in documented:
        for message in row["msgs"]:
            error = heard(row["code"], message)
            assert not isinstance(error, OrderRefused) or error.reason in REASONS
    assert len(documented) == 102


@pytest.mark.parametrize("market", [SPOT_MARKET, USDM_MARKET], ids=["spot", "usdm"])
def test_every_reason_has_a_code_and_comes_back(market: Market) -> None:
    # Spot knows no margin, and fewer words than we have.
    rejected = {"address", "permission"}  # of the key: no word on the order
    coarse = {"margin", "min_size", "max_size", "position_mode", "reduce_only", "already_final", "other"}
    for reason in REASONS:
        status, body = refuse(OrderRefused("no", reason=reason), market)
        error = json.loads(body)
        assert status == (401 if reason in rejected else 400)
        if reason in rejected:
            assert type(heard(error["code"], error["msg"], market=market)) is AuthenticationRefused
        elif reason not in coarse or (market is USDM_MARKET and reason not in {"already_final", "other"}):
            assert reason_of(OrderError(error["code"], error["msg"]), market) == reason, reason


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RateLimited("slow"), 429, -1003),
        (ClockWrong("early"), 400, -1021),
        (OutcomeUnknown("?"), 503, -1007),
        (Retry("later"), 503, -1000),
        (AuthenticationRefused("no"), 401, -2015),
        (AuthenticationRefused("no", code="-1022"), 401, -1022),
        (UnknownInstrument("what"), 400, -1121),
        (OrderRefused("no", code="-2026", reason="already_final"), 400, -2026),
        (Broken("bug"), 400, -1102),
    ],
)
def test_errors_as_the_venue_says_them(error: Exception, status: int, code: int) -> None:
    found, body = refuse(error, SPOT_MARKET)
    assert (found, json.loads(body)["code"]) == (status, code)


def test_an_order_that_is_not_there_is_told_by_what_was_asked() -> None:
    nobody = OrderRefused("no such order", reason="unknown_order")
    assert json.loads(refuse(nobody, SPOT_MARKET, asked="order")[1]) == {"code": -2013, "msg": "Order does not exist."}
    assert json.loads(refuse(nobody, SPOT_MARKET, asked="cancel")[1]) == {"code": -2011, "msg": "Unknown order sent."}
