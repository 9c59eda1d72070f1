"""cryptofeed's Binance feed over loopback, on uvloop, with callbacks. Cases: trades, depth, mix."""

import asyncio
import warnings

import cryptofeed.connection
import uvloop
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import CANDLES, L2_BOOK, TRADES
from cryptofeed.exchanges import Binance
from meter import from_arguments

meter = from_arguments("cryptofeed")
dial = cryptofeed.connection.connect
# Its endpoints must say wss; compression is not what is compared.
cryptofeed.connection.connect = lambda address, **more: dial(
    address.replace("wss://", "ws://"), compression=None, **more
)
Binance.websocket_endpoints = [WebsocketEndpoint(f"wss://127.0.0.1:{meter.port}")]
Binance.rest_endpoints = [
    RestEndpoint(
        f"http://127.0.0.1:{meter.port}",
        routes=Routes("/api/v3/exchangeInfo", l2book="/api/v3/depth?symbol={}&limit={}"),
    )
]


async def on_trade(trade, _received):
    meter.trade(trade.id)


async def on_other(_event, _received):
    meter.one()


callbacks = {
    "trades": {TRADES: on_trade},
    "depth": {L2_BOOK: on_other},
    "mix": {TRADES: on_trade, L2_BOOK: on_other, CANDLES: on_other},
}[meter.case]
symbols = [f"{base}-USDT" for base in meter.bases]
warnings.simplefilter("ignore")
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.set_event_loop(uvloop.new_event_loop())
handler = FeedHandler(
    config={
        "uvloop": True,
        "log": {"disabled": True},
        "backend_multiprocessing": False,
        "ignore_invalid_instruments": False,
    }
)
handler.add_feed(Binance(symbols=symbols, channels=list(callbacks), callbacks=callbacks, candle_closed_only=False))
handler.run()
