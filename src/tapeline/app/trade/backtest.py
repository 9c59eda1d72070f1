"""A backtest: market events in, commands to paper venues, their answers back, all in event time. No clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tapeline.app.trade.feed import Timed
from tapeline.app.trade.paper import NEVER, Latency, PaperVenue
from tapeline.app.trade.record import Record
from tapeline.model.account import Balance, Fill, Payment
from tapeline.model.instrument import split_id
from tapeline.model.interval import SECOND_NS
from tapeline.model.number import EXACT, ZERO
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.command import Amend, Cancel, CancelAll, Command, Note, SetHalt, Submit, SubmitList
from tapeline.trading.desk import BookKeeper
from tapeline.trading.engine import Engine
from tapeline.trading.input import Halted, Timer
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.setup import Setup
from tapeline.trading.strategy import Strategy

SAMPLES = 2_000  # about so many values of equity, however long the run
Deposits = Mapping[str, Mapping[str, Decimal]]
"""Account -> currency -> what is in it at the start."""


class Backtest:
    """One run. `play` it once; `record` has what came of it and `digest` names every command that was given."""

    def __init__(
        self, setup: Setup, strategies: Sequence[Strategy], exchanges: Mapping[str, Exchange], *,
        deposits: Deposits, from_ns: int, to_ns: int, latency: Latency | None = None,
        books: BookKeeper | None = None, ledger: Ledger | None = None,
    ) -> None:  # fmt: skip
        self.from_ns, self.to_ns = from_ns, to_ns
        self._blotter = Blotter("backtest")
        self._ledger = ledger or Ledger("average")
        self.engine = Engine(setup, strategies, blotter=self._blotter, ledger=self._ledger, books=books)
        self._setup, self._deposits = setup, deposits
        self._venues = {name: PaperVenue(each, self._blotter, latency) for name, each in exchanges.items()}
        self._only = next(iter(self._venues.values())) if len(self._venues) == 1 else None
        self._due_ns = NEVER  # when the first venue, or the engine, has something to do
        self._sample_ns = max(SECOND_NS, (to_ns - from_ns) // SAMPLES)
        self._next_sample_ns = from_ns
        self.record = Record(setup.instruments, self.engine.situation.rate, setup.currency)
        self._unpriced: dict[tuple[str, str], list[tuple[int, Decimal]]] = {}  # in which samples, and how much
        self.events = 0

    @property
    def digest(self) -> str:
        """The same for the same strategies, settings and data."""
        return self.engine.digest

    def play(self, events: Iterable[Timed], progress: Callable[[int, int], None] | None = None) -> Record:
        """Play them all; `progress(events, now_ns)` is called now and then."""
        self._open()
        now_ns = self.from_ns
        step, only, alarms = self.engine.step, self._only, self.engine.situation.alarms
        for at_ns, event in events:
            if at_ns > now_ns:  # noqa: PLR1730  # `max` costs twice as much, a million times
                now_ns = at_ns
            if self._due_ns <= now_ns or alarms.due_ns <= now_ns:
                self._catch_up(now_ns)
            venue = only or self._venues.get(split_id(event.instrument or "")[0])
            if venue is not None:
                venue.market(event, now_ns)
                if venue.due_ns <= now_ns:
                    self._catch_up(now_ns)
            commands = step(event, now_ns)
            if commands:
                self._execute(commands, now_ns)
            self.events += 1
            if not self.events & 0xFFFF and progress is not None:
                progress(self.events, now_ns)
        self._catch_up(max(now_ns, self.to_ns))
        self._close(max(now_ns, self.to_ns))
        return self.record

    # ---- within --------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        for name, account in self._setup.accounts.items():
            deposit = self._deposits.get(name, {})
            self._venues[account.venue].exchange.open_account(name, deposit, hedge=account.hedge)
            for currency, total in deposit.items():
                self._ledger.pay(
                    Payment(
                        None, "payments", self.from_ns, self.from_ns, "paper", name, id=f"deposit {currency}",
                        currency=currency, amount=total, kind="transfer",
                    )
                )  # fmt: skip
        for name in self._setup.accounts:  # all of it is there before anybody looks
            for currency, total in self._deposits.get(name, {}).items():
                self._step(
                    Balance(
                        None, "balances", self.from_ns, self.from_ns, "paper", name, currency=currency, total=total,
                        free=total,
                    ),
                    self.from_ns,
                )  # fmt: skip
        self._execute(self.engine.start(self.from_ns), self.from_ns)
        self._settle_due()

    def _close(self, now_ns: int) -> None:
        """Stop as a live run would, give open orders the time to be cancelled, and take the last look."""
        self._execute(self.engine.stop(now_ns), now_ns)
        self._catch_up(now_ns + 60_000_000_000, sampling=False)
        self._sample(now_ns)
        self.record.finish(now_ns, lambda name: self.engine.situation.sight(name).value_price())

    def _catch_up(self, now_ns: int, *, sampling: bool = True) -> None:
        """All that is due by now, in the order of its time: answers of venues, timers, samples."""
        while True:
            due_ns = min(self.engine.due_ns, *(venue.due_ns for venue in self._venues.values()))
            if sampling and self._next_sample_ns <= min(due_ns, now_ns):
                self._sample(self._next_sample_ns)
                self._next_sample_ns += self._sample_ns
                continue
            if due_ns > now_ns:
                break
            if self.engine.due_ns == due_ns:
                self._step(Timer("due", due_ns), due_ns)
            for venue in self._venues.values():
                if venue.due_ns <= due_ns:
                    for at_ns, event in venue.advance(due_ns):
                        self._take(event, at_ns)
        self._settle_due()

    def _settle_due(self) -> None:
        """When something is due next; no sooner, so that most events pass with one comparison."""
        self._due_ns = min(self._next_sample_ns, self.engine.due_ns, *(each.due_ns for each in self._venues.values()))

    def _take(self, event: Any, at_ns: int) -> None:
        self._step(event, at_ns)
        if isinstance(event, Fill):
            self.record.filled(event, self._blotter.order(event.client_id))
        elif isinstance(event, Payment) and event.kind != "transfer":
            self.record.payments.append(event)

    def _step(self, event: Any, now_ns: int) -> None:
        commands = self.engine.step(event, now_ns)
        if commands:
            self._execute(commands, now_ns)

    def _execute(self, commands: Sequence[Command], now_ns: int) -> None:
        """Do what the engine wants; what it hears of that at once may make it want more."""
        for command in commands:
            match command:
                case Submit(order):
                    price = self.engine.situation.sight(order.intent.instrument).price()
                    self.record.submitted(command, price)
                    self._send(command, self._venue_of(order.intent.account), now_ns)
                case SubmitList(_, orders):
                    for order in orders:
                        price = self.engine.situation.sight(order.intent.instrument).price()
                        self.record.submitted(Submit(order), price)
                    self._send(command, self._venue_of(orders[0].intent.account), now_ns)
                case Amend(client_id) | Cancel(client_id):
                    found = self._blotter.order(client_id)
                    assert found is not None, f"the engine commands {client_id}, which is no order"
                    self._send(command, self._venue_of(found.intent.account), now_ns)
                case CancelAll(account):
                    self._send(command, self._venue_of(account), now_ns)
                case SetHalt(account, state, why):
                    self._step(Halted(account, state, why, now_ns), now_ns)
                    self.record.noted(Note("halt", account, f"{state}: {why}"), now_ns)
                case Note():
                    self.record.noted(command, now_ns)
        self._settle_due()

    def _send(self, command: Command, venue: PaperVenue, now_ns: int) -> None:
        for sent in venue.execute(command, now_ns):
            self._step(sent, now_ns)

    def _venue_of(self, account: str) -> PaperVenue:
        return self._venues[self._setup.accounts[account].venue]

    def _sample(self, at_ns: int) -> None:
        total, situation = ZERO, self.engine.situation
        for name, account in self._setup.accounts.items():
            total = EXACT.add(total, situation.equity(name))
            for currency, amount in self._ledger.balances(name).items():
                place = (account.venue, currency)
                rate = situation.rate(*place, self._setup.currency) if amount else None
                if rate is not None:
                    self.record.priced(self._unpriced.pop(place, ()), rate)
                elif amount:
                    self._unpriced.setdefault(place, []).append((len(self.record.samples), amount))
        self.record.sampled(at_ns, total)
