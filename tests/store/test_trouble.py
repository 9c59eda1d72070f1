import errno
import sqlite3
from pathlib import Path

import pytest

from tapeline.errors import NotHeld, StoreUnusable
from tapeline.store.reader import open_store
from tapeline.store.schema import FILE
from tapeline.store.series import SeriesStore
from tapeline.store.trouble import said, usable


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("its words")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (sqlite3.SQLITE_FULL, "the store at d has no room left on its disk (its words): free some room"),
        (sqlite3.SQLITE_READONLY, "the store at d may only be read (its words): give this user the right"),
        (sqlite3.SQLITE_BUSY, "the store at d is locked by another program (its words): wait"),
        (sqlite3.SQLITE_IOERR | 10 << 8, "the store at d cannot be read or written (its words): look at the disk"),
        (sqlite3.SQLITE_CANTOPEN, "the store at d cannot be opened (its words): to read a store"),
        (sqlite3.SQLITE_ERROR, "the store at d cannot be used: its words"),
    ],
)
def test_what_sqlite_says_has_a_remedy(code: int, sentence: str) -> None:
    assert said(of_sqlite(code), "d").startswith(sentence)


def test_what_the_system_says_has_the_file_and_a_remedy() -> None:
    assert said(OSError(errno.EROFS, "Read-only file system", "/d/lock")) == (
        "/d/lock: Read-only file system: give this user the right to write there, or name a folder where it may"
    )
    assert said(OSError(errno.EFBIG, "File too large", "/d/x"), "d") == "/d/x: File too large"
    assert said(OSError("odd"), "d") == "d: odd"


def test_only_the_disk_s_words_are_turned() -> None:
    with pytest.raises(StoreUnusable, match="the store at d is damaged"), usable(Path("d")):
        raise of_sqlite(sqlite3.SQLITE_CORRUPT)
    with pytest.raises(NotHeld), usable(Path("d")):
        raise NotHeld("x")
    with pytest.raises(sqlite3.ProgrammingError), usable(Path("d")):
        raise sqlite3.ProgrammingError("ours")


@pytest.mark.parametrize("content", [b"no database at all" * 500, None])
def test_a_damaged_store_is_said_to_readers_and_writers(tmp_path: Path, content: bytes | None) -> None:
    SeriesStore(tmp_path).close()
    file = tmp_path / FILE
    file.write_bytes(content or file.read_bytes()[:8192])
    for open_ in (open_store, SeriesStore):
        with pytest.raises(StoreUnusable, match=f"the store at {tmp_path} is .*tapeline backfill"):
            open_(tmp_path)
    assert file.read_bytes()[:8192] == (content or b"SQLite format 3")[:8192] or content is None
