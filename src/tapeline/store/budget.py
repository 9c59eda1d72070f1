"""What every process of this user on this host spends at one venue and address: a small file under a lock.

One short locked read and write a request (some 50 us); the system drops the lock with a process that dies. It never
waits: a lock that is busy, or a file that cannot be used, costs a moment or the sharing, never the request.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
import structlog

from tapeline.clock import Clock
from tapeline.venues.spec import Allowance

SLOTS = 50  # a window is counted in so many parts
JITTER_S = 0.1  # requests reach the venue closer together than they left by as much as this
BUSY_S = 0.002  # another process has the lock this very moment
PATIENCE_S = 1.0  # one that has it for longer is stopped: we go on by our own account
SILENCE_WITHIN_S = 0.05
OLD_S = 7 * 86400.0  # files of addresses that nobody has asked for so long go
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_log = structlog.get_logger("tapeline")
_Found = TypeVar("_Found")


class _State(msgspec.Struct):
    """Seconds are monotonic, which all processes of one boot share; a silence outlives the boot by the wall clock."""

    boot: str = ""
    silent_until: float = 0.0
    silent_until_ns: int = 0
    doubt_at: float | None = None  # when an account that could not be read was begun anew: it may have been full
    spent: dict[str, dict[int, float]] = {}  # by allowance, then by slot


_read = msgspec.json.Decoder(_State).decode
_write = msgspec.json.Encoder().encode


def budget_path(venue: str, base_url: str, environ: Mapping[str, str]) -> Path:
    """The file of a venue at an address, in the user's state directory."""
    home = environ.get("XDG_STATE_HOME") or Path(environ.get("HOME") or Path.home()) / ".local" / "state"
    host = re.sub(r"[^A-Za-z0-9.-]", "_", urlsplit(base_url).netloc)
    return Path(home) / "tapeline" / "budget" / f"{venue}-{host}.json"


class HostBudget:
    """A `SharedBudget`. `unshared` counts requests that went by our own account alone."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._file: int | None = None
        self._busy_since: float | None = None
        self._told = False
        self.unshared = 0

    def take(self, allowance: Allowance, cost: float, most: float) -> tuple[float, float]:
        """(seconds of silence the venue asked for, seconds until there is room); where both are 0 it is spent."""
        found = self._with_state(lambda state: self._taken(state, allowance, cost, most))
        now = self._clock.now()
        if found is not None:
            self._busy_since = None
            return found
        if self._file is not None:
            self._busy_since = now if self._busy_since is None else self._busy_since
            if now - self._busy_since < PATIENCE_S:
                return 0.0, BUSY_S
        self.unshared += 1
        return 0.0, 0.0

    def silence(self, for_s: float) -> None:
        """No process asks this venue anything for so long."""

        def silenced(state: _State) -> bool:
            state.silent_until = max(state.silent_until, self._clock.now() + for_s)
            state.silent_until_ns = max(state.silent_until_ns, self._clock.wall_ns() + int(for_s * 1e9))
            return True

        until = self._clock.now() + SILENCE_WITHIN_S
        while self._with_state(silenced) is None and self._file is not None and self._clock.now() < until:
            time.sleep(BUSY_S / 4)  # the one thing that must not be lost: others would ask on and be banned for longer

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _taken(self, state: _State, allowance: Allowance, cost: float, most: float) -> tuple[float, float]:
        now = self._clock.now()
        silent_s = max(0.0, state.silent_until - now)
        if silent_s:
            return silent_s, 0.0
        width = allowance.window_s / SLOTS
        lasts = allowance.window_s + width + JITTER_S
        if state.doubt_at is not None and now < state.doubt_at + lasts:
            return 0.0, state.doubt_at + lasts - now
        here = int(now // width)
        spent = {
            slot: weight
            for slot, weight in sorted(state.spent.get(allowance.name, {}).items())
            if slot * width + lasts > now and slot <= here
        }
        over = sum(spent.values()) + cost - most
        ready_at = now
        for slot, weight in spent.items():
            if over <= 1e-9:
                break
            over -= weight
            ready_at = slot * width + lasts
        if ready_at <= now:
            spent[here] = spent.get(here, 0.0) + cost
        state.spent[allowance.name] = spent
        return 0.0, ready_at - now

    def _with_state(self, act: Callable[[_State], _Found]) -> _Found | None:
        """What `act` makes of the account, which is then written; None where the file is busy or of no use."""
        try:
            with self._locked() as file:
                if file is None:
                    return None
                before = os.pread(file, 1 << 20, 0)
                state = self._state(before)
                found = act(state)
                body = _write(state)
                os.pwrite(file, body, 0)
                if len(body) < len(before):
                    os.ftruncate(file, len(body))
                return found
        except OSError as error:
            self.close()
            if not self._told:
                self._told = True
                _log.warning(
                    "budget", problem="not shared with other processes", file=str(self._path), error=str(error)
                )
            return None

    @contextmanager
    def _locked(self) -> Iterator[int | None]:
        """The open file under its lock; None where another process has it."""
        if self._file is not None and os.fstat(self._file).st_nlink == 0:
            self.close()  # it was cleared away
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _clear(self._path.parent, self._clock.wall_ns() / 1e9 - OLD_S)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        file = self._file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _state(self, body: bytes) -> _State:
        boot = _boot(_BOOT)
        if not body:
            return _State(boot)
        try:
            state = _read(body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _log.warning(
                "budget", problem="cannot be read: taken for full, requests wait a window", file=str(self._path)
            )
            return _State(boot, doubt_at=self._clock.now())
        if state.boot != boot:
            left_s = max(0.0, (state.silent_until_ns - self._clock.wall_ns()) / 1e9)
            return _State(boot, self._clock.now() + left_s, state.silent_until_ns)
        return state


@cache
def _boot(path: Path) -> str:
    """This boot's name: no process sees two."""
    with suppress(OSError):
        return path.read_text().strip()
    return ""


def _clear(folder: Path, before_s: float) -> None:
    for path in folder.glob("*.json"):
        with suppress(OSError):
            if path.stat().st_mtime < before_s:
                path.unlink()
