"""What a ticker call says of an instrument of a paper exchange: its last 24 hours from bars, its book as it is."""

from decimal import Decimal

from tapeline.model.event import Bar, Quote, Ticker
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS
from tapeline.model.number import EXACT, ZERO
from tapeline.sim.paper.feed import answers
from tapeline.sim.source import Source
from tapeline.trading.paper.matching import Matcher
from tapeline.venues.orders import Summary
from tapeline.venues.spec import Ask, Venue

BARS = "1h"  # of which a day is told


NOTHING = Summary(
    Ticker("", "ticker", None, 0, "rest", None, None, None, None, None, None, None, None),
    Quote("", "quotes", None, 0, "rest", None, None, None, None),
)  # where nobody will read it


def asked(instrument: Instrument, now_ns: int) -> Ask:
    """The bars that a day is told of."""
    return Ask("bars", instrument.native, interval=BARS, from_ns=now_ns - DAY_NS, to_ns=now_ns, limit=25)


def summary(venue: Venue, source: Source, matcher: Matcher, now_ns: int) -> Summary:
    """Of the 24 hours before now. Where the source has no bars, the last price is all there is."""
    instrument = matcher.instrument
    known = "bars" in venue.rest
    found = answers(venue, source, asked(instrument, now_ns), now_ns) if known else ()
    bars = [one for one in found if isinstance(one, Bar)]
    last = matcher.mid()
    last = bars[-1].close if last is None and bars else last
    bid, ask_price = matcher.depth.bids.best, matcher.depth.asks.best
    volume = quote_volume = ZERO
    for bar in bars:
        volume = EXACT.add(volume, bar.volume)
        value = bar.quote_volume
        quote_volume = EXACT.add(quote_volume, EXACT.multiply(bar.volume, bar.close) if value is None else value)
    ticker = Ticker(
        instrument.id, "ticker", now_ns, now_ns, "rest", last, bars[0].open if bars else last,
        _best([bar.high for bar in bars], last, 1), _best([bar.low for bar in bars], last, -1), volume, quote_volume,
        bid, ask_price,
    )  # fmt: skip
    quote = Quote(
        instrument.id, "quotes", now_ns, now_ns, "rest",
        bid, None if bid is None else matcher.depth.bids.size(bid),
        ask_price, None if ask_price is None else matcher.depth.asks.size(ask_price),
    )  # fmt: skip
    return Summary(ticker, quote)


def _best(prices: list[Decimal], last: Decimal | None, sign: int) -> Decimal | None:
    """The highest of all (`sign` 1), or the lowest (-1)."""
    whole = prices if last is None else [*prices, last]
    return max(whole, key=lambda price: price * sign) if whole else None
