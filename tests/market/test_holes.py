from hypothesis import given
from hypothesis import strategies as st

from tapeline.market.holes import BEGINNING, END, Holes

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair))))


def test_a_hole_reaches_from_its_first_to_its_last_instant() -> None:
    holes = Holes()
    holes.mark(10, 20)
    assert holes.touch(0, 11)
    assert not holes.touch(0, 10)  # [0, 10) ends before it
    assert holes.touch(20, 30)
    assert not holes.touch(21, 30)
    assert holes.touch(12, 13)


def test_what_is_cleared_is_handed_back_and_the_rest_stays() -> None:
    holes = Holes()
    holes.mark(10, 20)
    assert holes.clear(12, 15) == [(12, 14)]
    assert [holes.touch(at, at + 1) for at in (11, 12, 14, 15, 20)] == [True, False, False, True, True]
    assert holes.clear(0, 100) == [(10, 11), (15, 20)]
    assert len(holes) == 0
    assert holes.clear(0, 100) == []


def test_an_endless_hole_ends_where_something_is_seen_again() -> None:
    holes = Holes()
    holes.end(5)  # nothing to end
    holes.mark(10, END)
    holes.end(3)  # before it began: says nothing
    assert holes.touch(1_000_000, 1_000_001)
    holes.end(30)
    assert holes.touch(30, 31)
    assert not holes.touch(31, 32)


def test_past_the_limit_the_two_oldest_become_one() -> None:
    holes = Holes(limit=2)
    holes.mark(BEGINNING, 0)
    holes.mark(20, 21)
    holes.mark(40, 41)
    assert len(holes) == 2
    assert holes.touch(10, 11)  # we claim less than we might
    assert not holes.touch(30, 31)


@given(RANGES, RANGES)
def test_the_set_is_what_was_marked_without_what_was_cleared(
    marked: list[tuple[int, int]], cleared: list[tuple[int, int]]
) -> None:
    holes, points = Holes(), set[int]()
    for low, high in marked:
        holes.mark(low, high)
        points |= set(range(low, high + 1))
    for low, high in cleared:
        gone = {at for first, last in holes.clear(low, high) for at in range(first, last + 1)}
        assert gone == points & set(range(low, high))
        points -= gone
    assert {at for at in range(-2, 90) if holes.touch(at, at + 1)} == points
