"""A store's file opened for reading only, also where nothing may be written beside it: an archived folder, a mount."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tapeline.errors import ConfigError, StoreClosed, StoreUnusable, TapelineError
from tapeline.store.trouble import is_outside, said


class Answer(sqlite3.Cursor):
    """Rows as they are read: a page of the file that is damaged may be met at the last of them."""

    connection: "Reading"

    def execute(self, *arguments: Any) -> "Answer":
        """As ever. Raises StoreUnusable, as all that reads does."""
        with self.connection.readable():
            super().execute(*arguments)
        return self

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # typeshed has the cursor itself for one
        with self.connection.readable():
            yield from iter(super().fetchone, None)  # a call of C's for each row, none of ours

    def __next__(self) -> Any:
        with self.connection.readable():
            return super().__next__()

    def fetchone(self) -> Any:
        """The next row, or None."""
        with self.connection.readable():
            return super().fetchone()

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        with self.connection.readable():
            return super().fetchall()


class Reading(sqlite3.Connection):
    """A store's file, read. What the disk or SQLite says of it becomes StoreUnusable, whatever is asked."""

    folder: Path
    thread: int
    closed = False

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """As ever. Raises StoreUnusable; StoreClosed after `close`, ConfigError in another thread."""
        with self.readable():
            answer = self.cursor(Answer)
        return answer.execute(*arguments)

    def close(self) -> None:
        """As ever; what is read from it afterwards raises StoreClosed."""
        with self.readable():
            super().close()
        self.closed = True

    @contextmanager
    def readable(self) -> Iterator[None]:
        """What is said while it is read, in words of ours."""
        try:
            yield
        except (sqlite3.DatabaseError, OSError) as error:
            told = self._told(error)
            if told is None:
                raise
            raise told from error

    def after_close(self) -> StoreClosed:
        """What a read raises then."""
        return StoreClosed(f"the store at {self.folder} was closed: open it again, and read before it is closed")

    def _told(self, error: sqlite3.DatabaseError | OSError) -> TapelineError | None:
        if is_outside(error):
            return StoreUnusable(said(error, self.folder))
        if isinstance(error, sqlite3.ProgrammingError) and self.closed:
            return self.after_close()
        if isinstance(error, sqlite3.ProgrammingError) and threading.get_ident() != self.thread:
            return ConfigError(
                f"the store at {self.folder} was opened by another thread: open it once more in this one"
            )
        return None


class Still(Reading):
    """A file that nobody writes: read without locks, and no more once somebody does, as pages could be torn."""

    file: Path

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """As ever. Raises StoreUnusable once an instance writes, too."""
        if _writes(self.file):
            raise StoreUnusable(f"an instance writes the store at {self.file.parent} by now: open it again")
        return super().execute(*arguments)


def is_still(file: Path) -> bool:
    """Whether this process may write nothing beside the file, and nobody else does."""
    shared = file.with_name(f"{file.name}-shm")
    return not os.access(file.parent, os.W_OK) and not shared.exists() and not _writes(file)


def open_for_reading(file: Path) -> Reading:
    """A connection that cannot write. A write-ahead log needs a file beside it even to be read: `Still` does not."""
    uri = f"{file.resolve().as_uri()}?mode=ro"
    if is_still(file):
        still = sqlite3.connect(f"{uri}&immutable=1", uri=True, timeout=5.0, factory=Still)
        still.file = file
        found: Reading = still
    else:
        found = sqlite3.connect(uri, uri=True, timeout=5.0, factory=Reading)
    found.folder, found.thread = file.parent, threading.get_ident()
    return found


def _writes(file: Path) -> bool:
    try:
        return file.with_name(f"{file.name}-wal").stat().st_size > 0
    except OSError:
        return False
