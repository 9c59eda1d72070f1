"""Real processes that share a budget: never more than one limit together, and all obey one silence."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapeline.clock import SystemClock
from tapeline.store.budget import HostBudget

pytestmark = pytest.mark.sockets

SPENDER = """
import sys, time
from pathlib import Path
from tapeline.clock import SystemClock
from tapeline.store.budget import HostBudget
from tapeline.venues.spec import Allowance
shared, allowance = HostBudget(Path(sys.argv[1]), SystemClock()), Allowance(weight=60, window_s=0.5)
ends, said = time.monotonic() + float(sys.argv[2]), []
while time.monotonic() < ends:
    silent_s, wait_s = shared.take(allowance, 1, 60)
    if silent_s or wait_s:
        time.sleep(max(silent_s, wait_s))
    else:
        print(time.monotonic(), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "venue-host.json"


def spenders(path: Path, *lasts_s: float) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen([sys.executable, "-c", SPENDER, str(path), str(each)], stdout=subprocess.PIPE, text=True)
        for each in lasts_s
    ]


def times(process: subprocess.Popen[str]) -> list[float]:
    out, _ = process.communicate(timeout=60)
    return [float(line) for line in out.split("\n")[:-1]]


def test_three_processes_stay_under_one_limit_and_one_of_them_is_killed(path: Path) -> None:
    three = spenders(path, 4.0, 4.0, 30.0)
    for process in three:  # each has gone once: none is killed before that, however slow its start
        assert process.stdout is not None
        process.stdout.readline()
    time.sleep(1.0)
    three[2].send_signal(signal.SIGKILL)
    each = [times(process) for process in three]
    went = sorted(each[0] + each[1] + each[2])
    for first in went:
        assert sum(first <= at < first + 0.5 for at in went) <= 60
    assert all(each)
    span_s = went[-1] - went[0]
    assert len(went) >= 0.6 * 120 * span_s  # of a limit of 120 a second: jitter is a fifth of so short a window


def test_all_obey_the_silence_that_one_was_asked_for(path: Path) -> None:
    three = spenders(path, 6.0, 6.0, 6.0)
    assert three[0].stdout is not None
    three[0].stdout.readline()
    time.sleep(1.0)
    HostBudget(path, SystemClock()).silence(1.0)
    silent_at = time.monotonic()
    went = sorted(at for process in three for at in times(process))
    assert [at for at in went if silent_at + 0.01 < at < silent_at + 0.99] == []
    assert [at for at in went if at > silent_at + 1.0]
