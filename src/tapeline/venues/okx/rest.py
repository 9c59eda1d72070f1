"""OKX's public REST calls, both directions of each: what to ask, and what the answer says. Pure.

Rows come newest first and are turned round. `after=X` means older than X, `before=X` newer, both exclusive.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from tapeline.errors import BadData, ConfigError
from tapeline.model.event import BookSnapshot, Trade
from tapeline.model.interval import DAY_NS, INTERVALS
from tapeline.venues.listed_rows import not_all_bad, read_listed
from tapeline.venues.okx import wire
from tapeline.venues.okx.instruments import TYPES, Listing, instrument
from tapeline.venues.okx.refusals import refusal
from tapeline.venues.okx.streams import bar
from tapeline.venues.okx.wire import MS_NS, UNREADABLE
from tapeline.venues.spec import Allowance, Answer, Ask, Request, RestCall, ServerTime, Unreadable

PATHS = {
    "instruments": "/api/v5/public/instruments",
    "time": "/api/v5/public/time",
    "depth": "/api/v5/market/books",
    "bars": "/api/v5/market/candles",
    "older bars": "/api/v5/market/history-candles",
    "trades": "/api/v5/market/history-trades",
    "newest trades": "/api/v5/market/trades",
}
MOST_LEVELS, MOST_BARS, MOST_TRADES = 400, 300, 100
NEWEST_BARS = 1400  # `candles` knows 1440, and the clock is not that sure
KEPT_S = 90 * 86400  # trades of three months
_MONTH_NS = 28 * DAY_NS  # at least
# One allowance a path: a limit is per endpoint. The names are ours.
ALLOWANCES = tuple(
    Allowance(name=name, weight=most, window_s=2)
    for name, most in (
        ("instruments", 20), ("time", 10), ("depth", 40), ("bars", 40), ("older bars", 20), ("trades", 20),
    )
)  # fmt: skip


class _Envelope(Struct):
    code: str
    data: msgspec.Raw = msgspec.Raw()
    msg: str = ""


class _Depth(Struct):
    asks: list[wire.Row]
    bids: list[wire.Row]
    ts: wire.Ms
    seqId: wire.Seq | None = None


class _Time(Struct):
    ts: wire.Ms


_envelope = msgspec.json.Decoder(_Envelope).decode


def _rows(item: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(list[item], strict=False).decode


_raws, _depths, _candles = _rows(msgspec.Raw), _rows(_Depth), _rows(wire.CandleRow)
_listing = msgspec.json.Decoder(Listing, strict=False).decode
_trades, _times = _rows(wire.TradeItem), _rows(_Time)


def _data(body: bytes, ask: Ask, read: Callable[[bytes], Any]) -> Any:
    """The rows of an answer. Raises what the venue's code means, or BadData."""
    try:
        envelope = _envelope(body)
        if envelope.code != "0":
            text = f"okx {ask.call}{' ' if ask.native else ''}{ask.native}: {envelope.code} {envelope.msg}"
            raise refusal(envelope.code, text)
        return read(envelope.data)
    except UNREADABLE as error:
        raise BadData(f"okx {ask.call}: {error}: {body[:200]!r}", kind="schema") from error


def _build_instruments(ask: Ask) -> Request:
    return Request("GET", PATHS["instruments"], (("instType", ask.part or TYPES[0]),), budget="instruments")


def _parse_instruments(venue: str, body: bytes, ask: Ask, *_: Any) -> Sequence[Answer]:
    # One instrument that cannot be named (a product of a new type) must not take the list with it.
    rows: list[msgspec.Raw] = _data(body, ask, _raws)
    found = read_listed(rows, lambda row: instrument(venue, _listing(row)), name="instId")
    named = any(not isinstance(each, Unreadable) or each.native for each in found)
    return found if named else not_all_bad(found, "okx instruments")


def _build_time(_ask: Ask) -> Request:
    return Request("GET", PATHS["time"], budget="time")


def _parse_time(body: bytes, ask: Ask, *_: Any) -> Sequence[Answer]:
    return [ServerTime(item.ts * MS_NS) for item in _data(body, ask, _times)]


def _build_depth(ask: Ask) -> Request:
    levels = min(ask.limit or MOST_LEVELS, MOST_LEVELS)
    return Request("GET", PATHS["depth"], (("instId", ask.native), ("sz", str(levels))), budget="depth")


def _parse_depth(venue: str, body: bytes, ask: Ask, ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
    return [
        BookSnapshot(
            _id(venue, ask, ids), "book", item.ts * MS_NS, received_ns, "rest",
            [(row.price, row.size) for row in item.bids], [(row.price, row.size) for row in item.asks],
            None, item.seqId,
        )
        for item in _data(body, ask, _depths)
    ]  # fmt: skip


def _build_bars(ask: Ask) -> Request:
    """`candles` knows the newest 1440 bars, the open one too; a span with an end before those is history's."""
    if ask.interval not in wire.INTERVALS:
        raise ConfigError(f"bars of {ask.native}: unknown interval {ask.interval!r}")
    query = [("instId", ask.native), ("bar", wire.INTERVALS[ask.interval])]
    which = "bars" if ask.to_ns is None or _is_new(ask) else "older bars"
    if ask.to_ns is not None:
        query.append(("after", str(_ceil_ms(ask.to_ns))))
    if ask.from_ns is not None:
        query.append(("before", str(_ceil_ms(ask.from_ns) - 1)))
    query.append(("limit", str(min(ask.limit or MOST_BARS, MOST_BARS))))
    return Request("GET", PATHS[which], tuple(query), budget=which)


def _is_new(ask: Ask) -> bool:
    length_ns = INTERVALS[ask.interval].length_ns or _MONTH_NS
    return ask.venue_ns is not None and ask.from_ns is not None and ask.from_ns > ask.venue_ns - NEWEST_BARS * length_ns


def _parse_bars(venue: str, body: bytes, ask: Ask, ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
    who = _id(venue, ask, ids)
    try:
        rows = [bar(row, who, ask.interval, received_ns, "rest") for row in reversed(_data(body, ask, _candles))]
    except UNREADABLE as error:
        raise BadData(f"okx bars {ask.native}: {error}", kind="schema") from error
    return [row for row in rows if _inside(ask, row.open_at_ns)]


def _build_trades(ask: Ask) -> Request:
    """By id: after = one past the last wanted. By time, only an end can be named. Records are single fills."""
    limit = min(ask.limit or MOST_TRADES, MOST_TRADES)
    query = [("instId", ask.native)]
    if ask.from_id is not None:
        query += [("type", "1"), ("after", str(ask.from_id + limit))]
    elif ask.to_ns is not None:
        query += [("type", "2"), ("after", str(_ceil_ms(ask.to_ns)))]
    query.append(("limit", str(limit)))
    return Request("GET", PATHS["trades"], tuple(query), budget="trades")


def _parse_trades(venue: str, body: bytes, ask: Ask, ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
    out = []
    try:
        for item in reversed(_data(body, ask, _trades)):
            last = int(item.tradeId)
            if _inside(ask, item.ts * MS_NS) and (ask.from_id is None or last >= ask.from_id):
                out.append(_trade(item, last, _id(venue, ask, ids), received_ns))
    except UNREADABLE as error:
        raise BadData(f"okx trades {ask.native}: {error}", kind="schema") from error
    return out


def _trade(item: wire.TradeItem, last: int, who: str, received_ns: int) -> Trade:
    price, size = Decimal(item.px), Decimal(item.sz)
    first = last - item.count + 1
    return Trade(
        who, "trades", item.ts * MS_NS, received_ns, "rest", item.tradeId, last, item.side, price, size, first, last
    )


def _id(venue: str, ask: Ask, ids: Mapping[str, str]) -> str:
    return ids.get(ask.native, f"{venue}:{ask.native}")


def _inside(ask: Ask, at_ns: int) -> bool:
    return (ask.from_ns is None or at_ns >= ask.from_ns) and (ask.to_ns is None or at_ns < ask.to_ns)


def _ceil_ms(at_ns: int) -> int:
    return -(-at_ns // MS_NS)


def calls(venue: str) -> Mapping[str, RestCall]:
    """Every REST call, for the venue of this name."""
    return {
        "instruments": RestCall(
            build=_build_instruments, parse=partial(_parse_instruments, venue), page=100_000, parts=TYPES
        ),
        "time": RestCall(build=_build_time, parse=_parse_time),
        "depth": RestCall(build=_build_depth, parse=partial(_parse_depth, venue), page=MOST_LEVELS),
        "bars": RestCall(build=_build_bars, parse=partial(_parse_bars, venue), page=MOST_BARS, walk="bars"),
        "trades": RestCall(
            build=_build_trades,
            parse=partial(_parse_trades, venue),
            page=MOST_TRADES,
            walk="back",
            locate="trades",
            keeps_s=KEPT_S,
        ),
    }
