"""ccxt.pro's Binance over loopback: watch in a loop, as its manual shows. Cases: trades, depth.

What it parsed counts; what its loop hands out is less, as it coalesces under load (`handed` says how much came out).
"""

import ccxt.pro
import uvloop
from meter import from_arguments

meter = from_arguments("ccxt")
SYMBOLS = [f"{base}/USDT" for base in meter.bases]
handed = {"handed": 0}


class Counting(ccxt.pro.binance):
    def handle_trade(self, client, message):
        super().handle_trade(client, message)
        if meter.stamps is None:
            self._count()

    def handle_order_book(self, client, message):
        super().handle_order_book(client, message)
        self._count()

    def _count(self):
        if meter.seen == meter.count - 1:
            meter.seen += 1
            meter.finish(**handed)
        meter.one()


async def main():
    markets = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "defaultType": "spot"}
    exchange = Counting({"newUpdates": True, "enableRateLimit": False,
                         "options": markets | {"watchTradesForSymbols": {"name": "trade"}}})  # fmt: skip
    exchange.urls["api"]["ws"]["spot"] = f"ws://127.0.0.1:{meter.port}/ws"
    for name in ("public", "v1", "sapi", "private"):
        exchange.urls["api"][name] = f"http://127.0.0.1:{meter.port}/api/v3"
    await exchange.load_markets()
    while meter.case == "trades":
        trades = await exchange.watch_trades_for_symbols(SYMBOLS)
        handed["handed"] += len(trades)
        if meter.stamps is not None:
            for trade in trades:
                meter.trade(trade["id"])
    while True:
        await exchange.watch_order_book_for_symbols(SYMBOLS)
        handed["handed"] += 1


uvloop.run(main())
