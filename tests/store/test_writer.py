import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tapeline.clock import Clock, SystemClock
from tapeline.errors import StoreLocked, StoreTooNew
from tapeline.model.event import Bar, Link, Mark, Trade
from tapeline.store.reader import open_store
from tapeline.store.series import PointRow, Row, SeriesStore
from tapeline.store.writer import ROW_BYTES, InlineWriter, Nowhere, StoreWriter, Writer

BTC = "binance:BTC/USDT"
CLOCK = SystemClock()


def writer(folder: Path, **options: object) -> StoreWriter:
    return StoreWriter(folder, clock=CLOCK, **options)  # type: ignore[arg-type]  # options by name


def seqs(folder: Path) -> list[int | None]:
    with open_store(folder) as held:
        return [trade.seq for trade in held.trades(BTC)]


def test_what_is_offered_is_on_disk_after_a_flush(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path)
    store.start("/run/x.sock")
    for i in range(1200):
        store.offer(trade(i + 1))
    assert store.flush(10.0)
    assert seqs(tmp_path) == list(range(1, 1201))
    found = store.statistics()
    assert (found.rows_written, found.queue_rows, found.dropped, found.poisoned, found.last_error) == (
        1200,
        0,
        0,
        0,
        "",
    )
    assert found.batches >= 3
    store.stop()


def test_stopping_writes_what_waits_and_releases_the_lock(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path, batch_timeout_s=60.0)
    store.start()
    store.offer(trade(1))
    with pytest.raises(StoreLocked):
        writer(tmp_path).start()
    store.stop()
    store.stop()
    assert seqs(tmp_path) == [1]
    again = writer(tmp_path)
    again.start()
    again.stop()


def test_a_small_batch_is_written_when_it_is_old_enough(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path, batch_timeout_s=0.01)
    store.start()
    store.offer(trade(1))
    for _ in range(500):
        if store.statistics().rows_written:
            break
        threading.Event().wait(0.01)
    assert store.statistics().rows_written == 1
    store.stop()


def test_a_poison_row_is_set_aside_and_the_others_are_written(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path)
    store.start()
    for i in range(1, 8):
        store.offer(trade(i, received_ns=2**70) if i == 5 else trade(i))
    store.stop()
    assert seqs(tmp_path) == [1, 2, 3, 4, 6, 7]
    assert store.statistics().poisoned == 1
    raw = sqlite3.connect(tmp_path / "series.sqlite")
    ((kind, body, reason),) = raw.execute("SELECT type, body, reason FROM poison").fetchall()
    raw.close()
    assert kind == "Trade"
    assert '"id":"5"' in body
    assert "OverflowError" in reason


class Full(SeriesStore):
    """A store whose disk is full until told otherwise."""

    fault: sqlite3.Error | None = sqlite3.OperationalError("database or disk is full")

    def write(self, rows: Sequence[Row]) -> None:
        if self.fault is not None:
            raise self.fault
        super().write(rows)


def remembering(stores: list[Full]) -> Callable[[Path, Clock], SeriesStore]:
    """Opens full stores, and lets the test have them."""

    def open_full(folder: Path, clock: Clock) -> SeriesStore:
        stores.append(Full(folder, clock))
        return stores[-1]

    return open_full


def test_while_the_disk_is_full_rows_wait_and_then_all_are_written(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    stores: list[Full] = []
    store = writer(tmp_path, open_store=remembering(stores))
    store.start()
    for i in range(1, 601):
        store.offer(trade(i))
    assert not store.flush(0.3)
    found = store.statistics()
    assert "disk is full" in found.last_error
    assert found.retries >= 1
    assert found.queue_rows == 600
    assert found.queue_bytes == 600 * ROW_BYTES
    stores[0].fault = None
    assert store.flush(10.0)
    store.stop()
    assert seqs(tmp_path) == list(range(1, 601))


def test_past_the_bound_the_oldest_go_and_leave_a_gap(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    stores: list[Full] = []
    store = writer(
        tmp_path,
        batch_size=10,
        queue_bytes=100 * ROW_BYTES,
        open_store=remembering(stores),
    )
    store.start()
    store.offer(trade(1))
    assert not store.flush(0.2)  # the thread has the first row, and cannot write it
    other = trade(1, channel="aggtrades")
    store.offer(other)
    store.offer(PointRow(BTC, "quotes", 1, 2, 3))
    for i in range(2, 152):
        store.offer(trade(i))
    assert store.statistics().dropped == 52
    stores[0].fault = None
    assert store.flush(10.0)
    assert seqs(tmp_path) == [1, *range(52, 152)]
    with open_store(tmp_path) as held:
        gaps = {gap.channel: gap for gap in held.gaps()}
    assert len(gaps) == 2
    closed, still_open = gaps["trades"], gaps["aggtrades"]
    assert (closed.instrument, closed.cause, closed.open) == (BTC, "overflow", False)
    assert (closed.after_ns, closed.after_seq) == (trade(1).at_ns, 1), "the last good one before the hole"
    assert (closed.before_ns, closed.before_seq) == (trade(52).at_ns, 52), "the first good one after it"
    assert (still_open.after_ns, still_open.before_ns, still_open.open) == (None, None, True)
    store.offer(trade(9, channel="aggtrades"))
    store.stop()
    with open_store(tmp_path) as held:
        (ended,) = [gap for gap in held.gaps() if gap.channel == "aggtrades"]
    assert (ended.after_ns, ended.before_ns, ended.before_seq, ended.open) == (None, trade(9).at_ns, 9, False)


def test_a_hole_in_bars_and_links_is_told_by_what_they_are(tmp_path: Path, bar: Callable[..., Bar]) -> None:
    stores: list[Full] = []
    store = writer(tmp_path, batch_size=2, queue_bytes=2 * ROW_BYTES, open_store=remembering(stores))
    store.start()
    store.offer(bar(open_at_ns=0))
    assert not store.flush(0.2)
    link = Link(None, "link", None, 5, "ws", "binance", "1", (), "down", "backing_off", "cut")
    mark = Mark(BTC, "mark", 1, 2, "ws", Decimal(100))
    for row in (link, mark, bar(open_at_ns=60), bar(open_at_ns=120), mark):
        store.offer(row)
    assert store.statistics().dropped == 3
    stores[0].fault = None
    store.stop()
    with open_store(tmp_path) as held:
        found = {gap.channel: (gap.after_ns, gap.before_ns) for gap in held.gaps()}
        assert [each.open_at_ns for each in held.bars(BTC, "1m@trades")] == [0, 120]
    assert found == {"bars:1m@trades": (0, 120), "mark": (None, 1)}


def test_a_damaged_database_keeps_events_waiting(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    stores: list[Full] = []
    store = writer(tmp_path, open_store=remembering(stores))
    store.start()
    stores[0].fault = sqlite3.DatabaseError("database disk image is malformed")
    store.offer(trade(1))
    assert not store.flush(0.3)
    found = store.statistics()
    assert (found.poisoned, found.queue_rows) == (0, 1)
    assert "malformed" in found.last_error
    stores[0].fault = None
    assert store.flush(10.0)
    store.stop()
    assert seqs(tmp_path) == [1]


def test_the_disk_fills_while_a_poison_row_is_sought(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    """Rows that wait for the disk are not taken for poison."""

    class Filling(SeriesStore):
        writes = 0

        def write(self, rows: Sequence[Row]) -> None:
            self.writes += 1
            if self.writes in {2, 3}:
                raise sqlite3.OperationalError("database or disk is full")
            super().write(rows)

    store = writer(tmp_path, open_store=Filling)
    store.start()
    for i in range(1, 8):
        store.offer(trade(i, price=Decimal("NaN")) if i == 5 else trade(i))
    assert store.flush(10.0)
    store.stop()
    assert seqs(tmp_path) == [1, 2, 3, 4, 6, 7]
    assert (store.statistics().poisoned, store.statistics().retries) == (1, 2)


def test_a_poison_row_that_nothing_takes_is_lost_and_told(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    class Nowhere(SeriesStore):
        def poison(self, row: Row, reason: str) -> None:
            raise OSError(28, f"No space left for {type(row).__name__}, {reason[:11]}", "poison.jsonl")

    store = writer(tmp_path, open_store=Nowhere)
    store.start()
    store.offer(trade(1, price=Decimal("NaN")))
    store.offer(trade(2))
    assert store.flush(10.0)
    assert (
        store.statistics().last_error
        == "a row is lost, not even poison.jsonl takes it: No space left for Trade, DecodeError"
    )
    store.stop()
    assert seqs(tmp_path) == [2]


def test_a_flush_waits_for_what_was_offered_before_it_only(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path, batch_size=50)
    store.start()
    over = threading.Event()

    def keep_offering() -> None:
        number = 0
        while not over.is_set():
            number += 1
            store.offer(trade(number))

    feed = threading.Thread(target=keep_offering)
    feed.start()
    try:
        assert store.flush(10.0)
        assert store.flush(10.0)
    finally:
        over.set()
        feed.join()
    store.stop(60.0)
    assert store.statistics().queue_rows == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_our_own_ends_no_wait_and_is_told(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    class Broken(SeriesStore):
        def write(self, rows: Sequence[Row]) -> None:
            raise AssertionError(f"a bug that {len(rows)} rows met")

    store = writer(tmp_path, open_store=Broken)
    store.start()
    store.offer(trade(1))
    assert not store.flush(10.0)
    assert store.statistics().last_error == "the writer's thread has ended by a fault of its own"
    store.stop()
    again = writer(tmp_path)
    again.start()
    again.stop()


def test_stopping_gives_up_on_a_disk_that_stays_full(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path, open_store=Full)
    store.start()
    store.offer(trade(1))
    started = time.monotonic()
    store.stop(0.5)
    assert time.monotonic() - started < 5
    assert "full" in store.statistics().last_error
    assert store.statistics().queue_rows == 1


def test_a_store_that_cannot_be_opened_leaves_no_lock(tmp_path: Path) -> None:
    def refuse(folder: Path, clock: Clock) -> SeriesStore:
        raise StoreTooNew(f"{folder} {clock.now() >= 0}")

    with pytest.raises(StoreTooNew):
        writer(tmp_path, open_store=refuse).start()
    after = writer(tmp_path)
    after.start()
    after.stop()


def test_a_locked_database_is_waited_for(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path)
    store.start()
    other = sqlite3.connect(tmp_path / "series.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.offer(trade(1))
    assert not store.flush(1.5)
    other.execute("ROLLBACK")
    other.close()
    assert store.flush(20.0)
    store.stop()
    assert seqs(tmp_path) == [1]


def test_the_inline_writer_writes_at_once(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = SeriesStore(tmp_path)
    inline = InlineWriter(store)
    inline.start()
    inline.offer(trade(1))
    inline.offer(trade(2, price=Decimal("NaN")))
    inline.offer(PointRow(BTC, "trades", 1, 2, 3))
    assert seqs(tmp_path) == [1]
    assert inline.flush()
    found = inline.statistics()
    assert (found.rows_written, found.poisoned, found.queue_rows, found.dropped) == (2, 1, 0, 0)
    assert "DecodeError" in found.last_error
    inline.stop()


def test_both_writers_are_writers(tmp_path: Path) -> None:
    either: list[Writer] = [writer(tmp_path), InlineWriter(SeriesStore(tmp_path))]
    for each in either:
        each.stop()


KILLED = """
import sys
from pathlib import Path
from decimal import Decimal
from tapeline.clock import SystemClock
from tapeline.model.event import Trade
from tapeline.store.writer import StoreWriter
store = StoreWriter(Path(sys.argv[1]), clock=SystemClock(), batch_timeout_s=0.01)
store.start()
print("ready", flush=True)
seq = int(sys.argv[2])
while True:
    seq += 1
    store.offer(Trade("binance:BTC/USDT", "trades", seq, seq, "ws", str(seq), seq, "buy", Decimal("1.5"), Decimal(1)))
    if seq % 50 == 0 and store.flush():
        print(seq, flush=True)
"""


def test_kill_minus_nine_at_any_moment_corrupts_and_repeats_nothing(tmp_path: Path) -> None:
    last = 0
    for after_s in (0.05, 0.12, 0.3, 0.2, 0.08):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), str(last)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        threading.Event().wait(after_s)
        os.kill(child.pid, signal.SIGKILL)
        flushed = [int(line) for line in child.stdout.read().split(b"\n")[:-1]]
        child.stdout.close()
        child.wait()
        raw = sqlite3.connect(tmp_path / "series.sqlite")
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        raw.close()
        held = seqs(tmp_path)
        assert held == list(range(1, len(held) + 1)), "a prefix of what was offered, each once"
        assert len(held) >= max(flushed, default=0), "what was flushed is there"
        with open_store(tmp_path) as store:
            assert [point.seq for point in store.points()] == held[-1:], "a restart knows where the rows end"
        last = max(0, len(held) - 20)  # the next run repeats some: they are no duplicates
    assert last > 0


def test_what_is_kept_nowhere_is_never_behind_and_loses_nothing(trade: Callable[..., Trade]) -> None:
    nowhere = Nowhere()
    nowhere.start()
    nowhere.offer(trade(1))
    assert nowhere.flush()
    nowhere.stop()
    told = nowhere.statistics()
    assert (told.dropped, told.queue_rows, told.rows_written) == (0, 0, 0)


def test_what_the_store_found_out_itself_is_told_once(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    both: list[StoreWriter | InlineWriter] = [
        writer(tmp_path / "thread"),
        InlineWriter(SeriesStore(tmp_path / "inline")),
    ]
    for kept in both:
        kept.start()
        kept.offer(trade(1))
        kept.offer(msgspec.structs.replace(trade(1), price=Decimal(77)))
        assert kept.flush()
        (fact,) = kept.found()
        assert (fact.state, fact.cause, fact.channel) == ("disputed", "disputed", "trades")
        assert kept.found() == []
        kept.stop()
    assert writer(tmp_path / "never").found() == []


def test_a_prompt_writer_waits_for_no_batch(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path, prompt=True, batch_timeout_s=60.0)
    store.start()
    for seq in (1, 2, 3):
        store.offer(trade(seq))
        until = time.monotonic() + 10
        while store.statistics().rows_written < seq and time.monotonic() < until:
            time.sleep(0.001)
        assert seqs(tmp_path) == list(range(1, seq + 1))
    store.stop()


def test_a_store_that_is_moved_while_it_is_written_loses_nothing(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path / "here", batch_timeout_s=0.02)
    store.start()
    store.offer(trade(1))
    assert store.flush()
    (tmp_path / "here").rename(tmp_path / "there")
    store.offer(trade(2))
    assert store.flush(), "its files are open, wherever they are"
    assert seqs(tmp_path / "there") == [1, 2]
    assert not (tmp_path / "here").exists(), "none is made anew behind its back"
    (tmp_path / "there").rename(tmp_path / "here")
    store.offer(trade(3))
    assert store.flush()
    store.stop()
    assert seqs(tmp_path / "here") == [1, 2, 3]


def test_a_store_that_becomes_read_only_waits_and_goes_on(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path, batch_timeout_s=0.02)
    store.start()
    store.offer(trade(1))
    assert store.flush()
    held = store._store
    assert held is not None
    held.connection.execute("PRAGMA query_only = ON")
    store.offer(trade(2))
    assert not store.flush(0.5)
    told = store.statistics()
    assert (told.queue_rows, told.dropped, told.poisoned) == (1, 0, 0)
    assert "readonly" in told.last_error
    held.connection.execute("PRAGMA query_only = OFF")
    assert store.flush(20)
    store.stop()
    assert seqs(tmp_path) == [1, 2]
