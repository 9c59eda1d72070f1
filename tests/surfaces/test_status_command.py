import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tapeline.control import StatusFile, serve_control
from tapeline.surfaces.cli import main
from tapeline.surfaces.cli.status import NEVER_RUN, find_status, show

SECOND = 10**9
LAST = {"state": "running", "pid": 0, "written_at_ns": 40 * SECOND, "connections": [{"connection": "v#1"}]}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["status", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def left(folder: Path, **changes: object) -> dict[str, Any]:
    status = {**LAST, **changes}
    StatusFile(folder / "status.json").write(status)
    return status


def lock(folder: Path, pid: int, socket: str = "") -> None:
    (folder / "lock").write_text(json.dumps({"pid": pid, "socket": socket}))


@pytest.fixture
def dead() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_running_instance_is_asked(tmp_path: Path) -> None:
    async def status(_: Mapping[str, Any]) -> dict[str, Any]:
        return {"state": "running", "fresh": True}

    async def scene() -> tuple[Mapping[str, Any], list[str]]:
        async with serve_control(tmp_path / "c.sock", {"status": status}), asyncio.timeout(30):
            return await asyncio.to_thread(find_status, tmp_path, 0)

    left(tmp_path)
    lock(tmp_path, os.getpid(), str(tmp_path / "c.sock"))
    assert asyncio.run(scene()) == ({"state": "running", "fresh": True}, [])


def test_where_it_does_not_answer_its_last_word_is_read(tmp_path: Path) -> None:
    status = left(tmp_path, pid=os.getpid())
    lock(tmp_path, os.getpid(), str(tmp_path / "gone.sock"))
    found, notes = find_status(tmp_path, 100 * SECOND)
    assert found == status
    assert notes[0].startswith(f"process {os.getpid()} does not answer: nobody listens on ")
    assert notes[1] == f"process {os.getpid()} is there, and could not be asked; this is its last word, 60 s old"


def test_a_stopped_instance(tmp_path: Path) -> None:
    status = left(tmp_path, state="stopped", pid=77)
    assert find_status(tmp_path, 41 * SECOND) == (
        status,
        ["process 77 has stopped; this is its last word, 1.0 s old"],
    )


def test_a_killed_instance(tmp_path: Path, dead: int) -> None:
    status = left(tmp_path, pid=dead)
    lock(tmp_path, dead, str(tmp_path / "c.sock"))
    assert find_status(tmp_path, 41 * SECOND) == (
        {**status, "state": "gone"},
        [f"process {dead} is gone without having stopped; this is its last word, 1.0 s old"],
    )


def test_a_store_that_nothing_ran_with(tmp_path: Path) -> None:
    found, notes = find_status(tmp_path / "none", 0)
    assert found == NEVER_RUN
    assert notes == [f"nothing has run with the store {tmp_path / 'none'} yet: there is no status.json in it"]


def test_json_is_the_object_as_it_is_and_notes_go_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = left(tmp_path, state="stopped", pid=77)
    assert run("--store", str(tmp_path), "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == status
    assert err.startswith("tapeline: process 77 has stopped; this is its last word, ")


def test_lines_where_it_is_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left(tmp_path, state="stopped", pid=77)
    assert run("--store", str(tmp_path)) == 0
    assert capsys.readouterr().out == (
        "[instance]\nstate: stopped\npid: 77\nwritten: 1970-01-01 00:00:40Z\n[connections]\nconnection=v#1\n"
    )


def test_a_never_run_store_is_no_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--store", str(tmp_path), "--json") == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"state": "never_run"}
    assert "nothing has run with the store" in err


def test_a_terminal_gets_tables_in_which_no_word_is_markup() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    show({"state": "running", "books": [{"reason": "[bold]gone[/bold]"}], "rows": [{"a": 1}] * 300}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # the StringIO above
    assert "[bold]gone[/bold]" in text
    assert "state" in text
    assert "... and 100 more" in text


def test_the_store_may_come_from_the_configuration_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left(tmp_path, state="stopped", pid=77)
    config = tmp_path / "t.toml"
    config.write_text(f"[store]\npath = {json.dumps(str(tmp_path))}\n")
    assert run("--config", str(config), "--json") == 0
    monkeypatch.setenv("TAPELINE_STORE__PATH", str(tmp_path))
    assert run("--json") == 0
    assert [json.loads(line)["pid"] for line in capsys.readouterr().out.splitlines()] == [77, 77]


def test_no_store_named_is_bad_usage(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("TAPELINE_STORE__PATH", raising=False)
    assert run() == 2
    assert capsys.readouterr().err.startswith("tapeline: which store? Give --store PATH")


def test_a_status_that_cannot_be_read_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "status.json").write_text("{")
    assert run("--store", str(tmp_path)) == 1
    assert "status.json is no JSON object" in capsys.readouterr().err
