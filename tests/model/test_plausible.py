from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tapeline.model.event import (
    Bar,
    BookDelta,
    Event,
    Funding,
    Index,
    Liquidation,
    Mark,
    OpenInterest,
    Quote,
    Status,
    Ticker,
    Trade,
)
from tapeline.model.plausible import impossible

D = Decimal
HEAD = ("toy:A/X", "c", 5, 9, "ws")
TRADE = Trade(*HEAD, "7", 7, "buy", D(10), D(1))
QUOTE = Quote(*HEAD, D(9), D(1), D(10), D(1))
BAR = Bar(*HEAD, "1m", 0, D(10), D(12), D(9), D(11), D(100), D(1000), 5, D(40), 1, 5, closed=True)
TICKER = Ticker(*HEAD, D(10), D(9), D(12), D(8), D(100), D(1000), D(9), D(10))
LIQUIDATION = Liquidation(*HEAD, "sell", D(10), D(1))
MARK, INDEX, FUNDING = Mark(*HEAD, D(10)), Index(*HEAD, D(10)), Funding(*HEAD, D("-0.0001"), 28800, 9)
INTEREST = OpenInterest(*HEAD, D(0))
NAN, INF, MINUS = D("NaN"), D("Infinity"), D(-1)

POSSIBLE: list[Event] = [
    TRADE, QUOTE, BAR, TICKER, LIQUIDATION, MARK, INDEX, FUNDING, INTEREST,
    Trade(*HEAD, "7", 7, "", D(-37), D(0)),  # the price of oil, once
    Quote(*HEAD, None, None, None, None),
    Ticker(*HEAD, None),
    Bar(*HEAD, "1m", 0, D(1), D(1), D(1), D(1), D(0), None, None, None, None, None, closed=False),
    BookDelta(*HEAD, (("x", "y"),), ()),  # levels are checked where they become numbers
    Status(*HEAD, "halted"),
]  # fmt: skip


@pytest.mark.parametrize("event", POSSIBLE, ids=lambda event: type(event).__name__)
def test_what_a_market_can_produce(event: Event) -> None:
    assert impossible(event) == ""


@pytest.mark.parametrize(
    ("event", "change", "why"),
    [
        (TRADE, {"price": NAN}, "price NaN, size 1"),
        (TRADE, {"price": -INF}, "price -Infinity"),
        (TRADE, {"size": MINUS}, "size -1"),
        (TRADE, {"size": D("sNaN")}, "size sNaN"),
        (QUOTE, {"bid_size": MINUS}, "bid -1 at 9"),
        (QUOTE, {"ask": INF}, "ask 1 at Infinity"),
        (BAR, {"high": D("10.5")}, "high 10.5"),
        (BAR, {"low": D("10.5")}, "low 10.5"),
        (BAR, {"high": D(8)}, "open 10, high 8, low 9, close 11"),
        (BAR, {"close": NAN}, "prices 10 12 9 NaN, volumes 100 1000 40"),
        (BAR, {"volume": MINUS}, "volumes"),
        (BAR, {"quote_volume": NAN}, "volumes"),
        (BAR, {"taker_buy_volume": MINUS}, "volumes"),
        (BAR, {"trades": -5}, "-5 trades"),
        (TICKER, {"last": NAN}, "last NaN"),
        (TICKER, {"volume": MINUS}, "volume -1"),
        (MARK, {"price": NAN}, "price NaN"),
        (INDEX, {"price": INF}, "price Infinity"),
        (FUNDING, {"rate": NAN}, "rate NaN"),
        (INTEREST, {"size": MINUS}, "size -1"),
        (LIQUIDATION, {"size": NAN}, "size NaN"),
        (LIQUIDATION, {"price": NAN}, "price NaN"),
    ],
)
def test_what_none_can(event: Event, change: dict[str, Any], why: str) -> None:
    assert why in impossible(msgspec.structs.replace(event, **change))
