"""What befalls a day: the same for one seed, of every kind over many, nothing in the calm at its end."""

from itertools import pairwise

from tapeline.sim.faults import KINDS, LINK, OF_CONNECTIONS, PACE, QUIET
from tapeline.sim.kept.chance import CALM_S, FAULTS, MEANT, WARM_S, drawn_faults, drawn_lives, drawn_stalls, drawn_steps

DAY_S = 86_400.0
SEEDS = [f"okx {seed}" for seed in range(1, 200)]


def test_one_seed_one_fate() -> None:
    for draw in (drawn_lives, drawn_stalls, drawn_steps):
        assert draw("okx 7", DAY_S) == draw("okx 7", DAY_S)
        assert len({str(draw(seed, DAY_S)) for seed in SEEDS}) > 20
    assert (
        drawn_faults("okx 7", DAY_S, "trades")
        == drawn_faults("okx 7", DAY_S, "trades")
        != drawn_faults("okx 8", DAY_S, "trades")
    )


def test_faults_of_every_kind_of_all_and_of_one_and_none_in_the_calm() -> None:
    every = [fault for seed in SEEDS for fault in drawn_faults(seed, DAY_S, "aggtrades")]
    assert len(every) == FAULTS * len(SEEDS)
    assert {fault.kind for fault in every} == {kind for kind in KINDS if KINDS[kind].where in MEANT} | {"anew"}
    anew = [any(fault.kind == "anew" for fault in drawn_faults(seed, DAY_S, "aggtrades")) for seed in SEEDS]
    assert 0.1 < sum(anew) / len(SEEDS) <= 0.3, "days on which a venue numbers anew"
    assert {fault.whose for fault in every} == {"", "all", "1", "2", "aggtrades", "bars"}
    assert all(fault.whose for fault in every if fault.where == LINK), "the market goes on"
    assert not any(fault.whose for fault in every if fault.where not in OF_CONNECTIONS)
    assert all(fault.relative and WARM_S * 1e9 <= fault.at_ns <= (DAY_S - CALM_S) * 1e9 for fault in every)
    assert all(fault.duration_ns > 0 for fault in every if fault.where in {QUIET, PACE} or fault.kind == "closing")
    assert {fault.param for fault in every if fault.kind == "empty"} == {"", "aggtrades", "bars"}


def test_lives_follow_one_another_and_the_last_one_lasts() -> None:
    lives = [drawn_lives(seed, DAY_S) for seed in SEEDS]
    assert {len(each) for each in lives} >= {1, 2, 3, 4, 5}
    assert {life.crash for each in lives for life in each} == {True, False}
    for each in lives:
        assert each[0].from_s == 0.0
        assert each[-1].to_s == DAY_S
        assert not each[-1].crash
        assert all(before.to_s <= after.from_s < after.to_s for before, after in pairwise(each))
