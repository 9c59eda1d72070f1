import gzip
import json
import resource
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing

from tapeline.errors import ConfigError
from tapeline.store.tape import TapeReading, read_answers, read_tape
from tapeline.store.tape_writer import ITEM_BYTES, TapeWriter

AT_NS = 1_723_161_255_342_000_001


class Clock:
    """Each look at it takes a minute."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        self.at += 60.0
        return self.at

    def wall_ns(self) -> int:
        return AT_NS


def written(folder: Path, fill: Callable[[TapeWriter], None], **options: float) -> TapeWriter:
    tape = TapeWriter(folder, clock=Clock(), **options)  # type: ignore[arg-type]  # numbers by name
    tape.start()
    fill(tape)
    tape.stop()
    return tape


def until(done: Callable[[], bool]) -> None:
    for _ in range(1000):
        if done():
            return
        threading.Event().wait(0.01)
    pytest.fail("waited for ten seconds")


def test_frames_and_answers_come_back_exactly(tmp_path: Path) -> None:
    def fill(tape: TapeWriter) -> None:
        tape.frame("binance/public/1#1", "open", b"", AT_NS, "wss://x")
        tape.frame("binance/public/1#1", "in", '{"a":"é\\n"}'.encode(), AT_NS + 1)
        tape.frame("binance/public/1#1", "in", b"\xff\xfe not text", AT_NS + 2)
        tape.answer("GET", "https://x/depth?a=1", 200, b'{"b":[1]}', AT_NS + 3)
        tape.answer("GET", "https://x/logo", 500, b"\x89PNG", AT_NS + 3)
        tape.frame("binance/public/1#1", "close", b"", AT_NS + 4, "cut")

    tape = written(tmp_path, fill)
    (path,) = tmp_path.glob("*.ws.jsonl.gz")
    assert path.name == "20240808T235415.342Z-0001.ws.jsonl.gz"
    reading = TapeReading()
    lines = list(read_tape(path, reading))
    assert [(line.dir, line.frame, line.at_ns, line.reason) for line in lines] == [
        ("open", b"", AT_NS, "wss://x"),
        ("in", '{"a":"é\\n"}'.encode(), AT_NS + 1, ""),
        ("in", b"\xff\xfe not text", AT_NS + 2, ""),
        ("close", b"", AT_NS + 4, "cut"),
    ]
    assert {line.conn for line in lines} == {"binance/public/1#1"}
    assert reading.bad == []
    (path,) = tmp_path.glob("*.rest.jsonl.gz")
    assert [(each.url, each.status, each.content, each.at_ns) for each in read_answers(path)] == [
        ("https://x/depth?a=1", 200, b'{"b":[1]}', AT_NS + 3),
        ("https://x/logo", 500, b"\x89PNG", AT_NS + 3),
    ]
    found = tape.statistics()
    assert (found.frames, found.answers, found.segments, found.queued, found.queue_bytes) == (4, 2, 1, 0, 0)
    assert (found.dropped, found.last_error) == (0, "")
    assert found.bytes_written == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_line_is_what_the_reference_says(tmp_path: Path) -> None:
    def fill(tape: TapeWriter) -> None:
        tape.frame("c", "in", b'{"x":1}', AT_NS)
        tape.answer("GET", "u", 200, b"{}", AT_NS)

    written(tmp_path, fill)
    (path,) = tmp_path.glob("*.ws.jsonl.gz")
    with gzip.open(path, "rt") as text:
        assert [json.loads(line) for line in text] == [
            {"t": AT_NS / 1e9, "t_ns": AT_NS, "conn": "c", "dir": "in", "raw": '{"x":1}'}
        ]
    (path,) = tmp_path.glob("*.rest.jsonl.gz")
    with gzip.open(path, "rt") as text:
        assert [json.loads(line) for line in text] == [
            {"t": AT_NS / 1e9, "t_ns": AT_NS, "method": "GET", "url": "u", "status": 200, "body": "{}"}
        ]


@pytest.mark.parametrize("limit", [{"segment_bytes": 1}, {"segment_s": 1.0}])
def test_segments_begin_anew_by_size_and_by_age(tmp_path: Path, limit: dict[str, float]) -> None:
    def fill(tape: TapeWriter) -> None:
        for i in range(3):
            tape.frame("c", "in", b"x" * 100, AT_NS + i)
            until(lambda: tape.statistics().queued == 0)

    tape = written(tmp_path, fill, flush_s=0.01, **limit)
    paths = sorted(tmp_path.glob("*.ws.jsonl.gz"))
    assert len(paths) == tape.statistics().segments == 3
    assert [line.at_ns for path in paths for line in read_tape(path)] == [AT_NS + i for i in range(3)]


def test_each_flush_can_be_read_before_the_end(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path, flush_s=0.01)
    tape.start()
    tape.stop()
    assert list(tmp_path.iterdir()) == [], "nothing came, nothing is written"
    tape = TapeWriter(tmp_path, flush_s=0.01)
    tape.start()
    for i in range(2):
        tape.frame("c", "in", b"x", AT_NS + i)
        until(lambda: tape.statistics().bytes_written > 0 and tape.statistics().queued == 0)
        (path,) = tmp_path.glob("*.ws.jsonl.gz")
        until(lambda path=path, i=i: len(list(read_tape(path))) == i + 1)  # type: ignore[misc]  # bound here
    tape.stop()
    assert path.read_bytes().count(b"\x1f\x8b\x08") == 2


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path, queue_bytes=3 * (ITEM_BYTES + 1))
    for i in range(5):
        tape.frame("c", "in", b"x", AT_NS + i)
    tape.answer("GET", "u", 200, b"x", AT_NS)
    found = tape.statistics()
    assert (found.dropped, found.frames, found.answers, found.queued) == (3, 3, 0, 3)
    assert found.queue_bytes == 3 * (ITEM_BYTES + 1)
    tape.start()
    tape.stop()
    (path,) = tmp_path.glob("*.ws.jsonl.gz")
    assert [line.at_ns for line in read_tape(path)] == [AT_NS, AT_NS + 1, AT_NS + 2]


def test_a_flood_does_not_wait_for_its_flush(tmp_path: Path) -> None:
    tape = TapeWriter(tmp_path, queue_bytes=100_000, flush_s=3600.0)
    tape.start()
    for i in range(60):
        tape.frame("c", "in", b"x" * 500, AT_NS + i)
    until(lambda: tape.statistics().bytes_written > 0)
    tape.stop()
    (path,) = tmp_path.glob("*.ws.jsonl.gz")
    assert len(list(read_tape(path))) == 60


def test_a_disk_that_refuses_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with structlog.testing.capture_logs() as told:
        tape = written(tmp_path / "file" / "tape", lambda tape: tape.frame("c", "in", b"x", AT_NS))
    assert [(each["log_level"], each["problem"]) for each in told] == [("error", "cannot write, frames are lost")]
    assert tape.statistics().dropped == 1
    assert "NotADirectoryError" in tape.statistics().last_error


def test_a_disk_that_fills_leaves_whole_members_only(tmp_path: Path) -> None:
    """The size limit of files stands for the disk: it cuts a write in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = bytes(range(256)).hex().encode() * 400
    tape = TapeWriter(tmp_path, flush_s=0.01)
    with structlog.testing.capture_logs() as told:  # what the log prints to may be a file of the limited size, too
        tape.start()
        try:
            tape.frame("c", "in", b"first", AT_NS)
            until(lambda: tape.statistics().bytes_written > 0)
            size = tape.statistics().bytes_written
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
            tape.frame("c", "in", noise, AT_NS + 1)
            until(lambda: tape.statistics().dropped == 1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        (path,) = tmp_path.glob("*.ws.jsonl.gz")
        assert path.stat().st_size == size
        assert "File too large" in tape.statistics().last_error
        tape.frame("c", "in", b"later", AT_NS + 2)
        tape.stop()
    assert [each["log_level"] for each in told] == ["error", "info"]
    assert told[1] == {"event": "tape", "log_level": "info", "recovered": True, "lost": 1}
    assert [line.frame for line in read_tape(path)] == [b"first", b"later"]


def test_compression_is_gzip_or_zstd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="not by 'lzma'"):
        TapeWriter(tmp_path, compression="lzma")  # type: ignore[arg-type]  # what is being tested
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(ConfigError, match="zstd tapes need the zstandard package"):
        TapeWriter(tmp_path, compression="zstd")


def test_zstd_tapes_come_back_exactly(tmp_path: Path) -> None:
    pytest.importorskip("zstandard", reason="optional")
    tape = TapeWriter(tmp_path, compression="zstd")
    tape.start()
    for i in range(1000):
        tape.frame("c", "in", b"x%d" % i, AT_NS + i)
    tape.stop()
    (path,) = tmp_path.glob("*.ws.jsonl.zst")
    assert [line.frame for line in read_tape(path)] == [b"x%d" % i for i in range(1000)]
