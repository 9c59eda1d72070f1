import json
from decimal import Decimal
from typing import Any

from tapeline.model.event import Quote, Ticker
from tapeline.model.instrument import Instrument
from tapeline.venues import venue_named
from tapeline.venues.okx.serve_tickers import tickers
from tapeline.venues.orders import OrderRequest, Summary

D = Decimal
SERVER = venue_named("okx").server
assert SERVER is not None
NATIVE = {one.native: one for one in SERVER.sample_instruments}


def summary(one: Instrument) -> Summary:
    ticker = Ticker(one.id, "ticker", 1, 1, "rest", D(110), D(100), D(120), D(90), D(3), D(320), D(109), D(111))
    return Summary(ticker, Quote(one.id, "quotes", 1, 1, "rest", D(109), D("0.50"), D(111), None))


def asked(path: str, query: str, method: str = "GET") -> Any:
    request = OrderRequest(method=method, path=path, query=query)
    body = tickers(request, NATIVE, summary, 1_700_000_000_000_000_000)
    return None if body is None else json.loads(body)["data"]


def test_one_instrument() -> None:
    (row,) = asked("/api/v5/market/ticker", "instId=BTC-USDT")
    assert row == {
        "instType": "SPOT", "instId": "BTC-USDT", "last": "110", "lastSz": row["lastSz"], "askPx": "111", "askSz": "",
        "bidPx": "109", "bidSz": "0.5", "open24h": "100", "high24h": "120", "low24h": "90", "volCcy24h": "320",
        "vol24h": "3", "sodUtc0": "100", "sodUtc8": "100", "ts": "1700000000000",
    }  # fmt: skip
    assert asked("/api/v5/market/ticker", "instId=NO-ONE") is None


def test_all_of_a_kind() -> None:
    kinds = {row["instType"] for row in asked("/api/v5/market/tickers", "instType=SWAP")}
    assert kinds == {"SWAP"}
    assert asked("/api/v5/market/tickers", "instType=OPTION") == []


def test_other_calls() -> None:
    assert asked("/api/v5/market/tickers", "instType=SPOT", "POST") is None
    assert asked("/api/v5/market/books", "instId=BTC-USDT") is None
