"""Inputs of an engine on the disk: written by a thread of its own, read back up to the last whole one.

A recording is of use as far as nothing is missing. So where the disk does not keep up, or refuses, it ends there, and
says so; whoever trades is never held up.
"""

import re
import threading
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec
import structlog

from tapeline.errors import BadData, ConfigError
from tapeline.store.tape import GZIP, TapeReading, read_lines
from tapeline.store.tape_writer import LEVEL
from tapeline.trading.recorded import Line, Taken, decode

MOST_WAITING = 50_000  # inputs; seconds of a busy market
CHUNK = 64  # encoded at once: the loop's thread runs again after a tenth of a millisecond
SEGMENT_BYTES = 64 * 2**20
FLUSH_S = 0.25
NAME = "inputs-{:06d}.jsonl.gz"
_NAMES = re.compile(r"inputs-\d{6}\.jsonl\.gz")
_encode_lines = msgspec.json.Encoder().encode_lines
_log = structlog.get_logger("tapeline")


@dataclass(frozen=True, slots=True)
class RecordingStatistics:
    """What a recording has taken. `ended` is why it takes nothing more, "" while it does."""

    inputs: int
    bytes_written: int
    waiting: int
    ended: str


class RecordingWriter:
    """`take` only appends to a queue, which is bounded; see the module for what happens past that."""

    def __init__(self, folder: Path, *, most_waiting: int = MOST_WAITING, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder, self._most_waiting, self._segment_bytes = folder, most_waiting, segment_bytes
        self._room = most_waiting  # 0 once it has ended: one comparison an input
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._awake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._file: FileIO | None = None
        self._files = self._size = self._written = self._inputs = 0  # the thread's
        self._ended = ""
        self._last: Line | None = None

    def start(self) -> None:
        """Begin to write. Raises OSError where the folder cannot be written to."""
        self._next_file()
        self._thread = threading.Thread(target=self._run, name="tapeline-recording", daemon=True)
        self._thread.start()

    def take(self, *line: Any) -> None:
        """One input, as `trading.recorded.Take` says. Never blocks, never raises."""
        waiting = self._waiting
        waiting.append(line)
        if len(waiting) > self._room:
            self._full()

    def stop(self, why: str, digest: str, at_ns: int, within_s: float = 10.0) -> None:
        """Write what waits, and that this is the end; the engine's digest is the last word."""
        if self._thread is None:
            return
        self._last = Line(0, "end", at_ns, why=why, digest=digest)
        self._stopping = True
        self._awake.set()
        self._thread.join(within_s)
        self._thread = None

    def statistics(self) -> RecordingStatistics:
        """So far."""
        return RecordingStatistics(self._inputs, self._written, len(self._waiting), self._ended)

    # ---- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        stopping = False
        while not stopping and not self._ended:
            self._awake.wait(FLUSH_S)
            self._awake.clear()
            stopping = self._stopping
            try:
                self._flush(self._last if stopping else None)
            except OSError as error:
                self._end(f"{type(error).__name__}: {error}")
            except Exception as error:  # noqa: BLE001  # something that JSON has no words for; it trades on
                self._end(f"an input cannot be written: {error!r}")
        if self._ended:
            with suppress(OSError):  # it has been told, and may be just what the disk refuses
                self._append(zlib.compress(self._last_line(Line(0, "end", 0, why=self._ended)), LEVEL, wbits=GZIP))
        if self._file is not None:
            self._file.close()

    def _flush(self, last: Line | None) -> None:
        """Write what waits now as one gzip member: all of it, or nothing."""
        left = len(self._waiting)
        if not left and last is None:
            return
        packer = zlib.compressobj(LEVEL, wbits=GZIP)
        pieces, count = [], 0
        while left:
            taken = [self._waiting.popleft() for _ in range(min(left, CHUNK))]
            left -= len(taken)
            first = self._inputs + count + 1
            lines = [Line(first + place, *each) for place, each in enumerate(taken)]
            count += len(taken)
            pieces.append(packer.compress(_encode_lines(lines)))
        if self._ended:  # what was taken just now may not be what follows on the last
            return
        if last is not None:
            pieces.append(packer.compress(self._last_line(last, count)))
        self._append(b"".join((*pieces, packer.flush())))
        self._inputs += count

    def _last_line(self, last: Line, behind: int = 0) -> bytes:
        last.number = self._inputs + behind + 1
        return _encode_lines([last])

    def _append(self, member: bytes) -> None:
        if self._size > self._segment_bytes:
            self._next_file()
        file = self._file
        assert file is not None, "opened by start()"
        before, rest = file.tell(), memoryview(member)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            file.truncate(before)
            raise
        self._size += len(member)
        self._written += len(member)

    def _next_file(self) -> None:
        if self._file is not None:
            self._file.close()
        self._files += 1
        self._file = (self._folder / NAME.format(self._files)).open("xb", buffering=0)
        self._size = 0

    def _full(self) -> None:
        """More waits than may, or it has ended already."""
        self._end(f"the disk did not keep up: {self._most_waiting} inputs were waiting")
        self._waiting.clear()

    def _end(self, why: str) -> None:
        if not self._ended:
            self._ended, self._room = why, 0
            _log.error("the recording ends here; trading goes on", folder=str(self._folder), why=why)


@dataclass(slots=True)
class RecordingReading:
    """Why reading stopped before the end of what is there, "" where it did not."""

    broken: str = ""


def read_inputs(folder: Path, reading: RecordingReading) -> Iterator[Taken]:
    """Inputs in order, up to the last whole one: where one is damaged or missing, what follows is of no use."""
    paths = sorted(path for path in folder.iterdir() if _NAMES.fullmatch(path.name))
    if not paths:
        raise ConfigError(f"{folder} holds no inputs: it is no recording of a trading run")
    number = 0
    for path in paths:
        met = TapeReading()
        for line in read_lines(path, met):
            if not line.strip():
                continue
            try:
                taken = decode(line)
            except BadData as error:
                reading.broken = f"behind input {number}: {met.bad[0] if met.bad else error}"
                return
            if taken.number != number + 1:
                reading.broken = f"behind input {number}: the next one is {taken.number}"
                return
            number = taken.number
            yield taken
        if met.bad:
            reading.broken = f"behind input {number}: {met.bad[0]}"
