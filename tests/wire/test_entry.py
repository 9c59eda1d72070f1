import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from order_stage import (
    ACCOUNT,
    BUY,
    ENTRY,
    KEY,
    SECOND_NS,
    A,
    Exchange,
    Network,
    accepting,
    answer,
    order,
    settle,
    signed_rest,
    told,
)
from rest_stage import ceilings
from wire_fakes import START_NS, Script, mute

from tapeline.errors import ConnectionLost, OutcomeUnknown, TimedOut, Unsent
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.orders import Answered, OrderAsk
from tapeline.wire.gateway.entry import ANSWER_S, REFUSED_S, Entry


def place(client_id: str) -> OrderAsk:
    return OrderAsk(call="place", account=ACCOUNT, instrument=A, client_id=client_id, intent=BUY)


@dataclass
class Stage:
    exchange: Exchange
    network: Network
    late: list[tuple[str, Answered]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    entry: Entry = None  # type: ignore[assignment]  # made right after

    async def ask(self, client_id: str) -> Answered:
        return await self.entry.ask(place(client_id), lambda: self.sent.append(client_id))

    def script(self) -> Script:
        return self.network.last("entry")


def entering(act: Callable[[Stage], Awaitable[None]], *, how: Any = accepting, declared: Any = ENTRY) -> None:
    async def main() -> None:
        clock = VirtualClock(START_NS)
        stage = Stage(Exchange(clock), Network({"entry": how}))
        stage.entry = Entry(
            declared, "wss://toy/entry", signed_rest(stage.exchange), dial=stage.network.dial, clock=clock,
            delays=ceilings, late=lambda ask, said: stage.late.append((ask.client_id, said)),
            problem=lambda kind, text: stage.problems.append((kind, text)),
        )  # fmt: skip
        task = asyncio.create_task(stage.entry.run())
        await settle()
        await act(stage)
        task.cancel()

    run(main())


def only_login(script: Script, said: dict[str, Any]) -> None:
    if said["op"] == "login":
        accepting(script, said)


def test_it_logs_in_and_answers() -> None:
    async def act(stage: Stage) -> None:
        assert stage.entry.up
        assert stage.entry.takes(place("t1"))
        assert not stage.entry.takes(OrderAsk(call="order"))
        said = await stage.ask("t1")
        assert (said.request_id, said.status) == ("1", 200)
        assert b'"vt1"' in said.body
        assert stage.script().sent[1] == {"op": "place", "id": "1", "order": "t1", "stamp": START_NS + SECOND_NS // 20}
        assert stage.sent == ["t1"]

    entering(act)


def test_what_the_venue_cannot_say_there_goes_another_way() -> None:
    async def act(stage: Stage) -> None:
        assert not stage.entry.takes(place("t1"))
        assert stage.entry.takes(place("u1"))

    entering(act, declared=replace(ENTRY, takes=lambda ask: ask.client_id.startswith("u")))


def test_answers_out_of_order_and_twice_go_where_they_belong() -> None:
    async def act(stage: Stage) -> None:
        first, second = asyncio.create_task(stage.ask("t1")), asyncio.create_task(stage.ask("t2"))
        await settle()
        script = stage.script()
        one, two = script.sent[1:]
        for said in (two, two, one, two):
            script.say(answer(said, order(said["order"])))
        assert ((await first).request_id, (await second).request_id) == ("1", "2")
        assert b'"t1"' in (await first).body
        assert b'"t2"' in (await second).body
        script.say(answer(one, order("t1")))
        script.say(answer({"id": "99"}, {"code": "x"}, 400))
        await settle()
        assert stage.late == []
        assert stage.problems == [("order entry", 'an answer to nothing: b\'{"code": "x"}\'')]

    entering(act, how=only_login)


def test_no_answer_in_time_is_unknown_and_a_late_one_is_told() -> None:
    async def act(stage: Stage) -> None:
        with pytest.raises(OutcomeUnknown, match="no answer within 5 s"):
            await stage.ask("t1")
        assert asyncio.get_running_loop().time() == pytest.approx(0.05 + ANSWER_S)
        script = stage.script()
        script.say(answer(script.sent[1], order("t1")), answer(script.sent[1], order("t1")))
        await settle()
        assert [client_id for client_id, _ in stage.late] == ["t1"]

    entering(act, how=only_login)


def test_a_connection_that_ends_leaves_what_was_sent_unknown_and_comes_back() -> None:
    async def act(stage: Stage) -> None:
        waiting = asyncio.create_task(stage.ask("t1"))
        await settle()
        stage.network.how["entry"] = [ConnectionLost("refused"), accepting]
        stage.script().cut("the cable")
        with pytest.raises(OutcomeUnknown, match="place: the connection ended before the answer: the cable"):
            await waiting
        assert stage.entry.takes(place("t2")) is False
        with pytest.raises(Unsent, match="not open"):
            await stage.ask("t2")
        assert stage.sent == ["t1"]
        await settle(2.0)
        assert (await stage.ask("t3")).request_id == "2"

    entering(act, how=only_login)


def test_a_connection_that_is_cut_as_it_is_written_to() -> None:
    async def act(stage: Stage) -> None:
        def cut(script: Script, _said: dict[str, Any]) -> None:
            script.cut("in the middle")
            raise ConnectionLost("in the middle")

        stage.script().on_send = cut
        with pytest.raises(OutcomeUnknown, match="in the middle"):
            await stage.ask("t1")

    entering(act)


def test_a_caller_that_is_cancelled_leaves_nothing_behind() -> None:
    async def act(stage: Stage) -> None:
        waiting = asyncio.create_task(stage.ask("t1"))
        await settle()
        waiting.cancel()
        await settle()
        assert stage.entry._waiting == {}
        stage.script().say(answer({"id": "1"}, order("t1")))
        await settle()
        assert stage.late == []

    entering(act, how=only_login)


def test_at_its_age_it_is_replaced_once_nothing_waits() -> None:
    async def act(stage: Stage) -> None:
        await settle(99.0)
        waiting = asyncio.create_task(stage.ask("t1"))
        await settle(3.0)
        assert len(stage.network.dialled) == 1
        stage.script().say(answer(stage.script().sent[1], order("t1")))
        await waiting
        await settle(1.0)
        assert len(stage.network.dialled) == 2
        assert stage.entry.up
        assert stage.problems == [("order entry", "the connection reached its age limit")]

    entering(act, how=only_login, declared=replace(ENTRY, life_s=100.0))


def test_a_venue_that_is_about_to_close_it_is_not_waited_for() -> None:
    async def act(stage: Stage) -> None:
        waiting = asyncio.create_task(stage.ask("t1"))
        await settle()
        stage.script().say(told(ending="maintenance"))
        await settle(1.0)
        assert len(stage.network.dialled) == 1, "an answer is waited for"
        stage.script().say(answer(stage.script().sent[1], order("t1")))
        await waiting
        await settle(2.0)
        assert len(stage.network.dialled) == 2
        assert stage.problems == [("order entry", "the venue is about to close it: maintenance")]

    entering(act, how=only_login)


def test_a_login_that_is_refused_is_not_tried_again_soon() -> None:
    def refusing(script: Script, said: dict[str, Any]) -> None:
        script.say(answer(said, {"code": "key"}, 401))

    async def act(stage: Stage) -> None:
        await settle(REFUSED_S)
        assert [at for at, _ in stage.network.dialled] == [0.0, REFUSED_S]
        assert not stage.entry.up
        assert KEY not in repr(stage.problems)

    entering(act, how=refusing)


def test_a_login_that_nobody_answers_and_a_clock_that_cannot_be_read() -> None:
    async def act(stage: Stage) -> None:
        await settle(11.0)
        assert len(stage.network.dialled) == 2
        assert not stage.entry.up
        stage.script().say(b"{")
        await settle()
        assert stage.problems[-1][1].startswith("a frame could not be read")

    entering(act, how=mute)

    async def unread(stage: Stage) -> None:
        stage.exchange.said["time"] = [TimedOut("late")]
        stage.script().cut()
        await settle(1.0)
        assert stage.entry.up  # the old reading serves

    entering(unread)
