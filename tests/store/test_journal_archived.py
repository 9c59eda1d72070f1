"""Archives are read as if their records still stood in the journal; one that is not as it was is an error."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tapeline.errors import StoreUnusable
from tapeline.store.journal import FILE, Journal
from tapeline.store.journal_archived import Sum, listed
from tapeline.store.journal_archiving import archive
from tapeline.store.snapshot import played, snapshots
from tapeline.trading.command import Cancel, Note

FIRST, SECOND = "journal-000000000000001-000000000000006.sqlite", "journal-000000000000007-000000000000008.sqlite"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Ten records at the times 1 to 10: 1 to 6 and 7 to 8 are archived, the rest is in the file."""
    opened = filled(tmp_path / "store")
    archive(opened.folder, 7)
    archive(opened.folder, 9)
    yield opened
    opened.close()


def filled(folder: Path) -> Journal:
    journal = Journal(folder)
    for at in range(1, 11):
        journal.append([Cancel("c1") if at % 4 == 1 else Note("n", "a", str(at))], at)
    return journal


def numbers(journal: Journal, after: int = 0, client_id: str = "") -> list[int]:
    return [each.number for each in journal.replay(after, client_id)]


def changed(path: Path, *statements: str | tuple[str, str]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as direct:
        for statement in statements:
            direct.execute(*((statement,) if isinstance(statement, str) else (statement[0], statement[1:])))


def test_whoever_reads_finds_all_of_it(journal: Journal) -> None:
    assert [each.file for each in journal.archives()] == [FIRST, SECOND]
    assert (journal.span(), journal.since(3), journal.since(10), journal.since(11)) == ((9, 10), 9, 10, None)
    with closing(sqlite3.connect(journal.folder / FILE)) as direct:
        assert direct.execute("SELECT min(record), max(record), count(*) FROM records").fetchone() == (9, 10, 2)
        assert direct.execute("PRAGMA user_version").fetchone() == (2,), "programs that know no archives refuse it"
    for after in range(11):
        assert numbers(journal, after) == list(range(after + 1, 11))
        assert numbers(journal, after, "c1") == [number for number in (1, 5, 9) if number > after]
    assert [(each.at_ns, each.record) for each in journal.replay(6)][:2] == [
        (7, Note("n", "a", "7")), (8, Note("n", "a", "8"))
    ]  # fmt: skip
    assert [journal.body(each.number) for each in journal.replay()] == [each.body for each in journal.replay()]
    assert (journal.body(0), journal.body(11)) == (None, None)
    assert journal.append([Note("n", "a", "11")], 11) == 11


def test_a_journal_without_archives_stays_as_programs_before_can_read_it(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE)) as direct:
        assert direct.execute("PRAGMA user_version").fetchone() == (1,)
        assert listed(direct) == []
    changed(tmp_path / FILE, "DELETE FROM records WHERE record = 4")
    assert numbers(journal) == [1, 2, 3, 5, 6, 7, 8, 9, 10], "as ever"
    journal.close()


def test_who_reads_while_it_is_archived_misses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapeline.store.journal.PAGE", 2)
    journal = filled(tmp_path)
    for client_id, expected in (("", list(range(1, 11))), ("c1", [1, 5, 9])):
        reading = journal.replay(client_id=client_id)
        found = [next(reading).number]
        if not client_id:
            archive(tmp_path, 5)
            found += [next(reading).number for _ in range(3)]
        archive(tmp_path, 8 if not client_id else 10)
        assert found + [each.number for each in reading] == expected
    assert [(each.first, each.last) for each in journal.archives()] == [(1, 4), (5, 7), (8, 9)]
    journal.close()


def test_one_that_is_missing_is_named_and_a_start_needs_none(journal: Journal) -> None:
    away = journal.folder.parent / SECOND
    (journal.folder / SECOND).rename(away)
    said = (
        f"records 7 to 8 of the journal at {journal.folder} \\(1970-01-01T00:00:00.000000007Z to "
        f"1970-01-01T00:00:00.000000008Z\\) are in {SECOND}, which is not there: bring it back into that folder"
    )
    for ask in (lambda: numbers(journal), lambda: numbers(journal, 0, "c1"), lambda: journal.body(8)):
        with pytest.raises(StoreUnusable, match=said):
            ask()
    assert (numbers(journal, 8), journal.body(3) is not None) == ([9, 10], True)
    assert played(journal)[1] == (10, 10)

    whole = [each.record for each in journal.replay(8)]
    for path in snapshots(journal.folder):
        path.write_bytes(b"damaged")
    with pytest.raises(StoreUnusable, match=said):
        played(journal)
    away.rename(journal.folder / SECOND)
    assert played(journal)[1] == (0, 10)
    assert [each.record for each in journal.replay(8)] == whole


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = replace(body, '\"3\"', '\"4\"') WHERE record = 3",
        "DELETE FROM records WHERE record = 2",
        "DELETE FROM records WHERE record = 6",
        "UPDATE records SET at_ns = 3 WHERE record = 4",
        "INSERT INTO records SELECT 7, kind, account, client_id, at_ns, body FROM records WHERE record = 6",
        "UPDATE records SET account = 'b' WHERE record = 4",
    ],
)
def test_one_that_was_changed_is_no_history(journal: Journal, statement: str) -> None:
    changed(journal.folder / FIRST, statement)
    for after in (0, 4):
        with pytest.raises(StoreUnusable, match=f"in {FIRST}, which is damaged: its digest is not that of its records"):
            numbers(journal, after)
    assert numbers(journal, 6) == [7, 8, 9, 10]


def test_one_that_is_damaged_is_no_history(journal: Journal) -> None:
    path = journal.folder / FIRST
    good = path.read_bytes()
    for bad in (b"", b"no file of SQLite's" * 100, good[: len(good) // 2], good[:4096]):
        path.write_bytes(bad)
        with pytest.raises(StoreUnusable, match=f"in {FIRST}, which is damaged, or cannot be read"):
            numbers(journal)
        with pytest.raises(StoreUnusable, match=f"in {FIRST}, which is damaged"):
            journal.body(2)
    path.write_bytes(good)
    changed(path, "DELETE FROM records WHERE record = 2")
    with pytest.raises(StoreUnusable, match="which is damaged: it has no record 2"):
        journal.body(2)
    path.write_bytes(good)
    assert numbers(journal) == list(range(1, 11))


def test_one_of_another_journal_is_no_history(journal: Journal, tmp_path: Path) -> None:
    other = filled(tmp_path / "other")
    archive(other.folder, 7)
    (journal.folder / FIRST).write_bytes((other.folder / FIRST).read_bytes())
    for client_id in ("", "c1"):
        with pytest.raises(StoreUnusable, match=f"in {FIRST}, which is of another journal: bring it back"):
            numbers(journal, 0, client_id)
    (other.folder / FIRST).write_bytes((journal.folder / SECOND).read_bytes())
    changed(other.folder / FIRST, "DELETE FROM instance", ("INSERT INTO instance VALUES (?)", other.instance))
    with pytest.raises(StoreUnusable, match="which is another one than was put away"):
        numbers(other)
    other.close()


def test_what_is_nowhere_is_not_passed_over(journal: Journal) -> None:
    changed(journal.folder / FILE, "DELETE FROM records WHERE record = 9")
    with pytest.raises(StoreUnusable, match="records 9 to 9 are neither in the journal at"):
        numbers(journal)
    changed(journal.folder / FILE, ("DELETE FROM archives WHERE file = ?", FIRST))
    with pytest.raises(StoreUnusable, match="records 1 to 6 are neither in the journal at"):
        numbers(journal)
    with pytest.raises(StoreUnusable, match="has no record 9: it was changed by hand"):
        list(journal.rows(9, 10))
    with pytest.raises(StoreUnusable, match="has no record 11"):
        list(journal.rows(10, 11))


def test_a_sum_is_of_numbers_times_and_texts() -> None:
    rows = [(4, "n", "a", "", 9, "{}"), (5, "n", "a", "", 7, "{}")]
    found, other = Sum("one"), Sum("two")
    assert found.archive("f")[:5] == ("f", 0, 0, 0, 0)
    for row in rows:
        found.add(row)
        other.add(row)
    assert found.archive("f")[:5] == ("f", 4, 5, 7, 9)
    assert found.archive("f").digest != other.archive("f").digest
