"""What a venue behind ccxt makes of refusals: each case as our error and reason. Settings: JSON in argv[1]."""

import asyncio
import json
import sys
from decimal import Decimal
from typing import Any

from tapeline.errors import TapelineError
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.model.secret import Credentials, Secret
from tapeline.venues import venue_named
from tapeline.venues.orders import OrderAsk
from tapeline.wire.ccxt.bridge import Bridge
from tapeline.wire.ccxt.exchange import Reach


async def main(settings: dict[str, Any]) -> dict[str, str]:
    venue = venue_named(settings["venue"])
    orders = venue.orders
    assert orders is not None
    reach = Reach(rest_url=settings["rest"], ws_url=settings["ws"], settings=settings["ccxt"])
    bridge = Bridge({venue.name: reach})
    btc = Instrument(venue=venue.name, symbol="BTC/USDT", native="BTC/USDT", kind="spot", base="BTC", quote="USDT")

    async def asked(call: str, size: str, price: str, *, key: str = settings["key"], **more: Any) -> str:
        intent = Intent(instrument=btc.id, side="buy", kind="limit", size=Decimal(size), price=Decimal(price))
        ask = OrderAsk(call=call, account="main", instrument=btc, intent=intent, client_id="t1x0000001x", **more)
        secrets = [Secret(settings[name]) for name in ("passphrase", "secret")]
        request = orders.sign(orders.calls[call].build(ask), Credentials(Secret(key), bytes, "hmac", *secrets), 0)
        answer = await bridge.fetch(venue.urls["rest"], request)
        try:
            orders.calls[call].parse(answer.body, ask, {btc.native: btc.id}, 0)
        except TapelineError as error:
            return f"{type(error).__name__} {getattr(error, 'reason', '')}".rstrip()
        return "nothing was refused"

    try:
        return {
            "too much": await asked("place", "900", "58000"),
            "tick": await asked("place", "0.01", "58000.123456789"),
            "lot": await asked("place", "0.0123456789123", "58000"),
            "unknown": await asked("cancel", "1", "58000", venue_id="987654321"),
            "not there": await asked("order", "1", "58000"),
            "key": await asked("balances", "1", "58000", key="a-key-of-nobody-1"),
        }
    finally:
        await bridge.close()


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
