"""Real processes that share a budget: never more than one limit together, and all obey one silence."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
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
done = Path(sys.argv[1]).with_name("done")
while not done.exists():
    silent_s, wait_s = shared.take(allowance, 1, 60)
    if silent_s or wait_s:
        time.sleep(max(silent_s, wait_s))
    else:
        print(time.monotonic(), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "venue-host.json"


@pytest.fixture
def three(path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """They spend until `ended`; none outlives its test."""
    path.parent.mkdir()
    made = [  # without a buffer, in which a line read alone would leave those after it
        subprocess.Popen([sys.executable, "-c", SPENDER, str(path)], stdout=subprocess.PIPE, bufsize=0)
        for _ in range(3)
    ]
    yield made
    for each in made:
        each.kill()
        each.communicate(timeout=60)


def first_of(process: subprocess.Popen[bytes]) -> float:
    """When it went first, however slow its start, and however long the others left it nothing."""
    assert process.stdout is not None
    return float(process.stdout.readline())


def ended(path: Path, three: list[subprocess.Popen[bytes]]) -> list[float]:
    """When they went, but for what was read before; now they have ended."""
    path.with_name("done").touch()
    said = [process.communicate(timeout=60)[0] for process in three]
    return [float(line) for out in said for line in out.split(b"\n")[:-1]]


def test_three_processes_stay_under_one_limit_and_one_of_them_is_killed(
    path: Path, three: list[subprocess.Popen[bytes]]
) -> None:
    went = [first_of(process) for process in three]  # none is killed before that
    time.sleep(1.0)
    three[2].send_signal(signal.SIGKILL)
    time.sleep(2.0)
    went = sorted(went + ended(path, three))
    for first in went:
        assert sum(first <= at < first + 0.5 for at in went) <= 60
    span_s = went[-1] - went[0]
    assert len(went) >= 0.6 * 120 * span_s  # of a limit of 120 a second: jitter is a fifth of so short a window


def test_all_obey_the_silence_that_one_was_asked_for(path: Path, three: list[subprocess.Popen[bytes]]) -> None:
    first_of(three[0])
    time.sleep(1.0)
    HostBudget(path, SystemClock()).silence(1.0)
    silent_at = time.monotonic()
    time.sleep(2.0)
    went = sorted(ended(path, three))
    assert [at for at in went if silent_at + 0.01 < at < silent_at + 0.99] == []
    assert [at for at in went if at > silent_at + 1.0]
