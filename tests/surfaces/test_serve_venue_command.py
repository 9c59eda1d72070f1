"""`tapeline serve-venue` says what is wrong with what it was given, and exits 2. (Serving itself: tests/sockets.)"""

from pathlib import Path

import pytest

from tapeline.surfaces.cli import main

FRAME = (
    '{"t_ns":1700000000000000000,"conn":"x","dir":"in","raw":"{\\"stream\\":\\"btcusdt@trade\\",\\"data\\":{'
    '\\"e\\":\\"trade\\",\\"E\\":1,\\"s\\":\\"BTCUSDT\\",\\"t\\":1,\\"p\\":\\"1\\",\\"q\\":\\"1\\",\\"T\\":1,\\"m\\":true}}"}\n'
)


@pytest.fixture
def tape(tmp_path: Path) -> str:
    path = tmp_path / "good.ws.jsonl"
    path.write_text(FRAME)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["binanc", "--market", "1"], "unknown venue 'binanc': did you mean 'binance'?"),
        (["binance"], "either --tape FILE (and --rest FILE) or --market SEED"),
        (["binance", "--tape", "TAPE", "--market", "1"], "either --tape FILE (and --rest FILE) or --market SEED"),
        (["binance", "--market", "1", "--rest", "TAPE"], "--rest belongs to --tape"),
        (["binance", "--market", "1", "--live"], "--live is the market as it comes: it goes without --market"),
        (["binance", "--tape", "TAPE", "--speed", "2", "--live"], "it goes without --tape and --speed"),
        (["binance", "--market", "1", "--ws-url", "ws://x"], "--ws-url, --rest-url and --config belong to --live"),
        (["binance", "--tape", "/nowhere/x.ws.jsonl"], "no such file: /nowhere/x.ws.jsonl"),
        (["okx", "--tape", "TAPE"], "1 lines, none of them a market frame of okx"),
        (["binance", "--tape", "TAPE", "--speed", "fast"], "--speed fast: write a factor such as 1 or 20, or max"),
        (["binance", "--tape", "TAPE", "--speed", "-1"], "--speed -1: write a factor"),
        (["binance", "--market", "1", "--port", "99999"], "port 99999 cannot be served: ports are 1 to 65535"),
        (["binance", "--tape", "TAPE", "--fault", "cutt@+1s"], "did you mean 'cut'?"),
        (["binance", "--tape", "TAPE", "--fault", "cut@+1s", "--fault", "random:x"], "random:SEED[:PER_HOUR]"),
    ],
)
def test_what_cannot_be_served(arguments: list[str], says: str, tape: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["serve-venue", *(tape if one == "TAPE" else one for one in arguments)])
    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    assert says in err
    assert out == ""


def test_a_damaged_tape_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "torn.ws.jsonl.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00nonsense")
    with pytest.raises(SystemExit) as exit_:
        main(["serve-venue", "binance", "--tape", str(path)])
    assert exit_.value.code == 2
    assert "the first problem" in capsys.readouterr().err


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["serve-venue", "--help"])
    assert exit_.value.code == 0
    assert "serve-venue binance --tape" in " ".join(capsys.readouterr().out.split())
