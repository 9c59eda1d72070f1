"""The command: a strategy over a store, what it says, and the files it writes."""

import csv
import json
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.ipc
import pytest

from tapeline.surfaces.cli import main
from trade_fixtures import stored

EXAMPLE = f"{Path(__file__).parents[2]}/examples/ma_cross.py:MovingAverageCross"


def ended(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(["backtest", *arguments])
    assert (end.value.code or 0) == code


class Reading(HTMLParser):
    """Every tag must be closed, and nothing may be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not {"src", "href"} & {name for name, _ in attrs}, "a report needs no network"
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_same_store_gives_the_same_orders_and_the_files_hold_what_was_traded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = stored(tmp_path / "store", 7200)
    arguments = [EXAMPLE, "--store", str(store), "--set", "slow=10", "--set", "fast=3"]
    ended(*arguments, "--json", "--csv", str(tmp_path / "csv"), "--arrow", str(tmp_path / "arrow"))
    first = json.loads(capsys.readouterr().out)
    ended(*arguments, "--json", "--html", str(tmp_path / "run.html"))
    assert json.loads(capsys.readouterr().out) == first
    found = first["statistics"]
    assert (first["missing"], first["paused"], first["denied"]) == ([], {}, {})
    assert found["trades"] > 3
    assert first["events"] == 7200 + 119
    with (tmp_path / "csv" / "trades.csv").open() as file:
        trades = list(csv.DictReader(file))
    with (tmp_path / "csv" / "fills.csv").open() as file:
        fills = list(csv.DictReader(file))
    assert len(fills) == found["fills"]
    assert len(trades) == found["trades"] + found["open_trades"]
    paid = sum((Decimal(each["fee"]) for each in fills), Decimal(0))
    assert paid == Decimal(found["fees"])
    with pyarrow.ipc.open_file(tmp_path / "arrow" / "equity.arrow") as file:
        equity = file.read_all()
    assert str(equity["equity"].to_pylist()[-1].normalize()) == str(Decimal(found["equity_end"]).normalize())
    reading = Reading()
    reading.feed((tmp_path / "run.html").read_text())
    assert reading.open == []
    assert {"Equity in USDT", "Drawdown", "Trades", "binance:BTC/USDT", "Sharpe"} <= set(reading.words)


def test_a_table_for_people_and_a_warning_where_data_are_not_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = stored(tmp_path / "store", 600, hole=True)
    ended(EXAMPLE, "--store", str(store), "--html", str(tmp_path / "new" / "run.html"))
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["return", "0.00", "%"]
    assert "trades of binance:BTC/USDT are not proven to be whole: 1 ranges, 60 s" in err
    assert "Not proven:" in (tmp_path / "new" / "run.html").read_text()
    ended(EXAMPLE, "--store", str(store), "--proven", code=1)


def test_a_strategy_that_fails_is_told_and_ends_with_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = stored(tmp_path / "store", 60)
    code = tmp_path / "bad.py"
    code.write_text(
        "from tapeline import Strategy\n\nclass Bad(Strategy):\n    instruments = ('binance:BTC/USDT',)\n\n"
        "    def on_trade(self, trade):\n        raise RuntimeError('no idea')\n"
    )
    ended(f"{code}:Bad", "--store", str(store), code=1)
    assert "strategy Bad was paused: on_trade: RuntimeError: no idea" in capsys.readouterr().err


def test_tapes_play_quotes_and_books_too(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    captures = shared / "captures"
    tape = captures / "binance_spot_hft_btcusdt_20240808.ws.jsonl.gz"
    rest = captures / "binance_spot_hft_btcusdt_20240808.rest.jsonl.gz"
    ended(
        EXAMPLE, "--tape", str(tape), "--rest", str(rest), "--channel", "trades", "--channel", "book", "--channel",
        "bars:1s@trades", "--to", "2024-08-08T23:56:00Z", "--json",
    )  # fmt: skip
    out, err = capsys.readouterr()
    assert "no recorded list names binance:BTC/USDT" in err
    assert json.loads(out)["statistics"]["fills"] > 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([EXAMPLE], "either --store PATH or --tape FILE"),
        ([EXAMPLE, "--store", "STORE", "--instrument", "binance:XRP/USDT"], "the store holds nothing of"),
        ([EXAMPLE, "--store", "STORE", "--from", "2024-08-09", "--to", "2024-08-08"], "--to is not after --from"),
        ([EXAMPLE, "--store", "STORE", "--set", "quick=3"], "has no setting 'quick'"),
        ([EXAMPLE, "--store", "STORE", "--set", "fast"], "write name=value"),
        (["nowhere:Strategy", "--store", "STORE"], "strategy module 'nowhere'"),
        (["missing.py:Strategy", "--store", "STORE"], "there is no file missing.py"),
        (
            [EXAMPLE, "--store", "STORE", "--channel", "book", "--from", "2024-08-08", "--to", "2024-08-09"],
            "play binance:BTC/USDT from a tape",
        ),
        ([EXAMPLE, "--tape", "none.ws.jsonl"], "no such file"),
    ],
)
def test_bad_usage_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    store = stored(tmp_path / "store", 10)
    ended(*(str(store) if each == "STORE" else each for each in arguments), code=2)
    assert said in capsys.readouterr().err


def test_the_strategies_of_a_configuration_are_played_together_as_they_would_trade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = stored(tmp_path / "store", 3600)
    (tmp_path / "mine.py").write_text(
        "def once(desk, trade):\n    if not desk.positions and not desk.orders():\n"
        "        desk.buy(trade.instrument, '0.01')\n"
    )
    config = tmp_path / "trade.toml"
    config.write_text(
        f"""
[[strategy]]
run = "{EXAMPLE}"
settings = {{fast = 3, slow = 10}}
[[strategy]]
run = "mine.py:once"
instruments = ["binance:BTC/USDT"]
channels = ["trades"]
"""
    )
    ended("--store", str(store), "--config", str(config), "--csv", str(tmp_path / "csv"), "--json")
    whole = json.loads(capsys.readouterr().out)
    with (tmp_path / "csv" / "fills.csv").open() as file:
        assert {row["strategy"] for row in csv.DictReader(file)} == {"MovingAverageCross", "once"}
    functions = [f"{tmp_path}/mine.py:once", EXAMPLE]
    ended(*functions, "--store", str(store), "--instrument", "binance:BTC/USDT", "--json")
    assert json.loads(capsys.readouterr().out)["statistics"]["orders"] < whole["statistics"]["orders"]
    ended("--store", str(store), "--config", str(config), "--set", "slow=10", code=2)
    assert "belong to a strategy that is named" in capsys.readouterr().err
    ended("--store", str(store), code=2)
    assert "nothing to run" in capsys.readouterr().err
