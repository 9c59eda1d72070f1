"""Moving-average cross: long while the fast mean of closes is above the slow one, flat otherwise.

Try it: `tapeline backtest examples/ma_cross.py:MovingAverageCross --store ./data --from 2024-08-08 --to 2024-08-09`
"""

from decimal import Decimal

from tapeline import Strategy
from tapeline.model.event import Bar


class MovingAverageCross(Strategy):
    """`fast` and `slow` are numbers of bars; `spend` is what a position may be worth, in quote currency."""

    instruments = ("binance:BTC/USDT",)
    channels = ("trades", "bars:1m@trades")
    fast = 5
    slow = 20
    spend = Decimal(1000)

    def on_bar(self, bar: Bar) -> None:
        """Compare the two means at every close."""
        if bar.revision > 1:
            return  # a correction of a bar we have acted on
        closes = [each.close for each in self.bars(bar.instrument, bar.interval, self.slow)]
        if len(closes) < self.slow or self.orders(bar.instrument):
            return
        fast = sum(closes[-self.fast :]) / self.fast
        slow = sum(closes) / self.slow
        held = self.position(bar.instrument)
        if fast > slow and not held:
            self.buy(bar.instrument, self.spend / bar.close, note=f"{fast:.2f} over {slow:.2f}")
        elif fast < slow and held:
            self.close(bar.instrument, note=f"{fast:.2f} under {slow:.2f}")
