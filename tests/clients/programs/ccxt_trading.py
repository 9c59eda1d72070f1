"""ccxt on a paper exchange: a trading cycle by REST and WebSocket. Settings: JSON in argv[1]; the report on stdout."""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro as ccxt

WITHIN_S = 20


def pointed(node: Any, rest: str, ws: str) -> Any:
    """Every URL of the client's own settings with its scheme, host and port replaced; paths stay."""
    if isinstance(node, dict):
        return {key: pointed(value, rest, ws) for key, value in node.items()}
    if not isinstance(node, str) or "://" not in node:
        return node
    parts = urlsplit(node)
    return (ws if parts.scheme in {"ws", "wss"} else rest) + parts.path


async def refused(calling: Any) -> str:
    """The name of the client's own exception."""
    try:
        await calling
    except ccxt.BaseError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was refused"


async def heard(queue: "asyncio.Queue[Any]", wanted: Any) -> Any:
    """The first message that is wanted."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            found = await queue.get()
            if wanted(found):
                return found


async def watching(watch: Any, queue: "asyncio.Queue[Any]") -> None:
    while True:
        found = await watch()
        for each in found if isinstance(found, list) else [found]:
            queue.put_nowait(dict(each))


async def main(settings: dict[str, Any]) -> None:
    exchange = getattr(ccxt, settings["exchange"])(
        {"apiKey": settings["key"], "secret": settings["secret"], "password": settings.get("passphrase", ""),
         "enableRateLimit": False, "options": settings.get("options", {})}
    )  # fmt: skip
    exchange.urls["api"] = pointed(exchange.urls["api"], settings["rest"], settings["ws"])
    symbol, size = settings["symbol"], settings["size"]
    report: dict[str, Any] = {}
    try:
        await exchange.load_markets()
        before = await exchange.fetch_balance()
        report["before"] = before["USDT"]
        book = await exchange.fetch_order_book(symbol, 5)
        best = book["bids"][0][0]
        low = float(exchange.price_to_precision(symbol, best * 0.9))

        orders: asyncio.Queue[Any] = asyncio.Queue()
        balances: asyncio.Queue[Any] = asyncio.Queue()
        tasks = [
            asyncio.create_task(watching(lambda: exchange.watch_orders(symbol), orders)),
            asyncio.create_task(watching(exchange.watch_balance, balances)),
        ]
        await asyncio.sleep(2)  # ccxt subscribes without telling when it is confirmed

        resting = await exchange.create_order(symbol, "limit", "buy", size, low)
        report["opened"] = (await heard(orders, lambda one: one["id"] == resting["id"] and one["status"] == "open"))[
            "price"
        ]
        report["low"] = low
        fetched = await exchange.fetch_order(resting["id"], symbol)
        report["fetched"] = [fetched["status"], fetched["price"], fetched["amount"], fetched["filled"]]
        report["open"] = [one["id"] == resting["id"] for one in await exchange.fetch_open_orders(symbol)]
        await exchange.cancel_order(resting["id"], symbol)
        gone = await heard(orders, lambda one: one["id"] == resting["id"] and one["status"] == "canceled")
        report["cancelled"] = gone["filled"]
        report["open_after"] = len(await exchange.fetch_open_orders(symbol))

        bought = await exchange.create_order(symbol, "market", "buy", size)
        done = await heard(orders, lambda one: one["id"] == bought["id"] and one["status"] == "closed")
        report["bought"] = [done["filled"], done["average"] > 0]
        trades = [one for one in await exchange.fetch_my_trades(symbol) if one["order"] == bought["id"]]
        report["traded"] = [
            round(sum(one["amount"] for one in trades), 12),
            all(one["fee"]["cost"] > 0 for one in trades),
        ]
        changed = await heard(
            balances, lambda one: one.get("USDT", {}).get("total") not in {None, before["USDT"]["total"]}
        )
        report["balance_changed"] = changed["USDT"]["total"] < before["USDT"]["total"]

        async with asyncio.timeout(WITHIN_S):  # public streams, on connections of their own
            watched = await exchange.watch_trades(symbol), await exchange.watch_ohlcv(symbol, "1m")
            report["watched"] = [abs(price / best - 1) < 0.1 for price in (watched[0][-1]["price"], watched[1][-1][4])]

        report["refusals"] = {
            "too much": await refused(exchange.create_order(symbol, "limit", "buy", settings["too_much"], low)),
            "unknown": await refused(exchange.cancel_order("987654321", symbol)),
            "tiny": await refused(exchange.create_order(symbol, "limit", "buy", settings["tiny"], low)),
        }
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        await exchange.close()
    print(json.dumps(report))


asyncio.run(main(json.loads(sys.argv[1])))
