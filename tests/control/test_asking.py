import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tapeline.control import asking
from tapeline.control.asking import ask
from tapeline.errors import BadData, ConnectionLost, Refused, TapelineError, TimedOut


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[Path]:
    """One client is read to the end of its line, and answered with these bytes."""
    heard: list[bytes] = []

    def serve() -> None:
        client, _ = server.accept()
        with client:
            heard.append(client.recv(2**16))
            client.sendall(answer)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        thread.join(30)
    assert heard == [b'{"op":"status"}\n']


def test_the_result_of_a_good_answer(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b'{"ok":true,"result":{"state":"running"}}\n') as path:
        assert ask(path, {"op": "status"}) == {"state": "running"}


def test_a_large_answer_is_read_to_its_end(tmp_path: Path) -> None:
    with answering(tmp_path / "s", b'{"ok":true,"result":"' + b"x" * 500_000 + b'"}\n') as path:
        assert ask(path, {"op": "status"}) == "x" * 500_000


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (b'{"ok":false,"error":"unknown op"}\n', Refused, "unknown op"),
        (b'{"ok":false}\n', Refused, "no reason given"),
        (b"{}\n", Refused, "no reason given"),
        (b'{"ok":tr', ConnectionLost, "broke off after 8 bytes"),
        (b"", ConnectionLost, "broke off after 0 bytes"),
        (b"<html>\n", BadData, "is no JSON object"),
        (b"[]\n", BadData, "is no JSON object"),
    ],
)
def test_bad_answers(tmp_path: Path, answer: bytes, error: type[TapelineError], message: str) -> None:
    with answering(tmp_path / "s", answer) as path, pytest.raises(error, match=message):
        ask(path, {"op": "status"})


def test_an_answer_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_BYTES", 10)
    with answering(tmp_path / "s", b"x" * 20) as path, pytest.raises(ConnectionLost, match="broke off after 20"):
        ask(path, {"op": "status"})


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ConnectionLost, match=r"nobody listens on .*none"):
        ask(tmp_path / "none", {"op": "status"})
    with pytest.raises(ConnectionLost, match="nobody listens"):
        ask(tmp_path / ("x" * 200), {"op": "status"})


def test_somebody_there_who_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "s"))
        mute.listen(1)
        with pytest.raises(TimedOut, match=r"no answer on .* within 0\.01 s"):
            ask(tmp_path / "s", {"op": "status"}, timeout_s=0.01)
