import pytest

from tapeline.errors import ConfigError
from tapeline.model.channel import channel
from tapeline.venues import venue_named
from tapeline.venues.spec import Feed


def test_a_feed_offers_its_kind_at_its_speeds_depths_and_intervals() -> None:
    book = Feed(channel="book", wire_name="depth", endpoint="public", speeds=("", "1000ms"), levels=(5, 20))
    assert [book.offers(channel(text)) for text in ("book", "book@1000ms", "book:5", "book:20@1000ms")] == [True] * 4
    assert [book.offers(channel(text)) for text in ("book@7ms", "book:7", "book:5@7ms")] == [False] * 3
    bars = Feed(channel="bars", wire_name="kline", endpoint="public", intervals=("1m",))
    assert (bars.offers(channel("bars:1m")), bars.offers(channel("bars:1h"))) == (True, False)
    trades = Feed(channel="trades", wire_name="trade", endpoint="public")
    assert (trades.offers(channel("trades")), trades.offers(channel("quotes"))) == (True, False)


@pytest.mark.parametrize("text", ["funding", "mark", "open_interest", "liquidations"])
def test_what_contracts_alone_have_is_refused_of_spot(text: str) -> None:
    okx = venue_named("okx")
    assert okx.feed_of(channel(text), "perpetual").channel == okx.feed_of(channel(text)).channel == text
    with pytest.raises(ConfigError, match=f"okx: {text} is for perpetual.* instruments, not for spot ones"):
        okx.feed_of(channel(text), "spot")
    with pytest.raises(ConfigError, match=r"okx has no channel 'book:7'; it has book\[:5\]$"):
        okx.feed_of(channel("book:7"), "spot")
    assert okx.feed_of(channel("trades"), "spot").channel == "trades"


@pytest.mark.parametrize(
    ("text", "menu"),
    [("book@7ms", r"book\[:5\|10\|20\]\[@250ms\|@500ms\]$"), ("bars:1s", r"bars:1m\|3m\|5m\|.*\|1M$")],
)
def test_a_channel_that_is_not_offered_so_names_how_it_is(text: str, menu: str) -> None:
    usdm = venue_named("binance-usdm")
    assert usdm.feed_of(channel("ticker")).menu == "ticker"
    with pytest.raises(ConfigError, match=f"binance-usdm has no channel '{text}'; it has {menu}"):
        usdm.feed_of(channel(text))
