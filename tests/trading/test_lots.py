"""Cost and profit, lot by lot or on average, against models that know nothing of each other."""

from collections import deque
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.errors import ConfigError
from tapeline.trading.accounting.lots import Lots, Part

D = Decimal


def test_average_cost() -> None:
    lots = Lots("average")
    parts = [lots.trade(D(delta), D(value)) for delta, value in ((2, 200), (2, 220), (-1, 120), (-3, 240))]

    assert parts == [
        [Part(D(2), D(200), None)],
        [Part(D(2), D(220), None)],
        [Part(D(-1), D(120), D(15))],
        [Part(D(-3), D(240), D(-75))],
    ]
    assert (lots.size, lots.cost) == (D(0), D(0))


def test_a_share_of_a_cost_that_has_many_digits() -> None:
    lots = Lots("average")
    lots.trade(D("123456789.123456789012345678"), D("98765432109876.5432109876543210987654321"))  # of 8 and 18 places

    (part,) = lots.trade(D("-23456789.023456789012345678"), D(0))

    paid = Fraction("98765432109876.5432109876543210987654321") * Fraction("23456789.023456789012345678")
    exact = paid / Fraction("123456789.123456789012345678")
    assert part.realised == D("-18765431372876.536511387592764348"), "exact to the 18th place, where it was an error"
    assert abs(Fraction(part.realised) + exact) <= Fraction(1, 2 * 10**18)


def test_whatever_the_precision_of_a_user_sizes_are_not_rounded() -> None:
    """A strategy may set `getcontext().prec`: abs() and minus round to it."""
    lots = Lots("average")
    with localcontext(Context(prec=3, traps=[Inexact])):
        lots.trade(D("1.23456789"), D("123.456789"))
        lots.trade(D("-0.23456789"), D("23.456789"))
        lots.trade(D("-1.10000001"), D("110.000001"))
    assert (lots.size, lots.cost) == (D("-0.10000001"), D("10.000001"))


def test_first_in_first_out() -> None:
    lots = Lots("fifo")
    for delta, value in ((2, 200), (2, 220)):
        lots.trade(D(delta), D(value))

    assert lots.trade(D(-3), D(330)) == [Part(D(-3), D(330), D(20))]
    assert (lots.size, lots.cost) == (D(1), D(110))


@pytest.mark.parametrize("method", ["average", "fifo"])
def test_through_zero_are_two(method: str) -> None:
    lots = Lots(method)
    lots.trade(D(-2), D(200))

    assert lots.trade(D(5), D(450)) == [Part(D(2), D(180), D(20)), Part(D(3), D(270), None)]
    assert (lots.size, lots.cost) == (D(3), D(270))


def test_a_share_that_does_not_come_out_even_is_rounded_and_nothing_is_lost() -> None:
    lots = Lots("average")
    lots.trade(D(3), D(100))
    won = [lots.trade(D(-1), D(40))[0].realised for _ in range(3)]

    assert won == [D("6.666666666666666667"), D("6.666666666666666666"), D("6.666666666666666667")]
    assert sum(each or D(0) for each in won) == D(20)


def test_lots_can_be_put_right() -> None:
    lots = Lots("fifo")
    lots.trade(D(3), D(100))
    lots.reset(D(-2), D(50))

    assert lots.trade(D(2), D(40)) == [Part(D(2), D(40), D(10))]
    lots.reset(D(0), D(0))
    assert (lots.size, lots.cost, lots.trade(D(0), D(1))) == (D(0), D(0), [])


def test_there_are_two_methods() -> None:
    with pytest.raises(ConfigError, match="average or fifo"):
        Lots("lifo")


TRADES = st.lists(
    st.tuples(st.integers(-6, 6).filter(bool), st.integers(1, 99_999_999)), min_size=1, max_size=30
)  # size in units of 0.001, price in units of 0.01


def unit_by_unit(trades: list[tuple[int, int]]) -> tuple[Fraction, int]:
    """FIFO without any arithmetic of lots: every unit is a coin of its own."""
    coins: deque[tuple[int, int]] = deque()
    won = Fraction(0)
    for size, price in trades:
        for _ in range(abs(size)):
            sign = 1 if size > 0 else -1
            if coins and coins[0][0] != sign:
                won += coins[0][0] * (price - coins.popleft()[1])
            else:
                coins.append((sign, price))
    return won / 100_000, sum(sign for sign, _ in coins)


def on_average(trades: list[tuple[int, int]]) -> tuple[Fraction, int]:
    """Average cost in fractions, that round nothing."""
    held, average, won = 0, Fraction(0), Fraction(0)
    for size, price in trades:
        if held * size >= 0:
            average = (average * abs(held) + price * abs(size)) / (abs(held) + abs(size))
            held += size
            continue
        closed = min(abs(held), abs(size))
        won += closed * (price - average) * (1 if held > 0 else -1)
        if abs(size) > abs(held):
            average = Fraction(price)
        held += size
    return won / 100_000, held


@given(TRADES, st.sampled_from(["average", "fifo"]))
@settings(max_examples=400, deadline=None)
def test_against_naive_models(trades: list[tuple[int, int]], method: str) -> None:
    lots = Lots(method)
    won = D(0)
    for size, price in trades:
        value = D(abs(size)) * D(price) / 100_000
        for part in lots.trade(D(size) / 1000, value):
            won += part.realised or 0
    expected, held = (unit_by_unit if method == "fifo" else on_average)(trades)

    assert lots.size == D(held) / 1000
    if method == "fifo" or not held:
        assert Fraction(won) == expected, "lots that are whole, and positions that are closed, are exact"
    assert abs(Fraction(won) - expected) < Fraction(len(trades), 10**17)
    assert lots.cost >= 0


def test_what_is_given_goes_at_cost_oldest_first() -> None:
    lots = Lots("fifo")
    lots.trade(D(1), D(100))
    lots.trade(D(1), D(120))
    lots.give(D("-1.5"))
    assert (lots.size, lots.cost) == (D("0.5"), D(60))
    lots.give(D(0))
    assert lots.trade(D("-0.5"), D(70))[0].realised == D(10)
    with pytest.raises(AssertionError):
        lots.give(D(-1))
