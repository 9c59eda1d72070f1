"""python-okx on a paper exchange with TLS: orders by REST, and what the private WebSocket tells of them."""

import asyncio
import json
import sys
from typing import Any

from okx.Account import AccountAPI
from okx.Trade import TradeAPI
from okx.websocket.WsPrivateAsync import WsPrivateAsync

WITHIN_S = 20


async def main(settings: dict[str, Any]) -> None:
    keys = settings["key"], settings["secret"], settings["passphrase"]
    trade = TradeAPI(*keys, flag="0", domain=settings["rest"])
    account = AccountAPI(*keys, flag="0", domain=settings["rest"])
    report: dict[str, Any] = {}
    told: list[dict[str, Any]] = []

    def heard(text: str) -> None:
        told.append(json.loads(text))

    socket = WsPrivateAsync(
        settings["key"], settings["passphrase"], settings["secret"], settings["ws"] + "/ws/v5/private"
    )
    await socket.connect()
    reading = asyncio.create_task(socket.consume())
    await socket.subscribe([{"channel": "orders", "instType": "ANY"}, {"channel": "account"}], heard)
    await asyncio.sleep(1)

    balance = account.get_account_balance(ccy="USDT")
    report["balance"] = [balance["code"], balance["data"][0]["details"][0]["cashBal"]]
    placed = trade.place_order(
        instId="BTC-USDT", tdMode="cash", side="buy", ordType="limit", px=settings["low"], sz="0.01", clOrdId="mine1"
    )
    report["placed"] = [placed["code"], placed["data"][0]["sCode"], placed["data"][0]["clOrdId"]]
    found = trade.get_order(instId="BTC-USDT", clOrdId="mine1")["data"][0]
    report["found"] = [found["state"], found["px"], found["sz"], found["accFillSz"]]
    pending = trade.get_order_list(instType="SPOT")["data"]
    report["pending"] = [one["clOrdId"] for one in pending]
    cancelled = trade.cancel_order(instId="BTC-USDT", clOrdId="mine1")
    report["cancelled"] = [cancelled["code"], cancelled["data"][0]["sCode"]]
    twice = trade.cancel_order(instId="BTC-USDT", clOrdId="mine1")
    report["cancelled_twice"] = [twice["code"], twice["data"][0]["sCode"] in {"51400", "51401", "51410"}]
    market = trade.place_order(
        instId="BTC-USDT", tdMode="cash", side="buy", ordType="market", sz="0.01", tgtCcy="base_ccy", clOrdId="mine2"
    )
    report["market"] = market["data"][0]["sCode"]
    poor = trade.place_order(
        instId="BTC-USDT", tdMode="cash", side="buy", ordType="limit", px=settings["low"], sz="1000", clOrdId="mine3"
    )
    report["poor"] = [poor["code"], poor["data"][0]["sCode"]]
    async with asyncio.timeout(WITHIN_S):
        while not any(_order(one, "mine2") == "filled" for one in told):
            await asyncio.sleep(0.1)
    fills = trade.get_fills(instType="SPOT")["data"]
    report["fills"] = [sum(float(one["fillSz"]) for one in fills), all(float(one["fee"]) < 0 for one in fills)]
    states = [state for one in told if (state := _order(one, "mine1"))]
    report["told"] = states
    report["logged_in"] = any(one.get("event") == "login" and one["code"] == "0" for one in told)
    report["account_told"] = any(one.get("arg", {}).get("channel") == "account" and one.get("data") for one in told)
    reading.cancel()
    print(json.dumps(report))


def _order(message: dict[str, Any], client_id: str) -> str:
    """The state that a message tells of this order, "" where it tells none."""
    if message.get("arg", {}).get("channel") != "orders":
        return ""
    return next((str(one["state"]) for one in message.get("data", ()) if one["clOrdId"] == client_id), "")


asyncio.run(main(json.loads(sys.argv[1])))
