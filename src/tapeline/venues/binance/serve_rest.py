"""The venue's own side of REST: paths and queries read, answers written. The inverse of `rest`."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from tapeline.errors import BadData
from tapeline.model.event import Bar, BookSnapshot, OpenInterest, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import INTERVALS
from tapeline.model.number import EXACT
from tapeline.venues.binance.encode import ms, text
from tapeline.venues.binance.listing import exchange_info
from tapeline.venues.binance.rest import MS_NS, Rest
from tapeline.venues.spec import Answer, Ask, ServerTime

PATHS: Mapping[str, str] = {
    "time": "time", "exchangeInfo": "instruments", "depth": "depth", "klines": "bars", "trades": "trades",
    "historicalTrades": "trades", "aggTrades": "aggtrades", "openInterest": "open_interest",
}  # fmt: skip
_DEFAULT_ROWS = 500


def read_path(path: str, query: Mapping[str, str], rest: Rest) -> Ask | None:
    """What is asked; None where there is no such path. Raises BadData on a query that is not as it must be."""
    if not path.startswith(rest.prefix + "/"):
        return None
    call = PATHS.get(path.removeprefix(rest.prefix + "/"))
    if call is None or (call == "open_interest" and not rest.open_interest):
        return None
    start, end = _whole(query, "startTime"), _whole(query, "endTime")
    limit = _whole(query, "limit")
    if limit is None and call in {"bars", "trades", "aggtrades", "depth"}:
        limit = 100 if call == "depth" and not rest.depth_sizes else _DEFAULT_ROWS
    return Ask(
        call, query.get("symbol", ""), query.get("interval", ""), None if start is None else start * MS_NS,
        None if end is None else (end + 1) * MS_NS, _whole(query, "fromId"), limit,
    )  # fmt: skip


def answer(ask: Ask, items: Sequence[Answer], rest: Rest, *, spot: bool) -> bytes:
    """The body for these items, of which no more are written than were asked for."""
    if ask.call == "instruments":
        return msgspec.json.encode(exchange_info((i for i in items if isinstance(i, Instrument)), spot=spot))
    if ask.call in _ROWS:
        wanted, write = _ROWS[ask.call]
        rows = [write(item) for item in items if isinstance(item, wanted)]
        limit = len(rows) if ask.limit is None else ask.limit
        newest = ask.from_id is None and ask.from_ns is None  # where no start is given, the last ones
        return msgspec.json.encode(rows[max(0, len(rows) - limit) :] if newest else rows[:limit])
    for item in items:
        match item:
            case ServerTime(at_ns=at_ns):
                return msgspec.json.encode({"serverTime": ms(at_ns)})
            case BookSnapshot():
                times = {} if spot else {"E": ms(item.at_ns), "T": ms(item.at_ns)}
                top = {"bids": item.bids[: ask.limit], "asks": item.asks[: ask.limit]}
                return msgspec.json.encode({"lastUpdateId": item.last_seq or 0, **times, **top})
            case OpenInterest():
                body = {"openInterest": text(item.size), "symbol": ask.native, "time": ms(item.at_ns)}
                return msgspec.json.encode(body)
    raise BadData(f"{rest.prefix}: nothing to answer {ask.call} of {ask.native!r} with", kind="no_answer")


def _whole(query: Mapping[str, str], name: str) -> int | None:
    words = query.get(name)
    if words is None:
        return None
    if not (words.isascii() and words.isdigit() and len(words) < 19):
        raise BadData(f"Illegal characters found in parameter '{name}'", kind="bad_number")
    return int(words)


def _bar(bar: Bar) -> list[Any]:
    close_ms = ms(INTERVALS[bar.interval].next(bar.open_at_ns)) - 1
    prices = [text(price) for price in (bar.open, bar.high, bar.low, bar.close, bar.volume)]
    bought = text(bar.taker_buy_volume) or "0"
    return [ms(bar.open_at_ns), *prices, close_ms, text(bar.quote_volume) or "0", bar.trades or 0, bought, "0", "0"]


@lru_cache(maxsize=4096)  # who polls is told the newest thousand again and again
def _trade(trade: Trade) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({
        "id": trade.seq, "price": text(trade.price), "qty": text(trade.size),
        "quoteQty": text(EXACT.multiply(trade.price, trade.size)), "time": ms(trade.at_ns),
        "isBuyerMaker": trade.side == "sell", "isBestMatch": True,
    }))  # fmt: skip


@lru_cache(maxsize=4096)  # as above
def _aggtrade(trade: Trade) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({
        "a": trade.seq, "p": text(trade.price), "q": text(trade.size), "f": trade.first_id, "l": trade.last_id,
        "T": ms(trade.at_ns), "m": trade.side == "sell", "M": True,
    }))  # fmt: skip


_ROWS: Mapping[str, tuple[type[Any], Callable[[Any], Any]]] = {
    "bars": (Bar, _bar), "trades": (Trade, _trade), "aggtrades": (Trade, _aggtrade),
}  # fmt: skip
