"""Inputs on the disk: whole, torn, damaged, full, and too many."""

import gzip
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import ConfigError
from tapeline.model.event import Trade
from tapeline.model.number import ZERO
from tapeline.store import recording
from tapeline.store.recording import NAME, RecordingReading, RecordingWriter, read_inputs
from tapeline.trading.command import Note
from tapeline.trading.recorded import Taken

NEWS = Trade("sim:BTC/USDT", "trades", 1, 2, "ws", "7", 7, "buy", ZERO, ZERO)


def read(folder: Path) -> tuple[list[Taken], str]:
    reading = RecordingReading()
    return list(read_inputs(folder, reading)), reading.broken


def written(folder: Path, count: int, **options: Any) -> RecordingWriter:
    writer = RecordingWriter(folder, **options)
    writer.start()
    for number in range(count):
        writer.take("step", number, NEWS, ())
    return writer


def until(done: Callable[[], bool]) -> None:
    for _ in range(1000):
        if done():
            return
        threading.Event().wait(0.01)
    pytest.fail("waited for ten seconds")


def test_inputs_come_back_in_order_numbered_and_with_an_end(tmp_path: Path) -> None:
    writer = written(tmp_path, 200)
    writer.take("step", 200, NEWS, (Note("n", "main", "text"),), "")
    writer.stop("stopped", "abc", 201)
    found, broken = read(tmp_path)
    assert broken == ""
    assert [each.number for each in found] == list(range(1, 203))
    assert [each.at_ns for each in found[:201]] == list(range(201))
    assert found[0].about == NEWS
    assert json.loads(bytes(found[200].commands)) == [{"type": "note", "kind": "n", "account": "main", "text": "text",
                                                       "client_id": "", "strategy": ""}]  # fmt: skip
    assert (found[201].do, found[201].why, found[201].digest, found[201].at_ns) == ("end", "stopped", "abc", 201)
    stats = writer.statistics()
    assert (stats.inputs, stats.waiting, stats.ended) == (201, 0, "")
    assert stats.bytes_written == (tmp_path / NAME.format(1)).stat().st_size


def test_a_run_without_inputs_has_its_end_and_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    writer = written(tmp_path, 0)
    writer.stop("stopped", "", 5)
    writer.stop("again", "", 6)
    found, broken = read(tmp_path)
    assert ([each.do for each in found], broken) == (["end"], "")


def test_segments_follow_on_each_other(tmp_path: Path) -> None:
    writer = written(tmp_path, 100, segment_bytes=10)
    until(lambda: writer.statistics().inputs == 100)
    writer.take("step", 100, NEWS, ())
    writer.stop("stopped", "", 101)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME.format(1), NAME.format(2)]
    found, broken = read(tmp_path)
    assert ([each.number for each in found], broken) == (list(range(1, 103)), "")
    (tmp_path / NAME.format(1)).unlink()
    assert read(tmp_path) == ([], "behind input 0: the next one is 101")


def test_a_torn_tail_costs_what_is_not_whole_and_damage_all_that_follows(tmp_path: Path) -> None:
    writer = written(tmp_path, 50)
    until(lambda: writer.statistics().inputs == 50)
    before = (tmp_path / NAME.format(1)).stat().st_size
    for number in range(50, 100):
        writer.take("step", number, NEWS, ())
    writer.stop("stopped", "", 101)
    path = tmp_path / NAME.format(1)
    whole = path.read_bytes()

    path.write_bytes(whole[: before + (len(whole) - before) // 2])
    found, broken = read(tmp_path)
    assert [each.number for each in found[:50]] == list(range(1, 51))
    assert len(found) < 101
    assert "torn: it ends in the middle of a flush" in broken

    path.write_bytes(whole[:20] + b"\x00" * 20 + whole[40:])
    found, broken = read(tmp_path)
    assert len(found) < 50, "what comes behind the damage is of no use"
    assert broken.startswith(f"behind input {len(found)}: ")

    path.write_bytes(gzip.compress(b'{"number":1,"do":"start","at_ns":1}\n\nnot JSON\n'))
    found, broken = read(tmp_path)
    assert [each.number for each in found] == [1]
    assert broken.startswith("behind input 1: no input of a recording")


def test_where_the_disk_does_not_keep_up_the_recording_ends_and_nothing_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "FLUSH_S", 60.0)
    writer = written(tmp_path, 10, most_waiting=10)
    assert writer.statistics().ended == ""
    for number in range(10, 1000):
        writer.take("step", number, NEWS, ())
    stats = writer.statistics()
    assert (stats.ended, stats.waiting) == ("the disk did not keep up: 10 inputs were waiting", 0)
    writer.stop("stopped", "abc", 5)
    found, broken = read(tmp_path)
    assert (broken, [(each.do, each.why, each.digest) for each in found]) == ("", [("end", stats.ended, "")])


def test_a_disk_that_refuses_ends_it_with_what_was_whole(tmp_path: Path) -> None:
    writer = written(tmp_path, 5)
    until(lambda: writer.statistics().inputs == 5)

    class Full:
        """The device is full after ten bytes."""

        def __init__(self, file: Any) -> None:
            self._file, self._room = file, 10

        def tell(self) -> int:
            return int(self._file.tell())

        def write(self, data: memoryview) -> int:
            if not self._room:
                raise OSError(28, "No space left on device")
            self._room -= 10
            return int(self._file.write(data[:10]))

        def truncate(self, at: int) -> None:
            self._file.truncate(at)
            self._file.seek(at)

        def close(self) -> None:
            self._file.close()

    writer._file = Full(writer._file)  # type: ignore[assignment]  # a disk, as far as it is asked
    writer.take("step", 6, NEWS, ())
    until(lambda: writer.statistics().ended != "")
    for number in range(1000):
        writer.take("step", number, NEWS, ())
    assert writer.statistics().waiting == 0
    writer.stop("stopped", "", 9)
    assert "No space left on device" in writer.statistics().ended
    found, broken = read(tmp_path)
    assert ([each.number for each in found], broken) == ([1, 2, 3, 4, 5], "")


def test_what_json_has_no_words_for_ends_it_too(tmp_path: Path) -> None:
    writer = written(tmp_path, 1)
    until(lambda: writer.statistics().inputs == 1)
    writer.take("step", 2, object(), ())
    until(lambda: writer.statistics().ended != "")
    assert writer.statistics().ended.startswith("an input cannot be written: TypeError")
    writer.stop("stopped", "", 9)
    found, _ = read(tmp_path)
    assert [each.do for each in found] == ["step", "end"]


def test_a_folder_without_inputs_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "inputs.txt").write_text("no")
    with pytest.raises(ConfigError, match="holds no inputs"):
        read(tmp_path)
