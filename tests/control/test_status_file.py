import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.control.status_file import LastWord, StatusFile, read_status
from tapeline.errors import BadData

SECOND = 10**9


def test_what_was_written_last_is_read_with_its_age(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    file = StatusFile(path)
    file.write({"state": "running", "written_at_ns": 5 * SECOND})
    file.write({"state": "stopped", "written_at_ns": 7 * SECOND, "price": Decimal("1.50")})
    assert read_status(path, 10 * SECOND) == LastWord(
        {"state": "stopped", "written_at_ns": 7 * SECOND, "price": "1.50"}, 3.0
    )
    assert [each.name for each in tmp_path.iterdir()] == ["status.json"]


def test_without_a_stamp_its_age_is_the_files(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text(json.dumps({"state": "running"}))
    os.utime(path, ns=(0, 4 * SECOND))
    last = read_status(path, 10 * SECOND)
    assert last is not None
    assert last.age_s == 6.0


def test_never_written(tmp_path: Path) -> None:
    assert read_status(tmp_path / "status.json", 0) is None


@pytest.mark.parametrize("content", [b"", b'{"state', b"[]", b"\xff"])
def test_not_readable(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "status.json").write_bytes(content)
    with pytest.raises(BadData, match=r"status.json is no JSON object"):
        read_status(tmp_path / "status.json", 0)
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadData, match="cannot read"):
        read_status(tmp_path / "folder", 0)


def test_a_write_that_fails_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "status.json"
    StatusFile(path).write({"state": "running"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        StatusFile(path).write({"state": "stopped"})
    assert [each.name for each in tmp_path.iterdir()] == ["status.json"]
    assert json.loads(path.read_text()) == {"state": "running"}


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        StatusFile(tmp_path / "none" / "status.json").write({})
