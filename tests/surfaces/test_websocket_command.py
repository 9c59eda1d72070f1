"""`tapeline websocket` where nothing runs: the last word, overrides for the next start, and bad usage."""

import json
from pathlib import Path

import pytest

from tapeline.control import Overrides, StatusFile, read_overrides
from tapeline.surfaces.cli import main


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["websocket", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_last_word_of_an_instance_that_has_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"instrument": "a:B/C", "channels": ["trades"], "mode": "auto", "uses": "polling", "why": "it failed"}
    StatusFile(tmp_path / "status.json").write(
        {"state": "stopped", "pid": 1, "written_at_ns": 1, "connections": [{"connection": "a/1", "state": "live"}],
         "modes": [row], "books": ["left out"]}
    )  # fmt: skip
    assert run("status", "--store", str(tmp_path), "--json") in (0, None)
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "state": "stopped", "connections": [{"connection": "a/1", "state": "live"}], "modes": [row],
    }  # fmt: skip
    assert "has stopped; this is its last word" in told.err
    assert run("status", "--store", str(tmp_path)) in (0, None)
    assert "instrument=a:B/C channels=trades mode=auto uses=polling why=it failed" in capsys.readouterr().out


def test_a_mode_is_set_for_the_next_start_and_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ("--store", str(tmp_path))
    assert run("config", *store, "--set-mode", "polling", "--json") in (0, None)
    told = capsys.readouterr()
    assert json.loads(told.out) == {"overrides": {"mode": "polling", "instruments": {}}, "modes": []}
    assert "it holds from the next start on" in told.err
    run("config", *store, "--set-mode", "hybrid", "--instrument", "a:B/C")
    assert read_overrides(tmp_path) == Overrides("polling", {"a:B/C": "hybrid"})
    run("config", *store, "--clear", "--instrument", "a:B/C")
    assert read_overrides(tmp_path) == Overrides("polling")
    capsys.readouterr()
    run("config", *store, "--json")
    assert json.loads(capsys.readouterr().out)["overrides"]["mode"] == "polling"
    (tmp_path / "overrides.json").write_text("{")
    assert run("config", *store) == 2
    assert run("config", *store, "--clear") in (0, None)
    assert not (tmp_path / "overrides.json").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("config", "--set-mode", "auto", "--clear", "--store", "x"), "--set-mode and --clear at once"),
        (("config", "--set-mode", "auto", "--store", "/nowhere/at/all"), "there is no store"),
        (("config",), "which store?"),
        (("test",), "test what?"),
        (("test", "--venue", "nowhere"), "unknown venue 'nowhere'"),
        (("test", "--venue", "binance", "--timeout", "0"), "more than none"),
        (("test", "--venue", "binance", "--channel", "funding"), "binance has no channel 'funding'"),
    ],
)
def test_bad_usage(words: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 2
    assert text in capsys.readouterr().err


def test_a_configuration_without_streams_has_nothing_to_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    (tmp_path / "t.toml").write_text('[store]\npath = "x"\n')
    assert run("test", "--config", str(tmp_path / "t.toml")) == 2
    assert "nothing to test" in capsys.readouterr().err
