"""An engine that hangs for good: SIGSTOP to its process, and the stop from two others; then it wakes up."""

import os
import signal
import time
from pathlib import Path

import pytest
from live_process import configured, engine, exchange, exposed, log, notes, process, sent, tapeline, until, venue_says

from tapeline.model.number import ZERO

pytestmark = pytest.mark.sockets
FLAT = "the account is flat: nothing but cancels passes"
QUIET_S = 1.0  # of an engine that is awake, with several trades a second


def asleep(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T"


def hung(path: Path, pid: int) -> int:
    """Let the engine have a position and two orders, and stop it; how many it was denied by then.

    That is asked before: an engine that is stopped while it writes keeps the journal locked.
    """
    until(lambda: exposed(path), "a position, and two orders that rest")
    denied = len(notes(path, "denied"))
    os.kill(pid, signal.SIGSTOP)
    until(lambda: asleep(pid), "stopped")
    return denied


def woken(path: Path, pid: int, denied: int) -> None:
    """It goes on: its strategy asks for orders at once, and none leaves."""
    before = sent(path)
    os.kill(pid, signal.SIGCONT)
    until(lambda: any(FLAT in each for each in notes(path, "denied")[denied:]), "orders were asked for, and denied")
    time.sleep(QUIET_S)
    assert venue_says(path) == ([], ZERO)
    assert sent(path) == before
    assert FLAT in log(path), "it knows why"


def test_a_hung_engine_is_halted_by_a_person_and_by_the_watchdog_and_the_next_run_trades(tmp_path: Path) -> None:
    watched = "[watch]\nheartbeat_s = 0.5\nwatchdog_s = 2.0\nwatchdog_flatten = true"
    with exchange(tmp_path) as (address, _):
        path = configured(tmp_path, address, watched)
        with engine(path) as running:
            denied = hung(path, running.pid)
            halted = tapeline(
                "halt", "--config", str(path), "--flatten", "--who", "ann", "--why", "hangs", folder=tmp_path
            )
            assert halted.returncode == 0, halted.stdout + halted.stderr
            lines = halted.stdout.splitlines()
            assert lines[0].startswith("account main (live): flat, ")
            assert len(lines[2].removeprefix("  cancelled: ").split(", ")) == 2
            assert "of other origin" not in halted.stdout, "the journal knows its own, though its engine hangs"
            assert lines[-1] == "  verified with the venue"
            assert venue_says(path) == ([], ZERO)
            woken(path, running.pid, denied)

            said = tapeline("resume", "--config", str(path), "--who", "Ann", "--why", "it is awake", folder=tmp_path)
            assert said.returncode == 0, said.stderr
            with process("watchdog", "--config", str(path), state=tmp_path / "state", log=tmp_path / "dog.log") as dog:
                denied = hung(path, running.pid)
                assert dog.stdout is not None
                assert dog.stdout.readline().startswith("account main (live): flat, ")
                assert dog.stdout.readline().startswith(
                    f"  by watchdog: the engine (process {running.pid}) has not said for"
                )
                assert venue_says(path) == ([], ZERO)
                woken(path, running.pid, denied)
        said = tapeline("resume", "--config", str(path), "--who", "Ann", "--why", "the next run", folder=tmp_path)
        assert said.returncode == 0, said.stderr
        with engine(path):  # what the stops have noted in the midst of its records makes sense
            until(lambda: exposed(path), "it trades again")
        assert "not those of its digest" not in log(path)
