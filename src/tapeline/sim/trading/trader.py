"""A strategy that does everything a strategy can, by chance from a seed: what a trading day is made of."""

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.model.order import Order
from tapeline.trading.rounding import up
from tapeline.trading.strategy import Strategy

LEAST_TIMES = Decimal(3)  # an order is worth so many times the least that the venue takes
MOST_UNITS = 4  # of one order
FAR = Decimal("0.02")  # how far from the market a limit may rest


class Top(NamedTuple):
    """The best prices."""

    bid: Decimal
    ask: Decimal


class Wish(NamedTuple):
    """What an act is about."""

    instrument: str
    side: str
    size: Decimal
    position: str
    note: str

    @property
    def words(self) -> dict[str, Any]:
        """What every order of it says."""
        return {"position": self.position, "note": self.note}


class Trader(Strategy):
    """Now and then one act on each of its instruments."""

    channels = ("trades", "quotes")
    on_error = "halt"  # an exception of its own is a fault of the day
    seed = ""
    """What it does is drawn from this."""
    every_s = 10.0
    """Between two acts."""
    until: Mapping[str, int] = {}
    """Of orders that end at a time: when. What outlives a run is given to the next."""
    hedged: Sequence[str] = ()
    """Of these instruments it holds long and short side by side."""
    quiet_from_ns = 0
    """It acts no more from then on; 0: for ever."""

    def on_start(self) -> None:
        """It begins."""
        self._chance = random.Random(self.seed)
        self._acts = 0
        self.every(self.every_s, "act")

    def on_timer(self, name: str) -> None:
        """Do something, or nothing."""
        del name
        if self.quiet_from_ns and self.now_ns >= self.quiet_from_ns:
            return
        for instrument in self.instruments:
            quote = self.quote(instrument)
            if quote is not None and quote.bid and quote.ask and self._chance.random() < 0.8:
                self._act(instrument, Top(quote.bid, quote.ask))

    # ---- within --------------------------------------------------------------------------------------------------

    def _act(self, instrument: str, top: Top) -> None:
        self._acts += 1
        note = f"{self.seed} {self._acts}"
        dice = self._chance.random()
        known = self.instrument(instrument)
        side = self._chance.choice(("buy", "sell"))
        size = EXACT.multiply(unit(known, top.bid), Decimal(self._chance.randint(1, MOST_UNITS)))
        position = self._chance.choice(("long", "short")) if instrument in self.hedged else "net"
        opens = {"long": "buy", "short": "sell"}.get(position, side)
        if known.kind == "spot" and side == "sell" and self.position(instrument) < size:
            side = "buy"
        elif side != opens and abs(self.position(instrument, position)) < size:
            side = opens
        wish = Wish(instrument, side, size, position, note)
        if dice < 0.16:
            self.order(side, instrument, size, **wish.words)
        elif dice < 0.44:
            self._limit(wish, top)
        elif dice < 0.52:
            self._stop(wish, top)
        elif dice < 0.58:
            self._group(wish, top)
        elif dice < 0.84:
            self._change(instrument, top)
        else:
            self._leave(known, wish)

    def _change(self, instrument: str, top: Top) -> None:
        """Something about orders that are open."""
        open_orders, dice = self.orders(instrument), self._chance.random()
        if dice < 0.15:
            self.cancel_all(instrument)
        elif open_orders and dice < 0.6:
            self.cancel(self._chance.choice(open_orders))
        elif open_orders:
            self._amend(self._chance.choice(open_orders), top)

    def _leave(self, known: Instrument, wish: Wish) -> None:
        """Close what is held, or go through zero to the other side."""
        held = self.position(known.id, wish.position)
        if held and (known.kind == "spot" or known.id in self.hedged or self._chance.random() < 0.5):
            self.close(known.id, **wish.words)
        elif held:
            twice = EXACT.multiply(abs(held), Decimal(2))
            self.order("sell" if held > ZERO else "buy", known.id, twice, **wish.words)

    def _limit(self, wish: Wish, top: Top) -> None:
        instrument, side, size, _, _ = wish
        how = self._chance.random()
        best = top.bid if side == "buy" else top.ask
        if how < 0.35:  # at the best price, among the first
            self.order(side, instrument, size, price=best, post_only=self._chance.random() < 0.5, **wish.words)
        elif how < 0.7:
            self.order(side, instrument, size, price=self._away(side, best), **wish.words)
        elif how < 0.85:
            in_force = self._chance.choice(("ioc", "fok"))
            price = self._away("sell" if side == "buy" else "buy", best, Decimal("0.002"))
            self.order(side, instrument, size, price=price, time_in_force=in_force, **wish.words)
        else:
            expires_in_s = self._chance.uniform(605, 800)
            order = self.order(
                side, instrument, size, price=self._away(side, best), expires_in_s=expires_in_s, **wish.words
            )
            self.until = {**self.until, order.client_id: self.now_ns + round(expires_in_s * 1e9)}

    def _stop(self, wish: Wish, top: Top) -> None:
        instrument, side, size, _, _ = wish
        worse = self._away("sell" if side == "buy" else "buy", top.ask if side == "buy" else top.bid)
        how = self._chance.random()
        if how < 0.35:
            self.order(side, instrument, size, stop=worse, **wish.words)
        elif how < 0.5:
            self.order(side, instrument, size, trail=self._chance.choice(("0.002", "0.005", "0.01")), **wish.words)
        elif how < 0.75:
            self.order(side, instrument, size, stop=worse, price=worse, **wish.words)
        else:
            better = self._away(side, top.bid if side == "buy" else top.ask)
            self.order(side, instrument, size, take_profit=better, **wish.words)

    def _group(self, wish: Wish, top: Top) -> None:
        instrument, side, size, _, _ = wish
        other = "sell" if side == "buy" else "buy"
        near = Decimal("0.005")
        if self._chance.random() < 0.5:
            better = self._away(side, top.bid if side == "buy" else top.ask, near)
            worse = self._away(other, top.ask if side == "buy" else top.bid, near)
            self.oco(side, instrument, size, price=better, stop=worse, **wish.words)
        else:
            profit = self._away(other, top.ask if side == "buy" else top.bid, near)
            loss = self._away(side, top.bid if side == "buy" else top.ask, near)
            self.bracket(side, instrument, size, take_profit=profit, stop=loss, **wish.words)

    def _amend(self, order: Order, top: Top) -> None:
        if order.price is None or order.size is None:
            return
        if self._chance.random() < 0.5:
            best = top.bid if order.intent.side == "buy" else top.ask
            self.amend(order, price=self._away(order.intent.side, best))
        else:
            self.amend(order, size=EXACT.multiply(order.size, Decimal(self._chance.choice(("0.5", "2")))))

    def _away(self, side: str, price: Decimal, most: Decimal = FAR) -> Decimal:
        """A price that a buyer likes better, or a seller."""
        share = EXACT.multiply(most, Decimal(self._chance.randint(1, 100)).scaleb(-2))
        share = share if side == "sell" else share.copy_negate()
        return EXACT.multiply(price, EXACT.add(Decimal(1), share))


def unit(instrument: Instrument, price: Decimal) -> Decimal:
    """A size of whole lots that is worth some times the least that the venue takes."""
    worth = EXACT.multiply(instrument.min_notional or Decimal(10), LEAST_TIMES)
    size = ROUNDING.divide(worth, EXACT.multiply(price, instrument.contract_size))
    least = instrument.min_size or instrument.lot or Decimal("0.001")
    return up(max(size, least), instrument.lot)
