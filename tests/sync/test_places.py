from hypothesis import given
from hypothesis import strategies as st

from tapeline.sync.places import Hole, Places, Run

LOST = "asked twice: the venue does not have it"


def test_windows_go_up_or_down() -> None:
    for newest_first, want in ((False, [(0, 4), (4, 8), (8, 10)]), (True, [(6, 10), (2, 6), (0, 2)])):
        places, asked = Places(0, 10, 4, newest_first=newest_first), []
        while (window := places.next()) is not None:
            asked.append(window)
            for place in range(*window):
                places.hold(place, place * 10)
            places.settle(window[1] - window[0])
        assert asked == want
        assert places.runs == [Run(0, 10, 0, 90)]
        assert (places.holes, places.asked_for) == ([], 1.0)


def test_what_is_left_out_is_asked_for_again_alone() -> None:
    places = Places(0, 10, 10)
    places.next()
    for place in (0, 1, 3, 4, 5, 9):
        places.hold(place, place)
    places.settle(6)
    assert places.next() == (2, 3)
    places.hold(2, 2)
    places.settle(1)
    assert places.next() == (6, 9)
    places.settle(0)
    assert places.next() is None
    assert places.runs == [Run(0, 6, 0, 5), Run(9, 10, 9, 9)]
    assert places.holes == [Hole(6, 9, "unrecoverable", LOST)]


def test_many_holes_are_asked_for_together() -> None:
    places = Places(0, 12, 12)
    places.next()
    for place in (1, 3, 5, 7, 11):
        places.hold(place, place)
    places.settle(5)
    assert places.next() == (0, 11)
    places.hold(2, 2)
    places.settle(1)
    assert places.next() == (0, 11)
    places.settle(0)
    assert [(hole.first, hole.end) for hole in places.holes] == [(0, 1), (4, 5), (6, 7), (8, 11)]


def test_an_empty_window_is_asked_for_twice_the_newest_hole_first_on_the_way_down() -> None:
    places = Places(0, 8, 8, newest_first=True)
    assert places.next() == (0, 8)
    places.settle(0)
    assert places.next() == (0, 8)
    for place in (3, 4):
        places.hold(place, place)
    places.settle(2)
    assert places.next() == (5, 8)
    places.settle(0)
    assert places.next() == (0, 3)
    places.give_up("missing", "HTTP 500")
    assert places.holes == [Hole(5, 8, "unrecoverable", LOST), Hole(0, 3, "missing", "HTTP 500")]


def test_the_ends_turn_out_nearer() -> None:
    places = Places(0, 20, 10)
    places.next()
    places.hold(5, 5)
    places.settle(1)
    places.end_at(8)
    places.begin_at(2)
    assert places.bounds == (2, 8)
    assert places.next() == (2, 5)
    places.settle(0)
    assert places.next() == (6, 8)
    places.settle(0)
    assert (places.next(), 2 in places, 8 in places) == (None, True, False)


def test_a_page_is_doubted_once() -> None:
    places = Places(0, 4, 4)
    places.next()
    assert (places.doubt(), places.doubt()) == (True, False)
    places.settle(0, [(1, "two readings")])
    assert places.holes == [Hole(1, 2, "disputed", "two readings")]
    for hole in ((0, 1), (2, 4)):
        assert places.next() == hole
        places.settle(0)
    assert [(hole.first, hole.end, hole.state) for hole in places.holes] == [
        (1, 2, "disputed"), (0, 1, "unrecoverable"), (2, 4, "unrecoverable"),
    ]  # fmt: skip


@given(st.permutations(range(12)))
def test_runs_are_what_is_held_in_whatever_order_it_came(order: list[int]) -> None:
    places = Places(0, 12, 12)
    for count, place in enumerate(order, 1):
        assert not places.held(place)
        places.hold(place, place)
        assert places.held(place)
        assert sum(run.end - run.first for run in places.runs) == count
        assert all(run.first_ns == run.first and run.last_ns == run.end - 1 for run in places.runs)
    assert places.runs == [Run(0, 12, 0, 11)]
