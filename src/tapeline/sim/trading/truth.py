"""What a venue knows of an account, beside our books and our journal, once everything has come to rest."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce

from tapeline.model.account import OrderUpdate, Payment
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import POSITIONS
from tapeline.sim.trading.others import Others
from tapeline.sim.trading.witness import NOBODY, Nobody
from tapeline.store.journal import Journal
from tapeline.store.snapshot import played
from tapeline.trading.accounting.holding import Holding
from tapeline.trading.accounting.ledger import Adjustment, Ledger
from tapeline.trading.memo import encode
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.record import Submitted, SubmittedList
from tapeline.trading.restore import Playback, restore
from tapeline.trading.suspects import OPENING

ALIVE = frozenset({"open", "partly_filled"})
FLATTENER = "f"  # client ids of slices begin so: they are no order of the engine's


def differences(
    exchange: Exchange, account: str, blotter: Blotter, ledger: Ledger, *, flattened: bool = False,
    others: Others | Nobody = NOBODY,
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
    yield from _orders(exchange, account, blotter, others)
    yield from _of_others(exchange, account, blotter, others)
    if flattened:
        for (name, _), size in held.items():
            if size:
                yield f"{plain(size)} of {name} is left after flattening"


def _instrument(
    exchange: Exchange, account: str, ledger: Ledger, instrument: Instrument, held: Mapping[tuple[str, str], Decimal]
) -> Iterator[str]:  # fmt: skip
    """Positions, and what was won and paid. Funding is told of an instrument, not of its sides."""
    ours, theirs = list[Holding](), list[_Sums]()
    for position in POSITIONS:
        mine, its = ledger.holding(account, instrument.id, position), _summed(exchange, account, instrument, position)
        name = instrument.id if position == "net" else f"{instrument.id} {position}"
        yield from _leg(name, mine, its)
        told = held.get((instrument.id, position), ZERO)
        if instrument.kind != "spot" and mine.size != told:
            yield f"position told of {name}: ours {plain(mine.size)}, the venue's {plain(told)}"
        ours.append(mine)
        theirs.append(its)
    paid = reduce(EXACT.add, (each.funding for each in ours), ZERO)
    told = reduce(
        EXACT.add,
        (
            each.amount for each in exchange.payments(account)
            if each.instrument == instrument.id and each.kind == "funding"
        ),
        ZERO,
    )  # fmt: skip
    if paid != told:
        yield f"funding of {instrument.id}: ours {plain(paid)}, the venue's {plain(told)}"


def _leg(name: str, mine: Holding, its: "_Sums") -> Iterator[str]:
    won = EXACT.subtract(mine.gross, mine.cost.copy_sign(mine.size) if mine.size else ZERO)
    figures = [("position", mine.size, its.size), ("profit", won, its.value)]
    figures += [
        (f"fees in {each}", mine.fees.get(each, ZERO), its.fees.get(each, ZERO))
        for each in sorted({*its.fees, *mine.fees})
    ]
    for what, ours, theirs in figures:
        if ours != theirs:
            yield f"{what} of {name}: ours {plain(ours)}, the venue's {plain(theirs)}"


@dataclass(slots=True)
class _Sums:
    """What the venue's own fills come to, one by one. `value` is what sales brought over purchases."""

    size: Decimal = ZERO
    value: Decimal = ZERO
    fees: dict[str, Decimal] = field(default_factory=dict)


def _summed(exchange: Exchange, account: str, instrument: Instrument, position: str) -> _Sums:
    sums = _Sums()
    for fill in exchange.fills(account, instrument.id):
        if fill.position != position:
            continue
        worth = notional(instrument, fill.price, fill.size)
        buys = fill.side == "buy"
        sums.size = EXACT.add(sums.size, fill.size if buys else fill.size.copy_negate())
        sums.value = EXACT.add(sums.value, worth.copy_negate() if buys else worth)
        if fill.fee:
            sums.fees[fill.fee_currency] = EXACT.add(sums.fees.get(fill.fee_currency, ZERO), fill.fee)
            if instrument.kind == "spot" and fill.fee_currency == instrument.base:
                sums.size = EXACT.subtract(sums.size, fill.fee)
    return sums


def _orders(exchange: Exchange, account: str, blotter: Blotter, others: Others | Nobody) -> Iterator[str]:
    there = {each.client_id: each for each in exchange.orders(account)}
    for each in there.values():
        if others.is_theirs(each) or (each.client_id.startswith(FLATTENER) and not blotter.owns(each.client_id)):
            continue
        mine = blotter.order(each.client_id)
        if mine is None and each.state not in ALIVE and blotter.forgotten(each.client_id):
            continue
        if mine is None:
            yield f"order {each.client_id} is {each.state} at the venue, and we know none"
        elif mine.filled != (each.filled or ZERO) or mine.final != (each.state not in ALIVE):
            yield (
                f"order {each.client_id}: ours {mine.state} with {plain(mine.filled)} filled, the venue's {each.state} "
                f"with {plain(each.filled or ZERO)}"
            )
        elif each.state in ALIVE:
            yield from _resting(each, mine.size, mine.price)
    for order in blotter.live(account):
        if order.client_id not in there and order.state != "intended":
            yield f"order {order.client_id} is {order.state} with us ({order.why}), and the venue has none"


def _of_others(exchange: Exchange, account: str, blotter: Blotter, others: Others | Nobody) -> Iterator[str]:
    """Orders of other origin are shown as they are, and nobody of us has touched one."""
    there = {each.venue_id for each in exchange.open_orders(account) if others.is_theirs(each)}
    shown = {each.venue_id for each in blotter.foreign(account)}
    for number in sorted(there - shown):
        yield f"order {number} of other origin is open at the venue, and not shown"
    for number in sorted(shown - there):
        yield f"order {number} of other origin is shown as open, and it is not"
    for name in others.touched(exchange):
        yield f"order {name} is of other origin, and was cancelled by us"


def _resting(there: OrderUpdate, size: Decimal | None, price: Decimal | None) -> Iterator[str]:
    if there.size != size or there.price != price:
        yield f"order {there.client_id}: ours {size} at {price}, the venue's {there.size} at {there.price}"


def journalled(
    journal: Journal, exchange: Exchange, account: str, ledger: Ledger, now_ns: int, *,
    others: Others | Nobody = NOBODY,
) -> Iterator[str]:  # fmt: skip
    """What of the journal breaks a promise: an intent sent twice, an order nobody wrote down, a figure put right."""
    records = [entry.record for entry in journal.replay()]
    submitted = [record.order for record in records if isinstance(record, Submitted)]
    submitted += [order for record in records if isinstance(record, SubmittedList) for order in record.orders]
    clients: dict[str, str] = {}
    for order in submitted:
        name, note = order.client_id, order.intent.note
        if not order.intent.group and clients.setdefault(note, name) != name:  # a group shares the strategy's words
            yield f"what the strategy calls {note!r} was placed twice: as {clients[note]} and as {name}"
    put_right = [
        each for each in records if isinstance(each, Adjustment) and each.account == account and each.why != OPENING
    ]
    for record in put_right:
        if record.currency not in others.moved:
            what = record.currency or f"{record.instrument} {record.position}"
            yield f"{what} was put right from {plain(record.ours)} to {plain(record.theirs)}: {record.why}"
    for currency in others.moved:
        yield from _moved(exchange, account, currency, records, put_right)
    names = {order.client_id for order in submitted}
    for each in exchange.orders(account):
        if each.client_id not in names and not each.client_id.startswith(FLATTENER) and not others.is_theirs(each):
            yield f"order {each.client_id} is at the venue, and not in the journal"
    yield from _again(journal, account, ledger, now_ns)


def _moved(
    exchange: Exchange, account: str, currency: str, records: Sequence[object], put_right: Sequence[Adjustment]
) -> Iterator[str]:  # fmt: skip
    """A transfer is in the books once: as a payment, or where the venue lists none and nobody heard, put right."""
    there = [each.amount for each in exchange.payments(account) if (each.currency, each.kind) == (currency, "transfer")]
    heard = {
        (each.at_ns, each.amount): each.amount  # a stream tells of it without an id, and a list with one
        for each in records
        if isinstance(each, Payment) and (each.account, each.currency, each.kind) == (account, currency, "transfer")
    }
    mended = [EXACT.subtract(each.theirs, each.ours) for each in put_right if each.currency == currency]
    sums = [reduce(EXACT.add, amounts, ZERO) for amounts in (there, heard.values(), mended)]
    if sums[0] != EXACT.add(sums[1], sums[2]):
        told = f"{plain(sums[1])} as payments, and {plain(sums[2])} by putting it right"
        yield f"{plain(sums[0])} {currency} was transferred, and is in the books with {told}"


def _again(journal: Journal, account: str, ledger: Ledger, now_ns: int) -> Iterator[str]:
    """Whether a restart would find everything as it is."""
    again = restore(journal.replay(), journal.instance, now_ns)
    yield from (f"the journal: {problem}" for problem in again.problems)
    if dict(again.ledger.balances(account)) != dict(ledger.balances(account)):
        yield f"balances from the journal are {again.ledger.balances(account)}, ours {ledger.balances(account)}"
    for strategy in (None, *sorted(ledger.strategies(account))):
        for key, held in ledger.holdings(account, strategy).items():
            if again.ledger.holding(account, *key, strategy=strategy) != held:
                whose = key[0] if strategy is None else f"{key[0]} of {strategy or 'nobody'}"
                yield f"{whose} from the journal: {again.ledger.holding(account, *key, strategy=strategy)}, ours {held}"
    whole = Playback(journal.instance)
    for entry in journal.replay():
        whole.play(entry)
    shorter, (begun, last) = played(journal)
    if encode(whole.memo()) != encode(shorter.memo()):
        yield f"the snapshot at record {begun} and the records up to {last} make another state than the whole journal"
