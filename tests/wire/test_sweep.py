from dataclasses import replace

from gateway_stage import Stage, trading
from order_stage import (
    ACCOUNT,
    BUY,
    ORDERS,
    B,
    Said,
    ok,
    order,
    settle,
)

from tapeline.errors import TimedOut
from tapeline.model.order import Order
from tapeline.trading.command import CancelAll
from tapeline.trading.input import Failed

# ---- cancel all and the dead man ---------------------------------------------------------------------------------


def test_cancel_all_uses_the_venues_own_call_and_makes_sure() -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.execute(CancelAll(ACCOUNT))
        await settle(2.0)
        asked = [(request.path, dict(request.query).get("s", "")) for _, request in stage.exchange.asked[1:]]
        assert asked == [("/open_orders", ""), ("/cancel_all", "A"), ("/cancel_all", "B"), ("/open_orders", "")]
        assert stage.said() == []

    open_two = ok([order("t1"), order("t2", s="B")])
    trading(act, said={"open_orders": [open_two, ok([])]})


def test_cancel_all_of_an_account_in_one_call_and_of_one_instrument() -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.execute(CancelAll(ACCOUNT))
        await settle(2.0)
        assert stage.exchange.asked[2][1].path == "/cancel_all"
        assert "s" not in dict(stage.exchange.asked[2][1].query)
        stage.exchange.said = {"open_orders": [ok([order("t1")]), ok([])]}
        stage.gateway.execute(CancelAll(ACCOUNT, B.id))
        await settle(2.0)
        queries = [dict(request.query).get("s") for _, request in stage.exchange.asked[4:]]
        assert queries == ["B", "B", "B"]

    trading(act, orders=replace(ORDERS, cancel_all="account"),
            said={"open_orders": [ok([order("t1"), order("t2", s="B")]), ok([])]})  # fmt: skip


def test_orders_of_other_origin_are_left_alone() -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.execute(CancelAll(ACCOUNT))
        await settle(2.0)
        assert stage.exchange.paths()[1:] == ["/open_orders", "/cancel", "/open_orders"]
        assert dict(stage.exchange.asked[2][1].query)["venue_id"] == "vt1"
        assert stage.said() == ["sent cancel t1", "rest t1 cancelled"]

    async def claimed(stage: Stage) -> None:
        stage.orders["#77"] = Order(client_id="#77", venue_id="77", intent=BUY)
        stage.gateway.execute(CancelAll(ACCOUNT))
        await settle(2.0)
        assert stage.exchange.paths()[1:] == ["/open_orders", "/cancel", "/open_orders"]

    nameless = ok([order("", venue_id="77"), order("web9")])
    gone = ok(order("", "cancelled", venue_id="77"))
    trading(claimed, said={"open_orders": [nameless, ok([order("web9")])], "cancel": [gone]},
            owns=lambda _client_id: False)  # fmt: skip
    both, theirs = ok([order("t1"), order("web9")]), ok([order("web9")])
    trading(act, said={"open_orders": [both, theirs], "cancel": [ok(order("t1", "cancelled"))]},
            owns=lambda client_id: client_id.startswith("t"))  # fmt: skip


def test_what_the_venues_own_call_leaves_open_is_cancelled_one_by_one_and_told_where_it_stays() -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.execute(CancelAll(ACCOUNT))
        await settle(120.0)
        assert stage.sent("cancel_all") == [0.05]
        assert len(stage.sent("cancel")) > 5
        failed = [each for each in stage.heard if isinstance(each, Failed) and each.what == "cancel_all"]
        assert [(each.outcome, each.why) for each in failed] == [("unknown", "1 orders are still open")]
        assert ("cancel all", "refused: not now") in stage.problems

    trading(act, said={"open_orders": [ok([order("t1")])], "cancel_all": [ok({"code": "not now"}, 400)],
                       "cancel": [ok({"code": "not now"}, 400)]})  # fmt: skip


def test_cancel_all_goes_on_though_the_venue_cannot_be_asked_for_a_while() -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.execute(CancelAll(ACCOUNT))
        await settle(60.0)
        assert stage.exchange.paths()[-3:] == ["/open_orders", "/cancel", "/open_orders"]

    late: list[Said] = [TimedOut("late")] * 4
    trading(act, said={"open_orders": [*late, ok([order("t1")]), ok([])], "cancel": [ok(order("t1", "cancelled"))]},
            orders=replace(ORDERS, cancel_all=""))  # fmt: skip


def test_a_venues_own_call_in_parts_of_which_one_has_nothing_to_do() -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.execute(CancelAll(ACCOUNT))
        await settle(2.0)
        asked = [dict(request.query) for _, request in stage.exchange.asked if request.path == "/cancel_all"]
        assert [each["part"] for each in asked] == ["plain", "algo"]
        assert ("cancel all", "refused: nothing to cancel") in stage.problems
        assert stage.heard == []

    parts = replace(ORDERS.calls["cancel_all"], parts=("plain", "algo"))
    trading(act, orders=replace(ORDERS, calls={**ORDERS.calls, "cancel_all": parts}),
            said={"open_orders": [ok([order("t1")]), ok([])],
                  "cancel_all": [ok({"code": "nothing to cancel"}, 400), ok([])]})  # fmt: skip


def test_open_orders_that_are_told_an_instrument_at_a_time() -> None:
    async def act(stage: Stage) -> None:
        stage.gateway.execute(CancelAll(ACCOUNT))
        await settle(2.0)
        assert [dict(request.query)["s"] for _, request in stage.exchange.asked[1:]] == ["A", "B"]

    one_by_one = replace(ORDERS.calls["open_orders"], per_instrument=True)
    trading(act, orders=replace(ORDERS, calls={**ORDERS.calls, "open_orders": one_by_one}))
