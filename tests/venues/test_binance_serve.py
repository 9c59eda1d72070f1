"""The venue's own side: the inverse of the client's."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from tapeline.errors import BadData, Broken
from tapeline.model.channel import channel
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
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.testing import check_venue
from tapeline.venues.binance import BINANCE, BINANCE_US, BINANCE_USDM
from tapeline.venues.spec import Answer, Ask, Other, Server, ServerTime, Subscribe, Venue

D = Decimal
MS = 1_000_000
AT, RECEIVED = 1_723_161_255_342 * MS, 1_723_161_255_400 * MS
LEVELS = ([("100.5", "2")], [("100.6", "1"), ("100.7", "3")])
SPOT_ID, USDM_ID = "binance:BTC/USDT", "binance-usdm:BTC/USDT:USDT"


def side(venue: Venue) -> Server:
    assert venue.server is not None
    return venue.server


def shared(instrument: str, name: str, at_ns: int | None = AT) -> tuple[str, str, int | None, int, str]:
    return instrument, name, at_ns, RECEIVED, "ws"


def bar(instrument: str, interval: str, open_at_ns: int, *, closed: bool, ids: int | None) -> Bar:
    return Bar(
        *shared(instrument, f"bars:{interval}"), interval, open_at_ns, D("100"), D("102"), D("99"), D("101"), D("10"),
        D("1005"), 7, D("4"), ids, ids, closed, "", int(closed),
    )  # fmt: skip


def both(instrument: str) -> list[Event]:
    return [
        Trade(*shared(instrument, "trades"), "4711", 4711, "sell", D("100.50"), D("0.25")),
        Trade(*shared(instrument, "aggtrades"), "815", 815, "buy", D("1E-7"), D("100"), 4710, 4711),
        BookDelta(*shared(instrument, "book@0ms"), *LEVELS, 190, 200, None if instrument == SPOT_ID else 180),
        bar(instrument, "1M", 1_722_470_400_000 * MS, closed=True, ids=5),
        bar(instrument, "1m", 1_723_161_240_000 * MS, closed=False, ids=None),
    ]


ROUND_TRIPS: Sequence[tuple[Venue, Event]] = [
    *((BINANCE, event) for event in both(SPOT_ID)),
    (BINANCE, Quote(*shared(SPOT_ID, "quotes", None), D("100.5"), D("2"), None, None, 77)),
    (BINANCE, BookSnapshot(*shared(SPOT_ID, "book:10@1000ms", None), *LEVELS, None, 200)),
    (BINANCE, Ticker(*shared(SPOT_ID, "ticker"), D("1"), D("2"), D("3"), D("0.5"), D("9"), None, D("1"), D("2"))),
    *((BINANCE_USDM, event) for event in both(USDM_ID)),
    (BINANCE_USDM, Quote(*shared(USDM_ID, "quotes"), D("100.5"), D("2"), D("100.6"), D("1"), 77)),
    (BINANCE_USDM, Quote(*shared(USDM_ID, "quotes", None), None, None, D("100.6"), D("1"), 77)),
    (BINANCE_USDM, BookSnapshot(*shared(USDM_ID, "book:5"), *LEVELS, None, 200)),
    (BINANCE_USDM, Ticker(*shared(USDM_ID, "ticker"), D("1"), D("2"), D("3"), D("0.5"), D("9"), D("10"))),
    (BINANCE_USDM, Mark(*shared(USDM_ID, "mark"), D("100.55"))),
    (BINANCE_USDM, Index(*shared(USDM_ID, "index"), D("100.52"))),
    (BINANCE_USDM, Funding(*shared(USDM_ID, "funding"), D("-0.0001"), None, AT + 3_600_000 * MS)),
    (BINANCE_USDM, Funding(*shared(USDM_ID, "funding"), D("0"), None, None)),
    (BINANCE_USDM, Liquidation(*shared(USDM_ID, "liquidations"), "sell", D("100.1"), D("3"))),
    (BINANCE_USDM, Status(*shared(USDM_ID, "status"), "delisted")),
    (BINANCE_USDM, Status(*shared(USDM_ID, "status"), "settling", "PRE_SETTLE")),
]


@pytest.mark.parametrize(("venue", "event"), ROUND_TRIPS, ids=lambda each: getattr(each, "channel", ""))
def test_what_is_sent_is_what_was_meant(venue: Venue, event: Event) -> None:
    listed = side(venue).sample_instruments[0]
    frame = side(venue).encode(event, "BTCUSDT")
    assert list(venue.decoder(venue.name, {"BTCUSDT": listed})(frame, RECEIVED)) == [event]
    topic = side(venue).topic_of(frame)
    assert topic is not None
    assert topic.native == ("" if event.channel == "status" else "BTCUSDT")
    assert topic.channel == {"index": "mark", "funding": "mark"}.get(event.channel, event.channel)


def test_what_has_no_stream_is_not_sent() -> None:
    with pytest.raises(Broken, match="OpenInterest"):
        side(BINANCE_USDM).encode(OpenInterest(*shared(USDM_ID, "open_interest"), D(1)), "BTCUSDT")


@pytest.mark.parametrize("venue", [BINANCE, BINANCE_US, BINANCE_USDM], ids=lambda venue: venue.name)
def test_the_contract_of_every_venue(venue: Venue) -> None:
    check_venue(venue)


# ---- frames under other names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "want"),
    [
        (b'{"e":"trade","s":"BTCUSDT","t":1}', Topic("trades", "BTCUSDT")),
        (b'{"e":"aggTrade","s":"BTCUSDT"}', Topic("aggtrades", "BTCUSDT")),
        (b'{"e":"kline","s":"BTCUSDT","k":{"i":"1h"}}', Topic("bars:1h", "BTCUSDT")),
        (b'{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"1","A":"1"}', Topic("quotes", "BTCUSDT")),
        (b'{"stream":"!bookTicker","data":{"u":1,"s":"BTCUSDT"}}', Topic("quotes", "BTCUSDT")),
        (b'{"e":"depthUpdate","s":"BTCUSDT"}', Topic("book", "BTCUSDT")),
        (b'{"e":"markPriceUpdate","s":"BTCUSDT"}', Topic("mark", "BTCUSDT")),
        (b'{"e":"contractInfo","s":"BTCUSDT"}', Topic("status", "")),
        (b'{"result":null,"id":1}', None),
        (b'{"e":"executionReport","s":"BTCUSDT"}', None),
        (b'{"stream":"!miniTicker@arr","data":[]}', None),
        (b"not json", None),
    ],
)
def test_the_topic_of_a_frame(frame: bytes, want: Topic | None) -> None:
    assert side(BINANCE_USDM).topic_of(frame) == want


def test_a_frame_can_be_served_under_another_speed() -> None:
    server, topic = side(BINANCE_USDM), Topic("book", "BTCUSDT")
    payload = b'{"e":"depthUpdate","E":1,"s":"BTCUSDT","U":1,"u":2,"pu":0,"b":[],"a":[]}'
    fast = b'{"stream":"btcusdt@depth@0ms","data":%b}' % payload
    want = b'{"stream":"btcusdt@depth@100ms","data":%b}' % payload
    assert server.rename(fast, topic) == want
    assert server.rename(payload, topic) == want


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("/stream?streams=btcusdt@trade/ethusdt@kline_1m", [("trades", "BTCUSDT"), ("bars:1m", "ETHUSDT")]),
        ("/public/stream?streams=btcusdt%40depth%40100ms&timeUnit=MICROSECOND", [("book", "BTCUSDT")]),
        ("/ws/btcusdt@trade", [("trades", "BTCUSDT")]),
        ("/stream", []),
        ("/ws", []),
        ("/stream?streams=BTCUSDT@trade", []),
        ("/stream?streams=%ff@trade/", []),
    ],
)
def test_topics_named_in_the_address(path: str, want: list[tuple[str, str]]) -> None:
    assert [
        (topic.channel, topic.native) for topic in side(BINANCE).url_topics(path) if "\ufffd" not in topic.native
    ] == want


# ---- requests -----------------------------------------------------------------------------------------------------


def test_requests_that_are_no_subscription_are_answered_at_once() -> None:
    read = side(BINANCE).read_request
    assert read(b'{"method":"LIST_SUBSCRIPTIONS","id":3}') == Other((b'{"result":[],"id":3}',))
    assert read(b'{"method":"SET_PROPERTY","params":["combined",true],"id":4}') == Other((b'{"result":null,"id":4}',))
    assert read(b'{"method":"GET_PROPERTY","params":["combined"],"id":null}') == Other((b'{"result":true,"id":null}',))


def test_unknown_streams_are_acknowledged_and_mute_and_repeats_count_once() -> None:
    frame = b'{"method":"SUBSCRIBE","params":["BTCUSDT@trade","btcusdt@trade","btcusdt@trade","nonsense"],"id":5}'
    asked = side(BINANCE).read_request(frame)
    assert asked == Subscribe((Topic("trades", "BTCUSDT"),), 5)
    assert isinstance(asked, Subscribe)
    assert side(BINANCE).acknowledge(asked) == (b'{"result":null,"id":5}',)
    assert side(BINANCE).no_such is None


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
        (b"[]", "schema"),
        (b'{"params":[],"id":1}', "schema"),
        (b'{"method":"SUBSCRIBE","params":["a@trade"],"id":1.5}', "schema"),
        (b'{"method":"SUBSCRIBE","params":["a@trade"],"id":"one"}', "schema"),
        (b'{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}', "schema"),
        (b'{"method":"DANCE","id":1}', "unknown_type"),
    ],
)
def test_what_the_venue_refuses(frame: bytes, kind: str) -> None:
    with pytest.raises(BadData) as caught:
        side(BINANCE).read_request(frame)
    assert caught.value.kind == kind


def test_a_refusal_in_the_venues_form() -> None:
    assert side(BINANCE).refuse(7, "-1121", "Invalid symbol.") == b'{"code":-1121,"msg":"Invalid symbol.","id":7}'
    assert side(BINANCE).refuse(None, "", "x") == b'{"code":2,"msg":"x","id":null}'


def test_the_notice_before_closing_is_read_as_one() -> None:
    assert side(BINANCE).closing is not None
    items = BINANCE.decoder("binance", {})(side(BINANCE).closing or b"", 1)
    assert [type(item).__name__ for item in items] == ["Closing", "Notice"]


# ---- REST ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("venue", [BINANCE, BINANCE_USDM], ids=lambda venue: venue.name)
def test_every_call_is_read_back_as_it_was_asked(venue: Venue) -> None:
    asks = [
        Ask("time"),
        Ask("instruments"),
        Ask("depth", "BTCUSDT", limit=100),
        Ask("bars", "BTCUSDT", interval="1m", from_ns=60_000 * MS, to_ns=120_000 * MS, limit=5),
        Ask("trades", "BTCUSDT", limit=5),
        Ask("aggtrades", "BTCUSDT", from_ns=5 * MS, to_ns=9 * MS, limit=5),
        Ask("aggtrades", "BTCUSDT", from_id=5, limit=5),
    ]
    asks += [Ask("trades", "BTCUSDT", from_id=5, limit=5)] if venue is BINANCE else [Ask("open_interest", "BTCUSDT")]
    for ask in asks:
        request = venue.rest[ask.call].build(ask)
        assert side(venue).read_rest(request.path, dict(request.query)) == ask


def test_the_venues_own_defaults_and_paths_it_has_not() -> None:
    read = side(BINANCE).read_rest
    assert read("/api/v3/depth", {"symbol": "X"}) == Ask("depth", "X", limit=100)
    assert read("/api/v3/klines", {"symbol": "X", "interval": "1d"}) == Ask("bars", "X", "1d", limit=500)
    assert side(BINANCE_USDM).read_rest("/fapi/v1/depth", {"symbol": "X"}) == Ask("depth", "X", limit=500)
    for path in ("/", "/api/v3/nothing", "/api/v3/openInterest", "/fapi/v1/time", "/api/v3"):
        assert read(path, {}) is None
    for wrong in ("-1", "x", "", "1" * 30, "\u0661"):
        with pytest.raises(BadData, match="limit"):
            read("/api/v3/depth", {"symbol": "X", "limit": wrong})


def rest_trade(number: int, kind: str = "trades") -> Trade:
    ids = (number, number) if kind == "aggtrades" else (None, None)
    return Trade(SPOT_ID, kind, AT + number * MS, RECEIVED, "rest", str(number), number, "buy", D("4.5"), D("2"), *ids)


@pytest.mark.parametrize(
    ("ask", "items"),
    [
        (Ask("time"), [ServerTime(AT)]),
        (Ask("instruments"), list(side(BINANCE).sample_instruments)),
        (Ask("depth", "BTCUSDT"), [BookSnapshot(SPOT_ID, "book", None, RECEIVED, "rest", *LEVELS, None, 9)]),
        (Ask("trades", "BTCUSDT"), [rest_trade(1), rest_trade(2)]),
        (Ask("aggtrades", "BTCUSDT"), [rest_trade(1, "aggtrades"), rest_trade(2, "aggtrades")]),
        (
            Ask("bars", "BTCUSDT", "1m"),
            [
                Bar(
                    SPOT_ID, "bars:1m", None, RECEIVED, "rest", "1m", 60_000 * MS, D("1"), D("2"), D("0.5"), D("1.5"),
                    D("9"), D("10"), 3, D("4"), None, None, True, "", 1,
                )
            ],
        ),
    ],
    ids=lambda each: getattr(each, "call", ""),
)  # fmt: skip
def test_answers_are_parsed_back_to_what_they_were_made_of(ask: Ask, items: list[Answer]) -> None:
    body = side(BINANCE).answer_rest(ask, items)
    ids = {"BTCUSDT": SPOT_ID}
    assert list(BINANCE.rest[ask.call].parse(body, ask, ids, RECEIVED)) == items


def test_usdm_answers_too() -> None:
    perpetual = side(BINANCE_USDM).sample_instruments[0]
    dated = msgspec.structs.replace(
        perpetual, symbol="BTC/USDT:USDT-240927", native="BTCUSDT_240927", kind="future", status="settling",
        expiry_ns=1_727_424_000_000 * MS,
    )  # fmt: skip
    ids = {"BTCUSDT": USDM_ID}
    for ask, item in (
        (Ask("instruments"), perpetual),
        (Ask("instruments"), dated),
        (Ask("depth", "BTCUSDT"), BookSnapshot(USDM_ID, "book", AT, RECEIVED, "rest", *LEVELS, None, 9)),
        (Ask("open_interest", "BTCUSDT"), OpenInterest(USDM_ID, "open_interest", AT, RECEIVED, "rest", D("7.5"))),
    ):
        body = side(BINANCE_USDM).answer_rest(ask, [item])
        assert list(BINANCE_USDM.rest[ask.call].parse(body, ask, ids, RECEIVED)) == [item]


def test_a_limit_keeps_the_newest_or_the_first_from_where_one_asked() -> None:
    rows = [rest_trade(number) for number in (1, 2, 3)]
    for ask, want in (
        (Ask("trades", "BTCUSDT", limit=2), [2, 3]),
        (Ask("trades", "BTCUSDT", from_id=1, limit=2), [1, 2]),
        (Ask("trades", "BTCUSDT", limit=0), []),
        (Ask("trades", "BTCUSDT", limit=9), [1, 2, 3]),
    ):
        parsed = BINANCE.rest["trades"].parse(side(BINANCE).answer_rest(ask, rows), ask, {}, RECEIVED)
        assert [trade.seq for trade in parsed if isinstance(trade, Trade)] == want
    deep = BookSnapshot(SPOT_ID, "book", None, RECEIVED, "rest", *LEVELS, None, 9)
    (book,) = BINANCE.rest["depth"].parse(
        side(BINANCE).answer_rest(Ask("depth", "X", limit=1), [deep]), Ask("depth", "X"), {}, 1
    )
    assert isinstance(book, BookSnapshot)
    assert (len(book.bids), len(book.asks)) == (1, 1)


def test_nothing_to_answer_with_is_said() -> None:
    with pytest.raises(BadData, match="depth of 'X'"):
        side(BINANCE).answer_rest(Ask("depth", "X"), [])


def test_errors_in_the_venues_form() -> None:
    assert side(BINANCE).rest_error(429, "slower") == b'{"code":-1003,"msg":"slower"}'
    assert side(BINANCE).rest_error(503, "x") == b'{"code":-1000,"msg":"x"}'


def test_samples_are_instruments_with_rules() -> None:
    for venue in (BINANCE, BINANCE_US, BINANCE_USDM):
        for sample in side(venue).sample_instruments:
            assert isinstance(sample, Instrument)
            assert sample.venue == venue.name
            assert sample.tick is not None
            assert sample.lot is not None
    assert channel("book").kind == "book"
