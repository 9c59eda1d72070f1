"""Ticks to one-minute bars, in process, each engine in its own venv: `python bench/bars.py [--rounds 5]`.

Of CPU time. Ours does more in it: exact sums of quote volume and takers' volume, a watermark, revisions, certificates.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

HERE = Path(__file__).parent
T0_NS = 1_700_000_000 * 10**9 // (60 * 10**9) * 60 * 10**9
MINUTE_NS = 60 * 10**9
ENGINES = ("tapeline", "nautilus", "rustybt")
LEAST = {"nautilus": (0.7, 1.0), "rustybt": (3.0, 3.0)}
BASELINE = {"nautilus": 0.9, "rustybt": 4.5}


def ticks(count, symbols):
    """(symbol, at_ns, price in cents, size in 1e-5): a thousand a second, over the symbols."""
    rnd = random.Random(1)
    price = 6_812_345
    for i in range(count):
        price += rnd.randrange(-50, 51)
        yield rnd.randrange(symbols), T0_NS + i * 10**6, price, rnd.randrange(1, 100_000)


def tapeline_rate(found, symbols):
    from tapeline.market.bars import BarBuilder
    from tapeline.model.event import Trade
    from tapeline.model.interval import interval

    names = [f"binance:S{i}/USDT" for i in range(symbols)]
    trades = [
        (each, Trade(names[each], "trades", at_ns, at_ns, "ws", str(i), i, "sell" if size & 1 else "buy",
                     Decimal(price).scaleb(-2), Decimal(size).scaleb(-5)))
        for i, (each, at_ns, price, size) in enumerate(found)
    ]  # fmt: skip
    builders = [BarBuilder(name, [interval("1m")]) for name in names]
    adds, bars, due = [builder.add for builder in builders], 0, T0_NS + MINUTE_NS
    began = time.process_time()
    for each, trade in trades:
        if trade.at_ns >= due:
            bars += sum(len(builder.advance(due, due)) for builder in builders)
            due += MINUTE_NS
        adds[each](trade, trade.at_ns)
    bars += sum(len(builder.finish(due)) for builder in builders)
    return len(trades) / (time.process_time() - began), bars


def nautilus_rate(found, symbols):
    from nautilus_trader.common.component import TestClock
    from nautilus_trader.data.aggregation import TimeBarAggregator
    from nautilus_trader.model.currencies import BTC, USDT
    from nautilus_trader.model.data import BarType, TradeTick
    from nautilus_trader.model.enums import AggressorSide
    from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
    from nautilus_trader.model.instruments import CurrencyPair
    from nautilus_trader.model.objects import Price, Quantity

    def pair(name):
        zero = Decimal(0)
        return CurrencyPair(
            instrument_id=InstrumentId(Symbol(name), Venue("BINANCE")), raw_symbol=Symbol(name), base_currency=BTC,
            quote_currency=USDT, price_precision=2, size_precision=5, price_increment=Price.from_str("0.01"),
            size_increment=Quantity.from_str("0.00001"), ts_event=0, ts_init=0, margin_init=zero, margin_maint=zero,
            maker_fee=zero, taker_fee=zero,
        )  # fmt: skip

    pairs = [pair(f"S{i}USDT") for i in range(symbols)]
    trades = [
        (each, TradeTick(pairs[each].id, Price.from_str(f"{price / 100:.2f}"), Quantity.from_str(f"{size / 1e5:.5f}"),
                         AggressorSide.BUYER, TradeId(str(i)), at_ns, at_ns))
        for i, (each, at_ns, price, size) in enumerate(found)
    ]  # fmt: skip
    out, clock = [], TestClock()
    clock.set_time(T0_NS)
    kind = "{}.BINANCE-1-MINUTE-LAST-INTERNAL"
    makers = [
        TimeBarAggregator(each, BarType.from_str(kind.format(each.raw_symbol)), out.append, clock) for each in pairs
    ]
    for maker in makers:
        if hasattr(maker, "start_timer"):
            maker.start_timer()
    adds, due = [maker.handle_trade_tick for maker in makers], T0_NS + MINUTE_NS
    began = time.process_time()
    for each, trade in trades:
        if trade.ts_event >= due:
            for event in clock.advance_time(due):
                event.handle()
            due += MINUTE_NS
        adds[each](trade)
    return len(trades) / (time.process_time() - began), len(out)


def rustybt_rate(found, symbols):
    import logging
    from datetime import UTC, datetime

    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    from rustybt.live.streaming.bar_buffer import BarBuffer
    from rustybt.live.streaming.models import TickData, TickSide

    trades = [
        TickData(f"S{each}USDT", datetime.fromtimestamp(at_ns / 1e9, UTC).replace(tzinfo=None),
                 Decimal(price).scaleb(-2), Decimal(size).scaleb(-5), TickSide.BUY)
        for each, at_ns, price, size in found
    ]  # fmt: skip
    out = []
    buffer = BarBuffer(60, out.append)
    began = time.process_time()
    for trade in trades:
        buffer.add_tick(trade)
    buffer.flush_all()
    return len(trades) / (time.process_time() - began), len(out)


def one(engine, count, symbols):
    os.sched_setaffinity(0, {0})
    rate = {"tapeline": tapeline_rate, "nautilus": nautilus_rate, "rustybt": rustybt_rate}[engine]
    per_s, bars = rate(list(ticks(count, symbols)), symbols)
    print(json.dumps({"ticks_s": round(per_s), "bars": bars}))


def measured(engine, count, symbols):
    python = HERE / "peers" / engine / "bin" / "python"
    if not python.exists():
        return None
    done = subprocess.run(
        [str(python), "bars.py", "--engine", engine, "--count", str(count), "--symbols", str(symbols)], cwd=HERE,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="")
    parser.add_argument("--count", type=int, default=300_000)
    parser.add_argument("--symbols", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.engine:
        one(options.engine, options.count, options.symbols)
        return
    for symbols in (options.symbols,) if options.symbols else (1, 200):
        rounds = [
            {engine: measured(engine, options.count, symbols) for engine in ENGINES} for _ in range(options.rounds)
        ]
        for engine in ENGINES:
            good = [each for each in rounds if each[engine] and each["tapeline"]]
            row = {"case": "bars", "lib": engine, "symbols": symbols}
            if good:
                row["ticks_s"] = statistics.median(each[engine]["ticks_s"] for each in good)
                row["bars"] = good[0][engine]["bars"]
            if engine != "tapeline":
                ratios = [each["tapeline"]["ticks_s"] / each[engine]["ticks_s"] for each in good]
                row["ratio"] = round(statistics.median(ratios), 2) if ratios else BASELINE[engine]
                row["from_baseline"] = not ratios
                row["floor"], row["aim"] = LEAST[engine]
            print(json.dumps(row), flush=True)


sys.exit(main())
