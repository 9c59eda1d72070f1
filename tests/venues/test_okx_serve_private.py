"""The venue's side of a private connection: logins, subscriptions, order calls; what it tells reads as it happened."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_fixtures import BY_ID, BY_NATIVE, IDS, MS_NS, OURS, SECOND_NS, SPOT, SWAP, secret_of
from tapeline.errors import AuthenticationRefused, ClockWrong, OrderRefused, OutcomeUnknown, RateLimited
from tapeline.model.account import AccountEvent, AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.order import Intent
from tapeline.venues.okx import OKX
from tapeline.venues.okx.private import decoder
from tapeline.venues.okx.signing import login
from tapeline.venues.orders import Answered, Opening, OrderAsk, Placed

D = Decimal
NOW_NS = 1_704_876_947 * SECOND_NS
assert OKX.orders is not None
ORDERS = OKX.orders
assert ORDERS.server is not None
assert ORDERS.entry is not None
SERVER, ENTRY, CALLS = ORDERS.server, ORDERS.entry, ORDERS.calls
change = msgspec.structs.replace


def hear(frame: bytes | dict[str, Any]) -> Opening | Placed | None:
    return SERVER.hear(frame if isinstance(frame, bytes) else json.dumps(frame).encode(), secret_of, BY_NATIVE, NOW_NS)


def opening(frame: bytes | dict[str, Any]) -> Opening:
    heard = hear(frame)
    assert isinstance(heard, Opening)
    return heard


def decoded(*frames: bytes) -> list[Any]:
    decode = decoder("okx", "main", BY_NATIVE)
    return [each for frame in frames for each in decode(frame, 7)]


# ---- logins and subscriptions -----------------------------------------------------------------------------------


def test_what_opens_a_stream_is_granted_step_by_step() -> None:
    first, *rest = (opening(step(OURS, NOW_NS, str(n))) for n, step in enumerate(ORDERS.private.opening))
    assert (first.login, first.key, decoded(*first.answers)) == (True, "okx_key", [Answered("")])
    assert [(each.subscribe, decoded(*each.answers)) for each in rest] == [
        (("orders", "fills", "orders:placed"), [Answered("1")]), (("balances",), [Answered("2")]),
        (("positions",), [Answered("3")]), ((), [Answered("4")]),
    ]  # fmt: skip
    waiting = opening(ORDERS.more[0].opening[1](OURS, NOW_NS, "9"))
    assert (waiting.subscribe, waiting.off) == (("orders", "orders:waiting", "orders:trailing"), False)
    assert decoded(*waiting.answers) == [Answered("9"), Answered("9")]
    assert not any(each.login or each.key for each in rest)
    assert SERVER.greets == {"balances", "positions"}


def test_what_ccxt_asks() -> None:
    asked = opening({"op": "subscribe", "args": [{"channel": "orders", "instType": "ANY"}]})
    assert json.loads(asked.answers[0]) == {
        "event": "subscribe", "arg": {"channel": "orders", "instType": "ANY"}, "connId": "a4d3ae55",
    }  # fmt: skip
    refused = json.loads(asked.refused)
    assert (refused["event"], refused["code"]) == ("error", "60011")
    off = opening({"id": 7, "op": "unsubscribe", "args": [{"channel": "account"}]})
    assert (off.off, off.subscribe, json.loads(off.answers[0])["id"]) == (True, ("balances",), "7")


def test_the_public_kind_is_left_to_the_public_half() -> None:
    for frame in (b"ping", b"[]", b'{"op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"}]}',
                  b'{"op":"subscribe","args":"all"}', b'{"op":"what","args":[]}'):  # fmt: skip
        assert hear(frame) is None
    mixed = opening({"id": "3", "op": "subscribe", "args": [{"channel": "account"}, {"channel": "candle1m"}]})
    assert [json.loads(each)["event"] for each in mixed.answers] == ["subscribe", "error"]


def changed(**fields: Any) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(login(OURS, NOW_NS, ""))
    frame["args"][0] |= fields
    return frame


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (changed(sign="V1ZO"), "60007"), (changed(apiKey="other"), "60005"), (changed(passphrase="other"), "60024"),
        (changed(timestamp="1704876900"), "60006"), (changed(timestamp="x"), "60004"),
        ({"op": "login", "args": []}, "60009"), ({"op": "login", "args": [1]}, "60009"),
    ],
)  # fmt: skip
def test_a_login_that_is_refused_is_answered_so(frame: dict[str, Any], code: str) -> None:
    refused = opening(frame)
    assert (refused.login, refused.key, refused.subscribe) == (False, "", ())
    (answer,) = decoded(*refused.answers)
    with pytest.raises(ClockWrong if code in {"60004", "60006"} else AuthenticationRefused, match=code):
        CALLS["mode"].parse(answer.body, OrderAsk(call="mode"), IDS, 7)


# ---- order calls ------------------------------------------------------------------------------------------------

LIMIT = Intent(instrument=SPOT.id, side="buy", kind="limit", size=D(1), price=D(100), post_only=True)
PLACE = OrderAsk(call="place", instrument=SPOT, client_id="a1", intent=LIMIT)


@pytest.mark.parametrize(
    "ask",
    [
        PLACE, change(PLACE, instrument=SWAP, intent=change(LIMIT, instrument=SWAP.id, reduce_only=True)),
        OrderAsk(call="cancel", instrument=SWAP, venue_id="5"),
        OrderAsk(call="cancel", instrument=SPOT, client_id="a1"),
        OrderAsk(call="amend", instrument=SPOT, venue_id="5", size=D(2), price=D(99)),
    ],
    ids=lambda ask: ask.call,
)  # fmt: skip
def test_an_order_call_is_heard_as_it_was_asked(ask: OrderAsk) -> None:
    assert hear(ENTRY.frame(ask, "1512", OURS, NOW_NS)) == Placed(ask=ask, request_id="1512")


OPEN = OrderUpdate(
    instrument=SPOT.id, channel="orders", at_ns=5 * MS_NS, received_ns=7, source="ws", account="main", client_id="a1",
    venue_id="5", state="open", side="buy", kind="limit", size=D(2), price=D(100), filled=D(0), time_in_force="gtc",
)  # fmt: skip
STOP = change(
    OPEN, instrument=SWAP.id, client_id="s1", venue_id="6", side="sell", kind="stop", price=None, stop_price=D(90),
    time_in_force="",
)  # fmt: skip
FILL = Fill(
    instrument=SPOT.id, channel="fills", at_ns=5 * MS_NS, received_ns=7, source="ws", account="main", id="9",
    client_id="a1", venue_id="5", side="buy", price=D(99), size=D(1), fee=D("0.1"), fee_currency="USDT",
    liquidity="taker", realised=D(0),
)  # fmt: skip
PARTLY = change(OPEN, state="partly_filled", filled=D(1), average=D(99))


def answer_of(ask: OrderAsk, result: Any) -> tuple[dict[str, Any], bytes]:
    frame = SERVER.told("1512", ask, result, NOW_NS)
    (answered,) = ENTRY.decoder(frame, 7)
    assert isinstance(answered, Answered)
    assert answered.request_id == "1512"
    return json.loads(frame), answered.body


def test_answers_to_order_calls() -> None:
    frame, body = answer_of(PLACE, [FILL, PARTLY])
    assert (frame["op"], frame["code"], frame["inTime"]) == ("order", "0", "1704876947000000")
    (update,) = CALLS["place"].parse(body, PLACE, IDS, 7)
    assert (getattr(update, "venue_id", ""), getattr(update, "state", "")) == ("5", "open")
    _, body = answer_of(OrderAsk(call="cancel", instrument=SPOT, venue_id="5"), [OPEN])
    assert len(CALLS["cancel"].parse(body, PLACE, IDS, 7)) == 1
    _, body = answer_of(OrderAsk(call="amend", instrument=SPOT, venue_id="5"), [OPEN])
    assert CALLS["amend"].parse(body, PLACE, IDS, 7) == ()


@pytest.mark.parametrize(
    ("error", "kind", "match"),
    [
        (OrderRefused("no money", reason="balance"), OrderRefused, "51008"),
        (AuthenticationRefused("log in first"), AuthenticationRefused, "60011"),
        (RateLimited("slow"), RateLimited, "50011"), (OutcomeUnknown("?"), OutcomeUnknown, "50004"),
    ],
)  # fmt: skip
def test_a_refused_order_call_reads_as_that(error: Exception, kind: type[Exception], match: str) -> None:
    _, body = answer_of(PLACE, error)
    with pytest.raises(kind, match=match):
        CALLS["place"].parse(body, PLACE, IDS, 7)


def test_ccxt_places_by_batches_of_one_and_is_answered_by_the_same_op() -> None:
    arg = {"instIdCode": 10458, "side": "buy", "ordType": "limit", "sz": "1", "px": "100", "tdMode": "cash"}
    heard = hear({"id": 3, "op": "batch-orders", "args": [arg]})
    assert isinstance(heard, Placed)
    assert (heard.request_id, heard.ask.instrument) == ("3", SPOT)
    assert json.loads(SERVER.told("3", heard.ask, [OPEN], NOW_NS))["op"] == "batch-orders"
    several = hear({"id": "4", "op": "batch-cancel-orders", "args": [
        {"instId": "BTC-USDT", "ordId": "5"}, {"instId": "BTC-USDT", "ordId": "6"}]})  # fmt: skip
    assert isinstance(several, Placed)
    told = json.loads(SERVER.told("4", several.ask, [change(OPEN, state="cancelled")], NOW_NS))
    assert [(row["ordId"], row["sCode"]) for row in told["data"]] == [("5", "0"), ("6", "51400")]
    assert told["code"] == "2"
    assert json.loads(SERVER.told("4", several.ask, [], NOW_NS))["code"] == "1"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"id": "1", "op": "order", "args": [{"instId": "X"}]}, "51001"),
        ({"id": "1", "op": "batch-orders", "args": [{}, {}]}, "51111"),
        ({"id": "1", "op": "amend-order", "args": [{"instId": "BTC-USDT", "ordId": "1"}]}, "51500"),
        ({"id": "1", "op": "cancel-order", "args": []}, "51000"),
    ],
)
def test_an_order_call_that_means_nothing_is_answered_at_once(frame: dict[str, Any], code: str) -> None:
    (answer,) = opening(frame).answers
    read = json.loads(answer)
    assert (read["id"], read["op"], read["data"][0]["sCode"]) == ("1", frame["op"], code)


def test_mass_cancel_is_for_options() -> None:
    (answer,) = opening({"id": "1", "op": "mass-cancel", "args": [{}]}).answers
    assert json.loads(answer)["code"] == "60018"


# ---- decode(encode(event)) == event -----------------------------------------------------------------------------


def common(instrument: str | None, channel: str) -> dict[str, Any]:
    return {"instrument": instrument, "channel": channel, "at_ns": 5 * MS_NS, "received_ns": 7, "source": "ws",
            "account": "main"}  # fmt: skip


HELD = Balance(**common(None, "balances"), currency="USDT", total=D("10.5"), free=D(10), locked=D("0.5"))
SHORT = Position(
    **common(SWAP.id, "positions"), size=D(-3), position="short", entry_price=D(100), mark_price=D(101),
    unrealised=D("-0.03"), leverage=D(3), margin_mode="cross",
)  # fmt: skip


@pytest.mark.parametrize(
    "events",
    [
        [OPEN], [FILL, PARTLY], [FILL, PARTLY, HELD, change(HELD, currency="BTC"), SHORT], [PARTLY, HELD, OPEN],
        [HELD], [SHORT, change(SHORT, size=D(0), entry_price=None, mark_price=None, unrealised=None)],
        [change(FILL, fee=D("-0.1")), change(PARTLY, state="filled", size=D(1))],
        # The second fill of an order: what is paid in all is said by nobody, so the fill says what it cost.
        [FILL, PARTLY, change(FILL, id="10"), change(PARTLY, filled=D(2), state="filled")],
        [change(FILL, origin="adl"), change(PARTLY, origin="adl")], [],
    ],
)  # fmt: skip
def test_what_is_told_reads_as_it_happened(events: list[AccountEvent]) -> None:
    assert decoded(*SERVER.encode(events, BY_ID)) == events


numbers = st.decimals(min_value="0.00000001", max_value="1000000", places=8).map(lambda value: value.normalize())


@given(price=numbers, size=numbers, fee=numbers, sign=st.booleans(), number=st.integers(1, 10**15),
       at_ms=st.integers(1, 2 * 10**12), liquidity=st.sampled_from(["maker", "taker", ""]))  # fmt: skip
def test_fills_read_to_the_last_digit(**drawn: Any) -> None:
    fee = drawn["fee"] if drawn["sign"] else -drawn["fee"]
    fill = change(FILL, price=drawn["price"], size=drawn["size"], fee=fee, id=str(drawn["number"]),
                  at_ns=drawn["at_ms"] * MS_NS, liquidity=drawn["liquidity"])  # fmt: skip
    update = change(PARTLY, filled=drawn["size"], average=drawn["price"], at_ns=drawn["at_ms"] * MS_NS)
    assert decoded(*SERVER.encode([fill, update], BY_ID)) == [fill, update]


def test_orders_that_wait_are_told_of_on_their_channel_and_then_on_both() -> None:
    assert decoded(*SERVER.encode([STOP], BY_ID)) == [change(STOP, venue_id="algo-6")]
    off = change(STOP, triggered=True, state="filled", filled=D(2), average=D(90))
    fill = change(FILL, instrument=SWAP.id, client_id="s1", venue_id="6", side="sell", size=D(2))
    frames = SERVER.encode([fill, off, HELD], BY_ID)
    assert [SERVER.channel_of(frame) for frame in frames] == ["orders:waiting", "orders:placed", ""]
    waiting, *rest = decoded(*frames[:2])
    assert (waiting.state, waiting.venue_id, waiting.client_id, waiting.triggered) == ("open", "6", "s1", True)
    assert rest == [fill, change(off, kind="market", stop_price=None)]


def test_orders_that_trail_the_price_are_told_of_on_a_channel_of_their_own() -> None:
    # "Retrieve advance algo orders (including Iceberg order, TWAP order, Trailing order)": `orders-algo` has none.
    trailing = change(STOP, kind="trailing_stop", stop_price=None)
    off = change(trailing, triggered=True, state="filled", filled=D(2), average=D(90))
    fill = change(FILL, instrument=SWAP.id, client_id="s1", venue_id="6", side="sell", size=D(2))
    told: list[AccountEvent] = [trailing, change(trailing, state="cancelled"), fill, off]
    frames = SERVER.encode(told, BY_ID)
    assert [SERVER.channel_of(frame) for frame in frames] == ["orders:trailing"] * 3 + ["orders:placed"]
    assert [json.loads(frame)["arg"]["channel"] for frame in frames] == ["algo-advance"] * 3 + ["orders"]
    assert [json.loads(frame)["data"][0]["uTime"] for frame in frames[:3]] == ["", "", ""]
    live, ended, gone_off, *rest = decoded(*frames)
    assert [live, ended] == [change(each, venue_id="algo-6") for each in told[:2]]
    assert (gone_off.state, gone_off.venue_id, gone_off.at_ns, gone_off.triggered) == ("open", "6", off.at_ns, True)
    assert rest == [fill, change(off, kind="market", stop_price=None)]


def test_a_fill_whose_order_is_not_told_of_comes_without_its_fee() -> None:
    alone = change(FILL, fee=None, fee_currency="")
    assert decoded(*SERVER.encode([FILL], BY_ID)) == [alone]
    other = change(FILL, id="10", venue_id="77")
    assert decoded(*SERVER.encode([FILL, other, PARTLY], BY_ID)) == [
        alone, change(other, fee=None, fee_currency=""), PARTLY,
    ]  # fmt: skip


def test_what_no_channel_brings_is_told_to_nobody() -> None:
    paid = Payment(**common(SWAP.id, "payments"), id="1", currency="USDT", amount=D(1), kind="funding")
    assert SERVER.encode([paid, AccountMode(**common(None, "account"))], BY_ID) == []


def test_pushes_look_as_the_venues_do() -> None:
    (account,) = map(json.loads, SERVER.encode([HELD], BY_ID))
    assert (account["arg"], account["eventType"], account["lastPage"]) == ({"channel": "account"}, "event_update", True)
    assert account["data"][0]["details"][0]["availEq"] == "10"
    (position,) = map(json.loads, SERVER.encode([SHORT], BY_ID))
    assert (position["data"][0]["pos"], position["data"][0]["posSide"]) == ("3", "short")
    assert (position["data"][0]["ccy"], position["data"][0]["notionalUsd"]) == ("USDT", "3.03")
    (order,) = map(json.loads, SERVER.encode([FILL, PARTLY], BY_ID))
    row = order["data"][0]
    assert order["arg"] == {"channel": "orders", "instType": "ANY"}
    assert (row["instId"], row["state"], row["fillFee"], row["fee"], row["execType"]) == (
        "BTC-USDT", "partially_filled", "-0.1", "-0.1", "T",
    )  # fmt: skip
