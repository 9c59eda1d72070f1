"""Memory of `tapeline run` at its largest: 400 symbols, 1,600 topics of trades, quotes and bars, and 400 whole books.

Books take their snapshots over REST within the venue's weight: some four minutes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
SYMBOLS = 400
WITHIN_S = 480.0
CHANNELS = ("aggtrades", "quotes", "bars:1m", "bars:5m", "book")


def main():
    source = subprocess.Popen(
        [sys.executable, HERE / "source.py", "--mix", "mix", "--rate", "1000", "--count", str(int(1000 * WITHIN_S)),
         "--symbols", str(SYMBOLS), "--warm", "3"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    about = json.loads(source.stdout.readline())
    names = ["BTC", "ETH", "SOL", "XRP", *(f"A{i:03d}" for i in range(4, SYMBOLS))]
    address = f"127.0.0.1:{about['port']}"
    with tempfile.TemporaryDirectory(prefix="tapeline-bench-") as folder:
        config = Path(folder, "run.toml")
        config.write_text(
            f'[store]\npath = "{folder}/store"\ntape = false\n[[stream]]\nvenue = "binance"\n'
            f"symbols = {json.dumps([f'{name}/USDT' for name in names])}\nchannels = {json.dumps(CHANNELS)}\n"
            f'ws_url = "ws://{address}"\nrest_url = "http://{address}"\n'
        )
        with open(Path(folder, "log"), "wb") as log:
            run = subprocess.Popen(
                [sys.executable, "-m", "tapeline.surfaces.cli", "run", "--config", config], stderr=log
            )
        try:
            found = settled(run.pid, Path(folder, "store", "status.json"))
        finally:
            run.send_signal(signal.SIGTERM)
            run.wait(60)
            source.terminate()
            source.wait(10)
    print(json.dumps(found))


def settled(pid, file):
    """Until every book is right, and a while longer."""
    started, most, books, since = time.monotonic(), 0.0, 0, None
    while time.monotonic() - started < WITHIN_S:
        time.sleep(2.0)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        most = max(most, rss_mb := pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        try:
            status = json.loads(file.read_text())
        except (OSError, ValueError):
            continue
        books = sum(book["synchronised"] for book in status["books"])
        if books == SYMBOLS and since is None:
            since = time.monotonic()
        if since is not None and time.monotonic() - since > 30:
            break
    return {"case": "large", "books_right": books, "topics": SYMBOLS * 4, "rss_mb": round(rss_mb, 1),
            "most_mb": round(most, 1), "took_s": round(time.monotonic() - started)}  # fmt: skip


main()
