"""Tapes: every raw frame and HTTP answer, as JSON lines in gzip members: a crash tears one flush at most.

Format: `docs/reference/tape.md`. Reading tolerates torn tails and bad lines, and says how many there were.
"""

import gzip
import queue
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from io import BufferedWriter
from pathlib import Path
from typing import TypeVar

import msgspec

from tapeline.clock import Clock, SystemClock
from tapeline.errors import BadData
from tapeline.model.stamp import iso

LEVEL = 1  # 1.5 us a frame; level 6 costs five times that for a tenth less
READ_BYTES = 1 << 20
STOP = None


class TapeLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a `.ws.jsonl` file. `hex` holds a frame that is not UTF-8, `raw` being "" then."""

    t: float | None = None
    t_ns: int | None = None
    conn: str = ""
    dir: str = "in"
    raw: str = ""
    reason: str = ""
    hex: str = ""

    @property
    def at_ns(self) -> int:
        """Receive time in nanoseconds, from `t` where there is no `t_ns`; 0 where there is neither."""
        return self.t_ns if self.t_ns is not None else round((self.t or 0.0) * 1e9)

    @property
    def frame(self) -> bytes:
        """The frame's bytes."""
        return bytes.fromhex(self.hex) if self.hex else self.raw.encode()


class TapeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a `.rest.jsonl` file."""

    t: float | None = None
    t_ns: int | None = None
    method: str = "GET"
    url: str = ""
    status: int = 200
    body: str = ""

    @property
    def at_ns(self) -> int:
        """When the answer came, in nanoseconds."""
        return self.t_ns if self.t_ns is not None else round((self.t or 0.0) * 1e9)


Line = TypeVar("Line", TapeLine, TapeAnswer)


@dataclass(slots=True)
class TapeReading:
    """What a reader met besides good lines; filled while it is read."""

    lines: int = 0
    bad: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Remember the first hundred problems."""
        if len(self.bad) < 100:
            self.bad.append(text)


def read_tape(path: Path, reading: TapeReading | None = None) -> Iterator[TapeLine]:
    """Frames in order. A torn or corrupt tail, and lines that are no frames, are noted and skipped."""
    return (line for _, line in read_numbered(path, reading))


def read_numbered(path: Path, reading: TapeReading | None = None) -> Iterator[tuple[int, TapeLine]]:
    """The same, each with its 0-based line number in the file."""
    return _read(path, TapeLine, reading or TapeReading())


def read_answers(path: Path, reading: TapeReading | None = None) -> Iterator[TapeAnswer]:
    """HTTP answers in order, as tolerantly."""
    return (line for _, line in _read(path, TapeAnswer, reading or TapeReading()))


def merge_tapes(paths: list[Path], reading: TapeReading | None = None) -> Iterator[TapeLine]:
    """Several tapes as one, by receive time."""
    return merge(*(read_tape(path, reading) for path in paths), key=lambda line: line.at_ns)


def _read(path: Path, kind: type[Line], reading: TapeReading) -> Iterator[tuple[int, Line]]:
    decode = msgspec.json.Decoder(kind).decode
    for number, text in enumerate(_lines(path, reading)):
        if not text.strip():
            continue
        try:
            line = decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reading.note(f"{path}:{number + 1}: {error}")
            continue
        reading.lines += 1
        yield number, line


def _lines(path: Path, reading: TapeReading) -> Iterator[bytes]:
    rest = b""
    for chunk in _chunks(path, reading):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _chunks(path: Path, reading: TapeReading) -> Iterator[bytes]:
    """Decompressed pieces, member by member; whatever came before damage is given out."""
    with path.open("rb") as file:
        if path.suffix == ".zst":
            yield from _zstd_chunks(path, file.read(), reading)
            return
        if path.suffix != ".gz":
            while piece := file.read(READ_BYTES):
                yield piece
            return
        unzip, torn = zlib.decompressobj(wbits=31), False
        try:
            while piece := file.read(READ_BYTES):
                while piece:
                    yield unzip.decompress(piece)
                    piece, torn = b"", not unzip.eof
                    if unzip.eof:
                        piece, unzip = unzip.unused_data, zlib.decompressobj(wbits=31)
        except zlib.error as error:
            reading.note(f"{path}: damaged, the rest cannot be read: {error}")
            return
        if torn:
            reading.note(f"{path}: torn: it ends in the middle of a flush")


def _zstd_chunks(path: Path, data: bytes, reading: TapeReading) -> Iterator[bytes]:
    try:
        import zstandard  # noqa: PLC0415  # optional: only .zst files need it
    except ImportError as error:
        raise BadData(f"{path}: reading .zst needs the zstandard package") from error
    try:
        yield from zstandard.ZstdDecompressor().read_to_iter(data, read_across_frames=True)
    except zstandard.ZstdError as error:
        reading.note(f"{path}: damaged, the rest cannot be read: {error}")


# ---- writing ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TapeStatistics:
    """What a tape has taken."""

    frames: int
    answers: int
    segments: int
    bytes_written: int
    queued: int
    dropped: int
    last_error: str


class _Segment:
    """One pair of files under one name; each flush is a gzip member of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._files: dict[str, BufferedWriter] = {}
        self.size = 0

    def write(self, kind: str, lines: list[bytes]) -> None:
        file = self._files.get(kind)
        if file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._files[kind] = (self._folder / f"{self._name}.{kind}.jsonl.gz").open("ab")
        member = gzip.compress(b"\n".join(lines) + b"\n", compresslevel=LEVEL, mtime=0)
        file.write(member)
        file.flush()
        self.size += len(member)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


class TapeWriter:
    """A thread that writes what the loop hands over: `frame` and `answer` only append to a queue.

    A new segment starts after `segment_bytes` compressed or `segment_s`; names sort by start time. The queue is bounded
    by `queue_frames`; past it the newest are dropped, counted.
    """

    def __init__(
        self, folder: Path, *, segment_bytes: int = 64 * 2**20, segment_s: float = 3600.0, flush_s: float = 1.0,
        queue_frames: int = 500_000, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        self._folder, self._segment_bytes, self._segment_s = folder, segment_bytes, segment_s
        self._flush_s, self._queue_frames = flush_s, queue_frames
        self._clock = clock or SystemClock()
        self._queue: queue.SimpleQueue[tuple[object, ...] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._frames = self._answers = self._segments = self._bytes = self._dropped = self._taken = 0
        self._last_error = ""

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="tapeline-tape", daemon=True)
        self._thread.start()

    def frame(self, connection: str, direction: str, raw: bytes, at_ns: int, reason: str = "") -> None:
        """A frame (in, out), or an opening or closing with its reason. Never blocks."""
        self._frames += 1
        if self._frames + self._answers - self._taken > self._queue_frames:
            self._dropped += 1
            self._taken += 1
            return
        self._queue.put((connection, direction, raw, at_ns, reason))

    def answer(self, method: str, url: str, status: int, body: bytes, at_ns: int) -> None:
        """An HTTP answer. Never blocks."""
        self._answers += 1
        self._queue.put((method, url, status, body, at_ns, "rest"))

    def stop(self, within_s: float = 10.0) -> None:
        """Write what waits, close the files, end the thread."""
        if self._thread is not None:
            self._queue.put(STOP)
            self._thread.join(within_s)
            self._thread = None

    def statistics(self) -> TapeStatistics:
        """What it has taken so far."""
        return TapeStatistics(
            frames=self._frames, answers=self._answers, segments=self._segments, bytes_written=self._bytes,
            queued=max(0, self._frames + self._answers - self._taken), dropped=self._dropped,
            last_error=self._last_error,
        )  # fmt: skip

    def _run(self) -> None:
        segment: _Segment | None = None
        started = 0.0
        going = True
        while going:
            frames, answers, going = self._gather()
            now = self._clock.now()
            if segment is not None and (segment.size > self._segment_bytes or now - started > self._segment_s):
                segment.close()
                segment = None
            if not frames and not answers:
                continue
            if segment is None:
                segment, started = self._open(), now
            self._write(segment, frames, answers)
        if segment is not None:
            segment.close()

    def _gather(self) -> tuple[list[bytes], list[bytes], bool]:
        """What came within one flush period, encoded; False at the end."""
        frames: list[bytes] = []
        answers: list[bytes] = []
        until = self._clock.now() + self._flush_s
        while (left_s := until - self._clock.now()) > 0:
            try:
                item = self._queue.get(timeout=left_s)
            except queue.Empty:
                break
            if item is STOP:
                return frames, answers, False
            assert item is not None, "None is STOP"
            self._taken += 1
            (answers if len(item) == 6 else frames).append(_encoded(item))
        return frames, answers, True

    def _write(self, segment: _Segment, frames: list[bytes], answers: list[bytes]) -> None:
        before = segment.size
        try:
            if frames:
                segment.write("ws", frames)
            if answers:
                segment.write("rest", answers)
        except OSError as error:
            self._dropped += len(frames) + len(answers)
            self._last_error = f"{type(error).__name__}: {error}"
        self._bytes += segment.size - before

    def _open(self) -> _Segment:
        self._segments += 1
        name = iso(self._clock.wall_ns() // 1_000_000 * 1_000_000).replace(":", "").replace("-", "")
        return _Segment(self._folder, f"{name}-{self._segments:04d}")


_encode = msgspec.json.Encoder().encode


def _encoded(item: tuple[object, ...]) -> bytes:
    if len(item) == 6:
        method, url, status, body, at_ns, _ = item
        assert isinstance(body, bytes)
        assert isinstance(at_ns, int)
        return _encode(
            {"t": at_ns / 1e9, "t_ns": at_ns, "method": method, "url": url, "status": status,
             "body": body.decode("utf-8", errors="replace")}
        )  # fmt: skip
    connection, direction, raw, at_ns, reason = item
    assert isinstance(raw, bytes)
    assert isinstance(at_ns, int)
    line = {"t": at_ns / 1e9, "t_ns": at_ns, "conn": connection, "dir": direction}
    try:
        line["raw"] = raw.decode()
    except UnicodeDecodeError:
        line["raw"], line["hex"] = "", raw.hex()
    if reason:
        line["reason"] = reason
    return _encode(line)
