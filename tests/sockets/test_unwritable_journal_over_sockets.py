"""A journal that cannot be written ends a live run, and not before what rests is dealt with and told."""

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from live_process import HELD, configured, engine, exchange, exposed, log, tapeline, until, venue_says

from tapeline.clock import SystemClock
from tapeline.store.journal import FILE, Journal
from tapeline.store.latch import HaltLatch
from tapeline.store.snapshot import restored

pytestmark = pytest.mark.sockets


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes the journal, and does not come to an end."""
    with closing(sqlite3.connect(path.parent / "store" / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def full(path: Path, pid: int) -> None:
    """As far as the engine can tell, the disk is: no file of its may become longer than the journal is now."""
    wal = path.parent / "store" / f"{FILE}-wal"
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal.stat().st_size, hard))


def asked_something(path: Path) -> None:
    """Whatever it is: it has to be written down. The engine may have had something of its own to write before."""
    said = tapeline(
        "operate", "pause", "Rests", "--config", str(path), "--who", "Ann", "--why", "a test", folder=path.parent
    )
    assert said.returncode == 0 or "no answer" in said.stderr or "no instance runs" in said.stderr, said.stderr


def last_words(path: Path) -> list[str]:
    """What it says at its end, without the log."""
    return [line for line in log(path).splitlines() if not line.startswith("20")]


def latched(path: Path) -> str:
    return HaltLatch("main", "live", {"XDG_STATE_HOME": str(path.parent / "state")}, SystemClock()).state


def test_what_rests_is_cancelled_without_it_and_that_is_said(tmp_path: Path) -> None:
    with exchange(tmp_path) as (address, _), engine(path := configured(tmp_path, address)) as running:
        until(lambda: exposed(path), "a position, and two orders that rest")
        orders, _ = venue_says(path)
        with locked(path):
            asked_something(path)
            assert running.wait(40) == 1
        words = last_words(path)
        assert words[0].startswith("account main (live): halted, ")
        assert words[1].startswith(f"  by journal: the journal at {tmp_path / 'store'} was locked for 5 s; it took ")
        assert sorted(words[2].removeprefix("  cancelled: ").split(", ")) == orders
        assert words[3:] == [
            "  held: 0.02 binance-usdm:BTC/USDT:USDT",
            "  verified with the venue",
            "next: mend what keeps the journal from being written, and",
            f'      tapeline resume --config {path} --who NAME --why "..."',
            f"tapeline: the journal at {tmp_path / 'store'} was locked for 5 s",
        ]
        assert venue_says(path) == ([], HELD)
        assert latched(path) == "halted"


def test_a_full_disk_is_no_other_case(tmp_path: Path) -> None:
    with exchange(tmp_path) as (address, _), engine(path := configured(tmp_path, address)) as running:
        until(lambda: exposed(path), "a position, and two orders that rest")
        full(path, running.pid)
        asked_something(path)
        assert running.wait(40) == 1
        words = last_words(path)
        assert words[0].startswith("account main (live): halted, ")
        assert words[4] == "  verified with the venue"
        assert words[-1].startswith(f"tapeline: the journal at {tmp_path / 'store'} cannot be written: ")
        assert (venue_says(path), latched(path)) == (([], HELD), "halted")
    journal = Journal(path.parent / "store")
    assert restored(journal, 1).problems == [], "what was half written is not there"
    journal.close()


def test_where_the_venue_is_gone_too_it_says_what_may_rest(tmp_path: Path) -> None:
    with (
        exchange(tmp_path) as (address, venue),
        engine(path := configured(tmp_path, address, "[trade]\nstop_within_s = 3.0")) as running,
    ):
        until(lambda: exposed(path), "a position, and two orders that rest")
        orders, _ = venue_says(path)
        venue.terminate()
        venue.wait(20)
        with locked(path):
            asked_something(path)
            assert running.wait(40) == 1
        words = last_words(path)
        assert "  NOT VERIFIED: look at the venue yourself" in words
        begins = words.index("account main: what may rest, by our own books:")
        told = words[begins + 1 : begins + 3]
        assert sorted(line.partition(": ")[2] for line in told) == [
            f"{name}, open when last heard of" for name in orders
        ]
        assert all(line.startswith("  buy 0.02 binance-usdm:BTC/USDT:USDT at ") for line in told)
        assert words[begins + 3 :] == [
            f'next: tapeline halt --config {path} --why "..."   (until it is verified with the venue)',
            f"      tapeline watchdog --config {path}   (does so again and again by itself)",
            "then: mend what keeps the journal from being written, and",
            f'      tapeline resume --config {path} --who NAME --why "..."',
            f"tapeline: the journal at {tmp_path / 'store'} was locked for 5 s",
        ]
        assert latched(path) == "halted", "the gate was first"
