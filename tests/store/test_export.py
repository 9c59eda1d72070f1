import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest

from tapeline.errors import ConfigError, NotHeld
from tapeline.model.event import Bar, Gap, Trade
from tapeline.store import export as exporting
from tapeline.store.export import export_series
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore

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
