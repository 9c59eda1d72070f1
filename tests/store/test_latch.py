import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tapeline.clock import SystemClock
from tapeline.errors import Refused, TimedOut
from tapeline.store.latch import HaltLatch, latch_folder, latches, refused
from tapeline.trading.halt import Change, Kept


class Fast:
    """A clock whose seconds pass as it is asked for them."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        self._now += 0.3
        return self._now

    def wall_ns(self) -> int:
        return 7


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path)}


def latch(environ: dict[str, str], account: str = "main", mode: str = "paper") -> HaltLatch:
    return HaltLatch(account, mode, environ, SystemClock())


def test_an_account_that_was_never_halted_runs(environ: dict[str, str]) -> None:
    assert latch(environ).state == "running"
    assert latches(environ) == []


def test_a_halt_holds_in_every_process_and_after_a_restart(environ: dict[str, str]) -> None:
    one, other = latch(environ), latch(environ)
    assert other.state == "running"
    change = one.worsen("halted", who="ann", why="w")
    assert isinstance(change, Change)
    assert (change.before, change.state, change.who, change.why) == ("running", "halted", "ann", "w")
    assert (one.state, other.state, latch(environ).state) == ("halted", "halted", "halted")
    assert isinstance(other.worsen("reduce_only", who="engine", why="w"), Kept)
    assert isinstance(other.resume(who="Ann", why="better"), Change)
    assert one.state == "running"
    assert [each.state for each in latch(environ).read().changes] == ["halted", "running"]


def test_changes_within_one_tick_of_the_clock_are_seen(environ: dict[str, str]) -> None:
    class Still(SystemClock):
        wall_ns = staticmethod(lambda: 5)

    one, other = (HaltLatch("main", "paper", environ, Still()) for _ in range(2))
    for _ in range(20):
        one.worsen("halted", who="ann", why="w")
        assert other.state == "halted"
        one.resume(who="Ann", why="w")
        assert other.state == "running"


def test_accounts_and_modes_are_apart(environ: dict[str, str]) -> None:
    latch(environ, "a/../b", "live").worsen("halted", who="ann", why="w")
    latch(environ, "main", "paper").worsen("reduce_only", who="ann", why="w")
    assert latch(environ, "main", "live").state == "running"
    assert latches(environ) == [("a/../b", "live"), ("main", "paper")]
    assert latch(environ, "a/../b", "live").state == "halted"
    assert sorted(path.name for path in latch_folder(environ).glob("*.json")) == [
        "live-a%2F..%2Fb.json", "paper-main.json"
    ]  # fmt: skip


def test_nobody_else_reads_it(environ: dict[str, str]) -> None:
    latch(environ).worsen("halted", who="ann", why="w")
    assert (latch_folder(environ) / "paper-main.json").stat().st_mode & 0o077 == 0


def test_a_file_that_means_nothing_halts_until_a_person_resumes(environ: dict[str, str]) -> None:
    one = latch(environ)
    one.worsen("reduce_only", who="ann", why="w")
    path = latch_folder(environ) / "paper-main.json"
    path.write_bytes(b'{"state": "runn')
    found = one.read()
    assert (found.state, found.who) == ("halted", "latch")
    assert "cannot be read" in found.why
    assert isinstance(latch(environ).resume(who="Ann", why="wrote it anew"), Change)
    assert one.state == "running"


def test_a_state_that_is_none_halts(environ: dict[str, str]) -> None:
    one = latch(environ)
    one.worsen("halted", who="ann", why="w")
    (latch_folder(environ) / "paper-main.json").write_bytes(b'{"state":"on holiday"}')
    assert latch(environ).state == "halted"
    assert one.state == "halted"


def test_a_file_that_went_away_leaves_what_was_known(environ: dict[str, str]) -> None:
    one = latch(environ)
    one.worsen("halted", who="ann", why="w")
    assert one.state == "halted"
    (latch_folder(environ) / "paper-main.json").unlink()
    assert one.state == "halted"


def test_a_file_that_may_not_be_read_halts(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    one = latch(environ)
    one.worsen("reduce_only", who="ann", why="w")

    def denied(*_: object) -> os.stat_result:
        raise PermissionError("no")

    monkeypatch.setattr(os, "stat", denied)
    assert one.read().state == "halted"


def test_a_lock_that_is_never_let_go_delays_a_halt_and_keeps_nobody_from_it(environ: dict[str, str]) -> None:
    latch(environ).worsen("reduce_only", who="ann", why="w")
    with (latch_folder(environ) / "paper-main.lock").open("r+") as stuck:
        fcntl.flock(stuck, fcntl.LOCK_EX)
        one = HaltLatch("main", "paper", environ, Fast())
        assert isinstance(one.worsen("halted", who="watchdog", why="hung"), Change)
        with pytest.raises(TimedOut, match="another process"):
            one.resume(who="Ann", why="w")
    assert latch(environ).state == "halted"


def test_a_refusal_is_raised_where_it_is_asked_for() -> None:
    with pytest.raises(Refused, match="no"):
        refused(Kept("no", refused=True))
    assert refused(Kept("already")) == Kept("already")


def test_another_process_sees_it_at_once(environ: dict[str, str]) -> None:
    latch(environ).worsen("halted", who="ann", why="w")
    code = (
        "import os\nfrom tapeline.clock import SystemClock\nfrom tapeline.store.latch import HaltLatch\n"
        "one = HaltLatch('main', 'paper', os.environ, SystemClock())\n"
        "print(one.state, one.resume(who='Ann', why='w').state)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environ}, capture_output=True, text=True, check=True,
        timeout=30,
    )  # fmt: skip
    assert told.stdout == "halted running\n"
    assert latch(environ).state == "running"
