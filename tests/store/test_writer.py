import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tapeline.clock import SystemClock
from tapeline.errors import StoreLocked
from tapeline.model.event import Gap, Trade
from tapeline.store.reader import open_store
from tapeline.store.series import PointRow, Row, SeriesStore
from tapeline.store.writer import ROW_BYTES, InlineWriter, StoreWriter

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

    full = True

    def write(self, rows: Sequence[Row]) -> None:
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        super().write(rows)


def remembering(stores: list[Full]) -> Callable[[Path], SeriesStore]:
    """Opens full stores, and lets the test have them."""

    def open_full(folder: Path) -> SeriesStore:
        stores.append(Full(folder))
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
    stores[0].full = False
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
    for i in range(2, 152):
        store.offer(trade(i))
    assert store.statistics().dropped == 50
    stores[0].full = False
    assert store.flush(10.0)
    store.stop()
    assert seqs(tmp_path) == [1, *range(52, 152)]
    with open_store(tmp_path) as held:
        (gap,) = held.gaps()
    assert isinstance(gap, Gap)
    assert (gap.instrument, gap.channel, gap.cause) == (BTC, "trades", "overflow")
    assert (gap.after_ns, gap.before_ns) == (trade(2).at_ns, trade(51).at_ns)


def test_stopping_gives_up_on_a_disk_that_stays_full(tmp_path: Path, trade: Callable[..., Trade]) -> None:
    store = writer(tmp_path, open_store=Full)
    store.start()
    store.offer(trade(1))
    started = time.monotonic()
    store.stop(0.5)
    assert time.monotonic() - started < 5
    assert "full" in store.statistics().last_error


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
    inline.offer(trade(1))
    inline.offer(PointRow(BTC, "trades", 1, 2, 3))
    assert seqs(tmp_path) == [1]
    store.close()


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
    if seq % 50 == 0:
        store.flush()
"""


def test_kill_minus_nine_at_any_moment_corrupts_and_repeats_nothing(tmp_path: Path) -> None:
    last = 0
    for after_s in (0.05, 0.12, 0.3):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), str(last)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        threading.Event().wait(after_s)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        raw = sqlite3.connect(tmp_path / "series.sqlite")
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        raw.close()
        held = seqs(tmp_path)
        assert held == list(range(1, len(held) + 1)), "a prefix of what was offered, each once"
        last = max(0, len(held) - 20)  # the next run repeats some: they are no duplicates
    assert last > 0
