"""Snapshots of a journal: whole or not there, and what is wrong with one costs time and nothing else."""

import os
from collections.abc import Iterator
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest

from tapeline.errors import NotHeld, StoreLocked
from tapeline.model.account import Payment
from tapeline.store import snapshot
from tapeline.store.journal import Journal
from tapeline.store.lock import StoreLock
from tapeline.store.snapshot import LOCK, main, played, restored, snapshots, write
from tapeline.trading.memo import encode
from tapeline.trading.restore import Playback

DAMAGED = "it is damaged: its digest is not that of its content"
ANOTHER = "it is of another journal, where record 4 is another"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "store")
    yield opened
    opened.close()


def pay(journal: Journal, count: int) -> None:
    first = journal.append([], 1)
    journal.append(
        [
            Payment(None, "payments", at, at, "ws", "a", id=str(at), currency="U", amount=Decimal(1), kind="transfer")
            for at in range(first + 1, first + count + 1)
        ],
        1,
    )


def whole(journal: Journal) -> bytes:
    playback = Playback(journal.instance)
    for entry in journal.replay():
        playback.play(entry)
    return encode(playback.memo())


def found(journal: Journal) -> tuple[bytes, int, list[str]]:
    """What snapshot and tail say, where the tail begins, and what was left alone."""
    said: list[str] = []
    playback, (begun, _) = played(journal, say=said.append)
    return encode(playback.memo()), begun, said


def test_a_start_plays_back_what_is_behind_the_newest(journal: Journal) -> None:
    assert found(journal) == (whole(journal), 0, [])
    pay(journal, 5)
    assert write(journal) == 5
    pay(journal, 3)
    assert found(journal) == (whole(journal), 5, [])
    state = restored(journal, 99)
    assert (state.records, state.played, state.ledger.balance("a", "U")) == (8, 3, Decimal(8))


def test_the_newest_and_one_to_fall_back_on_are_kept(journal: Journal) -> None:
    assert write(journal) == 0
    assert snapshots(journal.folder) == []
    for _ in range(4):
        pay(journal, 2)
        write(journal)
    assert write(journal) == 8, "nothing is new"
    assert [path.name for path in snapshots(journal.folder)] == [
        "journal-000000000000008.snapshot", "journal-000000000000006.snapshot",
    ]  # fmt: skip
    assert len(list(journal.replay())) == 8, "the log stays whole"


def test_one_that_is_damaged_is_left_alone_with_a_word(journal: Journal) -> None:
    for _ in range(2):
        pay(journal, 4)
        write(journal)
    newest, older = snapshots(journal.folder)
    good = newest.read_bytes()
    for at in (0, 40, len(good) // 2, len(good) - 1):
        newest.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert found(journal) == (
            whole(journal), 4, [f"the snapshot {newest.name} is left alone: {DAMAGED}"],
        )  # fmt: skip
    for torn in (b"", good[:20], good[:-1]):
        newest.write_bytes(torn)
        assert found(journal)[:2] == (whole(journal), 4)
    older.unlink()
    older.mkdir()  # the second failure: nor can that be read
    state, begun, said = found(journal)
    assert (state, begun, len(said)) == (whole(journal), 0, 2)
    older.rmdir()


def test_one_of_another_version_journal_or_accounting_is_left_alone(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(journal, 4)
    write(journal)
    [path] = snapshots(journal.folder)
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "layout", lambda: "2-other")
        assert found(journal) == (
            whole(journal), 0, [f"the snapshot {path.name} is left alone: it was written by another version"]
        )  # fmt: skip
    said: list[str] = []
    assert restored(journal, 1, method="fifo", say=said.append).played == 4
    assert said == [
        f"the snapshot {path.name} is left alone: it is by the accounting 'average', and 'fifo' is asked for"
    ]
    assert restored(journal, 1, method=None).played == 0

    other = Journal(tmp_path / "other")
    pay(other, 2)
    (other.folder / path.name).write_bytes(path.read_bytes())
    assert found(other) == (
        whole(other), 0, [f"the snapshot {path.name} is left alone: {ANOTHER}"]
    )  # fmt: skip
    pay(other, 1)
    assert write(other) == 3
    assert [each.name for each in snapshots(other.folder)] == ["journal-000000000000003.snapshot"]
    other.close()


def test_a_sound_file_that_holds_something_else_is_left_alone(journal: Journal) -> None:
    pay(journal, 4)
    write(journal)
    [path] = snapshots(journal.folder)
    kept = snapshot._opened(path)
    for memo in (msgspec.Raw(msgspec.msgpack.encode({"blotter": 1})), msgspec.Raw(msgspec.msgpack.encode(7))):
        snapshot._put(journal.folder, msgspec.structs.replace(kept, memo=memo))
        state, begun, said = found(journal)
        assert (state, begun) == (whole(journal), 0)
        assert "no memo of a journal" in said[0]
    data = msgspec.msgpack.encode({"what": "is this"})
    path.write_bytes(snapshot._FIRST + blake2b(data, digest_size=16).digest() + data)
    assert "written by another version: Object missing" in found(journal)[2][0]


def test_one_process_at_a_time_and_a_full_disk_leave_what_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(journal, 4)
    write(journal)
    pay(journal, 4)
    other = StoreLock(journal.folder, LOCK)
    other.acquire()
    with pytest.raises(StoreLocked):
        write(journal)
    other.release()

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            write(journal)
    assert found(journal) == (whole(journal), 4, [])
    assert write(journal) == 8, "the next try is none the worse"


def test_as_a_command(journal: Journal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "nice", lambda _more: 0)
    pay(journal, 4)
    assert main([str(journal.folder)]) == "a snapshot of the journal up to record 4"
    assert main([str(journal.folder), "fifo"]).endswith("'fifo' is asked for; a snapshot of the journal up to record 4")
    assert restored(journal, 1, method="fifo").played == 0
    with pytest.raises(NotHeld, match="there is no journal in"):
        main([str(tmp_path / "nothing")])
