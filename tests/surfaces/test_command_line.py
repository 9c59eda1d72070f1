import sys
from importlib.metadata import version

import pytest

from tapeline.errors import BadData, ConfigError, NotHeld, StoreLocked, UnknownInstrument
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
