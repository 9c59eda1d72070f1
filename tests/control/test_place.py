import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapeline.control import place
from tapeline.control.place import Holder, read_lock, socket_path
from tapeline.errors import ConfigError
from tapeline.store.lock import StoreLock


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary directory of a short name, where the fallback goes too."""
    with tempfile.TemporaryDirectory(prefix="tl", dir="/tmp") as name:  # pytest's own path may be too long
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def test_in_the_runtime_directory_one_path_a_store(short: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(short)}
    one, other = socket_path(short / "a", environ), socket_path(short / "b", environ)
    assert one.parent == short / "tapeline"
    assert one != other
    assert socket_path(short / "x" / ".." / "a", environ) == one
    assert stat.S_IMODE(one.parent.stat().st_mode) == 0o700


def test_without_a_runtime_directory_in_a_private_one(short: Path) -> None:
    found = socket_path(short / "a", {})
    assert found.parent == short / f"tapeline-{os.getuid()}"
    assert stat.S_IMODE(found.parent.stat().st_mode) == 0o700


def test_a_directory_that_others_may_read_is_closed_to_them(short: Path) -> None:
    (short / "tapeline").mkdir(mode=0o755)
    socket_path(short / "a", {"XDG_RUNTIME_DIR": str(short)})
    assert stat.S_IMODE((short / "tapeline").stat().st_mode) == 0o700


@pytest.mark.parametrize("bad", ["x" * 120, "none"])
def test_where_it_cannot_be_it_is_in_the_private_one(short: Path, bad: str) -> None:
    assert socket_path(short / "a", {"XDG_RUNTIME_DIR": str(short / bad)}).parent.name == f"tapeline-{os.getuid()}"


def test_a_directory_that_is_not_ours_is_not_used(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (short / "elsewhere").mkdir()
    (short / "tapeline").symlink_to(short / "elsewhere")
    environ = {"XDG_RUNTIME_DIR": str(short)}
    assert socket_path(short / "a", environ).parent.name == f"tapeline-{os.getuid()}"

    monkeypatch.setattr(place, "PATH_BYTES", 10)
    with pytest.raises(ConfigError, match=r"no runtime directory .* too long .* too long .* Set XDG_RUNTIME_DIR"):
        socket_path(short / "a", environ)


@pytest.mark.parametrize(
    ("text", "holder"),
    [
        ('{"pid": 7, "socket": "/run/x.sock"}', Holder(7, "/run/x.sock")),
        ('{"pid": 7, "socket": null, "more": 1}', Holder(7, "")),
        ('{"pid": 7}', Holder(7, "")),
        ("", None),
        ('{"pid": 7', None),
        ("[7]", None),
        ('{"pid": "7"}', None),
        ('{"pid": 0}', None),
    ],
)
def test_who_holds_a_store(tmp_path: Path, text: str, holder: Holder | None) -> None:
    (tmp_path / "lock").write_text(text)
    assert read_lock(tmp_path / "lock") == holder


def test_nobody_holds_the_copy_of_a_store_that_another_process_writes(tmp_path: Path) -> None:
    lock = StoreLock(tmp_path / "store")
    lock.acquire("/run/x.sock")
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    assert read_lock(tmp_path / "store" / "lock") == Holder(os.getpid(), "/run/x.sock")
    assert read_lock(tmp_path / "copy" / "lock") is None
    (tmp_path / "store").rename(tmp_path / "moved")
    assert read_lock(tmp_path / "moved" / "lock") == Holder(os.getpid(), "/run/x.sock"), "the same file still"
    lock.release()


def test_nobody_holds_a_store_without_a_lock(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "lock") is None


def test_whether_the_holder_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Holder(os.getpid(), "").alive
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not Holder(ended.pid, "").alive

    def another_users(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", another_users)
    assert Holder(1, "").alive
