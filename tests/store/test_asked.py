from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.model.instrument import Instrument
from tapeline.store import asked


def test_ranges() -> None:
    assert asked.between(None, None) == (asked.FIRST, asked.LAST)
    assert asked.between("1970-01-01T00:00:01Z", 5 * 10**9) == (1_000_000_000, 5_000_000_000)
    with pytest.raises(ConfigError, match="is not a time"):
        asked.nanoseconds("noon")
    with pytest.raises(ConfigError, match="nothing lies between 6 and 5: the end comes before the start"):
        asked.between(6, 5)
    assert asked.between(5, 5) == (5, 5)
    assert asked.between("0001-01-01", "9999-12-31") == (asked.FIRST, asked.LAST)  # beyond all that nanoseconds reach
    assert asked.between(10**30, None) == (asked.LAST, asked.LAST)


def test_times_of_a_notebook() -> None:
    at = datetime(2024, 8, 8, 23, 56, 30, 123456, tzinfo=UTC)
    assert asked.nanoseconds(at) == 1_723_161_390_123_456_000
    assert asked.nanoseconds(at.astimezone(timezone(timedelta(hours=9)))) == 1_723_161_390_123_456_000
    assert asked.nanoseconds(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1000
    stamp = pytest.importorskip("pandas").Timestamp("2024-08-08T23:56:30.123456789Z")
    assert asked.nanoseconds(stamp) == 1_723_161_390_123_456_789
    with pytest.raises(ConfigError, match=r"has no zone: give it one \(tzinfo=UTC\), or write 2024-08-08T00:00:00Z"):
        asked.nanoseconds(datetime(2024, 8, 8))  # noqa: DTZ001  # that is what is refused
    numpy = pytest.importorskip("numpy")
    assert asked.nanoseconds(numpy.int64(7)) == 7


@pytest.mark.parametrize(
    "at", [1.5, True, Decimal(5), date(2024, 8, 8), [5], "", "2024-02-30", "08/08/2024", "2024-08"]
)
def test_what_is_no_time(at: object) -> None:
    with pytest.raises(ConfigError, match="is not a time: write ISO 8601 in UTC"):
        asked.nanoseconds(at)  # type: ignore[arg-type]  # what a notebook may give


def test_pandas_has_a_time_that_is_none() -> None:
    with pytest.raises(ConfigError, match="NaT is not a time"):
        asked.nanoseconds(pytest.importorskip("pandas").NaT)


@pytest.mark.parametrize("count", [-1, 1.5, "x", True])
def test_how_many_of_the_newest(count: object) -> None:
    with pytest.raises(ConfigError, match=r"last=.*: a whole number"):
        asked.newest(count)  # type: ignore[arg-type]  # what a notebook may give
    assert (asked.newest(0), asked.newest(None), asked.newest(2**70)) == (0, None, asked.LAST)
    assert asked.newest(pytest.importorskip("numpy").int64(5)) == 5


@pytest.mark.parametrize(
    ("at", "meant"),
    [(1_700_000_000, "1_000_000_000"), (1_700_000_000_000, "1_000_000"), (1_700_000_000_000_000, "1_000")],
)
def test_seconds_and_milliseconds_are_told_from_nanoseconds(at: int, meant: str) -> None:
    assert asked.early((asked.FIRST, at)) == at
    with pytest.raises(ConfigError, match=rf"^{at} would be in 1970, .* \(did you mean {at} \* {meant}\?\)$"):
        asked.refuse_early(at, (1_723_161_390 * 10**9, 1_723_161_391 * 10**9))
    asked.refuse_early(at, (5, 1_723_161_391 * 10**9))  # a series that does reach back so far
    asked.refuse_early(at, None)


def test_a_time_that_nothing_explains_is_refused_without_a_guess() -> None:
    with pytest.raises(ConfigError, match=r"^5 would be in 1970, long before .* integer times are nanoseconds$"):
        asked.refuse_early(5, (10**18, 10**18))
    assert asked.early((0, asked.LAST)) is None
    assert asked.early((-5, 1_723_161_390 * 10**9)) is None


def test_names_are_text() -> None:
    listed = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    assert asked.instrument_named("binance:BTC/USDT") == "binance:BTC/USDT"
    for wrong, said in ((3, "3$"), (None, "None$"), (listed, r"Instrument\(venue='binance'")):
        with pytest.raises(ConfigError, match=f"as 'VENUE:BTC/USDT', or the `id` of one; not {said}"):
            asked.instrument_named(wrong)  # type: ignore[arg-type]  # what a notebook may give
    assert asked.bars_channel("1m@trades") == asked.bars_channel("bars:1m@trades") == "bars:1m@trades"
    for interval in (60, None, timedelta(minutes=1), ["1m"]):
        with pytest.raises(ConfigError, match="is no interval: write it as text, as '1m'"):
            asked.bars_channel(interval)  # type: ignore[arg-type]  # what a notebook may give
    assert asked.trades_channel("aggtrades") == "aggtrades"
    for channel in ("bars:1m", "trade", ["trades"], 3):
        with pytest.raises(ConfigError, match="is none of trades: there are trades and aggtrades"):
            asked.trades_channel(channel)  # type: ignore[arg-type]  # what a notebook may give


def test_sizes_are_exact() -> None:
    numpy = pytest.importorskip("numpy")
    found = [asked.size_of(each) for each in (5, numpy.int64(5), "0.1", Decimal("0.1"))]
    assert found == [Decimal(5), Decimal(5), Decimal("0.1"), Decimal("0.1")]
    for size in (0.1, numpy.float64(0.1)):
        with pytest.raises(ConfigError, match=r"is a float: write it exactly, as text \('0\.1'\) or a Decimal"):
            asked.size_of(size)
    for wrong in ("much", None, [1]):
        with pytest.raises(ConfigError, match="is not a number"):
            asked.size_of(wrong)  # type: ignore[arg-type]  # what a notebook may give


def test_folders_are_paths(tmp_path: Path) -> None:
    assert asked.folder_of(str(tmp_path)) == asked.folder_of(tmp_path) == tmp_path
    for wrong in (None, 3, b"/tmp", [tmp_path], "~nobody-has-this-name/data"):
        with pytest.raises(ConfigError, match="is no path: name the folder of a store, or of an archive"):
            asked.folder_of(wrong)  # type: ignore[arg-type]  # what a notebook may give
