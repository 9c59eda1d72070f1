"""OKX's REST side as the simulator plays it: the inverse of `rest`. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tapeline.model.event import BookSnapshot
from tapeline.model.instrument import Instrument
from tapeline.venues.okx import wire
from tapeline.venues.okx.encode import ITEMS, ms, rows
from tapeline.venues.okx.instruments import TYPE_OF, TYPES, listing
from tapeline.venues.okx.refusals import HTTP_CODES
from tapeline.venues.okx.rest import MOST_TRADES, PATHS
from tapeline.venues.okx.wire import MS_NS
from tapeline.venues.spec import Answer, Ask, ServerTime

_json = msgspec.json.encode


def read_rest(path: str, query: Mapping[str, str]) -> Ask | None:
    """What a request asks for; None for a path, an interval or a number that OKX would not take."""
    read = _READERS.get(path)
    try:
        return read(query) if read is not None else None
    except (KeyError, ValueError):
        return None


def _number(query: Mapping[str, str], name: str) -> int | None:
    return int(query[name]) if query.get(name) else None


def _ns(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms * MS_NS


def _read_depth(query: Mapping[str, str]) -> Ask:
    return Ask("depth", query["instId"], limit=_number(query, "sz") or 1)


def _read_bars(query: Mapping[str, str]) -> Ask:
    before = _number(query, "before")
    return Ask(
        "bars", query["instId"], wire.INTERVAL_OF[query.get("bar", "1m")],
        from_ns=None if before is None else (before + 1) * MS_NS, to_ns=_ns(_number(query, "after")),
        limit=_number(query, "limit"),
    )  # fmt: skip


def _read_trades(query: Mapping[str, str]) -> Ask:
    native, after, limit = query["instId"], _number(query, "after"), _number(query, "limit")
    if query.get("type") == "2":
        return Ask("trades", native, to_ns=_ns(after), limit=limit)
    before = _number(query, "before")
    first = None if after is None else after - (limit or MOST_TRADES)
    return Ask("trades", native, from_id=first if before is None else before + 1, limit=limit)


_READERS: dict[str, Callable[[Mapping[str, str]], Ask]] = {
    PATHS["instruments"]: lambda query: Ask("instruments", part=query.get("instType", TYPES[0])),
    PATHS["time"]: lambda _query: Ask("time"),
    PATHS["depth"]: _read_depth,
    PATHS["bars"]: _read_bars,
    PATHS["older bars"]: _read_bars,
    PATHS["trades"]: _read_trades,
    PATHS["newest trades"]: _read_trades,
}


def answer_rest(ask: Ask, items: Sequence[Answer]) -> bytes:
    """The answer's body; items come oldest first, rows go newest first."""
    rows = [_answered(item, ask) for item in reversed(items) if _asked_for(item, ask)]
    return _json({"code": "0", "msg": "", "data": rows})


def _asked_for(item: Answer, ask: Ask) -> bool:
    return not (isinstance(item, Instrument) and ask.part and TYPE_OF[item.kind] != ask.part)


def _answered(item: Answer, ask: Ask) -> Any:
    if isinstance(item, Instrument):
        return listing(item)
    if isinstance(item, ServerTime):
        return {"ts": ms(item.at_ns)}
    if isinstance(item, BookSnapshot):
        return _depth(item, ask.limit)
    return ITEMS[type(item)](item, ask.native)


def _depth(book: BookSnapshot, limit: int | None) -> dict[str, Any]:
    item: dict[str, Any] = {
        "asks": rows(book.asks[:limit]), "bids": rows(book.bids[:limit]), "ts": ms(book.at_ns),
    }  # fmt: skip
    return item if book.last_seq is None else {**item, "seqId": book.last_seq}


def rest_error(status: int, text: str) -> bytes:
    """OKX's error body for an HTTP status."""
    code = HTTP_CODES.get(status, "50001" if status >= 500 else "51000")
    return _json({"code": code, "msg": text, "data": []})
