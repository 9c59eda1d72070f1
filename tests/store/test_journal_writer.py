"""The journal's thread: who waits hears of it, and what waits together is written together."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import StoreBehind
from tapeline.store.journal import Journal
from tapeline.store.journal_writer import JournalWriter
from tapeline.trading.command import Note


def note(text: str) -> list[Any]:
    return [Note("n", "a", text)]


def texts(folder: Path) -> list[str]:
    journal = Journal(folder)
    found = [each.record.text for each in journal.replay() if isinstance(each.record, Note)]
    journal.close()
    return found


def test_what_is_appended_is_written_once_its_future_is_done(tmp_path: Path) -> None:
    writer = JournalWriter(Journal(tmp_path))
    writer.start()
    assert writer.append(note("one"), 1).result(10) == 1
    assert texts(tmp_path) == ["one"]
    writer.append(note("two"), 2)
    writer.stop()
    statistics = writer.statistics()

    assert texts(tmp_path) == ["one", "two"]
    assert (statistics.records, statistics.waiting) == (2, 0)
    assert statistics.busy_s >= statistics.longest_s > 0


def test_what_waits_together_shares_a_transaction(tmp_path: Path) -> None:
    writer = JournalWriter(Journal(tmp_path))
    done = [writer.append(note(str(number)), number) for number in range(5)]
    gone = writer.append(note("nobody waits for it"), 9)
    gone.cancel()
    writer.start()

    assert [each.result(10) for each in done] == [6] * 5
    writer.stop()
    assert writer.statistics().transactions == 1
    assert texts(tmp_path) == ["0", "1", "2", "3", "4", "nobody waits for it"]


def test_what_is_not_written_is_said_to_all_who_wait_and_the_next_may_work(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    writer = JournalWriter(journal)
    bad: Any = [object()]
    both = [writer.append(note("lost"), 1), writer.append(bad, 1)]
    writer.start()
    for each in both:
        with pytest.raises(RuntimeError, match="not written: AttributeError"):
            each.result(10)
    journal._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(StoreBehind):
        writer.append(note("x" * 50_000), 1).result(10)
    journal._connection.execute("PRAGMA max_page_count = 100000")

    assert writer.append(note("kept"), 1).result(10) == 1
    writer.stop()
    assert texts(tmp_path) == ["kept"]


def test_a_journal_that_is_closed_takes_nothing(tmp_path: Path) -> None:
    writer = JournalWriter(Journal(tmp_path))
    writer.start()
    writer.stop()
    late: Future[int] = writer.append(note("late"), 1)

    with pytest.raises(RuntimeError, match="closed"):
        late.result(1)
    assert texts(tmp_path) == []
