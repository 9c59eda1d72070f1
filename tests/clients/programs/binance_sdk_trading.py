"""Binance's own SDK (binance-sdk-spot, replies typed by pydantic) on a paper exchange."""

import json
import sys
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError
from binance_sdk_spot.spot import Spot


def main(settings: dict[str, Any]) -> None:
    client = Spot(
        config_rest_api=ConfigurationRestAPI(
            api_key=settings["key"], api_secret=settings["secret"], base_path=settings["rest"], retries=0, timeout=20000
        )
    ).rest_api
    report: dict[str, Any] = {}
    listed = client.exchange_info(symbol="BTCUSDT").data().symbols[0]
    report["listed"] = [listed.symbol, listed.status, listed.base_asset, listed.quote_asset]
    best = float(client.depth(symbol="BTCUSDT", limit=5).data().bids[0][0])
    low = round(best * 0.9, 2)
    account = client.get_account(omit_zero_balances=True).data()
    report["balances"] = [[one.asset, one.free, one.locked] for one in account.balances]
    placed = client.new_order(
        symbol="BTCUSDT", side="BUY", type="LIMIT", time_in_force="GTC", quantity=0.01, price=low,
        new_client_order_id="sdk-1",
    ).data()  # fmt: skip
    report["placed"] = [placed.client_order_id, placed.status, float(placed.price) == low]
    report["open"] = [one.client_order_id for one in client.get_open_orders(symbol="BTCUSDT").data()]
    gone = client.delete_order(symbol="BTCUSDT", orig_client_order_id="sdk-1").data()
    report["gone"] = [gone.status, gone.orig_client_order_id]
    bought = client.new_order(
        symbol="BTCUSDT", side="BUY", type="MARKET", quantity=0.01, new_order_resp_type="FULL"
    ).data()
    report["bought"] = [bought.status, bought.executed_qty, sum(float(one.qty) for one in bought.fills)]
    report["refused"] = [
        code(lambda: client.delete_order(symbol="BTCUSDT", orig_client_order_id="sdk-1")),
        code(
            lambda: client.new_order(
                symbol="BTCUSDT", side="BUY", type="LIMIT", time_in_force="GTC", quantity=100.0, price=low
            )
        ),
        code(
            lambda: client.new_order(
                symbol="BTCUSDT", side="BUY", type="LIMIT_MAKER", quantity=0.01, price=round(best * 1.1, 2)
            )
        ),
    ]
    print(json.dumps(report))


def code(call: Any) -> int:
    """The venue's code that the client's own exception carries."""
    try:
        call()
    except BadRequestError as error:
        return int(error.args[0])
    return 0


main(json.loads(sys.argv[1]))
