"""Moving the oldest records of a journal into an archive beside it, so that the file gets smaller and nothing is lost.

Copied aside, on the disk, read back and compared, named, put on the journal's list; only then deleted where they were.
Killed at any step, the next call finishes what was begun or throws it away; until the list has them they are where they
were, and from then on every reader takes them from the archive.
"""

import os
import re
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tapeline.errors import NotHeld, StoreBehind, StoreUnusable, TimedOut
from tapeline.store.journal import FILE, LEADER, Journal
from tapeline.store.journal_archived import INDEX, SCHEMA, Archive, Row, Sum, archived_entries
from tapeline.store.lock import StoreLock
from tapeline.store.snapshot import covered, sync, write
from tapeline.store.trouble import is_outside, said

ASIDE = "journal-archive.part"
BATCH = 50_000  # records a transaction: a halt or the watchdog that appends meanwhile waits for no more
REMEDY = "a journal is archived between two runs, so stop that one first; nothing was moved"
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NAME = re.compile(r"journal-(\d{15})-(\d{15})\.sqlite", re.ASCII)


class Archived(NamedTuple):
    """What a call did: archives that are on the list since, records deleted where they were, bytes before and after.

    `first` is the first record that stayed; 0 of an empty journal.
    """

    archives: list[Archive]
    dropped: int
    first: int
    bytes_before: int
    bytes_after: int


def archive(folder: Path, before_ns: int, say: Callable[[str], object] = lambda _text: None) -> Archived:
    """Move what is older than `before_ns`, and behind what no start has to know, into an archive in the same folder.

    What stays is the newest snapshot's last record, all behind it, and all from the first record on that is not older.
    A snapshot is written first where the newest sound one is older than that. `say` hears of snapshots and files that
    are left alone. Raises NotHeld where there is no journal, StoreLocked while a run leads it, StoreUnusable where a
    disk is full, read-only or damaged, TimedOut where others keep it locked, OSError from the snapshot.
    """
    if not (folder / FILE).is_file():
        raise NotHeld(f"there is no journal in {folder}")
    lock = StoreLock(folder, LEADER, REMEDY)
    lock.acquire()
    try:
        before = size_of(folder)
        with _in_words(folder), closing(Journal(folder)) as journal:
            _discard(folder)
            made = list(_finished(journal, say))
            first, last = journal.span()
            kept = _first_kept(journal, before_ns, say)
            if first < kept <= last:
                made.append(_put_away(journal, first, kept - 1))
            dropped = _dropped(journal)
            journal.shrink()
            kept = journal.span()[0]
    finally:
        lock.release()
    return Archived(made, dropped, kept, before, size_of(folder))


def begun(folder: Path, listed: list[Archive]) -> list[str]:
    """Files of archives that a call left when it was killed: the next one finishes them, or throws them away."""
    known = {each.file for each in listed}
    found = sorted(path.name for path in folder.glob("journal-*.sqlite") if _NAME.fullmatch(path.name))
    aside = [ASIDE] if (folder / ASIDE).exists() else []
    return [*(name for name in found if name not in known), *aside]


def size_of(folder: Path) -> int:
    """Bytes of the journal's own file and its write-ahead log."""
    return sum(path.stat().st_size for path in (folder / FILE, folder / f"{FILE}-wal") if path.is_file())


# ---- within ------------------------------------------------------------------------------------------------------


def _first_kept(journal: Journal, before_ns: int, say: Callable[[str], object]) -> int:
    """The first number that stays: of the time that is asked for, and no later than the newest snapshot's last."""
    first, last = journal.span()
    wanted = journal.since(before_ns) or last
    if wanted <= first:
        return first
    record, method = covered(journal, say)
    if record < wanted:
        record = write(journal, method=method, say=say)
    return min(wanted, record)


def _put_away(journal: Journal, first: int, last: int) -> Archive:
    """Copy, read back, name, list: each whole before the next."""
    folder, name = journal.folder, f"journal-{first:015d}-{last:015d}.sqlite"
    if (folder / name).exists():
        raise StoreUnusable(f"{folder / name} is in the way, and does not hold these records: move it away")
    aside = folder / ASIDE
    try:
        made = _copied(journal, aside, first, last)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        _readable(journal, made)
        aside.rename(folder / name)
        sync(folder)
    except BaseException:
        with suppress(OSError):  # the room is given back where it can be; the next call begins anew
            _discard(folder)
        raise
    journal.put_away(made._replace(file=name))
    return made._replace(file=name)


def _copied(journal: Journal, aside: Path, first: int, last: int) -> Archive:
    found = Sum(journal.instance)
    with closing(sqlite3.connect(aside, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = OFF")  # it is whole or thrown away
        copy.execute("PRAGMA synchronous = OFF")  # but once, when all of it is there
        copy.executescript(SCHEMA)
        copy.execute("BEGIN")
        copy.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", _summed(journal, first, last, found))
        copy.execute(INDEX)
        copy.execute("INSERT INTO instance VALUES (?)", (journal.instance,))
        made = found.archive(aside.name)
        copy.execute("INSERT INTO archive VALUES (?, ?, ?)", (made.first, made.last, made.digest))
        copy.execute("COMMIT")
    return made


def _summed(journal: Journal, first: int, last: int, to: Sum) -> Iterator[Row]:
    for row in journal.rows(first, last):
        to.add(row)
        yield row


def _readable(journal: Journal, copy: Archive) -> None:
    if not _holds(journal, copy):
        raise StoreUnusable(f"{copy.file} cannot be read as it was written: look at the disk; nothing was moved")


def _holds(journal: Journal, archive: Archive) -> bool:
    """Whether a reader finds all of it in its file, by count and digest."""
    try:
        read = sum(1 for _ in archived_entries(journal.folder, journal.instance, archive))
    except StoreUnusable:
        return False
    return read == archive.last - archive.first + 1


def _finished(journal: Journal, say: Callable[[str], object]) -> Iterator[Archive]:
    """What has its name and is not on the list: a call was killed between the two."""
    for name in begun(journal.folder, journal.archives()):
        first, end = journal.span()
        match = _NAME.fullmatch(name)
        if match is not None and first == int(match[1]) <= int(match[2]) < end:
            found = Sum(journal.instance)
            deque(_summed(journal, first, int(match[2]), found), maxlen=0)
            if _holds(journal, found.archive(name)):
                journal.put_away(found.archive(name))
                yield found.archive(name)
                continue
        say(f"{name} is left alone: it is not on the journal's list, and is not what comes next on it")


def _dropped(journal: Journal) -> int:
    """Delete what is put away, also what a call before left."""
    dropped = 0
    while found := journal.drop(BATCH):
        dropped += found
    return dropped


def _discard(folder: Path) -> None:
    for path in folder.glob(f"{ASIDE}*"):
        path.unlink()


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    """What disk and SQLite say, with what to do."""
    try:
        yield
    except TimedOut as error:
        raise StoreUnusable(f"{error}: run it again, it goes on where it stopped") from error
    except (sqlite3.Error, OSError, StoreBehind) as error:
        cause = error.__cause__ if isinstance(error, StoreBehind) else error
        assert isinstance(cause, sqlite3.Error | OSError), "that is what it is raised from"
        if not is_outside(cause):
            raise
        if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise StoreUnusable(
                f"the journal at {folder} is damaged ({cause}): keep the folder, and bring back a copy of before"
            ) from error
        raise StoreUnusable(f"{said(cause, folder)}; nothing of the journal is lost by this") from error
