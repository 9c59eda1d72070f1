"""What a venue knows of an account, beside what we do: every event while it happens, and everything at the end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from tapeline.model.account import AccountEvent, Fill, OrderUpdate
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.store.journal import Journal
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.record import Submitted
from tapeline.trading.restore import restore
from tapeline.trading.suspects import OPENING

MOST_SENTENCES = 12
FLATTENER = "f"  # client ids of slices begin so: they are no order of the engine's


class Witness:
    """Looks at the venue's own truth after everything that happens to the account."""

    def __init__(
        self, exchange: Exchange, account: str, most: Mapping[str, Decimal], most_open: int, wrong: list[str]
    ) -> None:
        self._exchange, self._account, self._most, self._most_open = exchange, account, most, most_open
        self._wrong = wrong
        self._venue_ids: dict[str, str] = {}
        self._held: dict[str, Decimal] = {}
        self.orders = self.fills = 0

    def told(self, events: Sequence[AccountEvent]) -> None:
        """After each thing that happens."""
        for event in events:
            if isinstance(event, OrderUpdate):
                self._ordered(event)
            elif isinstance(event, Fill):
                self._filled(event)
        self._limits()

    def _ordered(self, update: OrderUpdate) -> None:
        known = self._venue_ids.get(update.client_id)
        if known is None:
            self._venue_ids[update.client_id] = update.venue_id
            self.orders += 1
        elif known != update.venue_id:
            self._say(f"client id {update.client_id} is of two orders at the venue: {known} and {update.venue_id}")

    def _filled(self, fill: Fill) -> None:
        self.fills += 1
        name = fill.instrument or ""
        size = fill.size if fill.side == "buy" else fill.size.copy_negate()
        base = self._exchange.instruments[name].base
        if fill.fee and fill.fee_currency == base and self._exchange.instruments[name].kind == "spot":
            size = EXACT.subtract(size, fill.fee)
        self._held[name] = EXACT.add(self._held.get(name, ZERO), size)

    def _limits(self) -> None:
        resting = [each for each in self._exchange.account(self._account).open.values() if not each.final]
        if len(resting) > self._most_open:
            self._say(f"{len(resting)} orders are open at the venue, and {self._most_open} may be")
        for name, most in self._most.items():
            longest = shortest = self._held.get(name, ZERO)
            for order in resting:
                if order.instrument.id != name or order.intent.reduce_only:
                    continue
                if order.intent.side == "buy":
                    longest = EXACT.add(longest, order.left)
                else:
                    shortest = EXACT.subtract(shortest, order.left)
            if longest > most or shortest < -most:
                held, reach = plain(self._held.get(name, ZERO)), f"{plain(shortest)} or {plain(longest)}"
                self._say(f"{name}: {held} is held and could become {reach}, beyond {plain(most)}")

    def _say(self, sentence: str) -> None:
        if len(self._wrong) < MOST_SENTENCES and sentence not in self._wrong:
            self._wrong.append(sentence)


def differences(
    exchange: Exchange, account: str, blotter: Blotter, ledger: Ledger, *, flattened: bool = False
) -> Iterator[str]:  # fmt: skip
    """In words, everything in which our books are not the venue's. For a moment at which nothing is under way."""
    theirs = {each.currency: each.total or ZERO for each in exchange.balances(account)}
    ours = ledger.balances(account)
    for currency in sorted({*theirs, *ours}):
        mine, its = ours.get(currency, ZERO), theirs.get(currency, ZERO)
        if mine != its:
            yield f"balance of {currency}: ours {plain(mine)}, the venue's {plain(its)}"
    held = {(each.instrument or "", each.position): each.size for each in exchange.positions(account)}
    for instrument in exchange.instruments.values():
        yield from _instrument(exchange, account, ledger, instrument, held)
    yield from _orders(exchange, account, blotter)
    if flattened:
        for (name, _), size in held.items():
            if size:
                yield f"{plain(size)} of {name} is left after flattening"


def _instrument(
    exchange: Exchange, account: str, ledger: Ledger, instrument: Instrument, held: Mapping[tuple[str, str], Decimal]
) -> Iterator[str]:  # fmt: skip
    """Position, and what was won and paid."""
    mine, its = ledger.holding(account, instrument.id), _summed(exchange, account, instrument)
    won = EXACT.subtract(mine.gross, mine.cost.copy_sign(mine.size) if mine.size else ZERO)
    figures = [("position", mine.size, its.size), ("profit", won, its.value), ("funding", mine.funding, its.funding)]
    if instrument.kind != "spot":
        figures.append(("position told", mine.size, held.get((instrument.id, "net"), ZERO)))
    figures += [
        (f"fees in {each}", mine.fees.get(each, ZERO), its.fees.get(each, ZERO))
        for each in sorted({*its.fees, *mine.fees})
    ]
    for what, ours, theirs in figures:
        if ours != theirs:
            yield f"{what} of {instrument.id}: ours {plain(ours)}, the venue's {plain(theirs)}"


@dataclass(slots=True)
class _Sums:
    """What the venue's own fills and payments come to, one by one. `value` is what sales brought over purchases."""

    size: Decimal = ZERO
    value: Decimal = ZERO
    funding: Decimal = ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)


def _summed(exchange: Exchange, account: str, instrument: Instrument) -> _Sums:
    sums = _Sums()
    for fill in exchange.fills(account, instrument.id):
        worth = notional(instrument, fill.price, fill.size)
        buys = fill.side == "buy"
        sums.size = EXACT.add(sums.size, fill.size if buys else fill.size.copy_negate())
        sums.value = EXACT.add(sums.value, worth.copy_negate() if buys else worth)
        if fill.fee:
            sums.fees[fill.fee_currency] = EXACT.add(sums.fees.get(fill.fee_currency, ZERO), fill.fee)
            if instrument.kind == "spot" and fill.fee_currency == instrument.base:
                sums.size = EXACT.subtract(sums.size, fill.fee)
    for payment in exchange.payments(account):
        if payment.instrument == instrument.id and payment.kind == "funding":
            sums.funding = EXACT.add(sums.funding, payment.amount)
    return sums


def _orders(exchange: Exchange, account: str, blotter: Blotter) -> Iterator[str]:
    there = {each.client_id: each for each in exchange.orders(account)}
    for each in there.values():
        if each.client_id.startswith(FLATTENER) and not blotter.owns(each.client_id):
            continue
        mine = blotter.order(each.client_id)
        if mine is None:
            yield f"order {each.client_id} is {each.state} at the venue, and we know none"
        elif mine.filled != (each.filled or ZERO) or mine.final != (each.state not in {"open", "partly_filled"}):
            yield (
                f"order {each.client_id}: ours {mine.state} with {plain(mine.filled)} filled, the venue's {each.state} "
                f"with {plain(each.filled or ZERO)}"
            )
        elif each.state in {"open", "partly_filled"}:
            yield from _resting(each, mine.size, mine.price)
    for order in blotter.live(account):
        if order.client_id not in there and order.state != "intended":
            yield f"order {order.client_id} is {order.state} with us ({order.why}), and the venue has none"


def _resting(there: OrderUpdate, size: Decimal | None, price: Decimal | None) -> Iterator[str]:
    if there.size != size or there.price != price:
        yield f"order {there.client_id}: ours {size} at {price}, the venue's {there.size} at {there.price}"


def journalled(journal: Journal, exchange: Exchange, account: str, ledger: Ledger, now_ns: int) -> Iterator[str]:
    """What of the journal breaks a promise: an intent sent twice, an order nobody wrote down, a figure put right."""
    records = [entry.record for entry in journal.replay()]
    submitted = [record.order for record in records if isinstance(record, Submitted)]
    clients: dict[str, str] = {}
    for order in submitted:
        name, note = order.client_id, order.intent.note
        if not order.intent.group and clients.setdefault(note, name) != name:  # a group shares the strategy's words
            yield f"what the strategy calls {note!r} was placed twice: as {clients[note]} and as {name}"
    for record in records:
        if isinstance(record, Adjustment) and record.why != OPENING:
            what = record.currency or f"{record.instrument} {record.position}"
            yield f"{what} was put right from {plain(record.ours)} to {plain(record.theirs)}: {record.why}"
    names = {order.client_id for order in submitted}
    for each in exchange.orders(account):
        if each.client_id not in names and not each.client_id.startswith(FLATTENER):
            yield f"order {each.client_id} is at the venue, and not in the journal"
    yield from _again(journal, account, ledger, now_ns)


def _again(journal: Journal, account: str, ledger: Ledger, now_ns: int) -> Iterator[str]:
    """Whether a restart would find everything as it is."""
    again = restore(journal.replay(), journal.instance, now_ns)
    yield from (f"the journal: {problem}" for problem in again.problems)
    if dict(again.ledger.balances(account)) != dict(ledger.balances(account)):
        yield f"balances from the journal are {again.ledger.balances(account)}, ours {ledger.balances(account)}"
    for key, held in ledger.holdings(account).items():
        if again.ledger.holding(account, *key) != held:
            yield f"{key[0]} from the journal: {again.ledger.holding(account, *key)}, ours {held}"
