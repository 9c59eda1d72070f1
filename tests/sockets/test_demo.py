"""The demo, whole, as a new user runs it: two venues in processes of their own, loopback sockets, a summary."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.sockets


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tapeline.surfaces.cli", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_demo_shows_an_outage_its_gaps_and_the_recovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where it makes its folder, and with --keep leaves it
    done = demo("--seconds", "8", "--seed", "3", "--keep")
    assert done.returncode == 0, done.stderr
    said = done.stdout
    counts = {name: int(count) for name, count in re.findall(r"^  (\w+) +(\d+)$", said, re.MULTILINE)}
    assert counts["trade"] > 20
    assert counts["quote"] > 20
    assert counts["book_delta"] > 20
    assert re.search(r"bars stored +\d+ +\(\d+ complete, (\d+ repaired, )?\d+ partial\)", said)
    assert re.search(r"binance/public/1: the connection ended without a close frame; recovered in \d+\.\d+ s", said)
    assert re.search(
        r"gap in binance:BTC/USDT trades: link_down \(\d+\.\d+ s\), (\d+) trades missing; "
        r"repaired \S+ s later, \1 fetched",
        said,
    )
    assert re.search(r"gap in binance:BTC/USDT quotes: link_down \(\d+\.\d+ s\); nothing brings these back", said)
    assert re.search(r"p50 \d+ us, p99 \d+ us", said)
    store = re.search(r"--store (\S+)", said)
    assert store is not None
    assert Path(store[1]).is_relative_to(tmp_path)
    bars = subprocess.run(
        [sys.executable, "-m", "tapeline.surfaces.cli", "bars", "okx:BTC/USDT", "1s@trades", "--store", store[1],
         "--format", "csv"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert bars.stdout.count("\n") > 3


def test_a_demo_too_short_to_show_anything_is_refused() -> None:
    for seconds in ("1", "nan", "inf"):
        done = demo("--seconds", seconds)
        assert done.returncode == 2
        assert "at least 5" in done.stderr


def test_a_demo_that_is_stopped_at_once_says_what_there_is() -> None:
    command = [sys.executable, "-m", "tapeline.surfaces.cli", "demo", "--seconds", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("Starting simulated venues")
        running.send_signal(signal.SIGINT)
        said, complaints = running.communicate(timeout=120)
    assert (running.returncode, complaints) == (0, "")
    assert re.search(r"^  bars stored +\d+", said, re.MULTILINE)
    assert "nothing: stopped before the cut, which comes after 24 s" in said
