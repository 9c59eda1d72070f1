"""What every receiver does alike, whatever library it uses: pinned to one core, counts, stamps, one JSON line.

Standard library only: it runs in each peer's own venv.
"""

import json
import mmap
import os
import sys
import time

ID0, STRIDE = 1_000_000, 1_000_000  # see source.py
BASES = ("BTC", "ETH", "SOL", "XRP")
TAIL = 0.1  # the first tenth of latencies is warming up


class Meter:
    """Counts to `count` messages, of which the first `skip` are not timed, then prints and ends the process."""

    def __init__(self, lib, case, *, port, count, skip=0, stamps="", core=0, symbols=4):
        if core >= 0:
            os.sched_setaffinity(0, {core})
        self.lib, self.case, self.port, self.count, self.skip, self.symbols = lib, case, port, count, skip, symbols
        self.bases = [*BASES, *(f"A{i:03d}" for i in range(len(BASES), symbols))][:symbols]
        self.seen = 0
        self.wall = self.cpu = 0.0
        self.latencies = []
        self.rss_at = {}  # seconds -> MB, of a paced run
        self.done = self.finish  # called once, after the last message
        self.more = dict  # what else to report then
        self.stamps = None
        if stamps:
            with open(stamps, "r+b") as file:
                self.stamps = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")

    def one(self, _event=None):
        """A message has reached the user."""
        self.seen += 1
        if self.seen == self.skip + 1:
            self.wall, self.cpu = time.perf_counter(), time.process_time()
        elif self.seen >= self.count:
            self.done()

    def trade(self, identity):
        """A trade of this id has; its latency counts."""
        if self.stamps is not None:
            self.latencies.append(time.perf_counter_ns() - self.stamps[int(identity) - ID0])
        self.one()

    def result(self):
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        timed = self.seen - self.skip - 1
        found = {
            "lib": self.lib, "case": self.case, "messages": timed, "msg_s": round(timed / wall),
            "us_cpu_msg": round(cpu / timed * 1e6, 3), "cpu_share": round(cpu / wall, 3), "rss_mb": rss_mb(),
        }  # fmt: skip
        if self.latencies:
            kept = sorted(self.latencies[int(len(self.latencies) * TAIL) :])
            for name, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
                found[f"{name}_us"] = round(kept[int(len(kept) * part)] / 1000, 1)
        return found

    def finish(self, **more):
        """Print the result; a library's own shutdown is not measured."""
        print(json.dumps(self.result() | self.more() | more), flush=True)
        sys.stdout.flush()
        os._exit(0)


def rss_mb():
    with open("/proc/self/statm") as file:
        return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


def from_arguments(lib):
    """LIB CASE --port P --count N ... as run.py calls every receiver."""
    import argparse

    parser = argparse.ArgumentParser()
    parser.add_argument("case")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--stamps", default="")
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--symbols", type=int, default=4)
    options = vars(parser.parse_args())
    return Meter(lib, options.pop("case"), **options)
