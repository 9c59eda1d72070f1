"""kill -9, again and again: a real process on a real store, killed while it streams, repairs and writes.

After the last restart the store is what the venue has served: its market is a function of seed and time, so that this
process knows it as well. CI kills a few times; `make kill-loop` two hundred (TAPELINE_KILLS).
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tapeline.errors import NotHeld
from tapeline.sim.kept.day import repairable_trades
from tapeline.sim.kept.reckoning import Truth, reckoned
from tapeline.sim.market import Market
from tapeline.store.reader import open_store
from tapeline.venues import venue_named

pytestmark = pytest.mark.sockets

KILLS = int(os.environ.get("TAPELINE_KILLS", "5"))
SEED = int(os.environ.get("TAPELINE_KILL_SEED", "7"))
COMMAND = [sys.executable, "-c", "from tapeline.surfaces.cli import main; main()"]
EARLY_S, LATE_S = 1.5, 2.5  # one of five is killed so soon after its start, the others so soon after they are connected
UP_WITHIN_S, WHOLE_WITHIN_S, SETTLED_S = 20.0, 60.0, 5.0
# What the venue does meanwhile: connections that drop, frames that vanish, pages that are wrong.
FAULTS = ("cut@{}s+1s/all", "drop@{}s+500ms:trades", "close@{}s+1s:1001/1", "500@{}s+2s", "short@{}s+5s", "empty@{}s")
FAULTS_S = 5 + 4 * KILLS  # and then no more
BTC = {"binance": "BTC/USDT", "okx": "BTC/USDT"}  # they have bars of a second, of which many close in a life
BARS = "1s"


@contextmanager
def serving(venue: str, chance: random.Random) -> Iterator[dict[str, Any]]:
    """The venue as a process of its own, in real time, with a fault every few seconds."""
    faults = [chance.choice(FAULTS).format(f"+{at}") for at in range(5, FAULTS_S, 4)]
    words = ["serve-venue", venue, "--market", str(SEED), *(word for each in faults for word in ("--fault", each))]
    with subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def configured(folder: Path, venue: str, where: dict[str, Any]) -> Path:
    trades = repairable_trades(venue_named(venue))
    path = folder / "tapeline.toml"
    path.write_text(
        f"""
        [store]
        path = "{folder / "store"}"
        batch_timeout_s = 0.1
        [connection]
        reconnect_delay_s = 0.2
        [[stream]]
        venue = "{venue}"
        symbols = ["{BTC[venue]}"]
        channels = ["{trades}", "bars:{BARS}", "bars:{BARS}@{trades}"]
        ws_url = "{where["ws"]}"
        rest_url = "{where["rest"]}"
        """
    )
    return path


@contextmanager
def running(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as told, subprocess.Popen([*COMMAND, "run", "--config", str(config)], stderr=told) as process:
        try:
            yield process
        finally:
            process.kill()


def live_and_let_die(process: subprocess.Popen[bytes], log: Path, chance: random.Random) -> None:
    """Let it run to a random moment; it is killed by whoever started it."""
    began, connected = time.monotonic(), log.read_bytes().count(b"link up") if log.exists() else 0
    if chance.random() < 0.2:
        time.sleep(chance.uniform(0, EARLY_S))
    else:
        while log.read_bytes().count(b"link up") == connected and time.monotonic() - began < UP_WITHIN_S:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, LATE_S))
    assert process.poll() is None, f"it ended by itself:\n{log.read_text()[-3000:]}"


def still_missing(folder: Path) -> int:
    """Holes that may be filled; one where there is no store yet."""
    try:
        with open_store(folder) as store:
            return sum(hole.state == "missing" for hole in store.holes())
    except NotHeld:
        return 1


@pytest.mark.parametrize("venue", BTC)
def test_whatever_moment_it_is_killed_at_the_store_comes_right(venue: str, tmp_path: Path) -> None:
    chance = random.Random(f"{venue} {SEED}")
    log, store = tmp_path / "log", tmp_path / "store"
    with serving(venue, chance) as where:
        calm = time.monotonic() + FAULTS_S + SETTLED_S
        config = configured(tmp_path, venue, where)
        for _ in range(KILLS):
            with running(config, log) as process:
                live_and_let_die(process, log, chance)
            time.sleep(chance.choice((0.0, 0.0, 1.0)))
        with running(config, log) as process:
            deadline = time.monotonic() + WHOLE_WITHIN_S
            time.sleep(max(SETTLED_S, calm - time.monotonic()))
            while still_missing(store) and time.monotonic() < deadline:
                time.sleep(0.5)
            time.sleep(SETTLED_S)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    with open_store(store) as held:
        wanted = held.wanted_of(f"{venue}:{BTC[venue]}", repairable_trades(venue_named(venue)))
        truth = Truth(
            pits=[pit for pit in Market(venue_named(venue), SEED, time.time_ns()).pits
                  if pit.instrument.symbol == BTC[venue]],
            trades=repairable_trades(venue_named(venue)), bars=BARS, built=(BARS,),
            until_ns=wanted[-1][1] - 3 * 10**9, whole=True,
        )  # fmt: skip
        wrong = reckoned(held, truth)
    assert wrong == [], f"seed {SEED}, {KILLS} kills"
