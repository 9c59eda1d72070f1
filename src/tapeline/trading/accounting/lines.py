"""One line of the ledger, what is in the wallet of a position, and what a fill does to either. Pure."""

from copy import copy
from decimal import Decimal

import msgspec

from tapeline.model.account import Fill
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.trading.accounting.lots import FINEST, Lots, Part, share_of


class Line(msgspec.Struct, eq=False):
    """One holding, of the account or of a strategy."""

    lots: Lots
    instrument: Instrument | None = None  # of a line that has had a fill
    gross: Decimal = ZERO
    net: Decimal = ZERO
    funding: Decimal = ZERO
    fees: dict[str, Decimal] = {}
    unrated: dict[str, Decimal] = {}
    taken: Decimal = ZERO  # by how much others have changed a strategy's line, all in all: they only make it smaller

    def trade(self, delta: Decimal, value: Decimal) -> list[Part]:
        """See `Lots.trade`; what it won is realised."""
        parts = self.lots.trade(delta, value)
        for part in parts:
            if part.realised is not None:
                self.gross = EXACT.add(self.gross, part.realised)
                self.net = EXACT.add(self.net, part.realised)
        return parts

    def give(self, delta: Decimal, value: Decimal) -> None:
        """Put right by this: what closes goes at cost, and wins nothing; what opens costs `value`, or its share."""
        closing = ZERO
        if self.lots.size and (self.lots.size > 0) != (delta > 0):
            closing = min(delta.copy_abs(), self.lots.size.copy_abs()).copy_sign(delta)
        self.lots.give(closing)
        rest = EXACT.subtract(delta, closing)
        self.lots.trade(rest, share_of(value, rest.copy_abs(), delta.copy_abs()) if closing and rest else value)

    def fee(self, currency: str, amount: Decimal, rate: Decimal | None) -> None:
        """A fee was paid; `rate` is its worth in settle currency, None where nobody knows, zero where cost has it."""
        add(self.fees, currency, amount)
        if rate is None:
            add(self.unrated, currency, amount)
        else:
            self.net = EXACT.subtract(self.net, worth(amount, rate))

    def fund(self, amount: Decimal) -> None:
        """Funding was got, or paid where it is negative."""
        self.funding = EXACT.add(self.funding, amount)
        self.net = EXACT.add(self.net, amount)

    def copy(self) -> "Line":
        """One that changes by itself."""
        other = copy(self)
        other.lots, other.fees, other.unrated = self.lots.copy(), dict(self.fees), dict(self.unrated)
        return other


class Wallet(msgspec.Struct, eq=False):
    """What of a derivative position is in the wallet already: its cost by the venue's reckoning, always on average."""

    instrument: Instrument
    basis: Decimal = ZERO
    lots: Lots = msgspec.field(default_factory=lambda: Lots("average"))

    def copy(self) -> "Wallet":
        """One that changes by itself."""
        other = copy(self)
        other.lots = self.lots.copy()
        return other


def unsupported(instrument: Instrument) -> str:
    """Why the ledger keeps no books of an instrument; "" where it does."""
    if instrument.kind == "option":
        return "options are not kept in the ledger"
    if instrument.inverse:
        return "an inverse contract's profit divides by prices and is never exact: it is not kept in the ledger"
    if instrument.kind != "spot" and settle_of(instrument) != instrument.quote:
        return f"it settles in {instrument.settle} and is priced in {instrument.quote}: that is not kept in the ledger"
    return ""


def effect(fill: Fill, instrument: Instrument) -> tuple[Decimal, Decimal, Decimal]:
    """Signed change of what is held, what it cost or brought, and what went besides, for nothing.

    A spot fee in base makes the holding smaller: what is left of a purchase has cost as much. One that is no smaller
    than the purchase itself goes besides.
    """
    delta = fill.size if fill.side == "buy" else fill.size.copy_negate()
    value = notional(instrument, fill.price, fill.size)
    if instrument.kind != "spot" or not fill.fee or fill.fee_currency != instrument.base:
        return delta, value, ZERO
    if fill.fee.copy_abs() < fill.size:
        return EXACT.subtract(delta, fill.fee), value, ZERO
    return delta, value, fill.fee.copy_negate()


def settle_of(instrument: Instrument) -> str:
    """The currency that profit comes in."""
    return instrument.quote if instrument.kind == "spot" else instrument.settle or instrument.quote


def worth(amount: Decimal, rate: Decimal) -> Decimal:
    """Their product, at most 18 digits after the point, half to even."""
    product = ROUNDING.multiply(amount, rate)
    if product.as_tuple().exponent < -18:  # type: ignore[operator]  # of a finite number: an int
        product = product.quantize(FINEST, context=ROUNDING)
    return product


def add(amounts: dict[str, Decimal], key: str, amount: Decimal) -> None:
    """Add to what stands there."""
    amounts[key] = EXACT.add(amounts.get(key, ZERO), amount)
