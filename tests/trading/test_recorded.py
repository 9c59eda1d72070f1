"""What goes into an engine, as it is written and read back."""

from typing import Any, get_args

import msgspec
import pytest

from engine_fixtures import BTC, SECOND, D
from tapeline.errors import BadData
from tapeline.model.account import AccountEvent, Balance
from tapeline.model.event import EVENTS, BookDelta, Trade
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.engine import Engine
from tapeline.trading.input import ClockOff, EngineInput, Halted, Timer
from tapeline.trading.orders import Blotter
from tapeline.trading.record import Agreed, Listed, Remembered
from tapeline.trading.recorded import About, Line, RecordedEngine, Taken, decode, encode_commands
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy

NEWS = Trade(BTC.id, "trades", 1, 2, "ws", "7", 7, "buy", D("100.10"), D("0.0010"))


class Buys(Strategy):
    """One order, at the first trade."""

    instruments = (BTC.id,)

    def on_trade(self, trade: Trade) -> None:
        if not self.orders():
            self.buy(BTC.id, "1", price=trade.price)

    def on_stop(self) -> None:
        self.note("over")


def engine(take: Any, strategy: Strategy | None = None) -> RecordedEngine:
    setup = Setup(accounts={"main": Account(name="main", venue="sim")}, instruments={BTC.id: BTC})
    return RecordedEngine(setup, [strategy or Buys()], take=take, blotter=Blotter("test"), ledger=Ledger())


def back(number: int, *line: Any) -> Taken:
    return decode(msgspec.json.encode(Line(number, *line)))


def test_every_input_is_told_with_what_came_of_it_and_reads_back_as_it_was() -> None:
    told: list[Any] = []
    one = engine(lambda *line: told.append(line))
    started = one.start(SECOND)
    commands = one.step(NEWS, 2 * SECOND)
    one.step(Balance(None, "balances", 1, 2, "ws", "main", currency="USDT", free=D("1.50")), 3 * SECOND)
    ended = one.stop(4 * SECOND)
    assert [(each[0], each[1]) for each in told] == [
        ("start", SECOND), ("step", 2 * SECOND), ("step", 3 * SECOND), ("stop", 4 * SECOND)
    ]  # fmt: skip
    assert (list(started), len(commands)) == ([], 1)
    taken = [back(number, *line) for number, line in enumerate(told, 1)]
    assert [each.number for each in taken] == [1, 2, 3, 4]
    assert taken[1].about == NEWS
    assert bytes(taken[1].commands) == encode_commands(commands)
    assert bytes(taken[3].commands) == encode_commands(ended)
    assert [bytes(taken[0].commands), bytes(taken[2].commands)] == [b"[]", b"[]"]


def test_only_what_is_in_the_engines_own_books_is_told_of_beside_its_steps() -> None:
    told: list[Any] = []
    one = engine(lambda *line: told.append(line))
    halted, agreed = Halted("main", "halted", "odd", 5), Agreed("main", 0, 0, "", 5)
    one.beside(halted, 6)
    one.beside(Remembered({}, 7), 7)
    one.beside(agreed, 8)
    assert told == [("beside", 6, halted, ()), ("beside", 8, agreed, ())]
    assert back(1, *told[1]).about == agreed


def test_an_input_that_the_engine_fails_on_is_told_of_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    one = engine(lambda *line: told.append(line))
    one.start(SECOND)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(one.situation.alarms, "next", broken)
    one.situation.alarms.set(SECOND, "", lambda: None)
    with pytest.raises(RuntimeError, match="a bug of ours"):
        one.step(NEWS, 2 * SECOND)
    assert back(2, *told[1]).raised == "RuntimeError('a bug of ours')"
    assert back(2, *told[1]).about == NEWS


@pytest.mark.parametrize(
    "event",
    [
        BookDelta(BTC.id, "book", None, 3, "ws", [("1.10", "2")], [("3", "0")], 4, 5, None, None),
        ClockOff("sim", 0.1 + 0.2, 9),
        Listed(BTC, 9, "the venue's list has it no more"),
        Timer("due", 5),
        Adjustment(account="main", ours=D("1.0"), theirs=D("2.00"), why="", explained=False, at_ns=3, currency="USDT"),
    ],
)
def test_events_come_back_equal_in_type_and_in_every_digit(event: Any) -> None:
    found = back(1, "step", 4, event, ()).about
    assert found == event
    assert repr(found) == repr(event)


def test_all_that_may_go_into_an_engine_can_be_read() -> None:
    assert {*EVENTS, *get_args(AccountEvent), *get_args(EngineInput), Adjustment, Agreed, Listed} == set(
        get_args(About)
    )
    setup = Setup(accounts={}, instruments={})
    takes = Engine(setup, [], blotter=Blotter("test"), ledger=Ledger())._takes
    assert set(takes) <= set(get_args(About))


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b'{"number":1}', b'{"number":1,"do":"step","at_ns":1,"about":{"type":"x"}}', b"\xff",
        b'{"number":"1","do":"step","at_ns":1}',
    ],
)  # fmt: skip
def test_what_is_no_input_is_bad_data(line: bytes) -> None:
    with pytest.raises(BadData, match="no input of a recording"):
        decode(line)
