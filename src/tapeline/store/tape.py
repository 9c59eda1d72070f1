"""Reading tapes: every raw frame and HTTP answer, as JSON lines in gzip members.

Format: `docs/reference/tape.md`. Torn tails, damaged members and bad lines are skipped and noted. `tape_writer` writes.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from tapeline.errors import BadData

GZIP = 31  # zlib's word for its gzip format
READ_BYTES = 1 << 16  # a quiet tape has members of a few hundred bytes, and each costs a copy of what is left


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
    """One line of a `.rest.jsonl` file. `hex` holds a body that is not UTF-8, `body` being "" then."""

    t: float | None = None
    t_ns: int | None = None
    method: str = "GET"
    url: str = ""
    status: int = 200
    body: str = ""
    hex: str = ""

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return bytes.fromhex(self.hex) if self.hex else self.body.encode()

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
    for number, text in enumerate(read_lines(path, reading)):
        if not text.strip():
            continue
        try:
            line = decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reading.note(f"{path}:{number + 1}: {error}")
            continue
        reading.lines += 1
        yield number, line


def read_lines(path: Path, reading: TapeReading) -> Iterator[bytes]:
    """A file's lines, packed or not, whatever they hold; damage is noted and skipped."""
    rest = b""
    for chunk in _chunks(path, reading):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _chunks(path: Path, reading: TapeReading) -> Iterator[bytes]:
    with path.open("rb") as file:
        pieces = iter(lambda: file.read(READ_BYTES), b"")
        if path.suffix == ".gz":
            yield from _unpacked(path, pieces, reading, _gzip())
        elif path.suffix == ".zst":
            yield from _unpacked(path, pieces, reading, _zstd(path))
        else:
            yield from pieces


def _unpacked(path: Path, pieces: Iterator[bytes], reading: TapeReading, packed: "_Packed") -> Iterator[bytes]:
    """Decompressed pieces, member by member; a damaged member is noted, and reading goes on at the next."""
    unpack, torn, searching = packed.open(), False, False
    for whole in pieces:
        piece = whole
        while piece:
            try:
                yield unpack.decompress(piece)
            except packed.fault as error:
                if not searching:
                    reading.note(f"{path}: damaged: {error}")
                    yield b"\n"  # the line it broke off in must not run into the next member's first
                start = piece.find(packed.magic, 1)
                piece = piece[start:] if start > 0 else b""
                unpack, torn, searching = packed.open(), False, True
                continue
            piece, torn, searching = b"", not unpack.eof, False
            if unpack.eof:
                piece, unpack = unpack.unused_data, packed.open()
    if torn:
        reading.note(f"{path}: torn: it ends in the middle of a flush")


class _Unpack(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Packed(NamedTuple):
    """How members are compressed: what opens one, how one begins, what damage raises."""

    open: Callable[[], _Unpack]
    magic: bytes
    fault: type[Exception]


def _gzip() -> _Packed:
    return _Packed(lambda: zlib.decompressobj(wbits=GZIP), b"\x1f\x8b\x08", zlib.error)


def _zstd(path: Path) -> _Packed:
    try:
        import zstandard  # noqa: PLC0415  # optional: only .zst files need it
    except ImportError as error:
        raise BadData(f"{path}: reading .zst needs the zstandard package") from error
    return _Packed(lambda: zstandard.ZstdDecompressor().decompressobj(), b"\x28\xb5\x2f\xfd", zstandard.ZstdError)
