"""Snapshots of a run's journal: written when as many records have come, beside the run, and never in its way."""

import asyncio
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tapeline.app.trade import snapshotting
from tapeline.app.trade.snapshotting import LOOK_EVERY_S, Snapshotting, in_a_process
from tapeline.sim.loop import run
from tapeline.store.journal import Journal
from tapeline.store.snapshot import snapshots
from tapeline.trading.command import Note


class Writes:
    def __init__(self, *, done: bool = True) -> None:
        self.asked: list[tuple[float, Path, str]] = []
        self.done = done

    async def __call__(self, folder: Path, method: str) -> tuple[bool, str]:
        self.asked.append((asyncio.get_running_loop().time(), folder, method))
        return self.done, "what it says"


def test_one_is_written_whenever_so_many_records_have_come(tmp_path: Path) -> None:
    writes, records = Writes(), 250

    async def main() -> None:
        nonlocal records
        snapshots = Snapshotting(tmp_path, "fifo", 200, lambda: records, writes)
        running = asyncio.create_task(snapshots.run())
        for each in (300, 449, 450, 460):
            await asyncio.sleep(LOOK_EVERY_S)
            records = each
        await asyncio.sleep(LOOK_EVERY_S * 9)
        running.cancel()

    with capture_logs() as logs:
        run(main())
    assert writes.asked == [(0.0, tmp_path, "fifo"), (3 * LOOK_EVERY_S, tmp_path, "fifo")]
    assert [(each["log_level"], each["snapshot"]) for each in logs] == [("info", "what it says")] * 2


def test_none_is_written_where_none_is_wanted_and_a_failure_is_told_once(tmp_path: Path) -> None:
    never, failing = Writes(), Writes(done=False)
    with capture_logs() as logs:
        asyncio.run(Snapshotting(tmp_path, "average", 0, lambda: 10**9, never).look())
        wanted = Snapshotting(tmp_path, "average", 10, lambda: 15, failing)
        asyncio.run(wanted.look())
        asyncio.run(wanted.look())
    assert (never.asked, len(failing.asked)) == ([], 1)
    assert [each["log_level"] for each in logs] == ["warning"]


def test_the_process_writes_it_or_says_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append([Note("a", "main", "b")], 1)
    journal.close()
    assert asyncio.run(in_a_process(tmp_path, "average")) == (True, "a snapshot of the journal up to record 1")
    assert [each.name for each in snapshots(tmp_path)] == ["journal-000000000000001.snapshot"]
    done, said = asyncio.run(in_a_process(tmp_path / "nothing", "average"))
    assert (done, said) == (
        False, f"no snapshot of the journal was written: there is no journal in {tmp_path / 'nothing'}"
    )  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "no-python"))
        assert asyncio.run(in_a_process(tmp_path, "average"))[0] is False
    with monkeypatch.context() as patch:
        patch.setattr(snapshotting, "WRITTEN_WITHIN_S", 0.01)
        assert asyncio.run(in_a_process(tmp_path, "average")) == (
            False, "no snapshot of the journal was written within 0.01 s"
        )  # fmt: skip
