"""Reading back: a year of 1m bars to tables, the last 500 bars while a writer writes, trades in a file to bars.

The store holds 10 M bars in 1,000 series (`--large`: 100 M, 30 GB free; `--small`: 1 M) beside a year of one symbol; it is
made once, in bench/out. Each figure is the median of the rounds, after one that does not count; milliseconds of CPU
time stand beside those by the clock, which other work on the machine makes longer.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import statistics
import time
from decimal import Decimal
from functools import partial
from pathlib import Path

from tapeline.clock import SystemClock
from tapeline.model.event import Bar, Trade
from tapeline.model.interval import interval
from tapeline.store import bulk
from tapeline.store.export import export_series
from tapeline.store.lake import open_lake
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore
from tapeline.store.writer import StoreWriter

OUT = Path(__file__).parent / "out"
MINUTE_NS = 60 * 10**9
T0_NS = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS
YEAR = 525_600
PER_SERIES = 10_000
SIZES = {"small": 100, "normal": 1_000, "large": 10_000}  # series
OHLCV = ["open_at_ns", "open", "high", "low", "close", "volume"]


def bars(instrument, count, seed):
    rnd, price, out = random.Random(seed), 3_500_000, []
    for i in range(count):
        opened, price = price, price + rnd.randrange(-500, 501)
        high, low = max(opened, price) + rnd.randrange(300), min(opened, price) - rnd.randrange(300)
        volume, at_ns = Decimal(rnd.randrange(1, 10**9)).scaleb(-5), T0_NS + i * MINUTE_NS
        o, h, low, c = (Decimal(each).scaleb(-2) for each in (opened, high, low, price))
        out.append(Bar(instrument, "bars:1m", at_ns, at_ns, "ws", "1m", at_ns, o, h, low, c, volume,
                       Decimal(rnd.randrange(1, 10**12)).scaleb(-4), rnd.randrange(1, 3000), volume, i, i + 9, True,
                       "", 1, "venue", "", at_ns))  # fmt: skip
    return out


def made(series):
    folder = OUT / f"reads-{series}"
    if not (folder / "whole").exists():
        shutil.rmtree(folder, ignore_errors=True)
        store = SeriesStore(folder)
        year, some = bars("binance:YEAR/USDT", YEAR, 1), bars("binance:X/USDT", PER_SERIES, 2)
        for start in range(0, YEAR, 5000):
            store.write(year[start : start + 5000])
        for number in range(series):
            name = f"binance:S{number}/USDT"
            store.write([Bar(name, *_rest(each)) for each in some])
        store.close()
        (folder / "whole").touch()
    return folder


def _rest(bar):
    return [getattr(bar, name) for name in bar.__struct_fields__[1:]]


def took(rounds, read):
    """(milliseconds by the clock, milliseconds of CPU), the median of each."""
    read()
    times = []
    for _ in range(rounds):
        began, cpu = time.perf_counter(), time.process_time()
        read()
        times.append(((time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000))
    return tuple(round(statistics.median(each), 2) for each in zip(*times, strict=True))


def year(folder, rounds):
    name = "binance:YEAR/USDT"
    with open_store(folder) as store:
        yield "sqlite ohlcv to arrow", took(rounds, lambda: store.bars(name, "1m").to_arrow(columns=OHLCV)), 350
        yield "sqlite usual to arrow", took(rounds, lambda: store.bars(name, "1m").to_arrow()), 350
        yield "sqlite usual to polars", took(rounds, lambda: store.bars(name, "1m").to_polars()), 350
        yield "sqlite usual to decimals", took(rounds, lambda: store.bars(name, "1m").to_arrow(numbers="decimal")), None
        for of in ("5m", "1h", "1d"):
            yield f"sqlite resampled to {of}", took(rounds, lambda of=of: list(store.resample(name, of))), None
        archive = OUT / "reads-archive"
        shutil.rmtree(archive, ignore_errors=True)
        for kind in ("year", "day"):
            export_series(store, name, "bars:1m", archive / kind, partition=kind)
    for kind in ("year", "day"):
        with open_lake(archive / kind) as lake:
            aim = 60 if kind == "year" else None
            yield (
                f"parquet by {kind}, ohlcv to arrow",
                took(rounds, lambda: lake.bars(name, "1m").to_arrow(columns=OHLCV)),
                aim,
            )
            yield f"parquet by {kind}, usual to arrow", took(rounds, lambda: lake.bars(name, "1m").to_arrow()), None


def write(folder, per_s, stop):
    """A writer of trades and bars at a steady pace, in a process of its own."""
    writer = StoreWriter(folder, clock=SystemClock())
    writer.start()
    began, sent, price = time.perf_counter(), 0, Decimal("35000.12")
    stamp = time.time_ns()
    while not stop.is_set():
        due = int((time.perf_counter() - began) * per_s)
        for i in range(sent, due):
            writer.offer(Trade(f"binance:W{i & 31}/USDT", "trades", stamp + i, stamp + i, "ws", str(stamp + i), stamp + i,
                               "buy", price, price))  # fmt: skip
        sent = due
        time.sleep(0.005)
    writer.stop()


def last_500(folder, rounds, per_s):
    stop = multiprocessing.Event()
    writer = multiprocessing.Process(target=write, args=(folder, per_s, stop))
    writer.start()
    try:
        time.sleep(2)
        with open_store(folder) as store:
            names = [f"binance:S{n}/USDT" for n in random.Random(4).sample(range(100), 50)] * rounds
            for kind, read in (
                ("events", lambda name: list(store.bars(name, "1m", last=500))),
                ("arrow", lambda name: store.bars(name, "1m", last=500).to_arrow()),
            ):
                read(names[0])
                walls, cpus = (
                    sorted(each) for each in zip(*(took(1, partial(read, name)) for name in names), strict=True)
                )
                middle, late = len(names) // 2, len(names) * 99 // 100
                yield f"last 500 bars to {kind}, {per_s} rows/s written", (walls[middle], cpus[middle]), 5
                yield f"the same, 99 of 100, to {kind}", (walls[late], cpus[late]), None
    finally:
        stop.set()
        writer.join()


def trades_to_bars(count):
    path = OUT / f"reads-trades-{count}.csv"
    if not path.exists():
        rnd, at_ms, price = random.Random(3), T0_NS // 10**6, 3_500_000
        with path.open("w") as file:
            file.write("ts_ms,id,taker_side,price,qty\n")
            for i in range(count):
                at_ms, price = at_ms + rnd.randrange(20), price + rnd.randrange(-50, 51)
                side = "buy" if i & 1 else "sell"
                file.write(f"{at_ms},{i},{side},{price / 100:.8f},{rnd.randrange(1, 10**7) / 1e5:.8f}\n")
    began, cpu = time.perf_counter(), time.process_time()
    found = bulk.bars_of_file(path, interval("1m"))
    assert found is not None, "in bulk"
    return round(count / (time.perf_counter() - began)), round(time.process_time() - cpu, 1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--trades", type=int, default=10_000_000)
    parser.add_argument("--rows-s", type=int, default=20_000)
    options = parser.parse_args()
    size = "small" if options.small else "large" if options.large else "normal"
    folder = made(SIZES[size])
    for what, (ms, cpu_ms), aim in year(folder, options.rounds):
        row = {"case": "reads", "what": f"a year of 1m bars, {what}", "ms": ms, "cpu_ms": cpu_ms, "aim_ms": aim}
        print(json.dumps(row), flush=True)
    for what, (ms, cpu_ms), aim in last_500(folder, options.rounds, options.rows_s):
        row = {"case": "reads", "what": what, "ms": ms, "cpu_ms": cpu_ms, "aim_ms": aim}
        print(json.dumps(row), flush=True)
    rate, cpu_s = trades_to_bars(options.trades)
    row = {"case": "reads", "what": "CSV to 1m bars", "trades_s": rate, "cpu_s": cpu_s, "aim_trades_s": 1_000_000}
    print(json.dumps(row | {"load": os.getloadavg()[0]}), flush=True)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    main()
