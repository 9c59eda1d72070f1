"""A run of weeks in virtual time: nothing of it grows with its orders, and a restart finds it as it is."""

import gc
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import msgspec

from tapeline.app.trade.execution import KEPT
from tapeline.app.trade.forgetting import MOST_ORDERS, Forgetting
from tapeline.app.trade.paper import Latency, PaperVenue
from tapeline.model.account import Payment
from tapeline.model.event import Quote
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.command import Amend, Cancel, Submit, SubmitList
from tapeline.trading.engine import Engine
from tapeline.trading.input import Failed, Forget, Timer
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.record import Digest, Entry, Listed, decode, encode
from tapeline.trading.restore import Playback
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy

D = Decimal
SPOT = Instrument(
    venue="sim", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=D("0.1"),
    lot=D("0.001"),
)  # fmt: skip
SECOND, HOUR = 1_000_000_000, 3_600_000_000_000
A = "main"


class Busy(Strategy):
    """One order after the other, of every kind that it knows; none of them lives for long."""

    instruments = (SPOT.id,)
    channels = ("quotes",)

    def on_start(self) -> None:
        self.turn, self.open = 0, deque[str]()

    def on_quote(self, quote: Quote) -> None:
        assert quote.bid is not None
        side, far = (self.buy, quote.bid - 50) if self.turn % 2 else (self.sell, quote.bid + 50)
        match self.turn % 12 // 2:
            case 0 | 1:
                side(SPOT.id, "0.01")
            case 2:
                self.open.append(side(SPOT.id, "0.01", price=far).client_id)
            case 3:
                self.open.append(side(SPOT.id, "0.01", price=far, expires_in_s=86_400 * 90).client_id)
            case 4:
                self.open += [each.client_id for each in self.oco(
                    "sell", SPOT.id, "0.01", price=quote.bid + 50, stop=quote.bid - 50)]  # fmt: skip
            case _:
                timer = self.after(86_400 * 90, "never")
                self.forget(timer)
        while len(self.open) > 6:
            self.cancel(self.open.popleft())
        self.turn += 1


class Run:
    """An engine, a venue on paper, and what a journal would make of it all."""

    def __init__(self, keep_ns: int = HOUR) -> None:
        account = Account(name=A, venue="sim")
        setup = Setup(accounts={A: account}, instruments={SPOT.id: SPOT})
        self.blotter, self.ledger = Blotter("i"), Ledger("average")
        exchange = Exchange({SPOT.id: SPOT})
        exchange.open_account(A, {"USDT": D(100_000), "BTC": D(1)})
        self.venue = PaperVenue(exchange, self.blotter, Latency(send_ns=1_000_000, answer_ns=1_000_000))
        self.strategy = Busy()
        self.strategy.name = "s"
        self.engine = Engine(setup, [self.strategy], blotter=self.blotter, ledger=self.ledger)
        self.playback = Playback("i")
        self.now_ns, self.orders, self.forgets = 10 * HOUR, 0, 0
        self.forgetting = Forgetting(self.blotter, self.ledger, lambda _name: self.now_ns, keep_ns)
        self.write([Listed(SPOT, 0)])
        for currency, amount in (("USDT", D(100_000)), ("BTC", D(1))):
            self.step(Payment(None, "payments", self.now_ns, self.now_ns, "paper", A, id=currency, currency=currency,
                              amount=amount, kind="transfer"))  # fmt: skip
        self.do(self.engine.start(self.now_ns))

    def write(self, records: Iterable[Any]) -> None:
        for record in records:
            body = encode(record)
            self.playback.play(Entry(self.now_ns, decode(body), body.decode()))

    def step(self, event: Any) -> None:
        if isinstance(event, KEPT):
            self.write([event])
        self.do(self.engine.step(event, self.now_ns))

    def do(self, commands: Sequence[Any]) -> None:
        if commands:
            self.write([*commands, Digest(self.engine.digest, self.now_ns)])
        for command in commands:
            if isinstance(command, Submit | SubmitList | Amend | Cancel):
                self.orders += isinstance(command, Submit)
                for sent in self.venue.execute(command, self.now_ns):
                    self.step(sent)

    def quote(self) -> None:
        price = D(1000) + self.strategy.turn % 7
        quote = Quote(SPOT.id, "quotes", self.now_ns, self.now_ns, "ws", price, D(5), price + 1, D(5), None)
        self.venue.market(quote, self.now_ns)
        self.step(quote)
        self.now_ns += 10 * SECOND
        if self.engine.due_ns <= self.now_ns:
            self.step(Timer("due", self.engine.due_ns))
        for _, event in self.venue.advance(self.now_ns):
            self.step(event)

    def forget(self) -> None:
        for what in self.forgetting.look([A], self.now_ns):
            self.forgets += 1
            self.venue.exchange.forget(A, what.before_ns)
            self.step(what)

    def until(self, orders: int) -> int:
        """Trade until there were so many; how many things are remembered then, anywhere."""
        while self.orders < orders:
            self.quote()
            assert not self.engine.seats["s"].paused, self.engine.seats["s"].paused
            if self.strategy.turn % 6 == 0:
                self.forget()
        return entries(self.engine, self.venue, self.playback, self.forgetting)


def entries(*roots: Any) -> int:
    """How many entries all tables together have that can be come by from here."""
    found, seen, todo = 0, set[int](), list(roots)
    while todo:
        each = todo.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | BuiltinFunctionType):
            continue
        seen.add(id(each))
        if isinstance(each, FunctionType):
            todo += each.__closure__ or ()
            continue
        if isinstance(each, dict | list | set | deque):
            found += len(each)
        todo += gc.get_referents(each)
    return found


def pack(part: Any) -> bytes:
    return msgspec.msgpack.encode(part, enc_hook=list)


def test_a_run_of_twelve_thousand_orders_holds_no_more_than_one_of_four_thousand() -> None:
    run = Run()
    young = run.until(4_000)
    old = run.until(12_000)

    assert old <= young * 1.1, f"{young} entries after 4,000 orders, {old} after 12,000"
    assert old < 5_000
    memo, again = run.blotter.memo(), run.playback.memo().blotter
    assert len(memo.lives) < 800
    assert (memo.ours, memo.by_venue_id, memo.lists) == (again.ours, again.by_venue_id, again.lists)
    assert pack(memo.once) == pack(again.once)
    assert pack(run.ledger) == pack(run.playback.memo().ledger)
    assert run.playback.end(run.now_ns).problems == []
    assert run.blotter.next_id("s")[-8:-1] > "0000900", "no id twice, however many were forgotten"


class Books:
    """As far as a look needs them."""

    def __init__(self, count: int) -> None:
        self.blotter, self.ledger, self.settled_ns = Blotter("i"), Ledger(), 0
        for _ in range(count):
            name = self.blotter.next_id("s")
            self.blotter.intend(name, Intent(instrument=SPOT.id, side="buy", kind="limit", account=A), 1)
            self.blotter.apply(Failed(name, "submit", "refused", 2, "no", "other"), 2)
        self.forgetting = Forgetting(self.blotter, self.ledger, lambda _name: self.settled_ns, 24 * HOUR)

    def look(self) -> list[Forget]:
        found = list(self.forgetting.look([A], 7))
        for each in found:
            self.blotter.forget(each)
        return found


def test_nothing_is_forgotten_of_an_account_that_never_agreed_with_its_venue() -> None:
    books = Books(1)
    assert books.look() == []
    books.settled_ns = 24 * HOUR
    assert books.look() == []


def test_it_is_looked_anew_once_a_share_of_the_time_has_passed_and_many_go_in_turns() -> None:
    books = Books(MOST_ORDERS + 2)
    books.settled_ns = 30 * HOUR
    assert [len(each.orders) for each in books.look()] == [MOST_ORDERS]
    assert [len(each.orders) for each in books.look()] == [2]
    assert books.look() == []
    books.settled_ns += HOUR
    assert books.look() == [], "there is nothing left to be forgotten"
    books.ledger.pay(Payment(None, "payments", 1, 1, "ws", A, id="1", currency="USDT", amount=D(1), kind="transfer"))
    books.settled_ns += HOUR - 1
    assert books.look() == []
    books.settled_ns += 1
    assert books.look() == [Forget(A, 8 * HOUR, 7)]
