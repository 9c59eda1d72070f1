import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from gateway_stage import BY_ENTRY, NOT_FOUND, Stage, approved, trading
from order_stage import (
    ACCOUNT,
    BUY,
    CREDENTIALS,
    KEY,
    ORDERS,
    SECOND_NS,
    TOY,
    A,
    B,
    Said,
    accepting,
    answer,
    ok,
    order,
    settle,
    told,
)
from wire_fakes import START_NS, Script

from tapeline.errors import Broken, ConfigError, ConnectionLost, OrderRefused, Refused, TimedOut, Unsent
from tapeline.model.account import OrderUpdate
from tapeline.model.order import Intent, Order
from tapeline.trading.command import Amend, Cancel, CancelAll, Note, Submit
from tapeline.venues.orders import OrderAsk
from tapeline.venues.spec import Request
from tapeline.wire.gateway.orders import at_testnet
from tapeline.wire.pipe import Response

D = Decimal

# ---- what goes well ----------------------------------------------------------------------------------------------


def test_an_order_is_placed_amended_and_cancelled_by_rest() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Amend("t1", price=Decimal("9.5")))
        await settle()
        stage.gateway.execute(Cancel("t1"))
        await settle()
        assert stage.said() == [
            "sent submit t1", "rest t1 open", "sent amend t1", "rest t1 open", "sent cancel t1", "rest t1 cancelled",
        ]  # fmt: skip
        placed, amended, cancelled = [request for _, request in stage.exchange.asked if request.path != "/time"]
        assert (placed.method, dict(placed.query)["id"]) == ("POST", "t1")
        assert dict(amended.query)["price"] == "9.5"
        assert cancelled.path == "/cancel"
        assert stage.gateway.unknown() == []

    trading(
        act, said={"place": [ok(order("t1"))], "amend": [ok(order("t1"))], "cancel": [ok(order("t1", "cancelled"))]}
    )


def test_what_an_amend_does_not_change_is_as_it_is_now_and_not_as_it_was_placed() -> None:
    asked: list[OrderAsk] = []

    def build(ask: OrderAsk) -> Request:
        asked.append(ask)
        return ORDERS.calls["amend"].build(ask)

    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.orders["t1"] = msgspec.structs.replace(stage.orders["t1"], size=D("0.5"), price=D(9))
        stage.gateway.execute(Amend("t1", None, D("9.5")))
        await settle()
        assert asked[-1].intent is not None
        assert (asked[-1].size, asked[-1].price) == (None, D("9.5"))
        assert (asked[-1].intent.size, asked[-1].intent.price) == (D("0.5"), D(9))

    calls = {**ORDERS.calls, "amend": replace(ORDERS.calls["amend"], build=build)}
    trading(act, orders=replace(ORDERS, calls=calls), said={"place": [ok(order("t1"))], "amend": [ok(order("t1"))]})


def test_to_cancel_all_may_be_asked_for_before_it_runs() -> None:
    async def act(stage: Stage) -> None:
        assert "/open_orders" in stage.exchange.paths()
        assert stage.said() == []

    trading(act, said={"open_orders": [ok([])]}, before=lambda stage: stage.gateway.execute(CancelAll(ACCOUNT)))


def test_orders_go_over_the_connection_for_them_where_the_venue_has_one() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Cancel("t1"))
        await settle()
        assert stage.said() == ["sent submit t1", "rest t1 open", "sent cancel t1", "rest t1 cancelled"]
        assert [said["op"] for said in stage.network.last("entry").sent] == ["login", "place", "cancel"]
        assert stage.exchange.paths() == ["/time"]

    trading(act, orders=BY_ENTRY)


def test_while_that_connection_is_down_they_go_by_rest() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        assert stage.said() == ["sent submit t1", "rest t1 open"]
        assert stage.sent("place") == [0.05]

    trading(act, orders=BY_ENTRY, said={"place": [ok(order("t1"))]}, how={"entry": ConnectionLost("refused")})


def test_the_stream_is_told_with_what_it_missed() -> None:
    async def act(stage: Stage) -> None:
        script = stage.network.last("private")
        fill = {"id": "7", "client_id": "t1", "venue_id": "v", "side": "buy", "price": "10", "size": "1"}
        script.say(told(**order("t1")), told(fill=fill))
        await settle()
        script.cut()
        await settle(1.0)
        assert stage.said() == ["ws t1 open", "ws t1 fill 7", "gap", "back"]

    trading(act)


def test_what_a_request_showed_and_the_stream_does_not_tell_is_a_loss() -> None:
    async def act(stage: Stage) -> None:
        await settle(5.0)
        stage.place()
        await settle(15.0)
        assert stage.said() == ["sent submit t1", "rest t1 open", "gap", "back"]

    trading(act, said={"place": [ok(order("t1", at=START_NS + 5 * SECOND_NS))]})


def test_what_waits_for_a_price_may_be_told_by_another_stream() -> None:
    stops = msgspec.structs.replace(BUY, kind="stop", price=None, stop_price=D(11))

    async def act(stage: Stage) -> None:
        await settle(5.0)
        stage.place(intent=stops)
        await settle(30.0)
        assert stage.said() == ["sent submit t1", "rest t1 open"], "no loss: the answer does not say its kind, we do"

    orders = replace(ORDERS, kinds=ORDERS.kinds | {"stop"})
    trading(act, orders=orders, said={"place": [ok(order("t1", at=START_NS + 5 * SECOND_NS))]})


# ---- what is refused before it is sent -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("intent", "said"),
    [
        ({"kind": "stop"}, "has no stop orders"),
        ({"time_in_force": "gtd"}, "has no gtd"),
        ({"price": Decimal("10.05")}, "not on the tick"),
        ({"size": Decimal("0.005")}, "not on the lot"),
    ],
)
def test_what_risk_should_not_have_let_through_is_not_sent(intent: dict[str, Any], said: str) -> None:
    async def act(stage: Stage) -> None:
        with pytest.raises(AssertionError, match=said):
            stage.gateway.execute(Submit(approved("t1", msgspec.structs.replace(BUY, **intent))))
        with pytest.raises(AssertionError, match="no client id"):
            stage.gateway.execute(Submit(approved("not/ours")))
        with pytest.raises(AssertionError, match="only risk approves"):
            stage.gateway.submit(BUY)  # type: ignore[arg-type]  # it does not type-check either
        with pytest.raises(Broken, match="t9 is no order of ours"):
            stage.gateway.execute(Cancel("t9"))
        with pytest.raises(Broken, match="Note is no command"):
            stage.gateway.execute(Note("x", ACCOUNT, "x"))
        await settle()
        assert stage.exchange.paths() == ["/time"]

    trading(act)


def test_a_market_order_has_no_price_to_check() -> None:
    async def act(stage: Stage) -> None:
        stage.place("t1", Intent(instrument=B.id, side="buy", kind="market", quote_size=Decimal(7), account=ACCOUNT))
        await settle()
        assert stage.said() == ["sent submit t1", "rest t1 filled"]

    trading(act, said={"place": [ok(order("t1", "filled"))]})


# ---- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (ok({"code": "balance"}, 400), "refused submit t1 balance"),
        (ok({"code": "key"}, 401), "refused submit t1 permission"),
        (ok({"code": "busy", "after_s": 1.0}), "refused submit t1 too_many_orders"),
        (ok({"code": "stamp"}), "refused submit t1 other"),
        (Unsent("connection refused"), "refused submit t1 other"),
    ],
)
def test_a_definite_no_is_told_and_nothing_is_asked(answered: Said, outcome: str) -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(30.0)
        assert stage.said() == ["sent submit t1", outcome]
        assert stage.sent("order") == []
        assert stage.gateway.unknown() == []

    trading(act, said={"place": [answered]})


def test_what_never_left_us_is_unsent() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(1.0)
        stage.place("t2")  # the venue is to be left alone for ten minutes
        await settle(1.0)
        assert stage.said() == [
            "sent submit t1", "refused submit t1 too_many_orders", "unsent submit t2 too_many_orders",
        ]  # fmt: skip
        assert len(stage.sent("place")) == 1

    trading(act, said={"place": [Response(418, {"retry-after": "600"}, b"teapot")]})


def test_a_refused_cancel_of_what_is_gone_has_the_order_looked_up() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle()
        stage.gateway.execute(Cancel("t1"))
        await settle(2.0)
        assert stage.said()[2:] == ["sent cancel t1", "refused cancel t1 already_final", "rest t1 filled"]
        assert stage.gateway.unknown() == []

    trading(act, said={"place": [ok(order("t1"))], "cancel": [ok({"code": "final"}, 400)],
                       "order": [ok(order("t1", "filled"))]})  # fmt: skip


# ---- over the connection for orders ----------------------------------------------------------------------------


def mute_orders(script: Script, said: dict[str, Any]) -> None:
    if said["op"] == "login":
        accepting(script, said)


def test_an_order_unanswered_there_is_unknown_and_looked_up_by_rest() -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(8.0)
        assert stage.said() == ["sent submit t1", "unknown submit t1", "rest t1 open"]
        assert stage.sent("place") == []

    trading(act, orders=BY_ENTRY, said={"order": [ok(order("t1"))]}, how={"entry": mute_orders})


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (order("t1"), 200, ["rest t1 open"]),
        ({"code": "balance"}, 400, ["refused submit t1 balance"]),
        ({"code": "maybe"}, 500, []),
    ],
)
def test_an_answer_that_comes_late_settles_it(body: Any, status: int, said: list[str]) -> None:
    async def act(stage: Stage) -> None:
        stage.place()
        await settle(5.1)
        script = stage.network.last("entry")
        script.say(answer(script.sent[1], body, status))
        await settle()
        assert stage.said() == ["sent submit t1", "unknown submit t1", *said]
        assert stage.gateway.unknown() == ([] if said else ["t1"])

    trading(act, orders=BY_ENTRY, how={"entry": mute_orders})


def test_a_connection_cut_after_the_order_left_leaves_it_unknown() -> None:
    def cut(script: Script, said: dict[str, Any]) -> None:
        accepting(script, said) if said["op"] == "login" else script.cut("the cable")

    async def act(stage: Stage) -> None:
        stage.place()
        await settle(5.0)
        assert stage.said() == ["sent submit t1", "unknown submit t1", "rest t1 filled"]
        assert stage.sent("place") == []

    trading(act, orders=BY_ENTRY, said={"order": [ok(order("t1", "filled"))]}, how={"entry": cut})


def test_a_stamp_refused_there_is_corrected_once() -> None:
    stamps: list[int] = []

    def picky(script: Script, said: dict[str, Any]) -> None:
        if said["op"] == "login":
            accepting(script, said)
            return
        stamps.append(said["stamp"])
        good = len(stamps) == 2
        script.say(answer(said, order("t1") if good else {"code": "stamp"}, 200 if good else 400))

    async def act(stage: Stage) -> None:
        stage.exchange.off_s = 100.0
        stage.place()
        await settle()
        assert stage.said() == ["sent submit t1", "rest t1 open"]
        assert stamps[1] - stamps[0] == 100 * SECOND_NS
        stage.place("t2")
        await settle()
        assert stage.said()[2:] == ["sent submit t2", "refused submit t2 other"]
        assert len(stamps) == 4

    trading(act, orders=BY_ENTRY, how={"entry": picky})


def test_an_order_that_was_claimed_goes_by_the_venues_id() -> None:
    async def act(stage: Stage) -> None:
        stage.orders["#77"] = Order(client_id="#77", venue_id="77", intent=BUY)
        stage.gateway.execute(Cancel("#77"))
        await settle(1.0)
        cancel = next(dict(request.query) for _, request in stage.exchange.asked if request.path == "/cancel")
        assert (cancel.get("id"), cancel["venue_id"]) == (None, "77")
        assert stage.said() == ["sent cancel #77", "unknown cancel #77", "rest web cancelled"]
        assert stage.gateway.unknown() == []

    gone = ok(order("web", "cancelled", venue_id="77"))
    trading(act, said={"cancel": [TimedOut("late")], "order": [gone]})


# ---- order of commands -------------------------------------------------------------------------------------------


def test_a_cancel_does_not_overtake_what_it_cancels_and_other_orders_do_not_wait() -> None:
    async def slowly(_request: Request) -> Response:
        await asyncio.sleep(2.0)
        return ok(order("t1"))

    async def act(stage: Stage) -> None:
        stage.place()
        stage.gateway.execute(Cancel("t1"))
        stage.place("t2")
        await settle(1.0)
        assert stage.exchange.paths() == ["/time", "/place", "/place"]
        await settle(2.0)
        assert stage.exchange.paths()[3:] == ["/cancel"]
        assert stage.said() == [
            "sent submit t1", "sent submit t2", "rest t2 open", "rest t1 open", "sent cancel t1", "rest t1 cancelled",
        ]  # fmt: skip
        assert stage.gateway._busy == {}

    trading(act, said={"place": [slowly, ok(order("t2"))], "cancel": [ok(order("t1", "cancelled"))]})


# ---- the dead man, and what is read ------------------------------------------------------------------------------


def test_the_dead_man_is_armed_and_disarmed() -> None:
    async def act(stage: Stage) -> None:
        await stage.gateway.dead_man(30)
        await stage.gateway.dead_man(0)
        asked = [dict(request.query) for _, request in stage.exchange.asked if request.path == "/dead_man"]
        assert [(each["countdown"], "s" in each) for each in asked] == [("30", False), ("0", False)]

    trading(act)

    async def each_instrument(stage: Stage) -> None:
        await stage.gateway.dead_man(30, [A.id, B.id])
        assert [dict(request.query)["s"] for _, request in stage.exchange.asked[1:]] == ["A", "B"]

    trading(each_instrument, orders=replace(ORDERS, dead_man="instrument"))

    async def none(stage: Stage) -> None:
        with pytest.raises(Refused, match="no dead-man timer"):
            await stage.gateway.dead_man(30)

    trading(none, orders=replace(ORDERS, dead_man=""))


def test_reading_is_for_whoever_reconciles_and_sends_nothing() -> None:
    async def act(stage: Stage) -> None:
        (update,) = await stage.gateway.read(OrderAsk(call="open_orders"))
        assert isinstance(update, OrderUpdate)
        statement = await stage.gateway.statement(since_ns=START_NS)
        assert [each.client_id for each in statement.orders] == ["t1"]
        with pytest.raises(AssertionError, match="place is a command"):
            await stage.gateway.read(OrderAsk(call="place"))
        stage.exchange.said["order"] = [NOT_FOUND]
        with pytest.raises(OrderRefused):
            await stage.gateway.read(OrderAsk(call="order", client_id="t1"))

    trading(act, said={"open_orders": [ok([order("t1")])]})


def test_the_test_network_is_the_venue_at_other_addresses() -> None:
    testnet = {"rest": "https://test.toy"}
    declared = replace(ORDERS, testnet=testnet, testnet_headers=(("x-simulated", "1"),))
    venue = at_testnet(replace(TOY, orders=declared))
    assert venue.orders is not None
    plain, orders = Request("GET", "/x"), venue.orders
    for request in (orders.sign(plain, CREDENTIALS, 7), orders.with_key(plain, CREDENTIALS)):
        assert dict(request.headers) == {"toy-key": KEY, "x-simulated": "1"}
    assert (venue.urls["rest"], venue.urls["private"]) == ("https://test.toy", "wss://toy/private")
    by_rest = at_testnet(replace(TOY, orders=replace(BY_ENTRY, testnet=testnet, testnet_entry=False))).orders
    by_entry = at_testnet(replace(TOY, orders=replace(BY_ENTRY, testnet=testnet))).orders
    assert (by_rest is not None and by_rest.entry, by_entry is not None and by_entry.entry) == (None, BY_ENTRY.entry)
    for without in (TOY, replace(TOY, orders=None)):
        with pytest.raises(ConfigError, match="toy has no test network"):
            at_testnet(without)
