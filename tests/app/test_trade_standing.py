"""How an account stands when a run begins: what a stop closed while no engine ran is closed for strategies, too."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from engine_fixtures import PERP, Bench
from tapeline.app.trade.gate import Gate
from tapeline.app.trade.standing import Standing
from tapeline.app.trade.status import left_by_others
from tapeline.model.account import Fill
from tapeline.store.latch import HaltLatch
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.client_ids import slice_id
from tapeline.trading.input import Halted
from tapeline.trading.orders import Blotter
from tapeline.trading.restore import Restored
from tapeline.trading.strategy import Strategy

D = Decimal
BEGUN_NS = 100


def traded(number: int, side: str, size: str, client_id: str = "t1", at_ns: int = 1) -> Fill:
    return Fill(
        PERP.id, "fills", at_ns, at_ns, "ws", "main", id=str(number), client_id=client_id, venue_id=str(number),
        side=side, price=D(100), size=D(size), fee=D(0), fee_currency="USDT",
    )  # fmt: skip


class Stage:
    """Strategies hold 2 and -2 of an account that holds nothing; a run began at 100 and has ended."""

    def __init__(self, folder: Path, *, told: tuple[str, int] = ("", 0), begun_ns: int = BEGUN_NS) -> None:
        self.at_ns = 200
        clock = cast("Any", SimpleNamespace(wall_ns=lambda: self.at_ns, now=lambda: 0.0))
        self.latch = HaltLatch("main", "live", {"XDG_STATE_HOME": str(folder)}, clock)
        self.ledger = Ledger()
        self.ledger.apply(traded(1, "buy", "2"), PERP, "one")
        self.ledger.apply(traded(2, "sell", "2"), PERP, "two")
        state, at_ns = told
        restored = Restored(
            Blotter("test"), self.ledger, begun_ns=begun_ns, halts={"main": state} if state else {},
            halted_ns={"main": at_ns} if state else {},
        )  # fmt: skip
        if state:
            self.ledger.stand("main", state, {})
        self.engine = Bench(Strategy(name="one"), Strategy(name="two"), ledger=self.ledger).engine
        latch = HaltLatch("main", "live", {"XDG_STATE_HOME": str(folder)}, clock)
        gate = Gate(cast("Any", None), latch, clock=clock, tell=lambda _: None)
        self.written: list[Halted] = []
        self.standing = Standing(
            self.engine, {"main": gate}, restored, write=self.written.append, now_ns=lambda: self.at_ns
        )  # fmt: skip

    def flattened(self) -> None:
        self.latch.worsen("flattening", who="ann", why="enough")
        self.latch.worsen("flat", who="flattener", why="verified with the venue")

    def resumed(self, state: str = "running") -> None:
        self.at_ns += 10
        self.latch.resume(state, who="ann", why="it was nothing")
        self.at_ns += 10

    def held(self) -> dict[str | None, Decimal]:
        return {name: self.ledger.holding("main", PERP.id, strategy=name).size for name in (None, "one", "two", "")}

    def told(self) -> list[tuple[str, str]]:
        return [(each.state, each.why) for each in self.written]


HELD = {None: D(0), "one": D(2), "two": D(-2), "": D(0)}
NOTHING = dict.fromkeys(HELD, D(0))
FLAT = ("flat", "as the latch stood while no engine ran")


def test_strategies_hold_nothing_of_what_was_closed_and_resumed_while_no_engine_ran(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.flattened()
    stage.resumed()
    stage.standing.begin()
    assert (stage.told(), stage.engine.halt("main"), stage.held()) == ([FLAT], "flat", NOTHING)
    stage.standing.compared("main")
    assert stage.told() == [FLAT, ("running", "ann: it was nothing")]
    assert stage.engine.halt("main") == "running"
    stage.standing.compared("main")
    assert len(stage.written) == 2, "once is enough"


@pytest.mark.parametrize("late", [True, False])
def test_the_stops_own_fills_come_before_the_account_goes_on(tmp_path: Path, late: bool) -> None:
    """It held 1 more, of a strategy; what closed that is told by the first comparison."""
    stage = Stage(tmp_path, told=("flat", 150) if late else ("", 0))
    stage.ledger.apply(traded(3, "buy", "1", "t3"), PERP, "one")
    stage.flattened()
    stage.resumed()
    stage.standing.begin()
    assert stage.held() == HELD | {None: D(1), "one": D(1 if late else 3), "two": D(0 if late else -2)}
    stage.ledger.apply(traded(4, "sell", "0.5", slice_id(190, 1), 190), PERP, "", stopped=True)
    stage.ledger.apply(traded(5, "sell", "0.5", slice_id(190, 2), 190), PERP, "", stopped=True)
    stage.standing.compared("main")
    assert (stage.held(), stage.engine.halt("main")) == (NOTHING, "running")


def test_what_a_run_has_heard_or_was_before_the_first_is_not_told_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, told=("running", 205))
    stage.flattened()
    stage.resumed()
    stage.standing.begin()
    stage.standing.compared("main")
    assert (stage.written, stage.held()) == ([], HELD), (
        "the run that heard of it has closed them, and they traded since"
    )
    first = Stage(tmp_path, begun_ns=0)
    first.standing.begin()
    assert (first.written, first.held()) == ([], HELD)
    new = Stage(tmp_path, begun_ns=201)
    new.standing.begin()
    assert (new.written, new.held()) == ([], HELD)


@pytest.mark.parametrize(("known", "told"), [("running", []), ("halted", ["running"])])
def test_an_account_that_runs_is_told_where_the_journal_has_it_otherwise(
    tmp_path: Path, known: str, told: list[str]
) -> None:
    stage = Stage(tmp_path, told=(known, 150))
    stage.standing.begin()
    assert [each.state for each in stage.written] == told
    assert stage.held() == HELD


@pytest.mark.parametrize("state", ["reduce_only", "halted", "flattening"])
def test_any_other_state_is_told_as_it_is(tmp_path: Path, state: str) -> None:
    stage = Stage(tmp_path, told=(state, 150))
    stage.latch.worsen(state, who="ann", why="enough")
    stage.standing.begin()
    stage.standing.compared("main")
    assert stage.told() == [(state, "as the latch stood at the start")]
    assert (stage.engine.halt("main"), stage.held()) == (state, HELD)


def test_an_account_that_is_flat_still_stays_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.flattened()
    stage.standing.begin()
    stage.standing.compared("main")
    assert stage.told() == [("flat", "as the latch stood at the start")]
    assert (stage.engine.halt("main"), stage.held()) == ("flat", NOTHING)


def test_one_that_is_closed_once_more_is_closed_again(tmp_path: Path) -> None:
    stage = Stage(tmp_path, told=("flat", 150))
    stage.flattened()
    stage.latch.worsen("flattening", who="ann", why="to be sure")
    stage.standing.begin()
    assert [each.state for each in stage.written] == ["flattening"]


def test_a_resume_to_less_is_told_as_that_and_a_change_meanwhile_counts(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.flattened()
    stage.resumed("reduce_only")
    stage.standing.begin()
    stage.standing.compared("main")
    assert [each.state for each in stage.written] == ["flat", "reduce_only"]

    other = Stage(tmp_path / "other")
    other.flattened()
    other.resumed()
    other.standing.begin()
    other.engine.stands(Halted("main", "halted", "ann: no", 240))  # its gate has told it
    other.standing.compared("main")
    assert [each.state for each in other.written] == ["flat"]
    assert other.engine.halt("main") == "halted"


def test_what_is_told_is_stamped_no_earlier_than_the_latch(tmp_path: Path) -> None:
    """Our clock was set back since: else the next run would take it for something that nobody has heard."""
    stage = Stage(tmp_path)
    stage.at_ns = 5000
    stage.flattened()
    stage.resumed()
    stage.at_ns = 300
    stage.standing.begin()
    stage.standing.compared("main")
    assert [each.at_ns for each in stage.written] == [5010, 5010]


def test_what_a_strategy_of_another_run_holds_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.ledger.apply(traded(3, "buy", "0.5"), PERP, "before")
    stage.ledger.apply(traded(4, "buy", "3"), PERP, "closed")
    stage.ledger.apply(traded(5, "sell", "3"), PERP, "closed")
    stage.ledger.apply(traded(6, "buy", "9"), PERP, "")
    held = {"before": {f"main {PERP.id} net": "0.5"}}
    assert left_by_others(stage.engine) == held
    with capture_logs() as said:
        stage.standing.begin()
    assert said[0] == {
        "event": "held by a strategy that is not in this run", "log_level": "warning", "strategy": "before",
        "positions": held["before"],
    }  # fmt: skip
