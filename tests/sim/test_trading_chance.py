"""What befalls a trading day: the same for the same seed, of every kind, calm at its end."""

from collections import Counter
from itertools import pairwise

from tapeline.model.interval import SECOND_NS
from tapeline.sim.faults import KINDS as KNOWN
from tapeline.sim.trading.chance import (
    CALM_S,
    FAULTS,
    HAPPENINGS,
    KEYS,
    KINDS,
    WARM_S,
    drawn_clock_steps,
    drawn_happenings,
    drawn_trading_lives,
    drawn_troubles,
)

DAY_S = 1500.0


def test_faults_are_of_kinds_that_there_are_and_leave_the_end_calm() -> None:
    assert set(KINDS) - set(KEYS) <= set(KNOWN)
    seen = set()
    for seed in range(60):
        drawn = drawn_troubles(f"v {seed}", DAY_S, tuple(KINDS))
        assert drawn == drawn_troubles(f"v {seed}", DAY_S, tuple(KINDS))
        downs = sum(each.kind == "down" for each in drawn.faults)  # each closes connections too
        assert len(drawn.faults) + len(drawn.keys) == FAULTS + downs
        for fault in drawn.faults:
            seen.add(fault.kind)
            assert WARM_S <= fault.at_ns / SECOND_NS <= DAY_S - CALM_S
            assert fault.relative
            fault.number() if KNOWN[fault.kind].param in {"seconds", "count"} else None
        seen |= {"key_silent" if silently else "key_closed" for _, silently in drawn.keys}
        assert all(WARM_S <= at_s <= DAY_S - CALM_S for at_s, _ in drawn.keys)
    assert seen == set(KINDS)
    assert drawn_troubles("v 1", DAY_S, ()).faults == []


def test_lives_follow_each_other_and_the_last_one_lasts() -> None:
    crashes = 0
    for seed in range(60):
        lives = drawn_trading_lives(f"v {seed}", DAY_S)
        assert lives == drawn_trading_lives(f"v {seed}", DAY_S)
        assert (lives[0].from_s, lives[-1].to_s, lives[-1].crash) == (0.0, DAY_S, False)
        for one, other in pairwise(lives):
            assert one.from_s <= one.to_s <= other.from_s
            assert one.to_s <= DAY_S - CALM_S
        crashes += sum(life.crash for life in lives)
    assert crashes > 30


def test_others_act_on_some_days_and_leave_the_end_calm() -> None:
    days: Counter[str] = Counter()
    for seed in range(200):
        drawn = drawn_happenings(f"v {seed}", DAY_S, tuple(HAPPENINGS))
        assert drawn == drawn_happenings(f"v {seed}", DAY_S, tuple(HAPPENINGS))
        assert [each.at_s for each in drawn] == sorted(each.at_s for each in drawn)
        assert all(WARM_S <= each.at_s <= DAY_S - CALM_S for each in drawn)
        days.update({each.kind for each in drawn})
        some = [each for each in drawn if each.kind == "person"]
        assert drawn_happenings(f"v {seed}", DAY_S, ("person",)) == some, "of one kind the same as among all"
    for kind, (share, _) in HAPPENINGS.items():
        assert abs(days[kind] / 200 - share) < 0.12, kind


def test_maintenance_lets_nobody_in() -> None:
    drawn = next(d for n in range(60) if (d := drawn_troubles(f"v {n}", DAY_S, ("down",))).faults)
    downs = [each for each in drawn.faults if each.kind == "down"]
    closes = [each for each in drawn.faults if each.kind == "close"]
    assert {(each.at_ns, each.duration_ns) for each in downs} == {(each.at_ns, each.duration_ns) for each in closes}
    assert all(each.duration_ns >= 5 * SECOND_NS for each in downs)


def test_clocks_are_set_on_some_days() -> None:
    days = [drawn_clock_steps(f"v {seed}", DAY_S) for seed in range(100)]
    assert 15 < sum(map(bool, days)) < 60
    assert {by_s for steps in days for _, by_s in steps} == {-3600.0, -2.0, 2.0, 3600.0}
