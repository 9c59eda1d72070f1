import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tapeline.errors import NotHeld, StoreUnusable
from tapeline.model.event import Bar
from tapeline.store import reading
from tapeline.store.reader import open_store
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
