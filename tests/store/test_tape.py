import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tapeline.errors import BadData
from tapeline.store.tape import TapeReading, TapeWriter, merge_tapes, read_answers, read_tape

AT_NS = 1_723_161_255_342_000_001


class Clock:
    """Stands still unless told: the writer's flush period is the queue's own timeout then."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        self.at += 0.2  # each look takes a while, so that a flush period ends
        return self.at

    def wall_ns(self) -> int:
        return AT_NS


def written(folder: Path, fill: Callable[[TapeWriter], None], **options: float) -> TapeWriter:
    tape = TapeWriter(folder, clock=Clock(), **options)  # type: ignore[arg-type]  # numbers by name
    tape.start()
    fill(tape)
    tape.stop()
    return tape


def test_frames_and_answers_come_back_exactly(tmp_path: Path) -> None:
    def fill(tape: TapeWriter) -> None:
        tape.frame("binance/public/1#1", "open", b"", AT_NS, "wss://x")
        tape.frame("binance/public/1#1", "in", '{"a":"é\\n"}'.encode(), AT_NS + 1)
        tape.frame("binance/public/1#1", "in", b"\xff\xfe not text", AT_NS + 2)
        tape.answer("GET", "https://x/depth?a=1", 200, b'{"b":[1]}', AT_NS + 3)
        tape.frame("binance/public/1#1", "close", b"", AT_NS + 4, "cut")

    tape = written(tmp_path, fill)
    (path,) = tmp_path.glob("*.ws.jsonl.gz")
    lines = list(read_tape(path))
    assert [(line.dir, line.frame, line.at_ns, line.reason) for line in lines] == [
        ("open", b"", AT_NS, "wss://x"),
        ("in", '{"a":"é\\n"}'.encode(), AT_NS + 1, ""),
        ("in", b"\xff\xfe not text", AT_NS + 2, ""),
        ("close", b"", AT_NS + 4, "cut"),
    ]
    assert {line.conn for line in lines} == {"binance/public/1#1"}
    (path,) = tmp_path.glob("*.rest.jsonl.gz")
    (answer,) = read_answers(path)
    assert (answer.url, answer.status, answer.body, answer.at_ns) == (
        "https://x/depth?a=1",
        200,
        '{"b":[1]}',
        AT_NS + 3,
    )
    found = tape.statistics()
    assert (found.frames, found.answers, found.segments, found.queued, found.dropped, found.last_error) == (
        4,
        1,
        1,
        0,
        0,
        "",
    )
    assert found.bytes_written == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_line_is_what_the_reference_says(tmp_path: Path) -> None:
    written(tmp_path, lambda tape: tape.frame("c", "in", b'{"x":1}', AT_NS))
    (path,) = tmp_path.glob("*.ws.jsonl.gz")
    with gzip.open(path, "rt") as text:
        assert json.loads(text.readline()) == {
            "t": AT_NS / 1e9, "t_ns": AT_NS, "conn": "c", "dir": "in", "raw": '{"x":1}',
        }  # fmt: skip


def test_segments_begin_anew_when_full(tmp_path: Path) -> None:
    def fill(tape: TapeWriter) -> None:
        for i in range(20):
            tape.frame("c", "in", b"x" * 100, AT_NS + i)

    tape = written(tmp_path, fill, segment_bytes=1, flush_s=0.5)
    paths = sorted(tmp_path.glob("*.ws.jsonl.gz"))
    assert len(paths) == tape.statistics().segments > 1
    stamps = [line.at_ns for path in paths for line in read_tape(path)]
    assert stamps == [AT_NS + i for i in range(20)]


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path, queue_frames=3)
    for i in range(5):
        tape.frame("c", "in", b"x", AT_NS + i)
    assert tape.statistics().dropped == 2
    tape.start()
    tape.stop()
    (path,) = tmp_path.glob("*.ws.jsonl.gz")
    assert [line.at_ns for line in read_tape(path)] == [AT_NS, AT_NS + 1, AT_NS + 2]


def test_a_disk_that_refuses_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    tape = written(tmp_path / "file" / "tape", lambda tape: tape.frame("c", "in", b"x", AT_NS))
    assert tape.statistics().dropped == 1
    assert "NotADirectoryError" in tape.statistics().last_error


def member(*stamps: int) -> bytes:
    return gzip.compress(b"".join(b'{"t_ns":%d,"raw":"x"}\n' % stamp for stamp in stamps))


def test_a_torn_file_reads_to_its_last_flush(tmp_path: Path) -> None:
    path = tmp_path / "torn.ws.jsonl.gz"
    path.write_bytes(member(1, 2) + member(3) + member(4, 5)[:-12])
    assert [line.at_ns for line in read_tape(path)][:3] == [1, 2, 3]


def test_damage_is_noted_and_what_was_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bad.ws.jsonl.gz"
    path.write_bytes(member(1, 2) + b"\x00\x01 this is no gzip")
    reading = TapeReading()
    assert [line.at_ns for line in read_tape(path, reading)] == [1, 2]
    assert len(reading.bad) == 1
    assert "damaged" in reading.bad[0]


def test_bad_lines_are_noted_by_number_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "plain.ws.jsonl"
    path.write_bytes(b'{"t":1.5,"raw":"a"}\n\nnonsense\n{"t_ns":"x"}\n{"t_ns":7,"raw":"b"}')
    reading = TapeReading()
    assert [(line.at_ns, line.raw) for line in read_tape(path, reading)] == [(1_500_000_000, "a"), (7, "b")]
    assert [text.split(":")[1] for text in reading.bad] == ["3", "4"]
    assert reading.lines == 2


def test_problems_are_bounded() -> None:
    reading = TapeReading()
    for i in range(500):
        reading.note(str(i))
    assert len(reading.bad) == 100


def test_several_tapes_are_one_by_time(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ws.jsonl.gz", tmp_path / "b.ws.jsonl.gz"
    first.write_bytes(member(1, 4, 6))
    second.write_bytes(member(2, 3, 5))
    assert [line.at_ns for line in merge_tapes([first, second])] == [1, 2, 3, 4, 5, 6]


def test_zstd_without_the_package_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    path = tmp_path / "x.ws.jsonl.zst"
    path.write_bytes(b"")
    with pytest.raises(BadData, match="needs the zstandard package"):
        list(read_tape(path))


def test_a_real_recording_reads_whole(shared: Path) -> None:
    reading = TapeReading()
    lines = list(read_tape(shared / "captures" / "okx_v5_cryptofeed_20220513.ws.jsonl.gz", reading))
    assert (len(lines), reading.lines, reading.bad) == (313, 313, [])
    assert lines[0].dir == "open"
