from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

import tapeline
from tapeline.errors import NotHeld, StoreUnusable, UnknownInstrument
from tapeline.market.bars import BarBuilder
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.interval import interval
from tapeline.store import export as exporting
from tapeline.store.export import Partition, export_series
from tapeline.store.lake import Lake, open_lake
from tapeline.store.reader import open_store
from tapeline.store.series import Row, SeriesStore
from tapeline.surfaces.cli.build_bars import read_trades

BTC = "binance:BTC/USDT"
FILE = "file:TRADES"
HOUR_NS = 3_600_000_000_000


def archive_of(folder: Path, *rows: Row, partition: Partition = "day") -> Path:
    store = SeriesStore(folder / "store")
    store.write(rows)
    store.close()
    with open_store(folder / "store") as held:
        for instrument, channel in held.series():
            if channel == "trades" or channel.startswith("bars:"):
                export_series(held, instrument, channel, folder / "archive", partition=partition)
    return folder / "archive"


@pytest.mark.parametrize("name", [
    "binance_spot_BTCUSDT_trade_20210108_2001", "binance_spot_BTCUSDT_trade_20240808T2354_20240809T0005",
    "binance_spot_XRPETH_aggTrade_20191011_36h", "binance_usdm_BTCUSDT_trade_20240808T2354_20240809T0000",
    "kraken_BCHEUR_2023Q1_sample", "kraken_XBTUSDT_rest_trades",
])  # fmt: skip
def test_every_series_gives_the_very_bars_of_the_builder(name: str, shared: Path, tmp_path: Path) -> None:
    trades = list(read_trades(shared / "series" / "trades" / f"{name}.csv.gz"))
    with open_lake(archive_of(tmp_path, *trades)) as lake, open_store(tmp_path / "store") as held:
        assert list(lake.trades(FILE)) == list(held.trades(FILE))
        for of in ("1m", "1h", "1d", "1M"):
            builder = BarBuilder(FILE, [interval(of)])
            for trade in trades:
                builder.add(trade, 0)
            wanted = list(builder.finish(max(trade.received_ns for trade in trades)))
            assert list(lake.resample(FILE, of)) == wanted
            assert list(held.resample(FILE, of)) == wanted


def test_an_archive_answers_as_its_store(tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]) -> None:
    listed = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")
    hole = Gap(BTC, "trades", HOUR_NS + 5, 7, "built", HOUR_NS, HOUR_NS + 5, None, None, "restart")
    trades = [trade(n, at_ns=n * HOUR_NS // 3, size=Decimal(n).scaleb(-12 * (n % 2))) for n in range(1, 99)]
    bars = [bar(open_at_ns=n * HOUR_NS, quote_volume=None) for n in range(50)]
    root = archive_of(tmp_path, *trades, *bars, listed, hole)
    with tapeline.open(tmp_path / "store") as held, tapeline.open(root) as lake:
        assert isinstance(lake, Lake)
        assert lake.instruments() == held.instruments() == [listed]
        assert sorted(lake.series()) == sorted(held.series())
        assert lake.gaps(BTC) == held.gaps(BTC) == [hole]
        for start, end in ((None, None), (5 * HOUR_NS, "1970-01-02T01:00:00Z"), (999 * HOUR_NS, None)):
            assert list(lake.trades(BTC, start, end)) == list(held.trades(BTC, start, end))
            assert list(lake.bars(BTC, "1m@trades", start, end)) == list(held.bars(BTC, "1m@trades", start, end))
            for numbers in ("float", "decimal", "text"):
                of_lake, of_store = (
                    each.trades(BTC, start, end).to_arrow(columns="all", numbers=numbers) for each in (lake, held)
                )
                assert of_lake.to_pylist() == of_store.to_pylist()
        for of in ("1h@trades", "4h@trades", "1d"):
            assert list(lake.resample(BTC, of)) == list(held.resample(BTC, of))
        assert list(lake.resample(BTC, "1h@trades", at=6)) == list(held.resample(BTC, "1h@trades", at=6))
        assert list(lake.bars(BTC, "1m@trades", last=2)) == bars[-2:]
        plain = [list(each.bars(BTC, "1m@trades").tuples("open_at_ns", "close", "reason")) for each in (lake, held)]
        assert plain[0] == plain[1] == [(each.open_at_ns, float(each.close), each.reason) for each in bars]
        assert list(lake.bars(BTC, "1m@trades", at=6)) == []
        assert list(lake.tick_bars(BTC, 7)) == list(held.tick_bars(BTC, 7))
        assert list(lake.volume_bars(BTC, 7)) == list(held.volume_bars(BTC, 7))
        assert list(lake.value_bars(BTC, 7)) == list(held.value_bars(BTC, 7))


def test_far_steps_and_absent_numbers_come_back_in_order_from_many_groups(
    tmp_path: Path, bar: Callable[..., Bar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "GROUP", 2_048)
    ends = (Decimal("9999999999.99999999"), Decimal("0.00000001"), Decimal("-9999999999.99999999"), Decimal(0))
    idents = (2**63 - 1, None, 0, -(2**63))
    bars = [
        bar(open_at_ns=n * HOUR_NS, low=ends[n % 4], close=ends[n // 2 % 4],
            quote_volume=ends[n % 4] if n % 3 else None, first_id=idents[n % 4], last_id=idents[n % 3],
            at_ns=None if n % 5 else n)
        for n in range(20_000)
    ]  # fmt: skip
    with open_lake(archive_of(tmp_path, *bars, partition="year")) as lake, open_store(tmp_path / "store") as held:
        assert list(lake.bars(BTC, "1m@trades")) == bars
        for numbers in ("float", "decimal", "text"):
            of_lake, of_store = (
                each.bars(BTC, "1m@trades").to_arrow(columns="all", numbers=numbers) for each in (lake, held)
            )
            assert of_lake.equals(of_store)


def test_what_is_not_held_names_what_is(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    with pytest.raises(NotHeld, match="no archive at"):
        open_lake(tmp_path)
    with pytest.raises(NotHeld, match="no store at"):
        tapeline.open(tmp_path)
    with open_lake(archive_of(tmp_path, trade(1))) as lake:
        with pytest.raises(NotHeld, match="it holds trades"):
            lake.bars(BTC, "1m")
        with pytest.raises(UnknownInstrument, match=BTC):
            lake.trades("binance:BTC/USD")
        with pytest.raises(UnknownInstrument):
            lake.resample("binance:BTC/USD", "1h")
        assert lake.trade_channel(BTC) == "trades"


def test_contracts_are_valued_as_contracts(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    contract = Instrument(
        venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT",
        size_unit="contract", contract_size=Decimal(10),
    )  # fmt: skip
    with open_lake(archive_of(tmp_path, trade(1), contract)) as lake:
        (bar,) = lake.resample(BTC, "1h")
    assert bar.quote_volume == trade(1).price * trade(1).size * 10


@pytest.mark.parametrize("left", [0, 300])
def test_a_damaged_file_is_said_by_every_read(tmp_path: Path, trade: Callable[..., Trade], left: int) -> None:
    root = archive_of(tmp_path, *[trade(n, at_ns=n) for n in range(1, 99)])
    (file,) = root.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:left])
    with open_lake(root) as lake:
        for read in (
            lambda: list(lake.trades(BTC)),
            lambda: list(lake.trades(BTC).tuples("price")),
            lambda: lake.trades(BTC).to_arrow(),
            lambda: list(lake.resample(BTC, "1h")),
            lambda: lake.extent(BTC, "trades"),
        ):
            with pytest.raises(StoreUnusable, match=f"the archive at {root} cannot be read .*{file.name}.*export"):
                read()
