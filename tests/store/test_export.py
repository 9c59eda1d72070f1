import csv
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest

import tapeline
from tapeline.errors import ConfigError, NotHeld, NotProven
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact, Wanted
from tapeline.store import export as exporting
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


@pytest.fixture
def folder(tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]) -> Path:
    store = SeriesStore(tmp_path / "store")
    trades = [trade(n, at_ns=n * DAY_NS // 2, size=Decimal(n).scaleb(-5)) for n in range(1, 7)]
    hole = Gap(BTC, "trades", None, 7, "built", 1, 2, None, None, "restart")
    store.write([*trades, *(bar(open_at_ns=i * DAY_NS) for i in range(70)), hole])
    store.close()
    return tmp_path


def test_trades_by_day_and_again(folder: Path) -> None:
    with open_store(folder / "store") as held:
        first = export_series(held, BTC, "trades", folder / "out")
        again = export_series(held, BTC, "trades", folder / "out", start=DAY_NS + 5, end=DAY_NS + 6)
        with pytest.raises(ConfigError, match="is partitioned by day, not month"):
            export_series(held, BTC, "trades", folder / "out", partition="month")
        with pytest.raises(NotHeld):
            export_series(held, BTC, "aggtrades", folder / "out")
        with pytest.raises(ConfigError, match="one of day, month"):
            export_series(held, BTC, "trades", folder / "out", partition="hour")  # type: ignore[arg-type]  # the point
    days = sorted(path.name for path in (folder / "out" / FOLDER).glob("day=*"))
    assert days == ["day=1970-01-01", "day=1970-01-02", "day=1970-01-03", "day=1970-01-04"]
    assert (first.rows, len(first.files), again.rows) == (6, 4, 2)
    table = pa.parquet.read_table(folder / "out" / FOLDER / "day=1970-01-02/data-0.parquet", partitioning=None)
    assert table["size"].to_pylist() == [Decimal("0.00002"), Decimal("0.00003")]
    assert table["size"].type == pa.decimal128(18, 8)
    assert (folder / "out" / FOLDER / "gaps.jsonl").read_text().count("restart") == 1
    assert not list((folder / "out").rglob("*.new"))


def test_a_finer_number_goes_to_a_part_of_its_own(folder: Path, trade: Callable[..., Trade],
                                                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(exporting, "PAGE", 2)
    store = SeriesStore(folder / "store")
    store.write([trade(9, at_ns=2, size=Decimal("1e-15")), trade(10, at_ns=3)])
    store.close()
    with open_store(folder / "store") as held:
        files = export_series(held, BTC, "trades", folder / "out").files
    first_day = [path.name for path in files if "01-01" in path.parent.name]
    assert first_day == ["data-0.parquet", "data-1.parquet"]


def test_numbers_no_parquet_holds(folder: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(folder / "store")
    store.write([trade(9, at_ns=2, size=Decimal("1e-25"))])
    store.close()
    with open_store(folder / "store") as held:
        with pytest.raises(ConfigError, match="more than 38 digits: export it as csv"):
            export_series(held, BTC, "trades", folder / "out")
        assert not list((folder / "out").rglob("data*"))
        export_series(held, BTC, "trades", folder / "out", form="csv", partition="none")
    (file,) = (folder / "out").rglob("data-0.csv")
    assert "0.0000000000000000000000001" in file.read_text()


def test_bars_by_month_and_as_arrow_and_csv(folder: Path, bar: Callable[..., Bar]) -> None:
    channel = "bars:1m@trades"
    with open_store(folder / "store") as held:
        months = export_series(held, BTC, channel, folder / "months", partition="month", end=40 * DAY_NS)
        arrow = export_series(held, BTC, channel, folder / "arrow", form="arrow", partition="none")
        text = export_series(held, BTC, channel, folder / "csv", form="csv", partition="year")
    assert (months.rows, [path.parent.name for path in months.files]) == (59, ["month=1970-01", "month=1970-02"])
    table = pa.ipc.open_file(arrow.files[0]).read_all()
    assert table["close"].to_pylist() == [bar().close] * 70
    assert arrow.files[0].parent.name == "channel=bars%3A1m%40trades"
    with text.files[0].open() as file:
        rows = list(csv.DictReader(file))
    assert (len(rows), rows[1]["start_ms"], rows[1]["volume"]) == (70, str(DAY_NS // 1_000_000), "12.43238")
    assert rows[0]["known_at_ns"] == str(bar().known_at_ns)


def test_parquet_is_small_in_groups_that_are_read_beside_each_other(
    folder: Path, bar: Callable[..., Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "GROUP", 32)
    wide = bar(open_at_ns=70 * DAY_NS, volume=Decimal("12345678901.123456789"))
    store = SeriesStore(folder / "store")
    store.write([wide])
    store.close()
    with open_store(folder / "store") as held:
        (bars,) = export_series(held, BTC, "bars:1m@trades", folder / "out", partition="none", end=70 * DAY_NS).files
        stored = held.bars(BTC, "1m@trades", end=70 * DAY_NS).to_arrow(columns="all", numbers="decimal")
        (trades, *_) = export_series(held, BTC, "trades", folder / "out").files
        (finer,) = export_series(held, BTC, "bars:1m@trades", folder / "finer", partition="none").files
        widest = held.bars(BTC, "1m@trades").to_arrow(columns="all", numbers="decimal")
    found = pa.parquet.ParquetFile(bars)
    assert [found.metadata.row_group(i).num_rows for i in range(3)] == [32, 32, 6]
    assert found.read().equals(stored)
    assert pa.parquet.read_table(finer, partitioning=None).equals(widest)
    encoded = {name: encodings(found, name) for name in ("open_at_ns", "close", "quote_volume", "certificate")}
    assert encoded == {
        "open_at_ns": "DELTA_BINARY_PACKED", "close": "DELTA_BINARY_PACKED", "quote_volume": "DELTA_BINARY_PACKED",
        "certificate": "RLE_DICTIONARY",
    }  # fmt: skip
    of_trades = pa.parquet.ParquetFile(trades)
    assert [encodings(of_trades, name) for name in ("seq", "price", "size", "side")] == [
        "DELTA_BINARY_PACKED", "DELTA_BINARY_PACKED", "RLE_DICTIONARY", "RLE_DICTIONARY"
    ]  # fmt: skip
    assert encodings(pa.parquet.ParquetFile(finer), "volume") == "RLE_DICTIONARY"  # more digits than an integer has


def encodings(file: pyarrow.parquet.ParquetFile, column: str) -> str:
    """How the values of a column are written; what says which are absent is left out."""
    group = file.metadata.row_group(0)
    place = group.column(file.schema_arrow.names.index(column))
    (found,) = {"DELTA_BINARY_PACKED", "RLE_DICTIONARY"}.intersection(place.encodings)
    return found


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
