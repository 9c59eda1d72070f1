"""Backtests: trades a second through engine and paper exchange, from a store and from memory, and where the time goes.

Seconds are of CPU, so that other work on the machine counts for nobody. The strategy is examples/ma_cross.py on minute bars built from the trades; it hears every trade as well. The floor that is
promised is 100,000 trades a second with exact decimals. `--profile` names the first costs, `--peers` runs NautilusTrader on
the same trades and backtesting.py on their minute bars, each in its own environment (bench/peers.py makes them).
"""

import argparse
import cProfile
import json
import pstats
import random
import shutil
import statistics
import subprocess
import time
from decimal import Decimal
from pathlib import Path

from tapeline.app.trade.backtesting import backtest
from tapeline.app.trade.feed import StoreFeed, with_bars
from tapeline.app.trade.loading import load
from tapeline.app.trade.setting_up import feeds_of
from tapeline.config import Config, StrategyConfig
from tapeline.model.event import Bar, Trade
from tapeline.model.instrument import Instrument
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore

HERE = Path(__file__).parent
BTC = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT",
                 tick=Decimal("0.01"), lot=Decimal("0.00001"), min_notional=Decimal(5))  # fmt: skip
T0_NS, STEP_NS = 1_723_075_200 * 10**9, 50_000_000  # twenty trades a second


def trades(count, seed=1):
    rnd, cents = random.Random(seed), 6_000_000
    for number in range(count):
        cents += rnd.randrange(-30, 31)
        at_ns = T0_NS + number * STEP_NS
        yield Trade(BTC.id, "trades", at_ns, at_ns, "ws", str(number + 1), number + 1, "buy" if rnd.random() < 0.5 else
                    "sell", Decimal(cents).scaleb(-2), Decimal(rnd.randrange(1, 10**5)).scaleb(-5))  # fmt: skip


def stored(count):
    folder = HERE / "out" / f"backtest-{count}"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        store, rows = SeriesStore(folder), []
        store.write([BTC])
        for trade in trades(count):
            rows.append(trade)
            if len(rows) == 20_000:
                store.write(rows)
                rows = []
        store.write(rows)
        store.close()
        (folder / "whole").touch()
    return folder


def run(events, end_ns):
    strategy = load(StrategyConfig(run=f"{HERE.parent}/examples/ma_cross.py:MovingAverageCross"))
    began = time.process_time()
    outcome = backtest(Config(), [strategy], feeds_of([strategy]), events, instruments={BTC.id: BTC}, from_ns=T0_NS,
                       to_ns=end_ns)  # fmt: skip
    return outcome, time.process_time() - began


def from_store(count):
    end_ns = T0_NS + count * STEP_NS
    with open_store(stored(count)) as store:
        return run(StoreFeed(store, {BTC.id: ("trades", "bars:1m@trades")}, T0_NS, end_ns), end_ns)


def from_memory(held, count):
    end_ns = T0_NS + count * STEP_NS
    return run(with_bars(held, BTC, "trades", ["1m"], end_ns), end_ns)


def minute_bars(count, seed=1):
    rnd, cents = random.Random(seed), 6_000_000
    for _ in range(count):
        opened, cents = cents, cents + rnd.randrange(-3000, 3001)
        high, low = max(opened, cents) + rnd.randrange(500), min(opened, cents) - rnd.randrange(500)
        yield opened, high, low, cents, rnd.randrange(1, 10**6)


def from_bars(count):
    """The same on stored minute bars alone; bars a second."""
    bars, minute_ns = [], 60 * 10**9
    for number, row in enumerate(minute_bars(count)):
        opened, high, low, close = (Decimal(each).scaleb(-2) for each in row[:4])
        at_ns = T0_NS + number * minute_ns
        bars.append((at_ns + minute_ns, Bar(BTC.id, "bars:1m@trades", at_ns, at_ns, "built", "1m", at_ns, opened, high, low, close,
                     Decimal(row[4]).scaleb(-3), None, 1, None, None, None, True, "complete", 1, "trades")))  # fmt: skip
    outcome, took = run(bars, T0_NS + count * minute_ns)
    return outcome, count / took


def costs(count):
    """(module:function, share of the time) of the dearest, by their own time."""
    profile = cProfile.Profile()
    profile.enable()
    from_store(count)
    profile.disable()
    stats = pstats.Stats(profile).stats
    total = sum(row[2] for row in stats.values())
    dearest = sorted(stats.items(), key=lambda item: -item[1][2])
    return [(f"{Path(key[0]).stem}:{key[2]}" if key[0] != "~" else key[2], row[2] / total) for key, row in dearest[:8]]


def peers(count):
    """Peer -> what it says of itself; without those that are not installed."""
    found = {}
    for name, script in (("nautilus", "peer_nautilus_backtest.py"), ("backtesting", "peer_backtesting_py.py")):
        python = HERE / "peers" / name / "bin" / "python"
        if python.exists():
            done = subprocess.run([python, "-W", "ignore", HERE / script, str(count)], capture_output=True,
                                  text=True, check=False)  # fmt: skip
            found[name] = (
                json.loads(done.stdout.strip().splitlines()[-1])
                if done.returncode == 0
                else {"failed": done.stderr[-300:]}
            )
    return found


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--trades", type=int, default=500_000)
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--profile", action="store_true")
    ask.add_argument("--peers", action="store_true")
    ask.add_argument("--json", action="store_true")
    given = ask.parse_args()
    held = list(trades(given.trades))
    found = {"trades": given.trades}
    for name, call in (
        ("store", lambda: from_store(given.trades)),
        ("memory", lambda: from_memory(held, given.trades)),
    ):
        runs = [call() for _ in range(given.rounds)]
        assert len({outcome.digest for outcome, _ in runs}) == 1, "a backtest is deterministic"
        found[name] = given.trades / statistics.median(took for _, took in runs)
        found["digest"], found["fills"] = runs[0][0].digest, runs[0][0].statistics.fills
    outcome, found["bars"] = from_bars(given.trades // 5)
    found["bars_fills"] = outcome.statistics.fills
    if given.profile:
        found["costs"] = costs(given.trades)
    found["peers"] = peers(given.trades) if given.peers else {}
    if given.json:
        print(json.dumps(found))
        return
    for name in ("store", "memory"):
        print(f"from {name:7} {found[name]:>10,.0f} trades/s   floor 100,000")
    print(f"bars alone    {found['bars']:>10,.0f} bars/s, {found['bars_fills']} fills")
    print(f"{found['fills']} fills, digest {found['digest']}")
    for name, row in found["peers"].items():
        print(
            f"{name}: "
            + ", ".join(f"{key} {each:,.0f}" if key != "failed" else each for key, each in row.items() if key != "peer")
        )
    for name, share in found.get("costs", ()):
        print(f"{share:6.1%}  {name}")


if __name__ == "__main__":
    main()
