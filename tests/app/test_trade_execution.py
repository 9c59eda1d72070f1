"""Journal first, then the gateway; what comes back is decided on in turn; a run that is behind only reduces."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from engine_fixtures import BTC, SECOND
from tapeline.app.trade import execution as execution_module
from tapeline.app.trade.execution import Execution
from tapeline.app.trade.paper import Latency, PaperVenue
from tapeline.app.trade.paper_gateway import PaperGateway
from tapeline.app.trade.status import open_orders
from tapeline.errors import Broken, TimedOut
from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.event import Trade
from tapeline.sim.loop import VirtualClock, VirtualLoop, run
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.command import Amend, Cancel, CancelAll, Command, Hold, Note, Submit
from tapeline.trading.engine import Engine
from tapeline.trading.input import Failed, Halted, Sent
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.record import Digest, Listed
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy

D = Decimal
START_NS = 1_700_000_000 * SECOND


class Buyer(Strategy):
    instruments = (BTC.id,)

    def on_trade(self, trade: Trade) -> None:
        if not self.orders() and not self.position(BTC.id):
            self.buy(BTC.id, "0.1", price=trade.price - 1)


def trade(price: str = "101", at_ns: int = START_NS) -> Trade:
    return Trade(BTC.id, "trades", at_ns, at_ns, "ws", "1", 1, "sell", D(price), D(1))


class Stage:
    """An execution whose journal and venue are the test's."""

    def __init__(self, *, paper: bool = False, at_stop: str = "cancel", most_behind_s: float = 2.0) -> None:
        self.clock = VirtualClock(START_NS)
        self.done: list[str] = []
        self.kept: list[Any] = []
        self.halts: list[tuple[str, str, str]] = []
        self.notes: list[Note] = []
        self.fails: Exception | None = None
        self.slow_s = 0.001
        setup = Setup(accounts={"main": Account(name="main", venue="sim")}, instruments={BTC.id: BTC}, at_stop=at_stop)
        self.buyer = Buyer()
        engine = Engine(setup, [self.buyer], blotter=Blotter("test"), ledger=Ledger("average"))
        gateways: dict[str, Any] = {"main": self}
        self.execution = Execution(
            engine, gateways, clock=self.clock, keep=self.keep, halt=self._halt, told=self.notes.append,
            most_behind_s=most_behind_s,
        )  # fmt: skip
        self.paper: PaperGateway | None = None
        if paper:
            exchange = Exchange({BTC.id: BTC})
            exchange.open_account("main", {"USDT": D(1000)})
            self.paper = gateways["main"] = PaperGateway(
                exchange, engine.situation.blotter, clock=self.clock, tell=self.execution.offer,
                latency=Latency(send_ns=SECOND // 10, answer_ns=SECOND // 10),
            )  # fmt: skip

    def execute(self, command: Command) -> None:
        self.done.append(type(command).__name__)

    async def keep(self, records: Sequence[Any], _now_ns: int) -> None:
        await asyncio.sleep(self.slow_s)
        if self.fails is not None:
            raise self.fails
        self.kept += records
        self.done.append("kept " + " ".join(type(each).__name__ for each in records))

    def _halt(self, account: str, state: str, _why: str, who: str) -> None:
        self.halts.append((account, state, who))

    async def play(self, *events: Any) -> None:
        """Until all of it was decided on."""
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(self.execution.run())]
            if self.paper is not None:
                work.append(tasks.create_task(self.paper.run()))
            await self.execution.start()
            for event in events:
                if isinstance(event, float):
                    await asyncio.sleep(event)
                else:
                    if self.paper is not None and isinstance(event, Trade):
                        self.paper.market(event)
                    self.execution.offer(event)
            await self.execution.settled()
            for each in work:
                each.cancel()


def test_nothing_is_sent_before_it_is_durable() -> None:
    stage = Stage()
    run(stage.play(trade()))
    assert stage.done == ["kept Submit Digest", "Submit"]
    found = stage.execution.statistics()
    assert (found.orders, found.commits, found.commit_s > 0, found.digest) == (1, 1, True, stage.kept[-1].digest)
    assert isinstance(stage.kept[-1], Digest)


def test_that_an_account_is_flat_is_kept_with_what_its_holdings_were_worth() -> None:
    stage = Stage()
    bought = Fill(
        BTC.id, "fills", START_NS, START_NS, "ws", "main", id="1", client_id="", venue_id="v", side="buy",
        price=D(90), size=D(1), fee=D(0), fee_currency="USDT",
    )  # fmt: skip
    stage.execution.engine.situation.ledger.apply(bought, BTC, stage.buyer.name)
    run(stage.play(trade(), Halted("main", "flat", "verified", START_NS)))
    assert [each.prices for each in stage.kept if isinstance(each, Halted)] == [{BTC.id: D(101)}]
    assert stage.buyer.position(BTC.id) == 1, "on spot it can be sold yet: what the stop sold is still to be told"


def test_new_terms_are_known_to_gateways_before_an_order_goes_by_them_and_are_kept() -> None:
    stage = Stage()
    coarse = replace(BTC, tick=D(10))
    stage.execution._relisted = lambda new: stage.done.append(f"relisted {new.tick}")
    run(stage.play(Listed(coarse, START_NS), trade("109")))
    assert stage.done == ["relisted 10", "kept Listed Note Digest", "kept Submit Digest", "Submit"]
    (order,) = [each.order for each in stage.kept if isinstance(each, Submit)]
    assert order.intent.price == D(100)
    assert [note.text for note in stage.notes] == [f"{BTC.id}: tick 0.01 -> 10"]


def test_where_the_journal_fails_nothing_is_sent() -> None:
    stage = Stage()
    stage.fails = TimedOut("the disk is gone")
    with pytest.raises(ExceptionGroup) as group:
        run(stage.play(trade()))
    assert group.group_contains(TimedOut)
    assert stage.done == []


def test_what_came_back_is_kept_though_nothing_is_decided_on_it() -> None:
    stage = Stage()
    fill = Fill(
        BTC.id, "fills", START_NS, START_NS, "ws", "main", id="1", client_id="theirs", venue_id="v", side="buy",
        price=D(1), size=D(1), fee=D("0.1"), fee_currency="BNB",
    )  # fmt: skip
    run(stage.play(fill))
    assert stage.done == ["kept Fill"]


def test_an_order_lives_on_paper_with_its_delays_and_a_stop_cancels_what_rests() -> None:
    stage = Stage(paper=True)

    async def main() -> list[Any]:
        assert stage.paper is not None
        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(stage.execution.run()), tasks.create_task(stage.paper.run())]
            await stage.execution.start()
            for price in ("101", "101", "99.5"):
                stage.paper.market(trade(price, stage.clock.wall_ns()))
                stage.execution.offer(trade(price))
                await asyncio.sleep(1)
            assert stage.buyer.position(BTC.id) == D("0.0999")
            resting = stage.buyer.buy(BTC.id, "0.1", price=50)
            stage.execution.offer(trade("99.5"))
            await asyncio.sleep(1)
            assert [each.state for each in stage.buyer.orders()] == ["open"]
            left = await stage.execution.stop(5.0)
            for each in work:
                each.cancel()
        found = stage.execution.engine.situation.blotter.order(resting.client_id)
        assert found is not None
        return [left, found.state]

    assert run(main()) == [[], "cancelled"]
    updates = [each for each in stage.kept if isinstance(each, OrderUpdate)]
    assert [each.state for each in updates] == ["open", "filled", "open", "cancelled"]


def test_a_stop_that_gets_no_answer_says_which_orders_it_left() -> None:
    async def main(stage: Stage) -> list[str]:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(stage.execution.run())
            await stage.execution.start()
            stage.execution.offer(trade())
            await stage.execution.settled()
            left = await stage.execution.stop(1.0)
            work.cancel()
        return [each.asked for each in left]

    assert run(main(Stage())) == ["cancel"]
    assert run(main(Stage(at_stop="keep"))) == []


def test_a_cancel_that_is_refused_at_a_stop_is_asked_again() -> None:
    async def main(stage: Stage) -> tuple[list[str], list[float]]:
        cancels: list[float] = []

        class Refusing:
            def execute(self, command: Command) -> None:
                if isinstance(command, Submit):
                    stage.execution.offer(Sent(command.order.client_id, "submit", stage.clock.wall_ns()))
                if isinstance(command, Cancel):
                    cancels.append(round(stage.clock.now(), 1))
                    stage.execution.offer(Sent(command.client_id, "cancel", stage.clock.wall_ns()))
                    no = ("refused", "too many") if len(cancels) < 3 else ("unknown", "lost")
                    stage.execution.offer(Failed(command.client_id, "cancel", no[0], stage.clock.wall_ns(), no[1], ""))

        for name in list(stage.execution._gateways):
            stage.execution._gateways[name] = Refusing()  # type: ignore[index]  # it is a dict
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(stage.execution.run())
            await stage.execution.start()
            stage.execution.offer(trade())
            await stage.execution.settled()
            began = stage.clock.now()
            left = await stage.execution.stop(9.0)
            work.cancel()
        return [each.state for each in left], [round(at - began) for at in cancels]

    assert run(main(Stage())) == (["unknown"], [0, 2, 4])


def test_a_run_that_is_behind_reduces_and_one_that_loses_events_halts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_module, "MOST_WAITING", 20)
    stage = Stage(most_behind_s=0.5)
    stage.slow_s = 1.0

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(stage.execution.run())
            await stage.execution.start()
            stage.execution.offer(trade())
            await asyncio.sleep(0.01)
            for _ in range(30):
                stage.execution.offer(trade())
            stage.execution.offer(Failed("x", "submit", "unknown", START_NS))
            assert stage.execution.statistics().waiting == 21, "news of orders are never dropped"
            await stage.execution.settled()
            work.cancel()

    run(main())
    assert ("main", "reduce_only", "overload") in stage.halts
    assert ("main", "halted", "overload") in stage.halts
    assert stage.execution.statistics().dropped == 10


def test_events_that_are_not_decided_on_in_time_are_told() -> None:
    stage = Stage()

    async def main() -> None:
        stage.execution.offer(trade())
        with pytest.raises(TimedOut):
            await stage.execution.settled()
        assert stage.execution.oldest_s() > 0

    run(main())


# ---- the paper venue at a distance ---------------------------------------------------------------------------------


def venue(send_ns: int = 0, answer_ns: int = 0) -> tuple[PaperVenue, Engine, Buyer]:
    buyer = Buyer()
    setup = Setup(accounts={"main": Account(name="main", venue="sim")}, instruments={BTC.id: BTC})
    blotter = Blotter("test")
    exchange = Exchange({BTC.id: BTC})
    exchange.open_account("main", {"USDT": D(1000)})
    engine = Engine(setup, [buyer], blotter=blotter, ledger=Ledger("average"))
    engine.start(START_NS)
    return PaperVenue(exchange, blotter, Latency(send_ns=send_ns, answer_ns=answer_ns)), engine, buyer


def test_a_command_arrives_and_is_answered_each_at_its_time() -> None:
    paper, engine, buyer = venue(send_ns=30, answer_ns=20)
    paper.market(trade(), START_NS)
    (submit, *_) = engine.step(trade(), START_NS)
    assert isinstance(submit, Submit)
    client_id = submit.order.client_id
    assert list(paper.execute(submit, START_NS)) == [Sent(client_id, "submit", START_NS)]
    assert paper.advance(START_NS + 49) == []
    assert paper.due_ns == START_NS + 50
    (came, *_) = paper.advance(START_NS + 50)
    assert (came[0], came[1].state) == (START_NS + 50, "open")
    engine.step(came[1], START_NS + 50)
    for what, command in (("amend", Amend(client_id, price=D(99))), ("cancel", Cancel(client_id))):
        assert list(paper.execute(command, START_NS + 60)) == [Sent(client_id, what, START_NS + 60)]
    states = [event.state for _, event in paper.advance(START_NS + 200) if isinstance(event, OrderUpdate)]
    assert states == ["open", "cancelled"]
    assert buyer.orders()[0].client_id == client_id


def test_what_the_exchange_refuses_is_a_failed_command_with_its_reason() -> None:
    paper, engine, _ = venue()
    paper.market(trade(), START_NS)
    (submit, *_) = engine.step(trade(), START_NS)
    assert isinstance(submit, Submit)
    client_id = submit.order.client_id
    paper.execute(Cancel(client_id), START_NS)
    paper.execute(Cancel("nothing"), START_NS)
    paper.execute(Amend(client_id, size=D(1)), START_NS)
    found = [event for _, event in paper.advance(START_NS)]
    assert [(each.client_id, each.what, each.outcome, each.reason) for each in found] == [
        (client_id, "cancel", "refused", "unknown_order"), ("nothing", "cancel", "refused", "unknown_order"),
        (client_id, "amend", "refused", "unknown_order"),
    ]  # fmt: skip
    paper.execute(submit, START_NS)
    paper.execute(submit, START_NS)
    again = [event for _, event in paper.advance(START_NS) if isinstance(event, Failed)]
    assert [(each.what, each.reason) for each in again] == [("submit", "duplicate")]
    assert list(paper.execute(CancelAll("main"), START_NS)) == []
    assert [event.state for _, event in paper.advance(START_NS) if isinstance(event, OrderUpdate)] == ["cancelled"]
    with pytest.raises(Broken, match="no command for a venue"):
        paper.execute(Hold("x", submit.order.intent), START_NS)


def test_an_order_that_waits_with_us_is_said_to_stand_at_no_venue() -> None:
    class Careful(Strategy):
        instruments = (BTC.id,)

        def on_trade(self, trade: Trade) -> None:
            if not self.orders():
                self.sell(trade.instrument, 1, stop="90")
                self.bracket("buy", trade.instrument, 1, price="100", take_profit="120", stop="80")

    stage = Stage()
    setup = stage.execution.engine.situation.setup
    stage.execution.engine = Engine(setup, [Careful()], blotter=Blotter("test"), ledger=Ledger("average"))
    run(stage.play(trade()))
    said = [(each.text, each.strategy) for each in stage.notes if each.kind == "waits_with_us"]
    tail = ": it stands at no venue, and acts while this process lives"
    (entry,) = [each.order.client_id for each in stage.kept if isinstance(each, Submit)]
    assert said == [
        (f"this stop waits with us for its price{tail}", "Careful"),
        (f"this limit waits with us for the fills of {entry}{tail}", "Careful"),
        (f"this stop waits with us for the fills of {entry}{tail}", "Careful"),
    ]
    assert not [each for each in stage.kept if isinstance(each, Note)], "the journal has the commands"
    rows = open_orders(stage.execution.engine.situation)
    assert [(each["kind"], each["where"]) for each in rows] == [
        ("stop", "with us"), ("limit", "at the venue"), ("limit", "with us"), ("stop", "with us"),
    ]  # fmt: skip


def test_a_slow_strategy_leaves_their_turn_to_gates_and_heartbeats_between_its_events() -> None:
    class Slow(Strategy):
        instruments = (BTC.id,)
        clock = VirtualClock(START_NS)

        def on_trade(self, _trade: Trade) -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.jump(3.0)  # time goes by, and nobody else has it

    stage = Stage()
    setup = stage.execution.engine.situation.setup
    stage.execution.engine = Engine(setup, [Slow()], blotter=Blotter("test"), ledger=Ledger("average"))
    turns: list[float] = []

    async def main() -> None:
        async def others() -> None:
            while True:
                turns.append(stage.clock.now())
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            work = [tasks.create_task(stage.execution.run()), tasks.create_task(others())]
            await stage.execution.start()
            for _ in range(10):
                stage.execution.offer(trade())
            async with asyncio.timeout(60):
                while stage.execution.statistics().waiting:  # noqa: ASYNC110  # it is what is left to be done
                    await asyncio.sleep(0)
            for each in work:
                each.cancel()

    run(main())
    lags = [later - before for before, later in pairwise(turns)]
    assert max(lags) < 3.5, "one step at a time"
    assert stage.halts[0] == ("main", "reduce_only", "overload")
