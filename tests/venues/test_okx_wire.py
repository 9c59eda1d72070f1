"""OKX's names and args there and back, its requests, its book rule, and what it declares."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tapeline.errors import BadData
from tapeline.model.event import BookDelta
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.model.verdict import Verdict
from tapeline.testing import check_venue
from tapeline.venues import venue_named
from tapeline.venues.okx import OKX, judge
from tapeline.venues.okx.wire import INTERVALS, Arg, Names, arg_of, index_of, topic_of, type_of
from tapeline.venues.spec import Ping, Subscribe

OWN = [
    Topic("trades", "BTC-USDT"), Topic("quotes", "BTC-USDT"), Topic("ticker", "BTC-USDT-SWAP"),
    Topic("book", "BTC-USDT"), Topic("book:5", "BTC-USDT"), Topic("mark", "BTC-USD-SWAP"),
    Topic("funding", "BTC-USD-SWAP"), Topic("open_interest", "BTC-USD-SWAP"), Topic("index", "BTC-USD"),
    Topic("liquidations", "SWAP"), Topic("status", "SPOT"), Topic("status", ""),
    *(Topic(f"bars:{name}", "BTC-USDT") for name in INTERVALS),
]  # fmt: skip


def test_it_is_registered_and_keeps_the_contract() -> None:
    assert venue_named("okx") is OKX
    check_venue(OKX)
    check_venue(replace(OKX, name="okx-demo"))


@pytest.mark.parametrize("topic", OWN, ids=str)
def test_a_topic_with_an_arg_of_its_own_comes_back(topic: Topic) -> None:
    assert topic_of(arg_of(topic)) == topic


@pytest.mark.parametrize(
    ("topic", "arg"),
    [
        (Topic("index", "BTC-USDT-SWAP"), Arg("index-tickers", instId="BTC-USDT")),
        (Topic("index", "BTC-USD_UM-310404"), Arg("index-tickers", instId="BTC-USD")),
        (Topic("liquidations", "BTC-USDT-SWAP"), Arg("liquidation-orders", instType="SWAP")),
        (Topic("liquidations", "BTC-USDT"), Arg("liquidation-orders", instType="MARGIN")),
        (Topic("liquidations", "BTC-USD-251226-30000-C"), Arg("liquidation-orders", instType="OPTION")),
        (Topic("status", "BTC-USDT-251226"), Arg("instruments", instType="FUTURES")),
        (Topic("status", "BTC-USDT"), Arg("instruments", instType="SPOT")),
        (Topic("bars:1d", "BTC-USDT"), Arg("candle1Dutc", instId="BTC-USDT")),
        (Topic("bars:4h", "BTC-USDT"), Arg("candle4H", instId="BTC-USDT")),
    ],
    ids=str,
)
def test_what_a_topic_is_on_the_wire(topic: Topic, arg: Arg) -> None:
    assert arg_of(topic) == arg


def test_args_we_never_ask_for_are_no_topics_of_ours() -> None:
    for channel in ("candle1D", "trades-all", "books-l2-tbt", "price-limit", "orders"):
        assert topic_of(Arg(channel, instId="BTC-USDT")) is None
    assert "8h" not in OKX.feeds["bars"].intervals


def test_types_and_indices_of_other_words_are_the_words_themselves() -> None:
    assert [type_of(word) for word in ("SWAP", "ANY", "BTCUSDT", "A-B-C-D")] == ["SWAP", "ANY", "BTCUSDT", "A-B-C-D"]
    assert index_of("BTCUSDT") == "BTCUSDT"


def test_an_instrument_that_joins_the_list_follows_its_index() -> None:
    listed: dict[str, Instrument] = {}
    names = Names("okx", listed)
    assert names.following("BTC-USDT") == ["BTC-USDT"]
    listed["BTC-USDT-SWAP"] = Instrument(
        venue="okx", symbol="BTC/USDT:USDT", native="BTC-USDT-SWAP", kind="perpetual", base="BTC", quote="USDT"
    )
    assert names.following("BTC-USDT") == ["BTC-USDT", "BTC-USDT-SWAP"]
    assert names.sharing(Arg("account")) == ()


# ---- requests ---------------------------------------------------------------------------------------------------


def test_a_request_is_one_frame_with_an_id_and_each_arg_once() -> None:
    topics = (
        Topic("trades", "BTC-USDT"), Topic("liquidations", "BTC-USDT-SWAP"), Topic("liquidations", "ETH-USDT-SWAP"),
    )  # fmt: skip
    (frame,) = OKX.requests(Subscribe(topics, 12))
    assert frame == (
        b'{"id":"12","op":"subscribe","args":[{"channel":"trades","instId":"BTC-USDT"},'
        b'{"channel":"liquidation-orders","instType":"SWAP"}]}'
    )


def test_who_asks_for_a_status_hears_of_the_venues_maintenance() -> None:
    topics = Topic("status", "BTC-USDT"), Topic("status", "BTC-USDT-SWAP")
    (frame,) = OKX.requests(Subscribe(topics, 2))
    assert frame == (
        b'{"id":"2","op":"subscribe","args":[{"channel":"instruments","instType":"SPOT"},'
        b'{"channel":"instruments","instType":"SWAP"},{"channel":"status"}]}'
    )
    assert OKX.requests(Subscribe((Topic("status", ""),), 3)) == (
        b'{"id":"3","op":"subscribe","args":[{"channel":"status"}]}',
    )
    assert OKX.requests(Subscribe((Topic("status", "SPOT"),), 4, on=False)) == (
        b'{"id":"4","op":"unsubscribe","args":[{"channel":"instruments","instType":"SPOT"}]}',
    )


def test_a_shared_arg_is_not_given_back_with_one_of_its_topics() -> None:
    mixed = (Topic("liquidations", "BTC-USDT-SWAP"), Topic("book", "BTC-USDT"), Topic("index", "BTC-USDT"))
    assert OKX.requests(Subscribe(mixed, 3, on=False)) == (
        b'{"id":"3","op":"unsubscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}',
    )
    assert OKX.requests(Subscribe(mixed[:1], 4, on=False)) == ()
    assert OKX.requests(Subscribe((Topic("liquidations", "SWAP"),), 5, on=False)) == (
        b'{"id":"5","op":"unsubscribe","args":[{"channel":"liquidation-orders","instType":"SWAP"}]}',
    )


def test_the_longest_request_stays_under_the_venues_64_kb() -> None:
    limit = OKX.limits.topics_per_request
    topics = tuple(Topic("bars:1m", f"LONGCOIN{i:03}-USDT-251226-1000000-C") for i in range(limit))
    (frame,) = OKX.requests(Subscribe(topics, 10**9))
    assert len(frame) < 64_000
    assert OKX.server is not None
    assert OKX.server.read_request(frame) == Subscribe(topics, 10**9)


def test_requests_read_back_as_they_were() -> None:
    assert OKX.server is not None
    for on in (True, False):
        asked = Subscribe(tuple(topic for topic in OWN if topic.channel != "index"), 7, on)
        assert OKX.server.read_request(OKX.requests(asked)[0]) == asked
    assert OKX.server.read_request(b"ping") == Ping()


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b"{", "schema"),
        (b'{"op":"login","args":[]}', "private"),
        (b'{"op":"subscribe","args":[{"channel":"orders","instType":"ANY"}]}', "unknown_type"),
        (b'{"op":"subscribe","args":[{"channel":"candle1D","instId":"BTC-USDT"}]}', "unknown_type"),
        (b'{"op":"subscribe","args":[{"channel":"books","instType":"SPOT","instId":"BTC-USDT"}]}', "unknown_type"),
        (b'{"op":"subscribe","args":"books"}', "schema"),
    ],
)
def test_a_request_the_venue_would_refuse_is_refused(frame: bytes, kind: str) -> None:
    assert OKX.server is not None
    with pytest.raises(BadData) as caught:
        OKX.server.read_request(frame)
    assert caught.value.kind == kind


def test_a_request_without_a_number_is_number_nought() -> None:
    assert OKX.server is not None
    for number in (b"", b'"id":"abc",'):
        frame = b"{%b" % number + b'"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}'
        assert OKX.server.read_request(frame) == Subscribe((Topic("book", "BTC-USDT"),), 0)


# ---- the book's rule --------------------------------------------------------------------------------------------


def delta(previous: int | None, last: int | None) -> BookDelta:
    return BookDelta("okx:BTC/USDT", "book", 1, 2, "ws", [], [], None, last, previous)


@pytest.mark.parametrize(
    ("at", "previous", "last", "verdict"),
    [
        (None, 10, 15, Verdict.APPLY),  # no state yet
        (10, 10, 15, Verdict.APPLY),  # rule 2
        (15, 15, 15, Verdict.APPLY),  # rule 3: a quiet book's keep-alive
        (15, 15, 3, Verdict.APPLY),  # rule 4: a reset
        (15, 16, 20, Verdict.GAP),
        (15, 16, 3, Verdict.GAP),  # a reset after a hole is no old news
        (15, 10, 12, Verdict.STALE),  # before the REST snapshot
        (15, 10, 15, Verdict.STALE),
        (15, 10, 18, Verdict.APPLY),  # the first after it
        (15, 15, 18, Verdict.APPLY),
        (15, None, 18, Verdict.GAP),
        (15, None, 12, Verdict.STALE),
        (15, None, None, Verdict.APPLY),  # an archive of 2022
    ],
)
def test_the_rule_of_books(at: int | None, previous: int | None, last: int | None, verdict: Verdict) -> None:
    assert judge(at, delta(previous, last)) is verdict


def test_a_book_goes_on_through_keep_alive_and_reset() -> None:
    at: int | None = None
    for step in (delta(-1, 10), delta(10, 15), delta(15, 15), delta(15, 3), delta(3, 5)):
        assert judge(at, step) is Verdict.APPLY
        at = step.last_seq
    assert at == 5


def test_what_it_declares() -> None:
    assert OKX.heartbeat.ping == b"ping"
    assert OKX.heartbeat.every_s < 30 <= OKX.heartbeat.silence_s
    assert {name: feed.endpoint for name, feed in OKX.feeds.items() if feed.endpoint != "public"} == {
        "bars": "business"
    }
    assert OKX.feeds["trades"].continuity == "ids"
    assert OKX.feeds["book"].snapshot == "stream"
    assert all(shorter != longer for shorter, longer in pairwise(OKX.feeds["bars"].intervals))
