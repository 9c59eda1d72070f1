"""Limits count in a sliding window, by the faster of two clocks."""

from tapeline.sim.limits import Meter, PaceClock


def test_a_meter_forgets() -> None:
    meter = Meter(2, 1.0)
    assert [meter.hit(at) for at in (0.0, 0.5, 0.9, 1.0, 1.6)] == [True, True, False, False, False]
    assert 0 < meter.wait_s(1.6) < 1
    assert meter.hit(9.0)
    assert Meter(1, 1.0).wait_s(5) == 0


def test_costs_and_no_limit() -> None:
    meter = Meter(10, 60)
    assert meter.hit(0, 6)
    assert not meter.hit(1, 6)
    free = Meter(float("inf"), 1)
    assert all(free.hit(0) for _ in range(1000))


def test_the_pace_is_the_faster_of_tape_and_loop() -> None:
    now = {"tape": 0, "loop": 0.0}
    pace = PaceClock(lambda: int(now["tape"]), lambda: now["loop"])
    assert pace.now() == 0
    now.update(tape=10 * 10**9, loop=1.0)
    assert pace.now() == 10
    now.update(loop=5.0)
    assert pace.now() == 14
    now.update(tape=5 * 10**9)
    assert pace.now() == 14
    now.update(tape=11 * 10**9)
    assert pace.now() == 15


def test_a_fixed_window_is_of_the_calendar() -> None:
    meter = Meter(2, 60, fixed=True)
    assert [meter.hit(at) for at in (58.0, 59.0, 59.5)] == [True, True, False]
    assert (meter.used(59.9), meter.wait_s(59.5)) == (3, 0.5)
    assert meter.hit(60.0)
    assert meter.used(60.0) == 1
