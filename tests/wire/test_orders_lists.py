"""Order lists on the wire: two orders by one request, and what becomes of both where it has no good answer."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from gateway_stage import NOT_FOUND, Stage, approved, trading
from order_stage import BUY, ENTRY, ORDERS, accepting, answer, ok, order, settle

from tapeline.model.order import Intent, Order
from tapeline.trading.command import Cancel, SubmitList

D = Decimal
SELL = Intent(instrument=BUY.instrument, side="sell", kind="limit", size=D(2), price=D(11), account=BUY.account)
STOP = Intent(instrument=BUY.instrument, side="sell", kind="stop", size=D(2), stop_price=D(9), account=BUY.account)
LISTS = replace(
    ORDERS, calls={**ORDERS.calls, "place_list": ORDERS.calls["place"]}, kinds=frozenset({"market", "limit", "stop"})
)
BY_ENTRY = replace(LISTS, entry=replace(ENTRY, calls=ENTRY.calls | {"place_list"}))
BOTH = [order("l1"), order("s1")]


def place(stage: Stage) -> None:
    for name, intent in (("l1", SELL), ("s1", STOP)):
        stage.orders[name] = Order(client_id=name, intent=intent, size=intent.size, price=intent.price)
    stage.gateway.execute(SubmitList("both", (approved("l1", SELL), approved("s1", STOP))))


def test_both_orders_go_by_one_request_under_the_lists_own_name() -> None:
    async def act(stage: Stage) -> None:
        place(stage)
        await settle()
        assert stage.said() == ["sent submit l1", "sent submit s1", "rest l1 open", "rest s1 open"]
        (asked,) = [request for _, request in stage.exchange.asked if request.path == "/place_list"]
        assert dict(asked.query)["id"] == "both"

    trading(act, orders=LISTS, said={"place_list": [ok(BOTH)]})


def test_a_refusal_is_of_both_and_nothing_is_asked() -> None:
    async def act(stage: Stage) -> None:
        place(stage)
        await settle(5.0)
        assert stage.said()[2:] == ["refused submit l1 balance", "refused submit s1 balance"]
        assert stage.sent("order") == []

    trading(act, orders=LISTS, said={"place_list": [ok({"code": "balance"}, 400)]})


def test_where_the_answer_is_lost_each_order_is_asked_for_and_the_list_is_not_sent_again() -> None:
    async def act(stage: Stage) -> None:
        place(stage)
        await settle()
        assert stage.gateway.unknown() == ["l1", "s1"]
        await settle(5.0)
        assert stage.said()[2:] == ["unknown submit l1", "unknown submit s1", "rest l1 open", "rest s1 open"]
        assert len(stage.sent("place_list")) == 1
        assert stage.gateway.unknown() == []

    trading(
        act, orders=LISTS, said={"place_list": [ok({"code": "maybe"}, 500)], "order": [ok(BOTH[0]), ok(BOTH[1])]}
    )  # fmt: skip


def test_a_list_that_never_arrived_is_told_of_each_of_its_orders() -> None:
    async def act(stage: Stage) -> None:
        place(stage)
        await settle(60.0)
        assert stage.said()[4:] == ["rest l1 never_arrived", "rest s1 never_arrived"]

    trading(act, orders=LISTS, said={"place_list": [ok({"code": "maybe"}, 500)], "order": [NOT_FOUND]})


def test_a_cancel_of_either_waits_for_the_list() -> None:
    async def act(stage: Stage) -> None:
        place(stage)
        stage.gateway.execute(Cancel("s1"))
        await settle()
        assert stage.exchange.paths()[-2:] == ["/place_list", "/cancel"]
        assert stage.said()[-2:] == ["rest l1 cancelled", "rest s1 cancelled"], "the venue ends both"

    gone = [order("l1", "cancelled"), order("s1", "cancelled")]
    trading(act, orders=LISTS, said={"place_list": [ok(BOTH)], "cancel": [ok(gone)]})


def test_an_answer_that_comes_late_over_the_connection_settles_both() -> None:
    def mute(script: Any, said: dict[str, Any]) -> None:
        if said["op"] == "login":
            accepting(script, said)

    async def act(stage: Stage) -> None:
        place(stage)
        await settle(5.1)
        script = stage.network.last("entry")
        assert script.sent[1]["op"] == "place_list"
        script.say(answer(script.sent[1], {"code": "balance"}, 400))
        await settle()
        assert stage.said()[-2:] == ["refused submit l1 balance", "refused submit s1 balance"]
        assert stage.gateway.unknown() == []

    trading(act, orders=BY_ENTRY, how={"entry": mute})
