"""Private frames whose meaning is not told by the samples: answers, ends, and what cannot be read."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import BadData
from tapeline.model.account import Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.venues.binance.orders.private import decoder
from tapeline.venues.binance.orders.stream_spot import SPOT
from tapeline.venues.binance.orders.stream_usdm import USDM
from tapeline.venues.binance.orders.words import filled_state, mean, origin_of, some
from tapeline.venues.orders import Answered, Ending, Expired

D = Decimal
BTC = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
REPORT: dict[str, Any] = {
    "e": "executionReport", "E": 1709654401000, "s": "BTCUSDT", "c": "cancel-1", "S": "SELL", "o": "LIMIT_MAKER",
    "f": "GTC", "q": "1", "p": "2500", "x": "CANCELED", "X": "CANCELED", "i": 7, "z": "0", "T": 1709654401000,
}  # fmt: skip
FUTURES: dict[str, Any] = {
    "s": "BTCUSDT", "c": "mine", "S": "BUY", "o": "LIMIT", "f": "GTX", "q": "1", "p": "100", "x": "EXPIRED",
    "X": "EXPIRED", "i": 9, "z": "0", "T": 1709654401000,
}  # fmt: skip


def spot(payload: object) -> list[Any]:
    return list(decoder(SPOT, "binance", "main", {"BTCUSDT": BTC})(msgspec.json.encode(payload), 5))


def usdm(payload: object) -> list[Any]:
    return list(decoder(USDM, "binance-usdm", "main", {})(msgspec.json.encode(payload), 5))


def order(items: list[Any]) -> OrderUpdate:
    (found,) = [item for item in items if isinstance(item, OrderUpdate)]
    return found


def test_a_cancel_tells_of_the_order_it_cancelled() -> None:
    update = order(spot({**REPORT, "C": "order-1"}))

    assert (update.client_id, update.instrument, update.state) == ("order-1", "binance:BTC/USDT", "cancelled")
    assert (update.post_only, update.side, update.venue_id) == (True, "sell", "7")
    assert order(spot(REPORT)).client_id == "cancel-1"


def test_a_trailing_stop_is_a_kind_of_its_own() -> None:
    assert order(spot({**REPORT, "o": "STOP_LOSS", "d": 100})).kind == "trailing_stop"
    assert order(spot({**REPORT, "o": "STOP_LOSS"})).kind == "stop"
    assert order(spot({**REPORT, "o": "SOMETHING_NEW"})).kind == "something_new"


@pytest.mark.parametrize(("text", "value"), [("", None), ("0.000", None), ("1e-8", D("1E-8"))])
def test_no_price_is_none(text: str, value: Decimal | None) -> None:
    assert some(text) == value


def test_why_an_order_expired() -> None:
    gone = {**REPORT, "X": "EXPIRED", "x": "EXPIRED"}
    assert order(spot({**gone, "eR": "EXECUTION_RULE_PRICE_RANGE_EXCEEDED"})).reason == "price_band"
    assert order(spot({**gone, "r": "INSUFFICIENT_BALANCES", "eR": "REJECTED"})).reason == "balance"
    assert order(spot({**gone, "eR": "OCO_TRIGGER"})).reason == ""
    wrapped = {"e": "ORDER_TRADE_UPDATE", "T": 1709654401000}
    assert order(usdm({**wrapped, "o": FUTURES})).reason == "would_cross"
    assert order(usdm({**wrapped, "o": {**FUTURES, "f": "IOC", "er": "2"}})).reason == "not_fillable"
    assert order(usdm({**wrapped, "o": {**FUTURES, "f": "GTC", "er": 4}})).reason == "reduce_only"
    assert order(usdm({**wrapped, "o": {**FUTURES, "f": "GTC"}})).reason == ""


def test_an_amended_order_stays_open() -> None:
    amended = {**REPORT, "x": "REPLACED", "X": "NEW", "q": "0.5", "c": "order-1", "C": "order-1"}
    assert (order(spot(amended)).state, order(spot(amended)).size) == ("open", D("0.5"))
    changed = {**FUTURES, "x": "AMENDMENT", "X": "PARTIALLY_FILLED", "z": "0.25", "p": "101", "ap": "100.5"}
    update = order(usdm({"e": "ORDER_TRADE_UPDATE", "T": 1709654401000, "o": changed}))
    assert (update.state, update.price, update.filled, update.average) == (
        "partly_filled", D(101), D("0.25"), D("100.5"),
    )  # fmt: skip


def test_a_fill_without_a_fee_says_so() -> None:
    traded = {**FUTURES, "x": "TRADE", "X": "FILLED", "z": "1", "l": "1", "L": "99", "t": 4, "ap": "99", "rp": "-1.5"}
    fill, update = usdm({"e": "ORDER_TRADE_UPDATE", "T": 1709654401000, "o": traded})

    assert isinstance(fill, Fill)
    assert (fill.id, fill.fee, fill.fee_currency, fill.realised, fill.price) == ("4", None, "", D("-1.5"), D(99))
    assert update.state == "filled"


def test_a_conditional_order_goes_by_what_it_became() -> None:
    body = {"caid": "mine", "aid": 5, "o": "STOP", "s": "BTCUSDT", "S": "BUY", "f": "GTC", "q": "3", "X": "NEW",
            "tp": "100", "p": "101", "ai": ""}  # fmt: skip

    def said(**change: object) -> tuple[str, str, Decimal | None, str]:
        update = order(usdm({"e": "ALGO_UPDATE", "T": 1, "o": {**body, **change}}))
        return update.venue_id, update.state, update.filled, update.why

    assert said() == ("algo-5", "open", D(0), "")
    assert said(X="TRIGGERING") == ("algo-5", "open", D(0), "")
    assert said(X="TRIGGERED", ai=77) == ("77", "open", D(0), "")
    assert said(X="FINISHED", ai="77", aq="3", ap="100.5") == ("77", "filled", D(3), "")
    assert said(X="FINISHED", ai="77", aq="2", ap="100.5") == ("77", "cancelled", D(2), "")
    assert said(X="REJECTED", rm="Margin is insufficient.") == ("algo-5", "expired", D(0), "Margin is insufficient.")


def test_a_funding_fee_is_a_payment() -> None:
    body = {"m": "FUNDING_FEE", "B": [{"a": "USDT", "wb": "99.5", "bc": "-0.5"}], "S": "BTCUSDT"}

    payment, balance = usdm({"e": "ACCOUNT_UPDATE", "T": 7, "a": body})

    assert isinstance(payment, Payment)
    assert isinstance(balance, Balance)
    assert (payment.instrument, payment.amount, payment.kind) == ("binance-usdm:BTCUSDT", D("-0.5"), "funding")
    assert (balance.total, balance.reason, balance.free) == (D("99.5"), "funding", None)


def test_an_unknown_reason_is_an_adjustment() -> None:
    payment, balance = usdm({"e": "ACCOUNT_UPDATE", "T": 7, "a": {"m": "NEW", "B": [{"a": "X", "wb": "1", "bc": "1"}]}})

    assert (payment.kind, payment.instrument, balance.reason) == ("adjustment", None, "")
    body = {"m": "INSURANCE_CLEAR", "B": [{"a": "X", "wb": "1", "bc": "1"}]}
    cleared, held = usdm({"e": "ACCOUNT_UPDATE", "T": 7, "a": body})
    assert (cleared.kind, held.reason) == ("liquidation", "adjustment")


def test_a_short_position_is_negative() -> None:
    called = {"s": "BTCUSDT", "ps": "SHORT", "pa": "2", "mt": "ISOLATED", "mp": "100", "up": "-3"}

    (position,) = usdm({"e": "MARGIN_CALL", "E": 7, "p": [called]})

    assert isinstance(position, Position)
    assert (position.size, position.position, position.margin_mode, position.mark_price) == (
        D(-2), "short", "isolated", D(100),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"subscriptionId": 0, "event": {"e": "eventStreamTerminated", "E": 1728973001334}}, "eventStreamTerminated"),
        ({"e": "listenKeyExpired", "E": 1736996475556, "listenKey": "k"}, "listenKeyExpired"),
    ],
)
def test_the_end_of_a_stream(payload: object, reason: str) -> None:
    assert spot(payload) == [Expired(reason)]


def test_a_server_that_is_about_to_go() -> None:
    assert spot({"event": {"e": "serverShutdown", "E": 1770123456789}}) == [Ending("serverShutdown")]
    assert usdm({"e": "serverShutdown", "E": 1770123456789}) == [Ending("serverShutdown")]


def test_a_key_that_expired_on_usdm() -> None:
    assert usdm({"e": "listenKeyExpired", "E": 1736996475556, "listenKey": "k"}) == [Expired("listenKeyExpired")]


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ({"id": "1", "status": 200, "result": {"subscriptionId": 0}}, Answered("1")),
        ({"id": 7, "status": 200, "result": {"apiKey": "k", "authorizedSince": 1}}, Answered("7")),
        ({"id": None, "status": 200, "result": {}}, Answered("")),
        ({"id": "2", "status": 200, "result": [{"orderId": 3}]}, Answered("2", b'[{"orderId":3}]')),
        (
            {"id": "3", "status": 400, "error": {"code": -2010, "msg": "no"}},
            Answered("3", b'{"code":-2010,"msg":"no"}', 400),
        ),
    ],
)
def test_answers(frame: object, answer: Answered) -> None:
    assert spot(frame) == [answer]


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"{", "bad_json"),
        (b"[]", "schema"),
        (b'{"e":"whatever"}', "unknown_type"),
        (b"{}", "unknown_type"),
        (b'{"e":"executionReport","s":"BTCUSDT"}', "schema"),
        (msgspec.json.encode({**REPORT, "S": "HOLD"}), "schema"),
        (msgspec.json.encode({**REPORT, "z": "1_000"}), "bad_number"),
        (b'{"e":"outboundAccountPosition","u":1,"B":[{"a":"X","f":"","l":"1"}]}', "bad_number"),
        (b'{"id":1,"status":200,"result":{"a":', "bad_json"),
    ],
)
def test_what_cannot_be_read_is_bad_data(frame: bytes, kind: str) -> None:
    with pytest.raises(BadData) as bad:
        decoder(SPOT, "binance", "main", {})(frame, 5)
    assert bad.value.kind == kind


@given(st.binary(max_size=60))
def test_garbage_raises_bad_data_alone(frame: bytes) -> None:
    for dialect in (SPOT, USDM):
        try:
            decoder(dialect, "binance", "main", {})(frame, 5)
        except BadData:
            continue


def test_words() -> None:
    assert origin_of("autoclose-1") == "liquidation"
    assert origin_of("adl_autoclose") == "adl"
    assert origin_of("delivery_autoclose-1") == "settlement"
    assert origin_of("mine") == ""
    assert mean(D(0), D(1)) is None
    assert mean(D(3), D(2)) == D("1.5")
    assert [filled_state("", D(x), D(2)) for x in (0, 1, 2)] == ["open", "partly_filled", "filled"]
    assert filled_state("open", D(1), None) == "open"
