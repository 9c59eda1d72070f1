"""`tapeline backfill` over real sockets into a store on disk: all of it, on from where it was stopped."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tapeline.app.history.backfill import Backfill, Plan
from tapeline.app.history.filling import fill
from tapeline.clock import SystemClock
from tapeline.errors import StoreLocked, TapelineError, UnknownInstrument
from tapeline.model.interval import HOUR_NS, MINUTE_NS
from tapeline.store.compact import compact
from tapeline.store.reader import open_store
from tapeline.store.writer import StoreWriter, WriterStatistics

BTC = "binance:BTC/USDT"
pytestmark = pytest.mark.sockets


async def nobody(_backfill: Backfill) -> None:
    await asyncio.Event().wait()


def plan(address: str, from_ns: int, to_ns: int, **changes: Any) -> Plan:
    given: dict[str, Any] = {"instruments": (BTC,), "channels": ("bars:1m",), "trades": True} | changes
    return Plan(from_ns=from_ns, to_ns=to_ns, rest_url=f"http://{address}", **given)


def test_a_store_is_filled_and_what_it_holds_is_proven(market: Any, tmp_path: Path) -> None:
    to_ns = SystemClock.wall_ns() // MINUTE_NS * MINUTE_NS - MINUTE_NS
    span = to_ns - HOUR_NS, to_ns

    async def main() -> None:
        async with market() as address:
            first = await fill(tmp_path, plan(address, *span), stop=asyncio.Event(), watch=nobody)
            assert (first.incomplete, first.part) == (False, 1.0)
            assert {each.channel: each.rows for each in first.series} == {"bars:1m": 60, "trades": 600 * 60}
            again = await fill(tmp_path, plan(address, *span), stop=asyncio.Event(), watch=nobody)
            assert (again.rows, again.incomplete) == (0, False)

    asyncio.run(main())
    with open_store(tmp_path) as held:
        trades = [trade.seq for trade in held.trades(BTC)]
        assert len(trades) == 600 * 60
        assert trades == list(range(trades[0] or 0, (trades[0] or 0) + len(trades)))
        for channel, evidence in (("bars:1m", "bars"), ("trades", "ids")):
            spans = held.coverage(BTC, channel)
            assert [(each.from_ns, each.to_ns, each.state, each.evidence, each.source) for each in spans] == [
                (*span, "proven", evidence, "rest")
            ]  # fmt: skip
        assert held.holes() == []
        assert [each.id for each in held.instruments()] == [BTC]


def test_it_goes_on_from_where_it_was_stopped(market: Any, tmp_path: Path) -> None:
    to_ns = SystemClock.wall_ns() // MINUTE_NS * MINUTE_NS - MINUTE_NS
    span = to_ns - HOUR_NS, to_ns

    async def main() -> tuple[int, int]:
        async with market() as address:
            stop = asyncio.Event()

            async def until_some(backfill: Backfill) -> None:
                while backfill.rows < 10_000:  # noqa: ASYNC110  # whatever comes first
                    await asyncio.sleep(0.01)
                stop.set()

            wanted = plan(address, *span, channels=(), instruments=(BTC,))
            first = await fill(tmp_path, wanted, stop=stop, watch=until_some)
            assert first.incomplete
            with open_store(tmp_path) as held:
                holes = held.holes(BTC, "trades")
                assert {hole.state for hole in holes} == {"missing"}
                assert sum(hole.to_ns - hole.from_ns for hole in holes) < HOUR_NS
            second = await fill(tmp_path, wanted, stop=asyncio.Event(), watch=nobody)
            assert not second.incomplete
            return first.rows, second.rows

    before, after = asyncio.run(main())
    whole = 60 * 600
    assert before >= 10_000
    assert after < whole - before + 2000
    with open_store(tmp_path) as held:
        assert sum(1 for _ in held.trades(BTC)) == whole
        assert held.holes() == []


def test_what_was_deleted_is_not_fetched_again_and_said(market: Any, tmp_path: Path) -> None:
    to_ns = SystemClock.wall_ns() // MINUTE_NS * MINUTE_NS - 2 * HOUR_NS

    async def main() -> None:
        async with market(rate=6) as address:
            asked = plan(address, to_ns - HOUR_NS, to_ns, channels=())
            await fill(tmp_path, asked, stop=asyncio.Event(), watch=nobody)
            compact(tmp_path, SystemClock(), keep_trades_ns=2 * HOUR_NS)
            again = await fill(tmp_path, asked, stop=asyncio.Event(), watch=nobody)
            (series,) = again.series
            assert (series.rows, again.incomplete) == (0, False)
            (known,) = series.known
            assert (known.state, known.cause) == ("unrecoverable", "retention")

    asyncio.run(main())


def test_a_store_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, clock=SystemClock())
    writer.start()
    with pytest.raises(StoreLocked, match=r"process \d+.*stop `tapeline run` first, or fill another --store"):
        asyncio.run(fill(tmp_path, plan("127.0.0.1:1", 0, 1), stop=asyncio.Event(), watch=nobody))
    writer.stop()


def test_what_is_wrong_is_said_and_the_store_let_go(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = SystemClock.wall_ns()

    async def main(**changes: Any) -> None:
        async with market() as address:
            wanted = plan(address, now_ns - HOUR_NS, now_ns, **changes)
            with pytest.raises(error, match=text):
                await fill(tmp_path, wanted, stop=asyncio.Event(), watch=nobody)

    error: type[TapelineError]
    error, text = UnknownInstrument, "NO/PE"
    asyncio.run(main(instruments=("binance:NO/PE",)))
    lost = WriterStatistics(0, 0, 0, 0, 7, 0, 0, 0, 0.0, "the disk is full")
    monkeypatch.setattr(StoreWriter, "statistics", lambda _self: lost)
    error, text = TapelineError, "7 rows did not reach the disk: the disk is full"
    asyncio.run(main(trades=False))


# ---- the command, as a process ---------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-c", "from tapeline.surfaces.cli import main; main()", "backfill"]


def started(command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextlib.asynccontextmanager
async def _ended(process: "subprocess.Popen[str]") -> Any:
    try:
        yield await asyncio.to_thread(process.communicate, timeout=60)
    finally:
        process.kill()


def test_the_command_says_what_it_found_and_what_the_venue_no_longer_has(market: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with market(rate=6) as address:
            arguments = [BTC, "--bars", "1h", "--from", "2024-01-01", "--store", str(tmp_path)]
            command = [*COMMAND, *arguments, "--rest-url", f"http://{address}"]
            process = started(command)
            async with _ended(process) as (out, _err):
                assert process.returncode == 0
                lines = out.splitlines()
                assert lines[0].startswith(f"{BTC} bars:1h: ")
                assert lines[1].startswith("  unrecoverable 2024-01-01T00:00:00Z to 20")
                assert lines[1].endswith("T00:00:00Z: the venue has no older ones")

    asyncio.run(main())


def test_the_command_ends_at_a_signal_with_what_it_has(market: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with market(faults=("slow@+0s+600s:0.3",)) as address:
            arguments = [BTC, "--trades", "--from", "2024-01-01", "--store", str(tmp_path)]
            command = [*COMMAND, *arguments, "--rest-url", f"http://{address}"]
            process = started(command)
            await asyncio.sleep(4.0)
            process.send_signal(signal.SIGINT)
            began = time.monotonic()
            async with _ended(process) as (_out, err):
                assert time.monotonic() - began < 20
                assert process.returncode == 1
                assert "stopped: call it again to go on" in err

    asyncio.run(main())
