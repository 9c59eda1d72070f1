from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import Impossible
from tapeline.market.levels import FEW, MOST_ADDED, Levels, _float
from tapeline.model.event import Level


def prices(levels: Levels) -> list[str]:
    return [str(price) for price, _ in levels]


def test_the_best_comes_first_on_either_side() -> None:
    bids, asks = Levels(1), Levels(-1)
    for side in (bids, asks):
        side.load([("100.0", "1"), ("101", "2"), ("9.5", "3"), ("7", "0.000")])
    assert prices(bids) == ["101", "100.0", "9.5"]
    assert prices(asks) == ["9.5", "100.0", "101"]
    assert bids.top(2) == [(Decimal(101), Decimal(2)), (Decimal(100), Decimal(1))]
    assert asks.top(9) == [(Decimal("9.5"), Decimal(3)), (Decimal(100), Decimal(1)), (Decimal(101), Decimal(2))]
    assert bids.top(0) == []


def test_changes_set_and_delete_however_the_price_is_written() -> None:
    bids = Levels(1)
    bids.load([("100.50", "1")])
    bids.change([("100.5", "2"), ("1e2", "3"), ("100.500000000000000000", "4"), ("+99", "5"), (".5", "6")])
    want = {"100.5": 4, "100": 3, "99": 5, "0.5": 6}
    assert bids.top(9) == [(Decimal(price), Decimal(size)) for price, size in want.items()]
    bids.change([("100.00000", "0.0"), ("99.0", "0e-8"), ("55", "0"), (".50", "+0")])
    assert prices(bids) == ["100.500000000000000000"]


def test_prices_of_more_digits_than_a_float_holds_are_told_apart() -> None:
    asks = Levels(-1)
    near = [("0.12345678901234567", "1"), ("0.12345678901234568", "2"), ("0.1234567890123456", "3")]
    asks.load(near)
    assert prices(asks) == ["0.1234567890123456", "0.12345678901234567", "0.12345678901234568"]
    asks.change([("0.123456789012345670", "0"), ("0.2", "9")])
    assert prices(asks) == ["0.1234567890123456", "0.12345678901234568", "0.2"]


@pytest.mark.parametrize(
    ("level", "words"),
    [(("NaN", "1"), "NaN"), (("1", "NaN"), "NaN"), (("1", "Infinity"), "Infinity"), (("1", "-1"), "'-1' at '1'"),
     (("-1", "1"), "negative price"), (("1,300", "1"), "1,300"), (("1", "1_0"), "1_0"), (("", "1"), "without a price"),
     (("1", ""), "size ''"), (("nonsense" * 99, "1"), "nonsense")],
)  # fmt: skip
def test_what_no_book_can_hold_is_refused(level: Level, words: str) -> None:
    for sign in (1, -1):
        levels = Levels(sign)
        with pytest.raises(Impossible, match=words) as error:
            levels.change([("5", "1"), level])
        assert len(str(error.value)) < 250
        with pytest.raises(Impossible, match=words):
            levels.load([("5", "1"), level])


def test_sides_cross_where_the_bid_reaches_the_ask() -> None:
    bids, asks = Levels(1), Levels(-1)
    assert not bids.crosses(asks)
    bids.load([("100", "1")])
    assert not bids.crosses(asks)
    asks.load([("100.01", "1")])
    assert not bids.crosses(asks)
    asks.change([("100.00", "1")])
    assert bids.crosses(asks)
    asks.load([("100.00000000000000000001", "1")])
    assert not bids.crosses(asks)


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 14))
def test_the_quick_reading_is_the_right_one(digits: int, places: int) -> None:
    text = format(Decimal(digits).scaleb(-places), "f")
    assert _float(text) == float(text)
    assert _float(text + "0" if "." in text else text) == float(text)


TEXT = st.builds(
    lambda units, places, zeros: format(Decimal(units).scaleb(-places), "f") + ("0" * zeros if places else ""),
    st.integers(1, 300), st.integers(0, 3), st.integers(0, 18),
)  # fmt: skip
CHANGES = st.lists(
    st.lists(st.tuples(TEXT, st.sampled_from(["0", "0.00", "1", "2.5", "3e-5"])), max_size=8), max_size=12
)


@given(CHANGES, st.sampled_from([1, -1]))
def test_a_side_is_what_a_plain_dictionary_would_be(batches: list[list[Level]], sign: int) -> None:
    levels, plain = Levels(sign), dict[Decimal, Decimal]()
    for batch in batches:
        levels.change(batch)
        for price, size in batch:
            plain[Decimal(price)] = Decimal(size)
    want = sorted(((price, size) for price, size in plain.items() if size), reverse=sign > 0)
    assert list(levels) == want
    assert levels.top(5) == want[:5]
    assert len(levels) == len(want)
    levels.clear()
    assert list(levels) == []


_steps = st.lists(
    st.tuples(st.integers(1, 30), st.sampled_from(["0", "1", "2"]), st.booleans()), min_size=1, max_size=300
)


@given(_steps, st.sampled_from([1, -1]))
def test_whenever_it_is_read_it_is_what_was_written(steps: list[tuple[int, str, bool]], sign: int) -> None:
    levels, held = Levels(sign), dict[int, str]()
    for price, size, read in steps:
        levels.change([(str(price), size)])
        if size == "0":
            held.pop(price, None)
        else:
            held[price] = size
        assert len(levels) == len(held)
        if read:
            assert prices(levels) == [str(each) for each in sorted(held, reverse=sign > 0)]
            assert levels.top(2) == [(Decimal(p), Decimal(held[p])) for p in sorted(held, reverse=sign > 0)[:2]]


@given(_steps, _steps)
def test_sides_cross_where_their_best_do(
    below: list[tuple[int, str, bool]], above: list[tuple[int, str, bool]]
) -> None:
    bids, asks, bid, ask = Levels(1), Levels(-1), set[int](), set[int]()
    for (low, low_size, _), (high, high_size, _) in zip(below, above, strict=False):
        for levels, held, price, size in ((bids, bid, low, low_size), (asks, ask, high, high_size)):
            levels.change([(str(price), size)])
            held.discard(price)
            held.update([price] if size != "0" else [])
        assert bids.crosses(asks) == bool(bid and ask and max(bid) >= min(ask))


def test_a_side_that_nobody_reads_stays_bounded() -> None:
    asks = Levels(-1)
    for n in range(1, 3 * MOST_ADDED):
        asks.change([(str(n), "1"), (str(n - 1), "0")])
    assert len(asks._keys) + len(asks._added) <= MOST_ADDED + FEW + 1
    assert prices(asks) == [str(3 * MOST_ADDED - 1)]
