"""A live run as people start it: a paper exchange, an engine and whatever else, each a process of its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from secret_watch import WATCH
from tapeline.clock import SystemClock
from tapeline.config import load
from tapeline.store.journal import Journal
from tapeline.trading.command import Note
from tapeline.trading.input import Sent
from tapeline.trading.record import Entry
from tapeline.watch.minimal import hand_of
from tapeline.wire.rest import real_fetch

KEY, SECRET = "the-key-of-a-process", "the-secret-of-a-process"
HELD = Decimal("0.02")
COMMAND = (sys.executable, "-m", "tapeline.surfaces.cli")
STRATEGY = '''
"""Wherever it has no order, it buys, and rests two orders far away."""
from decimal import Decimal
from tapeline.trading.strategy import Strategy

class Rests(Strategy):
    instruments = ("binance-usdm:BTC/USDT:USDT",)
    channels = ("trades",)

    def on_trade(self, trade):
        name = trade.instrument
        if not self.orders(name):
            self.buy(name, "0.02")
            self.buy(name, "0.02", price=trade.price * Decimal("0.5"))
            self.buy(name, "0.02", price=trade.price * Decimal("0.6"))
'''


@contextmanager
def process(*arguments: str, state: Path, log: Path) -> Iterator["subprocess.Popen[str]"]:
    """A command of ours; ended in order, or killed where that does not help."""
    with (
        log.open("a", encoding="utf-8") as errors,
        subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, "XDG_STATE_HOME": str(state)},
        ) as running,
    ):  # fmt: skip
        try:
            yield running
        finally:
            running.send_signal(signal.SIGCONT)
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
            for text in KEY, SECRET:  # of processes of their own, nobody but who started them hears the log
                WATCH.keep(text)
            WATCH.look(f"log of {arguments[0]}", log.read_text(encoding="utf-8"))


@contextmanager
def exchange(folder: Path) -> Iterator[tuple[dict[str, str], "subprocess.Popen[str]"]]:
    """A paper exchange: its first line."""
    with process(
        "serve-venue", "binance-usdm", "--market", "1", "--paper", "--key", KEY, "--secret", SECRET, "--balance",
        "USDT=1000000", state=folder / "state", log=folder / "exchange.log",
    ) as served:  # fmt: skip
        assert served.stdout is not None
        yield json.loads(served.stdout.readline()), served


def configured(folder: Path, address: dict[str, str], more: str = "") -> Path:
    (folder / "rests.py").write_text(STRATEGY, encoding="utf-8")
    path = folder / "trade.toml"
    path.write_text(
        f"""
        seed = 1
        [store]
        path = "{folder / "store"}"
        tape = false
        [venue.binance-usdm]
        ws_url = "{address["ws"]}"
        rest_url = "{address["rest"]}"
        [account.main]
        venue = "binance-usdm"
        mode = "live"
        key = "{KEY}"
        secret = "{SECRET}"
        [[strategy]]
        run = "rests.py:Rests"
        [flatten]
        slices = 2
        band_max = 0.1
        wait_s = 1.0
        {more}
        """,
        encoding="utf-8",
    )
    return path


@contextmanager
def engine(path: Path) -> Iterator["subprocess.Popen[str]"]:
    """`tapeline trade --live`, once it trades."""
    folder = path.parent
    with process(
        "trade", "--live", "--confirm", "main", "--config", str(path), state=folder / "state", log=folder / "engine.log"
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("trading live"):
                break
        else:
            pytest.fail(f"it did not begin: {(folder / 'engine.log').read_text(encoding='utf-8')[-2000:]}")
        yield running


def tapeline(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """One command, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
    )  # fmt: skip


def until(found: Callable[[], object], what: str, within_s: float = 30.0) -> None:
    """Look until it is so. A question to the venue spends of a limit: it is asked seldom."""
    ends_at = time.monotonic() + within_s
    while not found():
        if time.monotonic() > ends_at:
            pytest.fail(f"not within {within_s:g} s: {what}")
        time.sleep(0.5)


def venue_says(path: Path) -> tuple[list[str], Decimal]:
    """(client ids of open orders, position), asked as the emergency stop asks."""

    async def asked() -> tuple[list[str], Decimal]:
        fetch, client = real_fetch()
        try:
            environ = {"XDG_STATE_HOME": str(path.parent / "asking")}  # the engine's budget is its own
            hand = hand_of(
                "main", load(path, {}), fetch=fetch, clock=SystemClock(), environ=environ, chance=lambda: 0.5
            )
            orders = sorted(each.client_id for each in await hand.open_orders())
            return orders, sum((each.size for each in await hand.positions()), Decimal(0))
        finally:
            await client.aclose()

    return asyncio.run(asked())


def exposed(path: Path) -> bool:
    """Whether the strategy has what it wants."""
    orders, held = venue_says(path)
    return (len(orders), held) == (2, HELD)


def journalled(path: Path) -> list[Entry]:
    """All of the journal."""
    journal = Journal(path.parent / "store")
    try:
        return list(journal.replay())
    finally:
        journal.close()


def notes(path: Path, kind: str) -> list[str]:
    """What the journal has noted of one kind."""
    found = [each.record for each in journalled(path) if isinstance(each.record, Note)]
    return [each.text for each in found if each.kind == kind]


def sent(path: Path) -> int:
    """How many orders have left."""
    return sum(isinstance(each.record, Sent) and each.record.what == "submit" for each in journalled(path))


def log(path: Path) -> str:
    """What the engine wrote on stderr."""
    return (path.parent / "engine.log").read_text(encoding="utf-8")
