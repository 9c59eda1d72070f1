from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, Trade
from tapeline.store import queries
from tapeline.store.numbers import exact_column
from tapeline.store.queries import TRADE_COLUMNS
from tapeline.store.series import BAR_COLUMNS, BAR_NUMBERS


def test_ranges() -> None:
    assert queries.between(None, None) == (queries.FIRST, queries.LAST)
    assert queries.between("1970-01-01T00:00:01Z", 5 * 10**9) == (1_000_000_000, 5_000_000_000)
    with pytest.raises(ConfigError, match="is not a time"):
        queries.nanoseconds("noon")
    with pytest.raises(ConfigError, match="nothing lies between 6 and 5: the end comes before the start"):
        queries.between(6, 5)
    assert queries.between(5, 5) == (5, 5)


def test_times_of_a_notebook() -> None:
    at = datetime(2024, 8, 8, 23, 56, 30, 123456, tzinfo=UTC)
    assert queries.nanoseconds(at) == 1_723_161_390_123_456_000
    assert queries.nanoseconds(at.astimezone(timezone(timedelta(hours=9)))) == 1_723_161_390_123_456_000
    assert queries.nanoseconds(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1000
    stamp = pytest.importorskip("pandas").Timestamp("2024-08-08T23:56:30.123456789Z")
    assert queries.nanoseconds(stamp) == 1_723_161_390_123_456_789
    with pytest.raises(ConfigError, match=r"has no zone: give it one \(tzinfo=UTC\), or write 2024-08-08T00:00:00Z"):
        queries.nanoseconds(datetime(2024, 8, 8))  # noqa: DTZ001  # that is what is refused
    with pytest.raises(ConfigError, match=r"1\.5 is not a time"):
        queries.nanoseconds(1.5)  # type: ignore[arg-type]  # what a notebook may give


@pytest.mark.parametrize("count", [-1, 1.5, "x"])
def test_how_many_of_the_newest(count: object) -> None:
    with pytest.raises(ConfigError, match=r"last=.*: a whole number"):
        queries.newest(count)  # type: ignore[arg-type]  # what a notebook may give
    assert (queries.newest(0), queries.newest(None)) == (0, None)


def test_rows_are_events_again(bar: Callable[..., Bar], trade: Callable[..., Trade]) -> None:
    one, other = bar(), trade(3)
    numbers = {name: getattr(one, name) for name in BAR_NUMBERS}
    row = tuple(
        float(value) if name in numbers and value is not None else value
        for name, value in ((name, getattr(one, name)) for name in BAR_COLUMNS)
    )
    assert queries.bar_of(one.instrument, one.channel, (*row, exact_column(numbers))) == one
    values = [getattr(other, name) for name in TRADE_COLUMNS]
    values[6:8] = [float(other.price), 1.0]
    exact = msgspec.json.encode({"size": str(other.size)}).decode()
    assert queries.trade_of(other.instrument, "trades", (*values, exact)) == other
