"""Order calls of both markets: what is sent for an ask, and what is made of the venue's answers."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import asdict, replace

from tapeline.errors import BadData, Broken, OrderRefused
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.venues.binance import BINANCE, BINANCE_US, BINANCE_USDM
from tapeline.venues.orders import ListenKey, OrderAsk, OrderCall, Orders
from tapeline.venues.request import Request
from tapeline.venues.spec import Venue

D = Decimal
MS = 1_000_000
AT = 1_800_000_000_000_000_000
SPOT = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
PERP = Instrument(
    venue="binance-usdm", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT",
    settle="USDT",
)  # fmt: skip


def orders_of(venue: Venue) -> Orders:
    assert venue.orders is not None
    return venue.orders


def call(venue: Venue, name: str) -> OrderCall:
    return orders_of(venue).calls[name]


def wanted(instrument: Instrument, **fields: Any) -> OrderAsk:
    intent = Intent(**{"instrument": instrument.id, "side": "buy", "kind": "limit", "size": D("0.5"), **fields})
    return OrderAsk(call="place", account="main", instrument=instrument, client_id="mine1", intent=intent)


def spot(**fields: Any) -> Request:
    return call(BINANCE, "place").build(wanted(SPOT, **fields))


def usdm(**fields: Any) -> Request:
    return call(BINANCE_USDM, "place").build(wanted(PERP, **fields))


SENT: dict[str, tuple[dict[str, Any], str]] = {
    "limit": ({"price": D("100.50")}, "type=LIMIT&timeInForce=GTC&quantity=0.5&price=100.5"),
    "ioc": ({"price": D(100), "time_in_force": "ioc"}, "type=LIMIT&timeInForce=IOC&quantity=0.5&price=100"),
    "fok": ({"price": D(100), "time_in_force": "fok"}, "type=LIMIT&timeInForce=FOK&quantity=0.5&price=100"),
    "maker": ({"price": D(100), "post_only": True}, "type=LIMIT_MAKER&quantity=0.5&price=100"),
    "market": ({"kind": "market"}, "type=MARKET&quantity=0.5"),
    "spend": ({"kind": "market", "size": None, "quote_size": D("1E+3")}, "type=MARKET&quoteOrderQty=1000"),
    "stop": ({"kind": "stop", "stop_price": D(90)}, "type=STOP_LOSS&quantity=0.5&stopPrice=90"),
    "stop_limit": (
        {"kind": "stop_limit", "stop_price": D(90), "price": D(89)},
        "type=STOP_LOSS_LIMIT&timeInForce=GTC&quantity=0.5&price=89&stopPrice=90",
    ),
    "take_profit": ({"kind": "take_profit", "stop_price": D(110)}, "type=TAKE_PROFIT&quantity=0.5&stopPrice=110"),
    "take_profit_limit": (
        {"kind": "take_profit_limit", "stop_price": D(110), "price": D(111), "time_in_force": "ioc"},
        "type=TAKE_PROFIT_LIMIT&timeInForce=IOC&quantity=0.5&price=111&stopPrice=110",
    ),
    "trailing": ({"kind": "trailing_stop", "trail": D("0.01")}, "type=STOP_LOSS&quantity=0.5&trailingDelta=100"),
}


@pytest.mark.parametrize("name", SENT)
def test_every_kind_of_spot_order(name: str) -> None:
    fields, middle = SENT[name]

    request = spot(**fields)

    assert (request.method, request.path, request.budget, request.weight) == ("POST", "/api/v3/order", "orders", 1)
    tail = "newClientOrderId=mine1&newOrderRespType=FULL"
    assert request.query_text == f"symbol=BTCUSDT&side=BUY&{middle}&{tail}"


USDM_SENT: dict[str, tuple[dict[str, Any], str]] = {
    "limit": ({"price": D("100.50")}, "type=LIMIT&quantity=0.5&price=100.5&timeInForce=GTC"),
    "maker": ({"price": D(100), "post_only": True}, "type=LIMIT&quantity=0.5&price=100&timeInForce=GTX"),
    "gtd": (
        {"price": D(100), "time_in_force": "gtd", "expires_ns": 1_800_000_000_999_000_000},
        "type=LIMIT&quantity=0.5&price=100&timeInForce=GTD&goodTillDate=1800000000000",
    ),
    "market": ({"kind": "market", "reduce_only": True}, "type=MARKET&quantity=0.5&reduceOnly=true"),
    "hedge": ({"kind": "market", "position": "long"}, "type=MARKET&quantity=0.5&positionSide=LONG"),
    "close": (
        {"kind": "market", "position": "short", "reduce_only": True}, "type=MARKET&quantity=0.5&positionSide=SHORT",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", USDM_SENT)
def test_every_kind_of_usdm_order(name: str) -> None:
    fields, middle = USDM_SENT[name]

    request = usdm(**fields)

    assert (request.method, request.path, request.budget) == ("POST", "/fapi/v1/order", "orders")
    tail = "newClientOrderId=mine1&newOrderRespType=RESULT"
    assert request.query_text == f"symbol=BTCUSDT&side=BUY&{middle}&{tail}"


ALGO_SENT: dict[str, tuple[dict[str, Any], str]] = {
    "stop": ({"kind": "stop", "stop_price": D(90)}, "type=STOP_MARKET&quantity=0.5&triggerPrice=90"),
    "stop_limit": (
        {"kind": "stop_limit", "stop_price": D(90), "price": D(89), "reduce_only": True},
        "type=STOP&quantity=0.5&price=89&triggerPrice=90&timeInForce=GTC&reduceOnly=true",
    ),
    "take_profit": (
        {"kind": "take_profit", "stop_price": D(110)}, "type=TAKE_PROFIT_MARKET&quantity=0.5&triggerPrice=110",
    ),
    "take_profit_limit": (
        {"kind": "take_profit_limit", "stop_price": D(110), "price": D(111)},
        "type=TAKE_PROFIT&quantity=0.5&price=111&triggerPrice=110&timeInForce=GTC",
    ),
    "trailing": (
        {"kind": "trailing_stop", "trail": D("0.01"), "stop_price": D(120)},
        "type=TRAILING_STOP_MARKET&quantity=0.5&callbackRate=1&activatePrice=120",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALGO_SENT)
def test_conditional_orders_go_to_their_own_service(name: str) -> None:
    fields, middle = ALGO_SENT[name]

    request = usdm(**fields)

    assert (request.method, request.path) == ("POST", "/fapi/v1/algoOrder")
    tail = "clientAlgoId=mine1&newOrderRespType=RESULT"
    assert request.query_text == f"algoType=CONDITIONAL&symbol=BTCUSDT&side=BUY&{middle}&{tail}"


@pytest.mark.parametrize(
    ("venue", "fields", "reason"),
    [
        (BINANCE, {"price": D(1), "time_in_force": "gtd"}, "unsupported"),
        (BINANCE, {"price": D(1), "position": "long"}, "position_mode"),
        (BINANCE, {"price": D(1), "reduce_only": True}, "reduce_only"),
        (BINANCE, {"kind": "iceberg"}, "unsupported"),
        (BINANCE, {"kind": "market", "post_only": True}, "unsupported"),
        (BINANCE, {"price": D(1), "quote_size": D(5)}, "unsupported"),
        (BINANCE, {}, "parameter"),
        (BINANCE, {"kind": "stop"}, "parameter"),
        (BINANCE, {"kind": "trailing_stop"}, "parameter"),
        (BINANCE, {"kind": "trailing_stop", "trail": D("0.00015")}, "parameter"),
        (BINANCE_USDM, {"kind": "market", "quote_size": D(5)}, "unsupported"),
        (BINANCE_USDM, {"kind": "iceberg"}, "unsupported"),
        (BINANCE_USDM, {"kind": "trailing_stop", "trail": D("0.2")}, "parameter"),
        (BINANCE_USDM, {"kind": "market", "position": "long", "reduce_only": True}, "reduce_only"),
        (BINANCE_USDM, {"price": D(1), "post_only": True, "time_in_force": "gtd"}, "unsupported"),
        (BINANCE_USDM, {"price": D(1), "time_in_force": "gtd"}, "parameter"),
        (BINANCE_USDM, {"price": D(1), "time_in_force": "day"}, "unsupported"),
    ],
)
def test_what_has_no_words_is_refused_before_it_is_sent(venue: Venue, fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        (spot if venue is BINANCE else usdm)(**fields)
    assert refused.value.reason == reason


def test_a_spot_sale_that_only_reduces_is_a_sale() -> None:
    assert spot(side="sell", kind="market", reduce_only=True).query_text.startswith("symbol=BTCUSDT&side=SELL&type=MAR")


def asked(name: str, **fields: Any) -> OrderAsk:
    return OrderAsk(**{"call": name, "account": "main", "instrument": SPOT, **fields})


WINDOW = {"from_ns": 1_700_000_000_000 * MS - 1, "to_ns": 1_700_000_060_000 * MS}
IN_WINDOW = "startTime=1700000000000&endTime=1700000059999"


@pytest.mark.parametrize(
    ("ask", "line", "weight"),
    [
        (asked("cancel", client_id="mine1", venue_id="7"), "DELETE order?symbol=BTCUSDT&origClientOrderId=mine1", 1),
        (asked("cancel", venue_id="7"), "DELETE order?symbol=BTCUSDT&orderId=7", 1),
        (asked("order", client_id="mine1"), "GET order?symbol=BTCUSDT&origClientOrderId=mine1", 4),
        (asked("cancel_all"), "DELETE openOrders?symbol=BTCUSDT", 1),
        (asked("open_orders"), "GET openOrders?symbol=BTCUSDT", 6),
        (asked("open_orders", instrument=None), "GET openOrders?", 80),
        (asked("closed_orders", limit=5, **WINDOW), f"GET allOrders?symbol=BTCUSDT&{IN_WINDOW}&limit=5", 20),
        (asked("fills", **WINDOW), f"GET myTrades?symbol=BTCUSDT&{IN_WINDOW}&limit=1000", 20),
        (asked("fills", from_id="9", **WINDOW), "GET myTrades?symbol=BTCUSDT&fromId=10&limit=1000", 20),
        (asked("fills", venue_id="7"), "GET myTrades?symbol=BTCUSDT&orderId=7&limit=1000", 5),
        (asked("balances", instrument=None), "GET account?", 20),
        (asked("mode", instrument=None), "GET account?omitZeroBalances=true", 20),
    ],
)
def test_spot_requests(ask: OrderAsk, line: str, weight: int) -> None:
    request = call(BINANCE, ask.call).build(ask)

    assert f"{request.method} {request.path}?{request.query_text}" == line.replace(" ", " /api/v3/", 1)
    assert (request.weight, request.budget) == (weight, "weight")


@pytest.mark.parametrize(
    ("ask", "line", "weight"),
    [
        (asked("cancel", client_id="mine1", venue_id="7"), "DELETE order?symbol=BTCUSDT&origClientOrderId=mine1", 1),
        (asked("cancel", venue_id="algo-7"), "DELETE algoOrder?algoId=7", 1),
        (asked("order", client_id="mine1", venue_id="algo-7"), "GET algoOrder?clientAlgoId=mine1", 1),
        (asked("order", venue_id="7"), "GET order?symbol=BTCUSDT&orderId=7", 1),
        (asked("cancel_all"), "DELETE allOpenOrders?symbol=BTCUSDT", 1),
        (asked("cancel_all", part="algo"), "DELETE algoOpenOrders?symbol=BTCUSDT", 1),
        (asked("open_orders"), "GET openOrders?symbol=BTCUSDT", 1),
        (asked("open_orders", part="algo", instrument=None), "GET openAlgoOrders?", 40),
        (asked("closed_orders", **WINDOW), f"GET allOrders?symbol=BTCUSDT&{IN_WINDOW}&limit=1000", 5),
        (asked("fills", from_id="9"), "GET userTrades?symbol=BTCUSDT&fromId=10&limit=1000", 5),
        (asked("payments", instrument=None, page="2", **WINDOW), f"GET income?{IN_WINDOW}&page=2&limit=1000", 30),
        (asked("mode", instrument=None), "GET accountConfig?", 5),
        (asked("dead_man", countdown_s=60), "POST countdownCancelAll?symbol=BTCUSDT&countdownTime=60000", 10),
        (asked("dead_man", countdown_s=0), "POST countdownCancelAll?symbol=BTCUSDT&countdownTime=0", 10),
        (asked("leverage", leverage=D("5")), "POST leverage?symbol=BTCUSDT&leverage=5", 1),
        (asked("position_mode", hedge=True), "POST positionSide/dual?dualSidePosition=true", 1),
        (asked("listen_key"), "POST listenKey?", 1),
        (asked("listen_key_alive", listen_key="k"), "PUT listenKey?", 1),
        (asked("listen_key_close"), "DELETE listenKey?", 1),
    ],
)
def test_usdm_requests(ask: OrderAsk, line: str, weight: int) -> None:
    request = call(BINANCE_USDM, ask.call).build(ask)

    assert f"{request.method} {request.path}?{request.query_text}" == line.replace(" ", " /fapi/v1/", 1)
    assert (request.weight, request.budget) == (weight, "weight")
    assert call(BINANCE_USDM, ask.call).signed == ("key" if ask.call.startswith("listen_key") else "signed")


@pytest.mark.parametrize(("name", "path"), [("balances", "/fapi/v3/balance"), ("positions", "/fapi/v3/positionRisk")])
def test_usdm_balances_and_positions(name: str, path: str) -> None:
    assert call(BINANCE_USDM, name).build(asked(name, instrument=None)) == Request("GET", path, (), 5)


def test_an_order_that_was_triggered_is_an_ordinary_one() -> None:
    stop = Intent(instrument=PERP.id, side="buy", kind="stop", size=D(1), stop_price=D(1))
    waiting = asked("cancel", client_id="mine1", intent=stop, instrument=PERP)

    assert call(BINANCE_USDM, "cancel").build(waiting).path == "/fapi/v1/algoOrder"
    assert call(BINANCE_USDM, "cancel").build(replace(waiting, venue_id="88")).path == "/fapi/v1/order"


def test_spot_makes_an_order_smaller_and_nothing_else() -> None:
    ask = replace(wanted(SPOT, price=D(100)), call="amend", size=D("0.2"))

    request = call(BINANCE, "amend").build(ask)

    assert (request.method, request.path, request.weight) == ("PUT", "/api/v3/order/amend/keepPriority", 4)
    assert request.query_text == "symbol=BTCUSDT&origClientOrderId=mine1&newClientOrderId=mine1&newQty=0.2"
    for change in ({"size": D("0.5")}, {"size": None}, {"price": D(101)}):
        with pytest.raises(OrderRefused) as refused:
            call(BINANCE, "amend").build(replace(ask, **change))
        assert refused.value.reason == "unsupported"
    foreign = replace(ask, client_id="", venue_id="7")
    assert call(BINANCE, "amend").build(foreign).query_text == "symbol=BTCUSDT&orderId=7&newQty=0.2"


def test_usdm_amends_size_and_price_together() -> None:
    ask = replace(wanted(PERP, price=D(100), position="long"), call="amend", price=D(101))

    request = call(BINANCE_USDM, "amend").build(ask)

    assert (request.method, request.path, request.budget) == ("PUT", "/fapi/v1/order", "orders")
    assert request.query_text == (
        "symbol=BTCUSDT&origClientOrderId=mine1&side=BUY&positionSide=LONG&quantity=0.5&price=101"
    )
    for other in (wanted(PERP, kind="market"), wanted(PERP, kind="stop", stop_price=D(1)), wanted(PERP)):
        with pytest.raises(OrderRefused):
            call(BINANCE_USDM, "amend").build(replace(other, call="amend"))


@pytest.mark.parametrize(
    "ask", [asked("cancel"), asked("cancel_all", instrument=None), asked("place", client_id="x")], ids=lambda a: a.call
)
def test_an_ask_that_says_too_little_is_our_bug(ask: OrderAsk) -> None:
    with pytest.raises(Broken):
        call(BINANCE, ask.call).build(ask)


# ---- answers ------------------------------------------------------------------------------------------------------


def rows(shared: Path, name: str) -> dict[str, str]:
    lines = (shared / "samples" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row["raw"] for row in map(json.loads, lines)}


def parse(venue: Venue, name: str, body: str | bytes, **fields: Any) -> list[Any]:
    raw = body.encode() if isinstance(body, str) else body
    ask = asked(name, **fields)
    return list(call(venue, name).parse(raw, ask, {"BTCUSDT": "x:BTC"}, AT))


def said(event: object) -> dict[str, Any]:
    """What an event says besides its defaults and what all of an answer share."""
    assert isinstance(event, msgspec.Struct)
    whole, shared = asdict(event), {"channel", "received_ns", "source", "account"}
    assert (whole["source"], whole["account"], whole["received_ns"]) == ("rest", "main", AT)
    default = {field.name: field.default for field in msgspec.structs.fields(event)}
    return {k: v for k, v in whole.items() if k not in shared and v != default[k] and v is not None}


def test_spot_order_samples(shared: Path) -> None:
    raw = rows(shared, "binance_spot")
    (order,) = parse(BINANCE, "order", raw["binance_spot-0178"])
    assert said(order) == {
        "instrument": "binance:LTCBTC", "at_ns": 1499827319559 * MS, "client_id": "myOrder1", "venue_id": "1",
        "state": "open", "side": "buy", "kind": "limit", "size": D("1.0"), "price": D("0.1"), "filled": D(0),
        "time_in_force": "gtc",
    }  # fmt: skip
    (gone,) = parse(BINANCE, "cancel", raw["binance_spot-0159"])
    assert (gone.client_id, gone.state, gone.venue_id) == ("myOrder1", "cancelled", "4")
    (smaller,) = parse(BINANCE, "amend", raw["binance_spot-0152"])
    assert (smaller.client_id, smaller.size, smaller.average) == (
        "4d96324ff9d44481926157", D("0.00847000"), D("23416.20011806375442739079103"),
    )  # fmt: skip
    *fills, order = parse(BINANCE, "place", raw["binance_spot-0401"])
    assert [(fill.id, fill.price, fill.size, fill.fee) for fill in fills] == [
        ("56", D(4000), D(1), D(4)), ("57", D(3999), D(5), D("19.995")), ("58", D(3998), D(2), D("7.996")),
        ("59", D(3997), D(1), D("3.997")), ("60", D(3995), D(1), D("3.995")),
    ]  # fmt: skip
    assert (order.state, order.kind, order.filled, fills[0].liquidity) == ("filled", "market", D(10), "taker")
    (acknowledged,) = parse(BINANCE, "place", raw["binance_spot-0399"])
    assert (acknowledged.state, acknowledged.venue_id, acknowledged.side) == ("open", "28", "")


def test_a_cancel_of_all_tells_of_lists_too(shared: Path) -> None:
    found = parse(BINANCE, "cancel_all", rows(shared, "binance_spot")["binance_spot-0409"])
    assert [order.client_id for order in found[:2]] == ["E6APeyTJvkMvLMYMqu1KQ4", "A3EF2HCwxgZPFMrfwbgrhv"]
    assert len(found) == 4
    assert {order.state for order in found} == {"cancelled"}
    assert parse(BINANCE, "cancel_all", '{"code":-2011,"msg":"Unknown order sent."}') == []


def test_spot_account(shared: Path) -> None:
    body = rows(shared, "binance_spot")["binance_spot-0435"]
    balances = parse(BINANCE, "balances", body)
    assert [(each.currency, each.total, each.locked) for each in balances] == [
        ("BTC", D("4723846.89208129"), D(0)), ("LTC", D("4763368.68006011"), D(0)),
    ]  # fmt: skip
    assert isinstance(balances[0], Balance)
    (mode,) = parse(BINANCE, "mode", body)
    assert isinstance(mode, AccountMode)
    assert (mode.may_trade, mode.level, mode.hedge) == (True, "SPOT", False)
    with pytest.raises(BadData):
        parse(BINANCE, "balances", '{"canTrade":true,"balances":[{"asset":"X","free":"","locked":"1"}]}')


TRADE = (
    '{"symbol":"BTCUSDT","id":28457,"orderId":100234,"orderListId":-1,"price":"4.00000100","qty":"12.00000000",'
    '"quoteQty":"48.000012","commission":"10.10000000","commissionAsset":"BNB","time":1499865549590,"isBuyer":true,'
    '"isMaker":false,"isBestMatch":true}'
)


def test_spot_fills() -> None:
    (fill,) = parse(BINANCE, "fills", f"[{TRADE}]")
    assert said(fill) == {
        "instrument": "x:BTC", "at_ns": 1499865549590 * MS, "id": "28457", "venue_id": "100234", "side": "buy",
        "client_id": "", "price": D("4.000001"), "size": D(12), "fee": D("10.1"), "fee_currency": "BNB",
        "liquidity": "taker",
    }  # fmt: skip
    (known,) = parse(BINANCE, "fills", f"[{TRADE}]", venue_id="100234", client_id="mine1")
    assert known.client_id == "mine1"
    ask, page = asked("fills", limit=2), f"[{TRADE},{TRADE}]".encode()
    assert call(BINANCE, "fills").next(ask, page) == replace(ask, from_id="28457")
    assert call(BINANCE, "fills").next(ask, f"[{TRADE}]".encode()) is None
    for word in ("price", "qty"):
        with pytest.raises(BadData):
            parse(BINANCE, "fills", f"[{TRADE}]".replace(f'"{word}":"', f'"{word}":"","was{word}":"'))


def test_only_orders_that_are_over_are_closed(shared: Path) -> None:
    body = rows(shared, "binance_spot")
    both = f"[{body['binance_spot-0159']},{body['binance_spot-0178']}]"
    assert [order.client_id for order in parse(BINANCE, "closed_orders", both)] == ["myOrder1"]
    assert [order.state for order in parse(BINANCE, "open_orders", both)] == ["cancelled", "open"]


def test_usdm_order_samples(shared: Path) -> None:
    raw = rows(shared, "binance_usdm")
    (order,) = parse(BINANCE_USDM, "order", raw["binance_usdm-0060"])
    assert said(order) == {
        "instrument": "x:BTC", "at_ns": 1579276756075 * MS, "client_id": "abc", "venue_id": "1917641", "state": "open",
        "side": "buy", "kind": "trailing_stop", "size": D("0.40"), "stop_price": D(9300), "filled": D(0),
        "time_in_force": "gtc", "position": "short",
    }  # fmt: skip
    (placed,) = parse(BINANCE_USDM, "place", raw["binance_usdm-0067"])
    assert (placed.client_id, placed.time_in_force, placed.position) == ("testOrder", "gtd", "short")
    (amended,) = parse(BINANCE_USDM, "amend", raw["binance_usdm-0051"])
    assert (amended.price, amended.size, amended.position) == (D(30005), D(1), "long")
    (gone,) = parse(BINANCE_USDM, "cancel", raw["binance_usdm-0049"])
    assert gone.state == "cancelled"
    forced = parse(BINANCE_USDM, "closed_orders", raw["binance_usdm-0057"])
    assert [order.origin for order in forced] == ["liquidation", "adl"]
    assert forced[0].average == D("10913.21000")


def test_usdm_conditional_samples(shared: Path) -> None:
    raw = rows(shared, "binance_usdm")
    (placed,) = parse(BINANCE_USDM, "place", raw["binance_usdm-0065"])
    assert (placed.client_id, placed.venue_id, placed.kind, placed.stop_price) == (
        "6B2I9XVcJpCjqPAJ4YoFX7", "algo-2146760", "take_profit_limit", D(750),
    )  # fmt: skip
    (gone,) = parse(BINANCE_USDM, "cancel", raw["binance_usdm-0047"])
    assert (gone.state, gone.position) == ("cancelled", "short")
    (done,) = parse(BINANCE_USDM, "order", raw["binance_usdm-0054"])
    assert (done.state, done.venue_id, done.filled, done.average) == (
        "filled",
        "974828356187",
        D("0.002"),
        D("69067.6"),
    )
    (waiting,) = parse(BINANCE_USDM, "open_orders", raw["binance_usdm-0059"], part="algo")
    assert (waiting.state, waiting.venue_id) == ("open", "algo-2148627")
    (short,) = parse(
        BINANCE_USDM, "cancel", '{"algoId":5,"clientAlgoId":"","code":"200","msg":"success"}', client_id="mine1"
    )
    assert (short.client_id, short.state, short.instrument) == ("mine1", "cancelled", SPOT.id)
    (nameless,) = parse(BINANCE_USDM, "cancel", '{"algoId":5,"algoStatus":"FINISHED"}', instrument=None)
    assert (nameless.instrument, nameless.state) == (None, "cancelled")


def test_usdm_account_samples(shared: Path) -> None:
    raw = rows(shared, "binance_usdm")
    (balance,) = parse(BINANCE_USDM, "balances", raw["binance_usdm-0004"])
    assert (balance.currency, balance.total, balance.free) == ("USDT", D("122607.35137903"), D("23.72469206"))
    long, short = parse(BINANCE_USDM, "positions", raw["binance_usdm-0063"])
    assert isinstance(long, Position)
    assert said(long) == {
        "instrument": "x:BTC", "at_ns": 1655217461579 * MS, "size": D("0.001"), "position": "long",
        "entry_price": D("22185.2"), "mark_price": D("21123.05052574"), "unrealised": D("-1.06214947"),
        "liquidation_price": D("19731.45529116"), "leverage": D(4), "margin_mode": "cross",
    }  # fmt: skip
    assert (short.size, short.position, short.entry_price, short.at_ns) == (D(0), "short", None, None)
    (fill,) = parse(BINANCE_USDM, "fills", raw["binance_usdm-0064"])
    assert isinstance(fill, Fill)
    assert (fill.id, fill.side, fill.position, fill.fee, fill.realised) == (
        "698759", "sell", "short", D("-0.07819010"), D("-0.91539999"),
    )  # fmt: skip
    (mode,) = parse(BINANCE_USDM, "mode", raw["binance_usdm-0002"])
    assert (mode.hedge, mode.may_trade, mode.level) == (True, True, "single-asset")
    assert parse(BINANCE_USDM, "dead_man", raw["binance_usdm-0046"]) == []
    assert parse(BINANCE_USDM, "leverage", raw["binance_usdm-0000"]) == []


def test_what_fills_explain_is_no_payment(shared: Path) -> None:
    (paid,) = parse(BINANCE_USDM, "payments", rows(shared, "binance_usdm")["binance_usdm-0009"])
    assert isinstance(paid, Payment)
    assert said(paid) == {
        "at_ns": 1570608000000 * MS, "id": "TRANSFER-9689322392", "currency": "USDT", "amount": D("-0.375"),
        "kind": "transfer",
    }  # fmt: skip
    row = '{"symbol":"BTCUSDT","incomeType":"%s","income":"-1","asset":"USDT","time":5,"tranId":7}'
    funding, other = parse(BINANCE_USDM, "payments", f"[{row % 'FUNDING_FEE'},{row % 'NEW_TYPE'}]")
    assert (funding.kind, funding.instrument, other.kind) == ("funding", "x:BTC", "adjustment")
    ask, body = asked("payments", limit=1), f"[{row % 'FUNDING_FEE'}]".encode()
    assert call(BINANCE_USDM, "payments").next(ask, body) == replace(ask, page="2")
    assert call(BINANCE_USDM, "payments").next(replace(ask, page="2"), body) == replace(ask, page="3")
    assert call(BINANCE_USDM, "payments").next(ask, b"[]") is None


def test_usdm_says_that_all_is_done() -> None:
    done = '{"code":200,"msg":"The operation of cancel all open order is done."}'
    assert parse(BINANCE_USDM, "cancel_all", done) == []
    assert parse(BINANCE_USDM, "position_mode", '{"code":-4059,"msg":"No need to change position side."}') == []
    assert parse(BINANCE_USDM, "listen_key_alive", "{}") == []
    assert parse(BINANCE_USDM, "listen_key_close", "{}") == []
    assert parse(BINANCE_USDM, "listen_key", '{"listenKey":"k1"}') == [ListenKey("k1")]
    fills = call(BINANCE_USDM, "fills")
    assert fills.next(asked("fills"), b"[]") is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"{}", b'{"code":0}'])
@pytest.mark.parametrize("name", ["place", "order", "open_orders", "balances", "fills"])
def test_a_body_that_means_nothing_is_bad_data(name: str, body: bytes) -> None:
    for venue in (BINANCE, BINANCE_USDM):
        with pytest.raises(BadData):
            parse(venue, name, body)


def test_an_error_is_never_an_empty_account() -> None:
    for venue in (BINANCE, BINANCE_USDM):
        for name in orders_of(venue).calls:
            with pytest.raises(OrderRefused) as refused:
                parse(venue, name, '{"code":-1130,"msg":"Data sent for parameter is not valid."}')
            assert refused.value.reason == "parameter"


def test_binance_us_has_listen_keys() -> None:
    ours = orders_of(BINANCE_US)
    assert "amend" not in ours.calls
    assert ours.private.url("wss://stream.binance.us:9443/ws", "k1") == "wss://stream.binance.us:9443/ws/k1"
    assert ours.calls["listen_key_alive"].build(asked("listen_key_alive", listen_key="k1")).query_text == "listenKey=k1"
    assert ours.calls["listen_key"].build(asked("listen_key")).path == "/api/v3/userDataStream"
    assert parse(BINANCE_US, "listen_key", '{"listenKey":"k1"}') == [ListenKey("k1")]
    assert ours.calls["listen_key_close"].build(asked("listen_key_close", listen_key="k1")).method == "DELETE"
    (order,) = parse(BINANCE_US, "order", '{"symbol":"ETHUSD","orderId":3}')
    assert isinstance(order, OrderUpdate)
    assert order.instrument == "binance-us:ETHUSD"
