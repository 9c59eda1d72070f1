"""Writing tapes on a thread of its own: each flush is a gzip member, so a crash tears one flush at most."""

import threading
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
import structlog

from tapeline.clock import Clock, SystemClock
from tapeline.errors import ConfigError
from tapeline.model.stamp import iso

Compression = Literal["gzip", "zstd"]
SUFFIXES: dict[Compression, str] = {"gzip": ".gz", "zstd": ".zst"}
LEVEL = 1  # 1.5 us a frame; level 6 costs five times that for a tenth less
GZIP = 31  # zlib's word for its gzip format
CHUNK = 256  # items encoded at once: compressing them lets the loop's thread run again after 0.2 ms
ITEM_BYTES = 250  # what a waiting frame takes besides its own bytes
_encode_lines = msgspec.json.Encoder().encode_lines
Item = tuple[Any, ...]
_log = structlog.get_logger("tapeline")


@dataclass(frozen=True, slots=True)
class TapeStatistics:
    """What a tape has taken."""

    frames: int
    answers: int
    segments: int
    bytes_written: int
    queued: int
    queue_bytes: int
    dropped: int
    last_error: str


class _Frame(msgspec.Struct, gc=False, omit_defaults=True):
    t: float
    t_ns: int
    conn: str
    dir: str
    raw: str
    reason: str = ""
    hex: str = ""


class _Answer(msgspec.Struct, gc=False, omit_defaults=True):
    t: float
    t_ns: int
    method: str
    url: str
    status: int
    body: str
    hex: str = ""


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


class TapeWriter:
    """A thread that writes what the loop hands over: `frame` and `answer` only append to a queue.

    A new segment starts after `segment_bytes` compressed or `segment_s`; names sort by start time. What waits is
    bounded by `queue_bytes`; past it the newest are dropped, counted. `zstd` needs the zstandard package: ConfigError.
    """

    def __init__(
        self, folder: Path, *, segment_bytes: int = 64 * 2**20, segment_s: float = 3600.0, flush_s: float = 1.0,
        queue_bytes: int = 64 * 2**20, compression: Compression = "gzip", clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._segment_bytes, self._segment_s = folder, segment_bytes, segment_s
        self._flush_s, self._compression = flush_s, compression
        self._queue_bytes, self._flood_bytes = queue_bytes, queue_bytes // 8
        self._clock = clock or SystemClock()
        _compressor(compression)
        self._frames: deque[Item] = deque()
        self._answers: deque[Item] = deque()
        self._awake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._segment: _Segment | None = None
        self._put = self._full = 0  # the loop's thread alone changes these,
        self._got = self._segments = self._bytes = self._lost = 0  # and the tape's thread these
        self._lines = {"ws": 0, "rest": 0}  # and these
        self._last_error, self._refused = "", False

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="tapeline-tape", daemon=True)
        self._thread.start()

    def frame(self, connection: str, direction: str, raw: bytes, at_ns: int, reason: str = "") -> None:
        """A frame (in, out), or an opening or closing with its reason. Never blocks."""
        put = self._put + ITEM_BYTES + len(raw)
        waiting = put - self._got
        if waiting > self._queue_bytes:
            self._full += 1
            return
        self._put = put
        self._frames.append((at_ns, connection, direction, reason, raw))
        if waiting > self._flood_bytes and not self._awake.is_set():
            self._awake.set()  # a flood does not wait for its flush

    def answer(self, method: str, url: str, status: int, body: bytes, at_ns: int) -> None:
        """An HTTP answer. Never blocks."""
        put = self._put + ITEM_BYTES + len(body)
        if put - self._got > self._queue_bytes:
            self._full += 1
            return
        self._put = put
        self._answers.append((at_ns, method, url, status, body))

    def stop(self, within_s: float = 10.0) -> None:
        """Write what waits, close the files, end the thread."""
        if self._thread is not None:
            self._stopping = True
            self._awake.set()
            self._thread.join(within_s)
            self._thread = None

    def statistics(self) -> TapeStatistics:
        """What it has taken so far; `dropped` counts what found no room and what the disk refused."""
        return TapeStatistics(
            frames=self._lines["ws"] + len(self._frames), answers=self._lines["rest"] + len(self._answers),
            segments=self._segments, bytes_written=self._bytes, queued=len(self._frames) + len(self._answers),
            queue_bytes=self._put - self._got, dropped=self._full + self._lost, last_error=self._last_error,
        )  # fmt: skip

    # ---- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        started = 0.0
        stopping = False
        while not stopping:
            self._awake.wait(self._flush_s)
            self._awake.clear()
            stopping = self._stopping
            if not self._frames and not self._answers:
                continue
            now = self._clock.now()
            segment = self._segment
            if segment is not None and (segment.size > self._segment_bytes or now - started > self._segment_s):
                segment.close()
                self._segment = None
            if self._segment is None:
                self._segment, started = self._open(), now
            self._flush(self._segment, "ws", self._frames, _frame)
            self._flush(self._segment, "rest", self._answers, _answer)
        if self._segment is not None:
            self._segment.close()

    def _flush(
        self, segment: "_Segment", kind: str, queue: deque[Item], line_of: Callable[[Item], msgspec.Struct]
    ) -> None:
        """Write what waits now as one compressed member."""
        if not queue:
            return
        compressor = _compressor(self._compression)
        pieces = []
        lines = left = len(queue)
        while left:
            chunk = [queue.popleft() for _ in range(min(left, CHUNK))]
            left -= len(chunk)
            pieces.append(compressor.compress(_encode_lines([line_of(item) for item in chunk])))
            self._got += sum(map(_size, chunk))
        self._lines[kind] += lines
        try:
            self._bytes += segment.write(kind, b"".join((*pieces, compressor.flush())))
        except OSError as error:
            self._lost += lines
            self._last_error = f"{type(error).__name__}: {error}"
            if not self._refused:  # once, not at every flush
                _log.error("tape", problem="cannot write, frames are lost", error=self._last_error)
            self._refused = True
        else:
            if self._refused:
                _log.info("tape", recovered=True, lost=self._lost)
            self._refused = False

    def _open(self) -> "_Segment":
        self._segments += 1
        name = iso(self._clock.wall_ns() // 1_000_000 * 1_000_000).replace(":", "").replace("-", "")
        return _Segment(self._folder, f"{name}-{self._segments:04d}", SUFFIXES[self._compression])


class _Segment:
    """One pair of files under one name."""

    def __init__(self, folder: Path, name: str, suffix: str) -> None:
        self._folder, self._name, self._suffix = folder, name, suffix
        self._files: dict[str, FileIO] = {}
        self.size = 0

    def write(self, kind: str, member: bytes) -> int:
        """Append a member: all of it, or, with the OSError of a full disk, nothing."""
        file = self._files.get(kind)
        if file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{self._name}.{kind}.jsonl{self._suffix}"
            file = self._files[kind] = path.open("ab", buffering=0)
        before = file.tell()
        rest = memoryview(member)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            file.truncate(before)
            raise
        self.size += len(member)
        return len(member)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def _compressor(compression: Compression) -> _Compressor:
    if compression == "gzip":
        return zlib.compressobj(LEVEL, wbits=GZIP)
    if compression != "zstd":
        raise ConfigError(f"tapes are compressed by gzip or zstd, not by {compression!r}")
    try:
        import zstandard  # noqa: PLC0415  # optional
    except ImportError as error:
        raise ConfigError("zstd tapes need the zstandard package: install it, or use gzip") from error
    compressor: _Compressor = zstandard.ZstdCompressor(level=LEVEL).compressobj()
    return compressor


def _size(item: Item) -> int:
    return ITEM_BYTES + len(item[-1])


def _frame(item: Item) -> _Frame:
    at_ns, connection, direction, reason, raw = item
    try:
        return _Frame(at_ns / 1e9, at_ns, connection, direction, raw.decode(), reason)
    except UnicodeDecodeError:
        return _Frame(at_ns / 1e9, at_ns, connection, direction, "", reason, raw.hex())


def _answer(item: Item) -> _Answer:
    at_ns, method, url, status, body = item
    try:
        return _Answer(at_ns / 1e9, at_ns, method, url, status, body.decode())
    except UnicodeDecodeError:
        return _Answer(at_ns / 1e9, at_ns, method, url, status, "", body.hex())
