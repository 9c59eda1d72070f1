"""The choke point: what passes in each state of the latch, and what an engine hears of it."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.trade.gate import Gate
from tapeline.clock import SystemClock
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Amend, Cancel, CancelAll, Command, Submit, SubmitList
from tapeline.trading.input import Failed, Halted
from tapeline.trading.risk.check import Approved, Market, RiskState, approve_flatten, check

D = Decimal
PERP = Instrument(
    venue="toy", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT"
)


class Sent:
    def __init__(self) -> None:
        self.commands: list[Command] = []

    def execute(self, command: Command) -> None:
        self.commands.append(command)


class Stage:
    def __init__(self, folder: Path) -> None:
        self.environ = {"XDG_STATE_HOME": str(folder)}
        self.latch = self.another()
        self.sent, self.told, self.why = Sent(), list[Any](), ""
        self.gate = Gate(self.sent, self.latch, clock=SystemClock(), tell=self.told.append, hold=lambda: self.why)

    def another(self) -> HaltLatch:
        """As another process has it."""
        return HaltLatch("main", "live", self.environ, SystemClock())


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def opening() -> Submit:
    intent = Intent(instrument=PERP.id, side="buy", kind="limit", size=D(2), price=D(100), account="main")
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
    [("running", ["open", "close", "amend"]), ("reduce_only", ["close"]), ("halted", []), ("flattening", [])],
)
def test_what_passes_in_each_state(stage: Stage, state: str, sent: list[str]) -> None:
    stage.another().worsen(state, who="ann", why="a test")
    commands: dict[str, Command] = {"open": opening(), "close": closing(), "amend": Amend("t1", size=D(1))}
    for command in commands.values():
        stage.gate.execute(command)
    passed = [each for each in stage.sent.commands if not isinstance(each, CancelAll)]
    assert passed == [commands[name] for name in sent]
    failed = [(each.client_id, each.what, each.outcome) for each in stage.told if isinstance(each, Failed)]
    names = {"open": ("t1", "submit"), "close": ("t2", "submit"), "amend": ("t1", "amend")}
    assert failed == [(*names[name], "unsent") for name in commands if name not in sent]


def test_a_list_passes_where_both_of_its_orders_close_and_each_is_told_where_it_does_not(stage: Stage) -> None:
    stage.why = "the books are not compared yet"
    mixed = SubmitList("both", (opening().order, closing().order))
    stage.gate.execute(mixed)
    assert [(each.client_id, each.what, each.outcome) for each in stage.told if isinstance(each, Failed)] == [
        ("t1", "submit", "unsent"), ("t2", "submit", "unsent"),
    ]  # fmt: skip
    closes = SubmitList("both", (closing().order,))
    stage.gate.execute(closes)
    assert stage.sent.commands == [closes]


def test_cancels_always_pass(stage: Stage) -> None:
    stage.another().worsen("halted", who="ann", why="")
    stage.gate.execute(Cancel("t1"))
    assert stage.sent.commands == [Cancel("t1")]


def test_another_process_closes_the_gate_between_two_orders_and_everything_is_cancelled_at_once(stage: Stage) -> None:
    stage.gate.execute(opening())
    stage.another().worsen("halted", who="ann", why="by hand")
    stage.gate.execute(opening())
    assert stage.sent.commands == [opening(), CancelAll("main")]
    refused, halted = stage.told
    assert refused.why == "the account is halted: nothing but cancels passes"
    assert (halted.account, halted.state, halted.why) == ("main", "halted", "ann: by hand")
    assert (stage.gate.state, stage.gate.latched) == ("halted", "halted")


def test_a_moments_hold_keeps_what_opens_and_cancels_nothing(stage: Stage) -> None:
    stage.why = "the books are not compared yet"
    assert (stage.gate.state, stage.gate.latched) == ("reduce_only", "running")
    stage.gate.execute(opening())
    stage.gate.execute(closing())
    assert stage.sent.commands == [closing()]
    assert stage.told[0].why == "the account is reduce_only: the books are not compared yet"


def test_the_engine_hears_of_its_own_halt_and_of_others(stage: Stage) -> None:
    async def main() -> None:
        watching = asyncio.create_task(stage.gate.watch(), name="watch")
        await stage.gate.halt("reduce_only", "a limit", "risk")
        stage.another().worsen("halted", who="ann", why="by hand")
        async with asyncio.timeout(30):
            while len(stage.told) < 2:  # noqa: ASYNC110  # it looks now and then
                await asyncio.sleep(0.05)
        watching.cancel()

    asyncio.run(main())
    assert [(each.state, each.why) for each in stage.told] == [
        ("reduce_only", "risk: a limit"),
        ("halted", "ann: by hand"),
    ]


def test_a_latch_that_cannot_be_written_halts_this_engine(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage.latch, "_replace", full)
    asyncio.run(stage.gate.halt("halted", "a limit", "risk"))
    halted = stage.told[0]
    assert isinstance(halted, Halted)
    assert (halted.state, "No space left" in halted.why) == ("halted", True)
