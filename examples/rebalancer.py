"""Rebalancer: keep each instrument at its share of what the account is worth, looked at now and then."""

from decimal import Decimal

from tapeline import Strategy


class Rebalancer(Strategy):
    """`shares` are of the account's worth, in the order of `instruments`; one that is `off` by more is put right."""

    instruments = ("binance:BTC/USDT", "binance:ETH/USDT")
    channels = ("trades",)
    shares = (Decimal("0.5"), Decimal("0.3"))
    currency = "USDT"
    off = Decimal("0.02")
    every_s = 60

    def on_start(self) -> None:
        """Look every minute."""
        self.every(self.every_s, self.look)

    def look(self) -> None:
        """Sell what is too much before buying what is too little."""
        worth = self.equity(self.currency)
        changes = []
        for name, share in zip(self.instruments, self.shares, strict=True):
            price = self.price(name)
            if price is None or self.orders(name):
                return
            off = worth * Decimal(share) - self.position(name) * price
            if abs(off) > worth * self.off:
                changes.append((off, name, price))
        for off, name, price in sorted(changes):
            if off < 0:
                self.sell(name, -off / price, note="too much")
            else:
                self.buy(name, off / price, note="too little")
