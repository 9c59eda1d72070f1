"""What is traded: a venue's instrument, with the units its sizes are in."""

from decimal import Decimal

import msgspec

from tapeline.model.number import EXACT, ROUNDING


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one instrument; a change of tick, lot or status makes a new version (`valid_from_ns`).

    `symbol` is unified as in ccxt (`BTC/USDT`, `BTC/USDT:USDT`, `BTC/USDT:USDT-251226`), `native` the venue's own.
    Sizes stay in the venue's unit: `size_unit` is "base" or "contract"; a linear contract is `contract_size` of base,
    an inverse one `contract_size` of quote. `status` is trading | halted | preopen | cancel_only | settling | delisted.
    """

    venue: str
    symbol: str
    native: str
    kind: str  # spot | perpetual | future | option
    base: str
    quote: str
    settle: str = ""
    status: str = "trading"
    tick: Decimal | None = None
    lot: Decimal | None = None
    min_size: Decimal | None = None
    min_notional: Decimal | None = None
    size_unit: str = "base"
    contract_size: Decimal = Decimal(1)
    inverse: bool = False
    expiry_ns: int | None = None
    valid_from_ns: int = 0
    code: str = ""  # the venue's number for it, where some requests name it so

    @property
    def id(self) -> str:
        """`venue:symbol`, the name used everywhere; split it at the first colon."""
        return f"{self.venue}:{self.symbol}"


def notional(instrument: Instrument, price: Decimal, size: Decimal) -> Decimal:
    """Value of this size in quote currency, exactly."""
    if instrument.size_unit == "base":
        return EXACT.multiply(price, size)
    contracts = EXACT.multiply(size, instrument.contract_size)
    return contracts if instrument.inverse else EXACT.multiply(contracts, price)


def base_size(instrument: Instrument, price: Decimal, size: Decimal) -> Decimal:
    """This size in base currency; exact but for inverse contracts, which divide (half-even at 60 digits)."""
    if instrument.size_unit == "base":
        return size
    contracts = EXACT.multiply(size, instrument.contract_size)
    return ROUNDING.divide(contracts, price) if instrument.inverse else contracts


def kind_said(symbol: str) -> str:
    """The kind of instrument a unified symbol names; "" for a venue's own name, which says it to the venue alone."""
    pair, _, settled = symbol.partition(":")
    if "/" not in pair:
        return ""
    if not settled:
        return "spot"
    return ("perpetual", "future", "", "option")[min(settled.count("-"), 3)]


def split_id(instrument_id: str) -> tuple[str, str]:
    """(venue, symbol) of `venue:symbol`; symbol is "" where there is no colon."""
    venue, _, symbol = instrument_id.partition(":")
    return venue, symbol
