"""The page on notebooks does what it says: every Python block of it runs, in order, on a store of real trades."""

import re
from pathlib import Path

import msgspec
import pytest

import tapeline
from tapeline.market.bars import BarBuilder
from tapeline.model.event import Bar
from tapeline.model.interval import SECOND_NS, interval
from tapeline.store.series import SeriesStore
from tapeline.surfaces.cli.build_bars import read_trades

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "query-from-notebooks.md"
BTC = "binance:BTC/USDT"


def test_every_block_runs(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shared / "series" / "trades" / "binance_spot_BTCUSDT_trade_20240808T2354_20240809T0005.csv.gz"
    trades = [msgspec.structs.replace(each, instrument=BTC) for each in read_trades(file)]
    builder = BarBuilder(BTC, [interval("1m")])
    bars: list[Bar] = []
    for each in trades:
        bars += builder.advance((each.at_ns or 0) - SECOND_NS, each.received_ns)
        builder.add(each, each.received_ns)
    store = SeriesStore(tmp_path / "data")
    store.write([*trades, *bars, *builder.finish(trades[-1].received_ns)])
    store.close()
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102  # our own page
    said = capsys.readouterr().out
    assert said.startswith("[('binance:BTC/USDT', 'bars:1m@trades'), ('binance:BTC/USDT', 'trades')]\n")
    assert str(sum(each.size for each in trades)) in said
    assert "datetime.date(2024, 8, 8)" in said
    with tapeline.open("data") as held:
        assert len(list(held.trades(BTC))) == len(trades)
