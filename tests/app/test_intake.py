import gzip
import hashlib
import json
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.app.history.importing import Importing
from tapeline.app.history.intake import Asked, rows_of
from tapeline.clock import SystemClock
from tapeline.errors import ConfigError
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact
from tapeline.model.instrument import Instrument
from tapeline.store.export import Form, export_series
from tapeline.store.intake.row import Refused
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore

BTC = "binance:BTC/USDT"
LISTED = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
JAN_MS = 1704067200000
HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS


def test_a_folder_of_ours_and_a_file_of_it(
    tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]
) -> None:
    hole = Gap(BTC, "trades", 2, 7, "built", 1, 2, None, None, "restart")
    store = SeriesStore(tmp_path / "data")
    store.write([LISTED, trade(1), trade(2), bar(), hole])
    store.close()
    with open_store(tmp_path / "data") as held:
        export_series(held, BTC, "bars:1m@trades", tmp_path / "out", form="csv")
        file = export_series(held, BTC, "trades", tmp_path / "out", form="parquet").files[0]
    assert list(rows_of(tmp_path / "out", Asked())) == [LISTED, bar(), hole, trade(1), trade(2), hole]
    assert list(rows_of(file, Asked())) == [trade(1), trade(2)]


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("damage", ["gone", "half", "a bad row"])
def test_rows_of_an_export_that_are_not_there_do_not_count_as_held(
    tmp_path: Path, trade: Callable[..., Trade], form: Form, damage: str
) -> None:
    store = SeriesStore(tmp_path / "data")
    store.write([LISTED, *(trade(n + 1, at_ns=n * HOUR_NS) for n in range(72))])
    store.write([Fact(BTC, "trades", 0, 3 * DAY_NS, "proven", "ids", "rest", "because", 1)])
    store.close()
    with open_store(tmp_path / "data") as held:
        path = export_series(held, BTC, "trades", tmp_path / "out", form=form).files[1]
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif form == "csv":
        path.write_bytes(whole.replace(b",30,", b",XX,"))
    else:
        path.write_bytes(whole.replace(whole[400:450], b"?" * 50))
    result = Importing(tmp_path / "copy", SystemClock()).run(rows_of(tmp_path / "out", Asked()))
    assert result.refused
    with open_store(tmp_path / "copy") as held:
        count = len(list(held.trades(BTC)))
        assert 48 <= count < 72
        missing = held.covering(BTC, "trades").missing((0, 3 * DAY_NS))
        assert missing
        assert all(low >= DAY_NS - HOUR_NS and high <= 2 * DAY_NS + 1 for low, high in missing)


def test_a_file_that_a_tape_needs(shared: Path) -> None:
    tape = shared / "captures" / "okx_v5_cryptofeed_20220513"
    asked = Asked(venue="okx", rest=(tape.with_name(tape.name + ".rest.jsonl.gz"),))
    found = list(rows_of(tape.with_name(tape.name + ".ws.jsonl.gz"), asked))
    assert sum(isinstance(row, Instrument) for row in found) > 100
    assert {row.instrument for row in found if isinstance(row, Trade)} >= {"okx:BTC/USDT"}
    assert [row for row in found if isinstance(row, Refused)] == []


def test_a_folder_of_tapes_has_their_instruments_from_the_answers_in_it(shared: Path, tmp_path: Path) -> None:
    for kind in ("ws", "rest"):
        name = f"okx_v5_cryptofeed_20220513.{kind}.jsonl.gz"
        (tmp_path / name).symlink_to(shared / "captures" / name)
    found = list(rows_of(tmp_path, Asked(venue="okx")))
    assert sum(isinstance(row, Instrument) for row in found) > 100
    assert {row.instrument for row in found if isinstance(row, Trade)} >= {"okx:BTC/USDT"}
    with pytest.raises(ConfigError, match="say which venue it is from, with --venue"):
        list(rows_of(tmp_path, Asked()))


def test_a_tape_of_ours(tmp_path: Path) -> None:
    frame = {
        "stream": "btcusdt@trade",
        "data": {
            "e": "trade",
            "E": JAN_MS,
            "s": "BTCUSDT",
            "t": 5,
            "p": "2.5",
            "q": "3",
            "T": JAN_MS,
            "m": True,
            "M": True,
        },
    }
    lines = [
        {"t_ns": 1, "conn": "a", "dir": "open", "raw": ""},
        {"t_ns": 2, "conn": "a", "dir": "in", "raw": json.dumps(frame)},
        {"t_ns": 3, "conn": "a", "dir": "in", "raw": "{"}, {"t_ns": 4, "conn": "a", "dir": "out", "raw": "x"},
    ]  # fmt: skip
    path = tmp_path / "a.ws.jsonl.gz"
    path.write_bytes(gzip.compress(("\n".join(map(json.dumps, lines)) + "\nnot json\n").encode()))
    asked = Asked(venue="binance", listed={"binance:BTCUSDT": LISTED})
    trade, bad, line = rows_of(path, asked)
    assert isinstance(trade, Trade)
    assert (trade.instrument, trade.seq, trade.price, trade.source, trade.received_ns) == (
        BTC,
        5,
        Decimal("2.5"),
        "file",
        2,
    )
    assert isinstance(bad, Refused)
    assert (bad.line, bad.text) == (3, "{")
    assert isinstance(line, Refused)


@pytest.mark.parametrize("name", ["SOL/USDT", "binance:", ":SOL/USDT"])
def test_half_a_name_is_refused_before_any_row(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"--as {name}: write VENUE:SYMBOL, the venue as `tapeline venues` lists it"):
        next(iter(rows_of(tmp_path / "x.csv", Asked(instrument=name, channel="bars:1m"))))


@pytest.mark.parametrize("channel", ["quotes", "book", "mark"])
def test_what_is_neither_bars_nor_trades_is_refused_before_any_row(tmp_path: Path, channel: str) -> None:
    with pytest.raises(ConfigError, match=f"only bars and trades are imported, .* not {channel}"):
        next(iter(rows_of(tmp_path / "x.csv", Asked(instrument=BTC, channel=channel))))


def test_what_must_be_said(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (gone,) = rows_of(tmp_path / "gone.txt", Asked())
    (kind,) = rows_of(tmp_path / "notes.txt", Asked())
    (name,) = rows_of(tmp_path / "notes.zip", Asked(venue="binance"))
    (none,) = rows_of(tmp_path / "notes.zip", Asked(venue="okx"))
    assert [row.reason for row in (gone, kind, name, none) if isinstance(row, Refused)] == [
        "there is no such file",
        "not a kind of file that can be imported: zip, csv, parquet, arrow, ws.jsonl, folder",
        "binance publishes no files of this name", "okx publishes no files of this name",
    ]  # fmt: skip
    for path, asked, told in (
        ("a.zip", Asked(), "say which venue"), ("a.db", Asked(table="1m"), "say whose rows"),
        ("a.db", Asked(table="candles", instrument=BTC), "does not say its interval"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=told):
            list(rows_of(tmp_path / path, asked))
    with pytest.raises(ConfigError, match="no file"):
        list(rows_of(tmp_path / "a.db", Asked(table="candles", instrument=BTC, channel="bars:1m")))


def klines(path: Path, opens: range) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (f"{JAN_MS + n * 60_000},1,2,1,2,5,{JAN_MS + n * 60_000 + 59_999},9,3,2,4,0" for n in opens)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(path.with_suffix(".csv").name, "\n".join(lines))
    return path


def test_a_folder_of_files_is_all_of_them_in_order(tmp_path: Path) -> None:
    """As the venue's public files lie on disk, a folder each symbol and interval, checksums beside them."""
    for name, opens in (("BTCUSDT-1m-2024-02", range(2, 4)), ("BTCUSDT-1m-2024-01", range(2))):
        file = klines(tmp_path / "klines" / "BTCUSDT" / "1m" / f"{name}.zip", opens)
        told = f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        file.with_name(f"{file.name}.CHECKSUM").write_text(told)
    (tmp_path / "readme.txt").write_text("not ours")
    found = list(rows_of(tmp_path, Asked(instrument=BTC)))
    assert [(row.instrument, row.open_at_ns // 10**6) for row in found if isinstance(row, Bar)] == [
        (BTC, JAN_MS + n * 60_000) for n in range(4)
    ]
    assert len(found) == 4


def test_a_folder_with_nothing_of_ours_is_said(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("not ours")
    (refused,) = rows_of(tmp_path, Asked(instrument=BTC))
    assert isinstance(refused, Refused)
    assert refused.reason.startswith("neither an export nor a folder with files that can be imported: zip, csv")


@pytest.mark.parametrize("listed", [{}, {"binance:BTCUSDT": LISTED}])
def test_a_zip_of_another_symbol_than_the_one_named_is_refused(tmp_path: Path, listed: dict[str, Instrument]) -> None:
    """Two symbols of one command would be one series."""
    asked = Asked(instrument=BTC, listed=listed)
    (refused,) = rows_of(klines(tmp_path / "ETHUSDT-1m-2024-01.zip", range(2)), asked)
    assert isinstance(refused, Refused)
    assert refused.reason == "its name says ETHUSDT, --as says binance:BTC/USDT"
    assert len(list(rows_of(klines(tmp_path / "BTCUSDT-1m-2024-01.zip", range(2)), asked))) == 2
    assert {row.instrument for row in rows_of(tmp_path, Asked(venue="binance")) if isinstance(row, Bar)} == {
        "binance:BTCUSDT", "binance:ETHUSDT",
    }  # fmt: skip
