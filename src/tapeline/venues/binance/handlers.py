"""One maker of handlers for each kind of stream: a frame, `{..."data":payload}`, and receive time in, events out.

A bound handler knows its instrument and channel, and gives None for a payload of another symbol or interval.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tapeline.errors import BadData
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
from tapeline.model.number import number
from tapeline.venues.binance import wire
from tapeline.venues.binance.instruments import STATUS, USDM_WORDS

MS_NS = 1_000_000
_UNDERSCORE, _BRACE = ord("_"), ord("{")
_SIDES = {"BUY": "buy", "SELL": "sell"}

Handler = Callable[[bytes, int], Sequence[Event] | None]
Bound = Callable[[str, str, str], Handler]  # instrument id, channel, native symbol
Loose = Callable[[Callable[[str], str]], Handler]  # native symbol -> instrument id

_trade = msgspec.json.Decoder(wire.Frame[wire.Trade]).decode
_aggtrade = msgspec.json.Decoder(wire.Frame[wire.AggTrade]).decode
_quote = msgspec.json.Decoder(wire.Frame[wire.BookTicker]).decode
_depth = msgspec.json.Decoder(wire.Frame[wire.Depth]).decode
_partial = msgspec.json.Decoder(wire.Frame[wire.PartialDepth]).decode
_kline = msgspec.json.Decoder(wire.Frame[wire.Kline]).decode
_ticker = msgspec.json.Decoder(wire.Frame[wire.Ticker]).decode
_mark = msgspec.json.Decoder(wire.Frame[wire.MarkPrice]).decode
_force = msgspec.json.Decoder(wire.Frame[wire.ForceOrder]).decode
_contract = msgspec.json.Decoder(wire.Frame[wire.ContractInfo]).decode
_interest = msgspec.json.Decoder(wire.Frame[wire.OpenInterest]).decode
_fields = msgspec.json.Decoder(wire.Frame[dict[str, msgspec.Raw]]).decode


def plain_numbers(frame: bytes, names: str) -> None:
    """Raise BadData where one of these numbers is written "1_000", which Python's Decimal would take.

    An underscore is rare (dated contracts have one in their symbol), so looking for one is all the hot path pays.
    """
    fields = _fields(frame).data
    for name in names:
        if name in fields:
            number(bytes(fields[name]).decode().strip('"'))


# ---- the fast streams ---------------------------------------------------------------------------------------------


def trades(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@trade`. A fill without size was not made in the market: it keeps its id, and counts for nothing."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event] | None:
        t = _trade(frame).data
        if t.s != native:
            return None
        if _UNDERSCORE in frame:
            plain_numbers(frame, "pq")
        return (
            Trade(
                instrument, channel, t.T * MS_NS, received_ns, "ws", str(t.t), t.t, "sell" if t.m else "buy", t.p, t.q
            ),
        )

    return read


def aggtrades(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@aggTrade`."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event] | None:
        t = _aggtrade(frame).data
        if t.s != native:
            return None
        if _UNDERSCORE in frame:
            plain_numbers(frame, "pq")
        name = "" if t.a is None else str(t.a)
        side = "sell" if t.m else "buy"
        return (Trade(instrument, channel, t.T * MS_NS, received_ns, "ws", name, t.a, side, t.p, t.q, t.f, t.l),)

    return read


def quotes(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@bookTicker`. A side without size is empty."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event] | None:
        q = _quote(frame).data
        if q.s != native:
            return None
        if _UNDERSCORE in frame:
            plain_numbers(frame, "bBaA")
        at_ns = None if q.T is None else q.T * MS_NS
        if q.B and q.A:
            return (Quote(instrument, channel, at_ns, received_ns, "ws", q.b, q.B, q.a, q.A, q.u),)
        bid, bid_size = (q.b, q.B) if q.B else (None, None)
        ask, ask_size = (q.a, q.A) if q.A else (None, None)
        return (Quote(instrument, channel, at_ns, received_ns, "ws", bid, bid_size, ask, ask_size, q.u),)

    return read


def book(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@depth...`: changes. At the engine's time where there is one, else when it was sent."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event] | None:
        d = _depth(frame).data
        if d.s != native:
            return None
        at_ns = (d.E if d.T is None else d.T) * MS_NS
        return (BookDelta(instrument, channel, at_ns, received_ns, "ws", d.b, d.a, d.U, d.u, d.pu),)

    return read


def book_top(instrument: str, channel: str, native: str) -> Handler:
    """USD-M's `<symbol>@depth<levels>...`: the whole top, in the shape of a change."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event] | None:
        d = _depth(frame).data
        if d.s != native:
            return None
        at_ns = (d.E if d.T is None else d.T) * MS_NS
        return (BookSnapshot(instrument, channel, at_ns, received_ns, "ws", d.b, d.a, None, d.u),)

    return read


def partial_book(instrument: str, channel: str, native: str) -> Handler:  # noqa: ARG001  # the payload has no symbol
    """Spot's `<symbol>@depth<levels>...`: the whole top, with neither symbol nor time inside."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event] | None:
        d = _partial(frame).data
        at_ns = None if d.T is None else d.T * MS_NS
        return (BookSnapshot(instrument, channel, at_ns, received_ns, "ws", d.bids, d.asks, None, d.lastUpdateId),)

    return read


def bars(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@kline_<interval>`."""
    interval = channel.removeprefix("bars:")

    def read(frame: bytes, received_ns: int) -> Sequence[Event] | None:
        b = _kline(frame).data
        k = b.k
        if b.s != native or k.i != interval:
            return None
        if frame.find(_UNDERSCORE, frame.find(_BRACE, 1)) >= 0:  # the stream's name has one too
            plain_numbers(b'{"data":%b}' % bytes(_fields(frame).data["k"]), "ochlvqV")
        return (
            Bar(
                instrument, channel, b.E * MS_NS, received_ns, "ws", interval, k.t * MS_NS, k.o, k.h, k.l, k.c, k.v,
                k.q, k.n, k.V, k.f if k.f >= 0 else None, k.L if k.L >= 0 else None, k.x, "", 1 if k.x else 0,
            ),
        )  # fmt: skip

    return read


# ---- the slow ones: they find the instrument by what the payload says ----------------------------------------------


def ticker(id_of: Callable[[str], str]) -> Handler:
    """`<symbol>@ticker` and `@miniTicker`, alone and in arrays."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        t = _ticker(frame).data
        return (
            Ticker(
                id_of(t.s), "ticker", t.E * MS_NS, received_ns, "ws", number(t.c), number(t.o), number(t.h),
                number(t.l), number(t.v), number(t.q), number(t.b), number(t.a),
            ),
        )  # fmt: skip

    return read


def mark(id_of: Callable[[str], str]) -> Handler:
    """`<symbol>@markPrice...`: mark price, index price and funding, each its own event."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        m = _mark(frame).data
        instrument, at_ns = id_of(m.s), m.E * MS_NS
        events: list[Event] = []
        if (price := number(m.p)) is not None:
            events.append(Mark(instrument, "mark", at_ns, received_ns, "ws", price))
        if (price := number(m.i)) is not None:
            events.append(Index(instrument, "index", at_ns, received_ns, "ws", price))
        if (rate := number(m.r)) is not None:
            next_at_ns = m.T * MS_NS if m.T else None
            events.append(Funding(instrument, "funding", at_ns, received_ns, "ws", rate, None, next_at_ns))
        if not events:
            raise BadData(f"{m.s}: a mark price message without any price: {frame[:200]!r}", kind="schema")
        return events

    return read


def liquidations(id_of: Callable[[str], str]) -> Handler:
    """`<symbol>@forceOrder`, at what the order was filled at; at its limit where nothing was yet."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        o = _force(frame).data.o
        side, price, size = _SIDES.get(o.S), number(o.ap) or number(o.p), number(o.q)
        if side is None or price is None or size is None:
            raise BadData(f"{o.s}: a forced order needs side, price and size: {frame[:200]!r}")
        return (Liquidation(id_of(o.s), "liquidations", o.T * MS_NS, received_ns, "ws", side, price, size),)

    return read


def status(id_of: Callable[[str], str]) -> Handler:
    """`!contractInfo`. A word of no known meaning counts as halted; any but the usual one is kept as text."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        c = _contract(frame).data
        word = STATUS.get(c.cs, "halted")
        text = "" if c.cs == USDM_WORDS[word] else c.cs
        return (Status(id_of(c.s), "status", c.E * MS_NS, received_ns, "ws", word, text),)

    return read


def open_interest(id_of: Callable[[str], str]) -> Handler:
    """A REST answer, as recordings by Tardis hold it among frames."""

    def read(frame: bytes, received_ns: int) -> Sequence[Event]:
        o = _interest(frame).data
        at_ns, size = None if o.time is None else o.time * MS_NS, number(o.openInterest)
        if size is None:
            raise BadData(f"{o.symbol}: open interest without a number: {frame[:200]!r}")
        return (OpenInterest(id_of(o.symbol), "open_interest", at_ns, received_ns, "ws", size),)

    return read


BOUND: Mapping[str, Bound] = {
    "trades": trades, "aggtrades": aggtrades, "quotes": quotes, "book": book, "bars": bars,
}  # fmt: skip
"""By kind of channel. A top of book is read by `Dialect.top`."""

LOOSE: Mapping[str, Loose] = {
    "ticker": ticker, "mark": mark, "index": mark, "funding": mark, "liquidations": liquidations, "status": status,
    "open_interest": open_interest,
}  # fmt: skip
