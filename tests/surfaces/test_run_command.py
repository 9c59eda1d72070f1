"""`tapeline run` as a command: what it refuses, and with which code. Its work is tested over sockets."""

from pathlib import Path

import pytest

from tapeline.surfaces.cli import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_missing_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "nowhere.toml" in refused(capsys, "run", "--config", str(tmp_path / "nowhere.toml"))


def test_a_typing_error_names_the_right_word(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "tapeline.toml"
    path.write_text('[[stream]]\nvenue = "binance"\nsymbls = ["BTC/USDT"]\nchannels = ["trades"]\n')
    assert "did you mean symbols" in refused(capsys, "run", "--config", str(path))


def test_a_venue_that_does_not_exist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "tapeline.toml"
    path.write_text(
        f'[store]\npath = "{tmp_path / "s"}"\n[[stream]]\nvenue = "binanse"\nsymbols = ["X"]\nchannels = ["trades"]\n'
    )
    assert "unknown venue 'binanse': did you mean 'binance'" in refused(capsys, "run", "--config", str(path))


def test_nothing_to_stream(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "tapeline.toml"
    path.write_text("")
    assert "add a [[stream]] table" in refused(capsys, "run", "--config", str(path))


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
@pytest.mark.parametrize(
    "command",
    [
        ("run", "--config", "t.toml"), ("record", "binance:BTC/USDT", "--channel", "trades", "--out", "o"),
        ("trade", "--paper", "--config", "t.toml"),
    ],
)  # fmt: skip
def test_no_time_to_run_for(capsys: pytest.CaptureFixture[str], command: tuple[str, ...], seconds: str) -> None:
    assert "is no time to run for" in " ".join(refused(capsys, *command, f"--for={seconds}").replace("│", "").split())
