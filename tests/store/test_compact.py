import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tapeline.errors import ConfigError, NotHeld, StoreLocked, StoreUnusable
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import Fact
from tapeline.model.interval import DAY_NS
from tapeline.store import compact as compacting
from tapeline.store.compact import Deleted, compact, duration
from tapeline.store.lock import StoreLock
from tapeline.store.reader import open_store
from tapeline.store.series import SeriesStore

BTC = "binance:BTC/USDT"


class Now:
    def wall_ns(self) -> int:
        return 100 * DAY_NS

    def now(self) -> float:
        return 0.0


@pytest.fixture
def folder(tmp_path: Path, bar: Callable[..., Bar], trade: Callable[..., Trade]) -> Path:
    store = SeriesStore(tmp_path)
    store.write([trade(n, at_ns=n * DAY_NS // 100) for n in range(9000)])
    store.write([trade(n, at_ns=None, received_ns=n * DAY_NS, channel="aggtrades") for n in range(90, 95)])
    store.write([bar(open_at_ns=0)])
    store.close()
    return tmp_path


def test_old_trades_go_and_the_file_shrinks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compacting, "_BATCH", 1000)
    counted = compact(folder, Now(), keep_trades_ns=7 * DAY_NS, dry_run=True)
    assert counted.deleted == [Deleted(BTC, "trades", 9000, 93 * DAY_NS), Deleted(BTC, "aggtrades", 3, 93 * DAY_NS)]
    done = compact(folder, Now(), keep_trades_ns=20 * DAY_NS)
    assert done.deleted == [Deleted(BTC, "trades", 8000, 80 * DAY_NS)]
    assert done.bytes_after < done.bytes_before / 2
    with open_store(folder) as held:
        assert next(held.trades(BTC)).seq == 8000
        assert len(list(held.trades(BTC))) == 1000
        assert len(list(held.bars(BTC, "1m@trades"))) == 1
    again = compact(folder, Now(), keep_trades_ns=20 * DAY_NS)
    assert (again.deleted, again.bytes_before) == ([], again.bytes_after)


def test_without_a_limit_nothing_is_deleted(folder: Path) -> None:
    assert compact(folder, Now()).deleted == []
    with open_store(folder) as held:
        assert len(list(held.trades(BTC, channel="trades"))) == 9000


def test_a_store_that_is_written_is_refused(folder: Path) -> None:
    lock = StoreLock(folder)
    lock.acquire()
    with pytest.raises(StoreLocked, match="another instance"):
        compact(folder, Now())
    lock.release()
    with pytest.raises(NotHeld, match="no store at"):
        compact(folder / "none", Now())


def test_how_long_to_keep() -> None:
    assert [duration(text) for text in ("12h", "90d", "2w")] == [DAY_NS // 2, 90 * DAY_NS, 14 * DAY_NS]
    for text in ("90", "0d", "1y", ""):
        with pytest.raises(ConfigError, match="is no time to keep"):
            duration(text)


def test_the_ledger_says_what_went_and_bars_stay_as_proven_as_they_were(folder: Path) -> None:
    store = SeriesStore(folder)
    store.write([Fact(BTC, "trades", 0, 90 * DAY_NS, "proven", "ids", "ws", "ids", 1)])
    store.close()
    compact(folder, Now(), keep_trades_ns=20 * DAY_NS)
    with open_store(folder) as held:
        spans = held.coverage(BTC, "trades")
        assert [(span.from_ns // DAY_NS, span.to_ns // DAY_NS, span.state) for span in spans] == [
            (0, 80, "unrecoverable"), (80, 90, "proven"),
        ]  # fmt: skip
        assert [(hole.state, hole.cause) for hole in held.holes(BTC)] == [("unrecoverable", "retention")]
        assert held.bars(BTC, "1m@trades", 0, 90 * DAY_NS, require="proven").missing == []


def test_a_disk_without_room_even_to_delete_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(compacting, "_give_back", full)
    with pytest.raises(StoreUnusable, match=r"no room left on its disk .*: free some room"):
        compact(folder, Now())
    StoreLock(folder).acquire()  # it was given back
