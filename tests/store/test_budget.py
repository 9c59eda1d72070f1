"""The budget that processes share: one limit for all, one silence for all, whatever becomes of one of them."""

import fcntl
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog.testing

from tapeline.clock import SystemClock
from tapeline.store import budget
from tapeline.store.budget import JITTER_S, PATIENCE_S, SLOTS, HostBudget, budget_path
from tapeline.venues.spec import Allowance

MINUTE = Allowance(weight=100, window_s=60)
LASTS_S = 60 + 60 / SLOTS + JITTER_S


@dataclass
class Hand:
    """A clock turned by hand."""

    at: float = 1200.0
    wall: float = 1.7e9

    def now(self) -> float:
        return self.at

    def wall_ns(self) -> int:
        return int(self.wall * 1e9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "venue-host.json"


def test_two_processes_spend_one_window(path: Path) -> None:
    clock = Hand()
    one, two = HostBudget(path, clock), HostBudget(path, clock)
    assert one.take(MINUTE, 60, 100) == (0.0, 0.0)
    clock.at += 30
    assert two.take(MINUTE, 30, 92) == (0.0, 0.0)
    assert two.take(MINUTE, 5, 92) == pytest.approx((0.0, LASTS_S - 30))
    assert one.take(MINUTE, 10, 100) == (0.0, 0.0)
    assert one.take(Allowance(name="other", weight=1, window_s=2), 1, 1) == (0.0, 0.0)
    clock.at += LASTS_S - 30
    assert two.take(MINUTE, 60, 100) == (0.0, 0.0)
    assert path.stat().st_mode & 0o777 == 0o600
    one.close()
    one.close()


def test_a_silence_binds_all_and_a_longer_one_is_not_cut_short(path: Path) -> None:
    clock = Hand()
    one, two = HostBudget(path, clock), HostBudget(path, clock)
    one.silence(30)
    two.silence(5)
    clock.at += 10
    assert two.take(MINUTE, 1, 100) == (20.0, 0.0)
    clock.at += 20
    assert two.take(MINUTE, 1, 100) == (0.0, 0.0)


def test_after_a_restart_of_the_host_only_the_silence_is_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hand()
    before = HostBudget(path, clock)
    before.take(MINUTE, 100, 100)
    before.silence(3600)
    monkeypatch.setattr(budget, "_BOOT", path)  # its text is another
    clock.at, clock.wall = 5.0, clock.wall + 600
    assert HostBudget(path, clock).take(MINUTE, 100, 100) == (3000.0, 0.0)
    path.unlink()
    monkeypatch.setattr(budget, "_BOOT", path.parent / "absent")
    assert HostBudget(path, clock).take(MINUTE, 100, 100) == (0.0, 0.0)


@pytest.mark.parametrize("torn", [b'{"boot": "x", "spe', b'{"boot": "\xff\xfe"}'])
def test_an_account_that_cannot_be_read_counts_as_full_and_is_told(path: Path, torn: bytes) -> None:
    clock = Hand()
    path.parent.mkdir()
    path.write_bytes(torn)
    shared = HostBudget(path, clock)
    with structlog.testing.capture_logs() as told:
        assert shared.take(MINUTE, 1, 100) == pytest.approx((0.0, LASTS_S))
        assert shared.take(MINUTE, 1, 100) == pytest.approx((0.0, LASTS_S))
    assert [(each["problem"], each["file"]) for each in told] == [
        ("cannot be read: taken for full, requests wait a window", str(path))
    ]
    clock.at += LASTS_S + 0.001
    assert shared.take(MINUTE, 100, 100) == (0.0, 0.0)


def test_a_process_that_stopped_with_the_lock_holds_nobody_up_for_long(path: Path) -> None:
    clock = Hand()
    shared = HostBudget(path, clock)
    assert shared.take(MINUTE, 1, 100) == (0.0, 0.0)
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert shared.take(MINUTE, 1, 100) == (0.0, budget.BUSY_S)
    clock.at += PATIENCE_S
    assert shared.take(MINUTE, 1, 100) == (0.0, 0.0)
    assert shared.unshared == 1
    os.close(holder)
    assert shared.take(MINUTE, 99, 100) == (0.0, 0.0)
    assert shared.unshared == 1


def test_a_silence_waits_a_moment_for_the_lock(path: Path) -> None:
    shared = HostBudget(path, SystemClock())
    shared.take(MINUTE, 1, 100)
    holder = os.open(path, os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    started = time.monotonic()
    shared.silence(9)
    assert time.monotonic() - started < 10
    os.close(holder)


def test_a_place_that_cannot_be_written_costs_the_sharing_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    shared = HostBudget(tmp_path / "file" / "x.json", Hand())
    assert shared.take(MINUTE, 100, 100) == (0.0, 0.0)
    shared.silence(3)
    assert shared.take(MINUTE, 100, 100) == (0.0, 0.0)
    assert shared.unshared == 2


def test_old_files_go_and_one_that_was_cleared_away_is_made_again(path: Path) -> None:
    clock = Hand(wall=time.time())
    path.parent.mkdir()
    for name, age_s in (("old", budget.OLD_S + 60), ("new", 60)):
        other = path.with_name(f"{name}.json")
        other.write_text("{}")
        os.utime(other, (clock.wall - age_s, clock.wall - age_s))
    shared = HostBudget(path, clock)
    shared.take(MINUTE, 1, 100)
    assert {each.name for each in path.parent.iterdir()} == {"new.json", path.name}
    path.unlink()
    shared.take(MINUTE, 2, 100)
    assert list(json.loads(path.read_text())["spent"]["weight"].values()) == [2.0]


def test_where_it_is_kept(tmp_path: Path) -> None:
    given = budget_path("v", "https://api.example.com:8443/x", {"XDG_STATE_HOME": str(tmp_path)})
    assert given == tmp_path / "tapeline" / "budget" / "v-api.example.com_8443.json"
    assert budget_path("v", "https://h", {"HOME": "/me"}) == Path("/me/.local/state/tapeline/budget/v-h.json")
