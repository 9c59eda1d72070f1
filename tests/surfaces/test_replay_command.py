"""`tapeline replay` on the command line: the same, different, killed, and nothing to play."""

import json
from pathlib import Path

import pytest

from recording_fixtures import CODE, run
from tapeline.config import StrategyConfig
from tapeline.surfaces.cli import main


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "buys.py").write_text(CODE)
    run(tmp_path / "into", tmp_path / "store", StrategyConfig(run="buys.py:Buys"))
    return tmp_path / "into"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_the_same_is_said_with_its_digest(into: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, str(into))
    assert (code, err) == (0, "")
    assert "3 inputs, 2 commands: the same, digest " in out
    assert out.endswith("(stopped)\n")
    code, out, _ = told(capsys, str(into), "--json")
    found = json.loads(out)
    assert (code, found["same"], found["inputs"], found["difference"]) == (0, True, 3, None)


def test_a_difference_is_shown_whole_and_long_commands_are_cut(
    into: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "buys.py").write_text(CODE.replace("price=trade.price", "price=trade.price - 1"))
    code, out, _ = told(capsys, str(into), "--code", str(tmp_path))
    assert code == 1
    first, at, recorded, replayed = out.splitlines()
    assert first.endswith("2 inputs, 1 commands: DIFFERENT")
    assert at.startswith('  input 2 at 1970-01-01T00:00:02Z: step {"type":"trade"')
    assert '"price":"100"' in recorded
    assert '"price":"99"' in replayed
    monkeypatch.setattr("tapeline.surfaces.cli.replay.COMMANDS_LONGEST", 20)
    _, out, _ = told(capsys, str(into), "--code", str(tmp_path))
    assert out.splitlines()[2].startswith('  recorded: [{"type":"submit","o... (')


def test_a_torn_recording_is_the_same_as_far_as_it_goes_and_warnings_go_to_stderr(
    into: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (recording,) = into.iterdir()
    inputs = recording / "inputs-000001.jsonl.gz"
    inputs.write_bytes(inputs.read_bytes()[:-12])
    head = json.loads((recording / "recording.json").read_text())
    (recording / "recording.json").write_text(json.dumps(head | {"version": "0.0.1"}))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, out, err = told(capsys, str(recording))
    assert code == 0
    assert "(killed: it ends with its last whole input, behind input " in out
    assert "recorded by Tapeline 0.0.1" in err


def test_a_folder_without_a_recording_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = told(capsys, str(tmp_path))
    assert code == 2
    assert "holds no recording of a trading run" in err
