"""What a journal, its snapshots and its archives hold, told without writing a byte and while a run goes on."""

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from tapeline.errors import NotHeld, StoreUnusable
from tapeline.store.journal import FILE, known
from tapeline.store.journal_archived import Archive, archived_entries, listed
from tapeline.store.journal_archiving import begun, size_of
from tapeline.store.reading import open_for_reading
from tapeline.store.snapshot import snapshots, trouble_of


class SnapshotHeld(msgspec.Struct, frozen=True):
    """A snapshot's file, up to which record it is, and why a start leaves it alone ("" it does not, by its file)."""

    file: str
    record: int
    bytes: int
    trouble: str


class ArchiveHeld(msgspec.Struct, frozen=True):
    """An archive as the journal lists it. `state`: there, missing, or, where all of it was read, sound or damaged."""

    file: str
    first: int
    last: int
    records: int
    from_ns: int
    to_ns: int
    bytes: int
    state: str
    trouble: str


class Holding(msgspec.Struct, frozen=True):
    """`records`, `first`, `last`, `bytes` and the times are of the file itself; None and 0 where it is empty.

    `played` is how many records a start plays back. `begun` are files, and `undeleted` records, that an archiving left
    when it was killed.
    """

    folder: str
    instance: str
    records: int
    first: int
    last: int
    bytes: int
    from_ns: int | None
    to_ns: int | None
    played: int
    snapshots: list[SnapshotHeld]
    archives: list[ArchiveHeld]
    begun: list[str]
    undeleted: int


def holding(folder: Path, *, whole: bool = False) -> Holding:
    """Look at the journal in a store's folder. `whole`: read archives to their ends, for their digests.

    Raises NotHeld where there is no journal, StoreUnusable where it cannot be read.
    """
    if not (folder / FILE).is_file():
        raise NotHeld(f"there is no journal in {folder}")
    with closing(open_for_reading(folder / FILE)) as connection:
        known(connection, folder)
        archives = listed(connection)
        away = archives[-1].last if archives else 0
        (instance,) = connection.execute("SELECT name FROM instance").fetchone() or ("",)
        query = "SELECT record, at_ns FROM records WHERE record > ? ORDER BY record {} LIMIT 1"
        first, from_ns = connection.execute(query.format(""), (away,)).fetchone() or (0, None)
        last, to_ns = connection.execute(query.format("DESC"), (away,)).fetchone() or (0, None)
        (oldest,) = connection.execute("SELECT coalesce(min(record), 0) FROM records").fetchone()
    held = list(_snapshots(folder))
    by = next((each.record for each in held if not each.trouble), 0)
    return Holding(
        folder=str(folder), instance=instance, records=last - first + 1 if last else 0, first=first, last=last,
        bytes=size_of(folder), from_ns=from_ns, to_ns=to_ns, played=max(last - by, 0), snapshots=held,
        archives=[_archive(folder, instance, each, whole=whole) for each in archives], begun=begun(folder, archives),
        undeleted=away - oldest + 1 if 0 < oldest <= away else 0,
    )  # fmt: skip


def _snapshots(folder: Path) -> Iterator[SnapshotHeld]:
    for path in snapshots(folder):
        with suppress(FileNotFoundError):  # a run has just written a newer one, and this was the oldest
            yield SnapshotHeld(path.name, _record(path), path.stat().st_size, trouble_of(path))


def _archive(folder: Path, instance: str, of: Archive, *, whole: bool) -> ArchiveHeld:
    path, state, trouble = folder / of.file, "there", ""
    if not path.is_file():
        state = "missing"
    elif whole:
        state = "sound"
        try:
            for _ in archived_entries(folder, instance, of):
                pass
        except StoreUnusable as error:
            state, trouble = "damaged", str(error)
    size = path.stat().st_size if state != "missing" else 0
    return ArchiveHeld(of.file, of.first, of.last, of.last - of.first + 1, of.from_ns, of.to_ns, size, state, trouble)


def _record(path: Path) -> int:
    """Of a file's name."""
    number = path.stem.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
