"""Tapeline as its users run it, over loopback: `tapeline.Feed` with a callback, and the whole of `tapeline run`.

Cases: trades, depth (maintained books), mix (trades, books, klines); `whole` is mix with bars built from trades, every
trade and bar stored and every frame on tape; `idle` subscribes trades of all symbols and stays, for its memory.
"""

import asyncio
import json
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

import uvloop
from meter import from_arguments, rss_mb

import tapeline
from tapeline.app.running import start
from tapeline.config import Config, StoreConfig, StreamConfig
from tapeline.store.tape import read_tape

meter = from_arguments("tapeline")
WS, REST = f"ws://127.0.0.1:{meter.port}", f"http://127.0.0.1:{meter.port}"
CHANNELS = {
    "trades": ("aggtrades",), "depth": ("book",), "mix": ("aggtrades", "book", "bars:1m"), "idle": ("aggtrades",),
    "whole": ("aggtrades", "book", "bars:1m", "bars:1m@aggtrades"),
}  # fmt: skip


def on_trade(trade):
    meter.trade(trade.seq)


def listen(on):
    """`on(callback, channel)` for what comes by wire: one message, one event."""
    on(on_trade if meter.stamps is not None else meter.one, "aggtrades")
    on(meter.one, "book")
    on(meter.one, "bars:1m")


def books(instance):
    """That the books were kept, not given up: of each, whether it is right now; and the deltas they took."""
    kept = [book for desk in instance.desks.values() for book in desk.books.books()]
    if not kept:
        return {}
    return {
        "books_right": f"{sum(book.synchronised for book in kept)}/{len(kept)}",
        "deltas": sum(book.statistics().applied for book in kept),
    }


async def as_library():
    async with tapeline.Feed(urls={"binance": {"ws": WS, "rest": REST}}) as feed:
        listen(lambda callback, channel: feed.on(callback, channel=channel))
        meter.more = lambda: books(feed.instance)
        async with asyncio.TaskGroup() as tasks:
            for base in meter.bases:
                tasks.create_task(feed.subscribe(f"binance:{base}/USDT", *CHANNELS[meter.case]))
        await asyncio.sleep(300)


def on_tape(folder):
    return sum(line.dir == "in" for tape in sorted(folder.glob("*.ws.jsonl.gz")) for line in read_tape(tape))


async def as_run():
    """Until the last message, then drained: what is in the store and on the tape is counted, not believed."""
    symbols = tuple(f"{base}/USDT" for base in meter.bases)
    over = asyncio.Event()
    result = {}

    def done():
        if not over.is_set():
            result.update(meter.result())
            over.set()

    meter.done = done
    with tempfile.TemporaryDirectory(prefix="tapeline-bench-") as folder:
        stream = StreamConfig(venue="binance", symbols=symbols, channels=CHANNELS["whole"], ws_url=WS, rest_url=REST)
        async with start(Config(store=StoreConfig(path=folder, tape=True), stream=(stream,))) as running:
            bus, memory = running.instance.bus, []
            listen(lambda callback, channel: bus.subscribe(callback, channel=channel))
            while not over.is_set():
                memory.append(rss_mb())
                with suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), 1.0)
            result |= books(running.instance)
            kept = running.keeping.statistics()
            began = time.perf_counter()
        result["drained_s"] = round(time.perf_counter() - began, 1)
        result["dropped"] = kept["store"].dropped + kept["tape"].dropped
        result |= {
            "frames_received": meter.seen,
            "rss_10s_mb": memory[min(13, len(memory) - 1)],
            "rss_end_mb": memory[-1],
        }
        with closing(sqlite3.connect(f"{folder}/series.sqlite")) as store:
            for table in ("trades", "bars", "gaps"):
                result[f"{table}_stored"] = store.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        result["frames_on_tape"] = on_tape(Path(folder, "tape"))
    print(json.dumps(result), flush=True)


uvloop.run(as_run() if meter.case == "whole" else as_library())
