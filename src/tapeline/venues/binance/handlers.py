"""One maker of handlers for each kind of stream: a payload and receive time in, events out.

A bound handler knows its instrument and channel, and gives None for a payload of another symbol or interval. What is
no payload of its kind raises ValueError, a number that is none ArithmeticError.
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
from tapeline.model.number import Recent, exact, number
from tapeline.venues.binance import wire
from tapeline.venues.binance.instruments import STATUS, USDM_WORDS

MS_NS = 1_000_000
_SIDES = {"BUY": "buy", "SELL": "sell"}

Handler = Callable[[bytes, int], Sequence[Event] | None]
Bound = Callable[[str, str, str], Handler]  # instrument id, channel, native symbol
Loose = Callable[[Callable[[str], str]], Handler]  # native symbol -> instrument id

_trade = msgspec.json.Decoder(wire.Trade).decode
_aggtrade = msgspec.json.Decoder(wire.AggTrade).decode
_quote = msgspec.json.Decoder(wire.BookTicker).decode
_depth = msgspec.json.Decoder(wire.Depth).decode
_partial = msgspec.json.Decoder(wire.PartialDepth).decode
_kline = msgspec.json.Decoder(wire.Kline).decode
_ticker = msgspec.json.Decoder(wire.Ticker).decode
_mark = msgspec.json.Decoder(wire.MarkPrice).decode
_force = msgspec.json.Decoder(wire.ForceOrder).decode
_contract = msgspec.json.Decoder(wire.ContractInfo).decode
_interest = msgspec.json.Decoder(wire.OpenInterest).decode


# ---- the fast streams ---------------------------------------------------------------------------------------------


def trades(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@trade`. A fill without size was not made in the market: it keeps its id, and counts for nothing."""
    price = Recent()

    def read(data: bytes, received_ns: int) -> Sequence[Event] | None:
        t = _trade(data)
        if t.s != native:
            return None
        return (
            Trade(
                instrument,
                channel,
                t.T * MS_NS,
                received_ns,
                "ws",
                str(t.t),
                t.t,
                "sell" if t.m else "buy",
                price[t.p],
                exact(t.q),
            ),
        )

    return read


def aggtrades(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@aggTrade`."""
    price = Recent()

    def read(data: bytes, received_ns: int) -> Sequence[Event] | None:
        t = _aggtrade(data)
        if t.s != native:
            return None
        identity = t.a
        return (
            Trade(
                instrument, channel, t.T * MS_NS, received_ns, "ws", "" if identity is None else str(identity),
                identity, "sell" if t.m else "buy", price[t.p], exact(t.q), t.f, t.l,
            ),
        )  # fmt: skip

    return read


def quotes(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@bookTicker`. A side without size is empty."""
    price = Recent()

    def read(data: bytes, received_ns: int) -> Sequence[Event] | None:
        q = _quote(data)
        if q.s != native:
            return None
        at_ns = None if q.T is None else q.T * MS_NS
        bid, bid_size, ask, ask_size = price[q.b], exact(q.B), price[q.a], exact(q.A)
        if bid_size and ask_size:
            return (Quote(instrument, channel, at_ns, received_ns, "ws", bid, bid_size, ask, ask_size, q.u),)
        return (
            Quote(
                instrument, channel, at_ns, received_ns, "ws", bid if bid_size else None, bid_size or None,
                ask if ask_size else None, ask_size or None, q.u,
            ),
        )  # fmt: skip

    return read


def book(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@depth...`: changes. At the engine's time where there is one, else when it was sent."""

    def read(data: bytes, received_ns: int) -> Sequence[Event] | None:
        d = _depth(data)
        if d.s != native:
            return None
        at_ns = (d.E if d.T is None else d.T) * MS_NS
        return (BookDelta(instrument, channel, at_ns, received_ns, "ws", d.b, d.a, d.U, d.u, d.pu),)

    return read


def book_top(instrument: str, channel: str, native: str) -> Handler:
    """USD-M's `<symbol>@depth<levels>...`: the whole top, in the shape of a change."""

    def read(data: bytes, received_ns: int) -> Sequence[Event] | None:
        d = _depth(data)
        if d.s != native:
            return None
        at_ns = (d.E if d.T is None else d.T) * MS_NS
        return (BookSnapshot(instrument, channel, at_ns, received_ns, "ws", d.b, d.a, None, d.u),)

    return read


def partial_book(instrument: str, channel: str, native: str) -> Handler:  # noqa: ARG001  # the payload has no symbol
    """Spot's `<symbol>@depth<levels>...`: the whole top, with neither symbol nor time inside."""

    def read(data: bytes, received_ns: int) -> Sequence[Event] | None:
        d = _partial(data)
        at_ns = None if d.T is None else d.T * MS_NS
        return (BookSnapshot(instrument, channel, at_ns, received_ns, "ws", d.bids, d.asks, None, d.lastUpdateId),)

    return read


def bars(instrument: str, channel: str, native: str) -> Handler:
    """`<symbol>@kline_<interval>`."""
    interval, price = channel.removeprefix("bars:"), Recent()

    def read(data: bytes, received_ns: int) -> Sequence[Event] | None:
        b = _kline(data)
        k = b.k
        if b.s != native or k.i != interval:
            return None
        return (
            Bar(
                instrument, channel, b.E * MS_NS, received_ns, "ws", interval, k.t * MS_NS, price[k.o], price[k.h],
                price[k.l], price[k.c], exact(k.v), exact(k.q), k.n, exact(k.V), k.f if k.f >= 0 else None,
                k.L if k.L >= 0 else None, k.x, "", 1 if k.x else 0,
            ),
        )  # fmt: skip

    return read


# ---- the slow ones: they find the instrument by what the payload says ----------------------------------------------


def ticker(id_of: Callable[[str], str]) -> Handler:
    """`<symbol>@ticker` and `@miniTicker`, alone and in arrays."""

    def read(data: bytes, received_ns: int) -> Sequence[Event]:
        t = _ticker(data)
        return (
            Ticker(
                id_of(t.s), "ticker", t.E * MS_NS, received_ns, "ws", number(t.c), number(t.o), number(t.h),
                number(t.l), number(t.v), number(t.q), number(t.b), number(t.a),
            ),
        )  # fmt: skip

    return read


def mark(id_of: Callable[[str], str]) -> Handler:
    """`<symbol>@markPrice...`: mark price, index price and funding, each its own event."""

    def read(data: bytes, received_ns: int) -> Sequence[Event]:
        m = _mark(data)
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
            raise BadData(f"{m.s}: a mark price message without any price: {data[:200]!r}", kind="schema")
        return events

    return read


def liquidations(id_of: Callable[[str], str]) -> Handler:
    """`<symbol>@forceOrder`, at what the order was filled at; at its limit where nothing was yet."""

    def read(data: bytes, received_ns: int) -> Sequence[Event]:
        o = _force(data).o
        side, price, size = _SIDES.get(o.S), number(o.ap) or number(o.p), number(o.q)
        if side is None or price is None or size is None:
            raise BadData(f"{o.s}: a forced order needs side, price and size: {data[:200]!r}")
        return (Liquidation(id_of(o.s), "liquidations", o.T * MS_NS, received_ns, "ws", side, price, size),)

    return read


def status(id_of: Callable[[str], str]) -> Handler:
    """`!contractInfo`. A word of no known meaning counts as halted; any but the usual one is kept as text."""

    def read(data: bytes, received_ns: int) -> Sequence[Event]:
        c = _contract(data)
        word = STATUS.get(c.cs, "halted")
        text = "" if c.cs == USDM_WORDS[word] else c.cs
        return (Status(id_of(c.s), "status", c.E * MS_NS, received_ns, "ws", word, text),)

    return read


def open_interest(id_of: Callable[[str], str]) -> Handler:
    """A REST answer, as recordings by Tardis hold it among frames."""

    def read(data: bytes, received_ns: int) -> Sequence[Event]:
        o = _interest(data)
        at_ns, size = None if o.time is None else o.time * MS_NS, number(o.openInterest)
        if size is None:
            raise BadData(f"{o.symbol}: open interest without a number: {data[:200]!r}")
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
