"""What a run leaves behind: fills, orders, equity, and round trips made of fills. Exact; nothing here decides."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec

from tapeline.model.account import Fill, Payment
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.model.order import Order
from tapeline.trading.accounting.holding import sellable
from tapeline.trading.command import Note, Submit

_DIGITS = Decimal("1e-12")


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """A fill with what it was worth, and how much worse than the price when its order was sent (`slippage`, value).

    `rate`: what one of its quote currency was worth in that of the whole run; None where no price said it.
    """

    at_ns: int
    account: str
    strategy: str
    instrument: str
    client_id: str
    side: str
    price: Decimal
    size: Decimal
    value: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: str
    slippage: Decimal
    position: str
    note: str
    rate: Decimal | None = Decimal(1)


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """A position from its first fill until it was flat, or turned: what is won is after fees, in quote currency.

    Dust that no order can be for ends it too, and is carried into the next one as if it had cost nothing. `rate`: what
    one of the quote currency was worth in that of the whole run when it ended; None where no price said it.
    """

    strategy: str
    account: str
    instrument: str
    side: str  # long | short
    opened_ns: int
    closed_ns: int
    size: Decimal  # the most that was held
    entry_price: Decimal
    exit_price: Decimal
    won: Decimal
    fees: Decimal
    fills: int
    open: bool = False  # the run ended before it was closed: valued at the last price
    rate: Decimal | None = Decimal(1)


class Sample(msgspec.Struct, frozen=True):
    """What all accounts were worth at a time, and whether anything was held."""

    at_ns: int
    equity: Decimal
    exposed: bool


class _Open:
    __slots__ = ("bought", "charged", "fees", "fills", "most", "opened_ns", "size", "sold", "value_in", "value_out")

    def __init__(self, opened_ns: int, dust: Decimal) -> None:
        self.opened_ns = opened_ns
        self.size = dust
        self.most = self.bought = self.sold = ZERO  # bought in, sold out: sizes, whatever the side
        self.value_in = self.value_out = self.fees = ZERO
        self.charged = ZERO  # of the fees, what was not taken from the size itself
        self.fills = 0


class Record:
    """Fed by whoever runs the engine: `submitted`, `filled`, `sampled`."""

    def __init__(
        self, instruments: Mapping[str, Instrument], rate: Callable[[str, str, str], Decimal | None],
        currency: str = "USDT",
    ) -> None:  # fmt: skip
        self.deals: list[Deal] = []
        self.trips: list[Trip] = []
        self.samples: list[Sample] = []
        self.payments: list[Payment] = []
        self.denied: dict[str, int] = {}  # the first words of why -> how often
        self.notes: list[tuple[int, Note]] = []
        self.orders = 0
        self._instruments, self._rate, self._currency = instruments, rate, currency
        self._sent: dict[str, Decimal | None] = {}  # client id -> the price when it was sent
        self._open: dict[tuple[str, str, str, str], _Open] = {}
        self._dust: dict[tuple[str, str, str, str], Decimal] = {}  # what a trip left, and the next one has

    @property
    def held(self) -> bool:
        """Whether anything is held now."""
        return any(each.size for each in self._open.values())

    def submitted(self, command: Submit, price: Decimal | None) -> None:
        """An order is on its way; the price of the market right now."""
        self.orders += 1
        self._sent[command.order.client_id] = price

    def noted(self, note: Note, at_ns: int) -> None:
        """A decision worth a line."""
        if note.kind == "denied":
            why = note.text.partition(":")[0][:80]
            self.denied[why] = self.denied.get(why, 0) + 1
        elif len(self.notes) < 10_000:
            self.notes.append((at_ns, note))

    def filled(self, fill: Fill, order: Order | None) -> None:
        """A fill, and whose it is."""
        instrument = self._instruments.get(fill.instrument or "")
        if instrument is None:
            return
        strategy = order.intent.strategy if order is not None else ""
        value = notional(instrument, fill.price, fill.size)
        fee = fill.fee or ZERO
        rate = self._rate(instrument.venue, fill.fee_currency, instrument.quote) if fee else None
        deal = Deal(
            at_ns=fill.at_ns or fill.received_ns, account=fill.account, strategy=strategy, instrument=instrument.id,
            client_id=fill.client_id, side=fill.side, price=fill.price, size=fill.size, value=value,
            fee=fee if rate is None else _shown(ROUNDING.multiply(fee, rate)),
            fee_currency=instrument.quote if rate is not None or not fee else fill.fee_currency,
            liquidity=fill.liquidity, slippage=self._slipped(fill, instrument), position=fill.position,
            note="" if order is None else order.intent.note,
            rate=self._rate(instrument.venue, instrument.quote, self._currency),
        )  # fmt: skip
        self.deals.append(deal)
        self._travel(deal, instrument, fee, fill.fee_currency)

    def sampled(self, at_ns: int, equity: Decimal) -> None:
        """What everything is worth now."""
        self.samples.append(Sample(at_ns, equity, self.held))

    def priced(self, lacking: Iterable[tuple[int, Decimal]], rate: Decimal) -> None:
        """A coin's first price is known: it was worth that in the samples (number, amount) before, too.

        Else a run that begins with coins would seem to win them as their first price comes.
        """
        for number, amount in lacking:
            sample = self.samples[number]
            equity = EXACT.add(sample.equity, EXACT.multiply(amount, rate))
            self.samples[number] = Sample(sample.at_ns, equity, sample.exposed)

    def finish(self, at_ns: int, price_of: Callable[[str], Decimal | None]) -> None:
        """The run ends: what is still held is valued as it stands."""
        for key, trip in self._open.items():
            price = price_of(key[2])
            if trip.size and price is not None:
                instrument = self._instruments[key[2]]
                left = notional(instrument, price, trip.size.copy_abs())
                trip.value_out = EXACT.add(trip.value_out, left)
                trip.sold = EXACT.add(trip.sold, trip.size.copy_abs())
                self.trips.append(self._trip(key, trip, at_ns, still_open=True))
        self.trips.sort(key=lambda each: (each.closed_ns, each.opened_ns))

    # ---- within --------------------------------------------------------------------------------------------------

    def _slipped(self, fill: Fill, instrument: Instrument) -> Decimal:
        expected = self._sent.get(fill.client_id)
        if expected is None or fill.liquidity == "maker":
            return ZERO
        worse = EXACT.subtract(fill.price, expected)
        return notional(instrument, worse if fill.side == "buy" else EXACT.minus(worse), fill.size)

    def _travel(self, deal: Deal, instrument: Instrument, fee: Decimal, currency: str) -> None:
        """Put a fill into the position it changes; one that turns it is split where it is flat."""
        key = (deal.account, deal.strategy, deal.instrument, deal.position)
        signed = deal.size if deal.side == "buy" else EXACT.minus(deal.size)
        taken = ZERO  # a fee that was taken from what was bought
        if instrument.kind == "spot" and deal.side == "buy" and currency == instrument.base:
            taken = fee
        left, cost = signed, deal.fee
        while left:
            trip = self._open.get(key)
            if trip is None:
                trip = self._open[key] = _Open(deal.at_ns, self._dust.pop(key, ZERO))
            opens = not trip.bought or (trip.size > ZERO) == (left > ZERO)
            part = left if opens or left.copy_abs() <= trip.size.copy_abs() else EXACT.minus(trip.size)
            size = part.copy_abs()
            value = notional(instrument, deal.price, size)
            share = cost if part == left else ROUNDING.divide(EXACT.multiply(cost, size), left.copy_abs())
            if opens:
                trip.bought, trip.value_in = EXACT.add(trip.bought, size), EXACT.add(trip.value_in, value)
            else:
                trip.sold, trip.value_out = EXACT.add(trip.sold, size), EXACT.add(trip.value_out, value)
            # What turns a position bears the fee where it opens: what it closes is flat then, not short by the fee.
            trip.size = EXACT.add(trip.size, EXACT.subtract(part, taken if part == left else ZERO))
            trip.most = max(trip.most, trip.size.copy_abs())
            trip.fees = ROUNDING.add(trip.fees, share)
            trip.charged = trip.charged if taken else ROUNDING.add(trip.charged, share)
            trip.fills += 1
            cost, left = ROUNDING.subtract(cost, share), EXACT.subtract(left, part)
            beyond = (trip.size > ZERO) == (part > ZERO)  # by a fee that was given, not taken
            if not opens and (beyond or not sellable(trip.size, instrument)):
                del self._open[key]
                self._dust[key] = trip.size
                self.trips.append(self._trip(key, trip, deal.at_ns, short=part > ZERO))

    def _trip(
        self, key: tuple[str, str, str, str], trip: _Open, at_ns: int, *, short: bool = False, still_open: bool = False
    ) -> Trip:
        short = trip.size < ZERO if still_open else short
        gross = EXACT.subtract(trip.value_out, trip.value_in)
        won = ROUNDING.subtract(EXACT.minus(gross) if short else gross, trip.charged)
        unit = self._instruments[key[2]]
        one = unit.contract_size if unit.size_unit == "contract" else Decimal(1)
        return Trip(
            strategy=key[1], account=key[0], instrument=key[2], side="short" if short else "long",
            opened_ns=trip.opened_ns, closed_ns=at_ns, size=trip.most,
            entry_price=_shown(ROUNDING.divide(trip.value_in, EXACT.multiply(trip.bought, one))),
            exit_price=_shown(ROUNDING.divide(trip.value_out, EXACT.multiply(trip.sold, one))),
            won=_shown(won), fees=_shown(trip.fees), fills=trip.fills, open=still_open,
            rate=self._rate(unit.venue, unit.quote, self._currency),
        )  # fmt: skip


def _shown(value: Decimal) -> Decimal:
    """To twelve digits after the point, where a division or a rate gave more."""
    return value.quantize(_DIGITS, context=ROUNDING).normalize(ROUNDING) if value.as_tuple().exponent < -12 else value  # type: ignore[operator]  # it is finite
