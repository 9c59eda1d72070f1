import json
from decimal import Decimal
from typing import Any

import pytest

from tapeline.errors import BadData
from tapeline.model.event import Quote, Ticker
from tapeline.model.instrument import Instrument
from tapeline.venues import venue_named
from tapeline.venues.binance.orders.serve_tickers import tickers
from tapeline.venues.orders import OrderRequest, Summary

D = Decimal
SERVER = venue_named("binance").server
assert SERVER is not None
NATIVE = {one.native: one for one in SERVER.sample_instruments}
NOW_NS = 1_700_000_000_000_000_000


def summary(one: Instrument) -> Summary:
    ticker = Ticker(one.id, "ticker", 1, 1, "rest", D(110), D(100), D(120), D(90), D(3), D(320), D(109), D(111))
    return Summary(ticker, Quote(one.id, "quotes", 1, 1, "rest", D(109), D("0.5"), D(111), None))


def asked(path: str, query: str = "", method: str = "GET") -> Any:
    body = tickers(OrderRequest(method=method, path=path, query=query), NATIVE, summary, NOW_NS)
    return None if body is None else json.loads(body)


def test_a_day_is_told_of_one_or_of_all() -> None:
    row = asked("/api/v3/ticker/24hr", "symbol=BTCUSDT")
    assert (row["lastPrice"], row["priceChange"], row["priceChangePercent"]) == (
        "110.00000000",
        "10.00000000",
        "10.000",
    )
    assert (row["highPrice"], row["lowPrice"], row["quoteVolume"]) == ("120.00000000", "90.00000000", "320.00000000")
    assert (row["weightedAvgPrice"], row["bidQty"], row["askQty"]) == ("106.66666667", "0.50000000", "0.00000000")
    assert (row["closeTime"], row["closeTime"] - row["openTime"]) == (1_700_000_000_000, 86_400_000)
    assert [one["symbol"] for one in asked("/api/v3/ticker/24hr")] == list(NATIVE)
    assert [one["symbol"] for one in asked("/api/v3/ticker/24hr", 'symbols=["ETHUSDT","NO"]')] == ["ETHUSDT"]
    assert "bidPrice" not in asked("/fapi/v1/ticker/24hr", "symbol=BTCUSDT")


def test_the_top_of_the_book_and_the_price() -> None:
    assert asked("/api/v3/ticker/bookTicker", "symbol=BTCUSDT") == {
        "symbol": "BTCUSDT", "bidPrice": "109.00000000", "bidQty": "0.50000000", "askPrice": "111.00000000",
        "askQty": "0.00000000",
    }  # fmt: skip
    assert asked("/api/v3/ticker/price", "symbol=BTCUSDT") == {"symbol": "BTCUSDT", "price": "110.00000000"}
    assert asked("/fapi/v2/ticker/price", "symbol=BTCUSDT")["time"] == 1_700_000_000_000


def test_other_calls_and_symbols_are_not_answered() -> None:
    assert asked("/api/v3/ticker/24hr", "symbol=NO") is None
    assert asked("/api/v3/ticker/24hr", method="POST") is None
    assert asked("/api/v3/depth") is None
    with pytest.raises(BadData, match="symbols"):
        asked("/api/v3/ticker/24hr", "symbols=[")


def test_before_any_price_there_are_zeros() -> None:
    def nothing(one: Instrument) -> Summary:
        return Summary(
            Ticker(one.id, "ticker", 1, 1, "rest", None), Quote(one.id, "quotes", 1, 1, "rest", None, None, None, None)
        )

    body = tickers(
        OrderRequest(method="GET", path="/api/v3/ticker/24hr", query="symbol=BTCUSDT"), NATIVE, nothing, NOW_NS
    )
    assert body is not None
    row = json.loads(body)
    assert (row["lastPrice"], row["priceChangePercent"], row["volume"]) == ("0.00000000", "0.000", "0.00000000")
