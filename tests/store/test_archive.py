import errno
from pathlib import Path

import pytest

from tapeline.model.fact import Fact
from tapeline.model.stamp import instant
from tapeline.store import archive


@pytest.mark.parametrize(
    ("kind", "name", "start", "end"),
    [
        ("day", "day=2024-02-29", "2024-02-29", "2024-03-01"),
        ("month", "month=2024-02", "2024-02-01", "2024-03-01"),
        ("year", "year=2024", "2024-01-01", "2025-01-01"),
    ],
)
def test_partitions(kind: str, name: str, start: str, end: str) -> None:
    at_ns = instant("2024-02-29T12:00:00Z")
    assert archive.partition_name(kind, at_ns) == name
    assert archive.next_partition(kind, at_ns) == (instant(start), instant(end))
    assert archive.partition_name("none", at_ns) == ""


class File:
    def __init__(self, path: Path, _schema: object) -> None:
        self.path = path
        path.touch()

    def close(self) -> None:
        self.path.write_text("closed")


def test_new_files_take_the_place_of_old_ones_once_all_are_whole(tmp_path: Path) -> None:
    folder = archive.series_folder(tmp_path, "okx:BTC/USDT:USDT", "bars:1m")
    (folder / "day=2024-01-02").mkdir(parents=True)
    old = folder / "day=2024-01-02" / "data-3.txt"
    old.touch()
    parts = archive.Parts(folder, "txt", File)
    parts.MOST_OPEN = 2
    for partition, schema in (
        ("day=2024-01-02", 1),
        ("day=2024-01-03", 1),
        ("day=2024-01-04", 1),
        ("day=2024-01-02", 1),
    ):
        assert parts.writer(partition, schema) is parts.writer(partition, schema)
    parts.writer("day=2024-01-02", 2)
    assert old.exists()
    made = list(parts.finish())
    assert not old.exists()
    assert [(path.parent.name[-1], path.name, path.read_text()) for path in made] == [
        ("2", "data-0.txt", "closed"), ("2", "data-1.txt", "closed"), ("2", "data-2.txt", "closed"),
        ("3", "data-0.txt", "closed"), ("4", "data-0.txt", "closed"),
    ]  # fmt: skip
    assert [part.path for part in archive.parts_of(folder, "txt")] == made
    assert archive.series_in(tmp_path) == [("okx:BTC/USDT:USDT", "bars:1m", folder)]


def test_given_up_nothing_has_changed(tmp_path: Path) -> None:
    parts = archive.Parts(tmp_path, "txt", File)
    parts.writer("day=2024-01-02")
    parts.abandon()
    assert archive.parts_of(tmp_path, "txt") == []
    assert not list(tmp_path.rglob("*.new"))


def test_lines_of_nothing_leave_no_file(tmp_path: Path) -> None:
    archive.write_lines(tmp_path / "gaps.jsonl", [])
    assert archive.gaps_of(tmp_path) == []


def test_lines_are_whole_or_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fact = Fact("binance:BTC/USDT", "trades", 1, 2, "proven", "ids", "ws", "", 2)
    archive.write_lines(tmp_path / archive.FACTS, [fact])

    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space left"):
        archive.write_lines(tmp_path / archive.FACTS, [fact, fact])
    assert archive.facts_of(tmp_path) == [fact]


def test_a_file_says_by_its_folders_what_it_is_of(tmp_path: Path) -> None:
    folder = archive.series_folder(tmp_path, "okx:BTC/USDT:USDT", "bars:1m")
    found = archive.series_of(folder / "day=2024-01-02" / "data-0.parquet")
    assert found == ("okx:BTC/USDT:USDT", "bars:1m", folder)
    assert archive.series_of(tmp_path / "data-0.parquet") is None


def test_what_was_written_is_known_and_of_what_is_lost_nothing_is(tmp_path: Path) -> None:
    folder = archive.series_folder(tmp_path, "okx:BTC/USDT", "trades")
    days = [folder / f"day=2024-01-0{number}" for number in (1, 2, 3)]
    files = [day / "data-0.csv" for day in days]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("whole")
    start, end = instant("2024-01-01"), instant("2024-01-04")
    archive.write_lines(
        folder / archive.FACTS, [Fact("okx:BTC/USDT", "trades", start, end, "proven", "ids", "rest", "", 1)]
    )
    archive.note_files(folder, files[:2])
    archive.note_files(folder, files[2:])
    assert archive.damaged(folder, "csv") == []
    assert [(fact.from_ns, fact.to_ns) for fact in archive.facts_of(folder)] == [(start, end)]
    files[1].write_text("cut")
    lost = archive.damaged(folder, "csv")
    second, third = instant("2024-01-02"), instant("2024-01-03")
    assert lost == [archive.Part(files[1], second, third)]
    assert [(fact.from_ns, fact.to_ns) for fact in archive.facts_of(folder, lost)] == [(start, second), (third, end)]
    files[1].unlink()
    assert archive.damaged(folder, "csv") == lost
    assert archive.damaged(folder, "parquet") == []
    assert archive.gaps_of(folder) == []
