"""The trading half of a venue behind ccxt: what is asked, and rows as events."""

import json
from decimal import Decimal
from typing import Any

import pytest

from ccxt_fakes import KEY, LONG, SECRET, START_MS
from tapeline.errors import AuthenticationRefused, BadData, OrderRefused, OutcomeUnknown
from tapeline.model.account import Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.model.secret import Credentials, Secret
from tapeline.venues.ccxt import through_ccxt
from tapeline.venues.orders import Answered, Beat, OrderAsk, Orders

VENUE = through_ccxt("ccxt-fakex-swap")
assert VENUE.orders is not None
ORDERS: Orders = VENUE.orders
BTC = Instrument(
    venue=VENUE.name, symbol="BTC/USDT:USDT", native="BTC/USDT:USDT", kind="perpetual", base="BTC", quote="USDT"
)
AT_NS = START_MS * 1_000_000
BUY = Intent(instrument=BTC.id, side="buy", kind="limit", size=Decimal("0.5"), price=Decimal("1E+2"))
CREDENTIALS = Credentials(Secret(KEY), lambda _text: b"", passphrase=Secret("words-of-it"), secret=Secret(SECRET))
ROW: dict[str, Any] = {
    "id": "77", "client_id": "t1", "symbol": "BTC/USDT:USDT", "status": "open", "type": "limit", "side": "buy",
    "price": LONG, "amount": "2", "filled": "0", "time_in_force": "GTC", "timestamp": START_MS,
}  # fmt: skip


def asked(call: str, **more: Any) -> OrderAsk:
    return OrderAsk(call=call, account="main", instrument=BTC, client_id="t1", intent=BUY, **more)


def answer(call: str, rows: Any, **more: Any) -> list[Any]:
    body = json.dumps({"ok": rows}).encode()
    return list(ORDERS.calls[call].parse(body, asked(call, **more), {BTC.native: BTC.id}, 7))


def refusal(call: str, *names: str) -> None:
    body = json.dumps({"error": names, "text": "no"}).encode()
    ORDERS.calls[call].parse(body, asked(call), {}, 7)


def order(**more: Any) -> OrderUpdate:
    (found,) = answer("order", [ROW | more])
    assert isinstance(found, OrderUpdate)
    return found


# ---- asking ----------------------------------------------------------------------------------------------------------


def test_an_order_goes_out_to_the_last_digit() -> None:
    request = ORDERS.calls["place"].build(asked("place"))
    assert request.path == "/place"
    assert json.loads(request.body) == {
        "symbol": "BTC/USDT:USDT", "client_id": "t1", "venue_id": "", "since": None, "until": None, "side": "buy",
        "type": "limit", "amount": "0.5", "price": "100", "cost": None, "time_in_force": "gtc", "post_only": False,
        "reduce_only": False,
    }  # fmt: skip
    amended = ORDERS.calls["amend"].build(asked("amend", size=Decimal(LONG), price=Decimal(7), venue_id="77"))
    assert json.loads(amended.body)["amount"] == LONG
    assert json.loads(amended.body)["price"] == "7"
    spans = ORDERS.calls["fills"].build(OrderAsk(call="fills", from_ns=-5, to_ns=1_500_001))
    assert json.loads(spans.body) == {"symbol": None, "client_id": "", "venue_id": "", "since": 1, "until": 2}


def test_hedge_mode_is_refused_before_anything_is_sent() -> None:
    intent = Intent(instrument=BTC.id, side="buy", kind="market", size=Decimal(1), position="long")
    with pytest.raises(OrderRefused, match="hedge mode") as refused:
        ORDERS.calls["place"].build(OrderAsk(call="place", instrument=BTC, intent=intent))
    assert refused.value.reason == "position_mode"


def test_keys_go_along_and_do_not_show() -> None:
    request = ORDERS.sign(ORDERS.calls["place"].build(asked("place")), CREDENTIALS, 0)
    assert dict(request.headers) == {"key": KEY, "secret": SECRET, "passphrase": "words-of-it"}
    assert ORDERS.with_key(ORDERS.calls["place"].build(asked("place")), CREDENTIALS) == request
    assert SECRET not in repr(request)
    assert SECRET not in repr(CREDENTIALS)


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_an_order_to_the_last_digit() -> None:
    assert order() == OrderUpdate(
        BTC.id, "orders", AT_NS, 7, "rest", "main", client_id="t1", venue_id="77", state="open", side="buy",
        kind="limit", size=Decimal(2), price=Decimal(LONG), filled=Decimal(0), time_in_force="gtc",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"status": "open", "filled": "1"}, "partly_filled"),
        ({"status": "closed", "filled": "2"}, "filled"),
        ({"status": "closed", "filled": "1"}, "cancelled"),
        ({"status": "closed", "filled": None}, "filled"),
        ({"status": "canceled"}, "cancelled"),
        ({"status": "canceling"}, "cancelling"),
        ({"status": "expired"}, "expired"),
        ({"status": "rejected"}, "rejected"),
        ({"status": None}, "submitted"),
    ],
)
def test_states(said: dict[str, Any], state: str) -> None:
    assert order(**said).state == state


def test_what_was_asked_says_what_the_answer_does_not() -> None:
    (placed,) = answer("place", [{"id": "77"}])
    assert (placed.state, placed.client_id, placed.venue_id, placed.instrument) == ("open", "t1", "77", BTC.id)
    (closed,) = answer("place", [{"id": "77", "status": "closed", "filled": "0", "amount": "2"}])
    assert closed.state == "open", "the fills will tell"
    (filled,) = answer("place", [{"id": "77", "status": "closed", "filled": "2", "amount": "2"}])
    assert filled.state == "filled"
    (leaving,) = answer("cancel", [{"id": None}], venue_id="77")
    assert (leaving.state, leaving.venue_id) == ("cancelling", "77")
    (gone,) = answer("cancel", [{"id": "77", "status": "canceled"}])
    assert gone.state == "cancelled"


def test_fills_balances_positions_payments() -> None:
    fill = {
        "id": "f1", "order": "77", "symbol": "BTC/USDT:USDT", "side": "sell", "price": "3", "amount": LONG,
        "timestamp": START_MS, "liquidity": "maker", "fee": "-0.1", "fee_currency": "USDT",
    }  # fmt: skip
    common: tuple[Any, ...] = (7, "rest", "main")
    assert answer("fills", [fill]) == [
        Fill(BTC.id, "fills", AT_NS, *common, id="f1", client_id="", venue_id="77", side="sell", price=Decimal(3),
             size=Decimal(LONG), fee=Decimal("-0.1"), fee_currency="USDT", liquidity="maker")
    ]  # fmt: skip
    assert answer("balances", [{"currency": "USDT", "total": LONG, "free": "1", "used": None}]) == [
        Balance(None, "balances", None, *common, currency="USDT", total=Decimal(LONG), free=Decimal(1))
    ]
    short = {"symbol": "BTC/USDT:USDT", "side": "short", "contracts": "3", "entry_price": "5", "margin_mode": "cross"}
    assert answer("positions", [short, short | {"hedged": True}]) == [
        Position(BTC.id, "positions", None, *common, size=Decimal(-3), entry_price=Decimal(5), margin_mode="cross"),
        Position(BTC.id, "positions", None, *common, size=Decimal(-3), entry_price=Decimal(5), margin_mode="cross",
                 position="short"),
    ]  # fmt: skip
    paid = {"id": "p1", "symbol": "BTC/USDT:USDT", "currency": "USDT", "amount": "-0.5", "timestamp": START_MS}
    assert answer("payments", [paid]) == [
        Payment(BTC.id, "payments", AT_NS, *common, id="p1", currency="USDT", amount=Decimal("-0.5"), kind="funding")
    ]


def test_refusals_and_doubts() -> None:
    with pytest.raises(OrderRefused) as refused:
        refusal("place", "InsufficientFunds", "ExchangeError")
    assert refused.value.reason == "margin"
    with pytest.raises(OutcomeUnknown, match="ccxt-fakex-swap place t1: RequestTimeout: no"):
        refusal("place", "RequestTimeout", "NetworkError")
    with pytest.raises(AuthenticationRefused):
        refusal("balances", "PermissionDenied", "AuthenticationError")


@pytest.mark.parametrize(
    ("call", "row"),
    [
        ("order", ROW | {"status": "asleep"}), ("order", ROW | {"amount": "two"}), ("order", "x"),
        ("fills", {"id": "1", "order": None, "symbol": "S", "side": "buy", "price": None, "amount": "1"}),
        ("payments", {"id": "1", "symbol": "S", "currency": "USDT", "amount": None}),
    ],
)  # fmt: skip
def test_bad_rows(call: str, row: Any) -> None:
    with pytest.raises(BadData):
        answer(call, [row])


# ---- the stream ------------------------------------------------------------------------------------------------------


def told(said: dict[str, Any]) -> list[Any]:
    decode = ORDERS.private.decoder(VENUE.name, "main", {BTC.native: BTC})
    return list(decode(json.dumps(said).encode(), 7))


def test_the_opening_logs_in_and_names_what_is_watched() -> None:
    login, watch = ORDERS.private.opening_for({BTC.native: BTC})
    assert json.loads(login(CREDENTIALS, 0, "open1")) == {
        "id": "open1", "op": "login", "keys": {"key": KEY, "secret": SECRET, "passphrase": "words-of-it"},
    }  # fmt: skip
    assert json.loads(watch(CREDENTIALS, 0, "open2")) == {"id": "open2", "op": "watch", "symbols": ["BTC/USDT:USDT"]}


def test_what_the_stream_tells() -> None:
    assert told({"id": "open1", "status": 401, "body": {"error": ["AuthenticationError"]}}) == [
        Answered("open1", b'{"error": ["AuthenticationError"]}', 401)
    ]
    assert told({"of": "beat"}) == [Beat()]
    (streamed,) = told({"of": "orders", "live": True, "rows": [ROW]})
    (polled,) = told({"of": "orders", "live": False, "rows": [ROW]})
    assert (streamed.source, polled.source, streamed.client_id) == ("ws", "rest", "t1")
    with pytest.raises(BadData, match="nothing that an account tells of"):
        told({"of": "gossip", "rows": []})
    with pytest.raises(BadData):
        ORDERS.private.decoder(VENUE.name, "main", {})(b"{", 7)
