"""A store's file opened for reading only, also where nothing may be written beside it: an archived folder, a mount."""

import os
import sqlite3
from pathlib import Path
from typing import Any

from tapeline.errors import StoreUnusable


class Still(sqlite3.Connection):
    """A file that nobody writes: read without locks, and no more once somebody does, as pages could be torn."""

    file: Path

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """As ever. Raises StoreUnusable once an instance writes."""
        if _writes(self.file):
            raise StoreUnusable(f"an instance writes the store at {self.file.parent} by now: open it again")
        return super().execute(*arguments)


def is_still(file: Path) -> bool:
    """Whether this process may write nothing beside the file, and nobody else does."""
    shared = file.with_name(f"{file.name}-shm")
    return not os.access(file.parent, os.W_OK) and not shared.exists() and not _writes(file)


def open_for_reading(file: Path) -> sqlite3.Connection:
    """A connection that cannot write. A write-ahead log needs a file beside it even to be read: `Still` does not."""
    uri = f"{file.resolve().as_uri()}?mode=ro"
    if not is_still(file):
        return sqlite3.connect(uri, uri=True, timeout=5.0)
    still = sqlite3.connect(f"{uri}&immutable=1", uri=True, timeout=5.0, factory=Still)
    still.file = file
    return still


def _writes(file: Path) -> bool:
    try:
        return file.with_name(f"{file.name}-wal").stat().st_size > 0
    except OSError:
        return False
