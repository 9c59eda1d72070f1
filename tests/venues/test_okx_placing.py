"""An order in OKX's words: every kind and time in force, on spot and swaps, by REST and over the private WebSocket."""

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from okx_fixtures import MS_NS, OURS, SECOND_NS, SPOT, SWAP
from tapeline.errors import BadData, OrderRefused
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.venues.okx import OKX
from tapeline.venues.okx.orders import calls
from tapeline.venues.okx.placing import ALGO_KINDS, amend_arg, place_arg
from tapeline.venues.orders import Answered, Beat, OrderAsk

D = Decimal
CALLS = calls("okx")
AT_NS = 1_704_876_947 * SECOND_NS
assert OKX.orders is not None
ORDERS = OKX.orders
assert ORDERS.entry is not None
ENTRY = ORDERS.entry


def place(instrument: Instrument, **intent: Any) -> OrderAsk:
    fields: dict[str, Any] = {
        "instrument": instrument.id, "side": "buy", "kind": "limit", "size": D(1), "price": D("100.50"),
    } | intent  # fmt: skip
    return OrderAsk(call="place", instrument=instrument, client_id="a1", intent=Intent(**fields))


SPOT_BUY = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "clOrdId": "a1"}
SWAP_SELL = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "sell", "algoClOrdId": "a1"}
MARKET = {"kind": "market", "price": None}
STOP = {"side": "sell", "kind": "stop", "price": None, "stop_price": D(90)}


@pytest.mark.parametrize(
    ("asked", "arg"),
    [
        (place(SPOT), SPOT_BUY | {"ordType": "limit", "px": "100.5", "sz": "1"}),
        (place(SPOT, post_only=True), SPOT_BUY | {"ordType": "post_only", "px": "100.5", "sz": "1"}),
        (place(SPOT, time_in_force="ioc", size=D("1E-7")),
         SPOT_BUY | {"ordType": "ioc", "px": "100.5", "sz": "0.0000001"}),
        (place(SPOT, time_in_force="fok"), SPOT_BUY | {"ordType": "fok", "px": "100.5", "sz": "1"}),
        (place(SPOT, **MARKET), SPOT_BUY | {"ordType": "market", "sz": "1", "tgtCcy": "base_ccy"}),
        (place(SPOT, **MARKET, time_in_force="ioc"),
         SPOT_BUY | {"ordType": "market", "sz": "1", "tgtCcy": "base_ccy"}),
        (place(SPOT, **MARKET | {"size": None, "quote_size": D(250)}),
         SPOT_BUY | {"ordType": "market", "sz": "250", "tgtCcy": "quote_ccy"}),
        (place(SPOT, side="sell", reduce_only=True),
         SPOT_BUY | {"side": "sell", "ordType": "limit", "px": "100.5", "sz": "1"}),
        (place(SPOT, **STOP),
         {"instId": "BTC-USDT", "tdMode": "cash", "side": "sell", "algoClOrdId": "a1", "ordType": "conditional",
          "slTriggerPx": "90", "slOrdPx": "-1", "slTriggerPxType": "last", "sz": "1", "tgtCcy": "base_ccy"}),
        (place(SWAP, **MARKET | {"reduce_only": True}),
         {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "clOrdId": "a1", "ordType": "market", "sz": "1",
          "reduceOnly": "true"}),
        (place(SWAP, **MARKET, time_in_force="ioc"),
         {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "clOrdId": "a1", "ordType": "optimal_limit_ioc",
          "sz": "1"}),
        (place(SWAP, position="short", reduce_only=True),
         {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "posSide": "short", "clOrdId": "a1",
          "ordType": "limit", "px": "100.5", "sz": "1"}),
        (place(SWAP, **STOP | {"kind": "stop_limit", "price": D(89), "reduce_only": True}),
         SWAP_SELL | {"ordType": "conditional", "slTriggerPx": "90", "slOrdPx": "89", "slTriggerPxType": "last",
                      "sz": "1", "reduceOnly": "true"}),
        (place(SWAP, **STOP | {"kind": "take_profit"}),
         SWAP_SELL | {"ordType": "conditional", "tpTriggerPx": "90", "tpOrdPx": "-1", "tpTriggerPxType": "last",
                      "sz": "1"}),
        (place(SWAP, **STOP | {"kind": "take_profit_limit", "price": D(91)}),
         SWAP_SELL | {"ordType": "conditional", "tpTriggerPx": "90", "tpOrdPx": "91", "tpTriggerPxType": "last",
                      "sz": "1"}),
        (place(SWAP, **STOP | {"kind": "trailing_stop", "stop_price": None, "trail": D("0.010")}),
         SWAP_SELL | {"ordType": "move_order_stop", "callbackRatio": "0.01", "sz": "1"}),
        (place(SWAP, **STOP | {"kind": "trailing_stop", "trail": D("0.01")}),
         SWAP_SELL | {"ordType": "move_order_stop", "callbackRatio": "0.01", "activePx": "90", "sz": "1"}),
    ],
)  # fmt: skip
def test_every_kind_in_the_venues_words(asked: OrderAsk, arg: dict[str, str]) -> None:
    assert place_arg(asked) == arg
    request = CALLS["place"].build(asked)
    assert json.loads(request.body) == arg
    assert request.path == f"/api/v5/trade/{'order-algo' if 'algoClOrdId' in arg else 'order'}"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (place(SPOT, time_in_force="gtd", expires_ns=1), "unsupported"),
        (place(SPOT, time_in_force="ioc", post_only=True), "unsupported"),
        (place(SPOT, **MARKET, time_in_force="fok"), "unsupported"),
        (place(SPOT, **MARKET, post_only=True), "unsupported"),
        (place(SPOT, kind="iceberg"), "unsupported"),
        (place(SWAP, **MARKET | {"size": None, "quote_size": D(1)}), "unsupported"),
        (place(SPOT, side="sell", **MARKET | {"size": None, "quote_size": D(1)}), "unsupported"),
        (place(SPOT, **STOP, time_in_force="ioc"), "unsupported"),
        (place(SPOT, **STOP, post_only=True), "unsupported"),
        (place(SPOT, reduce_only=True), "reduce_only"),
        (place(SWAP, reduce_only=True, position="long"), "reduce_only"),
        (place(SPOT, price=None), "parameter"),
        (place(SPOT, size=None), "parameter"),
        (place(SPOT, **STOP | {"stop_price": None}), "parameter"),
        (place(SPOT, **STOP | {"kind": "trailing_stop"}), "parameter"),
        (OrderAsk(call="place", intent=place(SPOT).intent), "parameter"),
    ],
)
def test_what_it_has_no_words_for_is_refused_before_it_is_sent(asked: OrderAsk, reason: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        CALLS["place"].build(asked)
    assert refused.value.reason == reason


def amend(kind: str = "limit", venue_id: str = "", **changes: Any) -> OrderAsk:
    intent = place(SWAP, kind=kind, stop_price=D(90)).intent
    return OrderAsk(call="amend", instrument=SWAP, client_id="a1", venue_id=venue_id, intent=intent, **changes)


@pytest.mark.parametrize(
    ("asked", "path", "arg"),
    [
        (amend(size=D("2.0")), "amend-order", {"clOrdId": "a1", "newSz": "2"}),
        (amend(size=D(2), price=D(99), venue_id="5"), "amend-order", {"ordId": "5", "newSz": "2", "newPx": "99"}),
        (amend("stop", size=D(2)), "amend-algos", {"algoClOrdId": "a1", "newSz": "2"}),
        (amend("stop_limit", "algo-5", price=D(88)), "amend-algos", {"algoId": "5", "newSlOrdPx": "88"}),
        (amend("take_profit_limit", price=D(88)), "amend-algos", {"algoClOrdId": "a1", "newTpOrdPx": "88"}),
        # One that was set off is an order like any other by now.
        (amend("stop_limit", "6", price=D(88)), "amend-order", {"ordId": "6", "newPx": "88"}),
    ],
)
def test_amends(asked: OrderAsk, path: str, arg: dict[str, str]) -> None:
    request = CALLS["amend"].build(asked)
    assert (request.path, json.loads(request.body)) == (f"/api/v5/trade/{path}", {"instId": "BTC-USDT-SWAP"} | arg)


def test_an_order_at_the_market_has_no_price_to_amend() -> None:
    for asked in (amend("stop", price=D(1)), OrderAsk(call="amend", instrument=SWAP, venue_id="algo-1", price=D(1))):
        with pytest.raises(OrderRefused, match="new price"):
            amend_arg(asked)


# ---- over the WebSocket -----------------------------------------------------------------------------------------


def test_frames_name_the_instrument_by_its_number_and_say_until_when() -> None:
    frame = json.loads(ENTRY.frame(place(SPOT), "1512", OURS, AT_NS))
    arg = {"instIdCode": 10458, "tdMode": "cash", "side": "buy", "clOrdId": "a1", "ordType": "limit", "px": "100.5",
           "sz": "1"}  # fmt: skip
    assert frame == {"id": "1512", "op": "order", "args": [arg], "expTime": str((AT_NS + 5 * SECOND_NS) // MS_NS)}
    frame = json.loads(ENTRY.frame(amend(size=D(2)), "2", OURS, AT_NS))
    assert (frame["op"], frame["args"]) == ("amend-order", [{"instIdCode": 10459, "clOrdId": "a1", "newSz": "2"}])
    cancel = OrderAsk(call="cancel", instrument=SWAP, venue_id="5")
    assert json.loads(ENTRY.frame(cancel, "3", OURS, AT_NS)) == {
        "id": "3", "op": "cancel-order", "args": [{"instIdCode": 10459, "ordId": "5"}],
    }  # fmt: skip


def test_without_a_number_the_name_is_said_and_rest_is_taken_instead() -> None:
    nameless = msgspec.structs.replace(SPOT, code="")
    asked = place(nameless)
    assert json.loads(ENTRY.frame(asked, "1", OURS, AT_NS))["args"][0]["instId"] == "BTC-USDT"
    assert ENTRY.takes(place(SPOT))
    assert not ENTRY.takes(asked)
    assert not ENTRY.takes(place(SWAP, **STOP))
    assert not ENTRY.takes(OrderAsk(call="cancel", instrument=SWAP, venue_id="algo-5"))
    assert not ENTRY.takes(OrderAsk(call="balances", instrument=SWAP))
    assert not ENTRY.takes(OrderAsk(call="cancel", venue_id="5"))


def test_answers_are_told_by_their_id_and_read_by_the_call() -> None:
    answer = (b'{"id":"1512","op":"order","data":[{"ordId":"12","clOrdId":"a1","ts":"1","sCode":"0","sMsg":""}],'
              b'"code":"0","msg":"","inTime":"1","outTime":"2"}')  # fmt: skip
    (told,) = ENTRY.decoder(answer, 7)
    assert told == Answered("1512", answer)
    (update,) = CALLS["place"].parse(answer, place(SPOT), {}, 7)
    assert (getattr(update, "venue_id", ""), getattr(update, "state", "")) == ("12", "open")
    assert ENTRY.decoder(b"pong", 7) == (Beat(),)
    assert ENTRY.decoder(b'{"event":"login","code":"0","msg":""}', 7) == [Answered("")]
    assert list(ENTRY.decoder(b'{"arg":{"channel":"orders","instType":"ANY"},"data":[]}', 7)) == []
    notice = b'{"event":"notice","code":"64008","msg":"The connection will soon be closed"}'
    assert [type(each).__name__ for each in ENTRY.decoder(notice, 7)] == ["Ending"]
    with pytest.raises(BadData):
        ENTRY.decoder(b"{", 7)


# ---- the declaration --------------------------------------------------------------------------------------------


def test_what_the_venue_says_of_its_orders() -> None:
    assert ORDERS.kinds > ALGO_KINDS
    assert (ORDERS.dead_man, ORDERS.cancel_all, ORDERS.derivatives) == ("account", "", True)
    assert re.fullmatch(ORDERS.client_id, "a" * 32)
    for bad in ("", "a" * 33, "a-1", "ä"):
        assert not re.fullmatch(ORDERS.client_id, bad)
    assert ORDERS.testnet["private"] == "wss://wspap.okx.com/ws/v5/private"
    assert not any(":8443" in url for url in (*OKX.urls.values(), *ORDERS.testnet.values()))  # shut in October 2026
    assert set(ORDERS.testnet) < set(OKX.urls)
    assert ORDERS.testnet_headers == (("x-simulated-trading", "1"),)
    assert not ORDERS.testnet_entry
    assert {ORDERS.private.endpoint, ENTRY.endpoint, *(each.endpoint for each in ORDERS.more)} <= set(OKX.urls)
    assert ENTRY.calls == {"place", "amend", "cancel"}
    login = json.loads(ENTRY.opening[0](OURS, AT_NS, "1"))
    assert login["args"][0]["sign"] == "V1ZO27Y6mKZsDI1lb+VzNELOYRPkdTNFXuVaUkBjk/c="
