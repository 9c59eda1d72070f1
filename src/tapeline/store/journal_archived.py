"""Archives beside a journal: its oldest records, moved and never changed, read as if they still stood in it.

An archive is an SQLite file with the same `records`, whole or not there. The journal lists each with its numbers and
its digest: one that is missing, damaged or of another journal is an error with its name, never a shorter history.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

from tapeline.errors import StoreUnusable
from tapeline.model.stamp import iso
from tapeline.store.trouble import is_outside

SCHEMA = """
CREATE TABLE records (
    record INTEGER PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, client_id TEXT NOT NULL,
    at_ns INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE instance (name TEXT NOT NULL);
CREATE TABLE archive (first INTEGER NOT NULL, last INTEGER NOT NULL, digest TEXT NOT NULL);
"""
INDEX = "CREATE INDEX records_of_order ON records (client_id) WHERE client_id <> ''"
Row = tuple[int, str, str, str, int, str]
"""A record as it stands in the table: number, kind, account, client id, time, text."""
_encode = msgspec.msgpack.Encoder().encode


class Archive(NamedTuple):
    """One, as the journal lists it: records `first` to `last`, of these times, and the digest of them all."""

    file: str
    first: int
    last: int
    from_ns: int
    to_ns: int
    digest: str


class Sum:
    """A journal's records, one after the other, summed up: their digest, and their times."""

    def __init__(self, instance: str) -> None:
        self._hash = blake2b(_encode(instance), digest_size=16)
        self._first = self._last = 0
        self._times: tuple[int, int] | None = None

    def add(self, row: Row) -> None:
        """The next."""
        number, at_ns = row[0], row[4]
        self._hash.update(_encode(row))
        self._first, self._last = self._first or number, number
        self._times = (
            (at_ns, at_ns) if self._times is None else (min(self._times[0], at_ns), max(self._times[1], at_ns))
        )

    def archive(self, file: str) -> Archive:
        """All so far, as what this file holds."""
        from_ns, to_ns = self._times or (0, 0)
        return Archive(file, self._first, self._last, from_ns, to_ns, self._hash.hexdigest())


def listed(connection: sqlite3.Connection) -> list[Archive]:
    """What a journal's file says was put away, oldest first."""
    if int(connection.execute("PRAGMA user_version").fetchone()[0]) < 2:  # see MIGRATIONS of `journal`
        return []
    query = "SELECT file, first, last, from_ns, to_ns, digest FROM archives ORDER BY first"
    return [Archive(*row) for row in connection.execute(query)]


def archived_entries(
    folder: Path, instance: str, archive: Archive, after: int = 0, client_id: str = ""
) -> Iterator[tuple[int, int, str]]:
    """(number, time, text) of all behind this number, or of one order. Raises StoreUnusable.

    All of it is read for the digest, but for one order; so it may raise behind the last of them.
    """
    with _opened(folder, instance, archive) as connection:
        if client_id:
            query = "SELECT record, at_ns, body FROM records WHERE client_id = ? AND record > ? ORDER BY record"
            yield from connection.execute(query, (client_id, after))
            return
        found = Sum(instance)
        for row in connection.execute(
            "SELECT record, kind, account, client_id, at_ns, body FROM records ORDER BY record"
        ):
            found.add(row)
            if row[0] > after:
                yield row[0], row[4], row[5]
        if found.archive(archive.file).digest != archive.digest:
            raise _useless(folder, archive, "is damaged: its digest is not that of its records")


def archived_body(folder: Path, instance: str, archive: Archive, number: int) -> str:
    """The very text of one of its records. Raises StoreUnusable."""
    with _opened(folder, instance, archive) as connection:
        row = connection.execute("SELECT body FROM records WHERE record = ?", (number,)).fetchone()
        if row is None:
            raise _useless(folder, archive, f"is damaged: it has no record {number}")
        return str(row[0])


@contextmanager
def _opened(folder: Path, instance: str, archive: Archive) -> Iterator[sqlite3.Connection]:
    path = folder / archive.file
    if not path.is_file():
        raise _useless(folder, archive, "is not there")
    try:
        # Nobody writes it: so it is read without a lock, and where nothing may be written.
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            _belongs(connection, folder, instance, archive)
            yield connection
        finally:
            connection.close()
    except (sqlite3.Error, OSError) as error:
        if not is_outside(error):
            raise
        raise _useless(folder, archive, f"is damaged, or cannot be read ({error})") from error


def _belongs(connection: sqlite3.Connection, folder: Path, instance: str, archive: Archive) -> None:
    of = connection.execute("SELECT name FROM instance").fetchone()
    if of != (instance,):
        raise _useless(folder, archive, "is of another journal")
    what = connection.execute("SELECT first, last, digest FROM archive").fetchone()
    if what != (archive.first, archive.last, archive.digest):
        raise _useless(folder, archive, "is another one than was put away")


def _useless(folder: Path, archive: Archive, why: str) -> StoreUnusable:
    return StoreUnusable(
        f"records {archive.first} to {archive.last} of the journal at {folder} ({iso(archive.from_ns)} to "
        f"{iso(archive.to_ns)}) are in {archive.file}, which {why}: bring it back into that folder"
    )
