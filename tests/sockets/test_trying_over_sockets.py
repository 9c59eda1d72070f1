"""`tapeline websocket test` against the simulated venue: every step timed, and the one that fails named."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.trial import STEPS
from tapeline.surfaces.cli import main

pytestmark = pytest.mark.sockets


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        main(["websocket", *words])
        code: Any = 0
    except SystemExit as ended:
        code = ended.code
    told = capsys.readouterr()
    return int(code or 0), told.out, told.err


def test_every_step_of_a_connection_is_timed(
    market: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    async def scene() -> tuple[int, str, str]:
        async with market() as address:
            path = tmp_path / "t.toml"
            path.write_text(
                f'[store]\npath = "{tmp_path}"\n[[stream]]\nvenue = "binance"\nsymbols = ["BTC/USDT"]\n'
                f'channels = ["trades", "quotes"]\nws_url = "ws://{address}"\nrest_url = "http://{address}"\n'
            )
            words = ("test", "--config", str(path), "--timeout", "20", "--json")
            return await asyncio.to_thread(run, capsys, *words)

    code, out, _ = asyncio.run(scene())
    (trial,) = json.loads(out.splitlines()[-1])
    assert (code, trial["ok"], trial["topic"]) == (0, True, "quotes BTCUSDT")
    assert [step["name"] for step in trial["steps"]] == list(STEPS)
    assert [step["state"] for step in trial["steps"]] == ["ok", "ok", "skipped", "ok", "ok", "ok"]
    assert all(step["took_s"] >= 0 for step in trial["steps"] if step["state"] == "ok")
    assert trial["steps"][5]["text"] == "quotes of binance:BTC/USDT"


def test_the_step_that_fails_is_named_with_why(market: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    venue = ("test", "--venue", "binance", "--rest-url", f"http://{address}", "--symbol", "BTCUSDT")
    code, out, _ = run(capsys, *venue, "--ws-url", f"ws://{address}")
    assert code == 1
    assert "  dns        ok" in out
    assert "  tcp        failed" in out
    assert "  failed at tcp" in out
    code, out, _ = run(capsys, *venue, "--ws-url", "ws://no-such-name.invalid")
    assert (code, "failed at dns" in out) == (1, True)

    async def scene() -> tuple[int, str, str]:
        async with market(faults=("no_ack@+0s+600s", "mute@+0s+600s")) as address:
            return await asyncio.to_thread(run, capsys, *venue, "--ws-url", f"ws://{address}", "--timeout", "2")

    code, out, _ = asyncio.run(scene())
    assert code == 1
    assert "failed at subscribe" in out
    assert "nothing within 2 s" in out
