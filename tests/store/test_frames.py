from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from tapeline.errors import ConfigError
from tapeline.model.event import Bar, Trade
from tapeline.store import adbc, frames
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore

BTC = "binance:BTC/USDT"
TINY, LONG = Decimal("0.00000001"), Decimal("1234567890123.12345678")


@pytest.fixture(params=["adbc", "plain"])
def held(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
         bar: Callable[..., Bar], trade: Callable[..., Trade]) -> Path:  # fmt: skip
    if request.param == "plain":
        monkeypatch.setattr(adbc, "installed", lambda _module: False)
    store = SeriesStore(tmp_path)
    store.write([bar(open_at_ns=0, quote_volume=None), bar(open_at_ns=60, volume=LONG), bar(open_at_ns=120, low=TINY)])
    store.write([trade(1), trade(2, price=LONG, at_ns=None), trade(3, size=TINY)])
    store.close()
    return tmp_path


def test_numbers_as_floats_decimals_and_text(held: Path, bar: Callable[..., Bar]) -> None:
    with open_store(held) as store:
        floats = store.bars(BTC, "1m@trades").to_arrow()
        exact = store.bars(BTC, "1m@trades").to_arrow(numbers="decimal")
        text = store.bars(BTC, "1m@trades").to_arrow(numbers="text")
        events = list(store.bars(BTC, "1m@trades"))
    assert floats.column_names == list(frames.BAR_FRAME)
    assert floats["volume"].to_pylist() == [12.43238, float(LONG), 12.43238]
    assert floats["open_at_ns"].type == pa.int64()
    assert floats["certificate"].to_pylist() == ["complete"] * 3
    for name in ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume"):
        assert exact[name].to_pylist() == [getattr(each, name) for each in events]
    assert text["volume"].to_pylist() == ["12.43238", "1234567890123.12345678", "12.43238"]
    assert text["low"].to_pylist() == ["61824", "61824", "0.00000001"]
    assert text["quote_volume"].to_pylist() == [None, str(bar().quote_volume), str(bar().quote_volume)]


def test_trades_and_times(held: Path, trade: Callable[..., Trade]) -> None:
    with open_store(held) as store:
        table = store.trades(BTC).to_arrow(columns="all", numbers="decimal", times="utc")
        frame = store.trades(BTC).to_polars(columns=["at_ns", "price"])
        pandas = store.trades(BTC).to_pandas()
        none = store.trades(BTC, end=0).to_arrow(numbers="text")
    assert table["at"].type == pa.timestamp("ns", "UTC")
    assert table["at"].cast(pa.int64()).to_pylist() == [trade(1).at_ns, None, trade(3).at_ns]
    assert table["price"].to_pylist() == [trade(1).price, LONG, trade(3).price]
    assert table["size"].to_pylist() == [trade(1).size, trade(1).size, TINY]
    assert table["first_id"].to_pylist() == [None] * 3
    assert frame["price"].to_list() == [61837.63, float(LONG), 61837.63]
    assert frame.columns == ["at", "price"]
    assert list(pandas["id"]) == ["1", "2", "3"]
    assert (len(none), none["price"].type) == (0, pa.string())


def test_numbers_beyond_38_digits_widen_the_column() -> None:
    table = frames.raw_table({"price": [1.5, 1e25, None], "exact": [None, '{"price":"1e-28"}', None]})
    wide = frames.finished(table, ["price"], "decimal", "ns")
    assert wide["price"].to_pylist() == [Decimal("1.5"), Decimal("1e-28"), None]
    assert frames.finished(table, ["price"], "text", "ns")["price"].to_pylist()[1] == "0." + "0" * 27 + "1"
    huge = frames.raw_table({"price": [1e60], "exact": [None]})
    with pytest.raises(ConfigError, match="larger or finer"):
        frames.finished(huge, ["price"], "decimal", "ns")


def test_wrong_words_are_told(held: Path) -> None:
    with open_store(held) as store:
        with pytest.raises(ConfigError, match="no column 'opn'"):
            store.bars(BTC, "1m@trades").to_arrow(columns=["opn"])
        with pytest.raises(ConfigError, match="float, decimal or text"):
            store.bars(BTC, "1m@trades").to_arrow(numbers="real")  # type: ignore[arg-type]  # the wrong word is the point
        assert store.bars(BTC, "1m@trades").to_arrow(columns="open").column_names == ["open"]


def test_events_make_the_same_table(held: Path) -> None:
    with open_store(held) as store:
        stored = store.bars(BTC, "1m@trades").to_arrow(numbers="decimal")
        made = frames.event_table(store.bars(BTC, "1m@trades"), frames.BAR_FRAME)
    assert frames.finished(made, frames.BAR_FRAME, "decimal", "ns").to_pylist() == stored.to_pylist()
