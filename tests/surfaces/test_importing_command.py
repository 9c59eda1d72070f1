import hashlib
import sqlite3
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.model.event import Bar, Trade
from tapeline.model.instrument import Instrument
from tapeline.store.export import export_series
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"
LISTED = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
JAN_MS = 1704067200000


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main(["import", *map(str, words)])
    said = capsys.readouterr()
    return int(done.value.code or 0), said.out, said.err


def kline_zip(folder: Path, rows: int) -> Path:
    path = folder / "BTCUSDT-1m-2024-01.zip"
    lines = [f"{JAN_MS + i * 60_000},1,3,1,2,9,{JAN_MS + i * 60_000 + 59_999},18,4,5,10,0" for i in range(rows)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("BTCUSDT-1m-2024-01.csv", "\n".join([*lines, "oops,1"]))
    path.with_name(path.name + ".CHECKSUM").write_text(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    )
    return path


def test_a_venues_own_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = SeriesStore(tmp_path / "data")
    store.write([LISTED])
    store.close()
    path = kline_zip(tmp_path, 5)
    code, out, err = run(capsys, path, "--venue", "binance", "--store", tmp_path / "data")
    assert (code, out) == (1, "5 new, 0 held already, 0 differ, 1 refused\n")
    assert err == f"{path}:BTCUSDT-1m-2024-01.csv:6: 2 columns, not 10 or more\n"
    assert run(capsys, path, "--as", BTC, "--store", tmp_path / "data")[1].startswith("0 new, 5 held already, 0 differ")
    with open_store(tmp_path / "data") as held:
        bars = list(held.bars(BTC, "1m"))
    assert [bar.open_at_ns for bar in bars] == [(JAN_MS + i * 60_000) * 10**6 for i in range(5)]


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv"])
def test_exported_and_imported_is_equal(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], bar: Callable[..., Bar], trade: Callable[..., Trade]
) -> None:
    store = SeriesStore(tmp_path / "data")
    rows = [trade(n, at_ns=n * 10**14, size=Decimal(n).scaleb(-n)) for n in range(1, 15)]
    store.write([LISTED, *rows, *(bar(open_at_ns=n * 60 * 10**9, revision=n) for n in range(1, 9))])
    store.close()
    with open_store(tmp_path / "data") as held:
        for instrument, channel in held.series():
            export_series(held, instrument, channel, tmp_path / "out", form=form)  # type: ignore[arg-type]  # a parameter
        wanted = list(held.trades(BTC)), list(held.bars(BTC, "1m@trades")), held.instruments()
    assert run(capsys, tmp_path / "out", "--store", tmp_path / "new") == (
        0, "22 new, 0 held already, 0 differ, 0 refused\n", "",
    )  # fmt: skip
    with open_store(tmp_path / "new") as held:
        assert (list(held.trades(BTC)), list(held.bars(BTC, "1m@trades")), held.instruments()) == wanted
    assert run(capsys, tmp_path / "out", "--store", tmp_path / "new")[1].startswith("0 new, 22 held")


def test_databases_and_csv_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "BTCUSDT.db"
    connection = sqlite3.connect(base)
    connection.execute("CREATE TABLE ohlcv_5m (timestamp, open, high, low, close, volume)")
    connection.execute("INSERT INTO ohlcv_5m VALUES (1704067200, 1.5, 3, 1, 2, 9)")
    connection.commit()
    connection.close()
    words = ("--as", BTC, "--store", tmp_path / "data")
    assert run(capsys, "--sqlite", base, "--table", "ohlcv_5m", *words)[1].startswith("1 new")
    (tmp_path / "t.csv").write_text("ts_ms,id,taker_side,price,qty\n1704067200000,7,buy,1,2\n")
    assert run(capsys, tmp_path / "t.csv", "--channel", "trades", *words)[1].startswith("1 new")
    with open_store(tmp_path / "data") as held:
        assert [bar.open for bar in held.bars(BTC, "5m")] == [Decimal("1.5")]
        assert [trade.id for trade in held.trades(BTC)] == ["7"]
    code, _, err = run(capsys, tmp_path / "t.csv", "--store", tmp_path / "data")
    assert (code, "say whose rows these are" in err) == (2, True)
    assert run(capsys, "--store", tmp_path / "data")[0] == 2
