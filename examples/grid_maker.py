"""Grid market maker: resting buys below the price and sells above it, moved when the price has left them behind."""

from decimal import Decimal

from tapeline import Strategy
from tapeline.model.account import Fill
from tapeline.model.event import Trade


class GridMaker(Strategy):
    """`levels` orders a side, `step` apart (a fraction of the price), each of `size`; at most `most` is held."""

    instruments = ("binance:BTC/USDT",)
    channels = ("trades",)
    levels = 3
    step = Decimal("0.0005")
    size = Decimal("0.01")
    most = Decimal("0.1")

    def on_start(self) -> None:
        """Look after the grid every ten seconds."""
        self.middle: Decimal | None = None
        self.every(10, self.keep)

    def on_trade(self, trade: Trade) -> None:
        """The first price places the grid; one that is a whole step off moves it."""
        if self.middle is None or abs(trade.price - self.middle) > self.middle * self.step * self.levels:
            self.move(trade.price)

    def on_fill(self, fill: Fill) -> None:
        """A buy that was filled is sold one step higher, a sell bought back one step lower."""
        name, step = fill.instrument or "", fill.price * self.step
        if fill.side == "buy":
            self.sell(
                name, fill.size, price=fill.price + step, reduce_only=True, note="grid"
            )  # its fee is gone already
        elif self.position(name) < self.most:
            self.buy(name, fill.size, price=fill.price - step, note="grid")

    def move(self, price: Decimal) -> None:
        """A new grid around this price; what is held stays for sale."""
        self.middle = price
        for name in self.instruments:
            for order in self.orders(name):
                if order.intent.side == "buy":
                    self.cancel(order)
            self.place(name)

    def keep(self) -> None:
        """Fill up what is missing of the buys."""
        for name in self.instruments:
            if self.middle is not None:
                self.place(name)

    def place(self, name: str) -> None:
        """Buys, as far as the limit of what is held allows."""
        assert self.middle is not None, "there was a price"
        buys = [order for order in self.orders(name) if order.intent.side == "buy"]
        resting = {order.price for order in buys if order.asked != "cancel"}
        ordered = sum((order.left or Decimal(0) for order in buys), Decimal(0))
        for level in range(1, self.levels + 1):
            tick = self.instrument(name).tick or Decimal("0.01")
            price = (self.middle * (1 - self.step * level) / tick).to_integral_value() * tick
            if price not in resting and self.position(name) + ordered + self.size <= self.most:
                self.buy(name, self.size, price=price, post_only=True, note="grid")
                ordered += self.size
