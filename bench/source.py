"""A load source: a Binance of our own making on loopback, whose frames are all made before the first is sent.

    python bench/source.py --mix mix --count 600000            # floods whoever subscribes, at the reader's pace
    python bench/source.py --mix trades --rate 20000           # one send a message, send times in shared memory

One port serves WebSocket and the few REST calls clients make. Prints one JSON line with port and stamp file. Every
connection gets the same frames from the start: `--prelude` of them slowly, so that books can fetch their snapshots.
The bodies are synthetic in Binance's documented format: sizes, update ids, book levels and bars hang together.
"""

import argparse
import base64
import hashlib
import json
import mmap
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

ID0, STRIDE = 1_000_000, 1_000_000  # trade ids: ID0 + STRIDE * symbol + its count; ID0 off, the place of its stamp
T0_MS = 1_700_000_000_000
MIXES = {"trades": "T", "depth": "D", "mix": "TTDTTDTKTD"}  # mix: 60 % trades, 30 % depth, 10 % klines
KNOWN = [("BTC", 27650.0, 2), ("ETH", 1745.5, 2), ("SOL", 98.15, 2), ("XRP", 0.6123, 4)]
BOOK_LEVELS = 400  # a side, where the snapshot starts
BOOK_AT = 1000
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Market:
    """One symbol: a price that wanders, a book whose updates chain, a bar that follows the trades."""

    def __init__(self, index, seed):
        base, price, digits = KNOWN[index] if index < len(KNOWN) else (f"A{index:03d}", 10.0 + index, 4)
        self.base, self.name, self.digits = base, base + "USDT", digits
        self.random = random.Random(seed * 1000 + index)
        self.tick = 10**-digits
        self.middle = round(price / self.tick)
        self.price = self.middle
        self.update = BOOK_AT + 1
        self.levels = [set(range(1, BOOK_LEVELS + 1)) for _ in "ba"]  # ticks from the middle
        self.trades, self.bar_ms, self.bar = 0, 0, None
        self.next_id = ID0 + STRIDE * index

    def text(self, ticks):
        return f"{ticks * self.tick:.8f}"

    def trade(self, at_ms, kind):
        rnd, identity = self.random, self.next_id
        self.next_id += 1
        self.price = min(self.middle + 90, max(self.middle - 90, self.price + rnd.randrange(-2, 3)))
        self.trades += 1
        price, size = self.text(self.price), f"{rnd.randrange(1, 900_000) / 100_000:.8f}"
        maker = "true" if rnd.random() < 0.5 else "false"
        if kind == "aggTrade":
            return (
                f'{{"e":"aggTrade","E":{at_ms},"s":"{self.name}","a":{identity},"p":"{price}","q":"{size}",'
                f'"f":{identity},"l":{identity},"T":{at_ms},"m":{maker},"M":true}}'
            )
        return (
            f'{{"e":"trade","E":{at_ms},"s":"{self.name}","t":{identity},"p":"{price}","q":"{size}","T":{at_ms},'
            f'"m":{maker},"M":true}}'
        )

    def depth(self, at_ms, most):
        sides = [self._changes(side, sign, most) for side, sign in ((0, -1), (1, 1))]
        first, last = self.update, self.update + self.random.randrange(1, 30)
        self.update = last + 1
        return f'{{"e":"depthUpdate","E":{at_ms},"s":"{self.name}","U":{first},"u":{last},"b":[{sides[0]}],"a":[{sides[1]}]}}'

    def _changes(self, side, sign, most):
        rnd, levels = self.random, self.levels[side]
        rows = []
        for away in sorted(rnd.sample(range(100, 100 + BOOK_LEVELS), rnd.randrange(1, most + 1))):
            if rnd.random() < 0.5:
                levels.discard(away)
                size = "0.00000000"
            else:
                levels.add(away)
                size = f"{rnd.randrange(1, 90_000_000) / 100_000:.8f}"
            rows.append(f'["{self.text(self.middle + sign * away)}","{size}"]')
        return ",".join(rows)

    def kline(self, at_ms):
        """The open bar as it grows; once a minute is over, its close first."""
        minute = at_ms // 60_000 * 60_000
        if self.bar is None:
            self._open(minute)
        closed = minute > self.bar_ms
        bar = self.bar
        bar[1], bar[2], bar[3] = max(bar[1], self.price), min(bar[2], self.price), self.price
        bar[4] += self.random.randrange(1, 1000)
        o, h, low, c = map(self.text, bar[:4])
        volume, quote, taker = (f"{bar[4] * part / 1000:.8f}" for part in (1, 27, 0.5))
        body = (
            f'{{"e":"kline","E":{at_ms},"s":"{self.name}","k":{{"t":{self.bar_ms},"T":{self.bar_ms + 59_999},'
            f'"s":"{self.name}","i":"1m","f":{ID0},"L":{ID0 + self.trades},"o":"{o}","c":"{c}","h":"{h}","l":"{low}",'
            f'"v":"{volume}","n":{self.trades},"x":{"true" if closed else "false"},"q":"{quote}","V":"{taker}",'
            f'"Q":"{taker}","B":"0"}}}}'
        )
        if closed:
            self._open(self.bar_ms + 60_000)
        return body

    def _open(self, minute):
        self.bar_ms, self.bar = minute, [self.price, self.price, self.price, self.price, 0]

    def snapshot(self, limit):
        away = range(100, 100 + min(limit, BOOK_LEVELS))
        return {
            "lastUpdateId": BOOK_AT,
            "bids": [[self.text(self.middle - ticks), "12.00000000"] for ticks in away],
            "asks": [[self.text(self.middle + ticks), "12.00000000"] for ticks in away],
        }

    def listed(self):
        tick = f"{self.tick:.8f}"
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "90000000.00000000", "stepSize": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
             "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
        ]  # fmt: skip
        precisions = ("baseAssetPrecision", "quotePrecision", "quoteAssetPrecision", "baseCommissionPrecision",
                      "quoteCommissionPrecision")  # fmt: skip
        flags = ("icebergAllowed", "ocoAllowed", "otoAllowed", "quoteOrderQtyMarketAllowed", "allowTrailingStop",
                 "cancelReplaceAllowed", "isSpotTradingAllowed")  # fmt: skip
        return {
            "symbol": self.name, "status": "TRADING", "baseAsset": self.base, "quoteAsset": "USDT",
            **dict.fromkeys(precisions, 8), **dict.fromkeys(flags, True), "isMarginTradingAllowed": False,
            "orderTypes": ["LIMIT", "MARKET"], "filters": filters, "permissions": ["SPOT"],
            "permissionSets": [["SPOT"]], "defaultSelfTradePreventionMode": "NONE",
            "allowedSelfTradePreventionModes": ["NONE"],
        }  # fmt: skip


def framed(payload):
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    return b"\x81\x7e" + struct.pack(">H", size) + payload


class Load:
    """All frames of a run in one block of memory, and which trade each is."""

    def __init__(self, options):
        self.markets = [Market(index, options.seed) for index in range(options.symbols)]
        self.block = bytearray()
        self.ends, self.places = [], []  # of each frame: where it ends, where its stamp belongs
        self.kinds = {"T": 0, "D": 0, "K": 0}
        pattern, per_ms = MIXES[options.mix], (options.rate or options.nominal) / 1000
        for i in range(options.count):
            kind, market = pattern[i % len(pattern)], self.markets[(i * 7 + i // 10) % len(self.markets)]
            at_ms, place = T0_MS + int(i / per_ms), 0
            self.kinds[kind] += 1
            if kind == "T":
                place = market.next_id - ID0
                body, stream = market.trade(at_ms, options.trade), options.trade
            elif kind == "D":
                body, stream = market.depth(at_ms, options.levels), "depth@100ms"
            else:
                body, stream = market.kline(at_ms), "kline_1m"
            if options.wrap == "combined":
                body = f'{{"stream":"{market.name.lower()}@{stream}","data":{body}}}'
            self.block += framed(body.encode())
            self.ends.append(len(self.block))
            self.places.append(place)


class Source:
    """Serves the load to each connection in turn, REST beside it."""

    def __init__(self, options):
        self.options = options
        self.load = Load(options)
        self.sent_from = None  # on the monotonic clock, when the venue's own clock began to run
        self.stamps_path = tempfile.mkstemp(prefix="tapeline-bench-", dir="/dev/shm")[1]
        with open(self.stamps_path, "r+b") as file:
            file.truncate(8 * STRIDE * options.symbols)
            self.stamps = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        self.socket = socket.create_server(("127.0.0.1", options.port), backlog=64)

    def run(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # unwinds: the stamp file goes
        about = {
            "port": self.socket.getsockname()[1], "stamps": self.stamps_path, "frames": self.options.count,
            "kinds": self.load.kinds, "mean_bytes": round(len(self.load.block) / self.options.count, 1),
        }  # fmt: skip
        print(json.dumps(about), flush=True)
        try:
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._client, args=(connection,), daemon=True).start()
        finally:
            os.unlink(self.stamps_path)

    def _client(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with connection:
                while head := read_head(connection):
                    key = header(head, b"sec-websocket-key")
                    path = head.split(b" ", 2)[1].decode()
                    if key:
                        connection.sendall(upgrade(key))
                        self._feed(connection, path)
                        return
                    connection.sendall(self._answer(path))
        except OSError:
            return  # the client has seen enough

    def _answer(self, path):
        name, _, query = path.partition("?")
        if name.endswith("exchangeInfo"):
            body = {"timezone": "UTC", "serverTime": self._now_ms(), "rateLimits": [], "exchangeFilters": [],
                    "symbols": [market.listed() for market in self.load.markets]}  # fmt: skip
        elif name.endswith("/depth"):
            asked = dict(pair.split("=", 1) for pair in query.split("&"))
            market = next(each for each in self.load.markets if each.name == asked["symbol"])
            body = market.snapshot(int(asked.get("limit", 100)))
        elif name.endswith("/time"):
            body = {"serverTime": self._now_ms()}
        else:
            body = {}
        text = json.dumps(body).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)

    def _now_ms(self):
        return T0_MS + (0 if self.sent_from is None else int((time.monotonic() - self.sent_from) * 1000))

    def _feed(self, connection, path):
        """Wait until nothing more is subscribed for a while, then send everything."""
        asked = threading.Event()
        gone = threading.Event()
        lock = threading.Lock()
        if "streams=" in path:
            asked.set()
        threading.Thread(target=listen, args=(connection, lock, asked, gone), daemon=True).start()
        asked.wait(30)
        while asked.is_set() and not gone.is_set():
            asked.clear()
            asked.wait(self.options.warm)
        self.sent_from = time.monotonic()
        ends, block = self.load.ends, memoryview(self.load.block)
        first, at = min(self.options.prelude, len(ends)), 0
        for end in ends[:first]:
            connection.sendall(block[at:end])
            at = end
            time.sleep(0.02)
        if first:
            time.sleep(1.0)
        self.sent_from = time.monotonic() - self._span_s(first)
        if self.options.rate:
            self._paced(connection, block, first, at, gone)
        else:
            for start in range(at, len(block), 1 << 18):
                connection.sendall(block[start : start + (1 << 18)])
        gone.wait(120)

    def _span_s(self, frames):
        return frames / (self.options.rate or self.options.nominal)

    def _paced(self, connection, block, first, at, gone):
        now, send, stamps = time.perf_counter_ns, connection.send, self.stamps
        gap_ns, late = int(1e9 / self.options.rate), 0
        due = now() + 1_000_000
        for end, place in zip(self.load.ends[first:], self.load.places[first:], strict=True):
            while now() < due:
                pass
            stamps[place] = now()
            send(block[at:end])
            at = end
            due += gap_ns
            if now() - due > 50_000_000:  # the machine stalled: do not send a burst to catch up
                late, due = late + 1, now()
            if gone.is_set():
                return
        if late:
            print(json.dumps({"late": late}), flush=True)


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(4096)
        if not piece:
            return b""
        head += piece
    return head


def header(head, name):
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.lower() == name:
            return value.strip()
    return b""


def upgrade(key):
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )


def listen(connection, lock, asked, gone):
    """Acknowledge what is subscribed, answer pings, notice the end."""
    held = b""
    try:
        while piece := connection.recv(65536):
            held += piece
            while (found := unframed(held)) is not None:
                kind, payload, held = found
                if kind == 8:
                    return
                reply = b""
                if kind == 9:
                    reply = bytes((0x8A, len(payload))) + payload
                elif kind in {1, 2}:
                    reply = framed(json.dumps({"result": None, "id": json.loads(payload).get("id")}).encode())
                    asked.set()
                with lock:
                    connection.sendall(reply)
    except (OSError, ValueError):
        return
    finally:
        gone.set()


def unframed(data):
    """(opcode, payload, rest) of the first frame of a client; None where it is not whole yet."""
    if len(data) < 2:
        return None
    size, at = data[1] & 127, 2
    if size == 126:
        size, at = int.from_bytes(data[2:4], "big"), 4
    elif size == 127:
        size, at = int.from_bytes(data[2:10], "big"), 10
    end = at + 4 + size
    if len(data) < end:
        return None
    mask = data[at : at + 4]
    return data[0] & 15, bytes(c ^ mask[i & 3] for i, c in enumerate(data[at + 4 : end])), data[end:]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mix", choices=sorted(MIXES), default="mix")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=0.0, help="messages a second; 0 floods")
    parser.add_argument("--nominal", type=float, default=100_000.0, help="messages a second by their stamps, flooding")
    parser.add_argument("--trade", choices=("trade", "aggTrade"), default="aggTrade")
    parser.add_argument("--wrap", choices=("combined", "plain"), default="combined")
    parser.add_argument("--symbols", type=int, default=4)
    parser.add_argument("--levels", type=int, default=3, help="changed levels a side, at most")
    parser.add_argument("--prelude", type=int, default=0, help="frames sent slowly at first")
    parser.add_argument("--warm", type=float, default=0.5, help="seconds after the last subscription")
    parser.add_argument("--core", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    if options.core >= 0:
        os.sched_setaffinity(0, {options.core})
    Source(options).run()
