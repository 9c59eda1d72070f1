"""The emergency stop over real sockets: the command line and the watchdog against a paper exchange; a run on paper."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from tapeline.clock import SystemClock
from tapeline.config import Config, load
from tapeline.model.order import Intent
from tapeline.store.journal import Journal
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Note
from tapeline.trading.risk.check import Approved, approve_flatten
from tapeline.trading.rounding import down
from tapeline.watch.heartbeat import Heart
from tapeline.watch.minimal import hand_of
from tapeline.wire.rest import real_fetch

D = Decimal
BTC, SWAP = "binance:BTC/USDT", "binance-usdm:BTC/USDT:USDT"
KEY, SECRET = "the-key-of-the-stop", "the-secret-of-the-stop"
pytestmark = pytest.mark.sockets


@contextmanager
def paper_exchange(venue: str) -> Iterator[str]:
    """`serve-venue --paper` as a process; its address."""
    asked = [
        sys.executable, "-m", "tapeline.surfaces.cli", "serve-venue", venue, "--market", "1", "--paper", "--key", KEY,
        "--secret", SECRET, "--balance", "USDT=1000000",
    ]  # fmt: skip
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as served:
        try:
            assert served.stdout is not None
            yield json.loads(served.stdout.readline())["rest"]
        finally:
            served.send_signal(signal.SIGTERM)
            served.wait(20)


def written(folder: Path, address: str) -> Path:
    path = folder / "trade.toml"
    path.write_text(
        f'[store]\npath = "{folder}/store"\n'
        f'[venue.binance-usdm]\nrest_url = "{address}"\n'
        f'[account.main]\nvenue = "binance-usdm"\nmode = "live"\nkey = "{KEY}"\nsecret = "{SECRET}"\n'
        "[watch]\nwatchdog_s = 3.0\n[flatten]\nslices = 2\nband_max = 0.1\nwait_s = 1.0\n",
        encoding="utf-8",
    )
    return path


def tapeline(*arguments: str, state: Path, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tapeline.surfaces.cli", *arguments], capture_output=True, text=True, check=False,
        env={**os.environ, "XDG_STATE_HOME": str(state)}, timeout=within_s,
    )  # fmt: skip


async def exposed(config: Config, state: Path, *, position: bool = True) -> tuple[int, Decimal]:
    """Open an order far away, and a position where asked; (open orders, position) as the venue has it."""
    fetch, client = real_fetch()
    environ = {"XDG_STATE_HOME": str(state)}
    hand = hand_of("main", config, fetch=fetch, clock=SystemClock(), environ=environ, chance=lambda: 0.5)
    try:
        bid, _ = await hand.top(SWAP)
        known = await hand.instrument(SWAP)
        assert bid is not None
        if position:
            for client_id, price, size in (("p1", bid * D("1.01"), "0.02"), ("o1", bid / 2, "0.02")):
                order = Intent(
                    instrument=SWAP, side="buy", kind="limit", size=D(size), price=down(price, known.tick),
                    account="main",
                )  # fmt: skip
                approved = approve_flatten(order, D("-0.02"), client_id=client_id)
                assert isinstance(approved, Approved)
                await hand.place(approved)
        held = sum((each.size for each in await hand.positions()), D(0))
        return len(await hand.open_orders()), held
    finally:
        await client.aclose()


def test_halt_and_resume_from_the_command_line_without_any_engine(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with paper_exchange("binance-usdm") as address:
        path = written(tmp_path, address)
        config = load(path, {}, {})
        Journal(tmp_path / "store").close()
        assert asyncio.run(exposed(config, state)) == (1, D("0.02"))
        halted = tapeline("halt", "--config", str(path), "--flatten", "--who", "ann", "--why", "a test", state=state)
        assert (halted.returncode, halted.stderr) == (0, ""), halted.stdout
        assert halted.stdout.splitlines()[0].startswith("account main (live): flat, ")
        assert "cancelled: o1" in halted.stdout
        assert f"closed: 0.02 {SWAP} in 2 orders" in halted.stdout
        assert halted.stdout.splitlines()[-1] == "  verified with the venue"
        assert asyncio.run(exposed(config, state, position=False)) == (0, D(0))
    assert tapeline("resume", "--config", str(path), "--who", "watchdog", "--why", "x", state=state).returncode == 1
    resumed = tapeline("resume", "--config", str(path), "--who", "Ann", "--why", "all is well", state=state)
    assert resumed.stdout == "account main (live): flat -> running, every order that risk approves passes\n"
    journal = Journal(tmp_path / "store")
    notes = [each.record.text for each in journal.replay() if isinstance(each.record, Note)]
    journal.close()
    assert notes[0] == "running -> flattening by ann: a test"
    assert notes[-1] == "flat -> running by Ann: all is well"
    assert not any(SECRET in each for each in notes)


def test_a_venue_that_is_gone_is_reported_and_the_gate_is_closed(tmp_path: Path) -> None:
    state = tmp_path / "state"
    path = written(tmp_path, "http://127.0.0.1:9")
    path.write_text(path.read_text(encoding="utf-8").replace("[flatten]", "[flatten]\ngive_up_s = 2.0"), "utf-8")
    halted = tapeline("halt", "--config", str(path), "--who", "ann", state=state)
    assert halted.returncode == 1
    assert "NOT VERIFIED" in halted.stdout
    assert HaltLatch("main", "live", {"XDG_STATE_HOME": str(state)}, SystemClock()).state == "halted"


def test_the_watchdog_halts_what_a_hung_engine_left(tmp_path: Path) -> None:
    state, store = tmp_path / "state", tmp_path / "store"
    store.mkdir()
    with paper_exchange("binance-usdm") as address:
        path = written(tmp_path, address)
        config = load(path, {}, {})
        assert asyncio.run(exposed(config, state)) == (1, D("0.02"))
        Heart(store, ("main",), SystemClock()).beat()  # and never again
        with subprocess.Popen(
            [sys.executable, "-m", "tapeline.surfaces.cli", "watchdog", "--config", str(path)], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, "XDG_STATE_HOME": str(state)},
        ) as dog:  # fmt: skip
            try:
                assert dog.stdout is not None
                assert dog.stdout.readline().startswith("account main (live): halted, ")
                assert asyncio.run(exposed(config, state, position=False)) == (0, D("0.02"))  # not told to flatten
                latch = HaltLatch("main", "live", {"XDG_STATE_HOME": str(state)}, SystemClock()).read()
                assert (latch.state, latch.who) == ("halted", "watchdog")
            finally:
                dog.send_signal(signal.SIGTERM)
                dog.wait(20)
