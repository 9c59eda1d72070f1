import json
from pathlib import Path

import pytest

from tapeline.model.fact import Fact
from tapeline.store.series import Row, SeriesStore
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"
AT = 1_723_161_255_000_000_000


def fact(from_ns: int, to_ns: int, state: str = "proven", why: str = "", **changes: str) -> Fact:
    return Fact(BTC, "trades", AT + from_ns, AT + to_ns, state, changes.get("evidence", "ids"),
                changes.get("source", "ws"), why, AT)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows: list[Row] = [
        fact(0, 10),
        fact(10, 20),
        fact(20, 30, "missing", evidence=""),
        fact(30, 40, "unrecoverable", "asked twice: the venue does not have it", evidence=""),
        fact(40, 50, "repaired", source="rest"),
    ]
    store = SeriesStore(tmp_path)
    store.write(rows)
    store.close()
    return tmp_path


def run(*words: str) -> None:
    main(["coverage", *words])


def test_the_array_is_what_scripts_rely_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(BTC, "--channel", "trades", "--store", str(folder), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found == [
        {"from_ns": AT, "to_ns": AT + 20, "state": "proven", "evidence": "ids", "source": "ws", "why": ""},
        {"from_ns": AT + 30, "to_ns": AT + 40, "state": "unrecoverable", "evidence": "", "source": "ws",
         "why": "asked twice: the venue does not have it"},
        {"from_ns": AT + 40, "to_ns": AT + 50, "state": "repaired", "evidence": "ids", "source": "rest", "why": ""},
    ]  # fmt: skip
    assert list(found[0]) == ["from_ns", "to_ns", "state", "evidence", "source", "why"]


def test_bars_built_from_trades_answer_with_their_trades(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(BTC, "--channel", "bars:1m@trades", "--store", str(folder), "--json")
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_the_table_has_times_to_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(BTC, "--channel", "trades", "--store", str(folder))
    head, first, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["from", "to", "state", "evidence", "source", "why"]
    assert first.split() == ["2024-08-08T23:54:15Z", "2024-08-08T23:54:15.000000020Z", "proven", "ids", "ws"]


def test_what_is_not_known(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(BTC, "--channel", "quotes", "--store", str(folder), "--json")
    shown = capsys.readouterr()
    assert json.loads(shown.out) == []
    assert "holds no quotes of binance:BTC/USDT" in shown.err
    for words, said in (
        (("binance:NOPE/USDT", "--channel", "trades", "--store", str(folder)), "holds no 'binance:NOPE/USDT'"),
        ((BTC, "--channel", "trade", "--store", str(folder)), "did you mean 'trades'"),
        ((BTC, "--channel", "trades", "--store", str(tmp_path / "none")), "no store at"),
    ):
        with pytest.raises(SystemExit, match="2"):
            run(*words)
        assert said in capsys.readouterr().err
