from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.trading.halt import (
    COMPONENTS,
    KEPT,
    MEANS,
    STATES,
    Change,
    Kept,
    Latch,
    passes,
    resume,
    was_flat_since,
    worsen,
)


def at(state: str) -> Latch:
    return Latch(state=state)


def test_each_step_down_is_for_everybody() -> None:
    latch = Latch()
    for number, state in enumerate(STATES[1:], 1):
        found = worsen(latch, state, who="engine", why="w", at_ns=number)
        assert isinstance(found, Latch)
        assert (found.state, found.at_ns, found.who, found.why, found.rank) == (state, number, "engine", "w", number)
        assert found.changes[-1] == Change(state=state, at_ns=number, who="engine", why="w", before=latch.state)
        latch = found
    assert [each.state for each in latch.changes] == list(STATES[1:])


@pytest.mark.parametrize(("now", "state"), [(now, state) for now in STATES for state in STATES])
def test_asking_for_no_worse_changes_nothing(now: str, state: str) -> None:
    found = worsen(at(now), state, who="health", why="w", at_ns=1)
    worse = STATES.index(state) > STATES.index(now) and (state != "flat" or now == "flattening")
    assert isinstance(found, Latch) is (worse or (now, state) == ("flat", "flattening"))


def test_only_flattening_ends_flat() -> None:
    found = worsen(at("halted"), "flat", who="flattener", why="w", at_ns=1)
    assert found == Kept("only flattening ends flat, and it is halted", refused=True)


def test_who_does_it_by_itself_says_so() -> None:
    found = worsen(Latch(), "flattening", who="ann", why="w", at_ns=1, outside=True)
    assert isinstance(found, Latch)
    assert found.outside
    over = worsen(found, "flat", who="flattener", why="w", at_ns=2)
    assert isinstance(over, Latch)
    assert not over.outside


def test_a_word_that_is_no_state_is_refused() -> None:
    assert worsen(Latch(), "stopped", who="ann", why="w", at_ns=1) == Kept(
        "'stopped' is none of running, reduce_only, halted, flattening, flat", refused=True
    )


def test_a_person_with_a_reason_resumes() -> None:
    found = resume(at("flat"), who=" Ann ", why="looked at it", at_ns=5)
    assert isinstance(found, Latch)
    assert (found.state, found.who, found.why) == ("running", "Ann", "looked at it")
    step = resume(at("flattening"), "reduce_only", who="Ann", why="w", at_ns=5)
    assert isinstance(step, Latch)
    assert step.state == "reduce_only"


@pytest.mark.parametrize(
    ("state", "who", "why"),
    [("running", "", "w"), ("running", "  ", "w"), ("running", "Engine", "w"), ("running", "watchdog", "w"),
     ("running", "Ann", " "), ("flat", "Ann", "w"), ("nonsense", "Ann", "w")],
)  # fmt: skip
def test_nobody_else_does(state: str, who: str, why: str) -> None:
    found = resume(at("halted"), state, who=who, why=why, at_ns=1)
    assert isinstance(found, Kept)
    assert found.refused


def test_resuming_what_runs_changes_nothing() -> None:
    assert resume(at("running"), who="Ann", why="w", at_ns=1) == Kept("it is running: running is no better")
    assert resume(at("reduce_only"), "halted", who="Ann", why="w", at_ns=1) == Kept(
        "it is reduce_only: halted is no better"
    )


def test_whether_flattening_has_ended_since_is_known_from_what_the_latch_remembers() -> None:
    latch = Latch()
    for at_ns, state in enumerate(("flattening", "flat"), 3):
        latch = cast("Latch", worsen(latch, state, who="ann", why="w", at_ns=at_ns))
    latch = cast("Latch", resume(latch, who="Ann", why="w", at_ns=5))
    assert [was_flat_since(latch, at_ns) for at_ns in (0, 3, 4, 9)] == [True, True, False, False]
    assert not was_flat_since(at("halted"), 0)


def test_what_passes() -> None:
    assert {state: (passes(state, closes=False), passes(state, closes=True)) for state in STATES} == {
        "running": (True, True), "reduce_only": (False, True), "halted": (False, False),
        "flattening": (False, False), "flat": (False, False),
    }  # fmt: skip
    assert set(MEANS) == set(STATES)


steps = st.lists(st.tuples(st.booleans(), st.sampled_from(STATES), st.sampled_from(["Ann", "engine", ""])), max_size=80)


@given(steps)
def test_whatever_is_asked_only_a_person_makes_it_better(asked: list[tuple[bool, str, str]]) -> None:
    latch = Latch()
    for number, (better, state, who) in enumerate(asked):
        found = (resume if better else worsen)(latch, state, who=who, why="w", at_ns=number)
        latch = latch if isinstance(found, Kept) else found
        for change in latch.changes:
            if STATES.index(change.state) < STATES.index(change.before) and change.before != "flat":
                assert change.who
                assert change.who not in COMPONENTS
        assert all(one.state == other.before for one, other in pairwise(latch.changes))
    assert len(latch.changes) <= KEPT
