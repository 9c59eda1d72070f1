"""Market data through ccxt: what is asked for, and rows as events. Nothing of it claims to be whole. Pure."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.errors import BadData
from tapeline.model.channel import channel
from tapeline.model.event import Bar, BookSnapshot, Event, Quote, Ticker, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.number import number
from tapeline.model.topic import Topic
from tapeline.venues.ccxt.refusals import refusal
from tapeline.venues.ccxt.wire import (
    MS_NS,
    UNREADABLE,
    BarRow,
    Body,
    BookRow,
    MarketRow,
    Push,
    QuoteRow,
    TickerRow,
    TradeRow,
    at_ns,
)
from tapeline.venues.listed_rows import not_all_bad, read_listed
from tapeline.venues.request import Request
from tapeline.venues.spec import Ack, Answer, Ask, Control, Decode, Feed, Refusal, RestCall, ServerTime, Subscribe

BAR_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
LEVELS, MOST_LEVELS = 20, 100
FEEDS = (
    Feed(channel="trades", wire_name="trades", endpoint="public"),
    Feed(channel="quotes", wire_name="bids and asks", endpoint="public"),
    Feed(channel="ticker", wire_name="ticker", endpoint="public"),
    Feed(channel="book", wire_name="order book", endpoint="public", levels=(LEVELS,)),
    Feed(channel="bars", wire_name="OHLCV", endpoint="public", intervals=BAR_INTERVALS, quiet=True),
)

_push = msgspec.json.Decoder(Push).decode
_body = msgspec.json.Decoder(Body).decode
Read = Callable[[bytes | msgspec.Raw], Any]


def _rows(item: Any) -> Read:
    return msgspec.json.Decoder(list[item]).decode


_trades, _quotes, _tickers = _rows(TradeRow), _rows(QuoteRow), _rows(TickerRow)
_books, _bars, _raws = _rows(BookRow), _rows(BarRow), _rows(msgspec.Raw)
_market = msgspec.json.Decoder(MarketRow).decode
_milliseconds = msgspec.json.Decoder(int).decode


# ---- a connection --------------------------------------------------------------------------------------------------


def requests(subscribe: Subscribe) -> Sequence[bytes]:
    """One frame: {"op":"subscribe","id":3,"topics":[["trades","BTC/USD"]]}."""
    if not subscribe.topics:
        return ()
    op = "subscribe" if subscribe.on else "unsubscribe"
    topics = [[topic.channel, topic.native] for topic in subscribe.topics]
    return (msgspec.json.encode({"op": op, "id": subscribe.request_id, "topics": topics}),)


def decoder(venue: str, instruments: Mapping[str, Instrument]) -> Decode:
    """A decoder for one connection; see `venues.spec.Decode`."""
    ids = {native: each.id for native, each in instruments.items()}

    def decode(frame: bytes, received_ns: int) -> Sequence[Event | Control]:
        try:
            push = _push(frame)
            topic = Topic(push.ch, push.s)
            if push.ack is not None:
                return (Ack(push.ack, topic if push.ch else None),)
            if push.refuse is not None:
                return (Refusal(push.code, push.text, push.refuse, topic),)
            common = (ids.get(push.s) or f"{venue}:{push.s}", push.ch, received_ns, "ws" if push.live else "rest")
            return _events(push.ch, push.rows, common)
        except UNREADABLE as error:
            raise BadData(f"{venue}: {error}", kind="schema") from error

    return decode


Common = tuple[str, str, int, str]  # instrument, channel, received_ns, source


def _events(of: str, rows: msgspec.Raw | bytes, common: Common) -> Sequence[Event]:
    match channel(of).kind:
        case "trades":
            return [_trade(row, common) for row in _trades(rows)]
        case "quotes":
            return [_quote(row, common) for row in _quotes(rows)]
        case "ticker":
            return [_ticker(row, common) for row in _tickers(rows)]
        case "book":
            return [_book(row, common) for row in _books(rows)]
        case "bars":
            return [_bar(row, channel(of).interval, common) for row in _bars(rows)]
    raise BadData(f"{of!r} is no channel of an exchange behind ccxt", kind="unknown_type")


def _needed(text: str | None) -> Decimal:
    found = number(text)
    if found is None:
        raise BadData("a price or a size is missing", kind="schema")
    return found


def _trade(row: TradeRow, common: Common) -> Trade:
    name, of, received_ns, source = common
    side = row.side if row.side in {"buy", "sell"} else ""
    return Trade(name, of, at_ns(row), received_ns, source, row.id or "", None, side or "",
                 _needed(row.price), _needed(row.amount))  # fmt: skip


def _quote(row: QuoteRow, common: Common) -> Quote:
    name, of, received_ns, source = common
    sides = (number(row.bid), number(row.bid_size), number(row.ask), number(row.ask_size))
    return Quote(name, of, at_ns(row), received_ns, source, *sides)


def _ticker(row: TickerRow, common: Common) -> Ticker:
    name, of, received_ns, source = common
    said = (row.last, row.open, row.high, row.low, row.volume, row.quote_volume, row.bid, row.ask)
    return Ticker(name, of, at_ns(row), received_ns, source, *map(number, said))


def _book(row: BookRow, common: Common) -> BookSnapshot:
    name, of, received_ns, source = common
    return BookSnapshot(name, of, at_ns(row), received_ns, source, row.bids, row.asks)


def _bar(row: BarRow, interval: str, common: Common) -> Bar:
    """Only closed bars come: ccxt's own rows do not say whether they are."""
    name, of, received_ns, source = common
    open_ns = row.open_ms * MS_NS
    prices = (_needed(row.open), _needed(row.high), _needed(row.low), _needed(row.close), _needed(row.volume))
    return Bar(
        name, of, None, received_ns, source, interval, open_ns, *prices, None, None, None,
        None, None, closed=True, revision=1, known_at_ns=received_ns,
    )  # fmt: skip


# ---- REST ----------------------------------------------------------------------------------------------------------


def _build(ask: Ask) -> Request:
    body = {"symbol": ask.native, "limit": ask.limit}
    return Request("POST", f"/{ask.call}", body=msgspec.json.encode(body))


def rows_of(body: bytes, what: str, *, acting: bool = False, derivative: bool = False) -> msgspec.Raw:
    """What the bridge found. Raises what ccxt's error means, or BadData."""
    try:
        read = _body(body)
    except UNREADABLE as error:
        raise BadData(f"{what}: {error}: {body[:200]!r}", kind="schema") from error
    if read.error is not None:
        raise refusal(read.error, read.text, what, acting=acting, derivative=derivative)
    return read.ok


def market_calls(venue: str) -> Mapping[str, RestCall]:
    """The public calls, for the venue of this name."""

    def parsed(make: Callable[[msgspec.Raw, Common], Sequence[Answer]]) -> Any:
        def parse(body: bytes, ask: Ask, ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
            where = f"{venue} {ask.call}"
            rows = rows_of(body, where)
            of = {"depth": "book"}.get(ask.call, ask.call)
            try:
                return make(rows, (ids.get(ask.native) or f"{venue}:{ask.native}", of, received_ns, "rest"))
            except UNREADABLE as error:
                raise BadData(f"{where}: {error}", kind="schema") from error

        return parse

    def listed(rows: msgspec.Raw, _common: Common) -> Sequence[Answer]:
        found = read_listed(_raws(rows), lambda row: _listed(venue, _market(row)), name="symbol")
        return not_all_bad(found, f"{venue}: the list of markets")

    return {
        "instruments": RestCall(build=_build, parse=parsed(listed)),
        "time": RestCall(build=_build, parse=parsed(lambda rows, _: [ServerTime(_milliseconds(rows) * MS_NS)])),
        "depth": RestCall(build=_build, parse=parsed(lambda rows, to: [_book(r, to) for r in _books(rows)]),
                          page=MOST_LEVELS),
        "trades": RestCall(build=_build, parse=parsed(lambda rows, to: [_trade(r, to) for r in _trades(rows)]),
                           page=100),
    }  # fmt: skip


def _listed(venue: str, row: MarketRow) -> Instrument:
    contract = number(row.contract_size) or Decimal(1)
    return Instrument(
        venue=venue, symbol=row.symbol, native=row.symbol, kind=row.kind, base=row.base, quote=row.quote,
        settle=row.settle, status="trading" if row.active else "halted", tick=number(row.tick), lot=number(row.lot),
        min_size=number(row.min_size), min_notional=number(row.min_notional),
        size_unit="base" if contract == 1 else "contract", contract_size=contract, code=row.id,
    )  # fmt: skip
