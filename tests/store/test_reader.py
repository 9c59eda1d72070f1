import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.errors import ConfigError, NotHeld, StoreTooNew, UnknownInstrument
from tapeline.model.event import Bar, Mark, Trade
from tapeline.model.instrument import Instrument
from tapeline.store.reader import open_path, open_store
from tapeline.store.schema import FILE
from tapeline.store.series import PointRow, SeriesStore

BTC = "binance:BTC/USDT"
MINUTE_NS = 60_000_000_000


def test_no_store_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(NotHeld, match=r"no store at .*: it has no series\.sqlite"):
        open_store(tmp_path / "nowhere")
    sqlite3.connect(tmp_path / FILE).close()
    with pytest.raises(NotHeld, match="nothing has been written yet"):
        open_store(tmp_path)


def test_what_is_there_instead_is_said(tmp_path: Path) -> None:
    part = tmp_path / "archive" / "venue=binance" / "symbol=BTC%2FUSDT" / "data-0.parquet"
    part.parent.mkdir(parents=True)
    SeriesStore(tmp_path / "store").close()
    (tmp_path / "notes.txt").touch()
    for path, said in (
        (tmp_path / "nowhere", "there is no such folder"),
        (tmp_path / "notes.txt", "a file is there"),
        (tmp_path / "store" / FILE, f"a file is there: open the folder {tmp_path / 'store'}"),
        (part, f"it lies within the archive at {tmp_path / 'archive'}: open that"),
        (part.parent.parent, f"it lies within the archive at {tmp_path / 'archive'}: open that"),
    ):
        with pytest.raises(NotHeld) as error:
            open_path(path)
        assert str(error.value) == f"no store at {path}: it has no {FILE}; {said}"
    with pytest.raises(NotHeld) as error:
        open_path(str(tmp_path))
    assert str(error.value) == f"no store at {tmp_path}: it has no {FILE}"
    with pytest.raises(ConfigError, match="None is no path"):
        open_path(None)  # type: ignore[arg-type]  # what a notebook may give


def test_a_later_version_is_refused(tmp_path: Path) -> None:
    SeriesStore(tmp_path).close()
    raw = sqlite3.connect(tmp_path / FILE)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(StoreTooNew, match="schema version 99"):
        open_store(tmp_path)


def test_from_is_inclusive_and_to_exclusive(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    opens = [bar().open_at_ns + i * MINUTE_NS for i in range(4)]
    store = SeriesStore(tmp_path)
    store.write([bar(open_at_ns=at) for at in reversed(opens)])
    store.close()
    with open_store(tmp_path) as held:
        found = [each.open_at_ns for each in held.bars(BTC, "1m@trades", opens[1], opens[3])]
        assert found == opens[1:3]
        assert [each.open_at_ns for each in held.bars(BTC, "1m@trades", "2024-08-08T23:56:00Z")] == opens[2:]
        assert list(held.bars(BTC, "1m@trades", opens[3] + 1)) == []


def test_a_bar_comes_back_whole(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    store = SeriesStore(tmp_path)
    store.write([bar()])
    store.close()
    with open_store(tmp_path) as held:
        assert list(held.bars(BTC, "1m@trades")) == [bar()]


def test_what_was_known_at_a_moment(tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]) -> None:
    known = bar().received_ns
    second = bar(revision=2, close=Decimal(61829), known_at_ns=known + 100)
    venue = bar(open_at_ns=bar().open_at_ns + MINUTE_NS, known_at_ns=None, received_ns=known + 50)
    store = SeriesStore(tmp_path)
    store.write([bar(), second, venue, trade(1, received_ns=5), trade(2, received_ns=9)])
    store.close()
    with open_store(tmp_path) as held:
        assert list(held.bars(BTC, "1m@trades", at=known - 1)) == []
        assert list(held.bars(BTC, "1m@trades", at=known + 49)) == [bar()]
        assert list(held.bars(BTC, "1m@trades", at=known + 99)) == [bar(), venue]
        assert list(held.bars(BTC, "1m@trades", at="2030-01-01")) == [second, venue]
        assert list(held.bars(BTC, "1m@trades", venue.open_at_ns, at="2030-01-01")) == [venue]
        assert [each.seq for each in held.trades(BTC, at=8)] == [1]


def test_trades_come_in_venue_order(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(tmp_path)
    store.write([trade(3, at_ns=1), trade(1), trade(2)])
    store.close()
    with open_store(tmp_path) as held:
        assert [each.seq for each in held.trades(BTC)] == [1, 2, 3]
        assert next(held.trades(BTC)) == trade(1)
        assert [each.seq for each in held.trades(BTC, end=5)] == [3]


def test_without_a_channel_the_one_that_is_held_is_read(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(tmp_path)
    store.write([trade(1, channel="aggtrades", size=Decimal(9))])
    store.close()
    with open_store(tmp_path) as held:
        assert [each.size for each in held.trades(BTC)] == [9]
        with pytest.raises(NotHeld, match="holds no trades of binance:BTC/USDT; it holds aggtrades"):
            held.trades(BTC, channel="trades")


def test_what_is_not_held_names_what_is(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    store = SeriesStore(tmp_path)
    other = Instrument(venue="binance", symbol="ETH/USDT", native="ETHUSDT", kind="spot", base="ETH", quote="USDT")
    store.write([bar(), other])
    store.close()
    with open_store(tmp_path) as held:
        with pytest.raises(NotHeld, match="holds no bars:1m of binance:BTC/USDT; it holds bars:1m@trades"):
            held.bars(BTC, "1m")
        with pytest.raises(UnknownInstrument, match="holds no 'binance:BTC/USD'; it holds binance:BTC/USDT"):
            held.bars("binance:BTC/USD", "1m")
        with pytest.raises(NotHeld, match="knows binance:ETH/USDT but holds nothing of it"):
            held.trades("binance:ETH/USDT")
        with pytest.raises(UnknownInstrument, match=r"it holds .*binance:ETH/USDT"):
            held.trades("binance:ETH/USD")
        assert held.series() == [(BTC, "bars:1m@trades")]


def test_a_store_of_nothing_but_a_list_names_what_is_near(tmp_path: Path) -> None:
    store = SeriesStore(tmp_path)
    with pytest.raises(AttributeError):
        store.write(["no row"])  # type: ignore[list-item]  # a row that fails, so that nothing is held
    with open_store(tmp_path) as held, pytest.raises(UnknownInstrument, match="it holds nothing"):
        held.trades(BTC)
    store.write([Instrument(venue="okx", symbol="ETH/USDT", native="ETH-USDT", kind="spot", base="ETH", quote="USDT")])
    store.poison("no row", "it is text")  # type: ignore[arg-type]  # as above
    with open_store(tmp_path) as held:
        with pytest.raises(UnknownInstrument, match="it holds okx:ETH/USDT"):
            held.trades("zz")
        (aside,) = held.poison()
        assert (aside.type, aside.body, aside.reason) == ("str", '"no row"', "it is text")
    store.close()


def test_venue_bars_of_which_none_has_closed_are_not_held(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    store = SeriesStore(tmp_path)
    venue = bar(channel="bars:1m", origin="venue", certificate="", source="ws")
    store.write([PointRow(BTC, "bars:1m", 1, 2, None), PointRow(BTC, "bars:1m@trades", 1, 2, None)])
    with open_store(tmp_path) as held:
        with pytest.raises(NotHeld, match=r"holds no bars:1m of binance:BTC/USDT; it holds bars:1m@trades$"):
            held.bars(BTC, "1m")
        assert list(held.bars(BTC, "1m@trades")) == []
        store.write([venue])
        assert list(held.bars(BTC, "1m", venue.open_at_ns + 1)) == []
        assert list(held.bars(BTC, "1m")) == [venue]
    store.close()


def test_the_last_bars_and_the_slow_channels(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    store = SeriesStore(tmp_path)
    store.write([*(bar(open_at_ns=i) for i in range(9)), Mark(BTC, "mark", 1, 2, "ws", Decimal("100.5"))])
    store.close()
    with open_store(tmp_path) as held:
        assert [each.open_at_ns for each in held.bars(BTC, "1m@trades", last=3)] == [6, 7, 8]
        assert held.bars(BTC, "1m@trades", 2, 7, last=2).to_arrow()["open_at_ns"].to_pylist() == [5, 6]
        assert [each["price"] for each in held.events(BTC, "mark")] == ["100.5"]
        assert held.held_bars(BTC) == [("1m", "trades")]
        assert list(held.watch(BTC, "bars:1m@trades", within_s=0)) == []
        assert [bar.open_at_ns for bar in held.resample(BTC, "1m@trades", 3, 5)] == []
        assert [bar.trades for bar in held.resample(BTC, "1h@trades")] == [9 * 875]
    with pytest.raises(NotHeld, match="no trades of"), open_store(tmp_path) as held:
        held.tick_bars(BTC, 5)


def test_reading_works_while_a_writer_writes(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(tmp_path)
    store.write([trade(1)])
    with open_store(tmp_path) as held:
        store.connection.execute("BEGIN IMMEDIATE")
        assert [each.seq for each in held.trades(BTC)] == [1]
        store.connection.execute("COMMIT")
        store.write([trade(2)])
        assert [each.seq for each in held.trades(BTC)] == [1, 2]
    store.close()
