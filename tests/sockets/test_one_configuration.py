"""One configuration for every command that asks a venue: filled, verified and recorded without another option."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tapeline.clock import SystemClock
from tapeline.model.interval import MINUTE_NS
from tapeline.store.tape import read_tape

BTC = "binance:BTC/USDT"
pytestmark = pytest.mark.sockets


async def called(*words: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "tapeline.surfaces.cli", *words]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_what_is_filled_verified_and_recorded_comes_from_where_the_configuration_says(
    market: Any, tmp_path: Path
) -> None:
    to_ns = SystemClock.wall_ns() // MINUTE_NS * MINUTE_NS - 2 * MINUTE_NS
    begins, ends = (
        datetime.fromtimestamp(at_ns // 10**9, UTC).isoformat() for at_ns in (to_ns - 10 * MINUTE_NS, to_ns)
    )

    async def main() -> None:
        async with market() as address:
            path = tmp_path / "tapeline.toml"
            path.write_text(
                f'[store]\npath = "{tmp_path}/store"\n'
                f'[venue.binance]\nws_url = "ws://{address}"\nrest_url = "http://{address}"\n'
            )
            config = ("--config", str(path))
            code, out, err = await called("backfill", BTC, "--bars", "1m", "--from", begins, "--to", ends, *config)
            assert (code, err) == (0, "")
            assert "10 new rows" in out or "10 rows" in out, out
            code, out, err = await called("verify", *config, "--json")
            assert (code, err) == (0, "")
            assert [(each["state"], each["equal"]) for each in json.loads(out)] == [("equal", 10)]
            code, out, err = await called(
                "record", BTC, "--channel", "trades", "--out", str(tmp_path / "tapes"), "--for", "2", *config
            )
            assert code == 0, err
            (tape,) = (tmp_path / "tapes").glob("*.ws.jsonl.gz")
            assert out == f"{len(list(read_tape(tape)))} frames in {tmp_path}/tapes\n"

    asyncio.run(main())
