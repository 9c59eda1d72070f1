"""Where a running instance listens, and who that is: the socket's path and the store's `lock` file."""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tapeline.errors import ConfigError

PATH_BYTES = 107  # sun_path, less its closing zero


def socket_path(store: Path, environ: Mapping[str, str]) -> Path:
    """Where the instance that writes this store listens; one path a store. Makes the runtime directory.

    Raises ConfigError where no private directory with a short enough path can be had.
    """
    name = hashlib.sha256(os.fsencode(store.resolve())).hexdigest()[:16] + ".sock"
    private = Path(tempfile.gettempdir()) / f"tapeline-{os.getuid()}"
    given = environ.get("XDG_RUNTIME_DIR")
    places = [Path(given) / "tapeline", private] if given else [private]
    reasons = []
    for place in places:
        if len(os.fsencode(place / name)) > PATH_BYTES:
            reasons.append(f"{place} is too long for a socket ({PATH_BYTES} bytes with the name)")
            continue
        try:
            _make_private(place)
        except OSError as error:
            reasons.append(f"{place}: {error.strerror or error}")
            continue
        return place / name
    raise ConfigError(f"no runtime directory for the control socket: {'; '.join(reasons)}. Set XDG_RUNTIME_DIR.")


def _make_private(place: Path) -> None:
    """Make the directory, ours alone. Raises OSError where it is, or may be made, another's."""
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    found = place.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{place} is not a directory of this user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        place.chmod(0o700)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who writes a store: its process, and where it listens ("" where it does not)."""

    pid: int
    socket: str

    @property
    def alive(self) -> bool:
        """Whether that process is there. Another may have its number by now."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def read_lock(path: Path) -> Holder | None:
    """Who a store's `lock` file names; None where there is none, or it names nobody.

    Nor does one that was copied with its folder: who is named there writes the other store, and is not to be asked or
    told anything of this one.
    """
    try:
        note = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        if note.get("inode", inode := path.stat().st_ino) != inode:
            return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):  # another process writes it: half a note is no note
        return None
    pid, listens = note.get("pid"), note.get("socket")
    if not isinstance(pid, int) or pid <= 0:
        return None
    return Holder(pid, listens if isinstance(listens, str) else "")
