from pathlib import Path

import pytest

from tapeline.clock import SystemClock
from tapeline.store.latch import HaltLatch
from tapeline.surfaces.cli import main

PAPER = '[account.main]\nvenue = "binance"\n[account.second]\nvenue = "okx"\n'


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "trade.toml"
    path.write_text(PAPER, encoding="utf-8")
    return str(path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["halt", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def state(environ: dict[str, str], account: str = "main", mode: str = "paper") -> str:
    return HaltLatch(account, mode, environ, SystemClock()).state


def test_every_account_is_halted(config: str, environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--config", config, "--who", "ann", "--why", "a test") == 0
    assert (state(environ), state(environ, "second")) == ("halted", "halted")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "account main (paper): halted, nothing but cancels passes"
    assert said[1].startswith("  by ann: a test; it took ")
    assert "its venue is inside the engine's process" in said[2]


def test_one_account_is_to_be_closed(config: str, environ: dict[str, str]) -> None:
    assert run("--config", config, "--account", "second", "--flatten", "--who", "ann") == 0
    assert (state(environ), state(environ, "second")) == ("running", "flattening")


def test_reduce_only_is_the_gate_alone(
    config: str, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--config", config, "--reduce-only") == 0
    assert state(environ) == "reduce_only"
    assert "what closes a position passes" in capsys.readouterr().out


def test_a_live_account_without_a_key_is_halted_all_the_same(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "live.toml"
    path.write_text('[account.main]\nvenue = "binance"\nmode = "live"\n', encoding="utf-8")
    assert run("--config", str(path), "--who", "ann") == 1
    assert state(environ, mode="live") == "halted"
    said = capsys.readouterr().out
    assert "problem: account.main has no key" in said
    assert "NOT VERIFIED" in said


def test_a_fault_elsewhere_in_the_configuration_keeps_nobody_from_stopping(
    tmp_path: Path, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trade.toml"
    path.write_text(PAPER + "[risk]\nmax_ordr_value = 5\n[[stream]]\nvenue = 7\n", encoding="utf-8")
    assert run("--config", str(path), "--who", "ann") == 0
    assert (state(environ), state(environ, "second")) == ("halted", "halted")
    told = capsys.readouterr().err
    assert "max_ordr_value" in told
    assert told.endswith("going on as if there were no [risk], [stream]\n")


@pytest.mark.parametrize("fault", ["[account.third]\nvenu = 5\n", "[venue.binance]\nrest_url = 9\n"])
def test_a_fault_in_what_says_where_an_account_is_stops_nobody(
    fault: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    path = tmp_path / "trade.toml"
    path.write_text(PAPER + fault + "[risk]\nmax_ordr_value = 5\n", encoding="utf-8")
    assert run("--config", str(path), "--who", "ann") == 2
    assert (state(environ), state(environ, "second")) == ("running", "running")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--flatten", "--reduce-only"), "which one is meant"), (("--account", "mian"), "there is no account 'mian'"),
        (("--who", "watchdog"), "is no person's name"),
    ],
)  # fmt: skip
def test_bad_usage(
    config: str, environ: dict[str, str], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str
) -> None:
    assert run("--config", config, *arguments) == 2
    assert text in capsys.readouterr().err
    assert state(environ) == "running"


def test_without_accounts_there_is_nothing_to_halt(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    assert "no account in the configuration" in capsys.readouterr().err
    assert state(environ) == "running"
