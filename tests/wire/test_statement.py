import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from order_stage import ACCOUNT, BUY, KNOWN, ORDERS, SECOND_NS, TOY, Exchange, Said, ok, order, signed_rest
from wire_fakes import START_NS

from tapeline.errors import OrderRefused, RateLimited, Unsent
from tapeline.model.account import AccountMode
from tapeline.model.order import Order
from tapeline.sim.loop import VirtualClock, run
from tapeline.trading.reconcile import Statement
from tapeline.venues.orders import OrderAsk, OrderCall, Orders
from tapeline.venues.spec import Priority, Request
from tapeline.wire.gateway.statement import StatementReader
from tapeline.wire.pipe import Response
from tapeline.wire.private.signed import SignedRest

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


def test_orders_that_a_list_of_fills_names_by_number_only_are_asked_for() -> None:
    fills = [sold(1, "11"), sold(2, "11"), sold(3, "12"), sold(4, "13", side="buy"), sold(5, "14", client_id="web1"),
             sold(6, "15")]  # fmt: skip

    async def act(reader: StatementReader, exchange: Exchange) -> None:
        said = await reader.read(since_ns=START_NS, knows=lambda each: each.venue_id == "15")
        assert len(said.fills) == 6
        assert [each.client_id for each in said.orders] == ["f123456789n1"], "of the other one it knows nothing"
        assert asked(exchange, "order") == [{"s": "A", "number": "11"}, {"s": "A", "number": "12"},
                                            {"s": "A", "number": "13"}]  # fmt: skip
        exchange.asked.clear()
        assert (await reader.read(since_ns=START_NS)).orders == []
        assert asked(exchange, "order") == [], "whoever says nothing of them knows them all"

    gone = ok({"code": "unknown"}, 400)
    reading(act, with_calls(), {"order": [ok(order("f123456789n1", "filled")), gone, gone],
                                "fills": [ok(fills), ok(fills)]})  # fmt: skip


NUMBERS = [str(number) for number in range(45)]


def orders_and_fills() -> dict[str, list[Said]]:
    async def one(request: Request) -> Response:
        return ok(order(f"web{dict(request.query)['number']}", "filled"))

    return {"order": [one], "fills": [ok([sold(number, str(number)) for number in range(45)])]}


def test_orders_are_asked_for_until_all_fills_have_a_name_however_many_there_are() -> None:
    async def act(reader: StatementReader, exchange: Exchange) -> None:
        said = await reader.read(since_ns=START_NS, knows=lambda _: False)
        assert [each.client_id for each in said.orders] == [f"web{number}" for number in NUMBERS]
        assert [each["number"] for each in asked(exchange, "order")] == NUMBERS
        exchange.asked.clear()
        again = await reader.read(since_ns=START_NS, knows=lambda _: False)
        assert again.orders == said.orders
        assert [each["number"] for each in asked(exchange, "order")] == NUMBERS[25:], "what was long over is not news"
        await reader.read(since_ns=START_NS)
        exchange.asked.clear()
        await reader.read(since_ns=START_NS, knows=lambda _: False)
        assert [each["number"] for each in asked(exchange, "order")] == NUMBERS, "nor is it kept longer than needed"

    reading(act, with_calls(), orders_and_fills())


def test_asking_for_many_orders_goes_on_where_the_venue_broke_it_off() -> None:
    said = orders_and_fills()
    answer = said["order"][0]
    left = 10

    async def one(request: Request) -> Response:
        nonlocal left
        left -= 1
        assert callable(answer)
        return await answer(request) if left >= 0 else ok({"code": "busy", "after_s": 300.0})

    async def act(reader: StatementReader, exchange: Exchange) -> None:
        nonlocal left
        with pytest.raises(RateLimited):
            await reader.read(since_ns=START_NS, knows=lambda _: False)
        await asyncio.sleep(301.0)
        left = 100
        exchange.asked.clear()
        found = await reader.read(since_ns=START_NS, knows=lambda _: False)
        assert [each.client_id for each in found.orders] == [f"web{number}" for number in NUMBERS]
        assert [each["number"] for each in asked(exchange, "order")] == NUMBERS[10:]

    reading(act, with_calls(), said | {"order": [one]})


def test_an_order_that_is_not_over_yet_or_cannot_be_found_is_no_less_asked_for() -> None:
    async def one(request: Request) -> Response:
        number = dict(request.query)["number"]
        states = {"0": ok(order("web0", "open")), "1": ok({"code": "unknown"}, 400)}
        return states.get(number) or ok(order(f"web{number}", "filled"))

    async def act(reader: StatementReader, exchange: Exchange) -> None:
        said = await reader.read(since_ns=START_NS, knows=lambda _: False)
        assert [each.client_id for each in said.orders] == [f"web{number}" for number in NUMBERS if number != "1"]
        exchange.asked.clear()
        await reader.read(since_ns=START_NS, knows=lambda _: False)
        assert [each["number"] for each in asked(exchange, "order")] == ["0", *NUMBERS[25:]]

    reading(act, with_calls(), orders_and_fills() | {"order": [one]})


def test_many_old_orders_are_asked_for_behind_what_waits_to_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    asks: list[Priority] = []
    real = SignedRest.call

    async def call(self: SignedRest, ask: OrderAsk, ids: Any, **more: Any) -> Any:
        asks.append(more["priority"])
        return await real(self, ask, ids, **more)

    monkeypatch.setattr(SignedRest, "call", call)

    async def act(reader: StatementReader, _exchange: Exchange) -> None:
        await reader.read(since_ns=START_NS, knows=lambda _: False)

    reading(act, with_calls(), orders_and_fills())
    assert asks == [Priority.REPAIRS] * 25 + [Priority.ORDERS] * 20
