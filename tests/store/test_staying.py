"""An archive proves what was exported into it and no more, and outlives what the store forgets."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import tapeline
from tapeline.errors import NotProven
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.store.compact import _old_trades
from tapeline.store.export import Form, export_series
from tapeline.store.intake.arrow_rows import read_arrow
from tapeline.store.intake.csv_rows import read_csv
from tapeline.store.intake.row import Found
from tapeline.store.lake import open_lake
from tapeline.store.reader import open_store
from tapeline.store.series import Row, SeriesStore

BTC = "binance:BTC/USDT"
DAY_NS = 86_400_000_000_000
HOUR_NS = DAY_NS // 24
FOLDER = "venue=binance/symbol=BTC%2FUSDT/channel=trades"


def rows_of(path: Path, instrument: str, channel: str) -> Iterator[Found]:
    return (read_csv if path.suffix == ".csv" else read_arrow)(path, instrument, channel)


def known(low: int, high: int, state: str = "proven") -> list[Row]:
    of = (BTC, "trades", low, high)
    return [Wanted(*of, "backfill"), Fact(*of, state, "ids", "rest", "because", high)]


def hours_of(folder: Path, trade: Callable[..., Trade], hours: range) -> Path:
    """A store of a trade an hour, all of them proven."""
    store = SeriesStore(folder)
    store.write([trade(n + 1, at_ns=n * HOUR_NS) for n in hours])
    store.write(known(hours.start * HOUR_NS, hours.stop * HOUR_NS))
    store.close()
    return folder


def test_an_archive_of_a_range_proves_no_more_than_that(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    with open_store(hours_of(tmp_path / "data", trade, range(72))) as held:
        export_series(held, BTC, "trades", tmp_path / "out", start=DAY_NS, end=DAY_NS + 1)
        with tapeline.open(tmp_path / "out") as archive:
            assert archive.trades(BTC).missing == [] == archive.trades(BTC, DAY_NS, 2 * DAY_NS).missing
            assert archive.trades(BTC, 0, 2 * DAY_NS).missing == [(0, DAY_NS)]
            with pytest.raises(NotProven):
                archive.trades(BTC, 2 * DAY_NS, 3 * DAY_NS, require="proven")
        export_series(held, BTC, "trades", tmp_path / "out", start=0, end=1)
    with tapeline.open(tmp_path / "out") as archive:  # what was there before is still known
        assert archive.trades(BTC, 0, 3 * DAY_NS).missing == [(2 * DAY_NS, 3 * DAY_NS)]
        assert len(list(archive.trades(BTC, 0, 2 * DAY_NS, require="proven"))) == 48


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv"])
@pytest.mark.parametrize("partition", ["day", "month", "none"])
def test_an_archive_outlives_what_the_store_forgets(
    tmp_path: Path, trade: Callable[..., Trade], form: Any, partition: Any
) -> None:
    """The day on which retention cuts is written again, with the rows that the store no longer has."""
    data = hours_of(tmp_path / "data", trade, range(72))
    with open_store(data) as held:
        export_series(held, BTC, "trades", tmp_path / "out", form=form, partition=partition)
    with closing(SeriesStore(data)) as store:
        _old_trades(store, 30 * HOUR_NS, dry_run=False)
    with open_store(hours_of(data, trade, range(72, 74))) as held:
        assert len(list(held.trades(BTC))) == 44
        export_series(held, BTC, "trades", tmp_path / "out", form=form, partition=partition)
    found: dict[str, int] = {}
    for path in (tmp_path / "out").rglob(f"data-*.{form}"):
        for row in rows_of(path, BTC, "trades"):
            assert isinstance(row, Trade)
            assert row.id not in found
            found[row.id] = row.at_ns or 0
    assert sorted(found.values()) == [n * HOUR_NS for n in range(74)]
    if form == "parquet":
        with tapeline.open(tmp_path / "out") as archive:
            assert len(list(archive.trades(BTC, require="proven"))) == 74
            assert archive.trades(BTC, 0, 74 * HOUR_NS).missing == []


def test_bars_before_and_after_a_range_stay_in_a_file_of_all(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    store = SeriesStore(tmp_path / "data")
    store.write([bar(open_at_ns=n * HOUR_NS) for n in range(10)])
    store.close()
    channel = "bars:1m@trades"
    with open_store(tmp_path / "data") as held:
        forms: tuple[Form, ...] = ("parquet", "csv")
        for form in forms:
            export_series(held, BTC, channel, tmp_path / "out", form=form, partition="none")
            export_series(
                held, BTC, channel, tmp_path / "out", form=form, partition="none", start=3 * HOUR_NS, end=4 * HOUR_NS,
            )  # fmt: skip
            (path,) = (tmp_path / "out").rglob(f"data-*.{form}")
            opens = [each.open_at_ns for each in rows_of(path, BTC, channel) if isinstance(each, Bar)]
            assert opens == [n * HOUR_NS for n in range(10)]


def test_a_range_of_which_the_store_has_nothing_changes_nothing(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    with open_store(hours_of(tmp_path / "old", trade, range(30))) as held:
        export_series(held, BTC, "trades", tmp_path / "out")
    with open_store(hours_of(tmp_path / "new", trade, range(40, 50))) as held:
        assert export_series(held, BTC, "trades", tmp_path / "out", start=0, end=DAY_NS).rows == 0
        with tapeline.open(tmp_path / "out") as archive:
            assert len(list(archive.trades(BTC, require="proven"))) == 30
        export_series(held, BTC, "trades", tmp_path / "out")
    with tapeline.open(tmp_path / "out") as archive:
        assert len(list(archive.trades(BTC))) == 40
        assert archive.trades(BTC, 0, 50 * HOUR_NS).missing == [(30 * HOUR_NS, 40 * HOUR_NS)]


def test_what_is_lost_of_an_archive_is_not_proven(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    """A day's file that is gone, or is cut short; and an export of another day does not forget it."""
    files = FOLDER + "/day=1970-01-{day:02d}/data-0.parquet"
    with open_store(hours_of(tmp_path / "data", trade, range(96))) as held:
        export_series(held, BTC, "trades", tmp_path / "out")
        (tmp_path / "out" / files.format(day=1)).unlink()
        with tapeline.open(tmp_path / "out") as archive:
            assert archive.trades(BTC).missing == [(0, DAY_NS)]
            assert [bar.certificate for bar in archive.resample(BTC, "1d")] == ["complete"] * 3
            assert [bar.certificate for bar in archive.resample(BTC, "1w")] == ["partial"]
        export_series(held, BTC, "trades", tmp_path / "out", start=2 * DAY_NS, end=3 * DAY_NS)
        with tapeline.open(tmp_path / "out") as archive, pytest.raises(NotProven):
            archive.trades(BTC, require="proven")
        export_series(held, BTC, "trades", tmp_path / "out", start=0, end=1)
    with tapeline.open(tmp_path / "out") as archive:
        assert len(list(archive.trades(BTC, require="proven"))) == 96
    path = tmp_path / "out" / files.format(day=3)
    path.write_bytes(path.read_bytes()[:-9])
    assert archive_of(tmp_path / "out", BTC, "trades") == [(2 * DAY_NS, 3 * DAY_NS)]


def archive_of(root: Path, instrument: str, channel: str) -> list[tuple[int, int]]:
    """What of the first four days is not proven."""
    with open_lake(root) as archive:
        return archive.covering(instrument, channel).missing((0, 4 * DAY_NS))
