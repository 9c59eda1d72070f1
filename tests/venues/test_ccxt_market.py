"""The market half of a venue behind ccxt: names, requests, frames and answers."""

import json
from decimal import Decimal
from typing import Any

import pytest

from ccxt_fakes import LONG, START_MS
from tapeline.errors import BadData, ConfigError, OrderRefused, Retry
from tapeline.model.channel import channel
from tapeline.model.event import Bar, BookSnapshot, Quote, Ticker, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues import venue_named, venues
from tapeline.venues.ccxt import Place, bridged, place_of, through_ccxt
from tapeline.venues.spec import Ack, Ask, Refusal, ServerTime, Subscribe
from tapeline.wire.gateway.orders import at_testnet

VENUE = through_ccxt("ccxt-fakex")
BTC = Instrument(venue="ccxt-fakex", symbol="BTC/USD", native="BTC/USD", kind="spot", base="BTC", quote="USD")
AT_NS = START_MS * 1_000_000


def frame(**said: Any) -> bytes:
    return json.dumps(said).encode()


def decoded(**said: Any) -> list[Any]:
    return list(VENUE.decoder(VENUE.name, {BTC.native: BTC})(frame(**said), 7))


def answered(call: str, ok: Any) -> list[Any]:
    found = VENUE.rest[call].parse(frame(ok=ok), Ask(call, "BTC/USD"), {"BTC/USD": BTC.id}, 7)
    return list(found)


# ---- names -----------------------------------------------------------------------------------------------------------


def test_a_name_is_a_venue_and_the_same_one_each_time() -> None:
    assert venue_named("ccxt-bitstamp") is venue_named("ccxt-bitstamp")
    assert venue_named("ccxt-bitstamp").urls["rest"] == "ccxt://bitstamp/spot"
    assert venue_named("ccxt-bybit-swap").urls["private"] == "ccxt://bybit/swap"
    assert "ccxt-bitstamp" not in venues(), "there are a hundred of them"


def test_its_test_network_is_another_address() -> None:
    there = at_testnet(through_ccxt("ccxt-bitstamp"))
    assert set(there.urls.values()) == {"ccxt://bitstamp/spot/sandbox"}
    assert place_of(there.urls["rest"]) == Place("bitstamp", "spot", sandbox=True)


@pytest.mark.parametrize("place", [Place("okx"), Place("okx", "swap"), Place("okx", "swap", sandbox=True)])
def test_an_address_is_read_back(place: Place) -> None:
    assert place_of(place.url) == place
    assert bridged(place.url)
    assert not bridged("https://okx.com")
    assert venue_named(place.venue).name == place.venue


def test_names_and_addresses_that_are_none() -> None:
    for name in ("ccxt-", "ccxt-Bitstamp", "ccxt-okx-future"):
        with pytest.raises(ConfigError, match="through ccxt a venue is ccxt-EXCHANGE"):
            venue_named(name)
    with pytest.raises(ConfigError, match="is no address"):
        place_of("ccxt://okx")


def test_nothing_claims_to_be_proven() -> None:
    assert [(feed.evidence, feed.repair, feed.continuity) for feed in VENUE.feeds.values()] == [("", "", "")] * 5
    assert VENUE.feeds["book"].offers(channel("book:20"))
    assert VENUE.feeds["bars"].offers(channel("bars:1m"))
    assert not VENUE.feeds["bars"].offers(channel("bars:1s"))


# ---- a connection ----------------------------------------------------------------------------------------------------


def test_topics_are_asked_for_in_one_frame() -> None:
    topics = (Topic("trades", "BTC/USD"), Topic("bars:1m", "BTC/USD"))
    (asked,) = VENUE.requests(Subscribe(topics, 3))
    assert json.loads(asked) == {
        "op": "subscribe", "id": 3, "topics": [["trades", "BTC/USD"], ["bars:1m", "BTC/USD"]],
    }  # fmt: skip
    (back,) = VENUE.requests(Subscribe(topics[:1], 4, on=False))
    assert json.loads(back) == {"op": "unsubscribe", "id": 4, "topics": [["trades", "BTC/USD"]]}
    assert VENUE.requests(Subscribe((), 5)) == ()


def test_trades_keep_every_digit_and_say_how_they_came() -> None:
    rows = [{"id": "9", "timestamp": START_MS, "side": "buy", "price": LONG, "amount": "1e-7"},
            {"id": None, "timestamp": None, "side": None, "price": "1", "amount": "2"}]  # fmt: skip
    assert decoded(ch="trades", s="BTC/USD", live=True, rows=rows) == [
        Trade(BTC.id, "trades", AT_NS, 7, "ws", "9", None, "buy", Decimal(LONG), Decimal("1e-7")),
        Trade(BTC.id, "trades", None, 7, "ws", "", None, "", Decimal(1), Decimal(2)),
    ]
    assert decoded(ch="trades", s="BTC/USD", live=False, rows=rows)[0].source == "rest"
    assert decoded(ch="trades", s="NEW/USD", rows=rows)[0].instrument == "ccxt-fakex:NEW/USD"


def test_quotes_tickers_and_books() -> None:
    quote = {"bid": "1", "bid_size": LONG, "ask": None, "ask_size": None, "timestamp": START_MS}
    assert decoded(ch="quotes", s="BTC/USD", rows=[quote]) == [
        Quote(BTC.id, "quotes", AT_NS, 7, "ws", Decimal(1), Decimal(LONG), None, None)
    ]
    ticker = {"last": "5", "volume": LONG, "timestamp": START_MS}
    assert decoded(ch="ticker", s="BTC/USD", rows=[ticker]) == [
        Ticker(BTC.id, "ticker", AT_NS, 7, "ws", Decimal(5), volume=Decimal(LONG))
    ]
    book = {"bids": [["1", LONG]], "asks": [["2", "3"]], "timestamp": None}
    assert decoded(ch="book:20", s="BTC/USD", rows=[book]) == [
        BookSnapshot(BTC.id, "book:20", None, 7, "ws", [("1", LONG)], [("2", "3")])
    ]


def test_bars_are_closed_ones() -> None:
    (bar,) = decoded(ch="bars:1m", s="BTC/USD", live=False, rows=[[START_MS, "1", "4", "0.5", "2", LONG]])
    assert bar == Bar(
        BTC.id, "bars:1m", None, 7, "rest", "1m", AT_NS, Decimal(1), Decimal(4), Decimal("0.5"), Decimal(2),
        Decimal(LONG), None, None, None, None, None, closed=True, revision=1, known_at_ns=7,
    )  # fmt: skip


def test_answers_to_requests() -> None:
    assert decoded(ack=3, ch="trades", s="BTC/USD") == [Ack(3, Topic("trades", "BTC/USD"))]
    assert decoded(ack=4) == [Ack(4, None)]
    assert decoded(refuse=5, ch="bars:3m", s="BTC/USD", code="NotSupported", text="no bars") == [
        Refusal("NotSupported", "no bars", 5, Topic("bars:3m", "BTC/USD"))
    ]


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        frame(ch="trades", s="BTC/USD", rows=[{"amount": "1", "price": None}]),
        frame(ch="trades", s="BTC/USD", rows=[{"amount": "1", "price": "1,300"}]),
        frame(ch="trades", s="BTC/USD", rows={"price": "1"}),
        frame(ch="mark", s="BTC/USD", rows=[]),
        frame(ch="bars:1m", s="BTC/USD", rows=[[START_MS]]),
    ],
)
def test_bad_frames(bad: bytes) -> None:
    with pytest.raises(BadData):
        VENUE.decoder(VENUE.name, {})(bad, 7)


# ---- REST ------------------------------------------------------------------------------------------------------------


def test_instruments() -> None:
    row = {
        "symbol": "BTC/USDT:USDT", "id": "BTC-PERP", "kind": "perpetual", "base": "BTC", "quote": "USDT",
        "settle": "USDT", "active": False, "tick": "0.5", "lot": "1", "min_size": "1", "contract_size": "0.001",
    }  # fmt: skip
    (swap,) = answered("instruments", [row])
    assert swap == Instrument(
        venue="ccxt-fakex", symbol="BTC/USDT:USDT", native="BTC/USDT:USDT", kind="perpetual", base="BTC", quote="USDT",
        settle="USDT", status="halted", tick=Decimal("0.5"), lot=Decimal(1), min_size=Decimal(1),
        size_unit="contract", contract_size=Decimal("0.001"), code="BTC-PERP",
    )  # fmt: skip
    (spot,) = answered("instruments", [{**row, "symbol": "BTC/USD", "kind": "spot", "contract_size": None}])
    assert (spot.size_unit, spot.contract_size) == ("base", Decimal(1))


def test_clock_depth_and_trades() -> None:
    assert answered("time", START_MS) == [ServerTime(AT_NS)]
    (book,) = answered("depth", [{"bids": [], "asks": [["1", "2"]], "timestamp": START_MS}])
    assert (book.channel, book.source, book.at_ns, book.asks) == ("book", "rest", AT_NS, [("1", "2")])
    (trade,) = answered("trades", [{"id": "1", "timestamp": START_MS, "side": "sell", "price": "1", "amount": "2"}])
    assert (trade.channel, trade.source, trade.side) == ("trades", "rest", "sell")
    asked = VENUE.rest["depth"].build(Ask("depth", "BTC/USD", limit=5))
    assert (asked.path, json.loads(asked.body)) == ("/depth", {"symbol": "BTC/USD", "limit": 5})


def test_answers_that_are_none() -> None:
    for body, error in (
        (b"<html>", BadData), (frame(ok="x"), BadData), (frame(error=["BadSymbol"], text="?"), OrderRefused),
        (frame(error=["ExchangeError"]), Retry),
    ):  # fmt: skip
        with pytest.raises(error):
            VENUE.rest["trades"].parse(body, Ask("trades", "BTC/USD"), {}, 7)
