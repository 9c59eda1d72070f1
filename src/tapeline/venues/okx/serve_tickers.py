"""Ticker calls, as the paper exchange answers them.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-get-tickers
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tapeline.model.instrument import Instrument
from tapeline.model.number import plain
from tapeline.venues.okx.encode import ms
from tapeline.venues.okx.instruments import TYPE_OF
from tapeline.venues.okx.serve_orders import query_of
from tapeline.venues.okx.serve_placing import text
from tapeline.venues.orders import OrderRequest, Summary

ONE, ALL = "/api/v5/market/ticker", "/api/v5/market/tickers"


def tickers(
    request: OrderRequest, instruments: Mapping[str, Instrument], summary: Callable[[Instrument], Summary], now_ns: int
) -> bytes | None:
    """The body of a ticker call; None where it is none, or names an instrument that is not there."""
    if request.method != "GET" or request.path not in {ONE, ALL}:
        return None
    arg = query_of(request.query)
    if request.path == ONE:
        found = [one for native, one in instruments.items() if native == text(arg, "instId")]
        if not found:
            return None
    else:
        found = [one for one in instruments.values() if TYPE_OF[one.kind] == text(arg, "instType")]
    data = [_item(one, summary(one), now_ns) for one in found]
    return msgspec.json.encode({"code": "0", "msg": "", "data": data})


# {"instType":"SWAP","instId":"LTC-USD-SWAP","last":"9999.99","lastSz":"1","askPx":"9999.99","askSz":"11",
#  "bidPx":"8888.88","bidSz":"5","open24h":"9000","high24h":"10000","low24h":"8888.88","volCcy24h":"2222",
#  "vol24h":"2222","sodUtc0":"0.1","sodUtc8":"0.1","ts":"1597026383085"}
def _item(instrument: Instrument, one: Summary, now_ns: int) -> dict[str, Any]:
    numbers = {
        "last": one.ticker.last, "lastSz": instrument.lot, "askPx": one.quote.ask, "askSz": one.quote.ask_size,
        "bidPx": one.quote.bid, "bidSz": one.quote.bid_size, "open24h": one.ticker.open,
        "high24h": one.ticker.high, "low24h": one.ticker.low, "volCcy24h": one.ticker.quote_volume,
        "vol24h": one.ticker.volume, "sodUtc0": one.ticker.open, "sodUtc8": one.ticker.open,
    }  # fmt: skip
    written = {name: "" if value is None else plain(value) for name, value in numbers.items()}
    return {"instType": TYPE_OF[instrument.kind], "instId": instrument.native, **written, "ts": ms(now_ns)}
