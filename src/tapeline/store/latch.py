"""The halt of an account, on disk: one small file per (account, mode) in the user's state directory.

Every process that trades with the account reads it before each order (a `stat`, some two microseconds) and a change
takes hold at once in all of them. It outlives restarts. What cannot be read is `halted`.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

from tapeline.clock import Clock
from tapeline.errors import BadData, Refused, TimedOut
from tapeline.trading.halt import STATES, Change, Kept, Latch, resume, worsen

LOCK_S = 1.0  # a process that was stopped while it held the lock keeps nobody from halting for longer
_ASK_S = 0.005
_read = msgspec.json.Decoder(Latch).decode
_write = msgspec.json.Encoder().encode

Signature = tuple[int, int, int]


def latch_folder(environ: Mapping[str, str]) -> Path:
    """Where all latches of this user are."""
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    return Path(home) / "tapeline" / "halt"


def latches(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """(account, mode) of every latch there is."""
    found = []
    for path in sorted(latch_folder(environ).glob("*.json")):
        mode, _, account = path.stem.partition("-")
        found.append((unquote(account), mode))
    return found


class HaltLatch:
    """The latch of one account in one mode. Cheap to read, safe to change from any process."""

    def __init__(self, account: str, mode: str, environ: Mapping[str, str], clock: Clock) -> None:
        self.account, self.mode = account, mode
        self._path = latch_folder(environ) / f"{mode}-{quote(account, safe='')}.json"
        self._clock = clock
        self._seen: Signature | None = None
        self._latch = Latch()

    def read(self) -> Latch:
        """How the account stands this moment. A file that is gone leaves what was read last; a bad one is `halted`."""
        try:
            found = os.stat(self._path)  # noqa: PTH116  # half the time of Path.stat, before every order
        except FileNotFoundError:
            return self._latch
        except OSError as error:
            return self._unreadable(error)
        signature = (found.st_ino, found.st_mtime_ns, found.st_size)
        if signature != self._seen:
            try:
                self._latch, self._seen = _sound(_read(self._path.read_bytes())), signature
            except (OSError, msgspec.MsgspecError, BadData) as error:
                return self._unreadable(error)
        return self._latch

    @property
    def state(self) -> str:
        """Of `read()`."""
        return self.read().state

    def worsen(self, state: str, *, who: str, why: str, outside: bool = False) -> Change | Kept:
        """Ask for a worse state: it holds, and is durable, when this returns. The change is for the journal.

        Where another process keeps the lock for over a second it is taken without it: a halt does not wait.
        """
        return self._change(
            lambda latch, at_ns: worsen(latch, state, who=who, why=why, at_ns=at_ns, outside=outside), must=True
        )

    def resume(self, state: str = "running", *, who: str, why: str) -> Change | Kept:
        """Ask for a better state, as a person and with a reason. Raises TimedOut where another holds the lock."""
        return self._change(lambda latch, at_ns: resume(latch, state, who=who, why=why, at_ns=at_ns), must=False)

    def _change(self, act: Callable[[Latch, int], Latch | Kept], *, must: bool) -> Change | Kept:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked(must=must):
            found = act(self.read(), self._clock.wall_ns())
            if isinstance(found, Kept):
                return found
            self._replace(found)
            self._latch = found
            return found.changes[-1]

    def _replace(self, latch: Latch) -> None:
        """The new file takes the old one's place whole, and both it and its name are on the disk."""
        before_ns = 0 if self._seen is None else self._seen[1]
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, _write(latch))
            stamp_ns = max(self._clock.wall_ns(), before_ns + 1)
            os.utime(file, ns=(stamp_ns, stamp_ns))  # two changes within one tick of the system's clock differ
            os.fsync(file)
        finally:
            os.close(file)
        temporary.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._seen = None

    def _unreadable(self, error: Exception) -> Latch:
        """Nobody knows how it stands: as if halted. A person's resume writes it anew."""
        why = f"the latch {self._path} cannot be read: {error}"
        if self._latch.rank >= Latch(state="halted").rank:
            return self._latch
        return Latch(state="halted", at_ns=self._clock.wall_ns(), who="latch", why=why, changes=self._latch.changes)

    @contextmanager
    def _locked(self, *, must: bool) -> Iterator[None]:
        file = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = self._clock.now() + LOCK_S
            while not _taken(file):
                if self._clock.now() >= until:
                    if must:
                        break
                    raise TimedOut(f"another process changes the halt of {self.account}: try again")
                time.sleep(_ASK_S)
            yield
        finally:
            os.close(file)


def _sound(latch: Latch) -> Latch:
    if latch.state not in STATES:
        raise BadData(f"{latch.state!r} is no state of the ladder")
    return latch


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def refused(found: Change | Kept) -> Change | Kept:
    """The same, unless it was refused: that raises Refused with the reason."""
    if isinstance(found, Kept) and found.refused:
        raise Refused(found.text)
    return found
