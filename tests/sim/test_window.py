"""How long a fault is at work: for a time, or so many times."""

import pytest

from tapeline.sim.faults import DIAL, Fault
from tapeline.sim.window import Window

SECOND_NS = 10**9


def strikes(window: Window, *at_s: float) -> list[bool]:
    return [window.strikes(each) for each in at_s]


def test_one_with_a_duration_ends_by_the_clock_however_often_it_strikes() -> None:
    window = Window(Fault("429", 0, 5 * SECOND_NS, "7"), until_s=5.0)
    assert strikes(window, 0, 1, 1, 4.9, 5.0, 9) == [True, True, True, True, False, False]


@pytest.mark.parametrize(("kind", "param", "times"), [("429", "7", 1), ("500", "", 1), ("refuse", "3", 3)])
def test_one_without_is_used_up(kind: str, param: str, times: int) -> None:
    window = Window(Fault(kind, 0, 0, param), until_s=0.0)
    assert strikes(window, *range(5)) == [True] * times + [False] * (5 - times)


def test_it_may_strike_elsewhere_than_its_kind_says() -> None:
    window = Window(Fault("cut", 0, 5 * SECOND_NS), 5.0, DIAL, clients=())
    assert (window.where, window.clients, strikes(window, 4, 6)) == (DIAL, (), [True, False])


def test_frames_that_are_bent_are_not_counted_here() -> None:
    assert not Window(Fault("mute", 0), until_s=9.0).strikes(1.0)
