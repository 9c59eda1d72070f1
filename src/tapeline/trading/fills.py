"""Fills and figures that were put right, on their way into the books; strategies hear what they lost by them. Pure."""

from decimal import Decimal

import msgspec

from tapeline.model.account import Fill
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import Order
from tapeline.trading.accounting.allotment import NOBODY
from tapeline.trading.accounting.ledger import Adjustment
from tapeline.trading.accounting.places import Place
from tapeline.trading.guard import Guard
from tapeline.trading.input import Halted, Reduced
from tapeline.trading.situation import News, Situation
from tapeline.trading.suspects import OPENING
from tapeline.trading.whose import is_stop, strategy_of, who_did

FLAT = "an emergency stop that left the account flat"


class Fills:
    """Begin it once the ledger is as the journal has it: what strategies lost before, they find in their positions."""

    def __init__(self, situation: Situation, guard: Guard) -> None:
        self._s, self._guard = situation, guard
        self._told: dict[Place, dict[str, Decimal]] = {}
        for account in situation.setup.accounts:
            for instrument, position in situation.ledger.holdings(account):
                self._told[account, instrument, position] = situation.ledger.taken(account, instrument, position)

    def book(self, fill: Fill, order: Order | None, *, new: bool) -> None:
        """One that is news, or its fee is."""
        s = self._s
        strategy, name = strategy_of(order), fill.instrument or ""
        instrument = s.sight(name).instrument
        if instrument is None:
            s.note("unbooked", fill.account, f"fill {fill.id} of {fill.instrument}, which nobody knows")
            return
        mark = self.fee_mark(fill)
        if mark is not None:
            s.ledger.mark(*mark)
        booking = s.ledger.apply(fill, instrument, strategy, stopped=is_stop(fill, order))
        if booking.refused:
            s.note("unbooked", fill.account, booking.refused)
        self._guard.filled(fill, strategy)
        if new:
            s.news.append(News(strategy, "on_fill", fill))
        if strategy == NOBODY:
            self._lost((fill.account, name, fill.position), who_did(fill, order), fill.price)
        elif s.halt(fill.account) == "flat":  # one that comes late: what others hold against it is closed
            self._lost((fill.account, name, fill.position), FLAT, fill.price)

    def adjusted(self, adjustment: Adjustment) -> None:
        """A figure was put right by the venue's, and is in the books already."""
        if adjustment.instrument:
            place = (adjustment.account, adjustment.instrument, adjustment.position)
            self._guard.moved(place, NOBODY)
            self._lost(place, f"the venue's figure: {adjustment.why or 'nothing explains it'}", None)
        elif adjustment.why == OPENING:
            self._s.risk.losses.begin_anew(("account", adjustment.account))

    def priced(self, halted: Halted) -> Halted:
        """See `Engine.priced`."""
        if halted.state != "flat":
            return halted
        ledger, prices = self._s.ledger, dict[str, Decimal]()
        for strategy in ledger.strategies(halted.account) - {NOBODY}:
            for (instrument, _), held in ledger.holdings(halted.account, strategy).items():
                price = self._s.sight(instrument).price() if held.size else None
                if price is not None:
                    prices[instrument] = price
        return msgspec.structs.replace(halted, prices=dict(sorted(prices.items())))

    def stands(self, halted: Halted) -> None:
        """How an account stands; what strategies still hold of one that is flat and holds nothing is closed."""
        ledger = self._s.ledger
        ledger.stand(halted.account, halted.state, halted.prices)
        for instrument, position in ledger.holdings(halted.account):
            self._lost((halted.account, instrument, position), FLAT, halted.prices.get(instrument))

    def fee_mark(self, fill: Fill) -> tuple[str, Decimal] | None:
        """(instrument, price) that a fee in a third coin is valued at; to be journalled before the fill."""
        instrument = self._s.sight(fill.instrument or "").instrument
        if instrument is None or not fill.fee:
            return None
        settle = instrument.settle or instrument.quote
        if fill.fee_currency in {settle, instrument.base, ""}:
            return None
        for symbol in (f"{fill.fee_currency}/{settle}", f"{fill.fee_currency}/{settle}:{settle}"):
            sight = self._s.sights.get(f"{instrument.venue}:{symbol}")
            price = None if sight is None else sight.price()
            if sight is not None and price is not None:
                return sight.id, price
        return None

    def _lost(self, place: Place, why: str, price: Decimal | None) -> None:
        """Tell strategies what was taken of their holdings since they were told last."""
        s = self._s
        account, instrument, position = place
        told, taken = self._told.get(place, {}), s.ledger.taken(*place)
        self._told[place] = taken
        for strategy, size in taken.items():
            lost = EXACT.subtract(size, told.get(strategy, ZERO))
            if not lost:
                continue
            self._guard.moved(place, strategy)
            self._guard.moved(place, NOBODY)
            left = s.ledger.holding(account, instrument, position, strategy).size
            text = f"{plain(lost.copy_abs())} {instrument} of {strategy} closed by {why}: {plain(left)} is left"
            s.note("reduced", account, text, strategy=strategy)
            news = Reduced(account, instrument, position, lost, left, price, why, s.now_ns)
            s.news.append(News(strategy, "on_reduced", news))
