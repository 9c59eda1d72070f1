"""One instrument's trading is a function of seed, symbol and time."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
import toy_venue as toy

from tapeline.errors import ConfigError
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS
from tapeline.sim.candles import Candles
from tapeline.sim.pit import BEATS, Pit, Rates

MINUTE = 29_395_000


def test_a_minute_is_the_same_in_any_order_and_joins_its_neighbours() -> None:
    forwards, backwards = Pit(toy.AB, 5, Rates()), Pit(toy.AB, 5, Rates())
    ahead = [forwards.trades(MINUTE + n) for n in range(5)]
    behind = [backwards.trades(MINUTE + n) for n in reversed(range(5))]
    assert ahead == behind[::-1]
    for one, two in pairwise(ahead):
        assert (two[0].seq or 0) == (one[-1].seq or 0) + 1
        assert (two[0].at_ns or 0) > (one[-1].at_ns or 0)
    for minute in range(MINUTE, MINUTE + 20):
        last, first = forwards.bid((minute + 1) * BEATS - 1), forwards.bid((minute + 1) * BEATS)
        assert abs(last - first) <= 3


def test_trades_of_a_span_and_by_number() -> None:
    pit = Pit(toy.AB, 5, Rates(trades_per_minute=10))
    trades = pit.trades(MINUTE)
    assert [trade.id for trade in trades] == [str(MINUTE * 10 + n) for n in range(10)]
    assert pit.trade_minute(int(trades[3].id)) == MINUTE
    third, fifth = trades[3].at_ns or 0, trades[5].at_ns or 0
    assert list(pit.between(third, fifth)) == trades[3:5]


def test_bars_cut_by_now() -> None:
    pit = Pit(toy.AB, 5, Rates(trades_per_minute=10))
    from_ns = MINUTE * MINUTE_NS // HOUR_NS * HOUR_NS
    whole = pit.candles("1h", from_ns, from_ns + 3 * HOUR_NS, from_ns + 3 * HOUR_NS)
    assert [bar.trades for bar in whole] == [600, 600, 600]
    part = pit.candles("1h", from_ns, from_ns + 3 * HOUR_NS, from_ns + HOUR_NS + 90 * 10**9)
    assert part[0] == msgspec.structs.replace(whole[0], at_ns=part[0].at_ns, received_ns=part[0].received_ns)
    assert part[1].trades in range(10, 21)
    assert not part[1].closed


def test_sizes_are_worth_something_on_the_lot() -> None:
    tiny = msgspec.structs.replace(toy.AB, lot=Decimal("0.00000001"))
    sizes = [trade.size for trade in Pit(tiny, 5, Rates()).trades(MINUTE)]
    assert min(sizes) >= Decimal("0.00001")
    assert all(size % Decimal("0.00000001") == 0 for size in sizes)


def test_the_book_refreshes_and_moves() -> None:
    pit = Pit(toy.AB, 5, Rates(levels=3, refresh_beats=2))
    beat = MINUTE * BEATS
    for at in range(beat + 1, beat + 50):
        old_bids, old_asks = pit.top(at - 1)
        bids, asks = pit.change(at, 1)
        new_bids = {price: size for price, size in {**dict(old_bids), **dict(bids)}.items() if Decimal(size)}
        new_asks = {price: size for price, size in {**dict(old_asks), **dict(asks)}.items() if Decimal(size)}
        assert (new_bids, new_asks) == (dict(pit.top(at)[0]), dict(pit.top(at)[1]))


def test_rates_that_cannot_be() -> None:
    for wrong in ({"trades_per_minute": 0}, {"levels": 0}, {"refresh_beats": 0}):
        with pytest.raises(ConfigError, match="no market can run"):
            replace(Rates(), **wrong)


def test_an_order_of_several_fills_is_told_one_by_one_merged_and_as_an_aggregate() -> None:
    pit = Pit(toy.AB, 1, Rates(trades_per_minute=2, fills=3))
    from_ns, to_ns = 1000 * MINUTE_NS, 1002 * MINUTE_NS
    fills, merged, aggregates = (list(tell(from_ns, to_ns)) for tell in (pit.between, pit.merged, pit.aggregates))
    assert [fill.seq for fill in fills] == list(range(6000, 6012))
    assert [(one.first_id, one.last_id, one.seq) for one in merged] == [
        (6000, 6002, 6002), (6003, 6005, 6005), (6006, 6008, 6008), (6009, 6011, 6011),
    ]  # fmt: skip
    assert [(one.id, one.seq, one.channel) for one in aggregates] == [
        (str(number), number, "aggtrades") for number in range(2000, 2004)
    ]
    for order, parts in zip(merged, (fills[:3], fills[3:6]), strict=False):
        assert order.size == sum(part.size for part in parts)
        assert {(part.price, part.side, part.at_ns) for part in parts} == {(order.price, order.side, order.at_ns)}
    assert pit.trade_minute(6005) == pit.order_minute(2001) == 1000
    (bar,) = pit.candles("1m", from_ns, from_ns + MINUTE_NS, to_ns)
    assert (bar.trades, bar.first_id, bar.last_id) == (6, 6000, 6005)
    pit.number_anew(1000 * MINUTE_NS, 4)
    assert [fill.seq for fill in pit.between(from_ns, to_ns)] == [*range(6000, 6006), *range(6000, 6006)]
    assert pit.trade_minute(6000) == 1001
    assert [one.seq for one in pit.merged(from_ns, to_ns)] == [6002, 6005, 6002, 6005], "though it was asked before"
    assert [one.seq for one in pit.aggregates(from_ns, to_ns)] == [2000, 2001, 2000, 2001]


def test_a_bar_of_a_minute_is_what_its_trades_come_to() -> None:
    inverse = msgspec.structs.replace(toy.PERP, inverse=True)
    for instrument in (toy.AB, toy.PERP, inverse):
        for rates in (Rates(trades_per_minute=7), Rates(fills=3), Rates(step_beats=20, trades_per_minute=3)):
            pit = Pit(instrument, 5, rates)
            from_ns, to_ns = MINUTE * MINUTE_NS, (MINUTE + 2) * MINUTE_NS
            added = Candles("1m", instrument)
            for trade in pit.between(from_ns, to_ns):
                added.add(trade)
            reckoned, wanted = pit.candles("1m", from_ns, to_ns, to_ns), added.rows(to_ns)
            assert list(reckoned) == list(wanted)


def test_bars_of_a_long_time_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapeline.sim.pit.KEPT_BARS", 100)
    pit = Pit(toy.AB, 5, Rates(trades_per_minute=2))
    from_ns = MINUTE * MINUTE_NS // DAY_NS * DAY_NS
    to_ns = from_ns + 3 * DAY_NS
    (first,) = pit.candles("1M", from_ns, to_ns, to_ns)
    monkeypatch.setattr(pit, "_minute", None)  # a second look would need it
    (second,) = pit.candles("1M", from_ns, to_ns, to_ns)
    assert first == second
    assert first.trades == 3 * 1440 * 2
