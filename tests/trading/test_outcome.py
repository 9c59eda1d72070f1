from decimal import Decimal

from tapeline.trading.paper.outcome import Matching, joined

D = Decimal


def test_takes_at_one_price_are_one() -> None:
    assert joined([(D(1), D(2)), (D(3), D(4)), (D("1.0"), D(5))]) == [(D(1), D(7)), (D(3), D(4))]


def test_what_is_assumed_is_against_us() -> None:
    assert Matching() == Matching(cancel_share=D(0), touch=False, whole=False, slippage=D(0))
