"""Cross-venue spread: where two venues' prices are apart, buy at the cheap one and sell at the dear one."""

from decimal import Decimal

from tapeline import Strategy
from tapeline.model.event import Trade


class CrossVenueSpread(Strategy):
    """Acts where the prices are `apart` (a fraction), closes where they are back within `together`."""

    here = "binance:BTC/USDT"
    there = "okx:BTC/USDT"
    channels = ("trades",)
    apart = Decimal("0.001")
    together = Decimal("0.0002")
    size = Decimal("0.01")
    pause_s = 1
    fresh_s = 5

    def feeds(self) -> dict[str, tuple[str, ...]]:
        """Both sides."""
        return {self.here: tuple(self.channels), self.there: tuple(self.channels)}

    def on_start(self) -> None:
        """Nothing was heard yet."""
        self.heard_ns: dict[str, int] = {}
        self.wait_until_ns = 0

    def on_trade(self, trade: Trade) -> None:
        """Compare the last prices, if both are fresh and nothing is on its way."""
        self.heard_ns[trade.instrument] = self.now_ns
        oldest = min((self.heard_ns.get(each, 0) for each in (self.here, self.there)), default=0)
        if self.now_ns - oldest > self.fresh_s * 10**9 or self.now_ns < self.wait_until_ns or self.orders():
            return
        here, there = self.price(self.here), self.price(self.there)
        if here is None or there is None:
            return
        spread = (there - here) / here
        held = self.position(self.here)
        if not held and spread > self.apart:
            self.both("buy", "sell", f"{spread:.5f} apart")
        elif held and spread < self.together:
            self.both("sell", "buy", f"{spread:.5f} together")

    def both(self, here: str, there: str, note: str) -> None:
        """One order a side, at the market; then let the answers come."""
        self.order(here, self.here, self.size, note=note)
        self.order(there, self.there, self.size, note=note)
        self.wait_until_ns = self.now_ns + self.pause_s * 10**9
