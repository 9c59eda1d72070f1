"""Ticker calls, as the paper exchange answers them: 24 hours, the top of the book, the last price.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#24hr-ticker-price-change-statistics
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.errors import BadData
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.venues.binance.encode import ms
from tapeline.venues.binance.orders.serve_rows import text
from tapeline.venues.binance.orders.sign import fields_of
from tapeline.venues.orders import OrderRequest, Summary

Row = dict[str, Any]
EIGHT_H_MS = 8 * 3600 * 1000
_HUNDRED = Decimal(100)
_TWO_PLACES = Decimal("0.001")


def tickers(
    request: OrderRequest, instruments: Mapping[str, Instrument], summary: Callable[[Instrument], Summary], now_ns: int
) -> bytes | None:
    """The body of a ticker call; None where it is none. A symbol that is not there makes it none of ours."""
    row = _ROWS.get(request.path) if request.method == "GET" else None
    if row is None:
        return None
    fields = fields_of(request)
    futures = request.path.startswith("/fapi")
    if "symbol" in fields:
        one = instruments.get(fields["symbol"])
        return None if one is None else msgspec.json.encode(row(one, summary(one), now_ns, futures))
    try:
        wanted = msgspec.json.decode(fields["symbols"], type=list[str]) if "symbols" in fields else list(instruments)
    except msgspec.MsgspecError as error:
        raise BadData(f"symbols: {error}") from error
    known = [instruments[native] for native in wanted if native in instruments]
    return msgspec.json.encode([row(one, summary(one), now_ns, futures) for one in known])


# {"symbol":"BNBBTC","priceChange":"-94.99999800","priceChangePercent":"-95.960","weightedAvgPrice":"0.29628482",
#  "prevClosePrice":"0.10002000","lastPrice":"4.00000200","lastQty":"200.00000000","bidPrice":"4.00000000",
#  "bidQty":"100.00000000","askPrice":"4.00000200","askQty":"100.00000000","openPrice":"99.00000000",
#  "highPrice":"100.00000000","lowPrice":"0.10000000","volume":"8913.30000000","quoteVolume":"15.30000000",
#  "openTime":1499783499040,"closeTime":1499869899040,"firstId":28385,"lastId":28460,"count":76}
def _day(instrument: Instrument, one: Summary, now_ns: int, futures: bool) -> Row:
    ticker = one.ticker
    last, opened, volume = ticker.last or ZERO, ticker.open or ZERO, ticker.volume or ZERO
    change = EXACT.subtract(last, opened)
    percent = ROUNDING.divide(EXACT.multiply(change, _HUNDRED), opened) if opened else ZERO
    mean = ROUNDING.divide(ticker.quote_volume or ZERO, volume) if volume else last
    row: Row = {
        "symbol": instrument.native, "priceChange": text(change),
        "priceChangePercent": format(ROUNDING.quantize(percent, _TWO_PLACES), "f"),
        "weightedAvgPrice": text(ROUNDING.quantize(mean, Decimal("0.00000001"))), "lastPrice": text(last),
        "lastQty": text(instrument.lot), "openPrice": text(opened), "highPrice": text(ticker.high),
        "lowPrice": text(ticker.low), "volume": text(volume), "quoteVolume": text(ticker.quote_volume),
        "openTime": ms(now_ns - DAY_NS), "closeTime": ms(now_ns), "firstId": 0, "lastId": 0, "count": 0,
    }  # fmt: skip
    if not futures:
        row |= {"prevClosePrice": text(opened), **_top(instrument, one, now_ns, futures)}
    return row


# {"symbol":"LTCBTC","bidPrice":"4.00000000","bidQty":"431.00000000","askPrice":"4.00000200","askQty":"9.00000000"}
def _top(instrument: Instrument, one: Summary, now_ns: int, futures: bool) -> Row:
    quote = one.quote
    row: Row = {
        "symbol": instrument.native, "bidPrice": text(quote.bid), "bidQty": text(quote.bid_size),
        "askPrice": text(quote.ask), "askQty": text(quote.ask_size),
    }  # fmt: skip
    return {**row, "time": ms(now_ns)} if futures else row


# {"symbol":"LTCBTC","price":"4.00000200"}
def _price(instrument: Instrument, one: Summary, now_ns: int, futures: bool) -> Row:
    row: Row = {"symbol": instrument.native, "price": text(one.ticker.last)}
    return {**row, "time": ms(now_ns)} if futures else row


# {"mins":5,"price":"9.35751834","closeTime":1694061154503}
def _average(_instrument: Instrument, one: Summary, now_ns: int, _futures: bool) -> Row:
    return {"mins": 5, "price": text(one.ticker.last), "closeTime": ms(now_ns)}


# {"symbol":"BTCUSDT","markPrice":"11793.63104562","indexPrice":"11781.80495970","estimatedSettlePrice":
#  "11781.16138815","lastFundingRate":"0.00038246","nextFundingTime":1597392000000,"interestRate":"0.00010000",...}
def _premium(instrument: Instrument, one: Summary, now_ns: int, _futures: bool) -> Row:
    """The last price stands for mark and index; there is no funding."""
    price, now_ms = text(one.ticker.last), ms(now_ns)
    return {
        "symbol": instrument.native, "markPrice": price, "indexPrice": price, "estimatedSettlePrice": price,
        "lastFundingRate": text(None), "interestRate": "0.00010000",
        "nextFundingTime": (now_ms // EIGHT_H_MS + 1) * EIGHT_H_MS, "time": now_ms,
    }  # fmt: skip


_ROWS: Mapping[str, Callable[[Instrument, Summary, int, bool], Row]] = {
    "/api/v3/ticker/24hr": _day, "/api/v3/ticker/bookTicker": _top, "/api/v3/ticker/price": _price,
    "/fapi/v1/ticker/24hr": _day, "/fapi/v1/ticker/bookTicker": _top, "/fapi/v1/ticker/price": _price,
    "/fapi/v2/ticker/price": _price, "/api/v3/avgPrice": _average, "/fapi/v1/premiumIndex": _premium,
}  # fmt: skip
