from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import BadData, ConfigError
from tapeline.model.interval import DAY_NS, INTERVALS, MINUTE_NS, NAMES, SECOND_NS, Interval, Span, interval

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ns(*when: int) -> int:
    delta = datetime(*when, tzinfo=UTC) - EPOCH  # type: ignore[misc,arg-type]  # year, month, day ...
    return (delta // timedelta(microseconds=1)) * 1000


@pytest.mark.parametrize(
    ("name", "at", "opens", "ends"),
    [
        ("1s", ns(2024, 8, 8, 23, 56, 30) + 999, ns(2024, 8, 8, 23, 56, 30), ns(2024, 8, 8, 23, 56, 31)),
        ("1m", ns(2024, 8, 8, 23, 56, 30), ns(2024, 8, 8, 23, 56), ns(2024, 8, 8, 23, 57)),
        ("15m", ns(2024, 8, 8, 23, 56, 30), ns(2024, 8, 8, 23, 45), ns(2024, 8, 9)),
        ("4h", ns(2024, 8, 8, 23, 56, 30), ns(2024, 8, 8, 20), ns(2024, 8, 9)),
        ("1d", ns(2024, 8, 8), ns(2024, 8, 8), ns(2024, 8, 9)),
        ("3d", ns(1970, 1, 5), ns(1970, 1, 4), ns(1970, 1, 7)),
        ("1w", ns(2024, 8, 11, 23, 59, 59), ns(2024, 8, 5), ns(2024, 8, 12)),  # Sunday night belongs to Monday's week
        ("1w", ns(2024, 8, 12), ns(2024, 8, 12), ns(2024, 8, 19)),
        ("1M", ns(2024, 2, 29, 12), ns(2024, 2, 1), ns(2024, 3, 1)),
        ("1M", ns(2023, 12, 31, 23, 59, 59), ns(2023, 12, 1), ns(2024, 1, 1)),
        ("1m", -1, -MINUTE_NS, 0),  # before the epoch too
    ],
)
def test_the_bar_that_holds_an_instant(name: str, at: int, opens: int, ends: int) -> None:
    assert interval(name).floor(at) == opens
    assert interval(name).next(opens) == ends
    assert interval(name).span(at) == Span(opens, ends)


@given(st.sampled_from(NAMES), st.integers(0, 4 * 10**18))
def test_bars_tile_time(name: str, at_ns: int) -> None:
    bars = INTERVALS[name]
    span = bars.span(at_ns)
    assert at_ns in span
    assert bars.floor(span.from_ns) == span.from_ns
    assert bars.floor(span.to_ns - 1) == span.from_ns
    assert bars.floor(span.to_ns) == span.to_ns


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    for at_ns in range(0, 60 * 365 * DAY_NS, 97 * DAY_NS):
        assert (EPOCH + timedelta(seconds=INTERVALS["1w"].floor(at_ns) // SECOND_NS)).weekday() == 0
        assert (EPOCH + timedelta(seconds=INTERVALS["1M"].floor(at_ns) // SECOND_NS)).day == 1


def test_names() -> None:
    assert (str(interval("1m")), interval("1M").length_ns, interval("1m")) == ("1m", 0, Interval("1m", MINUTE_NS))
    for unknown in ("1H", "60m", "", "2d"):
        with pytest.raises(ConfigError, match=f"unknown interval '{unknown}': one of 1s, 1m"):
            interval(unknown)
    with pytest.raises(ConfigError, match=r"unknown interval \['1m'\]"):
        interval(["1m"])  # type: ignore[arg-type]  # what a notebook may give


def test_a_span_is_half_open() -> None:
    span = Span(10, 20)
    assert [at in span for at in (9, 10, 19, 20)] == [False, True, True, False]
    assert [span.overlaps(Span(*other)) for other in ((0, 10), (0, 11), (19, 30), (20, 30), (12, 13))] == [
        False, True, True, False, True,
    ]  # fmt: skip
    assert sorted([Span(5, 9), Span(1, 3), Span(1, 2)]) == [Span(1, 2), Span(1, 3), Span(5, 9)]


def test_an_empty_span_holds_nothing() -> None:
    empty = Span(5, 5)
    assert 5 not in empty
    assert not empty.overlaps(Span(0, 10))
    assert not Span(0, 10).overlaps(empty)


def test_a_span_cannot_end_before_it_starts() -> None:
    with pytest.raises(BadData, match=r"cannot end \(4\) before it starts \(5\)"):
        Span(5, 4)
