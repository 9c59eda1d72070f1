from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.app.history.importing import Imported, Importing
from tapeline.clock import SystemClock
from tapeline.errors import StoreLocked
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import Fact
from tapeline.model.instrument import Instrument
from tapeline.store.intake.row import Found, Refused
from tapeline.store.lock import StoreLock
from tapeline.store.reader import open_store
from tapeline.store.series import PointRow, SeriesStore

BTC = "binance:BTC/USDT"
LISTED = Instrument(venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")


def take(folder: Path, *rows: Found) -> Imported:
    return Importing(folder, SystemClock()).run(rows)


def test_twice_changes_nothing(tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]) -> None:
    rows: list[Found] = [
        LISTED, trade(1), trade(2), bar(open_at_ns=0), bar(open_at_ns=60), Refused("f.csv", 3, "no number", "a,b"),
        Gap(BTC, "trades", None, 7, "built", 1, 2, None, None, "restart"),
    ]  # fmt: skip
    assert take(tmp_path, *rows) == Imported(new=4, held=0, differ=0, refused=1)
    before = Path(tmp_path / "series.sqlite").read_bytes()
    assert take(tmp_path, *rows) == Imported(new=0, held=4, differ=0, refused=1)
    with open_store(tmp_path) as held:
        assert list(held.trades(BTC)) == [trade(1), trade(2)]
        assert [each.open_at_ns for each in held.bars(BTC, "1m@trades")] == [0, 60]
        assert [(each.type, each.body, each.reason) for each in held.poison()] == [
            ("import", "a,b", "f.csv:3: no number")
        ]
        assert len(held.gaps()) == 1
        assert held.versions(BTC) == [LISTED]
    assert len(before) == (tmp_path / "series.sqlite").stat().st_size


def test_what_is_held_stays_and_what_differs_is_counted(
    tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]
) -> None:
    take(tmp_path, trade(1), bar(open_at_ns=0), bar(open_at_ns=60), LISTED)
    other = Instrument(venue="binance", symbol="BTC/USDT", native="OTHER", kind="spot", base="BTC", quote="USDT")
    found = take(
        tmp_path, trade(1, price=Decimal(1)), bar(open_at_ns=0, close=Decimal(61830)),
        bar(open_at_ns=60, close=Decimal(61830), revision=2), other,
    )  # fmt: skip
    assert found == Imported(new=1, held=1, differ=2, refused=0)
    with open_store(tmp_path) as held:
        assert [each.price for each in held.trades(BTC)] == [trade(1).price]
        assert [dispute.given.price for dispute in held.disputes()] == [1]
        assert [each.close for each in held.bars(BTC, "1m@trades")] == [bar().close, 61830]
        assert held.instruments() == [LISTED]


def test_the_point_of_a_live_series_stays(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(tmp_path)
    store.write([PointRow(BTC, "trades", 5, 6, 50)])
    store.close()
    take(tmp_path, trade(90), trade(91))
    with open_store(tmp_path) as held:
        assert held.points() == [PointRow(BTC, "trades", 5, 6, 50)]


def test_equal_trades_without_ids_are_as_many_as_they_were(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    equal = trade(1, id="", seq=None)
    rows = [equal, equal, trade(1, id="", seq=None, side="buy"), equal, trade(2, id="", seq=None)]
    assert take(tmp_path, *rows).new == 5
    assert take(tmp_path, *rows).held == 5
    with open_store(tmp_path) as held:
        assert [each.size for each in held.trades(BTC)] == [equal.size] * 5


def test_batches_and_the_lock(tmp_path: Path, trade: Callable[..., Trade], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapeline.app.history.importing.BATCH", 3)
    assert take(tmp_path, *(trade(n) for n in range(8))).new == 8
    lock = StoreLock(tmp_path)
    lock.acquire()
    with pytest.raises(StoreLocked):
        take(tmp_path, trade(1))
    lock.release()


def test_what_the_rows_prove_is_in_the_ledger_once(
    tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]
) -> None:
    minutes = [bar(open_at_ns=i * 60 * 10**9, channel="bars:1m", origin="venue") for i in (0, 1, 3)]
    first = [trade(n, at_ns=n * 1000) for n in (1, 2, 3)]
    second = [trade(n, at_ns=n * 1000) for n in (4, 5, 9)]
    other = [trade(n, at_ns=n * 1000, instrument="file:A") for n in (4, 5)]
    take(tmp_path, *first, *minutes)
    for _ in range(2):
        take(tmp_path, *second, *minutes, *other, Fact(BTC, "mark", 1, 2, "missing", "", "ws", "", 0))
    with open_store(tmp_path) as held:
        assert [(span.from_ns, span.to_ns) for span in held.coverage(BTC, "trades")] == [(1001, 3000), (3000, 5000)]
        assert held.trades(BTC, 1001, 5000, require="proven").missing == []
        assert [(span.from_ns // 10**9, span.to_ns // 10**9) for span in held.coverage(BTC, "bars:1m")] == [
            (0, 120), (180, 240),
        ]  # fmt: skip
        assert held.coverage("file:A", "trades") == []
        assert len(held.ledger.facts(BTC, "mark")) == 1
        assert held.bars(BTC, "1m", 0, 120 * 10**9, require="proven").missing == []


def test_a_hole_between_imported_rows_is_listed_until_it_is_filled(
    tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]
) -> None:
    minutes = [bar(open_at_ns=i * 60 * 10**9, channel="bars:1m", origin="venue") for i in range(5)]
    trades = [trade(n, at_ns=n * 1000) for n in range(1, 10)]
    take(tmp_path, *trades[:3], *trades[5:6], *minutes[:2], *minutes[3:])
    with open_store(tmp_path) as held:
        assert [(hole.channel, hole.from_ns, hole.to_ns, hole.state, hole.cause) for hole in held.ledger.holes()] == [
            ("bars:1m", 120 * 10**9, 180 * 10**9, "missing", "not_fetched"),
            ("trades", 3000, 6000, "missing", "not_fetched"),
        ]
    take(tmp_path, *trades[2:], minutes[2])
    with open_store(tmp_path) as held:
        assert held.ledger.holes() == []


def test_what_comes_twice_in_one_batch_is_counted_once(
    tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]
) -> None:
    rows: list[Found] = [
        bar(open_at_ns=0),
        bar(open_at_ns=0),
        bar(open_at_ns=0, close=Decimal(61830)),
        trade(1),
        trade(1),
    ]
    assert take(tmp_path, *rows) == Imported(new=2, held=2, differ=1, refused=0)
    with open_store(tmp_path) as held:
        assert [each.close for each in held.bars(BTC, "1m@trades")] == [bar().close]
        assert list(held.trades(BTC)) == [trade(1)]
