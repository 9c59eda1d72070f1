"""NautilusTrader's backtest engine on the trades of bench/backtest.py: the same means of minute bars, every trade heard.

Prints one line of JSON; bench/backtest.py --peers runs it in the peer's own environment.
"""

import json
import random
import sys
import time
from decimal import Decimal

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import BarType, TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType, OrderSide
from nautilus_trader.model.identifiers import TradeId, Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

T0_NS, STEP_NS = 1_723_075_200 * 10**9, 50_000_000
BTC = TestInstrumentProvider.btcusdt_binance()
BARS = BarType.from_str(f"{BTC.id}-1-MINUTE-LAST-INTERNAL")


class CrossConfig(StrategyConfig, frozen=True):
    fast: int = 5
    slow: int = 20


class Cross(Strategy):
    def __init__(self, config):
        super().__init__(config)
        self.heard, self.closes = 0, []

    def on_start(self):
        self.subscribe_trade_ticks(BTC.id)
        self.subscribe_bars(BARS)

    def on_trade_tick(self, tick):
        self.heard += 1

    def on_bar(self, bar):
        self.closes = [*self.closes, float(bar.close)][-self.config.slow :]
        if len(self.closes) < self.config.slow or self.cache.orders_open():
            return
        fast, slow = sum(self.closes[-self.config.fast :]) / self.config.fast, sum(self.closes) / self.config.slow
        held = self.portfolio.net_position(BTC.id)
        if fast > slow and not held:
            size = Quantity(Decimal(1000) / bar.close.as_decimal(), 6)
            self.submit_order(self.order_factory.market(BTC.id, OrderSide.BUY, size))
        elif fast < slow and held > 0:
            self.submit_order(self.order_factory.market(BTC.id, OrderSide.SELL, Quantity(held, 6)))


def trades(count, seed=1):
    rnd, cents, out = random.Random(seed), 6_000_000, []
    for number in range(count):
        cents += rnd.randrange(-30, 31)
        at_ns = T0_NS + number * STEP_NS
        side = AggressorSide.BUYER if rnd.random() < 0.5 else AggressorSide.SELLER
        price, size = Price(cents / 100, 2), Quantity(rnd.randrange(1, 10**5) / 1e5, 6)
        out.append(TradeTick(BTC.id, price, size, side, TradeId(str(number + 1)), at_ns, at_ns))
    return out


def main():
    count = int(sys.argv[1])
    ticks = trades(count)
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(Venue("BINANCE"), OmsType.NETTING, AccountType.CASH, starting_balances=[Money(100_000, USDT)],
                     base_currency=None)  # fmt: skip
    engine.add_instrument(BTC)
    engine.add_data(ticks)
    strategy = Cross(CrossConfig())
    engine.add_strategy(strategy)
    began = time.process_time()
    engine.run()
    took = time.process_time() - began
    assert strategy.heard == count, f"{strategy.heard} of {count} heard"
    print(json.dumps({"peer": "nautilus", "trades/s": count / took, "orders": len(engine.cache.orders())}))


main()
