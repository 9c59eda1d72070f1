from wire_fakes import TA, TB

from tapeline.wire.freshness import DEAF_AFTER_S, FLOOR_S, MISSED, Deafness, Freshness


def test_a_topic_that_never_spoke_is_not_judged() -> None:
    fresh = Freshness()
    assert [fresh.sample({TA: 0}, float(at)) for at in range(0, 10_000, 100)] == [[]] * 100
    assert fresh.usual_gap_s(TA) is None
    assert fresh.usual_gap_s(TB) is None


def test_a_busy_topic_is_doubtful_after_the_floor_and_asked_about_ever_more_rarely() -> None:
    fresh = Freshness()
    for at in range(0, 100, 10):
        assert fresh.sample({TA: at * 10}, float(at)) == []
    assert fresh.usual_gap_s(TA) == 0.1
    doubted = [at for at in range(100, 400, 5) if fresh.sample({TA: 900}, float(at))]
    assert doubted == [90 + FLOOR_S + 5, 90 + 2 * FLOOR_S + 5, 90 + 4 * FLOOR_S + 5, 90 + 8 * FLOOR_S + 5]


def test_a_slow_topic_is_given_twenty_times_its_usual_gap() -> None:
    fresh = Freshness()
    for n in range(6):
        assert fresh.sample({TA: n}, n * 60.0) == []
    assert fresh.sample({TA: 5}, 300.0 + 20 * 60.0) == []
    assert fresh.sample({TA: 5}, 300.0 + 20 * 60.0 + 1) == [TA]


def test_data_makes_it_patient_as_at_first() -> None:
    fresh = Freshness()
    for at in range(0, 100, 10):
        fresh.sample({TA: at}, float(at))
    assert fresh.sample({TA: 90}, 125.0) == [TA]
    assert fresh.sample({TA: 95}, 126.0) == []
    assert fresh.sample({TA: 95}, 170.0) == [TA]
    assert fresh.sample({TA: 95}, 171.0) == []


def test_a_count_that_starts_anew_is_no_silence() -> None:
    fresh = Freshness()
    for at in range(0, 100, 10):
        fresh.sample({TA: at * 100}, float(at))
    assert fresh.sample({TA: 3}, 120.0) == []  # the series was given up and asked for again
    assert fresh.sample({TA: 50}, 140.0) == []
    assert fresh.sample({TA: 50}, 171.0) == [TA]


def test_what_is_gone_is_forgotten() -> None:
    fresh = Freshness()
    fresh.sample({TA: 0, TB: 0}, 0.0)
    fresh.sample({TA: 5, TB: 5}, 1.0)
    fresh.sample({TB: 5}, 2.0)
    assert fresh.usual_gap_s(TA) is None
    assert fresh.usual_gap_s(TB) == 0.2


def test_two_samples_of_one_instant_teach_nothing() -> None:
    fresh = Freshness()
    fresh.sample({TA: 0}, 1.0)
    fresh.sample({TA: 5}, 1.0)
    assert fresh.usual_gap_s(TA) is None


def test_a_topic_that_only_others_bring_is_found_and_found_again_only_after_as_long() -> None:
    deaf = Deafness()
    found = [at for at in range(0, 200, 5) if deaf.sample({TA: (3, 3 + at), TB: (at, 2 * at)}, float(at))]
    assert found == [25, 50, 75, 100, 125, 150, 175]
    assert DEAF_AFTER_S == 25.0


def test_a_topic_is_not_deaf_while_nobody_or_hardly_anybody_brings_it() -> None:
    deaf = Deafness()
    assert [deaf.sample({TA: (3, 3 + min(MISSED - 1, at))}, float(at)) for at in range(0, 500, 10)] == [[]] * 50
    assert deaf.sample({TB: (0, 100)}, 510.0) == []
    assert deaf.sample({TB: (0, 200), TA: (3, 900)}, 540.0) == [TB]  # the other one was forgotten meanwhile
