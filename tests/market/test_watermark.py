import pytest

from tapeline.market.watermark import VenueClock, Watermark
from tapeline.model.interval import HOUR_NS
from tapeline.model.interval import SECOND_NS as S


def after(*stamps: tuple[int, int | None], lateness: int = 0) -> int | None:
    """The watermark in seconds after these (stamp, venue's clock), in seconds."""
    watermark = Watermark(lateness * S)
    for at, now in stamps:
        watermark.stamp(at * S, None if now is None else now * S)
    return None if watermark.value_ns is None else watermark.value_ns // S


def test_it_is_the_latest_stamp_minus_the_lateness_and_never_goes_back() -> None:
    assert after() is None
    assert after((100, 100)) == 100
    assert after((100, 100), (101, 101), (99, 102), lateness=1) == 100
    assert after((105, 100)) == 105  # up to five seconds ahead is nothing strange


def test_one_wild_stamp_never_moves_it() -> None:
    assert after((100, 100), (9999, 101), (102, 102)) == 102
    assert after((9999, 100)) is None
    assert after((100, 100), *[(9999, 101)] * 3) == 100
    assert after((100, 100), (9999, 101), (9999, 101), (101, 101), (9999, 101), (9999, 102)) == 101


def test_four_that_agree_move_it_as_far_as_they_agree() -> None:
    assert after((100, 100), *[(9999, 101)] * 4) == 9999
    tape = [(100 + 20 * second, 100 + second) for second in range(60)]  # twenty times as fast as our reading of it
    assert after(*tape) == 100 + 20 * 56
    assert after(*tape, (90_000, 160), (1300, 161)) == 100 + 20 * 58  # a wild one among those far ahead: not followed


def test_without_a_clock_every_stamp_has_to_be_agreed_on() -> None:
    assert after((100, None), (101, None), (102, None)) is None
    assert after((100, None), (101, None), (102, None), (103, None)) == 100
    assert after((100, None), (9999, None), (102, None), (103, None), (104, None)) == 102


def test_life_moves_a_quiet_one_and_a_frozen_one_not() -> None:
    watermark = Watermark(S)
    watermark.stamp(100 * S, 100 * S)
    watermark.alive(130 * S)
    assert watermark.value_ns == 129 * S
    watermark.alive(120 * S)
    assert watermark.value_ns == 129 * S
    watermark.freeze()
    watermark.alive(500 * S)
    assert watermark.value_ns == 129 * S
    watermark.stamp(90 * S, 200 * S)  # it delivers again, and be it something old
    watermark.alive(201 * S)
    assert watermark.value_ns == 200 * S


def test_a_freeze_forgets_what_was_half_agreed() -> None:
    watermark = Watermark(0)
    for _ in range(3):
        watermark.stamp(9999 * S, 100 * S)
    watermark.freeze()
    watermark.stamp(9999 * S, 100 * S)
    assert watermark.value_ns is None
    assert watermark.far_ahead == 4


# ---- the venue's clock ------------------------------------------------------------------------------------------


def test_a_clock_that_runs_is_extrapolated_by_the_median_offset() -> None:
    clock = VenueClock()
    assert clock.estimate(1.0) is None
    clock.sample(10.0, 1000 * S, 10.2)
    assert clock.estimate(20.0) == 1000 * S  # one reading does not show that it runs
    assert clock.estimate(5.0) is None  # before we knew anything
    clock.sample(20.0, 1010 * S + S // 10, 20.2)
    clock.sample(30.0, 1020 * S - S // 2, 30.2)  # a slow answer
    assert clock.estimate(40.1) == pytest.approx(1030 * S, abs=S // 1000)
    assert clock.statistics().running
    assert clock.statistics().round_trip_s == pytest.approx(0.2)
    assert clock.statistics().samples == 3


@pytest.mark.parametrize("speed", [0.0, 0.5, 20.0, 1000.0])
def test_a_clock_that_does_not_keep_our_pace_is_only_read(speed: float) -> None:
    clock = VenueClock()
    for second in range(0, 60, 10):
        clock.sample(float(second), 5000 * S + int(second * speed) * S, second + 0.01)
    assert clock.estimate(1000.0) == 5000 * S + int(50 * speed) * S
    assert not clock.statistics().running


def test_readings_too_close_together_prove_nothing() -> None:
    clock = VenueClock()
    for n in range(4):
        clock.sample(n * 0.1, 5000 * S, n * 0.1)  # stands still
    assert clock.estimate(100.0) == 5000 * S


def test_a_step_is_noticed_and_a_new_pace_believed_again() -> None:
    clock = VenueClock()
    for second in (0, 10, 20):
        clock.sample(second, (1000 + second) * S, second)
    clock.sample(30, 1030 * S + HOUR_NS, 30)
    assert clock.estimate(35) == 1030 * S + HOUR_NS
    clock.sample(40, 1040 * S + HOUR_NS, 40)
    assert clock.estimate(45) == 1045 * S + HOUR_NS
