"""What a paper exchange takes for a fill: rates, currency, and how it is rounded. Pure."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

import msgspec

from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ROUNDING


class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """Rates as fractions of the value; a negative one is given back.

    On spot they are taken from what is `received` (a buyer has less base), or always in the `quote` currency; on
    derivatives in the settle currency. They are rounded to `digits` after the point, never in the account's favour.
    `rates` are (maker, taker) of single instruments.
    """

    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")
    paid_in: str = "received"  # received | quote
    digits: int = 8
    rates: Mapping[str, tuple[Decimal, Decimal]] = {}

    def rate(self, instrument: str, liquidity: str) -> Decimal:
        """Of this instrument, for a maker or a taker."""
        maker, taker = self.rates.get(instrument, (self.maker, self.taker))
        return maker if liquidity == "maker" else taker

    def charge(
        self, instrument: Instrument, side: str, price: Decimal, size: Decimal, liquidity: str
    ) -> tuple[Decimal, str]:
        """(fee, its currency) of a fill; positive where it is paid."""
        rate = self.rate(instrument.id, liquidity)
        if instrument.kind == "spot" and side == "buy" and self.paid_in == "received":
            return self._rounded(EXACT.multiply(size, rate)), instrument.base
        currency = instrument.quote if instrument.kind == "spot" else instrument.settle
        return self._rounded(EXACT.multiply(notional(instrument, price, size), rate)), currency

    def on_top(self, instrument: Instrument) -> Decimal:
        """The fraction that a spot buyer needs beside the value itself."""
        if self.paid_in == "received":
            return Decimal(0)
        return max(Decimal(0), self.rate(instrument.id, "maker"), self.rate(instrument.id, "taker"))

    def _rounded(self, fee: Decimal) -> Decimal:
        return fee.quantize(Decimal(1).scaleb(-self.digits), ROUND_CEILING, ROUNDING)
