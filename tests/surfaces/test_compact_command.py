from collections.abc import Callable
from pathlib import Path

import pytest

from tapeline.model.event import Trade
from tapeline.store.series import SeriesStore
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    with pytest.raises(SystemExit) as done:
        main(["compact", *map(str, words)])
    return int(done.value.code or 0), capsys.readouterr().out


def test_it_says_what_it_deletes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], trade: Callable[..., Trade]
) -> None:
    store = SeriesStore(tmp_path)
    store.write([trade(1), trade(2)])
    store.close()
    code, out = run(capsys, "--store", tmp_path, "--keep-trades", "90d", "--dry-run")
    assert code == 0
    assert out.startswith(f"{BTC} trades: would delete 2 before 20")
    code, out = run(capsys, "--store", tmp_path, "--keep-trades", "90d")
    assert out.startswith(f"{BTC} trades: deleted 2 before 20")
    assert "bytes before" in out
    assert run(capsys, "--store", tmp_path, "--keep-trades", "90d")[1].startswith("no trades are that old\n")
    assert run(capsys, "--store", tmp_path, "--keep", "90d")[1].startswith("no trades are that old\n")
    assert run(capsys, "--store", tmp_path, "--keep-trades", "soon")[0] == 2
