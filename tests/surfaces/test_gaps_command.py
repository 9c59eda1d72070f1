import json
from pathlib import Path

import pytest

from tapeline.model.fact import Fact, Wanted
from tapeline.store.series import Row, SeriesStore
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"
AT = 1_723_161_255_000_000_000


def written(folder: Path, *rows: Row) -> str:
    store = SeriesStore(folder)
    store.write(rows)
    store.close()
    return str(folder)


def test_the_array_is_what_scripts_rely_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(
        tmp_path,
        Fact(BTC, "trades", AT, AT + 10, "missing", "", "ws", "seen live: link_down", AT, cause="link_down"),
        Fact(BTC, "quotes", AT, AT + 10, "unrecoverable", "", "ws", "no call", AT, cause="link_down"),
        Wanted(BTC, "aggtrades", AT, AT + 5, "backfill"),
    )
    with pytest.raises(SystemExit, match="0"):
        main(["gaps", "--store", folder, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found == [
        {"instrument": BTC, "channel": "aggtrades", "from_ns": AT, "to_ns": AT + 5, "state": "missing",
         "cause": "not_fetched"},
        {"instrument": BTC, "channel": "quotes", "from_ns": AT, "to_ns": AT + 10, "state": "unrecoverable",
         "cause": "link_down"},
        {"instrument": BTC, "channel": "trades", "from_ns": AT, "to_ns": AT + 10, "state": "missing",
         "cause": "link_down"},
    ]  # fmt: skip
    assert list(found[0]) == ["instrument", "channel", "from_ns", "to_ns", "state", "cause"]
    with pytest.raises(SystemExit, match="0"):
        main(["gaps", "--store", folder])
    head, first, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["instrument", "channel", "from", "to", "state", "cause"]
    assert first.split()[1:4] == ["aggtrades", "2024-08-08T23:54:15Z", "2024-08-08T23:54:15.000000005Z"]


def test_no_gaps_is_an_empty_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["gaps", "--store", written(tmp_path), "--json"])
    assert json.loads(capsys.readouterr().out) == []
    with pytest.raises(SystemExit, match="2"):
        main(["gaps", "--store", str(tmp_path / "none"), "--json"])
    assert "no store at" in capsys.readouterr().err
