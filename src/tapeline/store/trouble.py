"""What the disk or SQLite says, in words that name the file and the remedy; it decides nothing."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tapeline.errors import StoreUnusable

_DAMAGED = (
    "stop what writes it and keep the folder; `sqlite3 series.sqlite .recover` may save its rows, a new store and "
    "`tapeline backfill` or `tapeline import` bring back what venues and files still have"
)
_NOT_OURS = "give this user the right to write there, or name a folder where it may"
_FULL = "free some room, and run it again: it goes on where it stopped"
_SQLITE: dict[int, tuple[str, str]] = {  # SQLite's primary result code -> what it means, what to do
    sqlite3.SQLITE_NOTADB: ("is no store, or damaged", _DAMAGED),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _DAMAGED),
    sqlite3.SQLITE_FULL: ("has no room left on its disk", _FULL),
    sqlite3.SQLITE_READONLY: ("may only be read", _NOT_OURS),
    sqlite3.SQLITE_PERM: ("may not be used by this user", _NOT_OURS),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "to read a store beside which nothing may be written and whose last writer did not end well, copy the folder "
        "and open the copy; to write it, " + _NOT_OURS,
    ),
    sqlite3.SQLITE_BUSY: ("is locked by another program", "wait for it to end, and run it again"),
    sqlite3.SQLITE_LOCKED: ("is locked by another program", "wait for it to end, and run it again"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", "look at the disk: the system's log says more"),
}
_SYSTEM: dict[int, str] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _NOT_OURS,
    errno.EACCES: _NOT_OURS,
    errno.EPERM: _NOT_OURS,
    errno.EEXIST: "a file is where a folder should be: name another folder",
    errno.ENOTDIR: "a file is where a folder should be: name another folder",
    errno.ENOENT: "is the path right?",
    errno.EIO: "look at the disk: the system's log says more",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
}


def said(error: sqlite3.Error | OSError, store: str | Path = "") -> str:
    """One sentence for an error of the disk or of SQLite. `store` is its folder, where it is known."""
    if isinstance(error, OSError):
        named = str(error.filename or store or "a file")
        remedy = _SYSTEM.get(error.errno or 0, "")
        return f"{named}: {error.strerror or error}" + (f": {remedy}" if remedy else "")
    where = f"the store at {store}" if str(store) else "the store"
    found = _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return f"{where} {found[0]} ({error}): {found[1]}" if found else f"{where} cannot be used: {error}"


def is_outside(error: BaseException) -> bool:
    """Whether the disk, the system or the file is at fault, and not what we asked of SQLite."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
    return isinstance(error, OSError)


@contextmanager
def usable(store: Path) -> Iterator[None]:
    """What the disk or SQLite says while a store is opened becomes StoreUnusable."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        if not is_outside(error):
            raise
        raise StoreUnusable(said(error, store)) from error
