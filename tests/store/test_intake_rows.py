import gzip
import hashlib
import sqlite3
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from tapeline.errors import BadData, ConfigError
from tapeline.model.event import Bar, Trade
from tapeline.store.export import export_series
from tapeline.store.intake.arrow_rows import read_arrow
from tapeline.store.intake.csv_rows import read_csv
from tapeline.store.intake.row import Refused, stamp, whole
from tapeline.store.intake.sqlite_rows import interval_of_table, read_sqlite, tables
from tapeline.store.intake.zip_rows import checksum_problem, read_zip
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore
from tapeline.venues.binance.archive import read as read_row

BTC = "binance:BTC/USDT"
MINUTE_NS = 60_000_000_000
JAN_NS = 1704067200 * 10**9


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("1704067200", JAN_NS), ("1704067200000", JAN_NS), ("1704067200.5", JAN_NS + 10**9 // 2),
        ("1704067200000000", JAN_NS), ("1704067200000000001", JAN_NS + 1), ("60000", 60 * 10**9),
        ("2024-01-01 00:00:00", JAN_NS), ("2024-01-01T00:00:00+00:00", JAN_NS),
    ],
)  # fmt: skip
def test_times_by_their_size(text: str, at_ns: int) -> None:
    assert stamp(text) == at_ns


def test_what_is_no_time_and_no_number() -> None:
    with pytest.raises(BadData, match="neither a number nor ISO"):
        stamp("noon")
    with pytest.raises(BadData, match="not a whole number"):
        whole("1.5", "n")
    assert whole("", "n") is None
    assert whole("-3", "n") == -3


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_what_is_exported_is_read_back(
    form: str, tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]
) -> None:
    bars = [bar(open_at_ns=0), bar(open_at_ns=MINUTE_NS, quote_volume=None, trades=None, volume=Decimal("1e-12"))]
    trades = [trade(1), trade(2, at_ns=None, side=""), trade(3, first_id=3, last_id=9, size=Decimal("1e-12"))]
    store = SeriesStore(tmp_path / "s")
    store.write([*bars, *trades])
    store.close()
    read = read_csv if form == "csv" else read_arrow
    with open_store(tmp_path / "s") as held:
        for channel, rows in (("bars:1m@trades", bars), ("trades", trades)):
            done = export_series(held, BTC, channel, tmp_path, form=form, partition="none")  # type: ignore[arg-type]  # a parameter
            assert [row for path in done.files for row in read(path, BTC, channel)] == rows


def test_trades_as_build_bars_reads_them_and_rows_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "t.csv.gz"
    rows = ["1000,7,buy,1.50,2", "x,8,buy,1,2", "1000,9,left,1,2", "1000,9,buy,,2", ",9,buy,1,2", "1,2,buy,1,2,3",
            "1000,9,buy,1,-2", "1001,b,,1,2"]  # fmt: skip
    file.write_bytes(gzip.compress(("ts_ms,id,taker_side,price,qty\n" + "\n".join(rows) + "\n").encode()))
    found = list(read_csv(file, BTC, "trades"))
    good = [row for row in found if isinstance(row, Trade)]
    assert [(row.id, row.seq, row.price, row.at_ns, row.received_ns, row.source) for row in good] == [
        ("7", 7, Decimal("1.50"), 10**9, 10**9, "file"), ("b", None, Decimal(1), 1001 * 10**6, 1001 * 10**6, "file"),
    ]  # fmt: skip
    bad = [row for row in found if isinstance(row, Refused)]
    assert [row.line for row in bad] == [3, 4, 5, 6, 7, 8]
    assert "ts_ms 'x' is not a whole number" in bad[0].reason
    assert bad[1].text == "1000,9,left,1,2"
    assert "needs a time" in bad[3].reason
    assert "more columns" in bad[4].reason


def test_bars_as_the_command_prints_them(tmp_path: Path) -> None:
    file = tmp_path / "b.csv"
    file.write_text("start_ms,open,high,low,close,volume\n60000,1,3,1,2,9\n61000,1,3,1,2,9\n120000,1,3,2,2,9\n")
    good, odd, impossible = read_csv(file, BTC, "bars:1m")
    assert isinstance(good, Bar)
    assert (good.open_at_ns, good.high, good.received_ns, good.origin, good.revision) == (
        MINUTE_NS, Decimal(3), 2 * MINUTE_NS, "venue", 1,
    )  # fmt: skip
    assert isinstance(odd, Refused)
    assert "no start of a bar" in odd.reason
    assert isinstance(impossible, Refused)
    assert impossible.line == 4


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("a,b\n1,2\n")
    (tmp_path / "torn.csv.gz").write_bytes(gzip.compress(b"ts_ms,id,taker_side,price,qty\n1000,1,buy,1,1\n" * 90)[:-9])
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    pa.parquet.write_table(pa.table({"id": ["1"]}), tmp_path / "y.parquet")
    (wrong,) = read_csv(tmp_path / "b.csv", BTC, "trades")
    assert isinstance(wrong, Refused)
    assert "no ts_ms, id" in wrong.reason
    *_, torn = read_csv(tmp_path / "torn.csv.gz", BTC, "trades")
    assert isinstance(torn, Refused)
    assert "cannot be read further" in torn.reason
    assert "cannot be read further" in str(list(read_arrow(tmp_path / "x.parquet", BTC, "trades")))
    assert "need the columns price" in str(list(read_arrow(tmp_path / "y.parquet", BTC, "trades")))


def test_other_peoples_parquet(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["1", "2", "3", "4"],
            "price": [1.1, 2.2, float("nan"), None],
            "size": [1, 2, 3, 4],
            "at_ns": [1, None, 3, 4],
        }
    )
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    first, second, third, fourth = read_arrow(tmp_path / "t.parquet", BTC, "trades")
    assert first == Trade(BTC, "trades", 1, 1, "file", "1", 1, "", Decimal("1.1"), Decimal(1))
    assert isinstance(second, Refused)
    assert "needs a time" in second.reason
    assert isinstance(third, Refused)
    assert "is not a number" in third.reason
    assert isinstance(fourth, Refused)
    assert (fourth.line, fourth.reason) == (4, "price is empty")
    pa.parquet.write_table(
        pa.table(
            {
                "open_at_ns": [0, 5],
                "open": [1.0, 1],
                "high": [2.0, 1],
                "low": [1.0, 1],
                "close": [2.0, 1],
                "volume": [3.0, 1],
            }
        ),
        tmp_path / "b.parquet",
    )
    bar, odd = read_arrow(tmp_path / "b.parquet", BTC, "bars:1m@trades")
    assert isinstance(bar, Bar)
    assert (bar.received_ns, bar.revision, bar.origin, bar.source) == (MINUTE_NS, 1, "trades", "file")
    assert isinstance(odd, Refused)


def zipped(folder: Path, text: str) -> Path:
    path = folder / "BTCUSDT-trades-2024-01-01.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BTCUSDT-trades-2024-01-01.csv", text)
    return path


def test_zips_and_their_checksums(tmp_path: Path) -> None:
    path = zipped(
        tmp_path, "id,price\n1,2,3,6,1704067200000,True\n\nx,2,3,6,1704067200000,True\n2,2,0.5,1,1704067200001,False\n"
    )
    beside = path.with_name(path.name + ".CHECKSUM")
    beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")

    def rows() -> list[object]:
        return list(read_zip(path, lambda row: read_row(row, BTC, "trades")))

    found = rows()
    assert [row.seq for row in found if isinstance(row, Trade)] == [1, 2]
    (bad,) = [row for row in found if isinstance(row, Refused)]
    assert (bad.line, bad.reason) == (4, "'x' is not a whole number")
    beside.write_text("00  other\n")
    (refused,) = rows()
    assert isinstance(refused, Refused)
    assert refused.line == 0
    assert ".CHECKSUM says 00" in refused.reason
    beside.write_bytes(b"\xff\xfe")
    assert "cannot be read" in checksum_problem(path)
    beside.write_text("")
    assert "says nothing" in checksum_problem(path)
    path.write_bytes(b"PK nothing")
    beside.unlink()
    assert "cannot be read further" in str(rows())
    beside.write_text("00")
    path.unlink()
    assert "cannot be read" in checksum_problem(path)


def database(folder: Path, sql: str, *rows: tuple[object, ...]) -> Path:
    path = folder / "BTCUSDT.db"
    connection = sqlite3.connect(path)
    connection.execute(sql)
    for row in rows:
        connection.execute("INSERT INTO ohlcv_1m VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path


def test_databases_of_others(tmp_path: Path) -> None:
    path = database(
        tmp_path, "CREATE TABLE ohlcv_1m (Timestamp, o, h, l, c, v, trades)",
        (1704067260, 1.1, 3, "1.0", 2, 9.5, 4), (1704067200000, 1, 1, 1, 1, 1, None), (1704067261, 1, 1, 1, 1, 1, 1),
        (1704067320, None, 1, 1, 1, 1, 1), (1704067380, 1, 1, 1, "n/a", 1, 1),
    )  # fmt: skip
    found = list(read_sqlite(path, "ohlcv_1m", BTC, "bars:1m"))
    bars = [row for row in found if isinstance(row, Bar)]
    assert [(bar.open_at_ns, bar.open, bar.volume, bar.trades) for bar in bars] == [
        (1704067260 * 10**9, Decimal("1.1"), Decimal("9.5"), 4), (1704067200 * 10**9, Decimal(1), Decimal(1), None),
    ]  # fmt: skip
    assert [row.reason for row in found if isinstance(row, Refused)] == [
        "time 1704067261 is no start of a bar of 1m", "open is empty", "'n/a' is not a number",
    ]  # fmt: skip
    assert tables(path) == ["ohlcv_1m"]
    with pytest.raises(ConfigError, match="has no table '5m': it has ohlcv_1m"):
        list(read_sqlite(path, "5m", BTC, "bars:5m"))
    with pytest.raises(ConfigError, match="no file"):
        tables(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("not a database at all, but long enough to look at" * 40)
    with pytest.raises(ConfigError, match="is no SQLite database"):
        tables(tmp_path / "text.db")


def test_a_table_without_prices(tmp_path: Path) -> None:
    path = database(tmp_path, "CREATE TABLE ohlcv_1m (ts, price)")
    with pytest.raises(ConfigError, match="no column for open, high, low, close, volume: it has ts, price"):
        list(read_sqlite(path, "ohlcv_1m", BTC, "bars:1m"))


@pytest.mark.parametrize(
    ("name", "interval"),
    [("1m", "1m"), ("ohlcv_1h", "1h"), ("BTCUSDT_5m", "5m"), ("candles", None), ("1M", "1M"), ("klines4h", "4h")],
)
def test_what_a_tables_name_says(name: str, interval: str | None) -> None:
    assert interval_of_table(name) == interval
