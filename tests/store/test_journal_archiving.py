"""Moving a journal's oldest records: what stays, what is freed, and that whatever goes wrong loses nothing."""

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.errors import NotHeld, StoreBehind, StoreLocked, StoreUnusable
from tapeline.model.account import Payment
from tapeline.store import journal_archiving
from tapeline.store.journal import FILE, Journal
from tapeline.store.journal_archived import SCHEMA
from tapeline.store.journal_archiving import ASIDE, REMEDY, Archived, archive, begun, size_of
from tapeline.store.lock import StoreLock
from tapeline.store.snapshot import played, restored, snapshots, write
from tapeline.trading.memo import encode
from tapeline.trading.record import Entry

NAME = "journal-000000000000001-000000000000005.sqlite"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Ten payments of one each, at the times 1 to 10."""
    opened = Journal(tmp_path / "store")
    pay(opened, 10)
    yield opened
    opened.close()


def pay(journal: Journal, count: int) -> None:
    first = journal.append([], 1)
    for at in range(first + 1, first + count + 1):
        paid = Payment(
            None, "payments", at, at, "ws", "a", id=str(at), currency="U", amount=Decimal(1), kind="transfer"
        )
        journal.append([paid], at)


def found(journal: Journal) -> tuple[list[Entry], bytes]:
    return list(journal.replay()), encode(played(journal)[0].memo())


def archived(done: Archived) -> list[tuple[int, int]]:
    return [(each.first, each.last) for each in done.archives]


def test_what_is_older_is_moved_and_a_start_plays_back_no_more_than_before(journal: Journal) -> None:
    expected = found(journal)
    write(journal)
    pay(journal, 2)
    done = archive(journal.folder, 6)
    assert (archived(done), done.dropped, done.first) == ([(1, 5)], 5, 6)
    assert done.archives[0][:5] == (NAME, 1, 5, 1, 5)
    assert restored(journal, 99).played == 2
    assert found(journal)[0][:10] == expected[0]
    assert [each.name for each in snapshots(journal.folder)] == ["journal-000000000000010.snapshot"]
    again = archive(journal.folder, 6)
    assert (again.archives, again.dropped, again.first) == ([], 0, 6)
    assert archived(archive(journal.folder, 8)) == [(6, 7)]


def test_where_no_snapshot_is_new_enough_one_is_written_by_the_same_accounting(journal: Journal) -> None:
    expected = found(journal)
    assert archived(archive(journal.folder, 100)) == [(1, 9)], "the last one stays, for the numbers to go on"
    assert [each.name for each in snapshots(journal.folder)] == ["journal-000000000000010.snapshot"]
    assert (restored(journal, 9).played, found(journal)) == (0, expected)
    pay(journal, 1)
    assert journal.append([], 1) == 11

    other = Journal(journal.folder.parent / "fifo")
    pay(other, 3)
    write(other, method="fifo")
    pay(other, 3)
    assert archived(archive(other.folder, 5)) == [(1, 4)]
    assert restored(other, 9, method="fifo").played == 0
    other.close()


def test_where_there_is_nothing_to_move_nothing_is_written(journal: Journal, tmp_path: Path) -> None:
    before = sorted(path.name for path in journal.folder.iterdir())
    done = archive(journal.folder, 1)
    assert (done.archives, done.dropped, done.first) == ([], 0, 1)
    assert [name for name in sorted(path.name for path in journal.folder.iterdir()) if name not in before] == [
        "journal.lock"
    ]
    empty = Journal(tmp_path / "empty")
    assert archive(empty.folder, 9)[:3] == ([], 0, 0)
    empty.close()
    with pytest.raises(NotHeld, match="there is no journal in"):
        archive(tmp_path, 9)


def test_its_space_goes_back_to_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    pay(journal, 30)
    for at in range(31, 61):
        paid = Payment(
            None, "payments", at, at, "ws", "a", id=f"{at} {'x' * 50_000}", currency="U", amount=Decimal(1),
            kind="transfer",
        )  # fmt: skip
        journal.append([paid], at)
    done = archive(tmp_path, 60)
    assert done.bytes_before > 1_500_000
    assert done.bytes_after == size_of(tmp_path) < 150_000
    journal.close()


def test_never_while_a_run_trades_from_it(journal: Journal) -> None:
    expected = found(journal)
    journal.lead()
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}.*{REMEDY}"):
        archive(journal.folder, 6)
    assert (journal.archives(), found(journal)) == ([], expected)
    journal.close()
    assert archived(archive(journal.folder, 6)) == [(1, 5)]
    lock = StoreLock(journal.folder, "journal.lock")
    lock.acquire()
    lock.release()


def _full(_file: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _lying(aside: Path) -> Callable[[int], None]:
    """A disk that says it has written, and has not."""

    def fsync(_file: int) -> None:
        data = aside.read_bytes()
        aside.write_bytes(data.replace(b'"amount":"1"', b'"amount":"2"', 1))

    return fsync


def test_a_disk_that_is_full_or_lies_in_mid_copy_changes_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(journal)
    expected, aside = found(journal), journal.folder / ASIDE
    small = f"PRAGMA max_page_count = 4; {SCHEMA}"
    for name, value, text in (
        ("tapeline.store.journal_archiving.SCHEMA", small, r"no room left on its disk .*: free some room, and run it"),
        ("os.fsync", _full, r"No space left on device: free some room, and run it again.*; nothing of the journal is"),
        ("os.fsync", _lying(aside), rf"{ASIDE} cannot be read as it was written: look at the disk; nothing was moved"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(name, value)
            with pytest.raises(StoreUnusable, match=text):
                archive(journal.folder, 6)
        assert (journal.archives(), found(journal), begun(journal.folder, [])) == ([], expected, [])
    assert archived(archive(journal.folder, 6)) == [(1, 5)], "the next try is none the worse"
    assert found(journal) == expected


def test_what_cannot_be_freed_is_said_and_freed_by_the_next(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = found(journal)
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL

    def full(_journal: Journal) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "shrink", full)
        with pytest.raises(StoreUnusable, match=r"no room left .* nothing of the journal is lost by this"):
            archive(journal.folder, 6)
    assert ([each.file for each in journal.archives()], found(journal)) == ([NAME], expected)
    before = size_of(journal.folder)
    done = archive(journal.folder, 6)
    assert (done.archives, done.dropped, done.first) == ([], 0, 6)
    assert done.bytes_after < before


def test_what_was_begun_is_finished_and_what_is_left_over_is_deleted(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = found(journal)

    def gone(*_: object) -> int:
        raise KeyboardInterrupt

    for step in ("put_away", "drop", "shrink"):
        with monkeypatch.context() as patch:
            patch.setattr(Journal, step, gone)
            with pytest.raises(KeyboardInterrupt):
                archive(journal.folder, 6)
        assert found(journal) == expected
        if step == "put_away":
            assert (begun(journal.folder, journal.archives()), journal.archives()) == ([NAME], [])
            with monkeypatch.context() as patch:  # the second failure: it is killed again, once it is listed
                patch.setattr(Journal, "drop", gone)
                with pytest.raises(KeyboardInterrupt):
                    archive(journal.folder, 6)
            assert ([each.file for each in journal.archives()], found(journal)) == ([NAME], expected)
            with closing(sqlite3.connect(journal.folder / FILE)) as direct:
                assert direct.execute("SELECT count(*) FROM records").fetchone() == (10,)
    (journal.folder / ASIDE).write_bytes(b"half a copy")
    (journal.folder / f"{ASIDE}-journal").write_bytes(b"")
    done = archive(journal.folder, 8)
    assert (archived(done), done.dropped, found(journal)) == ([(6, 7)], 2, expected)
    assert begun(journal.folder, journal.archives()) == []


def test_a_file_that_is_not_of_the_list_is_left_alone_and_never_written_over(journal: Journal) -> None:
    expected, said = found(journal), list[str]()
    stranger = journal.folder / "journal-000000000000003-000000000000005.sqlite"
    stranger.write_bytes(b"what is this")
    (journal.folder / NAME).write_bytes(b"what is that")
    with pytest.raises(StoreUnusable, match=f"{NAME} is in the way, and does not hold these records: move it away"):
        archive(journal.folder, 6, said.append)
    assert said == [
        f"{name} is left alone: it is not on the journal's list, and is not what comes next on it"
        for name in (NAME, stranger.name)
    ]
    assert ((journal.folder / NAME).read_bytes(), found(journal)) == (b"what is that", expected)
    (journal.folder / NAME).unlink()
    assert archived(archive(journal.folder, 6)) == [(1, 5)]
    assert (stranger.read_bytes(), found(journal)) == (b"what is this", expected)


def test_what_the_disk_says_comes_with_what_to_do(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = journal.folder

    def said(code: int) -> sqlite3.OperationalError:
        error = sqlite3.OperationalError("its words")
        error.sqlite_errorcode = code
        return error

    for code, text in (
        (sqlite3.SQLITE_READONLY, "may only be read .*: give this user the right to write there"),
        (sqlite3.SQLITE_CORRUPT, f"the journal at {folder} is damaged .*: keep the folder, and bring back a copy"),
    ):
        with pytest.raises(StoreUnusable, match=text), journal_archiving._in_words(folder):
            raise said(code)
    with pytest.raises(sqlite3.ProgrammingError), journal_archiving._in_words(folder):
        raise sqlite3.ProgrammingError("ours")
    behind = StoreBehind("the journal cannot be written")
    behind.__cause__ = said(sqlite3.SQLITE_FULL)
    with pytest.raises(StoreUnusable, match=r"no room left .*: free some room"), journal_archiving._in_words(folder):
        raise behind

    expected = found(journal)
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(Journal.__init__, "__kwdefaults__", {"deadline_s": 0.05})
        for _ in range(2):
            with pytest.raises(
                StoreUnusable, match=r"was locked for 0\.05 s: run it again, it goes on where it stopped"
            ):
                archive(folder, 6)
        other.execute("ROLLBACK")
    assert found(journal) == expected
    assert archived(archive(folder, 6)) == [(1, 5)]
    assert found(journal) == expected

    def refused(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system", str(folder / "journal.lock"))

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(StoreUnusable, match=r"journal\.lock: Read-only file system: give this user the right"):
        archive(folder, 8)
