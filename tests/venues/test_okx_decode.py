"""OKX frames in, exact events out; and what becomes of everything else that can come over the wire."""

import contextlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import BadData
from tapeline.model.event import (
    Bar,
    BookDelta,
    BookSnapshot,
    Funding,
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
from tapeline.venues.okx import OKX, decode, wire
from tapeline.venues.spec import Ack, Closing, Pong, Problem, Refusal

AT_NS = 1_597_026_383_085_000_000
RECEIVED_NS = 1_700_000_000_000_000_000
NUMBER = Decimal


def instrument(native: str, symbol: str, kind: str = "perpetual") -> Instrument:
    base, quote = native.split("-")[:2]
    return Instrument(venue="okx", symbol=symbol, native=native, kind=kind, base=base, quote=quote)


LISTED = {
    each.native: each
    for each in (
        instrument("BTC-USDT", "BTC/USDT", "spot"),
        instrument("BTC-USDT-SWAP", "BTC/USDT:USDT"),
        instrument("BTC-USDT-251226", "BTC/USDT:USDT-251226", "future"),
        instrument("ETH-USDT-SWAP", "ETH/USDT:USDT"),
    )
}


def push(channel: str, item: Any, native: str = "BTC-USDT", **more: str) -> bytes:
    arg = {"channel": channel, **({"instId": native} if native else {})}
    return json.dumps({"arg": arg, **more, "data": [item]}, separators=(",", ":")).encode()


def decoded(frame: bytes, listed: dict[str, Instrument] | None = None) -> Sequence[Any]:
    return OKX.decoder("okx", LISTED if listed is None else listed)(frame, RECEIVED_NS)


def refused(frame: bytes) -> str:
    with pytest.raises(BadData) as caught:
        decoded(frame)
    assert caught.value.kind
    return caught.value.kind


TRADE: dict[str, Any] = {
    "instId": "BTC-USDT", "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306", "side": "buy",
    "ts": "1597026383085", "count": "3",
}  # fmt: skip


def test_a_merged_trade_spans_the_ids_it_counts() -> None:
    assert decoded(push("trades", TRADE)) == [
        Trade(
            "okx:BTC/USDT", "trades", AT_NS, RECEIVED_NS, "ws", "130639474", 130639474, "buy", NUMBER("42219.9"),
            NUMBER("0.12060306"), 130639472, 130639474,
        )
    ]  # fmt: skip


def test_a_trade_without_a_count_is_one_and_new_fields_are_left_alone() -> None:
    item = {key: value for key, value in TRADE.items() if key != "count"} | {"source": "0", "seqId": 99, "new": {}}
    for channel in ("trades", "trades-all"):
        (event,) = decoded(push(channel, item))
        assert (event.channel, event.first_id, event.last_id) == ("trades", 130639474, 130639474)


def test_an_item_of_another_instrument_than_the_arg_keeps_its_own() -> None:
    (event,) = decoded(push("trades", TRADE | {"instId": "BTC-USDT-SWAP"}))
    assert event.instrument == "okx:BTC/USDT:USDT"


def test_the_second_frame_of_a_stream_reads_as_the_first_did_and_so_does_one_of_no_list() -> None:
    decode_one = OKX.decoder("okx", LISTED)
    first = decode_one(push("trades", TRADE), RECEIVED_NS)
    later = decode_one(push("trades", TRADE | {"tradeId": "130639475", "count": "1", "side": "sell"}), RECEIVED_NS)
    assert (first[0].id, later[0].id, later[0].side, later[0].first_id) == ("130639474", "130639475", "sell", 130639475)  # type: ignore[union-attr]  # trades both
    (event,) = decoded(push("trades", TRADE), {})
    assert event.instrument == "okx:BTC-USDT"


def test_an_instrument_listed_later_is_named_from_then_on() -> None:
    listed: dict[str, Instrument] = {}
    decode_one = OKX.decoder("okx", listed)
    assert decode_one(push("trades", TRADE), RECEIVED_NS)[0].instrument == "okx:BTC-USDT"  # type: ignore[union-attr]  # a trade
    listed |= LISTED
    assert decode_one(push("trades", TRADE), RECEIVED_NS)[0].instrument == "okx:BTC/USDT"  # type: ignore[union-attr]  # a trade


def test_what_is_remembered_of_streams_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MOST_STREAMS", 1)
    decode_one = OKX.decoder("okx", LISTED)
    for native in ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USDT"):
        (event,) = decode_one(push("trades", TRADE | {"instId": native}, native), RECEIVED_NS)
        assert event.instrument == LISTED[native].id  # type: ignore[union-attr]  # a trade


BOOK: dict[str, Any] = {
    "asks": [["8476.98", "415", "0", "13"], ["8477", "0", "0", "0"]], "bids": [["8476.97", "256", "0", "12"]],
    "ts": "1597026383085", "checksum": -855196043, "seqId": 123457, "prevSeqId": 123456,
}  # fmt: skip


def test_a_book_update_and_a_snapshot() -> None:
    bids, asks = [("8476.97", "256")], [("8476.98", "415"), ("8477", "0")]
    assert decoded(push("books", BOOK, action="update")) == [
        BookDelta("okx:BTC/USDT", "book", AT_NS, RECEIVED_NS, "ws", bids, asks, None, 123457, 123456, -855196043)
    ]
    assert decoded(push("books", BOOK | {"prevSeqId": -1, "checksum": 0}, action="snapshot")) == [
        BookSnapshot("okx:BTC/USDT", "book", AT_NS, RECEIVED_NS, "ws", bids, asks, None, 123457, None, None)
    ]


def test_books_of_2022_have_no_sequence() -> None:
    item = {key: BOOK[key] for key in ("asks", "bids", "ts", "checksum")}
    for channel in ("books", "books-l2-tbt", "books50-l2-tbt"):
        (event,) = decoded(push(channel, item, action="update"))
        assert (event.channel, event.last_seq, event.prev_seq, event.checksum) == ("book", None, None, -855196043)


def test_a_book_without_an_action_is_a_snapshot_only_where_nothing_was_before_it() -> None:
    (event,) = decoded(push("books", BOOK | {"prevSeqId": -1}))
    assert type(event) is BookSnapshot
    assert refused(push("books", BOOK)) == "schema"
    assert refused(push("books", BOOK, action="delta")) == "schema"


def test_the_five_best_levels_are_a_snapshot_each() -> None:
    (event,) = decoded(push("books5", BOOK | {"instId": "BTC-USDT"}))
    assert event == BookSnapshot(
        "okx:BTC/USDT", "book:5", AT_NS, RECEIVED_NS, "ws", [("8476.97", "256")],
        [("8476.98", "415"), ("8477", "0")], None, 123457, 123456, -855196043,
    )  # fmt: skip


def test_the_best_bid_and_offer_and_a_side_that_is_empty() -> None:
    item = {"asks": [["8476.98", "415", "0", "13"]], "bids": [["8476.97", "256", "0", "12"]], "ts": "1597026383085"}
    whole = Quote(
        "okx:BTC/USDT", "quotes", AT_NS, RECEIVED_NS, "ws", NUMBER("8476.97"), NUMBER("256"), NUMBER("8476.98"),
        NUMBER("415"), 123456,
    )  # fmt: skip
    assert decoded(push("bbo-tbt", item | {"seqId": 123456})) == [whole]
    (event,) = decoded(push("bbo-tbt", item | {"bids": []}))
    assert event == msgspec.structs.replace(whole, bid=None, bid_size=None, update_id=None)
    (event,) = decoded(push("bbo-tbt", item | {"asks": []}))
    assert (event.ask, event.ask_size) == (None, None)


TICKER: dict[str, Any] = {
    "instType": "SPOT", "instId": "BTC-USDT", "last": "9999.99", "lastSz": "0.1", "askPx": "9999.99", "askSz": "11",
    "bidPx": "8888.88", "bidSz": "5", "open24h": "9000", "high24h": "10000", "low24h": "8888.87",
    "volCcy24h": "2222", "vol24h": "3333", "sodUtc0": "2222", "sodUtc8": "2222", "ts": "1597026383085",
}  # fmt: skip


def test_a_ticker_of_spot_has_a_quote_volume_and_one_of_contracts_has_not() -> None:
    spot = Ticker(
        "okx:BTC/USDT", "ticker", AT_NS, RECEIVED_NS, "ws", NUMBER("9999.99"), NUMBER(9000), NUMBER(10000),
        NUMBER("8888.87"), NUMBER(3333), NUMBER(2222), NUMBER("8888.88"), NUMBER("9999.99"),
    )  # fmt: skip
    assert decoded(push("tickers", TICKER)) == [spot]
    (event,) = decoded(push("tickers", TICKER | {"instType": "SWAP", "instId": "BTC-USDT-SWAP"}, "BTC-USDT-SWAP"))
    assert event == msgspec.structs.replace(spot, instrument="okx:BTC/USDT:USDT", quote_volume=None)


def test_empty_text_means_absent() -> None:
    (event,) = decoded(push("tickers", TICKER | {"bidPx": "", "last": "", "ts": ""}))
    assert (event.bid, event.last, event.at_ns, event.ask) == (None, None, None, NUMBER("9999.99"))


def test_a_candle_open_and_closed() -> None:
    row = ["1597026360000", "8533.02", "8553.74", "8527.17", "8548.26", "45247", "529.58", "5529.5858061", "0"]
    bar = Bar(
        "okx:BTC/USDT", "bars:1m", None, RECEIVED_NS, "ws", "1m", 1_597_026_360_000_000_000, NUMBER("8533.02"),
        NUMBER("8553.74"), NUMBER("8527.17"), NUMBER("8548.26"), NUMBER(45247), NUMBER("5529.5858061"), None, None,
        None, None, closed=False,
    )  # fmt: skip
    assert decoded(push("candle1m", row)) == [bar]
    assert decoded(push("candle1m", [*row[:8], "1"])) == [msgspec.structs.replace(bar, closed=True, revision=1)]


def test_candles_of_2022_have_seven_columns_and_no_end() -> None:
    row = ["1654154580000", "29930.7", "29936.3", "29930.7", "29936.3", "0.0111536", "333.86246417"]
    (event,) = decoded(push("candle1H", row))
    assert (event.channel, event.volume, event.quote_volume, event.closed) == (
        "bars:1h", NUMBER("0.0111536"), None, False,
    )  # fmt: skip
    (event,) = decoded(push("candle1H", [*row, "", "1"]))
    assert (event.quote_volume, event.closed) == (None, True)
    for length in (1, 6):
        assert refused(push("candle1H", row[:length])) == "schema"
    assert refused(push("candle1H", [*row, "333.86"])) == "schema"


def test_candles_by_the_calendar_of_utc_and_of_hong_kong() -> None:
    row = ["1654154580000", "1", "1", "1", "1", "1", "1", "1", "1"]
    wires = {"candle1Dutc": "bars:1d", "candle1D": "bars:1d", "candle1Mutc": "bars:1M", "candle1M": "bars:1M"}
    for name, channel in wires.items():
        (event,) = decoded(push(name, row))
        assert (event.channel, event.open_at_ns) == (channel, 1_654_154_580_000_000_000)
    assert decoded(push("candle2D", row)) == ()


def test_mark_open_interest_and_funding() -> None:
    ids = {"instId": "BTC-USDT-SWAP", "instType": "SWAP"}
    common = ("ws",)
    at = ("okx:BTC/USDT:USDT", AT_NS, RECEIVED_NS)
    ts = {"ts": "1597026383085"}
    assert decoded(push("mark-price", ids | ts | {"markPx": "0.1"}, "BTC-USDT-SWAP")) == [
        Mark(at[0], "mark", *at[1:], *common, NUMBER("0.1"))
    ]
    assert decoded(push("open-interest", ids | ts | {"oi": "5000", "oiCcy": "555.55"}, "BTC-USDT-SWAP")) == [
        OpenInterest(at[0], "open_interest", *at[1:], *common, NUMBER(5000))
    ]
    funding = {"fundingRate": "0.00018", "fundingTime": "1700726400000", "nextFundingTime": "1700755200000",
               "nextFundingRate": "", "method": "current_period"}  # fmt: skip
    assert decoded(push("funding-rate", ids | ts | funding, "BTC-USDT-SWAP")) == [
        Funding(at[0], "funding", *at[1:], *common, NUMBER("0.00018"), 28_800, 1_700_726_400_000_000_000)
    ]
    (event,) = decoded(push("funding-rate", ids | funding | {"nextFundingTime": ""}, "BTC-USDT-SWAP"))
    assert (event.at_ns, event.interval_s) == (None, None)
    (event,) = decoded(push("funding-rate", ids | funding | {"nextFundingTime": "5"}, "BTC-USDT-SWAP"))
    assert event.interval_s is None


def test_an_index_is_told_under_its_own_name_and_to_all_that_follow_it() -> None:
    item = {"instId": "BTC-USDT", "idxPx": "64280", "ts": "1597026383085"}
    events = decoded(push("index-tickers", item))
    assert events[0] == Index("okx:BTC/USDT", "index", AT_NS, RECEIVED_NS, "ws", NUMBER(64280))
    assert [event.instrument for event in events] == [
        "okx:BTC/USDT", "okx:BTC/USDT:USDT", "okx:BTC/USDT:USDT-251226",
    ]  # fmt: skip
    assert [event.instrument for event in decoded(push("index-tickers", item | {"instId": "ETH-USDT"}))] == [
        "okx:ETH-USDT", "okx:ETH/USDT:USDT",
    ]  # fmt: skip


def test_liquidations_name_their_instrument() -> None:
    detail = {"side": "sell", "posSide": "long", "bkPx": "0.0078", "sz": "13", "bkLoss": "0", "ccy": "",
              "ts": "1597026383085"}  # fmt: skip
    item = {"instType": "SWAP", "instFamily": "ETH-USDT", "uly": "ETH-USDT", "instId": "ETH-USDT-SWAP",
            "details": [detail, detail | {"side": "buy", "sz": "14"}]}  # fmt: skip
    frame = json.dumps({"arg": {"channel": "liquidation-orders", "instType": "SWAP"}, "data": [item]}).encode()
    first = Liquidation(
        "okx:ETH/USDT:USDT", "liquidations", AT_NS, RECEIVED_NS, "ws", "sell", NUMBER("0.0078"), NUMBER(13)
    )
    assert decoded(frame) == [first, msgspec.structs.replace(first, side="buy", size=NUMBER(14))]


def test_the_status_of_instruments_and_a_state_nobody_knows() -> None:
    items = [{"instId": "BTC-USDT", "state": "live"}, {"instId": "BTC-USDT-SWAP", "state": "test"},
             {"instId": "ETH-USDT-SWAP", "state": "asleep"}]  # fmt: skip
    frame = json.dumps({"arg": {"channel": "instruments", "instType": "SWAP"}, "data": items}).encode()
    *events, problem = decoded(frame)
    assert events == [
        Status("okx:BTC/USDT", "status", None, RECEIVED_NS, "ws", "trading"),
        Status("okx:BTC/USDT:USDT", "status", None, RECEIVED_NS, "ws", "halted", "test"),
    ]
    assert problem == Problem("schema", "okx: instruments SWAP: ETH-USDT-SWAP: unknown state 'asleep'")


def test_maintenance_is_a_notice() -> None:
    item = {"title": "Spot upgrade", "state": "scheduled", "begin": "1700726400000", "end": "1700726460000",
            "href": "", "serviceType": "1", "ts": "1597026383085"}  # fmt: skip
    assert decoded(push("status", item, "")) == [
        Notice(
            None, "notice", AT_NS, RECEIVED_NS, "ws", "okx", "scheduled",
            "Spot upgrade (2023-11-23T08:00:00Z to 2023-11-23T08:01:00Z)",
        )
    ]  # fmt: skip


def test_an_upgrade_closes_the_connection_and_is_told() -> None:
    text = "The connection will soon be closed for a service upgrade. Please reconnect."
    frame = {"event": "notice", "code": "64008", "msg": text, "connId": "a4d3ae55"}
    notice = Notice(None, "notice", None, RECEIVED_NS, "ws", "okx", "64008", text)
    assert decoded(json.dumps(frame).encode()) == (Closing(text), notice)
    assert decoded(json.dumps(frame | {"code": 64009}).encode()) == (msgspec.structs.replace(notice, code="64009"),)


# ---- control ----------------------------------------------------------------------------------------------------


def test_each_arg_is_confirmed_by_itself() -> None:
    frame = b'{"id":"1512","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}'
    assert decoded(frame) == [Ack(1512, Topic("book", "BTC-USDT"))]
    assert decoded(b'{"event":"subscribe","arg":{"channel":"trades","instId":"X-Y"}}') == [
        Ack(None, Topic("trades", "X-Y"))
    ]
    assert decoded(b'{"id":"abc","event":"subscribe","arg":{"channel":"price-limit","instId":"X-Y"}}') == (Ack(None),)


def test_a_shared_arg_confirms_every_topic_it_brings() -> None:
    frame = b'{"id":"7","event":"subscribe","arg":{"channel":"liquidation-orders","instType":"SWAP"}}'
    assert decoded(frame) == [
        Ack(7, Topic("liquidations", native)) for native in ("SWAP", "BTC-USDT-SWAP", "ETH-USDT-SWAP")
    ]
    frame = b'{"id":"7","event":"subscribe","arg":{"channel":"index-tickers","instId":"BTC-USDT"}}'
    assert decoded(frame) == [
        Ack(7, Topic("index", native)) for native in ("BTC-USDT", "BTC-USDT-SWAP", "BTC-USDT-251226")
    ]
    assert decoded(b'{"event":"subscribe","arg":{"channel":"status"}}') == [Ack(None, Topic("status", ""))]


def test_what_is_given_back_confirms_no_topic() -> None:
    frame = b'{"id":"8","event":"unsubscribe","arg":{"channel":"books","instId":"BTC-USDT"}}'
    assert decoded(frame) == (Ack(8),)


def test_a_refusal_names_its_topic_where_the_frame_does() -> None:
    text = "Wrong URL or channel:candle1m,instId:BTC-USDT doesn't exist. Please use the correct URL."
    frame: dict[str, Any] = {"id": "9", "event": "error", "code": "60018", "msg": text, "connId": "a4d3ae55"}
    assert decoded(json.dumps(frame).encode()) == [Refusal("60018", text, 9, Topic("bars:1m", "BTC-USDT"))]
    frame |= {"msg": "no", "arg": {"channel": "books", "instId": "BTC-USDT"}}
    assert decoded(json.dumps(frame).encode()) == [Refusal("60018", "no", 9, Topic("book", "BTC-USDT"))]
    assert decoded(b'{"event":"error","code":"60012","msg":"Invalid request: {}"}') == [
        Refusal("60012", "Invalid request: {}")
    ]


def test_a_refused_arg_that_is_shared_is_told_by_its_request() -> None:
    frame: dict[str, Any] = {"event": "error", "code": "60018", "msg": "channel:liquidation-orders,instType:SWAP"}
    assert decoded(json.dumps(frame | {"id": "3"}).encode()) == (Refusal("60018", frame["msg"], 3),)
    assert [item.topic for item in decoded(json.dumps(frame).encode())] == [
        Topic("liquidations", native) for native in ("SWAP", "BTC-USDT-SWAP", "ETH-USDT-SWAP")
    ]


def test_pongs_and_counts_of_connections() -> None:
    assert decoded(b"pong") == (Pong(),)
    assert decoded(b'{"event":"channel-conn-count","channel":"orders","connCount":"2","connId":"x"}') == ()
    assert decoded(b'{"event":"channel-conn-count-error","channel":"orders","connCount":"30","connId":"x"}') == (
        Refusal("channel-conn-count-error", "orders: 30 connections"),
    )


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"ping", "bad_json"),
        (b'{"event":"\xff"}', "bad_json"),
        (b"[" * 100_000, "schema"),
        (b'{"x":' + b"[" * 100_000, "bad_json"),
        (b"[]", "schema"),
        (b"null", "schema"),
        (b"{}", "unknown_type"),
        (b'{"table":"spot/depth5","data":[]}', "unknown_type"),
        (b'{"event":"dance"}', "unknown_type"),
        (b'{"event":"subscribe"}', "schema"),
        (b'{"event":"subscribe","arg":{"channel":"account"}}', "private"),
        (b'{"event":"login","code":"0","msg":""}', "private"),
        (b'{"id":"1","op":"order","data":[],"code":"0","msg":""}', "private"),
        (b'{"arg":{"channel":"orders","instType":"SPOT"},"data":[]}', "private"),
        (b'{"arg":{"channel":"no-such","instId":"BTC-USDT"},"data":[]}', "unknown_type"),
        (b'{"arg":{"channel":"trades","instId":"BTC-USDT"}}', "schema"),
        (b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":{}}', "schema"),
        (b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[7]}', "schema"),
        (b'{"arg":{"channel":"trades"},"data":null}', "schema"),
    ],
)
def test_what_means_nothing_is_refused_with_a_reason(frame: bytes, kind: str) -> None:
    assert refused(frame) == kind


@pytest.mark.parametrize(
    "change",
    [
        {"tradeId": "289320****60975104"}, {"px": "1,300"}, {"sz": "no"}, {"side": "up"}, {"ts": "soon"},
        {"ts": "99999999999999"}, {"count": "0"}, {"tradeId": "9" * 5000}, {"px": None}, {"px": ""},
    ],
)  # fmt: skip
def test_a_bad_trade_is_refused_alone_and_a_problem_among_good_ones(change: dict[str, Any]) -> None:
    assert refused(push("trades", TRADE | change)) == "schema"
    frame = {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [TRADE, TRADE | change, TRADE]}
    for decode_one in (OKX.decoder("okx", LISTED), OKX.decoder("okx", {})):
        first, problem, last = decode_one(json.dumps(frame).encode(), RECEIVED_NS)
        assert first == last == msgspec.structs.replace(decoded(push("trades", TRADE))[0], instrument=first.instrument)  # type: ignore[union-attr]  # a trade
        assert isinstance(problem, Problem)
        assert problem.kind == "schema"
    assert decoded(push("trades", TRADE))[0].id == "130639474"


@pytest.mark.parametrize("channel", [*wire.UNUSED, "mark-price-candle1D", "index-candle1m", "sprd-candle1m"])
def test_public_channels_without_an_event_of_ours_are_passed_over(channel: str) -> None:
    assert decoded(push(channel, {"anything": "at all"})) == ()


FRAMES = [
    push("trades", TRADE), push("books", BOOK, action="update"), push("books5", BOOK), push("bbo-tbt", BOOK),
    push("tickers", TICKER), push("candle1m", ["1597026360000", "1", "2", "1", "2", "3", "4", "5", "1"]),
    push("index-tickers", {"instId": "BTC-USDT", "idxPx": "1", "ts": "1597026383085"}),
    push("funding-rate", {"instId": "BTC-USDT-SWAP", "fundingRate": "0.1", "fundingTime": "1597026383085"}),
    b'{"id":"1512","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}',
    b'{"event":"error","code":"60018","msg":"channel:trades,instId:BTC-USDT","id":"1"}',
]  # fmt: skip


@given(st.sampled_from(FRAMES), st.data())
def test_a_torn_or_damaged_frame_raises_nothing_but_bad_data(frame: bytes, data: st.DataObject) -> None:
    decode_one = OKX.decoder("okx", LISTED)
    decode_one(frame, RECEIVED_NS)
    torn = bytearray(frame[: data.draw(st.integers(0, len(frame)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if torn:
            torn[data.draw(st.integers(0, len(torn) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(BadData):
        assert isinstance(decode_one(bytes(torn), RECEIVED_NS), list | tuple)


@given(st.binary(max_size=60).filter(lambda noise: noise != b"pong"))
def test_noise_raises_nothing_but_bad_data(noise: bytes) -> None:
    with pytest.raises(BadData):
        decoded(noise)
