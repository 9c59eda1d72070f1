"""The venue's side of orders by REST: what we build is read as it was asked, and what it answers as it happened."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_fixtures import BY_NATIVE, MS_NS, OURS, SPOT, SWAP, secret_of
from tapeline.errors import OrderRefused
from tapeline.model.order import Intent
from tapeline.venues.okx import OKX
from tapeline.venues.okx.order_wire import ALGO
from tapeline.venues.okx.serve_orders import ALGO_PART
from tapeline.venues.orders import OrderAsk, OrderRequest
from tapeline.venues.request import Request

D = Decimal
NOW_NS = 1_704_876_947_000_000_000
assert OKX.orders is not None
ORDERS = OKX.orders
assert ORDERS.server is not None
SERVER = ORDERS.server
CALLS = ORDERS.calls


def heard(request: Request) -> OrderRequest:
    headers = {name.lower(): value for name, value in request.headers}
    return OrderRequest(
        method=request.method, path=request.path, query=request.query_text, headers=headers, body=request.body
    )


def round_trip(ask: OrderAsk) -> OrderAsk | None:
    """Asked, signed, checked and read."""
    request = heard(ORDERS.sign(CALLS[ask.call].build(ask), OURS, NOW_NS))
    assert SERVER.verify(request, secret_of, NOW_NS) == "okx_key"
    return SERVER.read(request, BY_NATIVE)


def post(path: str, body: Any) -> OrderAsk | None:
    return SERVER.read(OrderRequest(method="POST", path=f"/api/v5/{path}", body=json.dumps(body).encode()), BY_NATIVE)


def get(path: str, query: str = "") -> OrderAsk | None:
    return SERVER.read(OrderRequest(method="GET", path=f"/api/v5/{path}", query=query), BY_NATIVE)


# ---- read(build(ask)) == ask ------------------------------------------------------------------------------------

numbers = st.decimals(min_value="0.00000001", max_value="1000000", places=8).map(lambda value: value.normalize())
names = st.from_regex(r"[A-Za-z0-9]{1,32}", fullmatch=True)
instruments = st.sampled_from([SPOT, SWAP])


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    instrument = draw(instruments)
    kind = draw(st.sampled_from(sorted(ORDERS.kinds)))
    side = draw(st.sampled_from(["buy", "sell"]))
    spot = instrument is SPOT
    position = "net" if spot else draw(st.sampled_from(["net", "long", "short"]))
    # In hedge mode what closes only reduces, and spot sells what is there.
    closes = position != "net" and (side == "sell") == (position == "long")
    tif = draw(st.sampled_from(["gtc", "ioc", "fok"])) if kind == "limit" else "gtc"
    spends = spot and kind == "market" and side == "buy" and draw(st.booleans())
    return Intent(
        instrument=instrument.id, side=side, kind=kind, position=position,
        size=None if spends else draw(numbers), quote_size=draw(numbers) if spends else None,
        price=draw(numbers) if "limit" in kind else None,
        stop_price=draw(numbers) if kind.startswith(("stop", "take")) else None,
        trail=draw(numbers) if kind == "trailing_stop" else None, time_in_force=tif,
        post_only=kind == "limit" and tif == "gtc" and draw(st.booleans()),
        reduce_only=closes or (not spot and position == "net" and draw(st.booleans())),
    )  # fmt: skip


@given(intent=intents(), client_id=names)
def test_an_order_is_read_as_it_was_placed(intent: Intent, client_id: str) -> None:
    instrument = SPOT if intent.instrument == SPOT.id else SWAP
    ask = OrderAsk(call="place", instrument=instrument, client_id=client_id, intent=intent)
    assert round_trip(ask) == ask


@given(instrument=instruments, venue_id=st.from_regex(r"[1-9][0-9]{0,18}", fullmatch=True), client_id=names,
       size=numbers, price=numbers, algo=st.booleans())  # fmt: skip
def test_amends_cancels_and_questions_are_read_as_they_were_asked(**drawn: Any) -> None:
    """Of an algo order the venue's side keeps the bare number: there it is one sequence."""
    known, prefix = {"instrument": drawn["instrument"]}, ALGO if drawn["algo"] else ""
    for name in ({"venue_id": drawn["venue_id"]}, {"client_id": drawn["client_id"]}):
        algo = prefix and "venue_id" in name
        asked = {**known, **({"venue_id": prefix + name["venue_id"]} if algo else name)}
        for call in ("cancel", "order"):
            read = OrderAsk(call=call, **known, **name)
            if algo and call == "order":
                read = OrderAsk(call=call, **name, part=ALGO_PART)
            assert round_trip(OrderAsk(call=call, **asked)) == read
        changes = {"size": drawn["size"], "price": None if algo else drawn["price"]}
        assert round_trip(OrderAsk(call="amend", **asked, **changes)) == OrderAsk(
            call="amend", **known, **name, **changes
        )


@pytest.mark.parametrize(
    "ask",
    [
        OrderAsk(call="open_orders"), OrderAsk(call="open_orders", instrument=SWAP, page="77", limit=5),
        OrderAsk(call="open_orders", part="conditional,oco"), OrderAsk(call="closed_orders", part="SWAP"),
        OrderAsk(call="fills", instrument=SPOT, from_ns=5 * MS_NS, to_ns=9 * MS_NS, venue_id="12"),
        OrderAsk(call="fills", page="9"), OrderAsk(call="balances"), OrderAsk(call="positions", instrument=SWAP),
        OrderAsk(call="payments", from_ns=5 * MS_NS), OrderAsk(call="mode"),
        OrderAsk(call="position_mode", hedge=True), OrderAsk(call="position_mode", hedge=False),
        OrderAsk(call="leverage", instrument=SWAP, leverage=D("2.5")), OrderAsk(call="dead_man", countdown_s=60),
        OrderAsk(call="dead_man", countdown_s=0),
        OrderAsk(call="cancel_all", instrument=SPOT, venue_ids=("1", "2", "3")),
    ],
    ids=lambda ask: f"{ask.call} {ask.part}",
)  # fmt: skip
def test_every_other_call_is_read_as_it_was_asked(ask: OrderAsk) -> None:
    assert round_trip(ask) == ask


def test_older_lists_are_read_as_lists_and_one_cancel_of_a_batch_as_one() -> None:
    assert round_trip(OrderAsk(call="older_fills", part="SPOT")) == OrderAsk(call="fills", part="SPOT")
    assert round_trip(OrderAsk(call="older_payments")) == OrderAsk(call="payments")
    one = OrderAsk(call="cancel_all", instrument=SPOT, venue_ids=("1",))
    assert round_trip(one) == OrderAsk(call="cancel", instrument=SPOT, venue_id="1")


# ---- as other people's clients ask ------------------------------------------------------------------------------


def placed(ask: OrderAsk | None) -> Intent:
    assert ask is not None
    assert ask.intent is not None
    return ask.intent


def test_what_ccxt_sends() -> None:
    ask = post("trade/batch-orders", [
        {"instId": "BTC-USDT", "side": "buy", "ordType": "limit", "sz": "0.01", "tdMode": "cash", "tgtCcy": "base_ccy",
         "px": "61000", "clOrdId": "6b9ad766b55dBCDE0123", "tag": "6b9ad766b55dBCDE"},
    ])  # fmt: skip
    assert ask == OrderAsk(
        call="place", instrument=SPOT, client_id="6b9ad766b55dBCDE0123",
        intent=Intent(instrument=SPOT.id, side="buy", kind="limit", size=D("0.01"), price=D(61000)),
    )  # fmt: skip
    # A stop of freqtrade's, by ccxt, which turns cash into cross there.
    stop = post("trade/order-algo", {
        "instId": "BTC-USDT", "side": "sell", "ordType": "conditional", "sz": "0.01", "tdMode": "cross",
        "slTriggerPx": "60000", "slOrdPx": "59400", "slTriggerPxType": "last", "clOrdId": "x1", "tag": "x",
    })  # fmt: skip
    assert stop is not None
    assert (stop.client_id, placed(stop).kind, placed(stop).stop_price, placed(stop).price) == (
        "x1", "stop_limit", D(60000), D(59400),
    )  # fmt: skip
    trigger = placed(post("trade/order-algo", {
        "instId": "BTC-USDT-SWAP", "side": "buy", "ordType": "trigger", "sz": "1", "tdMode": "cross",
        "triggerPx": "70000", "orderPx": "-1", "posSide": "net", "reduceOnly": True,
    }))  # fmt: skip
    assert (trigger.kind, trigger.stop_price, trigger.reduce_only) == ("stop", D(70000), True)
    assert post("trade/cancel-algos", [{"algoId": "7", "instId": "BTC-USDT"}]) == OrderAsk(
        call="cancel", instrument=SPOT, venue_id="7"
    )
    assert get("trade/fills-history", "instType=SPOT&instId=BTC-USDT&begin=5") == OrderAsk(
        call="fills", instrument=SPOT, part="SPOT", from_ns=5 * MS_NS
    )
    assert get("account/positions", "instId=BTC-USDT-SWAP,ETH-USDT-SWAP") == OrderAsk(call="positions")
    assert get("trade/orders-algo-history", "ordType=conditional&state=effective") == OrderAsk(
        call="closed_orders", part=ALGO_PART
    )
    assert get("trade/orders-history-archive", "instType=SWAP") == OrderAsk(call="closed_orders", part="SWAP")


def test_what_python_okx_sends() -> None:
    ask = post("trade/order", {
        "instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "100", "ccy": "",
        "clOrdId": "", "tag": "", "posSide": "", "px": "", "reduceOnly": "", "tgtCcy": "", "stpMode": "", "pxUsd": "",
        "pxVol": "", "banAmend": "", "attachAlgoOrds": None,
    })  # fmt: skip
    assert ask == OrderAsk(
        call="place", instrument=SPOT, intent=Intent(instrument=SPOT.id, side="buy", kind="market", quote_size=D(100)),
    )  # fmt: skip
    assert post("trade/cancel-order", {"instId": "BTC-USDT", "ordId": "", "clOrdId": "a1"}) == OrderAsk(
        call="cancel", instrument=SPOT, client_id="a1"
    )
    sold = {"instId": "BTC-USDT", "side": "sell", "ordType": "market", "sz": 0.5, "instIdCode": 10458}
    assert placed(post("trade/order", sold)).size == D("0.5")
    assert placed(post("trade/order", sold | {"instId": ""})).instrument == SPOT.id
    hedged = sold | {"instId": "BTC-USDT-SWAP", "posSide": "long"}
    assert placed(post("trade/order", hedged)).reduce_only


LIMIT = {"instId": "BTC-USDT", "side": "buy", "ordType": "limit", "px": "1", "sz": "1"}


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("trade/order", "x", "parameter"), ("trade/order", [], "parameter"),
        ("trade/order", LIMIT | {"side": "up"}, "parameter"), ("trade/order", LIMIT | {"instId": "X-Y"}, "instrument"),
        ("trade/order", LIMIT | {"ordType": "?"}, "parameter"),
        ("trade/order", LIMIT | {"px": ""}, "parameter"), ("trade/order", LIMIT | {"px": "-1"}, "parameter"),
        ("trade/order", LIMIT | {"px": "1,0"}, "parameter"), ("trade/order", LIMIT | {"sz": ""}, "parameter"),
        ("trade/order", LIMIT | {"posSide": "up"}, "parameter"),
        ("trade/order", LIMIT | {"attachAlgoOrds": [{"slTriggerPx": "1"}]}, "unsupported"),
        ("trade/order", LIMIT | {"ordType": "market", "side": "sell", "tgtCcy": "quote_ccy"}, "parameter"),
        ("trade/order", LIMIT | {"ordType": "oco"}, "unsupported"),
        ("trade/batch-orders", [LIMIT, LIMIT], "unsupported"),
        ("trade/order-algo", LIMIT | {"ordType": "twap"}, "unsupported"),
        ("trade/order-algo", LIMIT | {"ordType": "conditional"}, "parameter"),
        ("trade/order-algo", LIMIT | {"ordType": "conditional", "slTriggerPx": "1", "tpTriggerPx": "2"}, "unsupported"),
        ("trade/order-algo", LIMIT | {"ordType": "move_order_stop"}, "parameter"),
        ("trade/order-algo", LIMIT | {"ordType": "move_order_stop", "callbackSpread": "1"}, "unsupported"),
        ("trade/amend-order", {"instId": "BTC-USDT", "ordId": "1"}, "parameter"),
        ("trade/amend-algos", {"instId": "BTC-USDT", "algoId": "1", "newSlTriggerPx": "1"}, "unsupported"),
        ("trade/cancel-order", {"instId": "BTC-USDT"}, "parameter"),
        ("trade/cancel-batch-orders",
         [{"instId": "BTC-USDT", "ordId": "1"}, {"instId": "BTC-USDT-SWAP", "ordId": "2"}], "unsupported"),
        ("trade/cancel-all-after", {"timeOut": "5"}, "parameter"), ("trade/cancel-all-after", {}, "parameter"),
        ("account/set-position-mode", {"posMode": "x"}, "parameter"),
        ("account/set-leverage", {"instId": "BTC-USDT-SWAP", "lever": "x"}, "parameter"),
        ("account/set-leverage", {"instId": "BTC-USDT-SWAP", "lever": "NaN"}, "parameter"),
    ],
)  # fmt: skip
def test_what_the_venue_would_not_take(path: str, body: Any, reason: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        post(path, body)
    assert refused.value.reason == reason


def test_what_is_not_asked_here() -> None:
    assert get("market/candles", "instId=BTC-USDT") is None
    assert post("trade/close-position", {}) is None
    for query in ("algoId=", "limit=x&ordId=1", "instId=%zz"):
        with pytest.raises(OrderRefused):
            get("trade/order-algo" if query == "algoId=" else "trade/fills", query)
    bad = OrderRequest(method="POST", path="/api/v5/trade/order", body=b"{")
    with pytest.raises(OrderRefused, match="JSON"):
        SERVER.read(bad, BY_NATIVE)
