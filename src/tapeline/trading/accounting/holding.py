"""What is held of an instrument, as a value, and how much of it can be sold. Pure."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ROUNDING, ZERO


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger. `size` is signed, in the instrument's unit; `cost` what it cost, without sign.

    `realised` is what was won in settle currency: `gross` by closing, less fees, plus funding (negative: paid). Fees
    are in their own currencies; those in `unrated` had no known rate and are not in `realised`. A fee taken from a
    spot purchase itself is part of the cost.
    """

    size: Decimal = ZERO
    entry_price: Decimal | None = None  # None where nothing is held
    cost: Decimal = ZERO
    gross: Decimal = ZERO
    realised: Decimal = ZERO
    funding: Decimal = ZERO
    fees: Mapping[str, Decimal] = {}
    unrated: Mapping[str, Decimal] = {}

    def unrealised(self, price: Decimal, instrument: Instrument) -> Decimal:
        """What closing it all at this price would win before fees, in settle currency. Linear and spot only."""
        worth = notional(instrument, price, self.size.copy_abs())
        return EXACT.subtract(worth, self.cost) if self.size > 0 else EXACT.subtract(self.cost, worth)


def sellable(size: Decimal, instrument: Instrument, price: Decimal | None = None) -> Decimal:
    """How much of a size an order can be for: whole lots, and nothing under the least size or value. The rest is dust.

    Without a price the least value is not looked at.
    """
    whole = size.copy_abs()
    if instrument.lot:
        whole = EXACT.subtract(whole, ROUNDING.remainder(whole, instrument.lot))
    if instrument.min_size is not None and whole < instrument.min_size:
        return ZERO
    if price is not None and instrument.min_notional is not None:
        whole = whole if notional(instrument, price, whole) >= instrument.min_notional else ZERO
    return whole.copy_sign(size) if whole else ZERO


def dust(size: Decimal, instrument: Instrument, price: Decimal | None = None) -> Decimal:
    """What no order can be for: the rest of `sellable`."""
    return EXACT.subtract(size, sellable(size, instrument, price))


def entry_price(size: Decimal, cost: Decimal, instrument: Instrument | None) -> Decimal | None:
    """What a unit of price cost on average; at most 28 digits, half to even."""
    if not size or instrument is None:
        return None
    units = (
        EXACT.multiply(size.copy_abs(), instrument.contract_size)
        if instrument.size_unit == "contract"
        else size.copy_abs()
    )
    return _PRICE.divide(cost, units)


_PRICE = ROUNDING.copy()
_PRICE.prec = 28
