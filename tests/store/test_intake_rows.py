import gzip
import hashlib
import sqlite3
import zipfile
from collections.abc import Callable, Iterable
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


def reasons(found: Iterable[object]) -> list[str]:
    return [row.reason if isinstance(row, Refused) else "" for row in found]


def test_a_csv_in_another_unit_of_time_is_refused_row_by_row(tmp_path: Path) -> None:
    bars, trades = tmp_path / "b.csv", tmp_path / "t.csv"
    head = "start_ms,open,high,low,close,volume\n"
    bars.write_text(
        f"{head}1704067200,1,1,1,1,1\n1704067200000,1,1,1,1,1\n1704067200000000,1,1,1,1,1\n{10**30},1,1,1,1,1\n"
    )
    assert reasons(read_csv(bars, BTC, "bars:1m")) == [
        "start_ms '1704067200' would be in the year 1970: give it in milliseconds", "",
        "start_ms '1704067200000000' would be in the year 55969: give it in milliseconds",
        f"start_ms {10**30} is larger than a store has room for",
    ]  # fmt: skip
    assert reasons(read_csv(bars, BTC, "bars:1M"))[1:3] == ["", reasons(read_csv(bars, BTC, "bars:1m"))[2]]
    bars.write_text(f"{head}31536000000,1,1,1,1,1\n")  # a day of 1971
    assert reasons(read_csv(bars, BTC, "bars:1d")) == [""]
    trades.write_text(
        "ts_ms,id,taker_side,price,qty\n1704067200,1,buy,1,1\n1704067200000,2,buy,1,1\n1704067200000000,3,buy,1,1\n"
    )
    assert reasons(read_csv(trades, BTC, "trades")) == [
        "ts_ms 1704067200 would be in the year 1970: give it in milliseconds", "",
        "ts_ms 1704067200000000 would be in the year 55969: give it in milliseconds",
    ]  # fmt: skip


def test_a_csv_that_a_spreadsheet_has_saved_and_ids_without_room(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    rows = f"1704067200000,{2**63 - 1},buy,1,1\r\n1704067200000,{2**63},buy,1,1\r\n"
    file.write_bytes(b"\xef\xbb\xbf" + f"ts_ms,id,taker_side,price,qty\r\n{rows}".encode())
    first, second = read_csv(file, BTC, "trades")
    assert isinstance(first, Trade)
    assert isinstance(second, Trade)
    assert [(each.id, each.seq) for each in (first, second)] == [(str(2**63 - 1), 2**63 - 1), (str(2**63), None)]


def parquet(folder: Path, **columns: object) -> Path:
    pa.parquet.write_table(pa.table(columns), folder / "o.parquet")
    return folder / "o.parquet"


def test_parquet_whose_columns_are_of_other_kinds(tmp_path: Path) -> None:
    prices: dict[str, object] = {name: [1.0, 1.0] for name in ("open", "high", "low", "close", "volume")}
    times = pa.array([JAN_NS, JAN_NS + MINUTE_NS]).cast(pa.timestamp("ns"))
    words = "is not a whole number: give it as whole nanoseconds"
    for stamps in (times, ["1704067200000000000", "x"], [True, False], [0.5, float("inf")]):
        found = reasons(read_arrow(parquet(tmp_path, open_at_ns=stamps, **prices), BTC, "bars:1m"))
        assert [words in reason for reason in found] == [True, True]
    found = reasons(read_arrow(parquet(tmp_path, open_at_ns=[JAN_NS // 1000, None], **prices), BTC, "bars:1m"))
    year = "open_at_ns 1704067200000000 would be in the year 1970: give it in nanoseconds"
    assert found == [year, "open_at_ns is empty"]
    floats = parquet(tmp_path, open_at_ns=[float(JAN_NS), None], trades=[3.0, 4.0], revision=[None, 2], **prices)
    bar, _ = read_arrow(floats, BTC, "bars:1m")
    assert isinstance(bar, Bar)
    assert (bar.open_at_ns, bar.trades, bar.revision) == (JAN_NS, 3, 1)
    assert [type(value) for value in (bar.open_at_ns, bar.trades)] == [int, int]
    prices["open"] = ["1.000", "1,000"]
    bar, odd = read_arrow(parquet(tmp_path, open_at_ns=[JAN_NS, JAN_NS], **prices), BTC, "bars:1m")
    assert isinstance(bar, Bar)
    assert str(bar.open) == "1.000"
    assert reasons([odd]) == ["'1,000' is not a number"]


def test_trades_of_a_parquet_that_pandas_has_made(tmp_path: Path) -> None:
    sides, numbers = ["buy", None, "", "BUY", "buy"], [1.0, 1.0, 1.0, 1.0, 1.0]
    file = parquet(tmp_path, at_ns=[JAN_NS] * 4 + [JAN_NS // 10**6], id=[7.0, None, float("nan"), 8.0, 9.0],
                   side=sides, price=numbers, size=numbers)  # fmt: skip
    *good, side, early = read_arrow(file, BTC, "trades")
    assert [(row.id, row.seq, row.side) for row in good if isinstance(row, Trade)] == [
        ("7", 7, "buy"), ("", None, ""), ("", None, ""),
    ]  # fmt: skip
    assert reasons([side, early]) == [
        "side 'BUY' must be buy, sell or empty",
        "at_ns 1704067200000 would be in the year 1970: give it in nanoseconds",
    ]


def test_counts_of_a_database_in_other_words(tmp_path: Path) -> None:
    path = database(
        tmp_path, "CREATE TABLE ohlcv_1m (Timestamp, o, h, l, c, v, trades)",
        (1704067200, 1, 1, 1, 1, 1, 4.0), (1704067260, 1, 1, 1, 1, 1, "5"), (1704067320, 1, 1, 1, 1, 1, "many"),
        ("1" + "0" * 20, 1, 1, 1, 1, 1, 1),
    )  # fmt: skip
    found = list(read_sqlite(path, "ohlcv_1m", BTC, "bars:1m"))
    assert [row.trades for row in found if isinstance(row, Bar)] == [4, 5]
    assert reasons(found)[2:] == [
        "trades 'many' is not a whole number",
        "time '100000000000000000000' would be in the year 5138: give it in s, ms, us, ns or ISO 8601",
    ]


def test_a_database_that_is_damaged_further_on_or_in_use_is_told_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(1704067200 + 60 * n, 1, 1, 1, 1, 1, 1) for n in range(3000)]
    path = database(tmp_path, "CREATE TABLE ohlcv_1m (Timestamp PRIMARY KEY, o, h, l, c, v, trades)", *rows)
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    found = list(read_sqlite(path, "ohlcv_1m", BTC, "bars:1m"))
    assert isinstance(found[-1], Refused)
    assert found[-1].file == f"{path}:ohlcv_1m"
    assert found[-1].reason == "cannot be read further: database disk image is malformed"

    def locked(_path: Path) -> sqlite3.Connection:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr("tapeline.store.intake.sqlite_rows._opened", locked)
    with pytest.raises(ConfigError, match=r"BTCUSDT\.db cannot be read: database is locked"):
        tables(path)
