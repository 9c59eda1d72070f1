"""What plain Python can do at most: a bare loop from picows to a callback, with exact decimals and nothing checked.

No lost trade is found by it, no impossible value refused, nothing counted, and a callback that fails ends it. Its one
case is `trades`. What our ratio to a peer could be at most, on this machine, shows in its own.
"""

from decimal import Decimal

import msgspec
import uvloop
from meter import from_arguments
from picows import WSListener, WSMsgType, ws_connect

meter = from_arguments("bare")
SUBSCRIBE = b'{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}'


class WireTrade(msgspec.Struct, tag_field="e", tag="aggTrade", gc=False):
    s: str
    a: int
    p: str
    q: str
    T: int
    m: bool


class Envelope(msgspec.Struct, gc=False):
    data: WireTrade | None = None


class Trade(msgspec.Struct, gc=False):
    venue: str
    instrument: str
    at_ns: int
    id: int
    side: str
    price: Decimal
    size: Decimal


decode = msgspec.json.Decoder(Envelope).decode
INSTRUMENTS = {f"{base}USDT": f"binance:{base}/USDT" for base in meter.bases}


def on_trade(trade):
    meter.trade(trade.id)


class Loop(WSListener):
    def on_ws_connected(self, transport):
        transport.send(WSMsgType.TEXT, SUBSCRIBE)

    def on_ws_frame(self, transport, frame):
        found = decode(frame.get_payload_as_memoryview()).data
        if found is not None:
            on_trade(
                Trade("binance", INSTRUMENTS[found.s], found.T * 1_000_000, found.a, "sell" if found.m else "buy",
                      Decimal(found.p), Decimal(found.q))
            )  # fmt: skip


async def main():
    transport, _ = await ws_connect(Loop, f"ws://127.0.0.1:{meter.port}/stream")
    await transport.wait_disconnected()


uvloop.run(main())
