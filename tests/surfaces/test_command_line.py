import errno
import sqlite3
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tapeline.errors import BadData, ConfigError, NotHeld, StoreLocked, UnknownInstrument
from tapeline.store.schema import FILE
from tapeline.store.series import SeriesStore
from tapeline.surfaces import cli
from tapeline.surfaces.cli import COMMANDS, main, resolved


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("status", "--no-such-option"),
        ("status", "--store"),
        ("check-config",),
        ("check-config", "--config"),
        ("venues", "extra"),
        ("--no-such-option",),
    ],
)
def test_bad_usage_exits_with_2(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_the_list_of_commands_says_what_each_does(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(*arguments) in (0, None)
    out = capsys.readouterr().out
    for name in COMMANDS:
        assert f" {name} " in out
    assert "Print the name of every known venue" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(name, "--help") in (0, None)
    out = capsys.readouterr().out
    assert "Example" in out
    assert f"tapeline {name}" in out.split("Example", 1)[1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (UnknownInstrument("x"), 2),
        (NotHeld("x"), 2),
        (StoreLocked("x"), 1),
        (BadData("x"), 1),
        (BrokenPipeError(), 0),
    ],
)
def test_our_errors_are_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    def fails(_arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    assert run("venues") == code
    assert capsys.readouterr().err == ("" if code == 0 else "tapeline: x\n")


@pytest.mark.parametrize(
    ("arguments", "error", "line"),
    [
        (("gaps", "--store", "d"), sqlite3.DatabaseError("x"), "tapeline: the store at d cannot be used: x\n"),
        (("gaps", "--store=d"), sqlite3.DatabaseError("x"), "tapeline: the store at d cannot be used: x\n"),
        (("gaps", "--store"), sqlite3.DatabaseError("x"), "tapeline: the store cannot be used: x\n"),
        (("venues",), PermissionError(errno.EACCES, "no", "/a"), "tapeline: /a: no: give this user the right"),
        (("venues",), OSError(errno.ENOSPC, "full"), "tapeline: a file: full: free some room"),
    ],
)
def test_what_the_machine_says_is_a_line_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...],
    error: Exception, line: str,
) -> None:  # fmt: skip
    def fails(_arguments: list[str]) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fails)
    assert run(*arguments) == 1
    assert capsys.readouterr().err.startswith(line)


def test_a_fault_of_our_own_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_arguments: list[str]) -> None:
        raise sqlite3.ProgrammingError("ours")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(sqlite3.ProgrammingError, match="ours"):
        main(["venues"])


def test_a_damaged_page_found_while_reading_is_said_with_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    SeriesStore(tmp_path).close()
    file = tmp_path / FILE
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xff" * (size - 4096))
    assert run("gaps", "--store", str(tmp_path)) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"tapeline: the store at {tmp_path} is damaged (database disk image is malformed)")
    assert "tapeline backfill" in told


def test_without_arguments_the_process_s_own_are_taken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["tapeline", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{version('tapeline')}\n"


def test_every_command_can_be_imported() -> None:
    assert set(COMMANDS) <= set(resolved())
