"""`tapeline serve-venue` as a process and in this one: one JSON line, then it serves until it is told to stop."""

import asyncio
import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect

from tapeline.surfaces.cli import main

pytestmark = pytest.mark.sockets

START_MS = 1_700_000_000_000
SUBSCRIBE = '{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}'


def traded(number: int) -> str:
    at_ms = START_MS + number * 10
    trade = {"e": "trade", "E": at_ms, "s": "BTCUSDT", "t": number, "p": "60000", "q": "0.5", "T": at_ms, "m": True}
    return json.dumps({"stream": "btcusdt@trade", "data": trade})


FRAMES = [traded(number) for number in range(100)]


@pytest.fixture
def tape(tmp_path: Path) -> str:
    path = tmp_path / "some.ws.jsonl.gz"
    lines: list[dict[str, Any]] = [
        {"t_ns": (START_MS + number * 10) * 1_000_000, "conn": "x", "dir": "in", "raw": frame}
        for number, frame in enumerate(FRAMES)
    ]
    path.write_bytes(gzip.compress(b"\n".join(map(msgspec.json.encode, lines))))
    return str(path)


async def heard(url: str, most: int) -> list[str]:
    frames: list[str] = []
    async with asyncio.timeout(20), connect(url + "/stream") as client:
        await client.send(SUBSCRIBE)
        while len(frames) < most:
            frames.append(str(await client.recv()))
    return frames


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(number: signal.Signals, tape: str) -> None:
    command = [sys.executable, "-c", "from tapeline.surfaces.cli import main; main()", "serve-venue", "binance"]
    process = subprocess.Popen(  # our own command
        [*command, "--tape", tape, "--speed", "max"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = json.loads(process.stdout.readline())
    assert line["venue"] == "binance"
    assert line["rest"] == line["ws"].replace("ws:", "http:")
    assert asyncio.run(heard(line["ws"], 101))[1:] == FRAMES
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")
    assert "connected" in err
    assert "Traceback" not in err


def test_a_market_in_this_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[str] = []

    def listen() -> None:
        try:
            while not (lines := [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]):
                pass
            found.extend(asyncio.run(heard(json.loads(lines[0])["ws"], 5)))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("tapeline.surfaces.cli.serve_venue.configure_logging", lambda _log: None)
    thread = threading.Thread(target=listen)
    thread.start()
    with contextlib.suppress(SystemExit):
        main(["serve-venue", "binance", "--market", "3", "--fault", "duplicate@+0s"])
    thread.join()
    assert len(found) == 5
    assert json.loads(found[1])["stream"] == "btcusdt@trade"


def test_a_taken_port_is_bad_usage(tape: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit) as exit_:
            main(["serve-venue", "binance", "--tape", tape, "--port", port])
    assert exit_.value.code == 2
    assert f"port {port} cannot be served" in capsys.readouterr().err
