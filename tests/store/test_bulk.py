import gzip
from pathlib import Path

import pytest

from tapeline.market.bars import BarBuilder
from tapeline.model.interval import interval
from tapeline.store import bulk
from tapeline.surfaces.cli.build_bars import read_trades

SERIES = (
    "binance_spot_BTCUSDT_trade_20210108_2001", "binance_spot_BTCUSDT_trade_20240808T2354_20240809T0005",
    "binance_spot_XRPETH_aggTrade_20191011_36h", "binance_usdm_BTCUSDT_trade_20240808T2354_20240809T0000",
    "kraken_BCHEUR_2023Q1_sample", "kraken_XBTUSDT_rest_trades",
)  # fmt: skip
HEAD = "ts_ms,id,taker_side,price,qty\n"


@pytest.mark.parametrize("name", SERIES)
def test_every_series_gives_the_very_bars_of_the_builder(name: str, shared: Path) -> None:
    file = shared / "series" / "trades" / f"{name}.csv.gz"
    for of in ("1s", "1m", "1h", "1w", "1M"):
        builder = BarBuilder("file:TRADES", [interval(of)])
        for trade in read_trades(file):
            builder.add(trade, 0)
        found = bulk.bars_of_file(file, interval(of))
        assert found is not None
        assert [
            (each.open_at_ns, each.open, each.high, each.low, each.close, each.volume, each.quote_volume, each.trades,
             each.taker_buy_volume, each.first_id, each.last_id, each.last_at_ns, each.received_ns)
            for each in found.bars
        ] == [
            (bar.open_at_ns, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote_volume, bar.trades,
             bar.taker_buy_volume, bar.first_id, bar.last_id, bar.at_ns, bar.received_ns)
            for bar in builder.finish(0)
        ]  # fmt: skip


@pytest.mark.parametrize(
    "rows",
    [
        "1000,1,buy,1,x\n", "1000,1,buy,,1\n", "1000,1,left,1,1\n", "1000,1,buy,1,-1\n", "-1,1,buy,1,1\n",
        "1000,1,buy,1,1\n1000,,buy,2,1\n",  # one has a number, one has none
        "1000,2,buy,1,1\n1000,1,buy,2,1\n",  # the earlier of equals comes later
        "1000,1,buy,1,1,1\n", "1000,1,buy,0.0000000000000001,1\n", "1000,1,buy,1_0,1\n", "1000,1,buy,NaN,1\n",
    ],
)  # fmt: skip
def test_what_it_would_have_to_guess_it_leaves(rows: str, tmp_path: Path) -> None:
    file = tmp_path / "trades.csv"
    file.write_text(HEAD + rows)
    assert bulk.bars_of_file(file, interval("1m")) is None


def test_other_columns_and_no_file_are_left_too(tmp_path: Path) -> None:
    assert bulk.bars_of_file(tmp_path / "none.csv", interval("1m")) is None
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert bulk.bars_of_file(tmp_path / "other.csv", interval("1m")) is None


def test_long_numbers_take_wider_columns_and_empty_trades_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "trades.csv.gz"
    file.write_bytes(gzip.compress((HEAD + "0,,,12345678901234.5,0.000000000001\n5,,buy,2,0\n").encode()))
    found = bulk.bars_of_file(file, interval("1M"))
    assert found is not None
    assert (found.empty, len(found.bars)) == (1, 1)
    assert str(found.bars[0].quote_volume.normalize()) == "12.3456789012345"
    assert found.bars[0].taker_buy_volume == 0
    assert found.bars[0].first_id is None
    assert bulk.available()
