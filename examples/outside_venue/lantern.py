"""Lantern, a made-up exchange, as a venue: everything that Tapeline has to be told to stream, repair and simulate it.

Read it from the bottom: `LANTERN` is the value, and what stands above it are its parts. A real venue has its
documentation's URL and a real payload above each wire struct.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tapeline.errors import BadData
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Event, Quote, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import interval
from tapeline.model.topic import Topic
from tapeline.model.verdict import APPLY, GAP, STALE, Verdict
from tapeline.venues.spec import (
    Ack,
    Allowance,
    Answer,
    Ask,
    Control,
    Decode,
    Feed,
    Heartbeat,
    Limits,
    Pong,
    Refusal,
    Request,
    RestCall,
    Server,
    ServerTime,
    Subscribe,
    Venue,
)  # fmt: skip

# ---- 1. wire structs: one for each payload, and REST rows are the same ------------------------------------------


# {"what":"trade","pair":"BTC-USDT","id":4711,"side":"sell","price":"100.5","size":"0.25","ms":1723161255342}
class WireTrade(msgspec.Struct, tag="trade", tag_field="what"):
    """One trade."""

    pair: str
    id: int
    side: str
    price: Decimal
    size: Decimal
    ms: int


# {"what":"quote","pair":"BTC-USDT","n":77,"bid":["100.5","2"],"ask":["100.6","1"],"ms":1723161255342}
class WireQuote(msgspec.Struct, tag="quote", tag_field="what"):
    """Best bid and offer, each a price and a size."""

    pair: str
    n: int
    bid: tuple[Decimal, Decimal]
    ask: tuple[Decimal, Decimal]
    ms: int


# {"what":"bar","pair":"BTC-USDT","of":"1m","open_ms":1723161240000,"o":"100","h":"102","l":"99","c":"101",
# "v":"10","trades":7,"closed":true,"ms":1723161255342}
class WireBar(msgspec.Struct, tag="bar", tag_field="what"):
    """A bar, told every second until it is closed."""

    pair: str
    of: str
    open_ms: int
    o: Decimal
    h: Decimal
    l: Decimal
    c: Decimal
    v: Decimal
    trades: int
    closed: bool
    ms: int


# {"what":"book","pair":"BTC-USDT","from":199,"to":200,"bids":[["100.5","2"]],"asks":[],"ms":1723161255342}
class WireBook(msgspec.Struct, tag="book", tag_field="what"):
    """What changed in a book; what REST tells is the whole one, and has no `from`."""

    pair: str
    to: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    ms: int
    first: int | None = msgspec.field(default=None, name="from")


# {"what":"answer","id":7,"error":null}
class WireAnswer(msgspec.Struct, tag="answer", tag_field="what"):
    """The answer to a request; an error is in words."""

    id: int | None = None
    error: str | None = None


# {"what":"pong"}
class WirePong(msgspec.Struct, tag="pong", tag_field="what"):
    """The answer to a ping."""


# {"do":"subscribe","id":7,"streams":["trades/BTC-USDT","bars:1m/BTC-USDT"]}
class WireRequest(msgspec.Struct):
    """What we send."""

    do: str
    id: int = 0
    streams: list[str] = []


Wire = WireTrade | WireQuote | WireBar | WireBook | WireAnswer | WirePong
_FRAME = msgspec.json.Decoder(Wire)
_ROWS = msgspec.json.Decoder(list[WireTrade | WireQuote | WireBar | WireBook])
_PAIRS = msgspec.json.Decoder(list[Instrument])
_REQUEST = msgspec.json.Decoder(WireRequest)
MS = 1_000_000

# ---- 2. the decoder: bytes in, events out; it raises BadData and nothing else, and reads no clock -----------------


def event_of(wire: Any, who: str, received_ns: int, source: str) -> Event:
    """A row of the stream or of REST as the event it is."""
    at_ns = wire.ms * MS
    match wire:
        case WireTrade():
            return Trade(
                who, "trades", at_ns, received_ns, source, str(wire.id), wire.id, wire.side, wire.price, wire.size,
                wire.id, wire.id,
            )  # fmt: skip
        case WireQuote():
            return Quote(who, "quotes", at_ns, received_ns, source, *wire.bid, *wire.ask, wire.n)
        case WireBar():
            return Bar(
                who, f"bars:{wire.of}", at_ns, received_ns, source, wire.of, wire.open_ms * MS, wire.o, wire.h, wire.l,
                wire.c, wire.v, None, wire.trades, None, None, None, closed=wire.closed, revision=int(wire.closed),
            )  # fmt: skip
        case WireBook(first=None):
            return BookSnapshot(who, "book", at_ns, received_ns, source, wire.bids, wire.asks, last_seq=wire.to)
        case _:
            return BookDelta(who, "book", at_ns, received_ns, source, wire.bids, wire.asks, wire.first, wire.to)


def decoder(venue: str, instruments: Mapping[str, Instrument]) -> Decode:
    """One for each connection. An instrument on no list is called by the venue's own name."""

    def decode(frame: bytes, received_ns: int) -> Sequence[Event | Control]:
        try:
            wire = _FRAME.decode(frame)
        except (msgspec.MsgspecError, ValueError) as error:
            raise BadData(f"{venue}: {error}", kind="bad_json") from error
        if isinstance(wire, WirePong):
            return (Pong(),)
        if isinstance(wire, WireAnswer):
            return (Ack(wire.id),) if wire.error is None else (Refusal("", wire.error, wire.id),)
        known = instruments.get(wire.pair)
        return (event_of(wire, known.id if known else f"{venue}:{wire.pair}", received_ns, "ws"),)

    return decode


# ---- 3. feeds -----------------------------------------------------------------------------------------------------


def judge(at: int | None, delta: BookDelta) -> Verdict:
    """The venue's documentation: "each book message says which updates it holds, from and to, none is left out"."""
    if at is None or delta.first_seq is None or delta.last_seq is None:
        return APPLY
    if delta.last_seq <= at:
        return STALE
    return APPLY if delta.first_seq <= at + 1 else GAP


_FEEDS = (
    Feed(
        channel="trades", wire_name="trades", endpoint="public", continuity="seq", evidence="ids", repair="trades"
    ),
    Feed(channel="quotes", wire_name="quotes", endpoint="public"),
    Feed(channel="book", wire_name="book", endpoint="public", judge=judge, snapshot="rest"),
    Feed(
        channel="bars", wire_name="bars", endpoint="public", intervals=("1m", "15m", "1h", "1d"), evidence="bars",
        repair="bars",
    ),
)  # fmt: skip

# ---- 4. requests and REST -------------------------------------------------------------------------------------------


def requests(asked: Subscribe) -> Sequence[bytes]:
    """One frame for all topics."""
    streams = [f"{topic.channel}/{topic.native}" for topic in asked.topics]
    do = "subscribe" if asked.on else "unsubscribe"
    return [msgspec.json.encode(WireRequest(do, asked.request_id, streams))]


def build(ask: Ask) -> Request:
    """GET /trades?pair=BTC-USDT&from_id=4711&limit=1000, and so on; times are milliseconds, ends excluded."""
    query = {
        "pair": ask.native, "of": ask.interval, "from_ms": _up(ask.from_ns), "to_ms": _up(ask.to_ns),
        "from_id": ask.from_id, "limit": ask.limit,
    }  # fmt: skip
    return Request("GET", f"/{ask.call}", tuple((name, str(v)) for name, v in query.items() if v not in (None, "")))


def _up(at_ns: int | None) -> int | None:
    return None if at_ns is None else -(-at_ns // MS)


def parse(body: bytes, ask: Ask, ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
    """The answer to `build(ask)`: the same events, oldest first."""
    try:
        if ask.call == "time":
            return [ServerTime(msgspec.json.decode(body, type=int) * MS)]
        if ask.call == "instruments":
            return _PAIRS.decode(body)
        rows = _ROWS.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadData(f"lantern {ask.call}: {error}", kind="bad_json") from error
    return [event_of(row, ids.get(row.pair, f"lantern:{row.pair}"), received_ns, "rest") for row in rows]


# ---- 5. the server half: the inverse, from which the simulator and the contract test follow -----------------------


def _trade(event: Trade, pair: str) -> WireTrade:
    return WireTrade(pair, int(event.id), event.side, event.price, event.size, (event.at_ns or 0) // MS)


def _quote(event: Quote, pair: str) -> WireQuote:
    assert event.bid is not None and event.ask is not None and event.update_id is not None  # noqa: PT018  # ours has
    assert event.bid_size is not None and event.ask_size is not None  # noqa: PT018
    bid, ask = (event.bid, event.bid_size), (event.ask, event.ask_size)
    return WireQuote(pair, event.update_id, bid, ask, (event.at_ns or 0) // MS)


def _bar(event: Bar, pair: str) -> WireBar:
    return WireBar(
        pair, event.interval, event.open_at_ns // MS, event.open, event.high, event.low, event.close, event.volume,
        event.trades or 0, event.closed, (event.at_ns or 0) // MS,
    )  # fmt: skip


def _book(event: BookSnapshot | BookDelta, pair: str) -> WireBook:
    bids, asks = ([(level[0], level[1]) for level in side] for side in (event.bids, event.asks))
    first = event.first_seq if isinstance(event, BookDelta) else None
    return WireBook(pair, event.last_seq or 0, bids, asks, (event.at_ns or 0) // MS, first)


_TO_WIRE: Mapping[type, Callable[[Any, str], Any]] = {
    Trade: _trade, Quote: _quote, Bar: _bar, BookSnapshot: _book, BookDelta: _book,
}  # fmt: skip


def encode(event: Event, native: str) -> bytes:
    """A market event as the venue's own frame."""
    return msgspec.json.encode(_TO_WIRE[type(event)](event, native))


def topic_of(frame: bytes) -> Topic | None:
    """Of which topic a market frame is; None for anything else, unreadable frames among it."""
    try:
        wire = _FRAME.decode(frame)
    except (msgspec.MsgspecError, ValueError):
        return None
    if isinstance(wire, WireAnswer | WirePong):
        return None
    channel = {"trade": "trades", "quote": "quotes", "book": "book"}.get(wire.__struct_config__.tag or "")
    return Topic(channel or f"bars:{wire.of}", wire.pair)


def read_request(frame: bytes) -> Subscribe:
    """What a client asks for. Raises BadData on what the venue would refuse."""
    try:
        asked = _REQUEST.decode(frame)
        topics = tuple(Topic(*stream.split("/")) for stream in asked.streams)
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise BadData(str(error), kind="bad_json") from error
    return Subscribe(topics, asked.id, asked.do == "subscribe")


def read_rest(path: str, query: Mapping[str, str]) -> Ask | None:
    """The inverse of `build`; None: there is no such path."""
    if path[1:] not in REST:
        return None
    number = {name: int(query[name]) for name in ("from_ms", "to_ms", "from_id", "limit") if name in query}
    from_ns, to_ns = (number[name] * MS if name in number else None for name in ("from_ms", "to_ms"))
    of = query.get("of", "")
    if of:
        interval(of)
    return Ask(path[1:], query.get("pair", ""), of, from_ns, to_ns, number.get("from_id"), number.get("limit"))


def answer_rest(ask: Ask, answers: Sequence[Answer]) -> bytes:
    """The inverse of `parse`."""
    if ask.call == "time":
        return str(getattr(answers[0], "at_ns", 0) // MS).encode()
    if ask.call == "instruments":
        return msgspec.json.encode(answers)
    return msgspec.json.encode([_TO_WIRE[type(row)](row, ask.native) for row in answers])


def _pair(base: str, tick: str) -> Instrument:
    return Instrument(
        venue="lantern", symbol=f"{base}/USDT", native=f"{base}-USDT", kind="spot", base=base, quote="USDT",
        tick=Decimal(tick), lot=Decimal("0.0001"),
    )  # fmt: skip


# ---- 6. the value --------------------------------------------------------------------------------------------------

REST = {
    "time": RestCall(build=build, parse=parse),
    "instruments": RestCall(build=build, parse=parse),
    "depth": RestCall(build=build, parse=parse),
    "bars": RestCall(build=build, parse=parse, page=1000, walk="bars"),
    "trades": RestCall(build=build, parse=parse, page=1000, walk="time"),
}

LANTERN = Venue(
    name="lantern",
    urls={"public": "wss://stream.lantern.example/v1", "rest": "https://api.lantern.example"},
    feeds={feed.channel: feed for feed in _FEEDS},
    heartbeat=Heartbeat(every_s=20, silence_s=60),
    limits=Limits(
        topics_per_connection=100, topics_per_request=20, messages_per_s=5, connections_per_window=60, window_s=60,
        rest=(Allowance(weight=600, window_s=60),),
    ),
    decoder=decoder,
    requests=requests,
    rest=REST,
    server=Server(
        read_request=read_request,
        acknowledge=lambda asked: [msgspec.json.encode(WireAnswer(asked.request_id))],
        refuse=lambda number, _code, text: msgspec.json.encode(WireAnswer(number, text)),
        pong=None,
        topic_of=topic_of,
        rename=lambda frame, _topic: frame,
        encode=encode,
        read_rest=read_rest,
        answer_rest=answer_rest,
        rest_error=lambda status, text: msgspec.json.encode({"status": status, "text": text}),
        sample_instruments=(_pair("BTC", "0.01"), _pair("ETH", "0.01"), _pair("SOL", "0.01")),
    ),
)  # fmt: skip
