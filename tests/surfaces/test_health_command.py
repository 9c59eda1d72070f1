import json
from pathlib import Path
from typing import Any

import pytest

from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig
from tapeline.control import StatusFile
from tapeline.store.latch import HaltLatch
from tapeline.surfaces.cli import main
from tapeline.surfaces.cli.health import findings, lines
from tapeline.watch.heartbeat import Heart

CHECK = {
    "check": "clock", "subject": "binance", "state": "fail", "value": 3.0, "limit": 2.0, "text": "our clock is off",
    "todo": "synchronise it", "since_ns": 5,
}  # fmt: skip
GOOD = CHECK | {"check": "store", "subject": "", "state": "ok", "value": 0.0, "text": "rows wait 0.0 s", "todo": ""}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "lock").write_text('{"pid": 1, "socket": ""}')  # the system's first: it lives
    return tmp_path / "store"


def status(store: Path, **parts: Any) -> None:
    StatusFile(store / "status.json").write({"state": "running", "pid": 1, "written_at_ns": 1, **parts})


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["health", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_healthy_run(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(store, checks=[GOOD], alerts=[])
    Heart(store, ("main",), SystemClock()).beat()
    assert run("--store", str(store)) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("engine lives: process ")
    assert said[2] == "ok   store: rows wait 0.0 s (0 of 2)"


def test_an_instance_that_was_killed_is_not_well(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(store, checks=[GOOD], alerts=[])
    (store / "lock").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["health", "--store", str(store)])
    assert ended.value.code == 1
    assert "note: process 1 is gone without having stopped; this is its last word" in capsys.readouterr().out


def test_what_fails_comes_with_what_to_do(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(store, checks=[CHECK, GOOD], alerts=[{"kind": "stale", "subject": "x", "text": "nothing of it"}])
    assert run("--store", str(store)) == 1
    said = capsys.readouterr().out.splitlines()
    assert "fail clock binance: our clock is off (3 of 2) -> synchronise it" in said
    assert said[-1] == "alert stale x: nothing of it"
    assert run("--store", str(store), "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["well"], found["checks"][0]["check"], found["heartbeat"]) == (False, "clock", None)


def test_a_halted_account_is_shown_without_an_engine(store: Path, tmp_path: Path) -> None:
    HaltLatch("main", "live", {"XDG_STATE_HOME": str(tmp_path / "state")}, SystemClock()).worsen(
        "halted", who="ann", why="by hand"
    )
    found = findings(Config(store=StoreConfig(path=str(store))))
    assert found["well"] is False
    assert lines(found)[1] == "account main (live): halted, nothing but cancels passes, by ann: by hand"
    assert lines(found)[-1] == "no check is known: nothing trades from this store, or it has not begun"


def test_a_heart_that_has_stopped_is_late(store: Path) -> None:
    status(store, checks=[GOOD], alerts=[])
    heart = Heart(store, (), SystemClock())
    heart._boot = "an earlier one"
    heart.beat()
    found = findings(Config(store=StoreConfig(path=str(store))))
    assert (found["well"], found["heartbeat"]["late"], found["heartbeat"]["age_s"]) == (False, True, None)
    assert "engine is LATE" in lines(found)[1]
    heart.end()
    assert "engine ended in order" in lines(findings(Config(store=StoreConfig(path=str(store)))))[1]


def test_without_a_store_accounts_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = findings(Config())
    assert (found["well"], found["accounts"]) == (True, [])
