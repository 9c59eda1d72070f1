"""Tapeline as its users run it, over loopback: `tapeline.Feed` with a callback, and the whole of `tapeline run`.

Cases: trades, depth (maintained books), mix (trades, books, klines); `whole` is mix with bars built from trades, every
trade and bar stored and every frame on tape; `idle` subscribes trades of all symbols and stays, for its memory.
"""

import asyncio
import tempfile

import uvloop
from meter import from_arguments

import tapeline
from tapeline.app.running import start
from tapeline.config import Config, StoreConfig, StreamConfig

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


async def as_library():
    async with tapeline.Feed(urls={"binance": {"ws": WS, "rest": REST}}) as feed:
        listen(lambda callback, channel: feed.on(callback, channel=channel))
        async with asyncio.TaskGroup() as tasks:
            for base in meter.bases:
                tasks.create_task(feed.subscribe(f"binance:{base}/USDT", *CHANNELS[meter.case]))
        await asyncio.sleep(300)


async def as_run():
    symbols = tuple(f"{base}/USDT" for base in meter.bases)
    with tempfile.TemporaryDirectory(prefix="tapeline-bench-") as folder:
        config = Config(
            store=StoreConfig(path=folder, tape=True),
            stream=(StreamConfig(venue="binance", symbols=symbols, channels=CHANNELS["whole"], ws_url=WS, rest_url=REST),),
        )
        async with start(config) as running:
            bus = running.instance.bus
            listen(lambda callback, channel: bus.subscribe(callback, channel=channel))
            await asyncio.sleep(300)


uvloop.run(as_run() if meter.case == "whole" else as_library())
