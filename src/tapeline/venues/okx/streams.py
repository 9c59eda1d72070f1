"""What each OKX stream's items mean: one mapping to events per channel, bound to its arg once. Pure.

Items are read with numbers and times as text; what they cannot be read from raises ValueError or ArithmeticError.
"""

from collections.abc import Callable, Sequence
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
from tapeline.model.number import Recent, exact
from tapeline.venues.okx import wire
from tapeline.venues.okx.control import maintenance
from tapeline.venues.okx.wire import MS_NS, Arg, Names

Read = Callable[[bytes, int], Sequence[Event]]
"""(frame, received_ns) -> the events of a whole push, {"data": [item, ...]}."""


def _push(item: Any) -> Callable[[bytes], Any]:
    """Decodes {"data": [item, ...]}; numbers and times arrive as text."""
    shape = msgspec.defstruct("Push", [("data", list[item])], gc=False)
    return msgspec.json.Decoder(shape, strict=False).decode


class _BookPush(Struct, gc=False):
    data: list[wire.BookItem]
    action: str = ""


_decode_trades, _decode_tops = _push(wire.TradeItem), _push(wire.BookItem)
_decode_books = msgspec.json.Decoder(_BookPush, strict=False).decode
_decode_tickers, _decode_candles, _decode_marks = _push(wire.TickerItem), _push(wire.CandleRow), _push(wire.MarkItem)
_decode_indices, _decode_funding = _push(wire.IndexItem), _push(wire.FundingItem)
_decode_interest, _decode_liquidations = _push(wire.OpenInterestItem), _push(wire.LiquidationItem)
_decode_instruments, _decode_status = _push(wire.InstrumentItem), _push(wire.MaintenanceItem)


def _each(decode: Callable[[bytes], Any], make: Callable[[Any, int], Event]) -> Read:
    """For streams of which each item is one event."""
    return lambda frame, received_ns: [make(item, received_ns) for item in decode(frame).data]


def _ns(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms * MS_NS


def _bind_trades(arg: Arg, names: Names) -> Read:
    native, bound, id_of, price = arg.instId, names.id_of(arg.instId), names.id_of, Recent()

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        out = []
        for item in _decode_trades(frame).data:
            last = int(item.tradeId)
            trade = Trade(
                bound if item.instId == native else id_of(item.instId), "trades", item.ts * MS_NS, received_ns, "ws",
                item.tradeId, last, item.side, price[item.px], exact(item.sz), last - item.count + 1, last,
            )  # fmt: skip
            out.append(trade)
        return out

    return read


def _bind_quotes(arg: Arg, names: Names) -> Read:
    bound, price = names.id_of(arg.instId), Recent()

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        out = []
        for item in _decode_tops(frame).data:
            bid = ask = bid_size = ask_size = None
            if item.bids:
                best = item.bids[0]
                bid, bid_size = price[best.price], exact(best.size)
            if item.asks:
                best = item.asks[0]
                ask, ask_size = price[best.price], exact(best.size)
            at_ns = item.ts * MS_NS
            out.append(Quote(bound, "quotes", at_ns, received_ns, "ws", bid, bid_size, ask, ask_size, item.seqId))
        return out

    return read


def _bind_top(arg: Arg, names: Names) -> Read:
    bound = names.id_of(arg.instId)

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        return [_book(BookSnapshot, bound, "book:5", item, received_ns) for item in _decode_tops(frame).data]

    return read


_BOOKS: dict[str, type[BookDelta | BookSnapshot]] = {"update": BookDelta, "snapshot": BookSnapshot}


def _bind_books(arg: Arg, names: Names) -> Read:
    bound = names.id_of(arg.instId)

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        push = _decode_books(frame)
        kind = _BOOKS.get(push.action)
        if kind is None:
            if push.action or any(item.prevSeqId != -1 for item in push.data):
                raise ValueError(f"a book that is neither snapshot nor update: action {push.action[:20]!r}")
            kind = BookSnapshot
        return [_book(kind, bound, "book", item, received_ns) for item in push.data]

    return read


def _book(kind: Any, bound: str, channel: str, item: wire.BookItem, received_ns: int) -> Any:
    previous = item.prevSeqId
    return kind(
        bound, channel, item.ts * MS_NS, received_ns, "ws",
        [(row.price, row.size) for row in item.bids], [(row.price, row.size) for row in item.asks],
        None, item.seqId, None if previous == -1 else previous, item.checksum or None,
    )  # fmt: skip


def _bind_tickers(_arg: Arg, names: Names) -> Read:
    def make(item: wire.TickerItem, received_ns: int) -> Ticker:
        return Ticker(
            names.id_of(item.instId), "ticker", _ns(item.ts), received_ns, "ws", item.last, item.open24h,
            item.high24h, item.low24h, item.vol24h, item.volCcy24h if item.instType == "SPOT" else None,
            item.bidPx, item.askPx,
        )  # fmt: skip

    return _each(_decode_tickers, make)


def bar(item: wire.CandleRow, instrument: str, name: str, received_ns: int, source: str) -> Bar:
    """A candle as a bar; `name` is our interval. Raises ValueError for a row of eight columns, which means nothing."""
    if item.confirm is None and item.volCcyQuote is not None:
        raise ValueError("a candle of eight columns")
    closed = item.confirm == "1"
    return Bar(
        instrument, f"bars:{name}", None, received_ns, source, name, item.ts * MS_NS, item.o, item.h, item.l, item.c,
        item.vol, item.volCcyQuote, None, None, None, None, closed, revision=int(closed),
    )  # fmt: skip


def _bind_candles(arg: Arg, names: Names) -> Read:
    bound = names.id_of(arg.instId)
    name = (wire.CHANNEL_OF.get(arg.channel) or wire.ALSO_READ[arg.channel]).removeprefix("bars:")

    return _each(_decode_candles, lambda item, received_ns: bar(item, bound, name, received_ns, "ws"))


def _bind_marks(_arg: Arg, names: Names) -> Read:
    def make(item: wire.MarkItem, received_ns: int) -> Mark:
        return Mark(names.id_of(item.instId), "mark", _ns(item.ts), received_ns, "ws", item.markPx)

    return _each(_decode_marks, make)


def _bind_indices(_arg: Arg, names: Names) -> Read:
    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        return [
            Index(names.id_of(native), "index", _ns(item.ts), received_ns, "ws", item.idxPx)
            for item in _decode_indices(frame).data
            for native in names.following(item.instId)
        ]

    return read


def _bind_funding(_arg: Arg, names: Names) -> Read:
    def make(item: wire.FundingItem, received_ns: int) -> Funding:
        interval_s = None
        if item.nextFundingTime is not None and item.fundingTime is not None:
            apart_s = (item.nextFundingTime - item.fundingTime) // 1000
            interval_s = apart_s if apart_s > 0 else None
        return Funding(
            names.id_of(item.instId), "funding", _ns(item.ts), received_ns, "ws", item.fundingRate, interval_s,
            _ns(item.fundingTime),
        )  # fmt: skip

    return _each(_decode_funding, make)


def _bind_open_interest(_arg: Arg, names: Names) -> Read:
    def make(item: wire.OpenInterestItem, received_ns: int) -> OpenInterest:
        return OpenInterest(names.id_of(item.instId), "open_interest", _ns(item.ts), received_ns, "ws", item.oi)

    return _each(_decode_interest, make)


def _bind_liquidations(_arg: Arg, names: Names) -> Read:
    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        return [
            Liquidation(
                names.id_of(item.instId), "liquidations", _ns(each.ts), received_ns, "ws", each.side, each.bkPx, each.sz
            )
            for item in _decode_liquidations(frame).data
            for each in item.details
        ]

    return read


def _bind_instruments(_arg: Arg, names: Names) -> Read:
    def make(item: wire.InstrumentItem, received_ns: int) -> Status:
        status = wire.STATUS_OF.get(item.state)
        if status is None:
            raise ValueError(f"{item.instId}: unknown state {item.state[:40]!r}")
        text = "" if wire.STATE_OF[status] == item.state else item.state
        return Status(names.id_of(item.instId), "status", None, received_ns, "ws", status, text)

    return _each(_decode_instruments, make)


def _bind_status(_arg: Arg, names: Names) -> Read:
    return _each(_decode_status, lambda item, received_ns: maintenance(item, names, received_ns))


BINDERS: dict[str, Callable[[Arg, Names], Read]] = {
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
