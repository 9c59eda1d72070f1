import errno
import json
import os
from pathlib import Path

import pytest

from tapeline.errors import StoreLocked, StoreUnusable
from tapeline.store.lock import StoreLock


def test_the_second_writer_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    first, second = StoreLock(tmp_path), StoreLock(tmp_path)
    first.acquire("/run/x.sock")
    inode = (tmp_path / "lock").stat().st_ino
    assert json.loads((tmp_path / "lock").read_text()) == {"pid": os.getpid(), "socket": "/run/x.sock", "inode": inode}
    with pytest.raises(StoreLocked, match=f"process {os.getpid()}"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_what_a_dead_process_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"pid": 999999, "socket": ""}')
    lock = StoreLock(tmp_path)
    lock.acquire()
    assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    lock.release()


def test_a_holder_that_has_not_said_its_number_is_still_a_holder(tmp_path: Path) -> None:
    first = StoreLock(tmp_path)
    first.acquire()
    os.truncate(tmp_path / "lock", 0)
    with pytest.raises(StoreLocked, match="a process that has not said its number"):
        StoreLock(tmp_path).acquire()
    first.release()


def test_a_full_disk_takes_the_name_and_not_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    lock = StoreLock(tmp_path)
    lock.acquire()
    with pytest.raises(StoreLocked, match="a process that has not said its number"):
        StoreLock(tmp_path).acquire()
    lock.release()


def test_any_other_trouble_in_naming_the_holder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_file: int, _data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", broken)
    with pytest.raises(OSError, match="Input/output error"):
        StoreLock(tmp_path).acquire()


def test_a_folder_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match="file: File exists: a file is where a folder should be"):
        StoreLock(tmp_path / "file").acquire()
    with pytest.raises(StoreUnusable, match="file/data: Not a directory: a file is where a folder should be"):
        StoreLock(tmp_path / "file" / "data").acquire()
