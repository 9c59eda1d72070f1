"""Rows a second into a store: our StoreWriter, from offer to flushed, beside plain `executemany` of the same rows.

The plain side has the very rows, columns, statements, keys, batches and pragmas, and no more: no thread, no events to
turn into rows, no transaction per kind. It is what SQLite itself can do here.
"""

import argparse
import json
import os
import random
import sqlite3
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from tapeline.clock import SystemClock
from tapeline.model.event import Bar, Trade
from tapeline.store import series
from tapeline.store.schema import connect
from tapeline.store.writer import StoreWriter

BATCH, FLOOR = 500, 0.6
MINUTE_NS = 60 * 10**9
T0_NS = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS


def trades(count):
    rnd, price, out = random.Random(2), 3_500_000, []
    for i in range(count):
        price += rnd.randrange(-50, 51)
        at_ns = T0_NS + i * 7_000_000
        out.append(Trade(f"binance:{'ABCD'[i & 3]}/USDT", "trades", at_ns, at_ns + 10**6, "ws", str(i), i, "buy",
                         Decimal(price).scaleb(-2), Decimal(rnd.randrange(1, 10**7)).scaleb(-5)))  # fmt: skip
    return out


def bars(count):
    rnd, price, out = random.Random(1), 3_500_000, []
    for i in range(count):
        opened, price = price, price + rnd.randrange(-500, 501)
        high, low = max(opened, price) + rnd.randrange(300), min(opened, price) - rnd.randrange(300)
        volume, at_ns = Decimal(rnd.randrange(1, 10**9)).scaleb(-5), T0_NS + i * MINUTE_NS
        o, h, low, c = (Decimal(each).scaleb(-2) for each in (opened, high, low, price))
        out.append(Bar("binance:A/USDT", "bars:1m", at_ns, at_ns, "ws", "1m", at_ns, o, h, low, c, volume,
                       Decimal(rnd.randrange(1, 10**12)).scaleb(-4), rnd.randrange(1, 3000), volume / 2, i, i + 9, True,
                       "complete", 1, "trades", "", at_ns))  # fmt: skip
    return out


def ours(events):
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        writer = StoreWriter(Path(folder), clock=SystemClock(), batch_size=BATCH, queue_bytes=2**30)
        writer.start()
        began, cpu = time.perf_counter(), time.process_time()
        offer = writer.offer
        for event in events:
            offer(event)
        assert writer.flush(60), "flushed in time"
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        assert writer.statistics().rows_written == len(events), "all written"
        writer.stop()
    return len(events) / took, cpu / len(events) * 1e6


def plain(rows, statement):
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        connection = connect(Path(folder))
        for number, name in enumerate("ABCD", 1):
            connection.execute("INSERT INTO series VALUES (?, ?, ?)", (number, f"binance:{name}/USDT", "x"))
        began, cpu = time.perf_counter(), time.process_time()
        for start in range(0, len(rows), BATCH):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, rows[start : start + BATCH])
            connection.execute("COMMIT")
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        connection.close()
    return len(rows) / took, cpu / len(rows) * 1e6


def rows_of(events, table):
    """The rows our writer makes of them, read back."""
    with tempfile.TemporaryDirectory(dir=OUT) as folder:
        store = series.SeriesStore(Path(folder))
        store.write(events)
        store.close()
        with sqlite3.connect(Path(folder) / "series.sqlite") as connection:
            columns = "series, " + ", ".join((*series.BAR_COLUMNS, "exact")) if table == "bars" else "*"
            return connection.execute(f"SELECT {columns} FROM {table}").fetchall()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    os.sched_setaffinity(0, {0})
    for table, make, statement in (("trades", trades, series._INSERT_TRADE), ("bars", bars, series._INSERT_BAR)):  # noqa: SLF001  # the very statements
        events = make(options.count)
        rows = rows_of(events, table)
        assert len(rows) == len(events), "each event is a row"
        rounds = [(ours(events), plain(rows, statement)) for _ in range(options.rounds)]
        share = round(statistics.median(mine[0] / theirs[0] for mine, theirs in rounds), 2)
        print(json.dumps({
            "case": "store", "lib": table, "rows_s": round(statistics.median(mine[0] for mine, _ in rounds)),
            "plain_rows_s": round(statistics.median(theirs[0] for _, theirs in rounds)),
            "us_cpu_row": round(statistics.median(mine[1] for mine, _ in rounds), 2),
            "plain_us_cpu_row": round(statistics.median(theirs[1] for _, theirs in rounds), 2),
            "ratio": share, "floor": FLOOR, "aim": 1.0,
        }), flush=True)  # fmt: skip


OUT = Path(__file__).parent / "out"
OUT.mkdir(exist_ok=True)
main()
