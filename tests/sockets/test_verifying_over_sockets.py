"""`tapeline verify` as a process against a venue on a real port: equal, tampered with, and nobody there."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tapeline.app.history.backfill import Backfill, Plan
from tapeline.app.history.filling import fill
from tapeline.clock import SystemClock
from tapeline.model.interval import HOUR_NS, MINUTE_NS
from tapeline.store.reader import open_store
from tapeline.store.writer import StoreWriter

BTC = "binance:BTC/USDT"
COMMAND = [sys.executable, "-c", "from tapeline.surfaces.cli import main; main()", "verify"]
pytestmark = pytest.mark.sockets


async def nobody(_backfill: Backfill) -> None:
    await asyncio.Event().wait()


async def verified(store: Path, address: str, *words: str) -> tuple[int, Any, str]:
    command = [*COMMAND, BTC, "--store", str(store), "--rest-url", f"http://{address}", "--json", *words]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr


def test_a_store_is_verified_tampered_with_and_verified_again(market: Any, tmp_path: Path) -> None:
    to_ns = SystemClock.wall_ns() // MINUTE_NS * MINUTE_NS - 2 * MINUTE_NS
    from_ns = to_ns - HOUR_NS // 4

    async def main() -> None:
        async with market() as address:
            plan = Plan(
                instruments=(BTC,), channels=("bars:1m",), trades=True, from_ns=from_ns, to_ns=to_ns,
                rest_url=f"http://{address}",
            )  # fmt: skip
            await fill(tmp_path, plan, stop=asyncio.Event(), watch=nobody)
            code, series, _ = await verified(tmp_path, address)
            assert (code, {(each["channel"], each["state"], each["equal"]) for each in series}) == (
                0, {("bars:1m", "equal", 15), ("trades", "equal", 15)},
            )  # fmt: skip

            with open_store(tmp_path) as store:
                third = list(store.bars(BTC, "1m"))[3]
            writer = StoreWriter(tmp_path, clock=SystemClock())
            writer.start()
            writer.offer(replace(third, volume=third.volume + 1, revision=2))
            code, series, err = await verified(tmp_path, address, "--channel", "bars:1m")
            assert code == 4
            (told,) = series[0]["mismatches"]
            assert told["from_ns"] == third.open_at_ns
            assert "nothing was noted in its ledger" in err
            writer.stop()
            code, _, err = await verified(tmp_path, address, "--channel", "bars:1m")
            assert (code, err) == (4, "")
            with open_store(tmp_path) as store:
                assert [(hole.state, hole.from_ns) for hole in store.holes()] == [("disputed", third.open_at_ns)]

    asyncio.run(main())


def test_nobody_there_is_not_a_mismatch(tmp_path: Path, market: Any) -> None:
    to_ns = SystemClock.wall_ns() // MINUTE_NS * MINUTE_NS - 2 * MINUTE_NS

    async def main() -> None:
        async with market() as address:
            plan = Plan(
                instruments=(BTC,), channels=("bars:1m",), from_ns=to_ns - 5 * MINUTE_NS, to_ns=to_ns,
                rest_url=f"http://{address}",
            )  # fmt: skip
            await fill(tmp_path, plan, stop=asyncio.Event(), watch=nobody)
        code, series, _ = await verified(tmp_path, "127.0.0.1:9")
        assert (code, series[0]["state"]) == (5, "unchecked")
        assert "127.0.0.1:9" in series[0]["trouble"]

    asyncio.run(main())
