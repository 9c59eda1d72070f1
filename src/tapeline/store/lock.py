"""One writer a store: an advisory lock on `lock`, which names the process that holds it and where it listens."""

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tapeline.errors import StoreLocked
from tapeline.store.trouble import usable


class StoreLock:
    """Held from `acquire` to `release`; the system drops it with the process, however that ends."""

    def __init__(self, folder: Path, name: str = "lock", remedy: str = "stop it, or use another folder") -> None:
        self._path, self._remedy = folder / name, remedy
        self._file: int | None = None

    def acquire(self, socket: str = "") -> None:
        """Take it. Raises StoreLocked naming the process that has it, StoreUnusable where it cannot be made."""
        with usable(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(file, 4096).decode(errors="replace")
            os.close(file)
            raise StoreLocked(
                f"another instance ({_pid(holder)}) writes the store at {self._path.parent}: {self._remedy}"
            ) from error
        os.truncate(file, 0)
        with _no_room_suppressed():  # the lock holds without a name: `compact` must be able to make room
            note = {"pid": os.getpid(), "socket": socket, "inode": os.fstat(file).st_ino}  # a copy of it has another
            os.write(file, json.dumps(note).encode())
        self._file = file

    def release(self) -> None:
        """Give it back; doing so twice changes nothing."""
        if self._file is not None:
            os.truncate(self._file, 0)
            os.close(self._file)
            self._file = None


@contextlib.contextmanager
def _no_room_suppressed() -> Iterator[None]:
    """Go on where the disk is full, and only there."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise


def _pid(text: str) -> str:
    try:
        return f"process {json.loads(text)['pid']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has not said its number"
