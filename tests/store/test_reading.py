import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import NotHeld, StoreUnusable
from tapeline.model.event import Bar
from tapeline.store import reading
from tapeline.store.reader import Store, open_store
from tapeline.store.schema import FILE
from tapeline.store.series import SeriesStore


def test_an_archive_is_told_from_a_store(tmp_path: Path) -> None:
    (tmp_path / "venue=binance").mkdir()
    with pytest.raises(NotHeld, match=r"it is an archive: `tapeline\.open` reads it"):
        open_store(tmp_path)


BTC = "binance:BTC/USDT"


@pytest.fixture
def archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bar: Callable[..., Bar]) -> Path:
    """A store in a folder where this process may write nothing (root may everywhere, so that it is only said)."""
    store = SeriesStore(tmp_path)
    store.write([bar()])
    store.close()
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    return tmp_path


def test_a_folder_that_may_not_be_written_is_read_and_left_as_it_is(archived: Path, bar: Callable[..., Bar]) -> None:
    with open_store(archived) as store:
        assert reading.is_still(archived / FILE)
        assert list(store.bars(BTC, "1m@trades")) == [bar()]
        assert store.bars(BTC, "1m@trades").to_arrow(columns=["close"])["close"].to_pylist() == [float(bar().close)]
        assert sorted(path.name for path in archived.iterdir()) == [FILE]


def test_once_somebody_writes_it_nothing_more_is_read(archived: Path, bar: Callable[..., Bar]) -> None:
    with open_store(archived) as store:
        writer = SeriesStore(archived)
        writer.write([bar(open_at_ns=bar().open_at_ns + 60_000_000_000)])
        with pytest.raises(StoreUnusable, match=r"an instance writes the store at .* by now: open it again"):
            store.series()
        with open_store(archived) as again:  # beside a writer there is what a reader needs
            assert len(list(again.bars(BTC, "1m@trades"))) == 2
        writer.close()


def test_rows_that_only_the_log_has_are_not_passed_over(archived: Path, bar: Callable[..., Bar]) -> None:
    store = SeriesStore(archived)
    store.write([bar(open_at_ns=bar().open_at_ns + 60_000_000_000)])
    killed = archived / "killed"
    killed.mkdir()
    for name in (FILE, f"{FILE}-wal"):
        shutil.copy(archived / name, killed / name)
    store.close()
    assert not reading.is_still(killed / FILE)


WAYS: dict[str, Callable[[Store], Any]] = {
    "events": lambda store: list(store.bars(BTC, "1m@trades")),
    "one by one": lambda store: [next(rows) for rows in [store.bars(BTC, "1m@trades")] for _ in range(3000)],
    "tuples": lambda store: list(store.bars(BTC, "1m@trades").tuples("close")),
    "table": lambda store: store.bars(BTC, "1m@trades").to_arrow(),
    "exact table": lambda store: store.bars(BTC, "1m@trades").to_arrow(numbers="decimal"),
    "coarser": lambda store: store.resample(BTC, "1h@trades").to_arrow(),
    "records": lambda store: store.partial_bars(BTC, "bars:1m@trades"),
    "new rows": lambda store: list(store.watch(BTC, "bars:1m@trades", 0, within_s=0)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_page_damaged_in_the_middle_is_said_by_every_read(tmp_path: Path, bar: Callable[..., Bar], way: str) -> None:
    """It opens, and its first rows are there: SQLite finds out when it gets there."""
    store = SeriesStore(tmp_path)
    store.write([bar(open_at_ns=n * 60_000_000_000) for n in range(3000)])
    store.close()
    file = tmp_path / FILE
    content = bytearray(file.read_bytes())
    assert len(content) > 400 * 1024, "the rows are most of it"
    middle = len(content) // 2
    content[middle : middle + 40_000] = b"\xa5" * 40_000
    file.write_bytes(content)
    with open_store(tmp_path) as held:
        assert next(held.bars(BTC, "1m@trades")).open_at_ns == 0
        with pytest.raises(StoreUnusable, match=f"the store at {tmp_path} is damaged .*recover.*tapeline backfill"):
            WAYS[way](held)


def test_what_we_ask_wrongly_is_no_damage(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    store = SeriesStore(tmp_path)
    store.write([bar()])
    store.close()
    connection = reading.open_for_reading(tmp_path / FILE)
    assert next(connection.execute("SELECT count(*) FROM bars")) == (1,)
    assert connection.execute("SELECT count(*) FROM bars").fetchall() == [(1,)]
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT ?", (1, 2))
    connection.close()
