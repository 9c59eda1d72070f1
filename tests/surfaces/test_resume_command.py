from pathlib import Path

import pytest

from tapeline.clock import SystemClock
from tapeline.store.journal import Journal
from tapeline.store.latch import HaltLatch
from tapeline.surfaces.cli import main
from tapeline.trading.command import Note


def latch(tmp_path: Path) -> HaltLatch:
    return HaltLatch("main", "paper", {"XDG_STATE_HOME": str(tmp_path / "state")}, SystemClock())


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "trade.toml"
    path.write_text(f'[store]\npath = "{tmp_path}/store"\n[account.main]\nvenue = "binance"\n', encoding="utf-8")
    return str(path)


def run(*arguments: str) -> int:
    try:
        main(["resume", *arguments])
    except SystemExit as ended:
        assert isinstance(ended.code, int)  # noqa: PT017  # commands end by it, and some do not
        return ended.code
    return 0


def test_a_person_resumes_and_the_journal_says_so(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Journal(tmp_path / "store").close()
    latch(tmp_path).worsen("halted", who="engine", why="w")
    assert run("--config", config, "--who", "Ann", "--why", "looked at it", "--to", "reduce_only") == 0
    assert latch(tmp_path).state == "reduce_only"
    assert run("--config", config, "--who", "Ann", "--why", "looked at it") == 0
    assert latch(tmp_path).state == "running"
    assert capsys.readouterr().out.splitlines() == [
        "account main (paper): halted -> reduce_only, what closes a position passes, and cancels",
        "account main (paper): reduce_only -> running, every order that risk approves passes",
    ]
    journal = Journal(tmp_path / "store")
    notes = [each.record.text for each in journal.replay() if isinstance(each.record, Note)]
    journal.close()
    assert notes == ["halted -> reduce_only by Ann: looked at it", "reduce_only -> running by Ann: looked at it"]


def test_what_runs_needs_no_resuming(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", config, "--who", "Ann", "--why", "w") == 0
    assert capsys.readouterr().out == "account main (paper): it is running: running is no better\n"


@pytest.mark.parametrize(("who", "why"), [("engine", "w"), ("Ann", " ")])
def test_no_component_resumes_and_nobody_without_a_reason(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], who: str, why: str
) -> None:
    latch(tmp_path).worsen("halted", who="engine", why="w")
    assert run("--config", config, "--who", who, "--why", why) == 1
    assert latch(tmp_path).state == "halted"
    assert capsys.readouterr().err.startswith("tapeline: a ")


def test_a_name_and_a_reason_must_be_given(config: str) -> None:
    assert run("--config", config) != 0
