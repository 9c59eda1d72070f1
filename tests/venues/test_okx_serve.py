"""OKX's own side: what it sends reads back as what was meant, in events, answers and requests."""

import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tapeline.errors import BadData, RateLimited, Refused, Retry, UnknownInstrument
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Event,
    Funding,
    Gap,
    Index,
    Liquidation,
    Mark,
    Notice,
    OpenInterest,
    Quote,
    Status,
    Ticker,
    Trade,
)
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.okx import OKX
from tapeline.venues.okx.serve import SERVER
from tapeline.venues.spec import Ack, Ask, Closing, Refusal, ServerTime, Subscribe

AT_NS, RECEIVED_NS = 1_723_161_255_342_000_000, 1_723_161_255_350_000_000
SWAP = Instrument(
    venue="okx", symbol="BTC/USDT:USDT", native="BTC-USDT-SWAP", kind="perpetual", base="BTC", quote="USDT",
    settle="USDT", tick=Decimal("0.1"), lot=Decimal(1), min_size=Decimal(1), size_unit="contract",
    contract_size=Decimal("0.01"),
)  # fmt: skip
SPOT = Instrument(venue="okx", symbol="BTC/USDT", native="BTC-USDT", kind="spot", base="BTC", quote="USDT")
LISTED = {each.native: each for each in (SWAP, SPOT)}
N = Decimal


def at(channel: str, instrument: Instrument = SWAP) -> tuple[str, str, int, int, str]:
    return instrument.id, channel, AT_NS, RECEIVED_NS, "ws"


def bar(**changes: Any) -> Bar:
    made = Bar(
        SWAP.id, "bars:1h", None, RECEIVED_NS, "ws", "1h", AT_NS, N("100.5"), N(102), N(99), N(101), N(10), N("1E+3"),
        None, None, None, None, closed=True, revision=1,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


BIDS, ASKS = [("100.5", "2"), ("100.4", "0")], [("100.6", "1")]
EVENTS: list[Event] = [
    Trade(*at("trades"), "4711", 4711, "sell", N("1E-7"), N("0.25"), 4709, 4711),
    Quote(*at("quotes"), N("100.5"), N(2), N("100.6"), N(1), 77),
    Quote(*at("quotes"), None, None, N("100.6"), N(1), None),
    Quote(*at("quotes"), N("100.5"), N(2), None, None, 78),
    Ticker(*at("ticker"), N("100.5"), N(99), N(101), N(98), N(5000), None, N("100.5"), N("100.6")),
    Ticker(*at("ticker", SPOT), N("100.5"), None, N(101), None, N(5000), N(500000), None, N("100.6")),
    bar(),
    bar(closed=False, revision=0, quote_volume=None),
    BookSnapshot(*at("book"), BIDS, ASKS, None, 200, None, -5),
    BookSnapshot(*at("book:5"), BIDS, ASKS, None, 200),
    BookSnapshot(*at("book:5"), BIDS, [], None, None),
    BookDelta(*at("book"), BIDS, ASKS, None, 200, 198),
    BookDelta(*at("book"), [], [], None, 200, 200),
    BookDelta(*at("book"), BIDS, ASKS, None, None, None, 7),
    Mark(*at("mark"), N("100.55")),
    Funding(*at("funding"), N("-0.0001"), 28_800, AT_NS + 3_600_000_000_000),
    Funding(*at("funding"), N("0.0001"), None, None),
    OpenInterest(*at("open_interest"), N(12345)),
    Liquidation(*at("liquidations"), "sell", N("100.1"), N(3)),
    Liquidation(*at("liquidations"), "buy", N("100.1"), N(3)),
    Status(SWAP.id, "status", None, RECEIVED_NS, "ws", "trading"),
    Status(SWAP.id, "status", None, RECEIVED_NS, "ws", "halted", "test"),
    Notice(None, "notice", AT_NS, RECEIVED_NS, "ws", "okx", "ongoing", "Spot upgrade"),
    Notice(None, "notice", None, RECEIVED_NS, "ws", "okx", "64009", "Something else."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_what_the_venue_sends_reads_back_as_the_event(event: Event) -> None:
    native = "BTC-USDT" if event.instrument == SPOT.id else "BTC-USDT-SWAP"
    assert list(OKX.decoder("okx", LISTED)(SERVER.encode(event, native), RECEIVED_NS)) == [event]


def test_an_index_reads_back_for_all_that_follow_it() -> None:
    event = Index(*at("index"), N("100.52"))
    frame = SERVER.encode(event, "BTC-USDT-SWAP")
    assert SERVER.topic_of(frame) == Topic("index", "BTC-USDT")
    assert list(OKX.decoder("okx", LISTED)(frame, RECEIVED_NS)) == [
        msgspec.structs.replace(event, instrument=SPOT.id), event,
    ]  # fmt: skip


def test_a_frame_looks_as_the_venues_own_does() -> None:
    assert SERVER.encode(EVENTS[0], "BTC-USDT-SWAP") == (
        b'{"arg":{"channel":"trades","instId":"BTC-USDT-SWAP"},"data":[{"instId":"BTC-USDT-SWAP","tradeId":"4711",'
        b'"px":"0.0000001","sz":"0.25","side":"sell","ts":"1723161255342","count":"3"}]}'
    )
    unnumbered = Trade(*at("trades"), "4711", 4711, "sell", N(1), N(1))
    assert b"count" not in SERVER.encode(unnumbered, "BTC-USDT-SWAP")


def test_what_the_venue_never_sends_is_refused() -> None:
    with pytest.raises(BadData, match="sends no Gap"):
        SERVER.encode(Gap(*at("trades"), None, None, None, None, "silence"), "BTC-USDT")


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        (EVENTS[0], Topic("trades", "BTC-USDT-SWAP")), (EVENTS[6], Topic("bars:1h", "BTC-USDT-SWAP")),
        (EVENTS[8], Topic("book", "BTC-USDT-SWAP")), (EVENTS[9], Topic("book:5", "BTC-USDT-SWAP")),
        (EVENTS[18], Topic("liquidations", "SWAP")), (EVENTS[20], Topic("status", "SWAP")),
        (EVENTS[22], Topic("status", "")),
    ],
    ids=str,
)  # fmt: skip
def test_the_topic_of_a_frame_is_what_a_request_for_it_reads_as(event: Event, topic: Topic) -> None:
    frame = SERVER.encode(event, "BTC-USDT-SWAP")
    assert SERVER.topic_of(frame) == SERVER.topic_of(b" " + frame) == topic
    asked = SERVER.read_request(OKX.requests(Subscribe((topic,), 1))[0])
    assert isinstance(asked, Subscribe)
    assert asked.topics[0] == topic
    assert set(asked.topics[1:]) <= {Topic("status", "")}  # which comes along with the status of instruments


def test_other_frames_have_no_topic() -> None:
    for frame in (
        b"pong", b"", b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"}}', b"{}", b'{"arg":{',
        b'{"arg":{"channel":"candle1D","instId":"BTC-USDT"},"data":[]}',
        b'{"arg":{"channel":"orders","instType":"ANY"},"data":[]}',
    ):  # fmt: skip
        assert SERVER.topic_of(frame) is None


def test_a_frame_under_another_name_is_otherwise_the_same() -> None:
    frame = SERVER.encode(EVENTS[11], "BTC-USDT-SWAP")
    renamed = SERVER.rename(frame, Topic("book", "ETH-USDT"))
    assert renamed == frame.replace(b"BTC-USDT-SWAP", b"ETH-USDT")
    assert SERVER.topic_of(renamed) == Topic("book", "ETH-USDT")
    for bad in (b"pong", b"{}"):
        with pytest.raises(BadData, match="cannot rename"):
            SERVER.rename(bad, Topic("book", "ETH-USDT"))


def test_each_arg_is_confirmed_and_read_as_such() -> None:
    topics = (Topic("trades", "BTC-USDT"), Topic("book", "BTC-USDT"))
    decode = OKX.decoder("okx", LISTED)
    answers = [item for frame in SERVER.acknowledge(Subscribe(topics, 5)) for item in decode(frame, 1)]
    assert answers == [Ack(5, topic) for topic in topics]
    (frame,) = SERVER.acknowledge(Subscribe(topics[:1], 0))
    assert frame == b'{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"a4d3ae55"}'
    (frame,) = SERVER.acknowledge(Subscribe(topics[:1], 6, on=False))
    assert list(decode(frame, 1)) == [Ack(6)]


def test_refusals_and_the_notice_of_closing_are_read_as_such() -> None:
    decode = OKX.decoder("okx", LISTED)
    assert SERVER.no_such is not None
    assert SERVER.closing is not None
    assert list(decode(SERVER.refuse(5, *SERVER.no_such), 1)) == [Refusal("60018", SERVER.no_such[1], 5)]
    assert list(decode(SERVER.refuse(None, "1", "no"), 1)) == [Refusal("1", "no")]
    closing, notice = decode(SERVER.closing, 1)
    assert isinstance(closing, Closing)
    assert isinstance(notice, Notice)
    assert notice.code == "64008"


# ---- REST -------------------------------------------------------------------------------------------------------


def depth(bids: Sequence[tuple[str, str]], last: int | None) -> BookSnapshot:
    return BookSnapshot(SWAP.id, "book", AT_NS, RECEIVED_NS, "rest", bids, ASKS, None, last)


def rest(event: Event) -> Any:
    return msgspec.structs.replace(event, source="rest")


@pytest.mark.parametrize(
    ("ask", "items"),
    [
        (Ask("instruments", part="SWAP"), [SWAP]),
        (Ask("time"), [ServerTime(AT_NS)]),
        (Ask("depth", "BTC-USDT-SWAP", limit=1), [depth(BIDS[:1], 200)]),
        (Ask("depth", "BTC-USDT-SWAP", limit=2), [depth(BIDS, None)]),
        (Ask("bars", "BTC-USDT-SWAP", "1h", limit=2), [rest(bar(open_at_ns=AT_NS - 3_600_000_000_000)), rest(bar())]),
        (Ask("bars", "BTC-USDT-SWAP", "1h", from_ns=AT_NS, to_ns=AT_NS + 1_000_000, limit=2), [rest(bar())]),
        (Ask("trades", "BTC-USDT-SWAP", limit=2), [rest(EVENTS[0])]),
        (Ask("trades", "BTC-USDT-SWAP", from_id=4711, limit=2), [rest(EVENTS[0])]),
        (Ask("trades", "BTC-USDT-SWAP", to_ns=AT_NS + 1_000_000, limit=2), [rest(EVENTS[0])]),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, Ask) else "",
)  # fmt: skip
def test_an_answer_reads_back_as_what_was_asked_for(ask: Ask, items: Sequence[Any]) -> None:
    call = OKX.rest[ask.call]
    request = call.build(ask)
    assert SERVER.read_rest(request.path, dict(request.query)) == ask
    ids = {SWAP.native: SWAP.id}
    assert list(call.parse(SERVER.answer_rest(ask, items), ask, ids, RECEIVED_NS)) == items


def test_a_deeper_book_is_cut_to_what_was_asked() -> None:
    whole = BookSnapshot(SWAP.id, "book", AT_NS, RECEIVED_NS, "rest", BIDS, ASKS, None, 200)
    answer = json.loads(SERVER.answer_rest(Ask("depth", "BTC-USDT-SWAP", limit=1), [whole]))
    assert answer["data"] == [
        {"asks": [["100.6", "1", "0", "1"]], "bids": [["100.5", "2", "0", "1"]], "ts": "1723161255342", "seqId": 200}
    ]


def test_requests_as_other_clients_write_them() -> None:
    assert SERVER.read_rest("/api/v5/market/trades", {"instId": "A-B"}) == Ask("trades", "A-B")
    assert SERVER.read_rest("/api/v5/market/history-trades", {"instId": "A-B", "before": "6"}) == Ask(
        "trades", "A-B", from_id=7
    )
    assert SERVER.read_rest("/api/v5/market/books", {"instId": "A-B"}) == Ask("depth", "A-B", limit=1)
    assert SERVER.read_rest("/api/v5/market/candles", {"instId": "A-B"}) == Ask("bars", "A-B", "1m")
    for path, query in (
        ("/api/v5/account/balance", {}), ("/api/v5/market/candles", {"instId": "A-B", "bar": "1D"}),
        ("/api/v5/market/books", {"instId": "A-B", "sz": "many"}), ("/api/v5/market/books", {}),
    ):  # fmt: skip
        assert SERVER.read_rest(path, query) is None


@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimited), (503, Retry), (404, UnknownInstrument), (400, Refused)]
)
def test_an_error_body_means_what_its_status_says(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="the words"):
        OKX.rest["time"].parse(SERVER.rest_error(status, "the words"), Ask("time"), {}, 1)


# ---- the recording ----------------------------------------------------------------------------------------------


def test_every_recorded_frame_comes_out_of_the_servers_side_again(shared: Path) -> None:
    decode, again = OKX.decoder("okx", LISTED), OKX.decoder("okx", LISTED)
    seen = set()
    with gzip.open(shared / "captures" / "okx_v5_cryptofeed_20220513.ws.jsonl.gz", "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            raw = row["raw"].encode()
            if row["dir"] == "out":
                asked = SERVER.read_request(raw)
                assert isinstance(asked, Subscribe)
                assert json.loads(OKX.requests(asked)[0])["args"] == json.loads(raw)["args"]
            topic = SERVER.topic_of(raw)
            if row["dir"] != "in" or topic is None:
                continue
            events: Any = decode(raw, RECEIVED_NS)
            sent = [item for event in events for item in again(SERVER.encode(event, topic.native), RECEIVED_NS)]
            assert sent == list(events)
            seen.add(topic.channel)
    assert seen == {"trades", "ticker", "book"}
