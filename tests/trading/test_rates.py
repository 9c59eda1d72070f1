from decimal import Decimal

import msgspec

from tapeline.model.order import Intent
from tapeline.trading.risk.rates import MINUTE_NS, SECOND_NS, Rates

D = Decimal
BUY = Intent(instrument="pit:BTC/USDT", side="buy", kind="limit", size=D(1), price=D(100), strategy="grid")
MAIN, GRID = ("account", "main"), ("strategy", "grid")


def test_orders_and_cancels_of_the_last_second_and_minute() -> None:
    rates = Rates()
    for at_ns in (0, SECOND_NS // 2, SECOND_NS):
        rates.ordered([MAIN, GRID], BUY, None, at_ns)
    rates.cancelled([MAIN], SECOND_NS)
    assert rates.counts(MAIN, SECOND_NS) == (2, 3, 1)  # the first is a second old: it counts no more
    assert rates.counts(GRID, SECOND_NS) == (2, 3, 0)
    assert rates.counts(("account", "other"), SECOND_NS) == (0, 0, 0)
    assert rates.counts(MAIN, MINUTE_NS) == (0, 2, 1)
    assert rates.counts(MAIN, MINUTE_NS + SECOND_NS) == (0, 0, 0)


def test_recent_intents_with_their_age() -> None:
    rates = Rates()
    rates.ordered([MAIN], BUY, None, 0)
    other = msgspec.structs.replace(BUY, strategy="cross")
    rates.ordered([MAIN], other, None, SECOND_NS)
    assert rates.recent("grid", 2 * SECOND_NS) == [(BUY, 2.0)]
    assert rates.recent("cross", 2 * SECOND_NS) == [(other, 1.0)]
    assert rates.recent("none", 0) == []
    rates.ordered([MAIN], other, None, 3 * SECOND_NS)
    assert rates.recent("cross", 3 * SECOND_NS, 1.0) == [(other, 0.0)]


def test_the_usual_value_is_a_median() -> None:
    rates = Rates()
    for value in (1, 2, 3, 1000):
        rates.ordered([], BUY, D(value), 0)
    assert rates.usual_value("grid", BUY.instrument) is None
    rates.ordered([], BUY, D(4), 0)
    assert rates.usual_value("grid", BUY.instrument) == D(3)
    assert rates.usual_value("grid", "pit:ETH/USDT") is None
    for _ in range(20):
        rates.ordered([], BUY, D(7), 0)
    assert rates.usual_value("grid", BUY.instrument) == D(7)
