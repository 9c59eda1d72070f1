"""The sign of life of an engine: a small file that its own loop writes, so that it stops with the loop."""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from tapeline.clock import Clock

FILE = "heartbeat.json"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """`at_s` is monotonic, which all processes of one `boot` share. `ended`: it went in order, nothing is open."""

    pid: int
    boot: str
    at_s: float
    at_ns: int
    accounts: tuple[str, ...] = ()
    ended: bool = False


_read = msgspec.json.Decoder(Beat).decode
_write = msgspec.json.Encoder().encode


def boot_id() -> str:
    """Which start of the machine this is; "" where the system does not tell."""
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""


class Heart:
    """The engine's, in its store's folder: `beat` is for its loop, every second or so, `end` for an orderly end."""

    def __init__(self, folder: Path, accounts: tuple[str, ...], clock: Clock) -> None:
        self._path = folder / FILE
        self._accounts, self._clock = accounts, clock
        self._boot = boot_id()

    def beat(self, *, ended: bool = False) -> None:
        """Say that it lives. Raises OSError where that cannot be written: then the watchdog will act, rightly."""
        now = Beat(
            pid=os.getpid(), boot=self._boot, at_s=self._clock.now(),
            at_ns=self._clock.wall_ns(), accounts=self._accounts, ended=ended,
        )  # fmt: skip
        temporary = self._path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(_write(now))
        temporary.replace(self._path)

    def end(self) -> None:
        """It ends in order: no watchdog need do anything."""
        self.beat(ended=True)


def last_beat(folder: Path) -> Beat | None:
    """What the engine of a store said last; None where it never did, or what is there cannot be read."""
    try:
        return _read((folder / FILE).read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None


def age_s(beat: Beat, clock: Clock, boot: str) -> float:
    """How old it is; endless where the machine was started anew since."""
    return clock.now() - beat.at_s if beat.boot == boot else float("inf")
