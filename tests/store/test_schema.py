import sqlite3
from pathlib import Path

import pytest

from tapeline.errors import StoreTooNew
from tapeline.store.schema import FILE, MIGRATIONS, VERSION, connect, version_of


def test_a_new_store_has_the_newest_version_and_the_pragmas(tmp_path: Path) -> None:
    connection = connect(tmp_path / "store")
    assert version_of(connection) == VERSION
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    connection.close()


def test_a_store_from_a_later_version_is_refused(tmp_path: Path) -> None:
    connect(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as raw:
        raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    raw.close()
    with pytest.raises(StoreTooNew, match=f"schema version {VERSION + 1}; this Tapeline knows up to {VERSION}"):
        connect(tmp_path)


def test_an_older_store_is_brought_forward_and_keeps_its_rows(tmp_path: Path) -> None:
    connection = connect(tmp_path)
    connection.execute("INSERT INTO series (instrument, channel) VALUES ('binance:BTC/USDT', 'trades')")
    connection.close()
    later = (*MIGRATIONS, "ALTER TABLE series ADD COLUMN note TEXT; CREATE TABLE more (x INTEGER)")
    connection = connect(tmp_path, migrations=later)
    assert version_of(connection) == VERSION + 1
    assert connection.execute("SELECT instrument, note FROM series").fetchall() == [("binance:BTC/USDT", None)]
    connection.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    connect(tmp_path).close()
    broken = (*MIGRATIONS, "CREATE TABLE half (x INTEGER); CREATE TABLE series (again INTEGER)")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        connect(tmp_path, migrations=broken)
    connection = connect(tmp_path)
    assert version_of(connection) == VERSION
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'half'").fetchone() is None
    connection.close()
