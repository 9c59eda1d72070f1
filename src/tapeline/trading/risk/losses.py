"""What was lost since midnight UTC and since the best there was, by scope; and the fees of the day. Pure, exact."""

from decimal import Decimal

import msgspec

from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.trading.risk.rates import Key

DAY_NS = 86_400_000_000_000


class Since(msgspec.Struct, kw_only=True):
    """One scope: `equity` now, at the start of its day and at its best; the fees of that day."""

    day: int = 0  # days since 1970
    equity: Decimal = ZERO
    at_start: Decimal = ZERO
    peak: Decimal = ZERO
    fees: Decimal = ZERO


class Losses:
    """Fed with equities (of an account, or what a strategy has won), it says what they have lost.

    What it knows is worth keeping over a restart (`memo`, `Losses(memo)`): a loss limit that a restart forgets is none.
    """

    def __init__(self, memo: dict[str, Since] | None = None) -> None:
        self._known: dict[str, Since] = dict(memo or {})

    def mark(self, key: Key, equity: Decimal, now_ns: int) -> None:
        """What it is worth now. The first of a day is what the day's loss is counted from."""
        name, day = "/".join(key), now_ns // DAY_NS
        known = self._known.get(name)
        if known is None:
            self._known[name] = Since(day=day, equity=equity, at_start=equity, peak=equity)
            return
        if day > known.day:
            known.day, known.at_start, known.fees = day, known.equity, ZERO
        known.equity, known.peak = equity, max(known.peak, equity)

    def paid(self, key: Key, fee: Decimal) -> None:
        """A fee; a rebate is negative."""
        known = self._known.get("/".join(key))
        if known is not None:  # what was never marked has no day yet
            known.fees = EXACT.add(known.fees, fee)

    def moved(self, key: Key, amount: Decimal) -> None:
        """A transfer in (or out, negative): neither won nor lost. The next mark holds it."""
        known = self._known.get("/".join(key))
        if known is not None:
            known.at_start = EXACT.add(known.at_start, amount)
            known.peak = EXACT.add(known.peak, amount)
            known.equity = EXACT.add(known.equity, amount)

    def begin_anew(self, key: Key) -> None:
        """What it held before we began came to light: the next mark is the first. Else all of that were a gain."""
        self._known.pop("/".join(key), None)

    def lost_today(self, key: Key) -> Decimal:
        """Negative where it was won."""
        known = self._known.get("/".join(key))
        return ZERO if known is None else EXACT.subtract(known.at_start, known.equity)

    def drawdown(self, key: Key) -> tuple[Decimal, Decimal]:
        """(what was lost since the best, the same as a share of the best; of no best over zero: zero)."""
        known = self._known.get("/".join(key))
        if known is None:
            return ZERO, ZERO
        lost = EXACT.subtract(known.peak, known.equity)
        return lost, ROUNDING.divide(lost, known.peak) if known.peak > ZERO else ZERO

    def peak(self, key: Key) -> Decimal:
        """The best there was; zero where nothing is known."""
        known = self._known.get("/".join(key))
        return ZERO if known is None else known.peak

    def fees(self, key: Key) -> Decimal:
        """What was paid today."""
        known = self._known.get("/".join(key))
        return ZERO if known is None else known.fees

    def equity(self, key: Key) -> Decimal | None:
        """The last that was marked."""
        known = self._known.get("/".join(key))
        return None if known is None else known.equity

    def memo(self) -> dict[str, Since]:
        """All of it, to be kept."""
        return {name: msgspec.structs.replace(each) for name, each in self._known.items()}
