"""Real ccxt objects, made as the gateway makes them: whether digits survive both ways. The report goes to stdout."""

import asyncio
import json
import sys
from decimal import Decimal
from typing import Any

from tapeline.venues.ccxt import Place
from tapeline.wire.ccxt import calls, rows
from tapeline.wire.ccxt.exact import as_decimal
from tapeline.wire.ccxt.exchange import Reach, knows_client_ids, made

LONG = "0.12345678901234567890123456789"
MARKET = {
    "id": "btcusd", "symbol": "BTC/USD", "base": "BTC", "quote": "USD", "baseId": "btc", "quoteId": "usd", "spot": True,
    "type": "spot", "active": True, "precision": {"amount": "0.00000000000000000001", "price": "0.00000001"},
    "limits": {},
}  # fmt: skip


async def main(name: str) -> dict[str, Any]:
    exchange = await made(Place(name), Reach(), within_s=10)
    report: dict[str, Any] = {"client ids": knows_client_ids(exchange, "create", "order")}
    try:
        exchange.set_markets([exchange.safe_market_structure(MARKET)])
        body = f'{{"price": 0.1, "amount": {LONG}, "tid": 12345678901234567890, "date": "1700000000", "type": "0"}}'
        trade = exchange.parse_trade(exchange.parse_json(body), exchange.market("BTC/USD"))
        report["body"] = [rows.trade(trade)[field] for field in ("price", "amount")]

        heard: list[Any] = []
        client = exchange.client("wss://nowhere")
        client.on_message_callback = lambda _client, message: heard.append(message)
        client.handle_text_or_binary_message(f'{{"price": {LONG}}}')
        report["frame"] = heard

        exchange.number = as_decimal
        book = exchange.order_book({"bids": [[as_decimal("1"), as_decimal(LONG)], [as_decimal("3"), as_decimal("1")]]})
        report["book"] = rows.book(book, 5)["bids"]
        exchange.number = str

        sent: list[Any] = []

        async def fetch(_url: str, _method: str = "GET", _headers: Any = None, body: Any = None) -> Any:
            sent.append(body)
            return {"id": "7"}

        exchange.fetch, exchange.apiKey, exchange.secret = fetch, "k" * 8, "s" * 8
        asked = {"symbol": "BTC/USD", "type": "limit", "side": "buy", "amount": "0.10000000000000000001",
                 "price": "60000.12345678", "client_id": "t1"}  # fmt: skip
        (placed,) = await calls.place(exchange, asked)
        report["sent"], report["placed"] = sent, placed["id"]
        assert Decimal(asked["amount"]) != Decimal(float(asked["amount"])), "a float does not hold it"
    finally:
        await exchange.close()
    return report


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])["exchange"]))))
