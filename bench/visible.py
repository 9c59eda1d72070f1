"""From the venue's send to a row that another process reads: `tapeline run` writes, this process watches the store.

python bench/visible.py                  # both ways of flushing, 500 trades a second of four symbols
python bench/visible.py --flush fast --rate 2000 --seconds 20
"""

import argparse
import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from meter import ID0, STRIDE

import tapeline
from tapeline.errors import TapelineError

HERE = Path(__file__).parent
WARM_S = 3.0
POLL_S = 0.001


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flush", choices=("normal", "fast"), action="append")
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=15)
    options = parser.parse_args()
    for flush in options.flush or ("normal", "fast"):
        print(json.dumps(measured(flush, options.rate, options.seconds)), flush=True)


def measured(flush, rate, seconds):
    count = int(rate * (seconds + WARM_S))
    source = subprocess.Popen(
        [sys.executable, HERE / "source.py", "--mix", "trades", "--count", str(count), "--rate", str(rate)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    about = json.loads(source.stdout.readline())
    with tempfile.TemporaryDirectory(prefix="tapeline-bench-") as folder, open(about["stamps"], "r+b") as file:
        stamps = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        config = Path(folder, "run.toml")
        address = f"127.0.0.1:{about['port']}"
        config.write_text(
            f'[store]\npath = "{folder}/store"\nflush = "{flush}"\n[[stream]]\nvenue = "binance"\n'
            f'symbols = ["BTC/USDT"]\nchannels = ["aggtrades"]\nws_url = "ws://{address}"\nrest_url = "http://{address}"\n'
        )
        run = subprocess.Popen(
            [sys.executable, "-m", "tapeline.surfaces.cli", "run", "--config", config],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.sched_setaffinity(run.pid, {0})  # the source has the other core
        try:
            found = sorted(watched(Path(folder, "store"), stamps, seconds))
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait(30)
            source.terminate()
            source.wait(10)
    at = lambda part: round(found[int(len(found) * part)] / 1e6, 2)  # noqa: E731  # a name for one line
    return {"flush": flush, "rate": rate, "rows": len(found), "p50_ms": at(0.5), "p99_ms": at(0.99)}


def watched(folder, stamps, seconds):
    until = time.monotonic() + 30
    while True:
        try:
            store = tapeline.open(folder)
            watch = store.watch("binance:BTC/USDT", "aggtrades", poll_s=POLL_S, within_s=2.0)
            break
        except TapelineError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
    started, latencies = time.monotonic(), []
    for trade in watch:
        now = time.monotonic()
        if now - started > WARM_S:
            latencies.append(time.perf_counter_ns() - stamps[trade.seq - ID0 + 0 * STRIDE])
        if now - started > seconds + WARM_S:
            break
    return latencies


main()
