"""The page on migrating does what it says: its blocks run in order, on files as the other programs write them."""

import contextlib
import csv
import gzip
import io
import json
import re
import shlex
import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tapeline.store.reader import open_store
from tapeline.surfaces.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "migrate.md"
START_MS = 1_723_161_600_000
OHLCV = ["open", "high", "low", "close", "volume"]


def candles(count: int, step_ms: int) -> list[list[Any]]:
    """As ccxt gives them: [ms, open, high, low, close, volume], floats."""
    return [[START_MS + n * step_ms, 61700.5 + n, 61710.1 + n, 61690.25 + n, 61705.0 + n, 1.234] for n in range(count)]


def write_csv(path: Path, rows: Iterable[dict[str, object]]) -> None:
    rows = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def polled(folder: Path) -> None:
    rows = [[at, *(f"{each:.8f}" for each in of), at + 59_999, "76123.456", 42, "0.5", "30849.1", "0"]
            for at, *of in candles(6, 60_000)]  # fmt: skip
    (folder / "klines.json").write_text(json.dumps(rows))


def from_ccxt(folder: Path) -> None:
    (folder / "ohlcv.json").write_text(json.dumps(candles(6, 60_000)))
    trades: list[dict[str, Any]] = [
        {"info": {}, "id": str(100 + n), "timestamp": START_MS + n, "datetime": "", "symbol": "ETH/USDT", "type": None,
         "order": None, "side": "buy", "takerOrMaker": None, "price": 2500.1, "amount": 0.25, "cost": 625.025,
         "fee": None, "fees": []}
        for n in range(4)
    ]  # fmt: skip
    (folder / "trades.json").write_text(json.dumps(trades))


def from_cryptofeed(folder: Path) -> None:
    ours = {"exchange": "BINANCE", "symbol": "BTC-USDT"}
    write_csv(folder / "cryptofeed-trades.csv", (
        {**ours, "side": "sell", "amount": Decimal("0.00100"), "price": Decimal("61700.50"), "id": str(7 + n),
         "type": None, "timestamp": (START_MS + 123 + n) / 1000}
        for n in range(5)
    ))  # fmt: skip
    write_csv(folder / "cryptofeed-candles.csv", (
        {**ours, "start": at / 1000, "stop": (at + 299_999) / 1000, "interval": "5m", "trades": 42,
         "open": Decimal("1.5"), "close": Decimal("1.7"), "high": Decimal("1.80"), "low": Decimal("1.4"),
         "volume": Decimal(9), "closed": n < 3, "timestamp": (at + 300_001) / 1000}
        for n, (at, *_) in enumerate(candles(4, 300_000))
    ))  # fmt: skip


def from_freqtrade(folder: Path) -> None:
    frame = pd.DataFrame(candles(4, 900_000), columns=["date", *OHLCV])
    frame["date"] = pd.to_datetime(frame["date"], unit="ms", utc=True)
    frame.to_feather(folder / "BTC_USDT-15m.feather", compression="lz4", compression_level=9)
    with gzip.open(folder / "BTC_USDT-1h.json.gz", "wt") as file:
        json.dump(candles(3, 3_600_000), file)


def from_sqlite(folder: Path) -> None:
    database = sqlite3.connect(folder / "SOLUSDT.db")
    columns = "open REAL, high REAL, low REAL, close REAL, volume REAL)"
    for table, time, step_ms in (
        ("1m", "timestamp", 60_000),
        ("ohlcv_5m", "t", 300_000),
        ("hourly", "time", 3_600_000),
    ):
        database.execute(f'CREATE TABLE "{table}" ({time} INTEGER PRIMARY KEY, {columns}')
        database.executemany(f'INSERT INTO "{table}" VALUES (?, ?, ?, ?, ?, ?)', candles(3, step_ms))  # noqa: S608  # ours
    database.commit()
    database.close()


def printed(line: str) -> str:
    """What a command of ours prints; into a file, where the line says so."""
    command, _, file = line.partition(" > ")
    tapeline_, *words = shlex.split(command)
    assert tapeline_ == "tapeline"
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as done:
        main(words)
    assert not done.value.code, line
    if file:
        Path(file).write_text(out.getvalue())
    return out.getvalue()


def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for made in (polled, from_ccxt, from_cryptofeed, from_freqtrade, from_sqlite):
        made(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    said: list[str] = []
    for language, block in re.findall(r"```(python|sh)\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        if language == "python":
            exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102  # our own page
            continue
        said += [printed(line) for line in block.splitlines()]
    new = "".join(re.findall(r"(\d+) new, 0 held", "".join(said)))
    assert new == "5545343333"
    check_what_is_held()
    check_what_went_back(names)
    printed("tapeline import ./archive --store ./again")
    assert printed("tapeline trades binance:ETH/USDT --store ./again --format csv") == Path("eth.csv").read_text()
    covered = "tapeline coverage binance:BTC/USDT --channel aggtrades --json --store"
    assert printed(f"{covered} ./again") == printed(f"{covered} ./data")


def check_what_is_held() -> None:
    with open_store(Path("data")) as store:
        bars = list(store.bars("binance:BTC/USDT", "1m", require="proven"))
        assert [bar.open_at_ns for bar in bars] == [(START_MS + n * 60_000) * 1_000_000 for n in range(5)]
        assert (bars[0].high, bars[0].quote_volume, bars[0].trades) == (Decimal("61710.1"), Decimal("76123.456"), 42)
        trades = list(store.trades("binance:BTC/USDT", channel="aggtrades"))
        assert [trade.at_ns for trade in trades] == [(START_MS + 123 + n) * 1_000_000 for n in range(5)]
        assert {(trade.side, trade.price, trade.size) for trade in trades} == {
            ("sell", Decimal("61700.5"), Decimal("0.001"))
        }
        assert [span.state for span in store.coverage("binance:BTC/USDT", "aggtrades")] == ["proven"]
        assert [trade.id for trade in store.trades("binance:ETH/USDT")] == ["100", "101", "102", "103"]
        assert [len(list(store.bars("binance:SOL/USDT", name))) for name in ("1m", "5m", "1h")] == [3, 3, 3]
        assert store.holes() == []


def check_what_went_back(names: dict[str, Any]) -> None:
    assert names["candles"] == candles(5, 60_000)
    pd.testing.assert_frame_equal(
        pd.read_feather("BTC_USDT-15m.back.feather"), pd.read_feather("BTC_USDT-15m.feather"), check_dtype=False
    )
    there = pd.read_csv("cryptofeed-trades.csv", dtype=str)
    back = pd.read_csv("cryptofeed-back.csv", dtype=str)
    for name in ("amount", "price", "timestamp"):
        assert list(map(Decimal, back[name])) == list(map(Decimal, there[name]))
    database = sqlite3.connect("ETHUSDT.db")
    assert [list(row) for row in database.execute('SELECT * FROM "1m"')] == candles(5, 60_000)
    database.close()
    assert len(Path("bars.csv").read_text().splitlines()) == 6
    assert len(list(Path("archive").rglob("data-0.csv"))) == 10
