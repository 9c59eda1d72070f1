"""Spans out of facts, against a model that asks every fact about every instant."""

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.market.coverage import NOT_FETCHED, Coverage
from tapeline.model.fact import CLOSED, HELD, Fact, Span

STATES = ("proven", "repaired", "unrecoverable", "disputed", "missing")
END = 40


def fact(from_ns: int, to_ns: int, state: str = "proven", **changes: Any) -> Fact:
    values: dict[str, Any] = {"evidence": "ids", "source": "ws", "why": "", "known_at_ns": 0} | changes
    return Fact("v:A/B", "trades", from_ns, to_ns, state, **values)


facts = st.builds(
    lambda at, length, state, run, why: fact(at, at + length, state, run=run, why=why),
    st.integers(0, END - 1), st.integers(0, 12), st.sampled_from(STATES), st.sampled_from((0, 0, 7, 8)),
    st.sampled_from(("", "so")),
)  # fmt: skip
ranges = st.lists(st.tuples(st.integers(0, END), st.integers(0, END)).map(lambda pair: tuple(sorted(pair))), max_size=4)


def model(given_: list[Fact]) -> list[Fact | None]:
    """What is known at each instant."""
    kept: dict[object, Fact] = {}
    for number, each in enumerate(given_):
        kept[(each.run, each.from_ns, each.state, each.evidence) if each.run else number] = each
    found: list[Fact | None] = []
    for at in range(END + 12):
        here = [each for each in kept.values() if each.from_ns <= at < each.to_ns]
        firm = [each for each in here if not each.run]
        outranking = firm or here
        found.append(outranking[-1] if outranking else None)
    return found


@given(st.lists(facts, max_size=30))
def test_spans_are_what_the_outranking_facts_say(given_: list[Fact]) -> None:
    spans = Coverage(given_).spans()
    got: list[Span | None] = [None] * (END + 12)
    for span in spans:
        assert span.from_ns < span.to_ns
        for at in range(span.from_ns, span.to_ns):
            assert got[at] is None, "two spans overlap"
            got[at] = span
    want = model(given_)
    assert [one and (one.state, one.why) for one in got] == [one and (one.state, one.why) for one in want]
    for left, right in pairwise(spans):
        assert left.to_ns <= right.from_ns
        touching = left.to_ns == right.from_ns and (left.state, left.why) == (right.state, right.why)
        assert not touching, "equal neighbours are one"


@given(st.lists(facts, max_size=20), ranges, st.integers(0, END), st.integers(0, END))
def test_missing_and_to_fetch_are_sets_of_instants(
    given_: list[Fact], wanted: list[tuple[int, int]], one: int, other: int
) -> None:
    coverage, known = Coverage(given_), model(given_)
    instants = {at for low, high in wanted for at in range(low, high)}

    def expand(found: list[tuple[int, int]]) -> set[int]:
        for (_, end), (start, _) in pairwise(found):
            assert end < start, "in order, and never touching"
        return {at for low, high in found for at in range(low, high)}

    def state(at: int) -> str:
        each = known[at]
        return "" if each is None else each.state

    assert expand(coverage.missing(*wanted)) == {at for at in instants if state(at) not in HELD}
    assert expand(coverage.to_fetch(*wanted)) == {at for at in instants if state(at) not in HELD | CLOSED}
    assert expand(coverage.proven) == {at for at in range(END + 12) if state(at) in HELD}
    low, high = sorted((one, other))
    inside = {at for span in coverage.spans(low, high) for at in range(span.from_ns, span.to_ns)}
    assert inside == {at for at in range(low, high) if state(at)}
    holes = {at for span in coverage.holes(*wanted) for at in range(span.from_ns, span.to_ns)}
    bad = {at for at in range(END + 12) if state(at) and state(at) not in HELD}
    assert holes == bad | {at for at in instants if not state(at)}


@given(st.lists(facts, max_size=20))
def test_folding_what_is_outranked_changes_nothing(given_: list[Fact]) -> None:
    coverage = Coverage(given_)
    gone = coverage.outranked()
    kept = list({(e.run, e.from_ns, e.state, e.evidence) if e.run else i: e for i, e in enumerate(given_)}.values())
    for each in gone:
        kept.remove(each)
    folded = Coverage(kept)
    assert (folded.proven, folded.missing((0, END))) == (coverage.proven, coverage.missing((0, END)))
    assert [(s.from_ns, s.to_ns, s.state) for s in folded.spans()] == [
        (s.from_ns, s.to_ns, s.state) for s in coverage.spans()
    ]


def test_a_live_span_grows_in_place_and_never_over_what_was_found_out_later() -> None:
    coverage = Coverage([fact(0, 10, run=3), fact(4, 6, "disputed", why="two readings")])
    coverage.add(fact(0, 30, run=3))
    assert [(s.from_ns, s.to_ns, s.state) for s in coverage.spans()] == [
        (0, 4, "proven"), (4, 6, "disputed"), (6, 30, "proven"),
    ]  # fmt: skip
    coverage.add(fact(0, 20, run=3))  # a wild stamp had made it too long
    assert coverage.proven == [(0, 4), (6, 20)]
    coverage.add(fact(4, 6, "proven", source="rest", evidence="overlap"))
    assert coverage.proven == [(0, 20)]
    assert [span.source for span in coverage.spans()] == ["ws", "rest", "ws"]


def test_a_cause_stays_when_repair_says_that_there_is_no_more() -> None:
    coverage = Coverage([fact(5, 10, "missing", why="", cause="link_down", evidence="")])
    coverage.add(fact(0, 20, "unrecoverable", why="asked twice", evidence=""))
    assert [(s.from_ns, s.to_ns, s.cause) for s in coverage.spans()] == [(0, 5, ""), (5, 10, "link_down"), (10, 20, "")]
    coverage.add(fact(5, 10, "repaired"))
    assert coverage.spans(5, 10) == [Span(5, 10, "repaired", "ids", "ws", "")]


def test_two_holes_that_share_an_instant_stay_two_for_a_trade_is_held_between_them() -> None:
    seen = [
        fact(at, to, "missing", run=at, cause="id_jump", first_seq=at, last_seq=at) for at, to in ((10, 21), (20, 31))
    ]
    told = [
        fact(at, to, "unrecoverable", cause="id_jump", source="rest", why="asked twice")
        for at, to in ((10, 20), (20, 31))
    ]
    coverage = Coverage(seen)
    assert [(each.from_ns, each.to_ns) for each in coverage.holes((10, 31))] == [(10, 20), (20, 31)]
    for each in told:
        coverage.add(each)
    assert [(each.from_ns, each.to_ns, each.state) for each in coverage.holes((10, 31))] == [
        (10, 20, "unrecoverable"), (20, 31, "unrecoverable"),
    ]  # fmt: skip
    late = Coverage([fact(at, to, "unrecoverable", cause="late_start") for at, to in ((10, 20), (20, 31))])
    assert [(each.from_ns, each.to_ns) for each in late.holes((10, 31))] == [(10, 31)], "found in two pieces"


def test_what_is_wanted_and_never_spoken_of_is_a_hole() -> None:
    coverage = Coverage([fact(10, 20)])
    assert [(h.from_ns, h.to_ns, h.state, h.cause) for h in coverage.holes((0, 30))] == [
        (0, 10, "missing", NOT_FETCHED), (20, 30, "missing", NOT_FETCHED),
    ]  # fmt: skip
    assert coverage.missing((0, 5), (3, 12)) == [(0, 10)]
    assert coverage.missing() == []


def test_a_fact_cannot_end_before_it_starts() -> None:
    with pytest.raises(AssertionError, match="cannot end"):
        Coverage([fact(2, 1)])


def test_a_hundred_thousand_facts() -> None:
    started = time.perf_counter()
    coverage = Coverage(fact(i * 7919 % 1_000_003, i * 7919 % 1_000_003 + 9, why=str(i % 3)) for i in range(100_000))
    for i in range(1000):
        coverage.missing((i * 1000, i * 1000 + 500))
    assert len(coverage.spans()) > 50_000
    assert time.perf_counter() - started < 10  # about half a second; ten would be quadratic


def test_numbers_that_fall_over_a_hole_do_not_say_which_are_missing() -> None:
    before, after = fact(0, 10, first_seq=1, last_seq=900), fact(20, 30, first_seq=3, last_seq=9)
    (hole,) = Coverage([before, fact(10, 20, "missing"), after]).stretches((0, 30))
    assert (hole.first, hole.last) == (None, None)
    onward = fact(20, 30, first_seq=904, last_seq=910)
    (hole,) = Coverage([before, fact(10, 20, "missing"), onward]).stretches((0, 30))
    assert (hole.first, hole.last) == (901, 903)


def test_a_fact_that_has_grown_over_a_hole_says_no_more_what_follows_the_piece_before_it() -> None:
    coverage = Coverage([fact(0, 10, run=1, evidence="ids", first_seq=1, last_seq=5)])
    coverage.add(fact(10, 20, "missing", cause="link_down"))
    assert coverage.stretches((0, 20))[0].first == 6
    coverage.add(fact(0, 30, run=1, evidence="ids", first_seq=1, last_seq=9))
    assert [(span.from_ns, span.to_ns, span.state) for span in coverage.spans()] == [
        (0, 10, "proven"), (10, 20, "missing"), (20, 30, "proven")
    ]  # fmt: skip
    (stretch,) = coverage.stretches((0, 30))
    assert (stretch.from_ns, stretch.to_ns, stretch.first, stretch.last) == (10, 20, None, None)
