from collections.abc import Callable
from decimal import Decimal

import pytest

from tapeline.errors import ConfigError
from tapeline.market.activity import activity_bars
from tapeline.model.event import Trade

Make = Callable[..., Trade]


def some(trade: Make, count: int) -> list[Trade]:
    return [
        trade(n, price=Decimal(100 + n), size=Decimal("0.5"), side="buy" if n % 2 else "sell") for n in range(count)
    ]


def test_every_so_many_trades(trade: Make) -> None:
    first, second, rest = activity_bars(some(trade, 7), "ticks", 3)
    assert (first.interval, first.channel, first.origin) == ("ticks:3", "bars:ticks:3@trades", "trades")
    assert [first.open, first.high, first.low, first.close] == [100, 102, 100, 102]
    assert (first.volume, first.quote_volume, first.taker_buy_volume) == (
        Decimal("1.5"),
        Decimal("151.5"),
        Decimal("0.5"),
    )
    assert (first.trades, first.first_id, first.last_id, first.closed, first.certificate) == (3, 0, 2, True, "complete")
    assert second.open == 103
    assert (second.open_at_ns, second.at_ns) == (trade(3).at_ns, trade(5).at_ns)
    assert (rest.trades, rest.closed, rest.certificate, rest.revision) == (1, False, "partial", 0)


def test_volume_and_value_end_with_the_trade_that_reaches_them(trade: Make) -> None:
    assert [bar.volume for bar in activity_bars(some(trade, 6), "volume", Decimal("0.8"))] == [1, 1, 1]
    assert [bar.trades for bar in activity_bars(some(trade, 6), "value", 101)] == [3, 2, 1]
    contracts = activity_bars(some(trade, 6), "value", 20, notional=lambda _price, size: size * 10)
    assert [bar.quote_volume for bar in contracts] == [20, 10]


def test_what_is_no_trade_counts_for_nothing_and_holes_are_told(trade: Make) -> None:
    given = [trade(1, size=Decimal(0)), trade(2, at_ns=None), *some(trade, 4)]
    bars = list(activity_bars(given, "ticks", 2, hole=lambda low, high: low <= (trade(2).at_ns or 0) <= high))
    assert [(bar.trades, bar.certificate) for bar in bars] == [(2, "complete"), (2, "partial")]
    assert list(activity_bars([], "ticks", 2)) == []


@pytest.mark.parametrize(("by", "size"), [("ticks", 0), ("colour", 1), ("value", Decimal("NaN")), ("volume", -1)])
def test_a_measure_there_is_not(by: str, size: Decimal) -> None:
    with pytest.raises(ConfigError, match="by ticks, volume or value"):
        list(activity_bars([], by, size))
