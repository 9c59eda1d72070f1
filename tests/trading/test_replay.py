"""A recording played again: the same, or the first difference."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from test_recorded import NEWS, Buys

from engine_fixtures import BTC, PERP, SECOND, D
from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.event import Trade
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.engine import Engine
from tapeline.trading.input import Halted, Operator
from tapeline.trading.orders import Blotter
from tapeline.trading.reconcile import Reconciliation, settle
from tapeline.trading.recorded import Line, RecordedEngine, Taken, decode
from tapeline.trading.replay import Replay
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy

SETUP = Setup(
    accounts={"main": Account(name="main", venue="sim")}, instruments={BTC.id: BTC, PERP.id: PERP}
)  # fmt: skip


class Recording:
    """An engine, and the lines that a recording of it would have."""

    def __init__(self, strategy: Strategy) -> None:
        self.lines: list[bytes] = []
        self.engine = RecordedEngine(SETUP, [strategy], take=self.take, blotter=Blotter("test"), ledger=Ledger())

    def take(self, *line: Any) -> None:
        self.lines.append(msgspec.json.encode(Line(len(self.lines) + 1, *line)))

    def end(self, digest: str | None = None) -> None:
        last = Line(
            len(self.lines) + 1, "end", 9, why="stopped", digest=self.engine.digest if digest is None else digest
        )
        self.lines.append(msgspec.json.encode(last))

    def taken(self) -> Sequence[Taken]:
        return [decode(line) for line in self.lines]


def recorded(strategy: Strategy | None = None) -> Recording:
    """An order that is taken, halted, partly filled and put right by the venue's figure; then the end."""
    made = Recording(strategy or Buys())
    engine = made.engine
    engine.start(SECOND)
    engine.step(NEWS, 2 * SECOND)
    client_id = engine.situation.blotter.live()[0].client_id
    engine.step(
        OrderUpdate(BTC.id, "orders", 3, 3, "ws", "main", client_id=client_id, venue_id="v", state="open", side="buy",
                    kind="limit", size=D(1), filled=D("0.5")), 3 * SECOND,
    )  # fmt: skip
    adjustments = (
        Adjustment(account="main", ours=D(0), theirs=D(10), why="", explained=False, at_ns=4, currency="USDT"),
        Adjustment(account="main", ours=D(0), theirs=D(2), why="", explained=False, at_ns=4, instrument=PERP.id,
                   price=D(90)),
    )  # fmt: skip
    found = Reconciliation(account="main", at_ns=4, events=(), adjustments=adjustments)
    situation = engine.situation
    for record in settle(found, situation.blotter, situation.ledger, SETUP.instruments, 4 * SECOND):
        engine.beside(record, 4 * SECOND)
    situation.halts["main"] = "reduce_only"
    engine.beside(Halted("main", "reduce_only", "as it stood", 4), 4 * SECOND)
    engine.step(Operator("pause", "main", "ann", "enough", 5, "Buys"), 5 * SECOND)
    engine.stop(6 * SECOND)
    return made


def player(strategy: Strategy | None = None) -> Replay:
    engine = Engine(SETUP, [strategy or Buys()], blotter=Blotter("test"), ledger=Ledger())
    return Replay(engine, SETUP.instruments)


def test_the_same_inputs_give_the_same_commands_and_the_same_books() -> None:
    made = recorded()
    made.end()
    again = player()
    found = again.play(made.taken())
    assert found.difference is None
    assert (found.inputs, found.ended, found.digest) == (9, "stopped", made.engine.digest)
    assert found.commands >= 3
    then, now = made.engine.situation, again.engine.situation
    assert now.ledger.balances("main") == then.ledger.balances("main") == {"USDT": D(10)}
    assert now.ledger.holdings("main") == then.ledger.holdings("main")
    assert now.ledger.agreed_ns("main") == 4
    assert now.halts == then.halts == {"main": "reduce_only"}
    assert [msgspec.json.encode(each) for each in now.blotter.live()] == [
        msgspec.json.encode(each) for each in then.blotter.live()
    ]


class Higher(Buys):
    """The same strategy, but for its price."""

    name = "Buys"

    def on_trade(self, trade: Trade) -> None:
        if not self.orders():
            self.buy(BTC.id, "1", price=trade.price + 1)


def test_the_first_difference_is_told_with_both_commands() -> None:
    found = player(Higher()).play(recorded().taken())
    difference = found.difference
    assert difference is not None
    assert (difference.number, difference.at_ns, found.inputs) == (2, 2 * SECOND, 2)
    assert difference.about.startswith('step {"type":"trade","instrument":"sim:BTC/USDT"')
    assert '"price":"100.10"' in difference.recorded
    assert '"price":"101.10"' in difference.replayed


@pytest.mark.parametrize(
    ("change", "recorded_text", "replayed_text"),
    [
        (lambda taken: msgspec.structs.replace(taken, raised="KeyError('x')"), "KeyError('x')", "[{"),
        (lambda taken: msgspec.structs.replace(taken, commands=msgspec.Raw(b"[]")), "[]", '[{"type":"submit"'),
    ],
)
def test_a_failure_that_does_not_come_again_and_commands_that_were_none(
    change: Callable[[Taken], Taken], recorded_text: str, replayed_text: str
) -> None:
    inputs = recorded().taken()
    difference = player().play([inputs[0], change(inputs[1])]).difference
    assert difference is not None
    assert difference.recorded == recorded_text
    assert difference.replayed.startswith(replayed_text)


def test_a_failure_of_ours_that_comes_again_is_the_same() -> None:
    inputs = recorded().taken()
    fill = Fill("sim:NONE/USDT", "fills", 3, 3, "ws", "main", id="1", client_id="t", venue_id="v", side="buy",
                price=D(1), size=D(1))  # fmt: skip
    again = player()
    again.engine.situation.known = None  # type: ignore[assignment, method-assign]  # so that any order fails

    def broken(_event: object) -> None:
        raise RuntimeError("a bug of ours")

    again.engine._takes[Fill] = broken
    failed = Taken(number=2, do="step", at_ns=SECOND, about=fill, raised="RuntimeError('a bug of ours')")
    assert again.play([inputs[0], failed]).difference is None
    other = msgspec.structs.replace(failed, raised="")
    difference = again.play([other]).difference
    assert difference is not None
    assert (difference.recorded, difference.replayed) == ("[]", "RuntimeError('a bug of ours')")


def test_another_digest_at_the_end_is_a_difference_and_none_is_not() -> None:
    made = recorded()
    made.end("of another run")
    difference = player().play(made.taken()).difference
    assert difference is not None
    assert (difference.about, difference.recorded) == ("end", "of another run")
    cut = recorded()
    cut.end("")
    found = player().play(cut.taken())
    assert (found.difference, found.ended) == (None, "stopped")


def test_a_recording_that_is_torn_is_played_as_far_as_it_goes_and_progress_is_told() -> None:
    inputs = recorded().taken()
    found = player().play(inputs[:3])
    assert (found.inputs, found.ended, found.difference, found.last_ns) == (3, "", None, 3 * SECOND)
    told: list[int] = []
    many = [Taken(number=number, do="step", at_ns=SECOND, about=NEWS) for number in range(2, 0x4002)]
    quiet = player(Strategy(name="s", instruments=(BTC.id,)))
    assert quiet.play([inputs[0], *many], told.append).inputs == 0x4001
    assert told == [0x4000]
