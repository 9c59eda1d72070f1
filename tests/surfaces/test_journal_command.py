"""`tapeline journal`: what it prints, and its exit codes."""

import json
from pathlib import Path

import pytest

from tapeline.clock import SystemClock
from tapeline.model.interval import DAY_NS
from tapeline.model.stamp import iso
from tapeline.store.journal import Journal
from tapeline.store.snapshot import write
from tapeline.surfaces.cli import main
from tapeline.trading.command import Note

FIRST = "journal-000000000000001-000000000000004.sqlite"
DAY = 86_400 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Ten records, one a day from 1970-01-02 on, and a snapshot of all."""
    journal = Journal(tmp_path)
    for day in range(1, 11):
        journal.append([Note("n", "a", str(day))], day * DAY)
    write(journal)
    journal.close()
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main(["journal", *map(str, words)])
    printed = capsys.readouterr()
    return int(done.value.code or 0), printed.out, printed.err


def test_archive_and_status_say_what_is_where(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "archive", "--store", store, "--before", "1970-01-06")
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 2)
    assert lines[0] == f"{FIRST}: records 1 to 4, 1970-01-02T00:00:00Z to 1970-01-05T00:00:00Z"
    assert lines[1].startswith("the journal goes on from record 5; ")
    code, out, _ = run(capsys, "archive", "--store", store, "--before", "1970-01-06")
    assert (code, out.splitlines()[0]) == (0, "nothing to move: no record is that old, or all that are have been moved")

    code, out, err = run(capsys, "status", "--store", store, "--verify")
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 3)
    assert "records 5 to 10, 1970-01-06T00:00:00Z to 1970-01-11T00:00:00Z, " in lines[0]
    assert lines[0].endswith("; a start plays back 0 of them")
    assert lines[1].startswith("snapshot journal-000000000000010.snapshot: up to record 10, ")
    assert lines[2].startswith(f"archive {FIRST}: records 1 to 4, 1970-01-02T00:00:00Z to 1970-01-05T00:00:00Z, ")
    assert lines[2].endswith(" bytes, sound")


def test_keep_counts_back_from_now(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now_ns = SystemClock().wall_ns()
    journal = Journal(store)
    journal.append([Note("n", "a", "new")], now_ns - DAY_NS)
    write(journal)
    journal.close()
    code, out, _ = run(capsys, "archive", "--store", store, "--keep", "30d", "--json")
    told = json.loads(out)
    assert (code, [(each["first"], each["last"]) for each in told["archives"]]) == (0, [(1, 10)])
    assert (told["dropped"], told["first"]) == (10, 11)
    code, out, _ = run(capsys, "status", "--store", store, "--json")
    held = json.loads(out)
    assert (held["records"], held["first"], held["archives"][0]["records"]) == (1, 11, 10)
    assert iso(held["from_ns"])[:2] == "20"


def test_what_is_missing_damaged_or_half_done_is_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "archive", "--store", store, "--before", "1970-01-06")
    (store / "journal-000000000000099.snapshot").write_bytes(b"damaged")
    (store / "journal-archive.part").write_bytes(b"")
    (store / FIRST).rename(store / "elsewhere")
    code, out, _ = run(capsys, "status", "--store", store)
    assert code == 1
    assert f"bytes, MISSING: bring it back into {store}" in out
    assert "snapshot journal-000000000000099.snapshot: left alone by a start: it is damaged" in out
    assert "journal-archive.part: begun, and not on the journal's list: `tapeline journal archive` finishes it" in out

    (store / FIRST).write_bytes(b"damaged")
    assert run(capsys, "status", "--store", store)[0] == 0, "it is there"
    code, out, _ = run(capsys, "status", "--store", store, "--verify")
    assert (code, f"{FIRST}, which is damaged" in out) == (1, True)
    code, out, err = run(capsys, "archive", "--store", store, "--before", "1970-01-08")
    assert (code, out.splitlines()[0][:46]) == (0, "journal-000000000000005-000000000000006.sqlite")
    assert "journal-000000000000099.snapshot is left alone: it is damaged" in err


def test_bad_usage_and_a_run_that_goes_on(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for both in (list[str](), ["--keep", "30d", "--before", "2026-01-01"]):
        code, out, err = run(capsys, "archive", "--store", store, *both)
        assert (code, out, err) == (2, "", "tapeline: say either --before TIME or --keep 30d: what is older is moved\n")
    assert run(capsys, "archive", "--store", store, "--keep", "soon")[0] == 2
    assert run(capsys, "archive", "--store", store, "--before", "soon")[0] == 2
    for words in (("archive", "--keep", "1d"), ("status",)):
        code, _, err = run(capsys, *words, "--store", tmp_path / "none")
        assert (code, "there is no journal in" in err) == (2, True)

    journal = Journal(store)
    journal.lead()
    code, out, err = run(capsys, "archive", "--store", store, "--before", "1970-01-06")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "a journal is archived between two runs, so stop that one first; nothing was moved" in err
    assert run(capsys, "status", "--store", store)[0] == 0, "status may always be asked"
    journal.close()
