"""Events as OKX sends them: the inverse of `streams`. Pure."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.errors import BadData
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Funding,
    Index,
    Level,
    Liquidation,
    Mark,
    Notice,
    OpenInterest,
    Quote,
    Status,
    Ticker,
    Trade,
)
from tapeline.model.topic import Topic
from tapeline.venues.okx import wire
from tapeline.venues.okx.wire import CONNECTION, MS_NS, Arg, arg_of

_json = msgspec.json.encode


def encode(event: Event, native: str) -> bytes:
    """A market event as OKX sends it. Raises BadData for what it never sends (a Link, a Gap).

    A bar's volCcy, in base currency for contracts, needs the contract's size, which is not known here: it repeats vol.
    """
    item = ITEMS.get(type(event))
    if item is None:
        raise BadData(f"okx sends no {type(event).__name__}", kind="unknown_type")
    if isinstance(event, Notice):
        return _notice(event)
    push: dict[str, Any] = {"arg": arg_of(Topic(event.channel, native))}
    if event.channel == "book":
        push["action"] = "update" if isinstance(event, BookDelta) else "snapshot"
    return _json({**push, "data": [item(event, native)]})


def _notice(event: Notice) -> bytes:
    if event.at_ns is None:
        return _json({"event": "notice", "code": event.code, "msg": event.text, "connId": CONNECTION})
    item = {"title": event.text, "state": event.code, "begin": "", "end": "", "ts": ms(event.at_ns)}
    return _json({"arg": Arg("status"), "data": [item]})


def _trade(event: Trade, native: str) -> dict[str, Any]:
    item = {"instId": native, "tradeId": event.id, "px": _text(event.price), "sz": _text(event.size),
            "side": event.side, "ts": ms(event.at_ns)}  # fmt: skip
    if event.first_id is not None and event.last_id is not None:
        item["count"] = str(event.last_id - event.first_id + 1)
    return item


def _quote(event: Quote, _native: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "asks": [] if event.ask is None else [_row(_text(event.ask), _text(event.ask_size) or "0")],
        "bids": [] if event.bid is None else [_row(_text(event.bid), _text(event.bid_size) or "0")],
        "ts": ms(event.at_ns),
    }
    return item if event.update_id is None else {**item, "seqId": event.update_id}


def _book(event: BookSnapshot | BookDelta, native: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "asks": rows(event.asks), "bids": rows(event.bids), "ts": ms(event.at_ns), "checksum": event.checksum or 0,
    }  # fmt: skip
    if event.channel == "book:5":
        item = {"asks": item["asks"], "bids": item["bids"], "instId": native, "ts": item["ts"]}
    elif event.last_seq is not None:
        item["prevSeqId"] = -1 if event.prev_seq is None else event.prev_seq
    return item if event.last_seq is None else {**item, "seqId": event.last_seq}


def _ticker(event: Ticker, native: str) -> dict[str, Any]:
    kind = wire.type_of(native)
    return {
        "instType": kind, "instId": native, "last": _text(event.last), "askPx": _text(event.ask),
        "bidPx": _text(event.bid), "open24h": _text(event.open), "high24h": _text(event.high),
        "low24h": _text(event.low), "volCcy24h": _text(event.quote_volume) if kind == "SPOT" else "",
        "vol24h": _text(event.volume), "ts": ms(event.at_ns),
    }  # fmt: skip


def _candle(event: Bar, _native: str) -> list[str]:
    numbers = (event.open, event.high, event.low, event.close, event.volume, event.volume, event.quote_volume)
    return [ms(event.open_at_ns), *map(_text, numbers), "1" if event.closed else "0"]


def _funding(event: Funding, native: str) -> dict[str, Any]:
    following = ""
    if event.next_at_ns is not None and event.interval_s is not None:
        following = str(event.next_at_ns // MS_NS + event.interval_s * 1000)
    return {"instType": wire.type_of(native), "instId": native, "fundingRate": _text(event.rate),
            "fundingTime": ms(event.next_at_ns), "nextFundingTime": following, "ts": ms(event.at_ns)}  # fmt: skip


def _liquidation(event: Liquidation, native: str) -> dict[str, Any]:
    detail = {"side": event.side, "posSide": "long" if event.side == "sell" else "short", "bkPx": _text(event.price),
              "sz": _text(event.size), "bkLoss": "0", "ccy": "", "ts": ms(event.at_ns)}  # fmt: skip
    index = wire.index_of(native)
    return {"instType": wire.type_of(native), "instFamily": index, "uly": index, "instId": native, "details": [detail]}


def _number(field: str, value: Callable[[Any], Decimal]) -> Callable[[Any, str], dict[str, Any]]:
    """Items of one number."""

    def item(event: Any, native: str) -> dict[str, Any]:
        if field == "idxPx":
            return {"instId": wire.index_of(native), field: _text(value(event)), "ts": ms(event.at_ns)}
        return {"instType": wire.type_of(native), "instId": native, field: _text(value(event)), "ts": ms(event.at_ns)}

    return item


def _status(event: Status, native: str) -> dict[str, Any]:
    return {"instType": wire.type_of(native), "instId": native, "state": event.text or wire.STATE_OF[event.status]}


ITEMS: dict[type, Callable[[Any, str], Any]] = {
    Trade: _trade, Quote: _quote, Ticker: _ticker, Bar: _candle, BookSnapshot: _book, BookDelta: _book,
    Mark: _number("markPx", lambda event: event.price), Index: _number("idxPx", lambda event: event.price),
    OpenInterest: _number("oi", lambda event: event.size), Funding: _funding, Liquidation: _liquidation,
    Status: _status, Notice: lambda event, _native: event,
}  # fmt: skip


def _row(price: str, size: str) -> tuple[str, str, str, str]:
    return price, size, "0", "0" if size == "0" else "1"


def rows(side: Sequence[Level]) -> list[tuple[str, str, str, str]]:
    """Levels with the two columns nobody reads."""
    return [_row(price, size) for price, size in side]


def _text(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def ms(at_ns: int | None) -> str:
    """Milliseconds as text, "" where there is no time."""
    return "" if at_ns is None else str(at_ns // MS_NS)
