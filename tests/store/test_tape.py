import gzip
from pathlib import Path

import pytest

from tapeline.errors import BadData
from tapeline.store.tape import READ_BYTES, TapeReading, merge_tapes, read_answers, read_numbered, read_tape


def member(*stamps: int) -> bytes:
    return gzip.compress(b"".join(b'{"t_ns":%d,"raw":"x"}\n' % stamp for stamp in stamps))


def test_a_torn_file_reads_to_its_last_flush(tmp_path: Path) -> None:
    path = tmp_path / "torn.ws.jsonl.gz"
    path.write_bytes(member(1, 2) + member(3) + member(4, 5)[:-12])
    assert [line.at_ns for line in read_tape(path)][:3] == [1, 2, 3]


def test_a_torn_tail_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "torn.ws.jsonl.gz"
    path.write_bytes(member(1, 2) + member(3)[:-3])
    reading = TapeReading()
    assert [line.at_ns for line in read_tape(path, reading)][:2] == [1, 2]
    assert "torn: it ends in the middle of a flush" in reading.bad[-1]


def test_what_follows_a_file_is_noted_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "bad.ws.jsonl.gz"
    path.write_bytes(member(1, 2) + b"\x00\x01 this is no gzip")
    reading = TapeReading()
    assert [line.at_ns for line in read_tape(path, reading)] == [1, 2]
    assert len(reading.bad) == 1
    assert "damaged" in reading.bad[0]


def test_reading_goes_on_behind_a_damaged_member(tmp_path: Path) -> None:
    path = tmp_path / "bad.ws.jsonl.gz"
    torn = member(3)[:-9]  # as a full disk leaves it, with more appended later
    path.write_bytes(member(1, 2) + torn + member(4, 5) + member(6))
    reading = TapeReading()
    assert [line.at_ns for line in read_tape(path, reading) if line.at_ns != 3] == [1, 2, 4, 5, 6]
    assert [text for text in reading.bad if "damaged" in text] != []


def test_damage_longer_than_a_piece_is_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "bad.ws.jsonl.gz"
    path.write_bytes(member(1) + b"\x00" * (2 * READ_BYTES) + member(2))
    reading = TapeReading()
    assert [line.at_ns for line in read_tape(path, reading)] == [1, 2]
    assert len(reading.bad) == 1


def test_members_that_span_pieces_are_read(tmp_path: Path) -> None:
    path = tmp_path / "long.ws.jsonl.gz"
    stamps = [i * 7_919_791 % 10**9 for i in range(60_000)]
    path.write_bytes(member(*stamps) + member(1))
    assert path.stat().st_size > 2 * READ_BYTES
    assert [line.at_ns for line in read_tape(path)] == [*stamps, 1]


def test_an_answer_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.rest.jsonl"
    path.write_text('{"t":1.5,"url":"u","body":"","hex":"fffe"}\n{"t_ns":7,"method":"POST","status":404,"body":"no"}\n')
    first, second = read_answers(path)
    assert (first.content, first.at_ns, first.method, first.status) == (b"\xff\xfe", 1_500_000_000, "GET", 200)
    assert (second.content, second.at_ns, second.method, second.status) == (b"no", 7, "POST", 404)


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "x.ws.jsonl"
    path.write_bytes(b'{"t_ns":1}\n\nbad\n{"t_ns":2,"raw":"","hex":"ff"}')
    assert [(number, line.at_ns, line.frame) for number, line in read_numbered(path)] == [(0, 1, b""), (3, 2, b"\xff")]


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


def test_zstd_is_read_to_where_it_is_damaged(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard", reason="optional")
    path = tmp_path / "x.ws.jsonl.zst"
    whole = zstandard.ZstdCompressor().compress(b'{"t_ns":1}\n')
    path.write_bytes(whole + whole)
    assert [line.at_ns for line in read_tape(path)] == [1, 1]
    path.write_bytes(whole + b"no zstd" + whole)
    reading = TapeReading()
    assert [line.at_ns for line in read_tape(path, reading)] == [1, 1]
    assert "damaged" in reading.bad[0]
    path.write_bytes(whole + whole[:-3])
    reading = TapeReading()
    assert next(read_tape(path, reading)).at_ns == 1
    assert list(read_tape(path, reading)) != []
    assert any("torn" in text for text in reading.bad)


def test_a_real_recording_reads_whole(shared: Path) -> None:
    reading = TapeReading()
    lines = list(read_tape(shared / "captures" / "okx_v5_cryptofeed_20220513.ws.jsonl.gz", reading))
    assert (len(lines), reading.lines, reading.bad) == (313, 313, [])
    assert lines[0].dir == "open"
