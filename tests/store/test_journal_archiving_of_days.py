"""Days of orders at simulated venues, their journals archived again and again: the state stays the same to the byte."""

import random
from pathlib import Path

import pytest

from tapeline.sim.loop import AloneLoop, run
from tapeline.sim.trading import day
from tapeline.sim.trading.plan import TradingPlan
from tapeline.store import snapshot
from tapeline.store.journal import Journal
from tapeline.store.journal_archiving import archive
from tapeline.store.snapshot import played, snapshots, write
from tapeline.trading.memo import encode
from tapeline.trading.record import Entry
from tapeline.trading.restore import restore
from tapeline.venues import venue_named

DAYS = [("binance", 17), ("binance-usdm", 4), ("okx", 3)]


def state(journal: Journal) -> bytes:
    playback, _ = played(journal)
    return encode(playback.memo())


def name_of(entry: Entry) -> str:
    """Of which order a record is."""
    of = getattr(entry.record, "order", entry.record)
    name: str = getattr(of, "client_id", "")
    return name


def everything(journal: Journal, chance: random.Random) -> tuple[list[Entry], bytes, str]:
    """The whole log, what a start makes of it, and what a reader of parts of it finds."""
    log = list(journal.replay())
    orders = sorted({name_of(each) for each in log} - {""})
    for name in chance.sample(orders, min(5, len(orders))):
        assert list(journal.replay(client_id=name)) == [each for each in log if name_of(each) == name]
    for number in chance.sample(range(len(log)), 5):
        assert journal.body(number + 1) == log[number].body
        assert list(journal.replay(number)) == log[number:]
    assert journal.body(len(log) + 1) is None
    found = restore(log, journal.instance, 7)
    return log, state(journal), f"{found.ledger!r} {found.problems} {found.digest} {found.records}"


@pytest.mark.parametrize(("venue", "seed"), DAYS)
def test_a_start_and_every_reader_find_the_same(
    venue: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapeline.store.journal.PAGE", 97)
    plan = TradingPlan(venue=venue_named(venue), seed=seed)
    run(day._played(plan, tmp_path), AloneLoop)
    chance = random.Random(f"{venue} {seed}")
    journal = Journal(tmp_path)
    expected = everything(journal, chance)
    times = sorted(each.at_ns for each in expected[0])
    made = 0
    for before_ns in sorted(chance.sample(times, 4)):
        if chance.random() < 0.5:
            write(journal)
        done = archive(tmp_path, before_ns)
        made += len(done.archives)
        assert done.dropped == sum(each.last - each.first + 1 for each in done.archives)
        assert everything(journal, chance) == expected, "a process that had it open"
        again = Journal(tmp_path)
        assert everything(again, chance) == expected
        with monkeypatch.context() as patch:
            patch.setattr(snapshot, "layout", lambda: "of another version")
            assert (state(again), played(again)[1][0]) == (expected[1], 0), "the whole log, and its archives"
        again.close()
    assert made > 1
    for path in snapshots(tmp_path):
        path.unlink()
    assert everything(journal, chance) == expected
    assert journal.append([], 1) == len(expected[0])
    journal.close()
