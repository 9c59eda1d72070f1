"""backtesting.py on the minute bars of bench/backtest.py: it knows nothing finer. Prints one line of JSON."""

import json
import random
import sys
import time

import pandas as pd
from backtesting import Strategy
from backtesting.lib import FractionalBacktest

T0_NS = 1_723_075_200 * 10**9


class Cross(Strategy):
    fast, slow = 5, 20

    def init(self):
        close = pd.Series(self.data.Close)
        self.quick = self.I(lambda: close.rolling(self.fast).mean().to_numpy().copy())
        self.calm = self.I(lambda: close.rolling(self.slow).mean().to_numpy().copy())

    def next(self):
        if self.quick[-1] > self.calm[-1] and not self.position:
            self.buy(size=0.01)
        elif self.quick[-1] < self.calm[-1] and self.position:
            self.position.close()


def bars(count, seed=1):
    rnd, cents, rows = random.Random(seed), 6_000_000, []
    for _ in range(count):
        opened, cents = cents, cents + rnd.randrange(-3000, 3001)
        high, low = max(opened, cents) + rnd.randrange(500), min(opened, cents) - rnd.randrange(500)
        rows.append([opened / 100, high / 100, low / 100, cents / 100, rnd.randrange(1, 10**6) / 1000])
    index = pd.to_datetime([T0_NS // 10**9 + number * 60 for number in range(count)], unit="s")
    return pd.DataFrame(rows, columns=["Open", "High", "Low", "Close", "Volume"], index=index)


def main():
    count = int(sys.argv[1]) // 5
    made = bars(count)
    run = FractionalBacktest(made, Cross, cash=100_000, commission=0.001, fractional_unit=1e-8)
    began = time.process_time()
    found = run.run()
    took = time.process_time() - began
    print(json.dumps({"peer": "backtesting.py", "bars/s": len(made) / took, "trades": int(found["# Trades"])}))


main()
