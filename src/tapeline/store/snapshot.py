"""Snapshots beside the journal, so that a start plays back the newest records only. The log stays the truth.

A snapshot is one file, whole or not there: written aside, on the disk, then named. What is damaged, of another version
or of another journal is left alone with a word, and the one before it is taken, or the whole log.

`python -m tapeline.store.snapshot FOLDER [average|fifo]` writes one: a run does so in a process of its own.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from tapeline.errors import BadData, NotHeld, TapelineError
from tapeline.store.journal import FILE, Journal
from tapeline.store.lock import StoreLock
from tapeline.trading.memo import Memo, decode, encode, layout
from tapeline.trading.restore import Playback, Restored

LOCK = "journal-snapshot.lock"
ASIDE = "journal.snapshot.part"
OTHER_VERSION = "it was written by another version"
_FIRST = b"a snapshot of a Tapeline journal\n"
_DIGEST = 16  # bytes


class Snapshot(msgspec.Struct):
    """What is in the file: of which `layout`, journal and accounting, after which record, whose text `anchor` is of."""

    layout: str
    instance: str
    method: str
    record: int
    anchor: bytes
    memo: msgspec.Raw


_read = msgspec.msgpack.Decoder(Snapshot).decode
_write = msgspec.msgpack.Encoder().encode


def restored(
    journal: Journal, now_ns: int, *, method: str | None = "average", say: Callable[[str], object] = lambda _text: None
) -> Restored:
    """What a journal says: by its newest sound snapshot and the records behind it, as `restore` would by all of it.

    `method` None: by whichever accounting the snapshot is. `say` hears of every snapshot that was left alone, and why.
    Raises BadData for a record that is none.
    """
    return played(journal, method, say)[0].end(now_ns)


def write(journal: Journal, *, method: str = "average", say: Callable[[str], object] = lambda _text: None) -> int:
    """Write a snapshot of all records so far; the number of the last of them.

    Nothing is written where the newest says as much already. Raises StoreLocked where another process is at it,
    OSError where the disk refuses; then the journal and the snapshots before are as they were.
    """
    lock = StoreLock(journal.folder, LOCK)
    lock.acquire()
    try:
        playback, (begun, last) = played(journal, method, say)
        if last > begun:
            body = journal.body(last)
            assert body is not None, "it was just read, and nothing is ever lost"
            memo = msgspec.Raw(encode(playback.memo()))
            path = _put(journal.folder, Snapshot(layout(), journal.instance, method, last, _anchor(body), memo))
            for old in snapshots(journal.folder):  # but the one to fall back on
                if old not in {path, _path(journal.folder, begun)}:
                    old.unlink()
        return last
    finally:
        lock.release()


def snapshots(folder: Path) -> list[Path]:
    """Those that are there, the newest first."""
    return sorted(folder.glob("journal-*.snapshot"), reverse=True)


def covered(journal: Journal, say: Callable[[str], object]) -> tuple[int, str]:
    """Up to which record the newest sound snapshot goes (0: there is none), and by which accounting."""
    playback, record = next(_sound(journal, None, say), (Playback(journal.instance), 0))
    return record, playback.memo().ledger.method


def trouble_of(path: Path) -> str:
    """Why a start would leave a snapshot alone, as far as its file says; "" where it says nothing of the kind."""
    try:
        return "" if _opened(path).layout == layout() else OTHER_VERSION
    except (TapelineError, OSError) as error:
        return str(error)


def played(
    journal: Journal, method: str | None = "average", say: Callable[[str], object] = lambda _text: None
) -> tuple[Playback, tuple[int, int]]:
    """All of a journal, and the records that the snapshot (0: there is none) and the tail end with."""
    with _all_is_kept():
        playback, begun = next(
            _sound(journal, method, say), (Playback(journal.instance, method=method or "average"), 0)
        )
        last = begun
        for entry in journal.replay(begun):
            playback.play(entry)
            last = entry.number
    return playback, (begun, last)


# ---- within ------------------------------------------------------------------------------------------------------


@contextmanager
def _all_is_kept() -> Iterator[None]:
    """While millions of objects come that all stay, looking for some that go takes half of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _sound(journal: Journal, method: str | None, say: Callable[[str], object]) -> Iterator[tuple[Playback, int]]:
    for path in snapshots(journal.folder):
        try:
            found = _opened(path)
            _belongs(found, journal, method)
            memo: Memo = decode(found.memo)
            yield Playback(journal.instance, memo=memo), found.record
        except (TapelineError, OSError) as error:
            say(f"the snapshot {path.name} is left alone: {error}")


def _opened(path: Path) -> Snapshot:
    data = path.read_bytes()
    start = len(_FIRST) + _DIGEST
    payload = memoryview(data)[start:]
    if data[:start] != _FIRST + blake2b(payload, digest_size=_DIGEST).digest():
        raise BadData("it is damaged: its digest is not that of its content", kind="snapshot")
    try:
        return _read(payload)
    except msgspec.MsgspecError as error:
        raise BadData(f"it was written by another version: {error}", kind="snapshot") from error


def _belongs(found: Snapshot, journal: Journal, method: str | None) -> None:
    if found.layout != layout():
        raise BadData(OTHER_VERSION, kind="snapshot")
    if method not in {None, found.method}:
        raise BadData(f"it is by the accounting {found.method!r}, and {method!r} is asked for", kind="snapshot")
    body = journal.body(found.record)
    if found.instance != journal.instance or body is None or found.anchor != _anchor(body):
        raise BadData(f"it is of another journal, where record {found.record} is another", kind="snapshot")


def _anchor(body: str) -> bytes:
    return blake2b(body.encode(), digest_size=_DIGEST).digest()


def _path(folder: Path, record: int) -> Path:
    return folder / f"journal-{record:015d}.snapshot"


def _put(folder: Path, snapshot: Snapshot) -> Path:
    payload = _write(snapshot)
    aside = folder / ASIDE
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(_FIRST + blake2b(payload, digest_size=_DIGEST).digest())
        out.write(payload)
        out.flush()
        os.fsync(out.fileno())
    path = _path(folder, snapshot.record)
    aside.replace(path)
    sync(folder)
    return path


def sync(folder: Path) -> None:
    """Names are on the disk too."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def main(arguments: Sequence[str]) -> str:
    """Write one, behind everything else that wants the processor; says what was done. Raises TapelineError, OSError."""
    folder, method = Path(arguments[0]), (*arguments[1:], "average")[0]
    if not (folder / FILE).is_file():
        raise NotHeld(f"there is no journal in {folder}")
    os.nice(19)
    said: list[str] = []
    journal = Journal(folder)
    try:
        last = write(journal, method=method, say=said.append)
    finally:
        journal.close()
    return "; ".join([*said, f"a snapshot of the journal up to record {last}"])


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]) + "\n")
    except (TapelineError, OSError) as trouble:
        sys.exit(f"no snapshot of the journal was written: {trouble}")
