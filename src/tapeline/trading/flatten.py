"""How a position is closed in an emergency: slices that reduce it, within a band of prices that widens. Pure."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ROUNDING, ZERO, plain
from tapeline.model.order import Intent
from tapeline.trading.rounding import down

_ONE = Decimal(1)


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """How: shares of the price, and in how many parts. As `[flatten]` of the configuration."""

    band: Decimal = Decimal("0.005")
    widen: Decimal = Decimal("0.005")
    band_max: Decimal = Decimal("0.05")
    slices: int = 4


class Stuck(msgspec.Struct, frozen=True):
    """Nothing can be sent for what is left, and why. `dust`: it is too small for the venue, and will stay so."""

    text: str
    dust: bool = False


class Closing:
    """One position on its way to zero. Ask for a `slice`, send it, and tell `told` what it left."""

    def __init__(
        self, instrument: Instrument, account: str, size: Decimal, steps: Steps, position: str = "net"
    ) -> None:
        self.instrument, self.account, self.position = instrument, account, position
        self.size = size  # negative: short
        self.band = steps.band
        self._steps = steps
        self._part = ROUNDING.divide(EXACT.abs(size), Decimal(steps.slices))

    def slice(self, bid: Decimal | None, ask: Decimal | None) -> Intent | Stuck:
        """The next order: a limit that takes what is there at once, and leaves nothing in the book."""
        left, sells = EXACT.abs(self.size), self.size > ZERO
        price = self._price(bid, ask, sells=sells)
        if price is None:
            return Stuck(f"no {'bid' if sells else 'ask'} of {self.instrument.id} is known")
        size = self._sized(left, price)
        if isinstance(size, Stuck):
            return size
        return Intent(
            instrument=self.instrument.id, side="sell" if sells else "buy", kind="limit", size=size, price=price,
            time_in_force="ioc", reduce_only=self.instrument.kind != "spot", position=self.position,
            account=self.account, strategy="flattener", note=f"flatten, band {plain(self.band)}",
        )  # fmt: skip

    def told(self, size: Decimal, sent: Decimal) -> None:
        """What the position is now, after a slice of `sent`: one that was not filled whole widens the band."""
        closed = EXACT.subtract(EXACT.abs(self.size), EXACT.abs(size))
        self.size = size
        if closed < sent:
            self.band = min(self._steps.band_max, EXACT.add(self.band, self._steps.widen))

    @property
    def widest(self) -> bool:
        """Whether the band is as wide as it may become."""
        return self.band >= self._steps.band_max

    def _price(self, bid: Decimal | None, ask: Decimal | None, *, sells: bool) -> Decimal | None:
        at = bid if sells else ask
        if at is None or at <= ZERO:
            return None
        price = EXACT.multiply(at, EXACT.subtract(_ONE, self.band) if sells else EXACT.add(_ONE, self.band))
        tick = self.instrument.tick
        if not tick:
            return price
        way = ROUND_CEILING if sells else ROUND_FLOOR  # never through the end of the band
        found = EXACT.multiply(ROUNDING.divide(price, tick).to_integral_value(way), tick)
        return found if found > ZERO else None

    def _sized(self, left: Decimal, price: Decimal) -> Decimal | Stuck:
        """A part, or all where a part (or what it leaves) is too small for the venue."""
        part = down(min(self._part, left), self.instrument.lot)
        whole = down(left, self.instrument.lot)
        rest = EXACT.subtract(whole, part)
        if self._takes(part, price) and (rest == ZERO or self._takes(rest, price)):
            return part
        if self._takes(whole, price, all_of_it=True):
            return whole
        return Stuck(f"{plain(left)} of {self.instrument.id} is less than the venue takes", dust=True)

    def _takes(self, size: Decimal, price: Decimal, *, all_of_it: bool = False) -> bool:
        known = self.instrument
        if size <= ZERO or (known.min_size is not None and size < known.min_size):
            return False
        if known.min_notional is None:
            return True
        # What reduces a derivative may be worth little; but in hedge mode not every venue can be told that it reduces.
        if known.kind != "spot" and (self.position == "net" or all_of_it):
            return True
        return notional(known, price, size) >= known.min_notional
