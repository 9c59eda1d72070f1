"""SQLite straight to Arrow, by ADBC: no Python object a value. Read-only, and shared by all stores of one file.

ADBC brings an SQLite of its own beside Python's, and the system drops all locks a process has on a file when either
closes it. So the connection is opened once a file and closed with the last Store of it, never while another one reads;
and a process that writes a store does not read it this way.
"""

import atexit
import json
import os
import threading
from pathlib import Path
from typing import Any

from tapeline.store.extras import installed
from tapeline.store.reading import is_still

_ONE_BATCH = 2**30  # rows: the types of columns are told from the first batch, and a column may begin with NULLs


class _Handle:
    """One file's connection, and how many stores are open on the file."""

    def __init__(self) -> None:
        self.users = 0
        self.connection: Any = None


_handles: dict[Path, _Handle] = {}  # by file: what SQLite itself keeps by process, and for the same reason
_guard = threading.Lock()


def register(file: Path) -> None:
    """A store of this file was opened."""
    with _guard:
        _handles.setdefault(file, _Handle()).users += 1


def release(file: Path) -> None:
    """It was closed; after the last one nothing of ours holds the file."""
    with _guard:
        handle = _handles[file]
        handle.users -= 1
        if handle.users == 0:
            del _handles[file]
            _end(handle)


def arrow(file: Path, sql: str, parameters: tuple[Any, ...]) -> Any | None:
    """The rows of a query as an Arrow table; None without the driver, and where this process writes the store.

    None also where the driver could not open it: beside the file nothing may be written; and where it fails, as it may
    in a damaged file: read by SQLite itself, that has words of ours.
    """
    if not installed("adbc_driver_sqlite.dbapi") or _writer(file.parent) == os.getpid() or is_still(file):
        return None
    import adbc_driver_sqlite.dbapi as driver  # noqa: PLC0415  # optional

    with _guard:
        handle = _handles[file]
        try:
            if handle.connection is None:
                handle.connection = driver.connect(f"{file.as_uri()}?mode=ro")
            with handle.connection.cursor(adbc_stmt_kwargs={"adbc.sqlite.query.batch_rows": _ONE_BATCH}) as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetch_arrow_table()
        except driver.Error:
            return None


def _end(handle: _Handle) -> None:
    if handle.connection is not None:
        handle.connection.close()
        handle.connection = None


def _end_all() -> None:
    """A notebook seldom closes its store, and the driver cannot end itself once the interpreter goes."""
    for handle in _handles.values():
        _end(handle)


def _writer(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / "lock").read_bytes())["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


atexit.register(_end_all)
