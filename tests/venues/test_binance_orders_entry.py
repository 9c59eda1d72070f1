"""Orders and private streams over the WebSocket API, and the values that declare them."""

import hashlib
import hmac
import json
import re
from decimal import Decimal
from typing import Any

import pytest

from tapeline.errors import BadData
from tapeline.model.instrument import Instrument
from tapeline.model.order import KINDS, Intent
from tapeline.model.secret import Credentials, Secret
from tapeline.venues.binance import BINANCE, BINANCE_US, BINANCE_USDM
from tapeline.venues.orders import Answered, OrderAsk, OrderEntry, Orders
from tapeline.venues.spec import Venue

D = Decimal
MS = 1_000_000
AT = 1_645_423_376_532 * MS
KEYS = Credentials(key=Secret("key-1"), sign=lambda text: hmac.digest(b"secret", text, hashlib.sha256))
SPOT = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")


def orders_of(venue: Venue) -> Orders:
    assert venue.orders is not None
    return venue.orders


def entry_of(venue: Venue) -> OrderEntry:
    found = orders_of(venue).entry
    assert found is not None
    return found


def place(**fields: Any) -> OrderAsk:
    intent = Intent(**{"instrument": SPOT.id, "side": "sell", "kind": "limit", "size": D("0.01"), **fields})
    return OrderAsk(call="place", instrument=SPOT, client_id="mine1", intent=intent)


def sent(venue: Venue, ask: OrderAsk) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(entry_of(venue).frame(ask, "r1", KEYS, AT))
    assert frame["id"] == "r1"
    return frame


def test_a_signed_request() -> None:
    frame = sent(BINANCE, place(price=D("52000.00")))

    params = frame["params"]
    assert frame["method"] == "order.place"
    assert {name: params[name] for name in ("symbol", "side", "type", "price", "quantity", "newClientOrderId")} == {
        "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "price": "52000", "quantity": "0.01",
        "newClientOrderId": "mine1",
    }  # fmt: skip
    assert (params["apiKey"], params["timestamp"], params["recvWindow"]) == ("key-1", 1_645_423_376_532, 5000)
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
    assert params["signature"] == hmac.digest(b"secret", text.encode(), hashlib.sha256).hex()


ORDER: dict[str, Any] = {"client_id": "mine1", "instrument": SPOT}


@pytest.mark.parametrize(
    ("venue", "ask", "method"),
    [
        (BINANCE, OrderAsk(call="cancel", **ORDER), "order.cancel"),
        (BINANCE, OrderAsk(call="order", **ORDER), "order.status"),
        (BINANCE, OrderAsk(call="cancel_all", instrument=SPOT), "openOrders.cancelAll"),
        (
            BINANCE,
            OrderAsk(call="amend", size=D("0.005"), intent=place(price=D(5)).intent, **ORDER),
            "order.amend.keepPriority",
        ),
        (BINANCE_USDM, place(price=D(5)), "order.place"),
        (BINANCE_USDM, place(kind="stop", stop_price=D(5)), "algoOrder.place"),
        (BINANCE_USDM, OrderAsk(call="amend", price=D(6), intent=place(price=D(5)).intent, **ORDER), "order.modify"),
        (BINANCE_USDM, OrderAsk(call="cancel", **ORDER), "order.cancel"),
        (BINANCE_USDM, OrderAsk(call="cancel", venue_id="algo-5", instrument=SPOT), "algoOrder.cancel"),
        (BINANCE_USDM, OrderAsk(call="order", **ORDER), "order.status"),
    ],
)
def test_the_names_of_calls(venue: Venue, ask: OrderAsk, method: str) -> None:
    assert ask.call in entry_of(venue).calls
    assert entry_of(venue).takes(ask)
    assert sent(venue, ask)["method"] == method


@pytest.mark.parametrize(
    ("venue", "ask", "whole"),
    [
        (BINANCE, OrderAsk(call="cancel", venue_id="12569099453", instrument=SPOT), {"orderId": 12_569_099_453}),
        (BINANCE_USDM, OrderAsk(call="cancel", venue_id="algo-5", instrument=SPOT), {"algoId": 5}),
        (BINANCE, place(kind="trailing_stop", trail=D("0.01")), {"trailingDelta": 100}),
        (
            BINANCE_USDM,
            place(price=D(5), time_in_force="gtd", expires_ns=AT // 10**9 * 10**9),
            {"goodTillDate": 1_645_423_376_000},
        ),
    ],
)
def test_whole_numbers_are_numbers_and_are_signed_as_such(venue: Venue, ask: OrderAsk, whole: dict[str, int]) -> None:
    # "INT parameters such as timestamp are expected as JSON integers, not strings. DECIMAL ... as JSON strings".
    params = sent(venue, ask)["params"]
    assert {name: value for name, value in params.items() if isinstance(value, int)} == {
        **whole, "recvWindow": 5000, "timestamp": AT // MS,
    }  # fmt: skip
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
    assert params["signature"] == hmac.digest(b"secret", text.encode(), hashlib.sha256).hex()


def test_an_id_that_is_no_number_is_left_for_the_venue_to_refuse() -> None:
    assert sent(BINANCE, OrderAsk(call="cancel", venue_id="x1", instrument=SPOT))["params"]["orderId"] == "x1"


def test_what_goes_by_rest() -> None:
    usdm = entry_of(BINANCE_USDM)
    assert not usdm.takes(OrderAsk(call="order", venue_id="algo-5", instrument=SPOT))
    assert not usdm.takes(OrderAsk(call="cancel_all", instrument=SPOT))
    assert "cancel_all" not in usdm.calls
    assert not entry_of(BINANCE).takes(OrderAsk(call="balances"))


def test_the_private_stream_of_spot_is_asked_for_by_a_signature() -> None:
    stream = orders_of(BINANCE).private
    (opening,) = stream.opening

    frame = json.loads(opening(KEYS, AT, "s1"))

    assert (frame["id"], frame["method"]) == ("s1", "userDataStream.subscribe.signature")
    assert sorted(frame["params"]) == ["apiKey", "recvWindow", "signature", "timestamp"]
    assert (stream.endpoint, stream.listen_key) == ("ws_api", False)
    decode = stream.decoder("binance", "main", {})
    assert decode(b'{"id":"s1","status":200,"result":{"subscriptionId":0}}', AT) == (Answered("s1"),)


def test_the_private_stream_of_usdm_names_its_events() -> None:
    stream = orders_of(BINANCE_USDM).private

    assert stream.listen_key
    assert stream.alive_s <= 1800
    assert stream.url(BINANCE_USDM.urls["private"], "k1") == (
        "wss://fstream.binance.com/private/ws?listenKey=k1&events=ORDER_TRADE_UPDATE/ALGO_UPDATE/"
        "CONDITIONAL_ORDER_TRIGGER_REJECT/ACCOUNT_UPDATE/MARGIN_CALL/listenKeyExpired"
    )
    testnet = orders_of(BINANCE_USDM).testnet["private"]
    assert stream.url(testnet, "k1") == "wss://demo-fstream.binance.com/ws/k1"


@pytest.mark.parametrize("venue", [BINANCE, BINANCE_USDM, BINANCE_US], ids=lambda venue: venue.name)
def test_what_is_declared(venue: Venue) -> None:
    ours = orders_of(venue)
    assert ours.private.endpoint in venue.urls
    assert ours.entry is None or ours.entry.endpoint in venue.urls
    assert ours.kinds <= set(KINDS)
    assert re.fullmatch(ours.client_id, "Abc-1_2.3:4/5")
    assert not re.fullmatch(ours.client_id, "x" * 37)
    assert ours.testnet.keys() <= venue.urls.keys() | {"market"}
    assert not ours.testnet or ours.testnet.keys() == venue.urls.keys()
    for call in ours.calls.values():
        assert call.signed in {"signed", "key"}
    budgets = {allowance.name for allowance in venue.limits.rest}
    assert ours.calls["place"].build(place(price=D(1))).budget in budgets


def test_an_answer_is_matched_by_its_id() -> None:
    decode = entry_of(BINANCE).decoder

    assert decode(b'{"id":"r1","status":200,"result":{"orderId":1}}', AT) == (Answered("r1", b'{"orderId":1}'),)
    assert decode(b'{"id":"r1","status":503,"error":{"code":-1007,"msg":"?"}}', AT) == (
        Answered("r1", b'{"code":-1007,"msg":"?"}', 503),
    )
    assert decode(b'{"event":{"e":"serverShutdown"}}', AT) == ()
    with pytest.raises(BadData):
        decode(b"{", AT)
