"""A venue's own klines: exact, by event time, merged without loss."""

from decimal import Decimal

import pytest
import toy_venue as toy

from tapeline.model.event import Trade
from tapeline.sim.candles import Candles


def trade(number: int, at_s: float, price: str, size: str, *, side: str = "buy", many: int = 0) -> Trade:
    at_ns = toy.START_NS // 60_000_000_000 * 60_000_000_000 + round(at_s * 1e9)
    first, last = (number, number + many - 1) if many else (None, None)
    return Trade(
        "toy:A/B", "trades", at_ns, at_ns, "ws", str(number), number, side, Decimal(price), Decimal(size), first, last
    )


TRADES = [
    trade(1, 1, "10.1", "0.3"),
    trade(2, 59.999, "9.9", "0.1", side="sell", many=3),
    trade(5, 60, "10", "2"),
    trade(6, 61, "12", "0.0000001", side=""),
]


def test_bars_of_trades() -> None:
    candles = Candles("1m", toy.AB)
    for one in TRADES:
        candles.add(one)
    first, second = candles.rows(TRADES[2].at_ns or 0)
    assert (first.open, first.high, first.low, first.close) == tuple(map(Decimal, ("10.1", "10.1", "9.9", "9.9")))
    assert (first.volume, first.quote_volume) == (Decimal("0.4"), Decimal("4.02"))
    assert (first.trades, first.taker_buy_volume, first.first_id, first.last_id) == (4, Decimal("0.3"), 1, 4)
    assert (first.closed, second.closed) == (True, False)
    assert second.volume == Decimal("2.0000001")
    assert first.instrument == "toy:A/B"
    assert first.channel == "bars:1m"


def test_longer_bars_from_shorter_ones_are_the_same() -> None:
    whole, merged = Candles("5m", toy.AB), Candles("5m", toy.AB)
    for one in TRADES:
        whole.add(one)
    for part in (TRADES[:2], TRADES[2:]):
        minute = Candles("1m", toy.AB)
        for one in part:
            minute.add(one)
        merged.merge(minute)
    now_ns = toy.START_NS + 10**12
    assert whole.rows(now_ns) == merged.rows(now_ns)


def test_contracts_are_worth_their_notional_and_words_are_no_numbers() -> None:
    candles = Candles("1m", toy.PERP)
    candles.add(TRADES[2])
    assert candles.rows(0)[0].quote_volume == Decimal("0.20")
    nameless = Candles("1m", None)
    one = TRADES[0]
    nameless.add(Trade("x", "trades", one.at_ns, 0, "ws", "abc", None, "buy", one.price, one.size))
    nameless.add(Trade("x", "trades", None, 0, "ws", "abd", None, "buy", one.price, one.size))
    (bar,) = nameless.rows(0)
    assert (bar.first_id, bar.last_id, bar.trades) == (None, None, 1)
    with pytest.raises(IndexError):
        _ = Candles("1m", None).rows(0)[0]
