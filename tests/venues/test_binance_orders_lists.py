"""Order lists of spot: what is sent, what comes back, and the venue's own side of both."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

from tapeline.errors import BadData, Broken, OrderRefused, OutcomeUnknown
from tapeline.model.account import Fill, ListUpdate, OrderUpdate
from tapeline.model.event import BookSnapshot, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.sim.paper.desk import Desk
from tapeline.sim.paper.streams import Streams
from tapeline.trading.paper.exchange import Exchange
from tapeline.venues.binance import BINANCE, BINANCE_US
from tapeline.venues.binance.orders.private import decoder
from tapeline.venues.binance.orders.stream_spot import SPOT as DIALECT
from tapeline.venues.binance.orders.stream_usdm import USDM
from tapeline.venues.orders import Leg, OrderAsk, OrderRequest, Orders, OrderServer

D = Decimal
AT = 1_700_000_000_123_000_000
BTC = Instrument(
    venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=D("0.01"),
    lot=D("0.001"),
)  # fmt: skip


def orders() -> Orders:
    assert BINANCE.orders is not None
    return BINANCE.orders


def server() -> OrderServer:
    found = orders().server
    assert found is not None
    return found


def oco(side: str = "sell", price: str | None = "120", stop: str = "90", **fields: Any) -> OrderAsk:
    common: dict[str, Any] = {"instrument": BTC.id, "side": side, "size": D(1)}
    limit = Intent(**{"kind": "limit", "price": D(price) if price else None, "post_only": True, **common, **fields})
    legs = (Leg("l1", limit), Leg("s1", Intent(kind="stop", stop_price=D(stop), **common)))
    return OrderAsk(call="place_list", account="main", instrument=BTC, client_id="both", legs=legs)


def sent(ask: OrderAsk) -> str:
    request = orders().calls["place_list"].build(ask)
    assert (request.weight, request.budget) == (2, "orders"), "it counts as the two orders that it is"
    return f"{request.method} {request.path}?{request.query_text}"


# ---- our side ------------------------------------------------------------------------------------------------------


def test_the_limit_is_above_the_market_of_a_sale_and_below_it_of_a_purchase() -> None:
    head = "POST /api/v3/orderList/oco?symbol=BTCUSDT&listClientOrderId=both&side"
    assert sent(oco()) == (
        f"{head}=SELL&quantity=1&aboveType=LIMIT_MAKER&abovePrice=120&aboveClientOrderId=l1"
        "&belowType=STOP_LOSS&belowStopPrice=90&belowClientOrderId=s1&newOrderRespType=FULL"
    )
    assert sent(oco("buy", "80", "110")) == (
        f"{head}=BUY&quantity=1&aboveType=STOP_LOSS&aboveStopPrice=110&aboveClientOrderId=s1"
        "&belowType=LIMIT_MAKER&belowPrice=80&belowClientOrderId=l1&newOrderRespType=FULL"
    )


def test_over_the_websocket_it_has_a_name_of_its_own() -> None:
    entry = orders().entry
    assert entry is not None
    assert entry.takes(oco())
    request = orders().calls["place_list"].build(oco())
    assert (request.method, request.path) == ("POST", "/api/v3/orderList/oco")
    assert BINANCE_US.orders is not None
    assert "place_list" not in BINANCE_US.orders.calls, "which has another call for it"


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (oco(post_only=False), OrderRefused),
        (oco(size=D(2)), Broken),
        (oco(kind="market", price=None, post_only=False), Broken),
        (oco(price=None), OrderRefused),
    ],
)
def test_what_is_no_list_is_not_sent(ask: OrderAsk, error: type[Exception]) -> None:
    with pytest.raises(error):
        sent(ask)


def rows(shared: Path) -> dict[str, str]:
    lines = (shared / "samples" / "binance_spot.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row["raw"] for row in map(json.loads, lines)}


def parse(call: str, body: str, ids: dict[str, str] | None = None) -> list[Any]:
    ask = OrderAsk(call=call, account="main", instrument=BTC, client_id="mine")
    return list(orders().calls[call].parse(body.encode(), ask, ids or {}, AT))


def test_a_list_that_was_placed_tells_of_both_orders(shared: Path) -> None:
    stop, limit, both = parse("place_list", rows(shared)["binance_spot-0184"])
    assert (stop.client_id, stop.venue_id, stop.list_id, stop.state) == ("44nZvqpemY7sVYgPYbvPih", "10", "1", "open")
    assert (stop.kind, stop.stop_price, stop.price, stop.triggered) == ("stop_limit", D(1), D(1), False)
    assert (limit.client_id, limit.kind, limit.post_only, limit.price) == (
        "NuMp0nVYnciDiFmVqfpBqK",
        "limit",
        True,
        D(3),
    )
    assert (both.client_id, both.list_id, both.state, both.kind) == ("lH1YDkuQKWiXVXHPSKYEIp", "1", "open", "oco")
    assert both.orders == (("44nZvqpemY7sVYgPYbvPih", "10"), ("NuMp0nVYnciDiFmVqfpBqK", "11"))
    assert both.at_ns == 1710485608839 * 1_000_000


def test_the_cancel_of_one_order_may_tell_of_its_whole_list(shared: Path) -> None:
    found = parse("cancel", rows(shared)["binance_spot-0158"])
    assert [(each.client_id, each.state, each.list_id) for each in found] == [
        ("pO9ufTiFGg3nw2fOdgeOXa", "cancelled", "0"), ("TXOvglzXuaubXAaENpaRCB", "cancelled", "0"),
    ]  # fmt: skip


def test_what_says_nothing_certain_leaves_the_list_in_doubt_and_a_refusal_does_not() -> None:
    with pytest.raises(OutcomeUnknown):
        parse("place_list", '{"code":-1007,"msg":"Timeout waiting for response from backend server."}')
    with pytest.raises(OrderRefused) as refused:
        parse("place_list", '{"code":-2010,"msg":"The relationship of the prices for the orders is not correct."}')
    assert refused.value.reason == "parameter"
    with pytest.raises(BadData):
        parse("place_list", '{"orderListId":1}')


def test_what_the_stream_tells_of_a_list() -> None:
    raw = (
        b'{"e":"listStatus","E":2,"s":"BTCUSDT","g":7,"c":"OCO","l":"RESPONSE","L":"REJECT","r":"WHY","C":"both","T":1,'
        b'"O":[{"s":"BTCUSDT","i":3,"c":"l1"}]}'
    )
    (told,) = decoder(DIALECT, "binance", "main", {"BTCUSDT": BTC})(raw, AT)
    assert told == ListUpdate(
        BTC.id, "orders", 1_000_000, AT, "ws", "main", list_id="7", client_id="both", state="rejected", why="WHY",
        orders=(("l1", "3"),),
    )  # fmt: skip


# ---- the venue's own side ------------------------------------------------------------------------------------------


class Venue:
    """A paper exchange that is asked in the venue's words, and whose stream is heard."""

    def __init__(self) -> None:
        self.exchange = Exchange({BTC.id: BTC})
        self.exchange.open_account("main", {"BTC": D(2), "USDT": D(1000)})
        book = BookSnapshot(BTC.id, "book", 1, 1, "ws", [("99", "5")], [("101", "5")], last_seq=1)
        self.exchange.market(book, 1)
        self.exchange.market(Trade(BTC.id, "trades", 1, 1, "ws", "1", 1, "buy", D(100), D(1)), 1)
        self.desk = Desk(self.exchange, Streams(server(), {BTC.id: BTC}, 1))
        self.told: list[Any] = []

    def ask(self, method: str, path: str, **fields: str) -> Any:
        query = "&".join(f"{name}={value}" for name, value in fields.items())
        heard = server().read(OrderRequest(method=method, path=path, query=query), {"BTCUSDT": BTC})
        assert heard is not None
        done = self.desk.perform("main", heard, AT)
        self.hear(done.told)
        return json.loads(server().answer(heard, done.answers, AT))

    def hear(self, events: Any) -> None:
        read = decoder(DIALECT, "binance", "main", {"BTCUSDT": BTC})
        for frame in server().encode(events, {BTC.id: BTC}):
            self.told += read(frame, AT)

    def place(self, **more: str) -> Any:
        return self.ask(
            "POST", "/api/v3/orderList/oco",
            **{
                "symbol": "BTCUSDT", "side": "SELL", "quantity": "1", "listClientOrderId": "both",
                "aboveType": "LIMIT_MAKER", "abovePrice": "120", "aboveClientOrderId": "l1", "belowType": "STOP_LOSS",
                "belowStopPrice": "90", "belowClientOrderId": "s1", **more,
            },
        )  # fmt: skip

    def said(self) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for each in self.told:
            match each:
                case OrderUpdate():
                    found.append((each.client_id, each.state, each.list_id, each.why))
                case ListUpdate():
                    found.append((each.client_id, each.state, each.list_id, ""))
                case Fill():
                    found.append((each.client_id, "fill", each.size, ""))
        self.told = []
        return found


def test_what_is_placed_is_answered_and_told_as_the_venue_does() -> None:
    venue = Venue()
    body = venue.place()
    assert {name: value for name, value in body.items() if name not in {"orders", "orderReports"}} == {
        "orderListId": 1, "contingencyType": "OCO", "listStatusType": "EXEC_STARTED", "listOrderStatus": "EXECUTING",
        "listClientOrderId": "both", "transactionTime": 1700000000123, "symbol": "BTCUSDT",
    }  # fmt: skip
    reports = [(each["clientOrderId"], each["type"], each["workingTime"] < 0) for each in body["orderReports"]]
    assert reports == [("l1", "LIMIT_MAKER", False), ("s1", "STOP_LOSS", True)]
    assert {each["orderListId"] for each in body["orderReports"]} == {1}
    assert [each["clientOrderId"] for each in body["orders"]] == ["l1", "s1"]
    assert venue.said() == [("l1", "open", "1", ""), ("s1", "open", "1", ""), ("both", "open", "1", "")]
    again = parse("place_list", json.dumps(body), {"BTCUSDT": BTC.id})
    assert [each.client_id for each in again] == ["l1", "s1", "both"]


def test_the_limit_is_filled_and_the_stop_expires() -> None:
    venue = Venue()
    venue.place()
    venue.said()
    at_ns = AT + 1_000_000_000
    venue.hear(venue.exchange.market(Trade(BTC.id, "trades", at_ns, at_ns, "ws", "2", 2, "buy", D(121), D(5)), at_ns))
    assert venue.said() == [
        ("s1", "expired", "1", "OCO_TRIGGER"), ("l1", "fill", D(1), ""), ("l1", "filled", "1", ""),
        ("both", "done", "1", ""),
    ]  # fmt: skip


def test_an_old_bot_places_it_by_the_old_call() -> None:
    venue = Venue()
    body = venue.ask(
        "POST", "/api/v3/order/oco", symbol="BTCUSDT", side="SELL", quantity="1", price="120", stopPrice="90",
        stopLimitPrice="89", stopLimitTimeInForce="GTC", limitClientOrderId="l1", stopClientOrderId="s1",
    )  # fmt: skip
    assert [(each["clientOrderId"], each["type"], each["price"]) for each in body["orderReports"]] == [
        ("l1", "LIMIT_MAKER", "120.00000000"), ("s1", "STOP_LOSS_LIMIT", "89.00000000"),
    ]  # fmt: skip
    assert body["listClientOrderId"] == "list1"
    plainer = Venue().ask(
        "POST", "/api/v3/order/oco", symbol="BTCUSDT", side="SELL", quantity="1", price="120", stopPrice="90"
    )
    assert [each["type"] for each in plainer["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS"]


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("DELETE", "/api/v3/orderList", {"orderListId": "1"}),
        ("DELETE", "/api/v3/orderList", {"listClientOrderId": "both"}),
        ("DELETE", "/api/v3/order", {"origClientOrderId": "s1"}),
    ],
)
def test_a_cancel_of_the_list_or_of_one_of_its_orders_ends_both(method: str, path: str, fields: dict[str, str]) -> None:
    venue = Venue()
    venue.place()
    body = venue.ask(method, path, symbol="BTCUSDT", **fields)
    assert (body["listOrderStatus"], body["listClientOrderId"]) == ("ALL_DONE", "both")
    assert {(each["origClientOrderId"], each["status"]) for each in body["orderReports"]} == {
        ("l1", "CANCELED"), ("s1", "CANCELED"),
    }  # fmt: skip
    assert {each.client_id for each in parse("cancel", json.dumps(body))} == {"l1", "s1"}


def test_a_cancel_of_all_tells_of_orders_and_lists() -> None:
    venue = Venue()
    venue.place()
    venue.ask("POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="1",
              price="50", newClientOrderId="alone")  # fmt: skip
    alone, both = venue.ask("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    assert (alone["origClientOrderId"], alone["orderListId"]) == ("alone", -1)
    assert [each["status"] for each in both["orderReports"]] == ["CANCELED", "CANCELED"]
    assert len(parse("cancel_all", json.dumps([alone, both]))) == 3


def test_lists_are_asked_for() -> None:
    venue = Venue()
    venue.place()
    one = venue.ask("GET", "/api/v3/orderList", origClientOrderId="both")
    assert venue.ask("GET", "/api/v3/orderList", orderListId="1") == one
    assert venue.ask("GET", "/api/v3/openOrderList") == [one]
    venue.ask("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="l1")
    assert venue.ask("GET", "/api/v3/openOrderList") == []
    (over,) = venue.ask("GET", "/api/v3/allOrderList", limit="5")
    assert over["listOrderStatus"] == "ALL_DONE"
    assert venue.ask("GET", "/api/v3/allOrderList", startTime="1800000000000") == []
    assert venue.ask("GET", "/api/v3/allOrderList", endTime="1600000000000") == []


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"aboveType": "NONSENSE"}, "-1116"),
        ({"belowType": ""}, "-1102"),
        ({"abovePrice": ""}, "-1102"),
        ({"belowStopPrice": ""}, "-1102"),
        ({"quantity": ""}, "-1102"),
        ({"quantity": "x"}, "-1100"),
        ({"symbol": "NONE"}, "-1121"),
        ({"side": "BOTH"}, "-1117"),
        ({"belowTrailingDelta": "10"}, ""),
    ],
)
def test_what_is_malformed_is_refused(more: dict[str, str], code: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        Venue().place(**more)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("method", "fields"), [("DELETE", {"symbol": "BTCUSDT"}), ("GET", {}), ("DELETE", {"orderListId": "1"})]
)
def test_a_call_about_a_list_names_it(method: str, fields: dict[str, str]) -> None:
    with pytest.raises(OrderRefused, match="Mandatory parameter"):
        Venue().ask(method, "/api/v3/orderList", **fields)


def test_a_list_that_nobody_placed_is_unknown() -> None:
    with pytest.raises(OrderRefused) as refused:
        Venue().ask("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId="9")
    assert refused.value.reason == "unknown_order"
    assert set(asdict(OrderAsk(call="list"))) >= {"legs", "client_id", "venue_id"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [("", ""), ("ReduceOnly Order is rejected.", "reduce_only"), ("Margin is insufficient.", "other")],
)
def test_why_a_stop_of_usdm_came_to_nothing(said: str, reason: str) -> None:
    raw = {
        "e": "ALGO_UPDATE", "T": 1, "E": 1,
        "o": {"caid": "c", "aid": 1, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL", "ps": "BOTH",
              "f": "GTC", "q": "1", "X": "EXPIRED", "ai": "", "tp": "90", "p": "0", "R": True, "rm": said},
    }  # fmt: skip
    (told,) = decoder(USDM, "binance-usdm", "main", {})(json.dumps(raw).encode(), AT)
    assert isinstance(told, OrderUpdate)
    assert (told.state, told.reason, told.why) == ("expired", reason, said)
