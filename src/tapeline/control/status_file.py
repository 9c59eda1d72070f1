"""status.json: the last word of an instance, which outlives it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tapeline.errors import BadData


class StatusFile:
    """status.json of a store: replaced as a whole, so that a reader sees the old one or the new one, never half."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next = path.with_name(f".{path.name}.{os.getpid()}")

    def write(self, status: Mapping[str, Any]) -> None:
        """Replace it. Raises OSError where the disk says no; the old one is then still there."""
        try:
            self._next.write_bytes(msgspec.json.encode(status))
            self._next.replace(self._path)
        except OSError:
            self._next.unlink(missing_ok=True)
            raise


@dataclass(frozen=True, slots=True)
class LastWord:
    """What status.json says, and how old it is in seconds."""

    status: dict[str, Any]
    age_s: float


def read_status(path: Path, now_ns: int) -> LastWord | None:
    """The last status written; None where none ever was. Raises BadData where it cannot be read."""
    try:
        content, changed_ns = path.read_bytes(), path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadData(f"cannot read {path}: {error.strerror or error}", kind="status") from error
    try:
        status = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadData(f"{path} is no JSON object: {error}", kind="json") from error
    written_ns = status.get("written_at_ns")
    return LastWord(status, (now_ns - (written_ns if isinstance(written_ns, int) else changed_ns)) / 1e9)
