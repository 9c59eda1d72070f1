"""The choke point, and what an engine hears of its latches."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hand_stage import PERP, START_NS, a_latch, limit

from tapeline.clock import SystemClock
from tapeline.model.order import Intent
from tapeline.sim.loop import run
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Amend, Cancel, CancelAll, Command, Submit
from tapeline.trading.input import Failed, Halted
from tapeline.trading.risk import Approved, Market, RiskState, approve_flatten, check
from tapeline.watch.gate import Gate, Latches

D = Decimal


class Sent:
    def __init__(self) -> None:
        self.commands: list[Command] = []

    def execute(self, command: Command) -> None:
        self.commands.append(command)


def gated(latch: HaltLatch) -> tuple[Gate, Sent, list[Failed]]:
    sent, told = Sent(), list[Failed]()
    gate = Gate(sent, {"main": latch}, account_of=lambda _client_id: "main", clock=SystemClock(), tell=told.append)
    return gate, sent, told


def opening() -> Submit:
    intent: Intent = limit("buy", "2", "100")
    intent = Intent(instrument=PERP.id, side="buy", kind="limit", size=intent.size, price=intent.price, account="main")
    order = check(intent, RiskState(instrument=PERP, market=Market(price=D(100))), [], client_id="t1")
    assert isinstance(order, Approved)
    return Submit(order)


def closing() -> Submit:
    intent = Intent(instrument=PERP.id, side="sell", kind="limit", size=D(1), price=D(99), account="main")
    order = approve_flatten(intent, D(2), client_id="t2")
    assert isinstance(order, Approved)
    return Submit(order)


@pytest.mark.parametrize(
    ("state", "sent"),
    [("running", ["open", "close", "amend"]), ("reduce_only", ["close"]), ("halted", []), ("flattening", ["close"])],
)
def test_what_passes_in_each_state(state: str, sent: list[str]) -> None:
    latch = a_latch()
    latch._clock = SystemClock()
    latch.worsen(state, who="ann", why="a test")
    gate, onward, told = gated(latch)
    commands: dict[str, Command] = {"open": opening(), "close": closing(), "amend": Amend("t1", size=D(1))}
    for command in commands.values():
        gate.execute(command)
    assert onward.commands == [commands[name] for name in sent]
    assert [each.client_id for each in told] == [
        {"open": "t1", "close": "t2", "amend": "t1"}[name] for name in commands if name not in sent
    ]
    if told:
        assert (told[0].outcome, told[0].reason) == ("unsent", "other")
        assert told[0].why == f"account main is {state}, by ann: a test"


def test_cancels_always_pass() -> None:
    latch = a_latch()
    latch._clock = SystemClock()
    latch.worsen("halted", who="ann", why="")
    gate, onward, told = gated(latch)
    gate.execute(Cancel("t1"))
    gate.execute(CancelAll("main"))
    assert (onward.commands, told) == ([Cancel("t1"), CancelAll("main")], [])


def test_another_process_closes_the_gate_between_two_orders() -> None:
    latch = a_latch()
    latch._clock = SystemClock()
    gate, onward, told = gated(latch)
    gate.execute(opening())
    other = HaltLatch("main", "live", {}, SystemClock())
    other._path = latch._path
    other.worsen("halted", who="ann", why="")
    gate.execute(opening())
    assert (len(onward.commands), len(told)) == (1, 1)


# ---- what an engine hears ------------------------------------------------------------------------------------------


def test_an_engine_hears_of_halts_by_itself_and_by_others() -> None:
    async def main() -> list[Halted]:
        told: list[Halted] = []
        one, other = a_latch(), a_latch()
        latches = Latches({"main": one, "second": other}, told.append)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(latches.run(), name="latches")
            await asyncio.sleep(1)
            assert told == []
            latches.worsen("main", "reduce_only", "a limit")
            one.worsen("halted", who="ann", why="by hand")
            await asyncio.sleep(1)
            latches.worsen("", "halted", "overload", "health")
            watching.cancel()
        return told

    told = run(main())
    assert [(each.account, each.state, each.why) for each in told] == [
        ("main", "reduce_only", "engine: a limit"), ("main", "halted", "ann: by hand"),
        ("second", "halted", "health: overload"),
    ]  # fmt: skip
    assert told[0].at_ns == START_NS + 1_000_000_000


def test_a_restart_finds_what_it_left() -> None:
    async def main() -> list[Any]:
        latch, told = a_latch(), list[Halted]()
        latch.worsen("halted", who="ann", why="by hand")
        Latches({"main": latch}, told.append).look()
        return [(each.account, each.state) for each in told]

    assert run(main()) == [("main", "halted")]


def test_a_latch_that_cannot_be_written_halts_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> list[Halted]:
        latch, told = a_latch(), list[Halted]()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(latch, "_replace", full)
        Latches({"main": latch}, told.append).worsen("main", "reduce_only", "a limit")
        return told

    told = run(main())
    assert (told[0].state, "No space left" in told[0].why) == ("halted", True)
