"""What each OKX stream's items mean: one mapping to events per channel, bound to its arg once. Pure.

Items are read with numbers and times as text; what they cannot be read from raises ValueError or ArithmeticError.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Funding,
    Index,
    Liquidation,
    Mark,
    OpenInterest,
    Quote,
    Status,
    Ticker,
    Trade,
)
from tapeline.venues.okx import wire
from tapeline.venues.okx.control import maintenance
from tapeline.venues.okx.wire import MS_NS, Arg, Names

Read = Callable[[bytes, int], Sequence[Event]]
Make = Callable[[Any, int], Sequence[Event]]


class Stream(Struct):
    """How one arg's pushes become events: whole frames, and single items where the whole cannot be read."""

    read: Read
    item: Callable[[bytes], Any]
    make: Make


def _push(item: Any) -> Callable[[bytes], Any]:
    """Decodes {"data": [item, ...]}; numbers and times arrive as text."""
    shape = msgspec.defstruct("Push", [("data", list[item])], gc=False)
    return msgspec.json.Decoder(shape, strict=False).decode


def _plain(item: Any) -> Callable[[Make], Stream]:
    """Streams whose items stand alone."""
    decode, decode_item = _push(item), msgspec.json.Decoder(item, strict=False).decode

    def stream(make: Make) -> Stream:
        def read(frame: bytes, received_ns: int) -> Sequence[Event]:
            items = decode(frame).data
            if len(items) == 1:
                return make(items[0], received_ns)
            return [event for item in items for event in make(item, received_ns)]

        return Stream(read, decode_item, make)

    return stream


_trades, _quotes, _books = _plain(wire.TradeItem), _plain(wire.BookItem), _plain(wire.BookItem)
_tickers, _candles, _marks = _plain(wire.TickerItem), _plain(wire.CandleRow), _plain(wire.MarkItem)
_indices, _fundings, _interests = _plain(wire.IndexItem), _plain(wire.FundingItem), _plain(wire.OpenInterestItem)
_liquidations, _instruments, _status = (
    _plain(wire.LiquidationItem), _plain(wire.InstrumentItem), _plain(wire.MaintenanceItem)
)  # fmt: skip


def _ns(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms * MS_NS


def _bind_trades(arg: Arg, names: Names) -> Stream:
    native, bound, id_of = arg.instId, names.id_of(arg.instId), names.id_of

    def make(item: wire.TradeItem, received_ns: int) -> tuple[Trade]:
        last = int(item.tradeId)
        return (
            Trade(
                bound if item.instId == native else id_of(item.instId), "trades", item.ts * MS_NS, received_ns, "ws",
                item.tradeId, last, item.side, Decimal(item.px), Decimal(item.sz), last - (item.count or 1) + 1, last,
            ),
        )  # fmt: skip

    return _trades(make)


def _bind_quotes(arg: Arg, names: Names) -> Stream:
    bound = names.id_of(arg.instId)

    def make(item: wire.BookItem, received_ns: int) -> tuple[Quote]:
        bid = ask = bid_size = ask_size = None
        if item.bids:
            best = item.bids[0]
            bid, bid_size = Decimal(best.price), Decimal(best.size)
        if item.asks:
            best = item.asks[0]
            ask, ask_size = Decimal(best.price), Decimal(best.size)
        return (Quote(bound, "quotes", item.ts * MS_NS, received_ns, "ws", bid, bid_size, ask, ask_size, item.seqId),)

    return _quotes(make)


def _bind_top(arg: Arg, names: Names) -> Stream:
    bound = names.id_of(arg.instId)

    def make(item: wire.BookItem, received_ns: int) -> tuple[BookSnapshot]:
        return (_book(BookSnapshot, bound, "book:5", item, received_ns),)

    return _books(make)


class _BookPush(Struct, gc=False):
    data: list[wire.BookItem]
    action: str = ""


_decode_books = msgspec.json.Decoder(_BookPush, strict=False).decode
_BOOKS: dict[str, type[BookDelta | BookSnapshot]] = {"update": BookDelta, "snapshot": BookSnapshot}


def _bind_books(arg: Arg, names: Names) -> Stream:
    bound = names.id_of(arg.instId)

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        push = _decode_books(frame)
        kind = _BOOKS.get(push.action)
        if kind is None:
            if push.action or any(item.prevSeqId != -1 for item in push.data):
                raise ValueError(f"a book that is neither snapshot nor update: action {push.action[:20]!r}")
            kind = BookSnapshot
        if len(push.data) == 1:
            return (_book(kind, bound, "book", push.data[0], received_ns),)
        return [_book(kind, bound, "book", item, received_ns) for item in push.data]

    def make(_item: Any, _received_ns: int) -> Sequence[Event]:
        raise ValueError("part of a book is no book")

    return Stream(read, bytes, make)


def _book(kind: Any, bound: str, channel: str, item: wire.BookItem, received_ns: int) -> Any:
    previous = item.prevSeqId
    return kind(
        bound, channel, item.ts * MS_NS, received_ns, "ws",
        [(row.price, row.size) for row in item.bids], [(row.price, row.size) for row in item.asks],
        None, item.seqId, None if previous == -1 else previous, item.checksum or None,
    )  # fmt: skip


def _bind_tickers(_arg: Arg, names: Names) -> Stream:
    def make(item: wire.TickerItem, received_ns: int) -> tuple[Ticker]:
        return (
            Ticker(
                names.id_of(item.instId), "ticker", _ns(item.ts), received_ns, "ws", item.last, item.open24h,
                item.high24h, item.low24h, item.vol24h, item.volCcy24h if item.instType == "SPOT" else None,
                item.bidPx, item.askPx,
            ),
        )  # fmt: skip

    return _tickers(make)


def bar(item: wire.CandleRow, instrument: str, name: str, received_ns: int, source: str) -> Bar:
    """A candle as a bar; `name` is our interval. Raises ValueError for a row of eight columns, which means nothing."""
    if item.confirm is None and item.volCcyQuote is not None:
        raise ValueError("a candle of eight columns")
    closed = item.confirm == "1"
    return Bar(
        instrument, f"bars:{name}", None, received_ns, source, name, item.ts * MS_NS, item.o, item.h, item.l, item.c,
        item.vol, item.volCcyQuote, None, None, None, None, closed, revision=int(closed),
    )  # fmt: skip


def _bind_candles(arg: Arg, names: Names) -> Stream:
    bound = names.id_of(arg.instId)
    name = (wire.CHANNEL_OF.get(arg.channel) or wire.ALSO_READ[arg.channel]).removeprefix("bars:")

    def make(item: wire.CandleRow, received_ns: int) -> tuple[Bar]:
        return (bar(item, bound, name, received_ns, "ws"),)

    return _candles(make)


def _bind_marks(_arg: Arg, names: Names) -> Stream:
    def make(item: wire.MarkItem, received_ns: int) -> tuple[Mark]:
        return (Mark(names.id_of(item.instId), "mark", _ns(item.ts), received_ns, "ws", item.markPx),)

    return _marks(make)


def _bind_indices(_arg: Arg, names: Names) -> Stream:
    def make(item: wire.IndexItem, received_ns: int) -> list[Index]:
        at_ns = _ns(item.ts)
        return [
            Index(names.id_of(native), "index", at_ns, received_ns, "ws", item.idxPx)
            for native in names.following(item.instId)
        ]

    return _indices(make)


def _bind_funding(_arg: Arg, names: Names) -> Stream:
    def make(item: wire.FundingItem, received_ns: int) -> tuple[Funding]:
        interval_s = None
        if item.nextFundingTime is not None and item.fundingTime is not None:
            interval_s = (item.nextFundingTime - item.fundingTime) // 1000 or None
        return (
            Funding(
                names.id_of(item.instId), "funding", _ns(item.ts), received_ns, "ws", item.fundingRate, interval_s,
                _ns(item.fundingTime),
            ),
        )  # fmt: skip

    return _fundings(make)


def _bind_open_interest(_arg: Arg, names: Names) -> Stream:
    def make(item: wire.OpenInterestItem, received_ns: int) -> tuple[OpenInterest]:
        return (OpenInterest(names.id_of(item.instId), "open_interest", _ns(item.ts), received_ns, "ws", item.oi),)

    return _interests(make)


def _bind_liquidations(_arg: Arg, names: Names) -> Stream:
    def make(item: wire.LiquidationItem, received_ns: int) -> list[Liquidation]:
        instrument = names.id_of(item.instId)
        return [
            Liquidation(instrument, "liquidations", _ns(each.ts), received_ns, "ws", each.side, each.bkPx, each.sz)
            for each in item.details
        ]

    return _liquidations(make)


def _bind_instruments(_arg: Arg, names: Names) -> Stream:
    def make(item: wire.InstrumentItem, received_ns: int) -> tuple[Status]:
        status = wire.STATUS_OF.get(item.state)
        if status is None:
            raise ValueError(f"{item.instId}: unknown state {item.state[:40]!r}")
        text = "" if wire.STATE_OF[status] == item.state else item.state
        return (Status(names.id_of(item.instId), "status", None, received_ns, "ws", status, text),)

    return _instruments(make)


def _bind_status(_arg: Arg, names: Names) -> Stream:
    return _status(lambda item, received_ns: (maintenance(item, names, received_ns),))


BINDERS: dict[str, Callable[[Arg, Names], Stream]] = {
    "trades": _bind_trades,
    "trades-all": _bind_trades,
    "bbo-tbt": _bind_quotes,
    "tickers": _bind_tickers,
    "books": _bind_books,
    "books-l2-tbt": _bind_books,
    "books50-l2-tbt": _bind_books,
    "books5": _bind_top,
    "mark-price": _bind_marks,
    "index-tickers": _bind_indices,
    "funding-rate": _bind_funding,
    "open-interest": _bind_open_interest,
    "liquidation-orders": _bind_liquidations,
    "instruments": _bind_instruments,
    "status": _bind_status,
    **{name: _bind_candles for name in (*wire.CHANNEL_OF, *wire.ALSO_READ) if name.startswith("candle")},
}
