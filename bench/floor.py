"""The floor: a bare picows listener takes every frame as bytes and does nothing with it.

Cases: `frames` counts only; `latency` finds the trade's id in the bytes without decoding, for the floor of latency.
"""

import uvloop
from meter import from_arguments
from picows import WSListener, WSMsgType, ws_connect

meter = from_arguments("floor")
SUBSCRIBE = b'{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}'


class Counting(WSListener):
    def on_ws_connected(self, transport):
        transport.send(WSMsgType.TEXT, SUBSCRIBE)

    def on_ws_frame(self, transport, frame):
        frame.get_payload_as_bytes()
        meter.one()


class Timing(Counting):
    def on_ws_frame(self, transport, frame):
        data = frame.get_payload_as_bytes()
        at = data.find(b'"a":')
        if at > 0:
            meter.trade(data[at + 4 : data.find(b",", at)])


async def main():
    listener = Timing if meter.case == "latency" else Counting
    transport, _ = await ws_connect(listener, f"ws://127.0.0.1:{meter.port}/stream")
    await transport.wait_disconnected()


uvloop.run(main())
