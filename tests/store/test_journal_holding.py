"""What a journal holds is told without a byte written, also of one that is empty, missing parts, or being archived."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tapeline.errors import NotHeld, StoreTooNew, StoreUnusable
from tapeline.store.journal import FILE, Journal
from tapeline.store.journal_archiving import ASIDE, archive
from tapeline.store.journal_holding import holding
from tapeline.store.snapshot import OTHER_VERSION, snapshots, write
from tapeline.trading.command import Note

FIRST = "journal-000000000000001-000000000000004.sqlite"


def journal_of(folder: Path, count: int = 10) -> Journal:
    journal = Journal(folder)
    for at in range(1, count + 1):
        journal.append([Note("n", "a", str(at))], at)
    return journal


def test_an_empty_one_and_none(tmp_path: Path) -> None:
    with pytest.raises(NotHeld, match="there is no journal in"):
        holding(tmp_path)
    journal = journal_of(tmp_path, 0)
    found = holding(tmp_path)
    assert (found.instance, found.records, found.first, found.last) == (journal.instance, 0, 0, 0)
    assert (found.from_ns, found.to_ns, found.played, found.snapshots, found.archives) == (None, None, 0, [], [])
    journal.close()


def test_records_times_snapshots_and_archives(tmp_path: Path) -> None:
    journal = journal_of(tmp_path)
    assert (holding(tmp_path).records, holding(tmp_path).played) == (10, 10)
    write(journal)
    journal.append([Note("n", "a", "11")], 11)
    archive(tmp_path, 5)
    (tmp_path / "journal-000000000000099.snapshot").write_bytes(b"damaged")
    (tmp_path / "journal-x.snapshot").write_bytes(b"")
    (tmp_path / ASIDE).write_bytes(b"")
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    found = holding(tmp_path, whole=True)
    assert files == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert (found.records, found.first, found.last, found.from_ns, found.to_ns) == (7, 5, 11, 5, 11)
    assert (found.played, found.begun, found.undeleted, found.bytes) == (
        1,
        [ASIDE],
        0,
        (tmp_path / FILE).stat().st_size,
    )
    assert [(each.file, each.record, each.trouble) for each in found.snapshots] == [
        ("journal-x.snapshot", 0, "it is damaged: its digest is not that of its content"),
        ("journal-000000000000099.snapshot", 99, "it is damaged: its digest is not that of its content"),
        ("journal-000000000000010.snapshot", 10, ""),
    ]
    [of] = found.archives
    assert (of.file, of.first, of.last, of.records, of.from_ns, of.to_ns, of.state) == (FIRST, 1, 4, 4, 1, 4, "sound")
    assert of.bytes == (tmp_path / FIRST).stat().st_size
    journal.close()


def test_a_snapshot_of_another_version_is_not_counted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_of(tmp_path)
    write(journal)
    assert holding(tmp_path).played == 0
    monkeypatch.setattr("tapeline.store.snapshot.layout", lambda: "another")
    assert (holding(tmp_path).played, holding(tmp_path).snapshots[0].trouble) == (10, OTHER_VERSION)
    journal.close()


def test_a_snapshot_that_a_run_deletes_meanwhile_is_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_of(tmp_path)
    write(journal)
    monkeypatch.setattr(
        "tapeline.store.journal_holding.snapshots", lambda folder: [*snapshots(folder), folder / "gone"]
    )
    assert [each.record for each in holding(tmp_path).snapshots] == [10]
    journal.close()


def test_an_archive_that_is_missing_or_damaged(tmp_path: Path) -> None:
    journal = journal_of(tmp_path)
    archive(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / FIRST, isolation_level=None)) as direct:
        direct.execute("UPDATE records SET body = 'x' WHERE record = 2")
    assert [(each.state, each.trouble) for each in holding(tmp_path).archives] == [("there", "")]
    [of] = holding(tmp_path, whole=True).archives
    assert (of.state, "its digest is not that of its records" in of.trouble) == ("damaged", True)
    (tmp_path / FIRST).unlink()
    [of] = holding(tmp_path, whole=True).archives
    assert (of.state, of.bytes, of.records) == ("missing", 0, 4)
    journal.close()


def test_what_is_not_yet_deleted_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_of(tmp_path)

    def gone(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "drop", gone)
        with pytest.raises(KeyboardInterrupt):
            archive(tmp_path, 5)
    found = holding(tmp_path)
    assert (found.records, found.first, found.undeleted, len(found.archives)) == (6, 5, 4, 1)
    archive(tmp_path, 5)
    assert holding(tmp_path).undeleted == 0
    journal.close()


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no file of SQLite's" * 500)
    with pytest.raises(StoreUnusable, match="damaged"):
        holding(tmp_path)
    (tmp_path / FILE).unlink()
    journal_of(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as direct:
        direct.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreTooNew, match="version 9"):
        holding(tmp_path)
