"""Events to the venue's own frames, in combined form: the inverse of decoding, for the simulator."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.errors import Broken
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Funding,
    Index,
    Liquidation,
    Mark,
    Quote,
    Status,
    Ticker,
    Trade,
)
from tapeline.model.interval import INTERVALS
from tapeline.model.topic import Topic
from tapeline.venues.binance.instruments import USDM_WORDS
from tapeline.venues.binance.streams import Dialect, stream_of

MS_NS = 1_000_000
_json = msgspec.json.Encoder().encode


def encode(event: Event, native: str, dialect: Dialect) -> bytes:
    """The frame that brings this event. Raises Broken for what the venue has no stream for."""
    write = _WRITERS.get(type(event))
    if write is None:
        raise Broken(f"Binance streams no {type(event).__name__}: give the simulator events its venue can send")
    payload = write(event, native, dialect)
    return _json({"stream": stream_of(Topic(event.channel, native), dialect), "data": payload})


def text(value: Decimal | None) -> str:
    """A number as the venue writes it: plain, never with an exponent; "" where there is none."""
    return "" if value is None else format(value, "f")


def ms(at_ns: int | None) -> int:
    """The venue's milliseconds; 0 where the event has no time."""
    return 0 if at_ns is None else at_ns // MS_NS


def _trade(event: Trade, native: str, dialect: Dialect) -> dict[str, Any]:
    at_ms, maker = ms(event.at_ns), event.side == "sell"
    shared = {"E": at_ms, "s": native, "p": text(event.price), "q": text(event.size), "T": at_ms}
    if event.channel == "aggtrades":
        ids = {"a": event.seq, "f": event.first_id, "l": event.last_id}
        return {"e": "aggTrade", **shared, **ids, "m": maker, **({"M": True} if dialect.spot else {})}
    extra = {"M": True} if dialect.spot else {"X": "MARKET"}
    return {"e": "trade", **shared, "t": event.seq, "m": maker, **extra}


def _quote(event: Quote, native: str, dialect: Dialect) -> dict[str, Any]:
    best = {
        "s": native, "b": _or_zero(event.bid), "B": _or_zero(event.bid_size), "a": _or_zero(event.ask),
        "A": _or_zero(event.ask_size),
    }  # fmt: skip
    if dialect.spot:
        return {"u": event.update_id or 0, **best}
    times = {} if event.at_ns is None else {"T": ms(event.at_ns), "E": ms(event.at_ns)}
    return {"e": "bookTicker", "u": event.update_id or 0, **best, **times}


def _delta(event: BookDelta, native: str, dialect: Dialect) -> dict[str, Any]:
    at_ms = ms(event.at_ns)
    times = {"E": at_ms} if dialect.spot else {"E": at_ms, "T": at_ms}
    before = {} if dialect.spot else {"pu": event.prev_seq}
    ids = {"U": event.first_seq, "u": event.last_seq, **before}
    return {"e": "depthUpdate", **times, "s": native, **ids, "b": event.bids, "a": event.asks}


def _snapshot(event: BookSnapshot, native: str, dialect: Dialect) -> dict[str, Any]:
    seq = event.last_seq or 0
    if dialect.spot:
        return {"lastUpdateId": seq, "bids": event.bids, "asks": event.asks}
    at_ms = ms(event.at_ns)
    ids = {"U": seq, "u": seq, "pu": max(0, seq - 1)}
    return {"e": "depthUpdate", "E": at_ms, "T": at_ms, "s": native, **ids, "b": event.bids, "a": event.asks}


def _bar(event: Bar, native: str, _dialect: Dialect) -> dict[str, Any]:
    close_ms = ms(INTERVALS[event.interval].next(event.open_at_ns)) - 1
    body = {
        "t": ms(event.open_at_ns), "T": close_ms, "s": native, "i": event.interval,
        "f": -1 if event.first_id is None else event.first_id, "L": -1 if event.last_id is None else event.last_id,
        "o": text(event.open), "c": text(event.close), "h": text(event.high), "l": text(event.low),
        "v": text(event.volume), "n": event.trades or 0, "x": event.closed, "q": _or_zero(event.quote_volume),
        "V": _or_zero(event.taker_buy_volume), "Q": "0", "B": "0",
    }  # fmt: skip
    return {"e": "kline", "E": ms(event.at_ns), "s": native, "k": body}


def _ticker(event: Ticker, native: str, dialect: Dialect) -> dict[str, Any]:
    day = {
        "c": text(event.last), "o": text(event.open), "h": text(event.high), "l": text(event.low),
        "v": text(event.volume), "q": text(event.quote_volume),
    }  # fmt: skip
    best = {"b": text(event.bid), "a": text(event.ask)} if dialect.spot else {}
    return {"e": "24hrTicker", "E": ms(event.at_ns), "s": native, **day, **best}


def _mark(event: Mark | Index | Funding, native: str, _dialect: Dialect) -> dict[str, Any]:
    """One of the three things a mark price message says; the venue says all three at once."""
    shared = {"e": "markPriceUpdate", "E": ms(event.at_ns), "s": native}
    if isinstance(event, Funding):
        return {**shared, "r": text(event.rate), "T": ms(event.next_at_ns)}
    return {**shared, "p" if isinstance(event, Mark) else "i": text(event.price)}


def _liquidation(event: Liquidation, native: str, _dialect: Dialect) -> dict[str, Any]:
    at_ms, price, size = ms(event.at_ns), text(event.price), text(event.size)
    order = {
        "s": native, "S": event.side.upper(), "o": "LIMIT", "f": "IOC", "q": size, "p": price, "ap": price,
        "X": "FILLED", "l": size, "z": size, "T": at_ms,
    }  # fmt: skip
    return {"e": "forceOrder", "E": at_ms, "o": order}


def _status(event: Status, native: str, _dialect: Dialect) -> dict[str, Any]:
    word = event.text or USDM_WORDS[event.status]
    return {"e": "contractInfo", "E": ms(event.at_ns), "s": native, "ps": native, "ct": "PERPETUAL", "cs": word}


def _or_zero(value: Decimal | None) -> str:
    return text(value) or "0"


_WRITERS: Mapping[type, Callable[[Any, str, Dialect], dict[str, Any]]] = {
    Trade: _trade, Quote: _quote, BookDelta: _delta, BookSnapshot: _snapshot, Bar: _bar, Ticker: _ticker,
    Mark: _mark, Index: _mark, Funding: _mark, Liquidation: _liquidation, Status: _status,
}  # fmt: skip
