from tapeline.model.channel import channel
from tapeline.venues.spec import Feed


def test_a_feed_offers_its_kind_at_its_speeds_depths_and_intervals() -> None:
    book = Feed(channel="book", wire_name="depth", endpoint="public", speeds=("", "1000ms"), levels=(5, 20))
    assert [book.offers(channel(text)) for text in ("book", "book@1000ms", "book:5", "book:20@1000ms")] == [True] * 4
    assert [book.offers(channel(text)) for text in ("book@7ms", "book:7", "book:5@7ms")] == [False] * 3
    bars = Feed(channel="bars", wire_name="kline", endpoint="public", intervals=("1m",))
    assert (bars.offers(channel("bars:1m")), bars.offers(channel("bars:1h"))) == (True, False)
    trades = Feed(channel="trades", wire_name="trade", endpoint="public")
    assert (trades.offers(channel("trades")), trades.offers(channel("quotes"))) == (True, False)
