from dataclasses import replace
from decimal import Decimal

import toy_venue as toy

from tapeline.model.event import BookSnapshot
from tapeline.model.interval import HOUR_NS
from tapeline.sim.market import Market
from tapeline.sim.paper.tickers import summary
from tapeline.sim.recording import Recording
from tapeline.trading.paper.matching import Matcher

D = Decimal


def matcher() -> Matcher:
    made = Matcher(toy.AB)
    for _ in made.market(BookSnapshot(toy.AB.id, "book", 1, 1, "ws", [("99", "5")], [("100", "2")])):
        raise AssertionError("nothing rests here")
    return made


def test_a_day_is_made_of_bars_and_the_top_of_the_book() -> None:
    now_ns = toy.START_NS + HOUR_NS // 2
    told = summary(toy.TOY, Market(toy.TOY, 7, toy.START_NS), matcher(), now_ns)
    assert (told.quote.bid, told.quote.bid_size, told.quote.ask, told.quote.ask_size) == (D(99), D(5), D(100), D(2))
    ticker = told.ticker
    assert ticker.last == D("99.5")
    assert ticker.open is not None
    assert ticker.high is not None
    assert ticker.low is not None
    assert ticker.volume is not None
    assert ticker.low <= ticker.open <= ticker.high
    assert ticker.volume > 0


def test_without_bars_or_a_book_little_is_known() -> None:
    bare = replace(toy.TOY, rest={"instruments": toy.TOY.rest["instruments"]})
    told = summary(bare, Recording(bare, []), Matcher(toy.AB), toy.START_NS)
    assert (told.ticker.last, told.ticker.high, told.ticker.volume) == (None, None, D(0))
    assert (told.quote.bid, told.quote.ask_size) == (None, None)
    quiet = summary(toy.TOY, Recording(toy.TOY, [toy.trade(1, 1.0)]), matcher(), toy.START_NS)
    assert (quiet.ticker.last, quiet.ticker.low, quiet.ticker.high) == (D("99.5"), D("99.5"), D("99.5"))
