from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.venues.spec import Allowance, Priority
from tapeline.wire.pace import JITTER_S, Budget, TokenBucket, at_most, backoff, retry_after_s

INF = float("inf")


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(2.0, 3.0, 100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.ready_at(100.0) == 100.5
    assert not bucket.take(100.4)
    assert bucket.take(100.5)
    assert bucket.ready_at(200.0, 3.0) == 200.0  # saved up again, never more than the burst
    assert not bucket.take(200.0, 3.5)


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(1.0, 1.0, 50.0)
    assert bucket.take(50.0)
    assert not bucket.take(10.0)
    assert bucket.ready_at(10.0) == 11.0
    assert not bucket.take(50.9)
    assert bucket.take(51.0)


@pytest.mark.parametrize("bucket", [TokenBucket(INF, 5.0, 0.0), at_most(INF, 3600.0, 0.0)])
def test_an_infinite_rate_never_waits(bucket: TokenBucket) -> None:
    assert all(bucket.take(now) for now in [0.0] * 100 + [1.0] * 100)
    assert bucket.ready_at(1.0) == 1.0


def test_a_bucket_that_never_fills_is_refused() -> None:
    with pytest.raises(AssertionError, match="wait for ever"):
        TokenBucket(0.0, 1.0, 0.0)


@given(
    limit=st.floats(2, 50),
    window_s=st.floats(0.5, 100),
    steps=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_at_most_holds_in_any_window(limit: float, window_s: float, steps: list[float]) -> None:
    bucket, now, taken = at_most(limit, window_s, 0.0), 0.0, list[float]()
    for step in steps:
        now += step * window_s / limit
        while bucket.take(now):
            taken.append(now)
    for first in taken:
        assert sum(first <= at < first + window_s for at in taken) <= limit + 1e-6


def test_backoff_is_at_once_then_jitter_under_a_doubling_ceiling() -> None:
    chances = iter([0.5, 1.0, 0.25, 0.0, 1.0, 1.0])
    assert list(islice(backoff(1.0, 10.0, lambda: next(chances)), 7)) == [0.0, 0.5, 2.0, 1.0, 0.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("30", 30.0), (" 1.5 ", 1.5), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("²", None), ("-1", None)],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after_s(header) == seconds


# ---- budgets -------------------------------------------------------------------------------------------------------

A_MINUTE = Allowance(weight=100, window_s=60, fixed=True)
ORDERS, REPAIRS, BACKFILL, AUDIT = Priority


def test_a_window_fills_up_to_what_each_priority_may_use() -> None:
    budget = Budget(A_MINUTE, 0.0)
    assert [budget.most(each) for each in Priority] == [100, 98, 92, 50]
    for _ in range(9):
        assert budget.wait_s(1.0, 10, REPAIRS) == 0
        budget.take(1.0, 10, REPAIRS)
    assert budget.used(2.0) == 90
    assert budget.wait_s(2.0, 8, REPAIRS) == 0
    assert budget.wait_s(2.0, 9, REPAIRS) == 59.0 + JITTER_S
    assert budget.wait_s(2.0, 10, ORDERS) == 0
    assert budget.wait_s(2.0, 1, AUDIT) == 59.0 + JITTER_S
    assert budget.used(61.2) == 0


def test_what_is_dearer_than_the_window_takes_it_all() -> None:
    budget = Budget(A_MINUTE, 0.0)
    budget.take(0.0, 1, REPAIRS)
    assert budget.wait_s(30.0, 1000, REPAIRS) == 30.0 + JITTER_S
    assert budget.wait_s(60.2, 1000, REPAIRS) == 0
    budget.take(60.2, 1000, REPAIRS)
    assert budget.used(60.3) == 98


def test_backfill_is_spread_and_leaves_room_at_once() -> None:
    budget = Budget(A_MINUTE, 0.0)
    now = 0.0
    while now < 30.0:
        now += budget.wait_s(now, 2, BACKFILL)
        budget.take(now, 2, BACKFILL)
    assert budget.used(now) <= 92 / 2 + 12
    assert budget.wait_s(now, 40, REPAIRS) == 0


@pytest.mark.parametrize(
    ("allowance", "weight", "part"),
    [(A_MINUTE, 2, 0.9), (Allowance(weight=20, window_s=2), 1, 0.85), (Allowance(weight=6000, window_s=60), 25, 0.9)],
)
def test_backfill_alone_comes_near_the_limit_and_never_over_it(allowance: Allowance, weight: int, part: float) -> None:
    budget, now, went = Budget(allowance, 0.0), 0.0, list[float]()
    while now < 20 * allowance.window_s:
        wait_s = budget.wait_s(now, weight, BACKFILL)
        if wait_s:
            now += wait_s
            continue
        budget.take(now, weight, BACKFILL)
        went.append(now)
    assert len(went) * weight / 20 >= part * allowance.weight
    worst = max(
        sum(weight for at in went if first <= at < first + allowance.window_s) for first in went[:: len(went) // 50]
    )
    assert worst <= allowance.weight


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 120), st.sampled_from(Priority)), max_size=80))
def test_no_window_ever_holds_more_than_the_allowance(steps: list[tuple[float, int, Priority]]) -> None:
    budget, now, went = Budget(A_MINUTE, 0.0), 0.0, list[tuple[float, float]]()
    for step, weight, priority in steps:
        now += step
        if budget.wait_s(now, weight, priority) <= 0:
            budget.take(now, weight, priority)
            went.append((now, budget.cost(weight, priority)))
    for first, _ in went:
        assert sum(cost for at, cost in went if first <= at < first + 60) <= 100 + 1e-6


def test_what_the_venue_says_is_used_counts_until_its_window_ends() -> None:
    budget = Budget(A_MINUTE, 0.0)
    budget.take(0.0, 10, REPAIRS)
    budget.told(0.1, 90, 20.0)  # others ask from this address, too
    assert budget.used(0.2) == 90
    assert budget.wait_s(0.2, 9, REPAIRS) == pytest.approx(19.9)
    budget.take(0.2, 8, REPAIRS)
    budget.told(0.3, 91, 19.8)  # an answer to what went before
    assert budget.used(0.4) == 98
    budget.told(20.5, 5, 60.0)  # its next window
    assert budget.used(20.6) == 18  # ours
    budget.told(20.7, 7, 59.8)
    assert budget.used(90.0) == 0


def test_of_a_rolling_window_the_last_word_of_the_venue_holds() -> None:
    budget = Budget(Allowance(weight=100, window_s=60), 0.0)
    budget.told(0.0, 90, 60.0)
    budget.told(1.0, 40, 60.0)
    assert budget.used(1.0) == 40
