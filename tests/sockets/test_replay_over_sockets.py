"""A trading run recorded and played again in another process: on paper, live at three venues, stopped and killed."""

import asyncio
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_trade_live_over_sockets import KEY, SYMBOLS, config, held, paper, resting, until

from tapeline.app.trade.replaying import recordings
from tapeline.app.trade.trading import trading

pytestmark = pytest.mark.sockets
HIDDEN = re.compile(
    r"""\\*"(?:apiKey|listenKey|passphrase|sign|signature)\\*"\s*:\s*\\*"([^"\\]*)|listenKey=([^&"]*)"""
)
SIGNATURE = re.compile(r"\b[0-9a-f]{64}\b")


def replayed(folder: Path, *words: str, seed: str = "7") -> tuple[int, list[dict[str, Any]], str]:
    """In a process of its own, where sets are in another order."""
    done = subprocess.run(
        [sys.executable, "-m", "tapeline.surfaces.cli", "replay", str(folder), "--json", *words],
        capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONHASHSEED": seed}, check=False,
    )  # fmt: skip
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def whole(folder: Path) -> dict[str, str]:
    """Every file of a recording as text, unpacked."""
    found = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        data = path.read_bytes()
        found[str(path.relative_to(folder))] = (gzip.decompress(data) if path.suffix == ".gz" else data).decode(
            "latin-1"
        )
    return found


BUYER = """
from decimal import Decimal
from tapeline.trading.strategy import Strategy

class Buyer(Strategy):
    channels = ("trades",)

    def on_trade(self, trade):
        if not self.position(trade.instrument) and not self.orders(trade.instrument):
            self.buy(trade.instrument, "0.01")
            self.buy(trade.instrument, "0.01", price=trade.price * Decimal("0.97"))
"""


@pytest.mark.parametrize("name", sorted(SYMBOLS))
def test_a_live_run_and_its_restart_play_again_and_hold_no_secret(name: str, tmp_path: Path) -> None:
    into = tmp_path / "recordings"

    async def main() -> None:
        async with paper(name) as (_, place):
            asked = config(tmp_path, {name: place})
            (tmp_path / "buyer.py").write_text(BUYER)
            buyer = msgspec.structs.replace(asked.strategy[0], run=f"{tmp_path}/buyer.py:Buyer")
            asked = msgspec.structs.replace(asked, strategy=(buyer,))
            async with trading(asked, environ=os.environ, live=True, record=into) as run:
                await until(run, lambda: held(run, name) > 0 and resting(run, name), "bought, and one order rests")
                assert run.running.status()["trading"]["recording"]["ended"] == ""
                await run.stop(10.0)
            async with trading(asked, environ=os.environ, live=True, record=into) as run:
                await until(run, lambda: resting(run, name) or held(run, name), "it goes on")
                await run.stop(10.0)

    asyncio.run(main())
    code, found, said = replayed(into)
    assert (code, [each["same"] for each in found]) == (0, [True, True]), (found, said)
    assert [each["ended"] for each in found] == ["stopped", "stopped"]
    assert found[0]["commands"] >= 2
    first, second = recordings(into)
    texts = whole(first) | {f"second/{path}": text for path, text in whole(second).items()}
    tapes = [text for path, text in texts.items() if "private/" in path and path.endswith(".ws.jsonl.gz")]
    assert any('"dir":"out"' in text for text in tapes)
    assert any("***" in text for text in tapes), "logins and signatures are there, without what they are made of"
    assert any('"dir":"in"' in text and "0.01" in text for text in tapes), "frames of the account are there"
    assert any("private/" in path and ".rest." in path for path in texts), "and answers"
    for path, text in texts.items():
        for secret in (KEY.key, KEY.secret, KEY.passphrase):
            assert secret not in text, path
        assert not SIGNATURE.search(text.replace('"sha256"', "")) or path.endswith("recording.json"), path
        assert {one or other for one, other in HIDDEN.findall(text)} <= {"***"}, path


STRATEGY = """
from decimal import Decimal
from tapeline.trading.strategy import Strategy

class Resting(Strategy):
    instruments = ("binance:BTC/USDT",)
    channels = ("trades", "book")
    away = Decimal("0.97")

    def on_trade(self, trade):
        if not self.orders():
            self.buy(trade.instrument, "0.01", price=trade.price * self.away)
        elif self.orders()[0].state == "open":
            self.cancel(self.orders()[0])
"""


def test_a_run_that_is_killed_plays_again_up_to_its_last_whole_input(market: Any, tmp_path: Path) -> None:
    """SIGKILL in the middle of trading; then a torn tail; then a strategy that is not what it was."""
    into, path = tmp_path / "recordings", tmp_path / "tapeline.toml"
    (tmp_path / "resting.py").write_text(STRATEGY)

    async def main() -> None:
        async with market() as address:
            path.write_text(
                f"""
                [store]
                path = "{tmp_path}/store"
                [venue.binance]
                ws_url = "ws://{address}"
                rest_url = "http://{address}"
                [[strategy]]
                run = "resting.py:Resting"
                """
            )
            with (tmp_path / "said").open("w") as said:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "tapeline.surfaces.cli", "trade", "--paper", "--config", str(path),
                    "--record", str(into), stdout=subprocess.PIPE, stderr=said,
                )  # fmt: skip
            assert process.stdout is not None
            await asyncio.wait_for(process.stdout.readline(), 30)
            await asyncio.sleep(3)
            assert process.returncode is None, (tmp_path / "said").read_text()
            process.kill()
            await asyncio.wait_for(process.wait(), 30)

    asyncio.run(main())
    code, (found,), said = replayed(into)
    assert (code, found["same"], found["ended"]) == (0, True, ""), said
    assert found["commands"] > 2
    (recording,) = recordings(into)

    inputs = recording / "inputs-000001.jsonl.gz"
    inputs.write_bytes(inputs.read_bytes()[:-20])
    code, (torn,), _ = replayed(into)
    assert (code, torn["same"]) == (0, True)
    assert torn["inputs"] < found["inputs"]
    assert "torn" in torn["broken"]

    changed = tmp_path / "changed"
    changed.mkdir()
    (changed / "resting.py").write_text(STRATEGY.replace("0.97", "0.96"))
    code, (other,), _ = replayed(into, "--code", str(changed))
    assert (code, other["same"]) == (1, False)
    difference = other["difference"]
    assert difference["about"].startswith('step {"type":"trade","instrument":"binance:BTC/USDT"')
    then, now = (json.loads(difference[side])[0]["order"] for side in ("recorded", "replayed"))
    assert then["client_id"] == now["client_id"]
    assert float(then["intent"]["price"]) > float(now["intent"]["price"])
