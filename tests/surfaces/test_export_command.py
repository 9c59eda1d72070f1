from collections.abc import Callable
from pathlib import Path

import pytest

import tapeline
from tapeline.model.event import Bar, Trade
from tapeline.store.series import SeriesStore
from tapeline.surfaces.cli import main

BTC = "binance:BTC/USDT"


@pytest.fixture
def store(tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]) -> Path:
    writer = SeriesStore(tmp_path / "data")
    writer.write([bar(), trade(1), trade(2, instrument="okx:ETH/USDT")])
    writer.close()
    return tmp_path / "data"


def test_what_is_exported_opens_as_a_store(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["export", BTC, "--store", str(store), "--to", str(tmp_path / "archive")])
    assert done.value.code in {0, None}
    assert capsys.readouterr().out == f"{BTC} bars:1m@trades: 1 rows in 1 files\n{BTC} trades: 1 rows in 1 files\n"
    with tapeline.open(tmp_path / "archive") as archive, tapeline.open(store) as held:
        assert list(archive.trades(BTC)) == list(held.trades(BTC))
        assert archive.series() == [(BTC, "bars:1m@trades"), (BTC, "trades")]


def test_all_of_it_or_one_channel(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "--store", str(store), "--to", str(tmp_path / "a"), "--channel", "trades", "--format", "csv"])
    assert capsys.readouterr().out.splitlines() == [
        f"{BTC} trades: 1 rows in 1 files", "okx:ETH/USDT trades: 1 rows in 1 files",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [(["okx:BTC/USDT"], "holds no bars or trades of okx:BTC/USDT"), (["--channel", "mark"], "no such series")],
)
def test_what_is_not_held(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    with pytest.raises(SystemExit) as done:
        main(["export", *words, "--store", str(store), "--to", str(tmp_path / "a")])
    assert done.value.code == 2
    assert told in capsys.readouterr().err
