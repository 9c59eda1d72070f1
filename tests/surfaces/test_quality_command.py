import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tapeline.clock import SystemClock
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Wanted
from tapeline.model.interval import MINUTE_NS
from tapeline.store.writer import StoreWriter
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"
OPEN_NS = 1_723_161_240_000_000_000


def called(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["quality", *words])
    return int(ended.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, trade: Callable[..., Trade], bar: Callable[..., Bar]) -> Path:
    """A store with a bar that is missing, one that cannot be, and a stamp from before the one before it."""
    rows: list[Any] = [
        bar(channel="bars:1m", origin="venue", certificate="", open_at_ns=OPEN_NS + number * MINUTE_NS)
        for number in range(12)
        if number != 5
    ]
    rows[7] = bar(channel="bars:1m", origin="venue", open_at_ns=OPEN_NS + 8 * MINUTE_NS, high=Decimal(1))
    rows += [trade(number, at_ns=OPEN_NS + (number - 3 * (number == 104)) * 10**9) for number in range(100, 110)]
    rows.append(Wanted(BTC, "bars:5m", OPEN_NS, OPEN_NS + 1, "live"))
    writer = StoreWriter(tmp_path, clock=SystemClock())
    writer.start()
    for row in rows:
        writer.offer(row)
    writer.stop()
    return tmp_path


def test_a_report_for_people_says_only_what_is_amiss(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(BTC, "--store", str(folder), "--channel", "bars:1m") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{BTC} bars:1m",
        "  11 rows, 2024-08-08T23:54:00Z to 2024-08-09T00:06:00Z",
        "  impossible: 1",
        "  missing: 1",
        "  missing runs: 1",
        "  2024-08-09T00:02:00Z open 61837.6 high 1 low 61824 close 61828 volume 12.4324",
        "  2024-08-08T23:59:00Z to 2024-08-09T00:00:00Z: 1 bars missing",
    ]


def test_every_series_as_json_one_without_rows_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("--store", str(folder), "--json") == 0
    found = {row["channel"]: row for row in json.loads(capsys.readouterr().out)}
    assert found.keys() == {"bars:1m", "bars:5m", "trades"}
    assert (found["trades"]["backwards"], found["trades"]["backwards_most_s"]) == (1, 2.0)
    assert (found["bars:1m"]["rows"], found["bars:5m"]["rows"]) == (11, 0)


def test_trades_and_a_range_of_time(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--channel", "trades", "--from", str(OPEN_NS + 106 * 10**9), "--to", "2024-08-09"]
    assert called(BTC, "--store", str(folder), *words) == 0
    out = capsys.readouterr().out
    assert "  4 rows, " in out
    assert "our clock was behind the venue's by" not in out or "latency min s: -" in out


def test_what_is_wrong_is_bad_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in (
        (("--z", "0"), "write a score above zero"),
        (("BTCUSDT",), "write it as VENUE:SYMBOL"),
        (("binance:NO/PE",), "holds no 'binance:NO/PE'"),
        (("--channel", "aggtrades"), "nothing to look at: the store holds bars:1m, bars:5m, trades"),
    ):
        assert called("--store", str(folder), *words) == 2
        assert text in capsys.readouterr().err
    assert called("--store", str(folder / "none")) == 2
