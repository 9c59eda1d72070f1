"""One account's books kept those of its venue: what was missed is applied, what differs is booked, and it is said."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tapeline.app.trade.reconciling import MARGIN_NS, NOT_YET, Reconciled, Reconciler
from tapeline.errors import ConnectionLost, Retry
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent, Order
from tapeline.sim.loop import VirtualClock, run
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.input import Sent
from tapeline.trading.orders import Blotter
from tapeline.trading.reconcile import Statement
from tapeline.trading.record import Agreed

D = Decimal
BTC = Instrument(venue="v", symbol="BTC/USDT", native="B", kind="spot", base="BTC", quote="USDT")
START_NS = 1_700_000_000_000_000_000


def balances(**totals: str) -> list[Balance]:
    return [
        Balance(None, "balances", None, 0, "rest", "a", currency=name, total=D(each)) for name, each in totals.items()
    ]


def fill(name: str, order: str, at_ns: int) -> Fill:
    return Fill(
        BTC.id, "fills", at_ns, at_ns, "rest", "a", id=name, client_id=order, venue_id="", side="buy", price=D(100),
        size=D(1), fee=D(0), fee_currency="USDT",
    )  # fmt: skip


class Stage:
    """An account whose venue says what the test tells it to."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.blotter, self.ledger = clock, Blotter("i"), Ledger()
        self.says: list[Statement | Exception] = []
        self.asked: list[tuple[int, Mapping[str, Sequence[str]]]] = []
        self.offered: list[Any] = []
        self.heard: list[Any] = []
        self.records: list[Any] = []
        self.looked_up: list[str] = []
        self.told: list[Reconciled] = []
        self.reconciler = Reconciler(
            "a", blotter=self.blotter, ledger=self.ledger, instruments={BTC.id: BTC}, books=self,
            statement=self._statement, look_up=lambda order: self.looked_up.append(order.client_id), clock=clock,
            told=lambda _account, state: self.told.append(state),
        )  # fmt: skip

    def offer(self, event: Any) -> None:
        self.offered.append(event)

    def write(self, record: Any, _at_ns: int | None = None) -> None:
        self.records.append(record)

    async def settled(self) -> None:
        self.heard += self.offered
        for event in self.offered:
            if not isinstance(event, OrderUpdate | Fill | Sent):
                continue
            news = self.blotter.apply(event, self.clock.wall_ns())
            if isinstance(event, Fill) and news.fill == "new":
                self.ledger.apply(event, BTC)
        self.offered.clear()

    def order(self) -> Order:
        client_id = self.blotter.next_id("s")
        intent = Intent(instrument=BTC.id, side="buy", kind="limit", size=D(2), price=D(100), account="a", strategy="s")
        self.blotter.intend(client_id, intent, START_NS)
        self.blotter.apply(Sent(client_id, "submit", START_NS), START_NS)
        opened = OrderUpdate(
            BTC.id, "orders", START_NS, START_NS, "ws", "a", client_id=client_id, venue_id="7", state="open",
            side="buy", kind="limit", size=D(2), price=D(100),
        )  # fmt: skip
        return self.blotter.apply(opened, START_NS).orders[0]

    def say(self, *, at_ns: int | None = None, **said: Any) -> None:
        at_ns = self.clock.wall_ns() if at_ns is None else at_ns
        self.says.append(Statement(account="a", at_ns=at_ns, **said))

    async def _statement(self, since_ns: int, reasons: Mapping[str, Sequence[str]]) -> Statement:
        self.asked.append((since_ns, reasons))
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        return said


def play(story: Any) -> None:
    async def main() -> None:
        clock = VirtualClock(START_NS)
        found: Awaitable[None] = story(Stage(clock))
        await found

    run(main())


def test_the_books_begin_with_what_the_venue_says() -> None:
    async def story(stage: Stage) -> None:
        assert stage.reconciler.state.waiting == NOT_YET
        stage.say(balances=balances(USDT="1000"))

        state = await stage.reconciler.run("begin")

        assert (state.waiting, state.done, state.adjusted, state.unexplained) == ("", 1, 1, ())
        assert stage.ledger.balance("a", "USDT") == 1000
        assert [type(each) for each in stage.records] == [Adjustment, Agreed]
        assert len(stage.told) == 1

    play(story)


def test_how_the_account_is_set_up_is_heard_of() -> None:
    async def story(stage: Stage) -> None:
        mode = AccountMode(None, "account", None, START_NS, "rest", "a", hedge=True)
        stage.say(balances=balances(USDT="1000"), mode=mode)
        await stage.reconciler.run("begin")
        assert mode in stage.heard

    play(story)


def test_a_fill_that_was_missed_is_booked_once_and_nothing_is_left_to_explain() -> None:
    async def story(stage: Stage) -> None:
        stage.say(balances=balances(USDT="1000"))
        await stage.reconciler.run("begin")
        await asyncio.sleep(10)
        order = stage.order()
        missed = fill("1", order.client_id, stage.clock.wall_ns() - 10**9)
        stage.say(balances=balances(USDT="900", BTC="1"), fills=[missed])
        stage.say(balances=balances(USDT="900", BTC="1"), fills=[missed])

        await stage.reconciler.run("the stream was down")
        await asyncio.sleep(1)
        state = await stage.reconciler.run("again")

        assert stage.blotter.order(order.client_id).filled == 1  # type: ignore[union-attr]  # it is there
        assert stage.ledger.holding("a", BTC.id).size == 1
        assert (state.done, state.adjusted, state.unexplained) == (3, 1, ())
        assert stage.looked_up == [order.client_id, order.client_id]  # no statement spoke of it
        assert stage.asked[1][0] <= START_NS - MARGIN_NS + 1
        assert stage.asked[2][0] >= missed.at_ns - MARGIN_NS  # type: ignore[operator]  # it has a stamp

    play(story)


def test_what_nothing_explains_is_said_until_a_person_accepts_it() -> None:
    async def story(stage: Stage) -> None:
        stage.say(balances=balances(USDT="1000"))
        await stage.reconciler.run("begin")
        await asyncio.sleep(10)
        stage.say(balances=balances(USDT="1000.5"))

        state = await stage.reconciler.run("now and then")

        assert len(state.unexplained) == 1
        assert state.unexplained[0].startswith("USDT: ours 1000, the venue's 1000.5: ")
        await asyncio.sleep(10)
        stage.say(balances=balances(USDT="1001"))

        state = await stage.reconciler.run("asked for", accepted="ada: a rebate")

        assert state.unexplained == ()
        assert stage.ledger.balance("a", "USDT") == 1001
        assert stage.records[-1].accepted == "ada: a rebate"

    play(story)


def test_statements_are_made_until_one_is_of_a_single_moment() -> None:
    async def story(stage: Stage) -> None:
        stage.say(balances=balances(USDT="1000"))
        await stage.reconciler.run("begin")
        order = stage.order()
        late = fill("1", order.client_id, stage.clock.wall_ns() + 10**9)
        stage.say(balances=balances(USDT="1000"), fills=[late])  # the fill came after the balances were asked for
        stage.say(at_ns=stage.clock.wall_ns() + 2 * 10**9, balances=balances(USDT="900", BTC="1"), fills=[late])

        state = await stage.reconciler.run("now and then")

        assert (state.done, state.unexplained, state.waiting) == (2, (), "")
        assert stage.ledger.balance("a", "USDT") == 900

    play(story)


def test_fills_that_never_stop_coming_are_told_of() -> None:
    async def story(stage: Stage) -> None:
        order = stage.order()
        for number in range(5):
            late = fill(str(number), order.client_id, stage.clock.wall_ns() + 10**12)
            stage.say(balances=balances(USDT="1000"), fills=[late])

        with pytest.raises(Retry, match="account a: fills or payments came while the venue was asked"):
            await stage.reconciler.run("now and then")

        assert stage.reconciler.state.waiting != ""
        assert stage.told == []

    play(story)


def test_a_venue_that_does_not_answer_loses_no_word_of_its_own() -> None:
    async def story(stage: Stage) -> None:
        stage.reconciler.heard(
            Balance(None, "balances", None, 0, "ws", "a", currency="USDT", total=D(5), reason="transfer")
        )
        stage.says.append(ConnectionLost("gone"))
        with pytest.raises(ConnectionLost):
            await stage.reconciler.run("begin")
        stage.say(balances=balances(USDT="5"))

        await stage.reconciler.run("again")

        assert stage.asked[1][1] == {"USDT": ["transfer"]}

    play(story)


def test_orders_of_other_origin_are_listed_and_left_alone() -> None:
    async def story(stage: Stage) -> None:
        other = OrderUpdate(BTC.id, "orders", START_NS, START_NS, "rest", "a", client_id="web_1", venue_id="99",
                            state="open", side="sell", kind="limit", size=D(1), price=D(200), filled=D(0))  # fmt: skip
        stage.say(balances=balances(USDT="5"), orders=[other])

        state = await stage.reconciler.run("begin")

        assert state.foreign == ("v:BTC/USDT 99",)
        assert stage.looked_up == []

    play(story)
