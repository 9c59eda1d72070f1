"""Our books beside a whole paper exchange that loses, repeats and reorders its news: equal again, to the last digit."""

import random
from decimal import Decimal
from typing import Any

import pytest
from exchange_fixtures import PERP, SPOT, book, exchange, intent, mark
from msgspec.structs import replace

from tapeline.errors import OrderRefused
from tapeline.model.account import AccountEvent, Fill, OrderUpdate, Payment
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ZERO
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.input import Failed, Sent
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.reconcile import Statement, reconcile, settle

D = Decimal
A = "a"
INSTRUMENTS = {SPOT.id: SPOT, PERP.id: PERP}
SECOND = 1_000_000_000
STEPS = 120


class Trader:
    """Sends orders at random, by the engine's own means, and hears of them what comes through."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.venue: Exchange = exchange(usdt="20000", btc="5")
        self.blotter, self.ledger = Blotter("i"), Ledger(self.chance.choice(["average", "fifo"]))
        self.now_ns = SECOND
        self.late: list[AccountEvent] = []
        self.web = 0

    def hear(self, event: AccountEvent | Sent | Failed) -> None:
        if isinstance(event, Payment):
            self.ledger.pay(event)
        elif isinstance(event, OrderUpdate | Fill | Sent | Failed):
            applied = self.blotter.apply(event, self.now_ns)
            if isinstance(event, Fill) and applied.fill in {"new", "fee"}:
                order = applied.order
                strategy = order.intent.strategy if order is not None and order.claimed else NOBODY
                self.ledger.apply(event, INSTRUMENTS[event.instrument or ""], strategy)

    def tell(self, events: list[AccountEvent]) -> None:
        """Some of it comes, some twice, some late, some never."""
        for event in events:
            fate = self.chance.random()
            if fate < 0.6:
                self.hear(event)
            elif fate < 0.7:
                self.hear(event)
                self.hear(event)
            elif fate < 0.85:
                self.late.append(event)
        if self.late and self.chance.random() < 0.3:
            self.hear(self.late.pop(self.chance.randrange(len(self.late))))

    def reconcile(self) -> Any:
        self.now_ns += SECOND
        for event in self.late:
            self.hear(event)
        self.late.clear()
        for _ in range(4):
            venue = self.venue
            statement = Statement(
                account=A, at_ns=self.now_ns, orders=venue.orders(A), fills=venue.fills(A),
                payments=venue.payments(A), balances=venue.balances(A), positions=venue.positions(A),
            )  # fmt: skip
            found = reconcile(statement, self.blotter, self.ledger, INSTRUMENTS)
            for event in found.events:
                self.hear(event)
            settle(found, self.blotter, self.ledger, INSTRUMENTS, self.now_ns)
            for order in found.ask:
                # It is on no list of this venue: it never arrived.
                gone = OrderUpdate(order.intent.instrument, "orders", None, self.now_ns, "paper", A,
                                   client_id=order.client_id, venue_id="", state="never_arrived")  # fmt: skip
                self.hear(gone)
            if found.clean:
                return found
            assert found.unexplained == ()
        raise AssertionError(found)

    def act(self) -> None:
        self.now_ns += SECOND
        self.venue.advance(self.now_ns)
        chance, roll = self.chance, self.chance.random()
        if roll < 0.45:
            self.place(chance.choice([SPOT, PERP]))
        elif roll < 0.6:
            self.cancel()
        elif roll < 0.65:
            self.tell(self.venue.transfer(A, "USDT", D(chance.randint(-5, 9)), self.now_ns))
        elif roll < 0.7:
            self.tell(self.venue.market(mark(str(chance.randint(90, 110)), self.now_ns), self.now_ns))
        else:
            middle = chance.randint(92, 108)
            asks = [(str(middle + each), str(chance.randint(1, 9))) for each in (1, 2, 5)]
            bids = [(str(middle - each), str(chance.randint(1, 9))) for each in (1, 2, 5)]
            instrument = chance.choice([SPOT, PERP])
            self.tell(self.venue.market(book(instrument, bids, asks, self.now_ns), self.now_ns))

    def place(self, instrument: Instrument) -> None:
        chance = self.chance
        size = f"0.{chance.randint(100, 999)}" if instrument is SPOT else str(chance.randint(1, 40))
        price = None if chance.random() < 0.4 else str(chance.randint(90, 110))
        wanted = intent(chance.choice(["buy", "sell"]), size, price, of=instrument, account=A)
        if chance.random() < 0.2:
            self.web += 1
            self.send(f"web{self.web}", wanted, ours=False)
            return
        client_id = self.blotter.next_id("s")
        self.blotter.intend(client_id, replace(wanted, strategy="s"), self.now_ns)
        self.send(client_id, wanted, ours=True)

    def send(self, client_id: str, wanted: Any, *, ours: bool) -> None:
        lost_before, lost_after = self.chance.random() < 0.1, self.chance.random() < 0.1
        if ours:
            self.hear(Sent(client_id, "submit", self.now_ns))
        if ours and (lost_before or lost_after):
            self.hear(Failed(client_id, "submit", "unknown", self.now_ns, "timed out"))
        if lost_before:
            return
        try:
            self.tell(self.venue.place(A, client_id, wanted, self.now_ns))
        except OrderRefused as refused:
            if ours and not lost_after:
                self.hear(Failed(client_id, "submit", "refused", self.now_ns, str(refused), refused.reason))

    def cancel(self) -> None:
        live = [order for order in self.blotter.live() if order.asked == ""]
        if not live:
            return
        client_id = self.chance.choice(live).client_id
        self.blotter.asked(client_id, "cancel", self.now_ns)
        self.hear(Sent(client_id, "cancel", self.now_ns))
        try:
            told = self.venue.cancel(A, client_id, self.now_ns)
        except OrderRefused as refused:
            self.hear(Failed(client_id, "cancel", "refused", self.now_ns, str(refused), refused.reason))
            return
        if self.chance.random() < 0.2:
            self.hear(Failed(client_id, "cancel", "unknown", self.now_ns, "timed out"))
        self.tell(told)


def check(trader: Trader) -> None:
    venue, ledger, blotter = trader.venue, trader.ledger, trader.blotter
    theirs = {each.currency: each.total for each in venue.balances(A)}
    assert {name: total for name, total in ledger.balances(A).items() if total} == {
        name: total for name, total in theirs.items() if total
    }
    positions = venue.positions(A)
    for each in positions:
        held = ledger.holding(A, PERP.id, each.position)
        assert held.size == each.size
        assert each.mark_price is not None
        ledger.mark(PERP.id, each.mark_price)
        assert ledger.unrealised(A)["USDT"] == each.unrealised
    ours = [name for name, held in ledger.holdings(A).items() if name[0] == PERP.id and held.size]
    assert len(ours) == sum(1 for each in positions if each.size)
    assert {order.client_id for order in blotter.live()} | {order.client_id for order in blotter.foreign()} == {
        each.client_id for each in venue.open_orders(A)
    }
    for told in venue.orders(A):
        order = blotter.order(told.client_id) or blotter.by_venue_id(A, told.instrument or "", told.venue_id)
        assert order is not None
        assert (order.state, order.filled) == (told.state, told.filled or ZERO)
    assert blotter.contradicted() == []
    assert blotter.lacking(trader.now_ns) == []
    lines = [ledger.holdings(A, name) for name in ledger.strategies(A)]
    for name in (SPOT.id, PERP.id):
        whole = ZERO
        for line in lines:
            if (name, "net") in line:
                whole = EXACT.add(whole, line[name, "net"].size)
        assert whole == ledger.holding(A, name).size


@pytest.mark.parametrize("seed", range(25))
def test_books_are_the_venue_s_after_every_reconciliation(seed: int) -> None:
    trader = Trader(seed)
    first = trader.reconcile()
    assert [each.why for each in first.adjustments] == ["the books of this account begin here"] * 2
    for step in range(STEPS):
        trader.act()
        if step % 40 == 39:
            assert trader.reconcile().adjustments == ()
            check(trader)
