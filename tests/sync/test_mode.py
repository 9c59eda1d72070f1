"""When an instrument is polled, when it comes back, and why: tables, and properties over random days."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.sync.mode import NO_PLACE, Claim, Course, Rules, Switch, Terms, places

RULES = Rules()


def course(mode: str = "hybrid", **more: bool) -> Course:
    return Course(Terms(mode=mode, **more), 0.0)  # type: ignore[arg-type]  # the test's own words


def fallen(mode: str = "hybrid") -> Course:
    """One that fell back at 3 s."""
    it = course(mode)
    for second in (1, 2, 3):
        it.down(second, "cut")
    assert it.tick(3.0) is not None
    return it


@pytest.mark.parametrize(
    ("terms", "uses", "reason"),
    [
        (Terms(mode="websocket"), "websocket", "mode websocket"),
        (Terms(mode="polling"), "polling", "mode polling"),
        (Terms(mode="hybrid"), "websocket", "mode hybrid: the venue streams it"),
        (Terms(mode="auto"), "websocket", "mode auto: the venue streams it"),
        (Terms(mode="auto", streams=False), "polling", "the venue has no stream of it"),
        (Terms(mode="auto", polls=False), "websocket",
         "mode auto: no REST call brings it whole, so that it is only streamed"),
        (Terms(mode="hybrid", place=False), "polling", NO_PLACE),
        (Terms(mode="hybrid", place=False, fallback=False), "websocket", "mode hybrid: the venue streams it"),
        (Terms(mode="websocket", place=False), "websocket", "mode websocket"),
    ],
)  # fmt: skip
def test_how_it_begins_and_why(terms: Terms, uses: str, reason: str) -> None:
    it = Course(terms, 0.0)
    assert (it.uses, it.reason, it.tick(10_000.0)) == (uses, reason, None)


@pytest.mark.parametrize(
    ("terms", "why"),
    [
        (Terms(mode="polling", polls=False), "cannot be polled: no REST call brings it whole"),
        (Terms(mode="auto", polls=False, streams=False), "can be neither streamed nor polled"),
        (Terms(mode="websocket", streams=False), "has no stream"),
        (Terms(mode="auto", streams=False), ""),
        (Terms(mode="polling"), ""),
    ],
)
def test_what_cannot_be_had_says_why(terms: Terms, why: str) -> None:
    assert terms.impossible() == why


def test_the_third_failure_falls_back_and_the_second_does_not() -> None:
    it = course()
    it.down(1.0, "cut")
    it.failed(2.0, "refused the dial")
    assert it.tick(2.0) is None
    it.failed(3.0, "timed out")
    assert it.tick(3.0) == Switch(
        "websocket", "polling", "the stream failed 3 times, the last: timed out; the stream is tried again in 300 s"
    )
    assert (it.state, it.uses, it.switches, it.since) == ("polling", "polling", 1, 3.0)


def test_a_minute_of_silence_falls_back_only_where_there_is_a_reason_to_doubt() -> None:
    quiet = course()
    quiet.heard(0.0)
    assert quiet.tick(3_600.0) is None, "a quiet market on a sound connection"
    it = course()
    it.heard(10.0)
    it.down(12.0, "cut", heard_at=10.0)
    assert it.tick(69.0) is None
    switch = it.tick(70.0)
    assert switch is not None
    assert switch.reason == "the stream was silent for 60 s: cut; the stream is tried again in 300 s"


def test_a_connection_that_was_mute_for_a_minute_is_not_given_another() -> None:
    it = course()
    it.down(100.0, "silent for 60 s", heard_at=40.0)
    switch = it.tick(100.0)
    assert switch is not None
    assert "silent for 60 s" in switch.reason
    cut = course()
    cut.down(100.0, "cut")
    assert cut.tick(159.0) is None
    assert cut.tick(160.0) is not None


def test_failures_are_forgotten_once_the_stream_was_sound_for_a_while() -> None:
    it = course()
    it.down(1.0, "cut")
    it.down(2.0, "cut")
    it.up()
    it.heard(3.0)
    it.heard(32.0)
    assert it.failures == 2, "sound for 29 s"
    it.heard(33.0)
    assert it.failures == 0
    it.down(40.0, "cut")
    assert it.tick(41.0) is None


def test_a_refusal_falls_back_at_once() -> None:
    it = course("auto")
    it.refused(5.0, "60018 wrong channel")
    switch = it.tick(5.0)
    assert switch is not None
    assert switch.reason.startswith("the stream was refused: 60018 wrong channel; ")


@pytest.mark.parametrize("more", [{"fallback": False}, {"polls": False}])
def test_where_polling_is_forbidden_or_impossible_nothing_falls_back(more: dict[str, bool]) -> None:
    it = course("hybrid", **more)
    for second in range(200):
        it.down(float(second), "cut")
        assert it.tick(float(second)) is None
    assert it.uses == "websocket"


def test_it_comes_back_after_the_cool_down_once_the_stream_delivers_steadily() -> None:
    it = fallen()
    it.up()
    for second in range(10, 303):
        it.heard(float(second))
        assert it.tick(float(second)) is None, "not before the cool-down is over"
    assert not it.retry_due
    it.heard(303.0)
    assert it.tick(303.0) == Switch("polling", "websocket", "the stream has delivered for 293 s")
    assert (it.state, it.failures, it.switches) == ("streaming", 0, 2)


def test_a_stream_on_trial_is_asked_for_once_and_must_deliver_for_half_a_minute() -> None:
    it = fallen()
    it.up()
    assert it.tick(303.0) is None
    assert (it.state, it.retry_due, it.retry_due) == ("trying", True, False)
    it.heard(310.0)
    assert it.tick(310.0) is None
    it.heard(339.0)
    assert it.tick(339.0) is None
    it.heard(340.0)
    switch = it.tick(340.0)
    assert switch is not None
    assert switch.after == "websocket"


def test_a_trial_that_fails_costs_another_cool_down_and_is_no_switch() -> None:
    it = fallen()
    assert it.tick(303.0) is None
    assert it.tick(363.0) is None
    assert it.state == "polling"
    assert it.reason == "the stream was tried again in vain: cut; the next time in 300 s"
    assert it.tick(662.0) is None
    assert it.state == "polling"
    it.tick(663.0)
    assert (it.state, it.switches) == ("trying", 1)
    for second in (664, 665, 666):
        it.down(float(second), "cut again")
    it.tick(666.0)
    assert it.state == "polling"


def test_auto_waits_longer_each_time_it_falls_up_to_an_hour_and_hybrid_does_not() -> None:
    for mode, waits in (("auto", [300, 600, 1200, 2400, 3600, 3600]), ("hybrid", [300] * 6)):
        it, now, found = course(mode), 0.0, []
        for _ in waits:
            for _ in range(3):
                it.down(now, "cut")
            assert it.tick(now) is not None
            it.up()
            began = now
            while it.uses == "polling":
                now += 1.0
                it.heard(now)
                it.tick(now)
            found.append(now - began)
        assert found == waits


def test_an_hour_of_good_behaviour_makes_the_cool_down_short_again() -> None:
    it = fallen("auto")
    it.up()
    now = 3.0
    while it.uses == "polling":
        now += 1.0
        it.heard(now)
        it.tick(now)
    for _ in range(3700):
        now += 1.0
        it.heard(now)
        assert it.tick(now) is None
    for _ in range(3):
        it.down(now, "cut")
    switch = it.tick(now)
    assert switch is not None
    assert switch.reason.endswith("tried again in 300 s")


def test_setting_a_mode_polls_at_once_and_streams_only_what_delivers() -> None:
    it = course("hybrid")
    assert it.set(Terms(mode="polling"), 10.0, "set at run time") == Switch(
        "websocket", "polling", "mode polling (set at run time)"
    )
    assert it.tick(100_000.0) is None, "for good"
    assert it.set(Terms(mode="websocket"), 100_001.0, "set at run time") is None
    assert (it.uses, it.state, it.retry_due) == ("polling", "trying", True)
    it.heard(100_002.0)
    it.heard(100_032.0)
    switch = it.tick(100_032.0)
    assert switch is not None
    assert (switch.after, it.uses) == ("websocket", "websocket")
    assert it.set(Terms(mode="hybrid"), 100_040.0, "set at run time") is None
    assert it.uses == "websocket"


def test_places_go_to_what_cannot_be_polled_then_by_priority_then_in_order() -> None:
    claims = {
        "a": Claim(2, 0, True), "b": Claim(2, 5, True), "c": Claim(3, 9, True), "d": Claim(1, -1, False),
        "e": Claim(1, 0, True),
    }  # fmt: skip
    assert places(claims, 100) == set(claims)
    assert places(claims, 6) == {"d", "c", "b"}
    assert places(claims, 5) == {"d", "c", "e"}, "what does not fit leaves its room"
    assert places(claims, 0) == {"d"}, "it has no other way"


@given(seed=st.integers(0, 2**32), mode=st.sampled_from(["websocket", "polling", "hybrid", "auto"]))
def test_a_random_day_keeps_every_promise(seed: int, mode: str) -> None:
    chance = random.Random(seed)
    it = course(mode)
    down_until, switches, last_fall = 0.0, list[tuple[float, Switch]](), float("-inf")
    for second in range(7200):
        now = float(second)
        if chance.random() < 0.002:
            down_until = now + chance.choice((1, 20, 90, 900))
            it.down(now, "cut")
        if now < down_until:
            if chance.random() < 0.1:
                it.failed(now, "dial")
        else:
            it.up()
            it.heard(now)
        switch = it.tick(now)
        if switch is None:
            continue
        assert switch.reason
        assert switch.before != switch.after == it.uses
        assert not switches or switches[-1][1].after == switch.before, "they take turns"
        if switch.after == "polling":
            last_fall = now
        else:
            assert now - last_fall >= RULES.cooldown_s
            assert now - down_until >= 0
        switches.append((now, switch))
    if mode in {"websocket", "polling"}:
        assert not switches
    assert it.switches == len(switches)
    assert it.uses == ("polling" if mode == "polling" else switches[-1][1].after if switches else "websocket")


@given(fail_at=st.integers(0, 5000))
def test_a_stream_that_dies_for_good_is_polled_within_the_silence(fail_at: int) -> None:
    it = course()
    for second in range(fail_at):
        it.heard(float(second))
        assert it.tick(float(second)) is None
    it.down(float(fail_at), "cut")
    fell = next(second for second in range(fail_at, fail_at + 100) if it.tick(float(second)))
    assert fell - fail_at <= RULES.silence_s
