"""What may explain that a venue's figure is not ours: what is certain explains it; a guess is only said. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ROUNDING, ZERO, plain
from tapeline.trading.accounting.ledger import Ledger

FINEST = Decimal("1E-8")  # venues keep balances to this
FEE_AT_MOST = Decimal("0.01")  # of what was traded: no venue takes more
MOVES = frozenset({"transfer", "funding", "fee", "rebate", "adjustment", "liquidation"})  # what is no trade
OPENING = "the books of this account begin here"

Finding = tuple[str, bool]  # in words, and whether that explains it


class Suspects:
    """Of one account and one statement. `accepted`: a person takes it all, and says so."""

    def __init__(
        self, ledger: Ledger, account: str, reasons: Mapping[str, Sequence[str]], *, first: bool, accepted: str
    ) -> None:
        self._ledger, self._account, self._reasons = ledger, account, reasons
        self._given = OPENING if first else accepted and f"accepted by {accepted}"

    def position(self, instrument: Instrument, difference: Decimal) -> Finding:
        """Of a position. Only its fills explain one, and those are booked by now."""
        if self._given:
            return self._given, True
        size = f"{plain(difference)} {instrument.id}"
        return f"{size} that no fill tells of: a manual trade, or a fill it lists no more", False

    def balance(self, currency: str, differences: Mapping[str, Decimal]) -> tuple[str, bool, bool]:
        """Of one currency, beside those of all others; and whether it stands for fees."""
        difference = differences[currency]
        if self._given:
            return self._given, True, False
        if difference.copy_abs() <= FINEST:
            return "rounding", True, False
        told = [reason for reason in self._reasons.get(currency, ()) if reason in MOVES]
        if told:
            return f"the venue told of a change by {' and '.join(dict.fromkeys(told))}", True, False
        fees = self._fees(currency, difference)
        if fees:
            return fees, True, True
        guess = self._trade(currency, differences) or f"{plain(difference)} {currency} that nothing tells of"
        return guess, False, False

    def _fees(self, currency: str, difference: Decimal) -> str:
        """Fees of fills that came without: only less than before, and no more than a fee can be."""
        fills = self._ledger.feeless(self._account)
        if difference > ZERO or not fills:
            return ""
        most = ZERO
        for fill in fills:
            value = EXACT.multiply(fill.price, fill.size)
            quote, base = _currencies(fill.instrument or "")
            worth = value if currency == quote else fill.size if currency == base else self._in(currency, quote, value)
            most = EXACT.fma(worth, FEE_AT_MOST, most)
        return f"fees of {len(fills)} fills that came without" if difference.copy_abs() <= most else ""

    def _in(self, currency: str, quote: str, value: Decimal) -> Decimal:
        """What a value in quote is in a third coin, by any mark of it; zero where there is none."""
        price = self._ledger.price(currency, quote)
        return ZERO if not price else ROUNDING.divide(value, price).quantize(FINEST, context=ROUNDING)

    def _trade(self, currency: str, differences: Mapping[str, Decimal]) -> str:
        """Two currencies that moved against each other at about a market price look like a trade. A guess."""
        for other, moved in differences.items():
            mine = differences[currency]
            if other == currency or not moved or (moved > ZERO) == (mine > ZERO):
                continue
            for base, quote in ((currency, other), (other, currency)):
                price = self._ledger.price(base, quote)
                if price is None:
                    continue
                paid = ROUNDING.divide(differences[quote].copy_abs(), differences[base].copy_abs())
                if abs(paid - price) <= price / 20:
                    side = "bought" if differences[base] > ZERO else "sold"
                    size = plain(differences[base].copy_abs())
                    return f"looks like {size} {base} {side} for {quote} by hand; no fill tells of it"
        return ""


def _currencies(instrument: str) -> tuple[str, str]:
    symbol = instrument.partition(":")[2].partition(":")[0]
    base, _, quote = symbol.partition("/")
    return quote, base
