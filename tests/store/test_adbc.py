import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tapeline.model.event import Bar
from tapeline.store import adbc
from tapeline.store.reader import open_store
from tapeline.store.schema import FILE
from tapeline.store.series import SeriesStore

BTC = "binance:BTC/USDT"


@pytest.fixture
def folder(tmp_path: Path, bar: Callable[..., Bar]) -> Path:
    store = SeriesStore(tmp_path)
    store.write([bar()])
    store.close()
    return tmp_path


def test_one_connection_a_file_closed_with_the_last_store(folder: Path) -> None:
    file = (folder / FILE).resolve()
    first, second = open_store(folder), open_store(folder)
    table = adbc.arrow(file, "SELECT open_at_ns FROM bars WHERE series = ?", (1,))
    assert table is not None
    assert len(table) == 1
    assert adbc._handles[file].users == 2
    first.close()
    first.close()
    assert adbc._handles[file].users == 1
    assert len(second.bars(BTC, "1m@trades").to_arrow()) == 1
    second.close()
    assert file not in adbc._handles


def test_the_process_that_writes_reads_without_it(folder: Path) -> None:
    file = (folder / FILE).resolve()
    (folder / "lock").write_text(json.dumps({"pid": os.getpid()}))
    with open_store(folder) as held:
        assert adbc.arrow(file, "SELECT 1", ()) is None
        assert len(held.bars(BTC, "1m@trades").to_arrow()) == 1
        (folder / "lock").write_text("")
        assert adbc.arrow(file, "SELECT 1 AS one", ()).to_pylist() == [{"one": 1}]  # type: ignore[union-attr]  # there
