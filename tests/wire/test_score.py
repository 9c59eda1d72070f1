from typing import Any

import pytest

from tapeline.wire.score import AHEAD_S, ENOUGH, Ends, Health, Score, Signs


def signs(age_s: float, **more: Any) -> Signs:
    known = {"ping_s": 0.05, "answers": int(age_s / 5), "unanswered_s": 0.0, "frames": int(age_s * 10)}
    return Signs(age_s=age_s, bad_frames=more.pop("bad_frames", 0), **{**known, **more})


def looked(score: Score, until_s: float, **more: Any) -> Health:
    """A well connection up to this age."""
    health = Health(1.0)
    for age_s in range(0, int(until_s), 2):
        health = score.look(signs(age_s, **more))
    return health


def test_a_connection_that_does_well_scores_one() -> None:
    score = Score(Ends())
    assert looked(score, 4000) == Health(1.0)
    assert str(Health(1.0)) == "score 1.00: well"


@pytest.mark.parametrize(("unanswered_s", "expected"), [(0.1, 1.0), (1.5, 1.0), (3.0, 0.5), (3.9, 0.2), (60.0, 0.0)])
def test_a_ping_that_is_not_answered_counts_by_how_long(unanswered_s: float, expected: float) -> None:
    score = Score(Ends())
    looked(score, 100)
    health = score.look(signs(100, unanswered_s=unanswered_s))
    assert health.score == pytest.approx(expected)
    if expected < 1:
        assert health.reasons == (f"a ping is unanswered for {unanswered_s:.1f} s, usually 0.05 s",)


def test_where_answers_always_take_long_more_patience_is_had() -> None:
    score = Score(Ends())
    looked(score, 400, ping_s=1.0)
    assert score.look(signs(400, ping_s=1.0, unanswered_s=9.0)).score == 1.0
    assert score.look(signs(402, ping_s=1.0, unanswered_s=25.0)).score < ENOUGH


def test_answers_that_take_ever_longer_count_and_a_single_slow_one_does_not() -> None:
    score = Score(Ends())
    looked(score, 400)
    assert score.look(signs(405, ping_s=1.5)).score > ENOUGH
    assert score.look(signs(410)).score == 1.0
    health = Health(1.0)
    for age_s in range(415, 440, 5):
        health = score.look(signs(age_s, ping_s=3.0))
    assert health.score < ENOUGH
    assert str(health).startswith("score 0.00: pings take 2.")
    for age_s in range(440, 480, 5):
        health = score.look(signs(age_s))
    assert health.score == 1.0, "it recovered"


def test_unreadable_frames_count_by_their_share() -> None:
    score = Score(Ends())
    looked(score, 100)
    assert score.look(signs(102, bad_frames=3)).score == 1.0  # three say nothing
    assert score.look(signs(104, bad_frames=15)).score < ENOUGH
    assert score.look(signs(104, bad_frames=15)).reasons == ("60% of its frames cannot be read",)
    assert score.look(signs(110, bad_frames=15)).score == 1.0


def test_what_is_young_is_not_judged() -> None:
    score = Score(Ends())
    assert score.look(signs(20, unanswered_s=20.0)) == Health(1.0)


def test_a_habit_of_the_other_side_is_seen_coming() -> None:
    ends = Ends()
    for age_s in (5.0, 21_600.0, 30.0, 21_650.0):  # those that fell young say nothing
        ends.note(age_s)
    assert ends.due_s == 21_600.0
    score = Score(ends)
    looked(score, 100)
    assert score.look(signs(21_600 - AHEAD_S - 1)).score == 1.0
    assert score.look(signs(21_600 - AHEAD_S)) == Health(
        0.0, ("the 2 connections before it were ended at an age of 6.00 h",)
    )
    ends.note(7200.0)
    assert ends.due_s == float("inf")


def test_the_worst_counts_and_all_are_told() -> None:
    score = Score(Ends())
    looked(score, 100)
    health = score.look(signs(102, bad_frames=15, unanswered_s=10.0))
    assert health.score == 0.0
    assert len(health.reasons) == 2
