import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.model.event import Bar, Trade
from tapeline.store.series import SeriesStore
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"
OPEN_NS = 1_723_161_240_000_000_000
MINUTE_NS = 60_000_000_000
HEADER = "start_ms,open,high,low,close,volume,quote_volume,trades,taker_buy_volume,certificate,revision,origin,source"


def bar(number: int, channel: str = "bars:1m@trades") -> Bar:
    return Bar(
        BTC, channel, None, OPEN_NS, "built", "1m", OPEN_NS + number * MINUTE_NS, Decimal("61837.63000000"),
        Decimal("61900.00"), Decimal("1E-7"), Decimal(61828), Decimal("12.50000000"),
        Decimal("768787.4591831000000001"), 875, None, 1, 875, closed=True, certificate="complete", revision=1,
        origin="trades", known_at_ns=OPEN_NS,
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> str:
    held = SeriesStore(tmp_path)
    trade = Trade("binance:ETH/USDT", "trades", 1, 2, "ws", "1", 1, "buy", Decimal(1), Decimal(1))
    held.write([bar(2), bar(0), bar(1), trade])
    held.close()
    return str(tmp_path)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    ended(*arguments, code=0)
    return capsys.readouterr().out


def ended(*arguments: str, code: int) -> None:
    with pytest.raises(SystemExit) as end:
        main(["bars", *arguments])
    assert (end.value.code or 0) == code


def test_csv_to_the_letter(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, BTC, "1m@trades", "--store", store, "--format", "csv", "--to", str(OPEN_NS + MINUTE_NS))
    row = "1723161240000,61837.63,61900,0.0000001,61828,12.5,768787.4591831000000001,875,,complete,1,trades,built"
    assert found == f"{HEADER}\n{row}\n"


@pytest.mark.parametrize(
    ("options", "minutes"),
    [
        ([], [0, 1, 2]),
        (["--from", "2024-08-08T23:55:00Z"], [1, 2]),
        (["--from", str(OPEN_NS), "--to", str(OPEN_NS + 2 * MINUTE_NS)], [0, 1]),
        (["--from", "2024-08-08T23:55:00.000000001Z", "--to", "2024-08-08T23:57:00Z"], [2]),
        (["--from", "2025-01-01"], []),
    ],
)
def test_from_is_inclusive_and_to_exclusive(
    store: str, capsys: pytest.CaptureFixture[str], options: Sequence[str], minutes: list[int]
) -> None:
    header, *rows = printed(capsys, BTC, "1m@trades", "--store", store, "--format", "csv", *options).splitlines()
    assert header == HEADER
    assert [int(row.split(",")[0]) for row in rows] == [
        (OPEN_NS + minute * MINUTE_NS) // 1_000_000 for minute in minutes
    ]


def test_json_is_an_object_a_line(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, BTC, "1m@trades", "--store", store, "--format", "json").splitlines()
    first = json.loads(lines[0])
    assert list(first) == HEADER.split(",")
    assert (first["start_ms"], first["open"], first["taker_buy_volume"], len(lines)) == (
        1723161240000, "61837.63", None, 3,
    )  # fmt: skip


def test_a_table_is_for_eyes(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    header, *rows = printed(capsys, BTC, "1m@trades", "--store", store, "--format", "table").splitlines()
    assert header.split() == HEADER.split(",")
    assert [row.split()[0] for row in rows] == ["1723161240000", "1723161300000", "1723161360000"]


def test_venue_bars_that_are_not_there_are_an_error_that_names_what_is(
    store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(BTC, "1m", "--store", store, "--format", "csv", code=2)
    out, err = capsys.readouterr()
    assert out == ""
    assert "holds no bars:1m of binance:BTC/USDT; it holds bars:1m@trades" in err


def test_built_bars_that_are_not_there_are_none(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended(BTC, "5m@aggtrades", "--store", store, "--format", "csv", code=0)
    out, err = capsys.readouterr()
    assert out == f"{HEADER}\n"
    assert "holds no bars:5m@aggtrades of binance:BTC/USDT; it holds bars:1m@trades" in err


@pytest.mark.parametrize(
    ("instrument", "interval", "said"),
    [
        ("binance:BTC/USD", "1m@trades", "holds no 'binance:BTC/USD'; it holds binance:BTC/USDT"),
        (BTC, "7m", "7m"),
        (BTC, "1m@quotes", "not from 'quotes'"),
    ],
)
def test_what_makes_no_sense_ends_with_two(
    store: str, capsys: pytest.CaptureFixture[str], instrument: str, interval: str, said: str
) -> None:
    ended(instrument, interval, "--store", store, code=2)
    assert said in capsys.readouterr().err


def test_a_folder_without_a_store_and_a_bad_time_end_with_two(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended(BTC, "1m@trades", "--store", f"{store}/none", code=2)
    assert "no store at" in capsys.readouterr().err
    ended(BTC, "1m@trades", "--store", store, "--from", "yesterday", code=2)
    assert "'yesterday' is not a time" in capsys.readouterr().err
