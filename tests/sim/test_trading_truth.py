"""The venue's own truth beside ours: what is equal is silent, and every lie is found, by name."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.model.account import AccountEvent, Fill, OrderUpdate, Payment
from tapeline.model.event import BookSnapshot
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.sim.trading.truth import differences, journalled
from tapeline.sim.trading.witness import Witness
from tapeline.store.journal import Journal
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.command import Submit
from tapeline.trading.input import Forget
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.record import Listed
from tapeline.trading.risk.check import approve_flatten

D = Decimal
A = "one"
PERP = Instrument(
    venue="v", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    tick=D("0.1"), lot=D("0.001"),
)  # fmt: skip
NAME = PERP.id


class Stage:
    """An exchange, and our books of it, which hear everything."""

    def __init__(self, most: str = "5", most_open: int = 3) -> None:
        self.exchange = Exchange({NAME: PERP})
        self.exchange.open_account(A, {"USDT": D(1000)})
        self.exchange.market(
            BookSnapshot(NAME, "book", 1, 1, "ws", [("99", "50")], [("100", "50")], last_seq=1), 1
        )  # fmt: skip
        self.blotter, self.ledger = Blotter("i"), Ledger()
        self.ledger.adjust(
            Adjustment(account=A, ours=D(0), theirs=D(1000), why="", explained=True, at_ns=1, currency="USDT")
        )  # fmt: skip
        self.wrong: list[str] = []
        self.witness = Witness(self.exchange, A, {NAME: D(most)}, most_open, self.wrong)
        self.told: list[AccountEvent] = []

    def hear(self, events: list[AccountEvent], *, ours: bool = True) -> None:
        self.witness.told(events)
        self.told += events
        for event in events if ours else ():
            if isinstance(event, OrderUpdate | Fill):
                self.blotter.apply(event, 5)
            if isinstance(event, Fill):
                self.ledger.apply(event, PERP, "s")
            if isinstance(event, Payment):
                self.ledger.pay(event)

    def order(self, side: str, size: str, price: str | None = None, *, ours: bool = True, **more: Any) -> str:
        intent = Intent(
            instrument=NAME, side=side, kind="market" if price is None else "limit", size=D(size), account=A,
            price=None if price is None else D(price), **more,
        )  # fmt: skip
        client_id = self.blotter.next_id("s")
        if ours:
            self.blotter.intend(client_id, intent, 2)
        self.hear(self.exchange.place(A, client_id, intent, 3), ours=ours)
        return client_id

    def differ(self, **more: Any) -> list[str]:
        return list(differences(self.exchange, A, self.blotter, self.ledger, **more))


def test_what_is_equal_is_silent() -> None:
    stage = Stage()
    stage.order("buy", "3")
    stage.order("sell", "1", "120")
    stage.order("sell", "2")
    assert stage.differ() == []
    assert stage.wrong == []
    assert (stage.witness.orders, stage.witness.fills) == (3, 2)
    assert stage.differ(flattened=True) == [f"1 of {NAME} is left after flattening"]


def test_an_order_that_was_forgotten_is_not_missing_unless_it_is_alive_there() -> None:
    stage = Stage()
    over, resting = stage.order("buy", "3"), stage.order("sell", "1", "120")
    stage.blotter.forget(Forget(A, 0, 9, (over,)))
    assert stage.differ() == []
    stage.hear(stage.exchange.cancel(A, resting, 4))
    stage.blotter.forget(Forget(A, 0, 9, (resting,)))
    stage.exchange.account(A).orders[resting].state = "open"
    assert stage.differ() == [f"order {resting} is open at the venue, and we know none"]


def test_every_figure_that_is_not_the_venues_is_named() -> None:
    stage = Stage()
    stage.order("buy", "1", ours=False)
    (order,) = stage.exchange.orders(A)
    fee = D("0.1")
    assert stage.differ() == [
        "balance of USDT: ours 1000, the venue's 999.9",
        f"position of {NAME}: ours 0, the venue's 1",
        f"profit of {NAME}: ours 0, the venue's -100",
        f"fees in USDT of {NAME}: ours 0, the venue's {fee}",
        f"position told of {NAME}: ours 0, the venue's 1",
        f"order {order.client_id} is filled at the venue, and we know none",
    ]


def test_orders_that_differ_are_named() -> None:
    stage = Stage()
    resting = stage.order("buy", "2", "90")
    stage.hear(stage.exchange.amend(A, resting, D(1), None, 4), ours=False)
    assert stage.differ() == [f"order {resting}: ours 2 at 90, the venue's 1 at 90"]
    stage.hear(stage.exchange.cancel(A, resting, 4), ours=False)
    gone = f"order {resting}: ours open with 0 filled, the venue's cancelled with 0"
    assert stage.differ() == [gone]
    lost = stage.blotter.next_id("s")
    stage.blotter.intend(lost, Intent(instrument=NAME, side="buy", kind="limit", size=D(1), account=A), 2)
    assert len(stage.differ()) == 1, "intended is not sent"
    stage.blotter.apply(
        OrderUpdate(NAME, "orders", 3, 3, "ws", A, client_id=lost, venue_id="77", state="open"), 3
    )  # fmt: skip
    assert stage.differ()[1] == f"order {lost} is open with us (), and the venue has none"


def test_limits_are_held_against_the_venues_own_truth() -> None:
    stage = Stage(most="3", most_open=2)
    stage.order("buy", "2")
    stage.order("buy", "1", "90")
    stage.order("sell", "2", "120", reduce_only=True)
    assert stage.wrong == []
    stage.order("buy", "1", "89")
    assert stage.wrong == [
        "3 orders are open at the venue, and 2 may be",
        f"{NAME}: 2 is held and could become 2 or 4, beyond 3",
    ]


def test_a_client_id_of_two_orders_is_seen() -> None:
    stage = Stage()
    stage.order("buy", "1", "90")
    first = next(event for event in stage.told if isinstance(event, OrderUpdate))
    stage.hear([msgspec.structs.replace(first, venue_id="99")])
    assert stage.wrong == [f"client id {first.client_id} is of two orders at the venue: {first.venue_id} and 99"]


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    found = Journal(tmp_path)
    found.append([Listed(PERP, 1)], 1)
    yield found
    found.close()


def submit(client_id: str, note: str) -> Submit:
    intent = Intent(
        instrument=NAME, side="buy", kind="limit", size=D(1), price=D(90), account=A, strategy="s", note=note
    )
    approved = approve_flatten(intent, D(-1), client_id=client_id)
    return Submit(approved)  # type: ignore[arg-type]  # it closes: it is approved


def test_a_journal_that_keeps_every_promise_is_silent(journal: Journal) -> None:
    stage = Stage()
    opening = Adjustment(
        account=A, ours=D(0), theirs=D(1000), why="the books of this account begin here", explained=True, at_ns=1,
        currency="USDT",
    )  # fmt: skip
    name = stage.order("buy", "1", "90")
    journal.append([opening, submit(name, "a"), *[each for each in stage.told if isinstance(each, OrderUpdate)]], 2)
    assert list(journalled(journal, stage.exchange, A, stage.ledger, 9)) == []


def test_what_the_journal_breaks_is_named(journal: Journal) -> None:
    stage = Stage()
    name = stage.order("buy", "1", "90")
    put_right = Adjustment(account=A, ours=D(1), theirs=D(2), why="?", explained=True, at_ns=1, currency="USDT")
    journal.append([submit("x1", "a"), submit("x2", "a"), put_right], 2)
    said = list(journalled(journal, stage.exchange, A, stage.ledger, 9))
    assert said[:3] == [
        "what the strategy calls 'a' was placed twice: as x1 and as x2",
        "USDT was put right from 1 to 2: ?",
        f"order {name} is at the venue, and not in the journal",
    ]
    assert said[3].startswith("balances from the journal are ")
