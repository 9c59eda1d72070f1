import pytest

from tapeline.errors import ConfigError, Refused
from tapeline.model.interval import NAMES
from tapeline.model.topic import Topic
from tapeline.venues.binance import BINANCE, BINANCE_US, BINANCE_USDM
from tapeline.venues.binance.spot import SPOT
from tapeline.venues.binance.streams import stream_of, topics_of
from tapeline.venues.binance.usdm import USDM
from tapeline.venues.spec import Ask, Subscribe


@pytest.mark.parametrize(
    ("channel", "spot", "usdm"),
    [
        ("trades", "btcusdt@trade", "btcusdt@trade"),
        ("aggtrades", "btcusdt@aggTrade", "btcusdt@aggTrade"),
        ("quotes", "btcusdt@bookTicker", "btcusdt@bookTicker"),
        ("ticker", "btcusdt@ticker", "btcusdt@ticker"),
        ("book", "btcusdt@depth@100ms", "btcusdt@depth@100ms"),
        ("book@1000ms", "btcusdt@depth", "btcusdt@depth@1000ms"),
        ("book@250ms", "btcusdt@depth@250ms", "btcusdt@depth"),
        ("book@500ms", "btcusdt@depth@500ms", "btcusdt@depth@500ms"),
        ("book:5", "btcusdt@depth5@100ms", "btcusdt@depth5@100ms"),
        ("book:20@1000ms", "btcusdt@depth20", "btcusdt@depth20@1000ms"),
        ("bars:1m", "btcusdt@kline_1m", "btcusdt@kline_1m"),
        ("bars:1M", "btcusdt@kline_1M", "btcusdt@kline_1M"),
        ("mark", None, "btcusdt@markPrice@1s"),
        ("liquidations", None, "btcusdt@forceOrder"),
        ("status", None, "!contractInfo"),
    ],
)
def test_the_stream_of_each_channel_and_back(channel: str, spot: str | None, usdm: str) -> None:
    for name, dialect in ((spot, SPOT), (usdm, USDM)):
        if name is None:
            with pytest.raises(ConfigError, match=channel):
                stream_of(Topic(channel, "BTCUSDT"), dialect)
            continue
        assert stream_of(Topic(channel, "BTCUSDT"), dialect) == name
        back = topics_of(name, dialect)
        assert Topic(channel, "" if name.startswith("!") else "BTCUSDT") in back


def test_one_stream_may_serve_several_channels() -> None:
    three = tuple(Topic(channel, "BTCUSDT") for channel in ("mark", "index", "funding"))
    assert topics_of("btcusdt@markPrice@1s", USDM) == three
    assert topics_of("btcusdt@markPrice", USDM) == three


@pytest.mark.parametrize(
    "name", ["", "@trade", "BTCUSDT@trade", "btcusdt", "btcusdt@depth7", "btcusdt@kline_7m", "!ticker@arr", "btcusdt@x"]
)
def test_a_stream_that_does_not_exist_brings_no_topic(name: str) -> None:
    assert topics_of(name, SPOT) == ()


def test_a_request_names_each_stream_once() -> None:
    topics = tuple(Topic(channel, "BTCUSDT") for channel in ("mark", "index", "funding", "aggtrades"))
    assert BINANCE_USDM.requests(Subscribe(topics, 7)) == (
        b'{"method":"SUBSCRIBE","params":["btcusdt@markPrice@1s","btcusdt@aggTrade"],"id":7}',
    )
    assert BINANCE_USDM.requests(Subscribe(topics[:1], 8, on=False)) == (
        b'{"method":"UNSUBSCRIBE","params":["btcusdt@markPrice@1s"],"id":8}',
    )
    assert BINANCE_USDM.requests(Subscribe((), 9)) == ()


def test_what_is_asked_is_read_back_as_it_was() -> None:
    topics = (Topic("trades", "BTCUSDT"), Topic("book", "ETHUSDT"), Topic("bars:1M", "币USDT"), Topic("book:10", "A"))
    for on in (True, False):
        asked = Subscribe(topics, 12, on)
        assert BINANCE.server is not None
        assert BINANCE.server.read_request(BINANCE.requests(asked)[0]) == asked


def test_each_feed_is_on_the_route_where_the_venue_delivers_it() -> None:
    public = {kind for kind, feed in BINANCE_USDM.feeds.items() if feed.endpoint == "public"}
    assert public == {"book", "quotes", "trades"}
    assert {kind for kind, feed in BINANCE_USDM.feeds.items() if feed.endpoint == "rest"} == {"open_interest"}
    assert {feed.endpoint for feed in BINANCE_USDM.feeds.values()} == {"public", "market", "rest"}
    assert BINANCE_USDM.urls["market"] == "wss://fstream.binance.com/market/stream"


def test_the_intervals_and_speeds_on_offer() -> None:
    assert BINANCE.feeds["bars"].intervals == NAMES
    assert BINANCE_USDM.feeds["bars"].intervals == tuple(name for name in NAMES if name != "1s")
    assert BINANCE.feeds["book"].speeds == ("", "1000ms")
    assert BINANCE_USDM.feeds["book"].speeds == ("", "250ms", "500ms")
    assert BINANCE_USDM.feeds["open_interest"].asked == "open_interest"  # no stream has it


def test_binance_us_is_spot_at_another_address() -> None:
    assert BINANCE_US.name == "binance-us"
    assert BINANCE_US.urls == {
        "public": "wss://stream.binance.us:9443/stream",
        "private": "wss://stream.binance.us:9443/ws",
        "rest": "https://api.binance.us",
    }
    assert BINANCE_US.feeds.keys() == BINANCE.feeds.keys()
    others = BINANCE.feeds.keys() - {"trades"}
    assert {name: BINANCE_US.feeds[name] for name in others} == {name: BINANCE.feeds[name] for name in others}
    assert (BINANCE.feeds["trades"].repair, BINANCE_US.feeds["trades"].repair) == ("trades", ""), "it takes a key"
    with pytest.raises(Refused, match="aggtrades do not"):
        BINANCE_US.rest["trades"].build(Ask("trades", "BTCUSDT", from_id=7))
    assert BINANCE_US.decoder is BINANCE.decoder
    assert BINANCE_US.server is not None
    assert {one.venue for one in BINANCE_US.server.sample_instruments} == {"binance-us"}
