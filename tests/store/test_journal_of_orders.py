"""The journal: all of a transaction or nothing, readable again, one leader, and no way to send what is not written."""

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import BadData, StoreBehind, StoreLocked, StoreTooNew, TimedOut
from tapeline.store.journal import FILE, Journal
from tapeline.trading.command import Cancel, Note
from tapeline.trading.input import Sent
from tapeline.trading.record import Digest


def notes(journal: Journal) -> list[str]:
    return [each.record.text for each in journal.replay() if isinstance(each.record, Note)]


def test_what_is_appended_is_replayed_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "store")
    first = journal.append([Note("a", "main", "one"), Sent("c1", "submit", 7)], 5)
    last = journal.append([Cancel("c1"), Digest("d", 9)], 8)
    journal.close()
    again = Journal(tmp_path / "new" / "store")

    assert (first, last, again.append([], 9)) == (2, 4, 4)
    assert [each[:2] for each in again.replay()] == [
        (5, Note("a", "main", "one")), (7, Sent("c1", "submit", 7)), (8, Cancel("c1")), (9, Digest("d", 9))
    ]  # fmt: skip
    assert [each.record for each in again.replay(client_id="c1")] == [Sent("c1", "submit", 7), Cancel("c1")]
    assert [each.record for each in again.replay(after=3)] == [Digest("d", 9)]
    assert again.instance == journal.instance
    again.close()


def test_long_journals_are_read_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapeline.store.journal.PAGE", 3)
    journal = Journal(tmp_path)
    journal.append([Note("n", "a", str(number)) for number in range(9)], 1)

    assert notes(journal) == [str(number) for number in range(9)]
    journal.close()


def test_every_journal_has_a_name_of_its_own(tmp_path: Path) -> None:
    journals = [Journal(tmp_path / name) for name in "ab"]

    assert len({journal.instance for journal in journals}) == 2
    assert all(len(journal.instance) == 8 for journal in journals)
    for journal in journals:
        journal.close()


def test_one_engine_leads_and_others_may_append(tmp_path: Path) -> None:
    engine, halt = Journal(tmp_path), Journal(tmp_path)
    assert engine.lead() == engine.instance
    with pytest.raises(StoreLocked, match="another instance"):
        halt.lead()
    halt.append([Note("halt", "main", "from another process")], 1)
    assert notes(engine) == ["from another process"]

    engine.close()
    assert halt.lead() == halt.instance
    halt.close()


def test_a_lock_that_is_not_given_back_in_time_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, deadline_s=0.05)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(TimedOut, match=r"locked for 0\.05 s"):
            journal.append([Note("n", "a", "lost")], 1)
    other.execute("ROLLBACK")
    other.close()

    journal.append([Note("n", "a", "kept")], 1)
    assert notes(journal) == ["kept"]
    journal.close()


def test_a_disk_that_refuses_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([Note("n", "a", "kept")], 1)
    journal._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreBehind, match="cannot be written"):
        journal.append([Note("n", "a", "x" * 9000)] * 9, 1)

    assert notes(journal) == ["kept"]
    journal.close()


def test_half_a_transaction_is_none(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    bad: Any = object()
    with pytest.raises(AttributeError):
        journal.append([Note("n", "a", "first"), bad], 1)

    assert notes(journal) == []
    journal.close()


def test_a_journal_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    Journal(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()

    with pytest.raises(StoreTooNew, match="version 9"):
        Journal(tmp_path)


def test_a_row_that_is_no_record_stops_a_replay(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([Note("n", "a", "x")], 1)
    journal._connection.execute("UPDATE records SET body = '{}'")

    with pytest.raises(BadData):
        list(journal.replay())
    journal.close()


def test_two_processes_make_one_journal(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from tapeline.store.journal import Journal
from tapeline.trading.command import Note
journal = Journal(Path({str(tmp_path)!r}))
for number in range(50):
    journal.append([Note("n", "a", str(number)), Note("n", "a", str(number))], 1)
print(journal.instance)
"""
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    names = {process.communicate(timeout=60)[0].strip() for process in running}
    journal = Journal(tmp_path)
    found = notes(journal)

    assert names == {journal.instance}
    assert found[::2] == found[1::2], "what was appended together stands together"
    assert sorted(map(int, found[::2])) == sorted([*range(50)] * 2)
    journal.close()
