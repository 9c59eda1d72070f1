"""What became of every order of a run, as its journal tells it. Pure and exact."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.model.order import FINAL, Intent
from tapeline.trading.command import Hold, Note, Withdraw
from tapeline.trading.input import Failed
from tapeline.trading.record import Begun, Entry, Listed, Submitted, SubmittedList

FAILED = {"refused": "rejected", "unsent": "withdrawn", "unknown": "unknown"}  # a failed submission -> its state


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One order. `price` is the average of what was filled, None where nothing was; `fees` are by currency.

    `decided_ns` is when it was wanted, `sent_ns` when it went out (None: it waited with us, and never did), `delay_ns`
    from then to when the first fill was heard, both by the clock of the machine that ran the strategy.
    """

    client_id: str
    intent: Intent
    decided_ns: int
    sent_ns: int | None
    state: str
    size: Decimal | None
    filled: Decimal
    price: Decimal | None
    taken: Decimal  # of `filled`, as a taker
    fees: Mapping[str, Decimal]
    delay_ns: int | None
    why: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """All orders of a journal by the time they were decided, oldest first, and when it began.

    `denied_ns` are the times at which risk refused one, which then was never an order.
    """

    begun_ns: int
    orders: Sequence[Outcome]
    denied_ns: Sequence[int]
    instruments: Mapping[str, Instrument]


def run_of(entries: Iterable[Entry]) -> Run:
    """Read a journal. Orders of other origin are not in it."""
    reading = _Reading()
    for entry in entries:
        reading.read(entry)
    orders = sorted((each.outcome() for each in reading.orders.values()), key=lambda each: each.decided_ns)
    return Run(
        begun_ns=reading.begun_ns or 0, orders=orders, denied_ns=reading.denied_ns, instruments=reading.instruments
    )


class _Order:
    """One order while its journal is read."""

    def __init__(self, client_id: str, intent: Intent, decided_ns: int) -> None:
        self._client_id, self._intent, self._decided_ns = client_id, intent, decided_ns
        self.sent_ns: int | None = None
        self._state, self._why = "intended", ""
        self._size = intent.size
        self._fills: dict[str, Fill] = {}  # by id, so that one told twice is one

    def told(self, state: str, why: str = "") -> None:
        """A final state stays what it is."""
        if self._state not in FINAL:
            self._state, self._why = state, why or self._why

    def updated(self, update: OrderUpdate) -> None:
        self.told(update.state, update.why)
        self._size = update.size if update.size is not None else self._size

    def filled(self, fill: Fill) -> None:
        known = self._fills.get(fill.id)
        if known is None or known.fee is None:  # the fee may come after the fill
            self._fills[fill.id] = fill

    def outcome(self) -> Outcome:
        value = filled = taken = ZERO
        fees: dict[str, Decimal] = {}
        for fill in self._fills.values():
            filled = EXACT.add(filled, fill.size)
            value = EXACT.fma(fill.price, fill.size, value)
            taken = EXACT.add(taken, fill.size) if fill.liquidity == "taker" else taken
            if fill.fee is not None:
                fees[fill.fee_currency] = EXACT.add(fees.get(fill.fee_currency, ZERO), fill.fee)
        first_ns = min((fill.received_ns for fill in self._fills.values()), default=None)
        return Outcome(
            client_id=self._client_id, intent=self._intent, decided_ns=self._decided_ns, sent_ns=self.sent_ns,
            state=self._state, size=self._size, filled=filled,
            price=ROUNDING.divide(value, filled) if filled else None, taken=taken, fees=fees,
            delay_ns=None if first_ns is None or self.sent_ns is None else first_ns - self.sent_ns, why=self._why,
        )  # fmt: skip


class _Reading:
    def __init__(self) -> None:
        self.begun_ns: int | None = None
        self.orders: dict[str, _Order] = {}
        self.denied_ns: list[int] = []
        self.instruments: dict[str, Instrument] = {}
        self._parts: Mapping[type, Callable[[Any, int], None]] = {
            Submitted: self._submitted, SubmittedList: self._submitted_list, Hold: self._hold,
            Withdraw: self._withdraw, Failed: self._failed,
            OrderUpdate: self._updated, Fill: self._filled, Listed: self._listed,
            Note: self._noted,
        }  # fmt: skip

    def read(self, entry: Entry) -> None:
        if self.begun_ns is None or (isinstance(entry.record, Begun) and entry.at_ns < self.begun_ns):
            self.begun_ns = entry.at_ns
        part = self._parts.get(type(entry.record))
        if part is not None:
            part(entry.record, entry.at_ns)

    def _submitted(self, record: Submitted, at_ns: int) -> None:
        order = record.order
        known = self.orders.setdefault(order.client_id, _Order(order.client_id, order.intent, at_ns))
        known.sent_ns = at_ns
        known.told("submitted")

    def _submitted_list(self, record: SubmittedList, at_ns: int) -> None:
        for order in record.orders:
            self._submitted(Submitted(order), at_ns)

    def _hold(self, record: Hold, at_ns: int) -> None:
        self.orders.setdefault(record.client_id, _Order(record.client_id, record.intent, at_ns))

    def _withdraw(self, record: Withdraw, _at_ns: int) -> None:
        if record.client_id in self.orders:
            self.orders[record.client_id].told("withdrawn", record.why)

    def _failed(self, record: Failed, _at_ns: int) -> None:
        if record.client_id in self.orders and record.what == "submit":
            self.orders[record.client_id].told(FAILED[record.outcome], record.why)

    def _updated(self, record: OrderUpdate, _at_ns: int) -> None:
        if record.client_id in self.orders:
            self.orders[record.client_id].updated(record)

    def _filled(self, record: Fill, _at_ns: int) -> None:
        if record.client_id in self.orders:
            self.orders[record.client_id].filled(record)

    def _listed(self, record: Listed, _at_ns: int) -> None:
        self.instruments[record.instrument.id] = record.instrument

    def _noted(self, record: Note, at_ns: int) -> None:
        if record.kind == "denied":
            self.denied_ns.append(at_ns)
