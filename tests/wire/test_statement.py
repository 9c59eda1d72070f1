import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from order_stage import ACCOUNT, BUY, KNOWN, ORDERS, SECOND_NS, TOY, Exchange, Said, ok, order, signed_rest
from wire_fakes import START_NS

from tapeline.errors import OrderRefused, Unsent
from tapeline.model.account import AccountMode
from tapeline.model.order import Order
from tapeline.sim.loop import VirtualClock, run
from tapeline.trading.reconcile import Statement
from tapeline.venues.orders import OrderAsk, OrderCall, Orders
from tapeline.venues.spec import Request
from tapeline.wire.statement import StatementReader

DAY_S = 86_400.0


def _build(ask: OrderAsk) -> Request:
    """Everything of the question, to be looked at."""
    named = {
        "s": ask.instrument.native if ask.instrument else "", "id": ask.client_id, "number": ask.venue_id,
        "after": ask.from_id,
        "from": "" if ask.from_ns is None else str((ask.from_ns - START_NS) // SECOND_NS),
        "to": "" if ask.to_ns is None else str((ask.to_ns - START_NS) // SECOND_NS),
    }  # fmt: skip
    return Request("GET", f"/{ask.call}", tuple((name, value) for name, value in named.items() if value))


def with_calls(**calls: OrderCall | None) -> Orders:
    kept = {name: replace(call, build=_build) for name, call in ORDERS.calls.items()}
    kept |= {name: replace(call, build=_build) for name, call in calls.items() if call is not None}
    return replace(ORDERS, calls={name: call for name, call in kept.items() if calls.get(name, call) is not None})


def reading(
    act: Callable[[StatementReader, Exchange], Awaitable[None]], orders: Orders,
    said: dict[str, list[Said]] | None = None,
) -> None:  # fmt: skip
    async def main() -> None:
        exchange = Exchange(VirtualClock(START_NS), said or {})
        rest = signed_rest(exchange, venue=TOY, orders=orders)
        await act(StatementReader(ACCOUNT, orders, rest, KNOWN), exchange)

    run(main())


def asked(exchange: Exchange, call: str) -> list[dict[str, str]]:
    hidden = {"stamp", "signature"}
    return [
        {name: value for name, value in request.query if name not in hidden}
        for _, request in exchange.asked
        if request.path == "/" + call
    ]


def fill(number: int, native: str = "A") -> dict[str, Any]:
    return {"fill": {"id": str(number), "client_id": "t1", "venue_id": "v", "side": "buy", "price": "1", "size": "1",
                     "s": native}}  # fmt: skip


def test_a_statement_holds_all_that_there_is_and_asks_for_fills_last() -> None:
    async def act(reader: StatementReader, exchange: Exchange) -> None:
        await asyncio.sleep(5.0)
        said = await reader.read(since_ns=START_NS, look_up=[Order(client_id="t2", intent=BUY)], reasons={"X": ["fee"]})
        assert isinstance(said, Statement)
        assert (said.account, said.at_ns) == (ACCOUNT, START_NS + 5 * SECOND_NS)
        assert [each.client_id for each in said.orders] == ["t1", "t2"]
        assert [each.id for each in said.fills] == ["7"]
        assert (said.balances, said.positions, said.reasons) == ([], [], {"X": ["fee"]})
        assert exchange.paths() == [
            "/time", "/open_orders", "/order", "/balances", "/positions", "/payments", "/fills",
        ]  # fmt: skip
        assert asked(exchange, "fills") == [{"from": "-10"}]

    reading(act, with_calls(), {"open_orders": [ok([order("t1")])], "order": [ok(order("t2", "filled"))],
                                "fills": [ok([fill(7)])]})  # fmt: skip


def test_what_happens_while_it_asks_is_stamped_later_than_it() -> None:
    async def act(reader: StatementReader, exchange: Exchange) -> None:
        exchange.takes_s = 1.0
        said = await reader.read(since_ns=START_NS)
        assert said.at_ns == START_NS + SECOND_NS, "not the likeliest time, which is half the round trip further"

    reading(act, with_calls())


def test_how_a_derivatives_account_is_set_up_is_asked() -> None:
    mode = AccountMode(None, "account", None, 1, "rest", ACCOUNT, hedge=True)
    asks = replace(ORDERS.calls["balances"], parse=lambda *_: [mode])

    async def act(reader: StatementReader, exchange: Exchange) -> None:
        said = await reader.read(since_ns=START_NS)
        assert said.mode == (mode if "/mode" in exchange.paths() else None)
        modes.append(said.mode)

    modes: list[AccountMode | None] = []
    for orders in (replace(with_calls(mode=asks), derivatives=True), with_calls(mode=asks), with_calls()):
        reading(act, orders)
    assert modes == [mode, None, None], "on spot there is one mode only"


def test_what_the_venue_has_no_call_for_is_left_out() -> None:
    async def act(reader: StatementReader, exchange: Exchange) -> None:
        said = await reader.read(since_ns=START_NS)
        assert (said.balances, said.positions, said.payments) == (None, None, [])
        assert exchange.paths() == ["/time", "/open_orders", "/fills"]

    reading(act, with_calls(balances=None, positions=None, payments=None))


def test_histories_an_instrument_and_a_window_at_a_time_or_after_the_newest_known() -> None:
    fills = replace(ORDERS.calls["fills"], per_instrument=True, window_s=DAY_S)

    async def act(reader: StatementReader, exchange: Exchange) -> None:
        await asyncio.sleep(1.5 * DAY_S)
        said = await reader.read(since_ns=START_NS, last_fill={"toy:B/X": "41"})
        turn, end = "86390", str(round(1.5 * DAY_S) + 60)
        assert asked(exchange, "fills") == [
            {"s": "A", "from": "-10", "to": turn}, {"s": "A", "from": turn, "to": end}, {"s": "B", "after": "41"},
        ]  # fmt: skip
        assert [each.id for each in said.fills] == ["1", "2", "42"]

    reading(act, with_calls(fills=fills), {"fills": [ok([fill(1)]), ok([fill(2)]), ok([fill(42, "B")])]})


def test_what_is_older_than_a_list_keeps_is_in_another_one() -> None:
    fills = replace(ORDERS.calls["fills"], keeps_s=3 * DAY_S)
    orders = with_calls(fills=fills, older_fills=ORDERS.calls["fills"])

    async def act(reader: StatementReader, exchange: Exchange) -> None:
        await asyncio.sleep(2 * DAY_S)
        await reader.read(since_ns=START_NS)
        assert exchange.paths()[-1] == "/fills"
        await asyncio.sleep(2 * DAY_S)
        await reader.read(since_ns=START_NS)
        assert exchange.paths()[-1] == "/older_fills"

    reading(act, orders)


def test_an_order_the_venue_does_not_know_is_left_out_and_another_refusal_is_told() -> None:
    async def act(reader: StatementReader, exchange: Exchange) -> None:
        orders = [Order(client_id="t2", intent=BUY)]
        assert (await reader.read(since_ns=START_NS, look_up=orders)).orders == []
        exchange.said["order"] = [ok({"code": "not now"}, 400)]
        with pytest.raises(OrderRefused, match="not now"):
            await reader.read(since_ns=START_NS, look_up=orders)

    reading(act, with_calls(), {"order": [ok({"code": "unknown"}, 400)]})


def test_without_the_venues_clock_there_is_no_statement() -> None:
    async def act(reader: StatementReader, _exchange: Exchange) -> None:
        with pytest.raises(Unsent):
            await reader.read(since_ns=START_NS)

    reading(act, with_calls(), {"time": [ok({"code": "busy", "msg": "x"})]})


def sold(number: int, venue_id: str, **more: str) -> dict[str, Any]:
    return {"fill": fill(number)["fill"] | {"client_id": "", "venue_id": venue_id, "side": "sell"} | more}


def test_orders_of_sales_that_a_list_names_by_number_only_are_asked_for() -> None:
    fills = [sold(1, "11"), sold(2, "11"), sold(3, "12"), sold(4, "13", side="buy"), sold(5, "14", client_id="web1"),
             sold(6, "15")]  # fmt: skip

    async def act(reader: StatementReader, exchange: Exchange) -> None:
        said = await reader.read(since_ns=START_NS, knows=lambda each: each.venue_id == "15")
        assert len(said.fills) == 6
        assert [each.client_id for each in said.orders] == ["f123456789n1"], "of the other one it knows nothing"
        assert asked(exchange, "order") == [{"s": "A", "number": "11"}, {"s": "A", "number": "12"}]
        exchange.asked.clear()
        assert (await reader.read(since_ns=START_NS)).orders == []
        assert asked(exchange, "order") == [], "whoever says nothing of them knows them all"

    gone = ok({"code": "unknown"}, 400)
    reading(act, with_calls(), {"order": [ok(order("f123456789n1", "filled")), gone],
                                "fills": [ok(fills), ok(fills)]})  # fmt: skip


def test_no_more_orders_are_asked_for_by_number_than_a_budget_bears() -> None:
    async def act(reader: StatementReader, exchange: Exchange) -> None:
        await reader.read(since_ns=START_NS, knows=lambda _: False)
        assert [each["number"] for each in asked(exchange, "order")] == [str(number) for number in range(5, 25)]

    orders: list[Said] = [ok(order(f"web{number}", "filled")) for number in range(20)]
    reading(act, with_calls(), {"order": orders, "fills": [ok([sold(number, str(number)) for number in range(25)])]})
