"""A tiny venue for the simulator's own tests: every event as tagged JSON, REST answers as lists of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec

from tapeline.errors import BadData
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Funding,
    Index,
    Mark,
    OpenInterest,
    Quote,
    Ticker,
    Trade,
)
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.model.verdict import Verdict
from tapeline.venues.spec import (
    Ack,
    Allowance,
    Answer,
    Ask,
    Control,
    Feed,
    Heartbeat,
    Limits,
    Other,
    Ping,
    Pong,
    Refusal,
    Request,
    RestCall,
    Server,
    ServerTime,
    Subscribe,
    Venue,
)  # fmt: skip

START_NS = 1_700_000_000_000_000_000
AnyEvent = Trade | Quote | Ticker | Bar | BookSnapshot | BookDelta | Mark | Index | Funding | OpenInterest
_EVENT = msgspec.json.Decoder(AnyEvent)
_CALLS = ("time", "instruments", "depth", "bars", "trades", "aggtrades")


class _Message(msgspec.Struct):
    op: str
    id: int | None = None
    topics: list[tuple[str, str]] = []
    code: str = ""
    text: str = ""


_MESSAGE = msgspec.json.Decoder(_Message)


def frame(event: Event, native: str) -> bytes:
    return event.channel.encode() + b" " + native.encode() + b" " + msgspec.json.encode(event)


def topic_of(raw: bytes) -> Topic | None:
    if raw[:1] in b"{p":
        return None
    name, native, _ = raw.split(b" ", 2)
    return Topic(name.decode(), native.decode())


def decode_market(raw: bytes, received_ns: int) -> Sequence[Event | Control]:
    if raw == b"pong":
        return (Pong(),)
    try:
        if raw[:1] == b"{":
            message = _MESSAGE.decode(raw)
            if message.op == "error":
                return (Refusal(message.code, message.text, message.id),)
            return (Ack(message.id),)
        name, _, body = raw.split(b" ", 2)
        return (msgspec.structs.replace(_EVENT.decode(body), channel=name.decode(), received_ns=received_ns),)
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadData(str(error), kind="bad_json") from error


def read_request(raw: bytes) -> Subscribe | Ping | Other:
    if raw == b"ping":
        return Ping()
    if raw == b"list":
        return Other((b'{"op":"listed"}',))
    try:
        message = _MESSAGE.decode(raw)
    except msgspec.MsgspecError as error:
        raise BadData(str(error), kind="bad_json") from error
    return Subscribe(tuple(Topic(*topic) for topic in message.topics), message.id or 0, message.op == "subscribe")


def requests(request: Subscribe) -> Sequence[bytes]:
    topics = [(topic.channel, topic.native) for topic in request.topics]
    return [msgspec.json.encode(_Message("subscribe" if request.on else "unsubscribe", request.request_id, topics))]


def judge(state: int | None, delta: BookDelta) -> Verdict:
    assert delta.last_seq is not None
    assert delta.first_seq is not None
    if state is None or delta.first_seq <= state + 1 <= delta.last_seq:
        return Verdict.APPLY
    return Verdict.STALE if delta.last_seq <= state else Verdict.GAP


def build(ask: Ask) -> Request:
    query = {name: str(value) for name, value in msgspec.structs.asdict(ask).items() if value not in (None, "")}
    return Request("GET", "/" + query.pop("call"), tuple(query.items()))


def read_rest(path: str, query: Mapping[str, str]) -> Ask | None:
    if path[1:] not in _CALLS:
        return None
    try:
        return msgspec.convert({"call": path[1:], **query}, Ask, strict=False)
    except msgspec.ValidationError as error:
        raise BadData(str(error)) from error


def answer_rest(ask: Ask, answers: Sequence[Answer]) -> bytes:
    del ask
    return msgspec.json.encode(answers)


def parse(body: bytes, ask: Ask, ids: Mapping[str, str], received_ns: int) -> Sequence[Answer]:
    del ids, received_ns
    kind = {"instruments": Instrument, "time": ServerTime}.get(ask.call, AnyEvent)
    try:
        return msgspec.json.decode(body, type=list[kind])  # type: ignore[valid-type]  # a table of types
    except msgspec.MsgspecError as error:
        raise BadData(str(error), kind="bad_json") from error


AB = Instrument(
    venue="toy", symbol="A/B", native="AB", kind="spot", base="A", quote="B", tick=Decimal("0.01"), lot=Decimal("0.001")
)
PERP = Instrument(
    venue="toy", symbol="BTC/USDT:USDT", native="BTC-PERP", kind="perpetual", base="BTC", quote="USDT", settle="USDT",
    tick=Decimal("0.1"), lot=Decimal(1), size_unit="contract", contract_size=Decimal("0.01"),
)  # fmt: skip
BOOK = Feed(
    channel="book", wire_name="book", endpoint="public", judge=judge, snapshot="rest", speeds=("100ms", "1000ms")
)

SERVER = Server(
    read_request=read_request,
    acknowledge=lambda request: [msgspec.json.encode(_Message("ok", request.request_id))],
    refuse=lambda number, code, text: msgspec.json.encode(_Message("error", number, code=code, text=text)),
    pong=b"pong",
    topic_of=topic_of,
    rename=lambda raw, topic: topic.channel.encode() + raw[raw.index(b" ") :],
    encode=frame,
    read_rest=read_rest,
    answer_rest=answer_rest,
    rest_error=lambda status, text: msgspec.json.encode({"status": status, "text": text}),
    url_topics=lambda path: tuple(Topic("trades", name) for name in path.partition("?")[2].split("/") if name),
    closing=b'{"op":"closing"}',
    sample_instruments=(AB, PERP),
)
TOY = Venue(
    name="toy",
    urls={"public": "wss://toy.example/public", "market": "wss://toy.example/market", "rest": "https://toy.example"},
    feeds={
        "trades": Feed(channel="trades", wire_name="trades", endpoint="public", continuity="seq"),
        "aggtrades": Feed(channel="aggtrades", wire_name="agg", endpoint="public"),
        "quotes": Feed(channel="quotes", wire_name="quotes", endpoint="public"),
        "book": BOOK,
        "bars": Feed(channel="bars", wire_name="bars", endpoint="market", intervals=("1m",)),
        "ticker": Feed(channel="ticker", wire_name="ticker", endpoint="market"),
        "mark": Feed(channel="mark", wire_name="mark", endpoint="market"),
        "index": Feed(channel="index", wire_name="index", endpoint="market"),
        "funding": Feed(channel="funding", wire_name="funding", endpoint="market"),
        "open_interest": Feed(channel="open_interest", wire_name="oi", endpoint="market"),
    },
    heartbeat=Heartbeat(every_s=20, silence_s=60, ping=b"ping"),
    limits=Limits(
        topics_per_connection=20, topics_per_request=10, messages_per_s=4, connections_per_window=10, window_s=60,
        requests_per_hour=100, rest=(Allowance(weight=60, window_s=60),),
    ),
    decoder=lambda _name, _instruments: decode_market,
    requests=requests,
    rest={call: RestCall(build=build, parse=parse, page=1000) for call in _CALLS},
    server=SERVER,
)  # fmt: skip
REFUSING = replace(TOY, server=replace(SERVER, no_such=("60018", "no such channel")))
SNAPPY = replace(TOY, feeds={**TOY.feeds, "book": replace(BOOK, snapshot="stream")})


def trade(
    number: int, at_s: float, *, price: str = "10", size: str = "1", native: str = "AB", side: str = "buy"
) -> tuple[int, bytes]:
    at_ns = START_NS + round(at_s * 1e9)
    event = Trade(
        f"toy:{native}", "trades", at_ns, at_ns, "ws", str(number), number, side, Decimal(price), Decimal(size)
    )
    return at_ns, frame(event, native)


def delta(
    seq: int, at_s: float, bids: list[tuple[str, str]], asks: list[tuple[str, str]], native: str = "AB"
) -> tuple[int, bytes]:
    at_ns = START_NS + round(at_s * 1e9)
    return at_ns, frame(BookDelta(f"toy:{native}", "book", at_ns, at_ns, "ws", bids, asks, seq, seq, seq - 1), native)


def subscribe(*topics: str, number: int = 1, on: bool = True) -> bytes:
    """`subscribe("trades AB", "book AB")`."""
    return requests(Subscribe(tuple(Topic(*topic.split(" ")) for topic in topics), number, on))[0]


def snapshot(seq: int, at_s: float, bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> tuple[int, bytes]:
    at_ns = START_NS + round(at_s * 1e9)
    return at_ns, frame(BookSnapshot("toy:AB", "book", at_ns, at_ns, "ws", bids, asks, last_seq=seq), "AB")


def frame_is_good(raw: bytes) -> None:
    """Raises ValueError where no reader could make sense of the frame."""
    name, native, body = raw.split(b" ", 2)
    _ = name, native, msgspec.json.decode(body)
