"""Our figure, the peers' and the floor side by side: `python bench/run.py [CASE ...] [--rounds 5] [--json]`.

Rounds are outermost and every library runs in each, on core 0, the source on core 1: the ratios hold though a machine's
speed does not. A ratio is of messages per second of CPU, so that what else runs on the machine counts for neither.
Peers live in bench/peers (see peers.py); an absent one takes the ratio of bench/baseline, marked with `*`.
"""

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = {"tapeline": "ours.py", "floor": "floor.py", "bare": "bare.py", "cryptofeed": "peer_cryptofeed.py",
           "ccxt": "peer_ccxt.py", "nautilus": "peer_nautilus.py"}  # fmt: skip
COUNT = {"tapeline": 390_000, "floor": 390_000, "bare": 390_000, "cryptofeed": 90_000, "nautilus": 50_000,
         "ccxt": 40_000}  # fmt: skip
WITHOUT_BOOKS = {"floor", "bare"}  # our own environment, no peer's, and no snapshot to wait for
BEFORE = 100  # messages that are not timed: the slow ones at first, and a few more
PLAIN = ("--wrap", "plain", "--trade", "trade")  # what ccxt asks for

# case -> (source's options, what each library runs, (floor, aim) of our ratio to each)
TRADES = {
    "tapeline": "trades",
    "cryptofeed": "trades",
    "nautilus": "trades",
    "ccxt": "trades",
    "bare": "trades",
    "floor": "frames",
}
CASES = {
    "trades": (("--mix", "trades"), TRADES, {"cryptofeed": (3.5, 5), "nautilus": (8, 10), "ccxt": (12, 18)}),
    "depth": (("--mix", "depth"), {"tapeline": "depth", "cryptofeed": "depth", "nautilus": "depth", "ccxt": "depth"},
              {"cryptofeed": (3.5, 6)}),
    "mix": (("--mix", "mix"), {"tapeline": "mix", "cryptofeed": "mix"}, {"cryptofeed": (3.5, 6)}),
    "whole": (("--mix", "mix", "--nominal", 2000), {"tapeline": "whole", "cryptofeed": "mix"}, {"cryptofeed": (1.5, 2)}),
}  # fmt: skip
BASELINE = {("trades", "cryptofeed"): 4.7, ("trades", "nautilus"): 10.7, ("trades", "ccxt"): 18.0,
            ("depth", "cryptofeed"): 3.6, ("depth", "nautilus"): 6.1, ("depth", "ccxt"): 6.0,
            ("mix", "cryptofeed"): 3.9, ("whole", "cryptofeed"): 2.5}  # fmt: skip


def python_of(lib):
    return HERE / "peers" / ("tapeline" if lib in WITHOUT_BOOKS else lib) / "bin" / "python"


class Sources:
    """Load sources, each started once and asked by many."""

    def __init__(self):
        self._running = {}

    def get(self, *options):
        if options not in self._running:
            process = subprocess.Popen(
                [python_of("tapeline"), "source.py", *map(str, options)], cwd=HERE, stdout=subprocess.PIPE, text=True
            )
            if not select.select([process.stdout], [], [], 120)[0]:
                raise TimeoutError("the source did not start")
            self._running[options] = process, json.loads(process.stdout.readline())
        return self._running[options][1]

    def stop(self):
        for process, _ in self._running.values():
            process.terminate()
            process.wait()
        self._running.clear()


def run(lib, case, about, *, count, stamps=False, symbols=4, before=BEFORE):
    """One run of one library; its result, or why there is none."""
    python = python_of(lib)
    if not python.exists():
        return {"absent": "not installed: see peers.py"}
    command = [python, SCRIPTS[lib], case, "--port", about["port"], "--count", count, "--skip", before,
               "--symbols", symbols, *(("--stamps", about["stamps"]) if stamps else ())]  # fmt: skip
    try:
        done = subprocess.run([*map(str, command)], cwd=HERE, capture_output=True, text=True, timeout=150, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": "not done within 150 s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"failed": (done.stderr or done.stdout).strip()[-300:]}


def flood(case, sources, options):
    """Every library in every round, forwards and backwards in turn."""
    mix, libraries, bounds = CASES[case]
    results = {lib: [] for lib in libraries}
    for number in range(options.rounds):
        order = list(libraries.items())
        for lib, theirs in order if number % 2 == 0 else reversed(order):
            shape = (*mix, *(PLAIN if lib == "ccxt" else ()), "--prelude", 0 if lib in WITHOUT_BOOKS else 40)
            count = min(COUNT[lib], options.count)
            about = sources.get(*shape, "--count", count + 1000)
            results[lib].append(run(lib, theirs, about, count=count))
    return [row(case, lib, runs, results["tapeline"], bounds.get(lib)) for lib, runs in results.items()]


def row(case, lib, runs, ours, bounds):
    good = [each for each in runs if "msg_s" in each]
    found = {"case": case, "lib": lib, "runs": len(good)} | medians(good)
    if not good:
        found["why"] = next((each.get("failed") or each.get("absent") for each in runs), "not run")
    if lib in {"tapeline", "floor"}:
        return found
    pairs = [(a["us_cpu_msg"], b["us_cpu_msg"]) for a, b in zip(ours, runs, strict=True)
             if "msg_s" in a and "msg_s" in b]  # fmt: skip
    found["ratio"] = round(statistics.median(b / a for a, b in pairs), 2) if pairs else BASELINE.get((case, lib))
    found["from_baseline"] = not pairs
    if bounds:
        found["floor"], found["aim"] = bounds
    return found


def medians(runs):
    """The median of each number; of the tail of latencies the best run too, since a busy machine only adds to it."""
    found = {}
    for name, value in (runs[0] if runs else {}).items():
        if isinstance(value, (int, float)):
            found[name] = round(statistics.median(each[name] for each in runs), 3)
        elif name not in {"lib", "case"}:
            found[name] = value
    if "p99_us" in found:
        found["best_p99_us"] = min(each["p99_us"] for each in runs)
    return found


def paced(sources, options):
    """20,000 messages a second, one send each: CPU beside the bare floor's; timed, latency from send to callback."""
    rate, count = 20_000, int(20_000 * options.seconds)
    about = sources.get("--mix", "trades", "--rate", rate, "--count", count + 1000)
    plan = {"tapeline": ("tapeline", "trades", False), "floor": ("floor", "frames", False),
            "bare": ("bare", "trades", False), "tapeline, timed": ("tapeline", "trades", True),
            "floor, timed": ("floor", "latency", True), "cryptofeed, timed": ("cryptofeed", "trades", True)}  # fmt: skip
    results = {name: [] for name in plan}
    for number in range(options.rounds):
        order = list(plan.items())
        for name, (lib, case, timed) in order if number % 2 == 0 else reversed(order):
            results[name].append(run(lib, case, about, count=count, stamps=timed))
    rows = [{"case": "paced", "lib": name} | medians([each for each in runs if "msg_s" in each])
            for name, runs in results.items()]  # fmt: skip
    cpu = {each["lib"]: each.get("us_cpu_msg") for each in rows}
    if cpu["tapeline"] and cpu["floor"]:
        rows[0]["cpu_to_floor"] = round(cpu["tapeline"] / cpu["floor"], 2)
        rows[2]["cpu_to_floor"] = round((cpu["bare"] or 0) / cpu["floor"], 2)
    return rows


def steady(sources, options):
    """The whole path for a minute at 20,000 a second: nothing lost, no growth."""
    count = int(20_000 * options.steady_s)
    about = sources.get("--mix", "mix", "--rate", 20_000, "--count", count, "--prelude", 40)
    found = run("tapeline", "whole", about, count=count)
    return [found | {"case": "steady", "sent": count, "trades_sent": about["kinds"]["T"]}]


def memory(sources, options):
    """40 streams at 2,000 messages a second: resident memory as a library and as `tapeline run`."""
    about = sources.get("--mix", "trades", "--rate", 2000, "--count", 60_000, "--symbols", 40)
    here = f'ws_url = "ws://127.0.0.1:{about["port"]}"\nrest_url = "http://127.0.0.1:{about["port"]}"\n'
    symbols = ", ".join(f'"{base}/USDT"' for base in ["BTC", "ETH", "SOL", "XRP", *(f"A{i:03d}" for i in range(4, 40))])
    folder = HERE / "out"
    folder.mkdir(exist_ok=True)
    config = folder / "forty.toml"
    config.write_text(
        f'[store]\npath = "{folder / "store"}"\n\n[[stream]]\nvenue = "binance"\nsymbols = [{symbols}]\n'
        f'channels = ["aggtrades"]\n{here}'
    )
    python = python_of("tapeline")
    commands = {
        "library": [python, "ours.py", "idle", "--port", about["port"], "--count", 10**9, "--symbols", 40],
        "tapeline run": [python.parent / "tapeline", "run", "--config", config],
    }
    rows = []
    for name, command in commands.items():
        process = subprocess.Popen([*map(str, command)], cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(options.memory_s)
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        rows.append({"case": "memory", "lib": name, "rss_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)})
        process.terminate()
        process.wait(20)
    return rows


def in_process(case, options):
    """bars.py and store.py measure themselves."""
    done = subprocess.run(
        [str(python_of("tapeline")), f"{case}.py", "--rounds", str(options.rounds)], cwd=HERE, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return lines or [{"case": case, "why": done.stderr[-300:]}]


def show(rows):
    for each in rows:
        ratio = ""
        if each.get("ratio"):
            ratio = f"  ours is {each['ratio']}x{'*' if each.get('from_baseline') else ''}"
        if "floor" in each and each.get("ratio"):
            met = (
                "aim met"
                if each["ratio"] >= each["aim"]
                else "floor met"
                if each["ratio"] >= each["floor"]
                else "BELOW"
            )
            ratio += f" (floor {each['floor']}x, aim {each['aim']}x: {met})"
        hidden = {"case", "lib", "ratio", "floor", "aim", "from_baseline", "runs", "messages"}
        figures = "  ".join(f"{name} {value}" for name, value in each.items() if name not in hidden)
        print(f"{each['case']:7} {each.get('lib', ''):13} {figures}{ratio}", flush=True)


def main():
    others = {"paced": paced, "steady": steady, "memory": memory}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join([*CASES, *others, "bars", "store", "all"]))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=10**9, help="at most so many messages a run")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a paced run")
    parser.add_argument("--steady-s", type=float, default=60.0)
    parser.add_argument("--memory-s", type=float, default=15.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("two cores are needed: one for the source, one for what is measured")
    names = options.cases if options.cases and options.cases != ["all"] else [*CASES, *others, "bars", "store"]
    sources = Sources()
    try:
        for name in names:
            if name in CASES:
                rows = flood(name, sources, options)
            elif name in others:
                rows = others[name](sources, options)
            else:
                rows = in_process(name, options)
            if options.json:
                for each in rows:
                    print(json.dumps(each), flush=True)
            else:
                show(rows)
            sources.stop()
    finally:
        sources.stop()


main()
