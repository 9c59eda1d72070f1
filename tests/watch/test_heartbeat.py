import os
from pathlib import Path

from tapeline.clock import SystemClock
from tapeline.watch.heartbeat import FILE, Heart, age_s, boot_id, last_beat


def test_a_beat_is_read_by_another_process(tmp_path: Path) -> None:
    assert last_beat(tmp_path) is None
    clock = SystemClock()
    heart = Heart(tmp_path, ("main",), clock)
    heart.beat()
    found = last_beat(tmp_path)
    assert found is not None
    assert (found.pid, found.accounts, found.ended, found.boot) == (os.getpid(), ("main",), False, boot_id())
    assert 0 <= age_s(found, clock, boot_id()) < 5
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_an_orderly_end_is_told(tmp_path: Path) -> None:
    heart = Heart(tmp_path, (), SystemClock())
    heart.beat()
    heart.end()
    found = last_beat(tmp_path)
    assert found is not None
    assert found.ended


def test_a_beat_of_another_boot_is_old_however_young(tmp_path: Path) -> None:
    Heart(tmp_path, (), SystemClock()).beat()
    found = last_beat(tmp_path)
    assert found is not None
    assert age_s(found, SystemClock(), "another") == float("inf")


def test_what_cannot_be_read_is_no_beat(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"pid": 1')
    assert last_beat(tmp_path) is None
