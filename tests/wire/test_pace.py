from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.wire.pace import TokenBucket, at_most, backoff, retry_after_s

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
