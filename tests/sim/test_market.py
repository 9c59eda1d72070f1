"""The synthetic market agrees with itself: bars with trades, quotes with books, REST with the stream, any venue."""

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import toy_venue as toy

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, BookDelta, BookSnapshot, Event, Funding, Mark, OpenInterest, Quote, Ticker, Trade
from tapeline.model.interval import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS
from tapeline.model.topic import Topic
from tapeline.model.verdict import Verdict
from tapeline.sim.market import Market
from tapeline.sim.pit import Pit, Rates
from tapeline.venues import venues
from tapeline.venues.spec import Ask, Venue

START_NS = 1_763_700_000_000_000_000  # 2025-11-21T04:40:00Z
RARE = Rates(trades_per_minute=12)
CHANNELS = ("trades", "aggtrades", "quotes", "book", "book@1000ms", "book:5", "bars:1m", "bars:1h", "ticker")


def told(market: Market, topic: str, seconds: float) -> list[Any]:
    """Events of one topic in the next seconds."""
    channel, native = topic.split()
    wanted = {Topic(channel, native): 1}
    before_ns = market.at_ns + int(seconds * 1e9) + 1
    moments = market.take(before_ns, 10**9, wanted)
    return [event for _, _, frame in moments for event in toy.decode_market(frame, 0)]


def asked(market: Market, now_ns: int, call: str, native: str = "AB", **how: Any) -> list[Any]:
    ask = Ask(call, native, **how)
    body = market.answer(ask, now_ns)
    assert body is not None
    return list(toy.parse(body, ask, {}, 0))


def bars_of(trades: Sequence[Trade], interval: str) -> dict[int, tuple[Decimal, ...]]:
    """Written anew and plainly, to check against."""
    bars: dict[int, list[Trade]] = {}
    for trade in trades:
        assert trade.at_ns is not None
        bars.setdefault(INTERVALS[interval].floor(trade.at_ns), []).append(trade)
    return {
        open_ns: (
            of[0].price,
            max(t.price for t in of),
            min(t.price for t in of),
            of[-1].price,
            sum((t.size for t in of), Decimal(0)),
            sum((t.size * t.price for t in of), Decimal(0)),
            Decimal(len(of)),
            sum((t.size for t in of if t.side == "buy"), Decimal(0)),
        )
        for open_ns, of in bars.items()
    }


def values(bar: Bar) -> tuple[Any, ...]:
    return (
        bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume, bar.trades, bar.taker_buy_volume
    )  # fmt: skip


def test_same_seed_same_bytes_another_seed_others() -> None:
    wanted = {Topic(channel, "AB"): 1 for channel in CHANNELS}
    first, again, other = (
        Market(toy.TOY, seed, START_NS, RARE).take(START_NS + 5 * 10**9, 10**9, wanted) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    whole = Market(toy.TOY, 1, START_NS, RARE).take(START_NS + 5 * 10**9, 10**9, {Topic("trades", "AB"): 1})
    assert [moment for moment in first if moment[1].channel == "trades"] == list(whole)


def test_streamed_trades_follow_each_other_and_rest_tells_the_same() -> None:
    market = Market(toy.TOY, 1, START_NS)
    streamed: list[Trade] = told(market, "trades AB", 150)
    assert len(streamed) in range(298, 303)
    ids = [int(trade.id) for trade in streamed]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    times = [trade.at_ns or 0 for trade in streamed]
    assert times == sorted(times)
    assert times[0] >= START_NS
    now_ns = market.at_ns
    rest = asked(market, now_ns, "trades", from_id=ids[0], limit=1000)
    assert [(t.id, t.at_ns, t.price, t.size, t.side) for t in rest] == [
        (t.id, t.at_ns, t.price, t.size, t.side) for t in streamed
    ]
    newest = asked(market, now_ns, "aggtrades", limit=5)
    assert [(t.id, t.first_id, t.last_id) for t in newest] == [(str(n), n, n) for n in ids[-5:]]
    window = asked(market, now_ns, "trades", from_ns=times[10], to_ns=times[20])
    assert [int(t.id) for t in window] == ids[10:20]
    older = asked(market, now_ns, "trades", to_ns=times[10], limit=3)
    assert [int(t.id) for t in older] == ids[7:10]


@pytest.mark.parametrize("interval", ["1s", "1m", "5m", "1h"])
def test_bars_are_of_exactly_the_trades(interval: str) -> None:
    market = Market(toy.TOY, 3, START_NS)
    now_ns = START_NS + 90 * MINUTE_NS + 12_345_678_901
    market.skip_to(now_ns)
    from_ns = INTERVALS[interval].floor(START_NS)
    if interval == "1s":
        from_ns = now_ns // MINUTE_NS * MINUTE_NS
    trades: list[Trade] = []
    while chunk := asked(market, now_ns, "trades", from_ns=(trades[-1].at_ns or 0) + 1 if trades else from_ns):
        trades += chunk
    expected = bars_of(trades, interval)
    bars = asked(market, now_ns, "bars", interval=interval, from_ns=from_ns)
    assert {bar.open_at_ns: values(bar) for bar in bars} == expected
    assert [bar.closed for bar in bars] == [True] * (len(bars) - 1) + [False]


def test_streamed_bars_end_as_rest_has_them() -> None:
    market = Market(toy.TOY, 1, START_NS)
    bars: list[Bar] = told(market, "bars:1m AB", 121)
    closed = [bar for bar in bars if bar.closed]
    assert [bar.open_at_ns for bar in closed] == [START_NS, START_NS + MINUTE_NS]
    rest = asked(market, market.at_ns, "bars", interval="1m", from_ns=START_NS)
    assert [values(bar) for bar in rest[:2]] == [values(bar) for bar in closed]
    volumes = [bar.volume for bar in bars if bar.open_at_ns == START_NS]
    assert volumes == sorted(volumes)
    assert len(volumes) == 60


def test_long_bars_are_streamed_as_rest_has_them_from_where_history_begins() -> None:
    market = Market(toy.TOY, 1, START_NS, Rates(trades_per_minute=2))
    for interval in ("1w", "1M"):
        streamed = told(market, f"bars:{interval} AB", 2)
        rest = asked(market, market.at_ns, "bars", interval=interval, limit=1)
        assert values(streamed[-1]) == values(rest[0])
        assert streamed[-1].open_at_ns == rest[0].open_at_ns == INTERVALS[interval].floor(START_NS)


def test_long_bars_and_their_limits() -> None:
    rates = Rates(trades_per_minute=2)
    market = Market(toy.TOY, 1, START_NS, rates)
    days = asked(market, START_NS, "bars", interval="1d")
    assert [bar.open_at_ns for bar in days] == [START_NS // DAY_NS * DAY_NS - n * DAY_NS for n in (2, 1, 0)]
    assert [bar.trades for bar in days[:2]] == [2880, 2880]
    hours = asked(market, START_NS, "bars", interval="1h", limit=3)
    assert [bar.open_at_ns for bar in hours] == [(START_NS // HOUR_NS - n) * HOUR_NS for n in (2, 1, 0)]
    before = asked(market, START_NS, "bars", interval="1h", from_ns=market.history_ns - DAY_NS, limit=1)
    assert [bar.open_at_ns for bar in before] == [market.history_ns]
    first = asked(market, START_NS, "bars", interval="1m", from_ns=market.history_ns, limit=2)
    assert [bar.open_at_ns for bar in first] == [market.history_ns, market.history_ns + MINUTE_NS]
    weeks = asked(market, START_NS, "bars", interval="1w", limit=1)
    months = asked(market, START_NS, "bars", interval="1M", limit=1)
    assert weeks[0].trades == months[0].trades == sum(bar.trades for bar in days)
    assert asked(market, START_NS, "bars", interval="1m", from_ns=START_NS) == []


def test_the_book_follows_its_deltas_and_never_crosses() -> None:
    market = Market(toy.SNAPPY, 1, START_NS)
    topic = Topic("book", "AB")
    start = market.book(topic)
    assert start is not None
    bids, asks, seq = dict(start.bids), dict(start.asks), start.last_seq
    for event in told(market, "book AB", 30):
        assert isinstance(event, BookDelta)
        assert toy.judge(seq, event) is Verdict.APPLY
        assert event.prev_seq == seq
        for side, levels in ((bids, event.bids), (asks, event.asks)):
            for price, size in levels:
                if Decimal(size):
                    side[price] = size
                else:
                    del side[price]
        seq = event.last_seq
        assert max(map(Decimal, bids)) < min(map(Decimal, asks))
        assert len(bids) == len(asks) == 25
    (rest,) = asked(market, market.at_ns, "depth")
    assert (dict(rest.bids), dict(rest.asks), rest.last_seq) == (bids, asks, seq)
    (five,) = asked(market, market.at_ns, "depth", limit=5)
    assert (five.bids, five.asks) == (rest.bids[:5], rest.asks[:5])


def test_a_slower_book_ends_in_the_same_state() -> None:
    market = Market(toy.TOY, 1, START_NS)
    start = market.book(Topic("book@1000ms", "AB"))
    assert start is not None
    bids, seq = dict(start.bids), start.last_seq
    deltas = told(market, "book@1000ms AB", 10)
    assert len(deltas) == 10
    for delta in deltas:
        assert delta.prev_seq == seq
        seq = delta.last_seq
        bids |= dict(delta.bids)
    bids = {price: size for price, size in bids.items() if Decimal(size)}
    end = market.book(Topic("book", "AB"))
    assert end is not None
    assert bids == dict(end.bids)


def test_quotes_are_the_top_of_the_book_and_trades_happen_there() -> None:
    market = Market(toy.TOY, 1, START_NS)
    wanted = {Topic(channel, "AB"): 1 for channel in ("quotes", "book:5", "trades")}
    moments = market.take(START_NS + 30 * 10**9, 10**9, wanted)
    quotes: dict[int, Quote] = {}
    events: list[Event] = [event for _, _, frame in moments for event in toy.decode_market(frame, 0)]  # type: ignore[misc]  # market frames hold no control
    tops = {event.at_ns: event for event in events if isinstance(event, BookSnapshot)}
    for event in events:
        if isinstance(event, Quote):
            assert event.at_ns is not None
            quotes[event.at_ns] = event
            top = tops[event.at_ns]
            assert (str(event.bid), str(event.bid_size)) == top.bids[0]
            assert (str(event.ask), str(event.ask_size)) == top.asks[0]
            assert event.update_id == top.last_seq
    for event in events:
        if isinstance(event, Trade) and (event.at_ns or 0) // 10**8 * 10**8 in quotes:
            quote = quotes[(event.at_ns or 0) // 10**8 * 10**8]
            assert event.price == (quote.ask if event.side == "buy" else quote.bid)


def test_tickers_and_what_only_derivatives_have() -> None:
    market = Market(toy.TOY, 1, START_NS, Rates(trades_per_minute=2))
    (ticker,) = told(market, "ticker AB", 1)
    assert isinstance(ticker, Ticker)
    bars = asked(market, market.at_ns, "bars", interval="1h", from_ns=(START_NS - DAY_NS) // HOUR_NS * HOUR_NS)
    assert (ticker.open, ticker.high) == (bars[0].open, max(bar.high for bar in bars))
    assert ticker.volume == sum((bar.volume for bar in bars), Decimal(0))
    for channel, kind in (("mark", Mark), ("funding", Funding), ("open_interest", OpenInterest)):
        (event,) = told(market, f"{channel} BTC-PERP", 1)
        assert isinstance(event, kind)
        assert market.served_as(Topic(channel, "AB")) is None
        assert market.answer(Ask(channel, "AB"), START_NS) is None
        assert market.answer(Ask(channel, "BTC-PERP"), START_NS) is not None
    assert market.served_as(Topic("status", "AB")) is None
    assert market.served_as(Topic("trades", "XX")) is None
    assert market.answer(Ask("depth", "XX"), START_NS) is None
    assert market.answer(Ask("nothing", "AB"), START_NS) is None


def test_a_market_nobody_can_have() -> None:
    with pytest.raises(ConfigError, match="no market can run at"):
        Rates(trades_per_minute=0)
    assert toy.TOY.server is not None
    with pytest.raises(ConfigError, match="names no instruments"):
        Market(replace(toy.TOY, server=replace(toy.TOY.server, sample_instruments=())), 1, START_NS)


@pytest.mark.parametrize("name", sorted(venues()))
def test_every_venue_speaks_of_it_in_its_own_words(name: str) -> None:
    venue: Venue = venues()[name]
    server = venue.server
    assert server is not None
    market = Market(venue, 1, START_NS, Rates(trades_per_minute=60))
    symbols = {one.symbol: one.native for one in server.sample_instruments}
    assert {"BTC/USDT", "BTC/USDT:USDT"} & set(symbols)
    native = symbols.get("BTC/USDT:USDT", symbols.get("BTC/USDT", ""))
    listed = {one.native: one for one in server.sample_instruments}
    decode = venue.decoder(venue.name, listed)
    topics = {Topic(c, native): 1 for c in ("trades", "quotes", "book", "bars:1m") if c.split(":")[0] in venue.feeds}
    heard = [
        (topic, item)
        for _, topic, frame in market.take(START_NS + 61 * 10**9, 10**9, topics)
        for item in decode(frame, 1)
    ]
    for topic in topics:
        mine = [item for of, item in heard if of == topic]
        assert mine
        assert {(item.instrument, item.channel) for item in mine} == {(listed[native].id, topic.channel)}  # type: ignore[union-attr]  # no control comes
    trades = [item for _, item in heard if isinstance(item, Trade)]
    closed = [item for _, item in heard if isinstance(item, Bar) and item.closed]
    assert len(closed) == 1
    assert closed[0].volume == sum((t.size for t in trades if (t.at_ns or 0) < START_NS + MINUTE_NS), Decimal(0))
    deltas = [item for _, item in heard if isinstance(item, BookDelta)]
    judge = venue.feeds["book"].judge
    assert judge is not None
    for before, after in pairwise(deltas):
        assert judge(before.last_seq, after) is Verdict.APPLY
    for ask in (
        Ask("instruments", part=venue.rest["instruments"].parts[0]),
        Ask("time"),
        Ask("depth", native, limit=5),
    ):
        body = market.answer(ask, market.at_ns)
        assert body is not None
        assert venue.rest[ask.call].parse(body, ask, {}, 1)
        json.loads(body)


def test_prices_stay_where_a_price_can_be() -> None:
    pit = Pit(toy.AB, 9, Rates())
    path = [pit.bid(minute * 600) for minute in range(START_NS // MINUTE_NS, START_NS // MINUTE_NS + 3000)]
    assert min(path) > 26
    assert max(path) < 3 * min(path)
    assert len(set(path)) > 50
