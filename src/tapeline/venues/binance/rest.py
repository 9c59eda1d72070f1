"""REST calls, both ways pure: what is asked becomes a request, the answer the same events as from the stream.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

import msgspec

from tapeline.errors import BadData, ConfigError, Refused
from tapeline.model.event import Bar, BookSnapshot, OpenInterest, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import INTERVALS
from tapeline.model.number import number
from tapeline.venues.binance import wire
from tapeline.venues.binance.instruments import ExchangeInfo, Symbol
from tapeline.venues.binance.refusals import raise_refusal
from tapeline.venues.binance.window import window
from tapeline.venues.listed_rows import not_all_bad, read_listed
from tapeline.venues.spec import Answer, Ask, Request, RestCall, ServerTime

MS_NS = 1_000_000
SETTLED_NS = 3_000_000_000  # by the venue's clock: a bar is final up to two seconds after its end
OPEN_MARGIN_NS = 10_000_000_000  # by ours, which may be off: the newest bar counts as closed only so long after its end
_Found = TypeVar("_Found")
Weights = tuple[tuple[int, int], ...]  # (up to so many rows, weight), the last one for any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What REST of one market says differently."""

    prefix: str
    listed: Callable[[str, Symbol], Instrument]
    history: str  # trades from an id on, without a key; "" where that takes one
    depth: Weights
    depth_page: int
    depth_sizes: tuple[int, ...]  # the only limits allowed; empty: any
    klines: Weights
    kline_page: int
    trades_weight: int
    aggtrades_weight: int
    instruments_weight: int
    open_interest: bool
    keeps_s: float  # how long aggregates are kept
    window_s: float  # "start+end window < 1 h" of aggregates


class RestTrade(msgspec.Struct, gc=False):
    """A trade, by REST.

    {"id":28457,"price":"4.00000100","qty":"12.00000000","quoteQty":"48.000012","time":1499865549590,
    "isBuyerMaker":true,"isBestMatch":true}
    """

    id: wire.Number
    price: str
    qty: str
    time: wire.Ms
    isBuyerMaker: bool


class RestAggTrade(msgspec.Struct, gc=False):
    """An aggregate, by REST.

    {"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27781,"T":1498793709153,"m":true,"M":true}
    """

    a: wire.Number
    p: str
    q: str
    f: wire.Number
    l: wire.Number
    T: wire.Ms
    m: bool


class Row(msgspec.Struct, array_like=True, gc=False):
    """A bar, by REST.

    [1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",1499644799999,
    "2434.19055334",308,"1756.87402397","28.46694368","0"]
    """

    open_ms: wire.Ms
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_ms: wire.Ms
    quote_volume: str
    trades: wire.Number
    taker_buy_volume: str


class Time(msgspec.Struct, gc=False):
    """The server's clock.

    {"serverTime":1499827319559}
    """

    serverTime: wire.Ms


_time = msgspec.json.Decoder(Time).decode
_info, _symbol = msgspec.json.Decoder(ExchangeInfo).decode, msgspec.json.Decoder(Symbol).decode
_depth = msgspec.json.Decoder(wire.PartialDepth).decode
_rows = msgspec.json.Decoder(list[Row]).decode
_trades = msgspec.json.Decoder(list[RestTrade]).decode
_aggtrades = msgspec.json.Decoder(list[RestAggTrade]).decode
_interest = msgspec.json.Decoder(wire.OpenInterest).decode


def calls(rest: Rest, venue: str) -> Mapping[str, RestCall]:
    """Every REST call of this market, for the venue of this name."""
    made = {
        "time": RestCall(build=lambda _ask: Request("GET", f"{rest.prefix}/time"), parse=_read_time),
        "instruments": RestCall(
            build=lambda ask: _list_request(rest, ask),
            parse=lambda body, _ask, _ids, at: _read_list(body, rest, venue, at),
        ),
        "depth": RestCall(
            build=lambda ask: _depth_request(rest, ask),
            parse=lambda body, ask, ids, at: _read_depth(body, ask, _id(ids, ask, venue), at),
            page=rest.depth_page,
        ),
        "bars": RestCall(
            build=lambda ask: _bars_request(rest, ask),
            parse=lambda body, ask, ids, at: _read_bars(body, ask, _id(ids, ask, venue), at),
            page=rest.kline_page,
            walk="bars",
        ),
        "trades": RestCall(
            build=lambda ask: _trades_request(rest, ask),
            parse=lambda body, ask, ids, at: _read_trades(body, _id(ids, ask, venue), at),
            page=1000,
            walk="ids" if rest.history else "",
            locate="aggtrades" if rest.history else "",
        ),
        "aggtrades": RestCall(
            build=lambda ask: _aggtrades_request(rest, ask),
            parse=lambda body, ask, ids, at: _read_aggtrades(body, _id(ids, ask, venue), at),
            page=1000,
            walk="time",
            locate="aggtrades",
            window_s=rest.window_s,
            keeps_s=rest.keeps_s,
        ),
    }
    if rest.open_interest:
        made["open_interest"] = RestCall(
            build=lambda ask: Request("GET", f"{rest.prefix}/openInterest", (("symbol", ask.native),)),
            parse=lambda body, ask, ids, at: _read_interest(body, _id(ids, ask, venue), at),
        )
    return made


# ---- requests -----------------------------------------------------------------------------------------------------


def _list_request(rest: Rest, ask: Ask) -> Request:
    query = (("symbol", ask.native),) if ask.native else ()
    return Request("GET", f"{rest.prefix}/exchangeInfo", query, rest.instruments_weight)


def _depth_request(rest: Rest, ask: Ask) -> Request:
    limit = min(ask.limit or rest.depth_page, rest.depth[-1][0])
    if rest.depth_sizes:
        limit = next(size for size in rest.depth_sizes if size >= limit)
    query = (("symbol", ask.native), ("limit", str(limit)))
    return Request("GET", f"{rest.prefix}/depth", query, _weight(rest.depth, limit))


def _bars_request(rest: Rest, ask: Ask) -> Request:
    if ask.interval not in INTERVALS:
        raise ConfigError(f"bars of {ask.native}: unknown interval {ask.interval!r}")
    limit = min(ask.limit or rest.kline_page, rest.kline_page)
    query = (("symbol", ask.native), ("interval", ask.interval), *window(ask), ("limit", str(limit)))
    return Request("GET", f"{rest.prefix}/klines", query, _weight(rest.klines, limit))


def _trades_request(rest: Rest, ask: Ask) -> Request:
    query: tuple[tuple[str, str], ...] = (("symbol", ask.native), ("limit", str(min(ask.limit or 1000, 1000))))
    if ask.from_id is None:
        return Request("GET", f"{rest.prefix}/trades", query, rest.trades_weight)
    if not rest.history:
        raise Refused(f"{rest.prefix}: trades from an id on take a key; aggtrades do not", code="")
    return Request("GET", rest.history, (*query, ("fromId", str(ask.from_id))), rest.trades_weight)


def _aggtrades_request(rest: Rest, ask: Ask) -> Request:
    # An id and times must not be mixed; the id is the surer of the two.
    where = window(ask) if ask.from_id is None else (("fromId", str(ask.from_id)),)
    query = (("symbol", ask.native), *where, ("limit", str(min(ask.limit or 1000, 1000))))
    return Request("GET", f"{rest.prefix}/aggTrades", query, rest.aggtrades_weight)


def _weight(table: Weights, rows: int) -> int:
    return next((weight for most, weight in table if rows <= most), table[-1][1])


# ---- answers ------------------------------------------------------------------------------------------------------


def _read(decode: Callable[[bytes], _Found], body: bytes, what: str, received_ns: int) -> _Found:
    try:
        return decode(body)
    except (ValueError, RecursionError) as error:
        raise_refusal(body, what, received_ns)
        raise BadData(f"{what} cannot be read: {error}: {body[:200]!r}", kind="schema") from error


def _id(ids: Mapping[str, str], ask: Ask, venue: str) -> str:
    return ids.get(ask.native, f"{venue}:{ask.native}")


def _read_list(body: bytes, rest: Rest, venue: str, received_ns: int) -> Sequence[Answer]:
    what = "the instrument list"
    rows = _read(_info, body, what, received_ns).symbols
    return not_all_bad(read_listed(rows, lambda row: rest.listed(venue, _symbol(row)), name="symbol"), what)


def _read_time(body: bytes, _ask: Ask, _ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
    return [ServerTime(_read(_time, body, "the server's time", received_ns).serverTime * MS_NS)]


def _read_depth(body: bytes, ask: Ask, instrument: str, received_ns: int) -> Sequence[Answer]:
    book = _read(_depth, body, f"the book of {ask.native}", received_ns)
    at_ns = None if book.T is None else book.T * MS_NS
    seq = book.lastUpdateId
    return [BookSnapshot(instrument, "book", at_ns, received_ns, "rest", book.bids, book.asks, None, seq)]


def _read_bars(body: bytes, ask: Ask, instrument: str, received_ns: int) -> Sequence[Answer]:
    """A row has no closed flag. One with a later row behind it is closed; the newest, well after its end.

    After its end by the venue's clock, where that is known: ours may be an hour ahead, and would close an open bar.
    """
    past_ns = received_ns - OPEN_MARGIN_NS if ask.venue_ns is None else ask.venue_ns - SETTLED_NS
    rows = sorted(_read(_rows, body, f"bars of {ask.native}", received_ns), key=lambda row: row.open_ms)
    newest = rows[-1].open_ms if rows else 0
    name = f"bars:{ask.interval}"
    bars = []
    for row in rows:
        closed = row.open_ms < newest or (row.close_ms + 1) * MS_NS <= past_ns
        open_, high, low, close = (_number(text) for text in (row.open, row.high, row.low, row.close))
        bars.append(
            Bar(
                instrument, name, None, received_ns, "rest", ask.interval, row.open_ms * MS_NS, open_, high, low, close,
                _number(row.volume), number(row.quote_volume), row.trades, number(row.taker_buy_volume), None, None,
                closed, "", int(closed),
            )
        )  # fmt: skip
    return bars


def _read_trades(body: bytes, instrument: str, received_ns: int) -> Sequence[Answer]:
    rows = sorted(_read(_trades, body, f"trades of {instrument}", received_ns), key=lambda row: row.id)
    return [
        Trade(
            instrument, "trades", row.time * MS_NS, received_ns, "rest", str(row.id), row.id,
            "sell" if row.isBuyerMaker else "buy", _number(row.price), _number(row.qty),
        )
        for row in rows
    ]  # fmt: skip


def _read_aggtrades(body: bytes, instrument: str, received_ns: int) -> Sequence[Answer]:
    rows = sorted(_read(_aggtrades, body, f"aggregated trades of {instrument}", received_ns), key=lambda row: row.a)
    return [
        Trade(
            instrument, "aggtrades", row.T * MS_NS, received_ns, "rest", str(row.a), row.a,
            "sell" if row.m else "buy", _number(row.p), _number(row.q), row.f, row.l,
        )
        for row in rows
    ]  # fmt: skip


def _read_interest(body: bytes, instrument: str, received_ns: int) -> Sequence[Answer]:
    interest = _read(_interest, body, f"open interest of {instrument}", received_ns)
    at_ns = None if interest.time is None else interest.time * MS_NS
    return [OpenInterest(instrument, "open_interest", at_ns, received_ns, "rest", _number(interest.openInterest))]


@lru_cache(maxsize=8192)  # sizes and prices repeat, and who polls reads the same trades again
def _number(text: str) -> Decimal:
    value = number(text)
    if value is None:
        raise BadData("an empty number where there must be one", kind="bad_number")
    return value
