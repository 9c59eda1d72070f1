from pathlib import Path
from typing import Any

import pytest

from tapeline.config import Config
from tapeline.store.tape_writer import TapeStatistics
from tapeline.surfaces.cli import main
from tapeline.surfaces.cli import record as module


def test_bad_names_are_refused_before_anything_is_dialled(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments, said in (
        (["record", "BTC/USDT", "--channel", "trades", "--out", str(tmp_path)], "write VENUE:SYMBOL"),
        (["record", "binance:BTC/USDT", "--channel", "trade", "--out", str(tmp_path)], "did you mean 'trades'"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


def took(frames: int, dropped: int = 0, error: str = "") -> TapeStatistics:
    return TapeStatistics(
        frames=frames, answers=0, segments=1, bytes_written=0, queued=0, queue_bytes=0, dropped=dropped,
        last_error=error,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        (took(0), "tapeline: nothing came, so that nothing is in "),
        (took(9, 3, "OSError: full"), "tapeline: 3 frames and answers are not in "),
    ],
)
def test_what_was_not_recorded_is_no_success(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    taken: TapeStatistics,
    said: str,
) -> None:
    async def record_streams(*_arguments: Any, **_options: Any) -> TapeStatistics:
        return taken

    monkeypatch.setattr(module, "record_streams", record_streams)
    with pytest.raises(SystemExit) as ended:
        main(["record", "binance:BTC/USDT", "--channel", "trades", "--out", str(tmp_path), "--for", "1"])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert said in told
    assert taken.last_error in told


def test_a_file_where_the_folder_should_be_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        main(["record", "binance:BTC/USDT", "--channel", "trades", "--out", str(tmp_path / "file"), "--for", "1"])
    assert ended.value.code == 1
    assert "file: File exists: a file is where a folder should be" in capsys.readouterr().err


def test_what_was_recorded_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def record_streams(*arguments: Any, **options: Any) -> TapeStatistics:
        asked.append((arguments, options["for_s"], options["ws_url"], options["config"]))
        return took(42)

    monkeypatch.setattr(module, "record_streams", record_streams)  # its own tests run it over sockets
    arguments = ["binance:BTC/USDT", "okx:BTC/USDT", "--channel", "trades", "--channel", "book", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main(["record", *arguments, "--for", "1.5", "--ws-url", "ws://127.0.0.1:1"])
    assert ended.value.code == 0
    given = (["binance:BTC/USDT", "okx:BTC/USDT"], ["trades", "book"], tmp_path)
    assert asked == [(given, 1.5, "ws://127.0.0.1:1", Config())]
    assert capsys.readouterr().out == f"42 frames in {tmp_path}\n"


def test_what_rest_alone_brings_has_no_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def record_streams(*_arguments: Any, **_options: Any) -> TapeStatistics:
        return took(0)

    monkeypatch.setattr(module, "record_streams", record_streams)
    for channels, code in ((("open_interest",), 0), (("open_interest", "mark"), 1)):
        words = [word for name in channels for word in ("--channel", name)]
        with pytest.raises(SystemExit) as ended:
            main(["record", "binance-usdm:BTC/USDT:USDT", *words, "--out", str(tmp_path)])
        assert ended.value.code == code
