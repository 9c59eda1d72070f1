import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.errors import ConfigError
from tapeline.model.event import Bar
from tapeline.surfaces.cli.build_bars import bar_row, build_bars

HEADER = "ts_ms,id,taker_side,price,qty\n"
OUT = "start_ms,open,high,low,close,volume,quote_volume,trades,taker_buy_volume\n"


def write(folder: Path, text: str, name: str = "trades.csv") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.mark.parametrize("name", ["trades.csv", "trades.csv.gz"])
def test_bars_come_out_as_csv(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "60000,1,buy,100.50,0.0100\n119999,,,1e-7,2\n180000,9,sell,7,3.0\n"
    build_bars(write(tmp_path, HEADER + rows, name), interval="1m")
    assert capsys.readouterr().out == (
        OUT + "60000,100.5,100.5,0.0000001,0.0000001,2.01,1.0050002,2,0.01\n180000,7,7,7,7,3,21,1,0\n"
    )


def test_a_file_that_a_spreadsheet_has_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_bars(write(tmp_path, "\ufeff" + HEADER.replace("\n", "\r\n") + "60000,1,buy,7,3\r\n"), interval="1m")
    assert capsys.readouterr().out == OUT + "60000,7,7,7,7,3,21,1,3\n"


def test_an_empty_file_gives_the_header_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_bars(write(tmp_path, HEADER + "\n\n"), interval="1h")
    assert capsys.readouterr().out == OUT


def test_trades_without_size_are_left_out_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_bars(write(tmp_path, HEADER + "1,1,buy,5,0\n2,2,buy,1e40,1\n3,3,buy,6,1\n"), interval="1h")
    said = capsys.readouterr()
    assert said.out == OUT + "0,6,6,6,6,1,6,1,1\n"
    assert said.err.endswith("left out 1 trades of size zero, 1 that no market made\n")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("x,1,buy,1,1", "ts_ms 'x' must be integer milliseconds"),
        ("1.5,1,buy,1,1", "ts_ms '1.5'"),
        ("1,1,BUY,1,1", "taker_side 'BUY' must be buy, sell or empty"),
        ('1,1,buy,"1,300",1', "'1,300' is not a number"),
        ("1,1,buy,NaN,1", "'NaN' is not a number"),
        ("1,1,buy,1,", "must be numbers"),
        ("1,1,buy,1,-1", "not negative"),
        ("1,1,buy,1", "4 columns, not 5"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(
    tmp_path: Path, row: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, f"{HEADER}1,1,buy,1,1\n{row}\n")
    with pytest.raises(ConfigError) as error:
        build_bars(path, interval="1m")
    assert str(error.value).startswith(f"{path}:3: ")
    assert words in str(error.value)
    assert capsys.readouterr().out == ""


def test_other_columns_a_missing_file_a_torn_one_and_a_wrong_interval_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trades.csv:1: the columns must be ts_ms,id"):
        build_bars(write(tmp_path, "time,price\n"), interval="1m")
    with pytest.raises(ConfigError, match=r":1: the columns"):
        build_bars(write(tmp_path, ""), interval="1m")
    with pytest.raises(ConfigError, match="No such file"):
        build_bars(tmp_path / "none.csv", interval="1m")
    with pytest.raises(ConfigError, match="unknown interval '2m'"):
        build_bars(write(tmp_path, HEADER), interval="2m")
    torn = tmp_path / "torn.csv.gz"
    torn.write_bytes(gzip.compress((HEADER + "1,1,buy,1,1\n" * 100).encode())[:-10])
    with pytest.raises(ConfigError, match="after line"):
        build_bars(torn, interval="1m")
    bad = tmp_path / "bad.csv"
    bad.write_bytes(HEADER.encode() + b"\xff\xfe\n")
    with pytest.raises(ConfigError, match="after line"):
        build_bars(bad, interval="1m")


def test_a_bar_of_a_venue_shows_what_it_has() -> None:
    one = Decimal(1)
    nothing = (None, None, None, None, None)
    bar = Bar("x:A/B", "bars:1m", None, 0, "ws", "1m", 60_000_000_000, one, one, one, one, one, *nothing, closed=True)
    assert bar_row(bar) == "60000,1,1,1,1,1,,,"


def test_a_real_series_agrees_with_two_others(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "kraken_BCHEUR_2023Q1_sample"
    build_bars(shared / "series" / "trades" / f"{name}.csv.gz", interval="1h")
    with gzip.open(shared / "expected" / "bars" / f"{name}.1h.csv.gz", "rt") as want:
        assert capsys.readouterr().out == want.read()


def test_a_large_file_gives_the_same_in_bulk(
    shared: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shared / "series" / "trades" / "binance_spot_XRPETH_aggTrade_20191011_36h.csv.gz"
    build_bars(file, interval="5m")
    row_by_row = capsys.readouterr()
    monkeypatch.setattr("tapeline.surfaces.cli.build_bars.BULK_BYTES", 0)
    monkeypatch.setattr("tapeline.surfaces.cli.build_bars.read_trades", None)
    build_bars(file, interval="5m")
    assert capsys.readouterr() == row_by_row


def test_what_bulk_leaves_is_read_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapeline.surfaces.cli.build_bars.BULK_BYTES", 0)
    with pytest.raises(ConfigError, match=r"trades\.csv:2: "):
        build_bars(write(tmp_path, HEADER + "1,1,buy,x,1\n"), interval="1m")
