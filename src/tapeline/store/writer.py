"""The writer thread: the loop hands rows over and never waits; batches by size and age, retried, bisected."""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from tapeline.clock import Clock
from tapeline.model.event import Gap
from tapeline.model.instrument import Instrument
from tapeline.store.lock import StoreLock
from tapeline.store.series import PointRow, Row, SeriesStore

ROW_BYTES = 640  # what a waiting event takes in memory, measured over trades and bars
RETRY_S = (0.05, 0.2, 1.0, 5.0)  # a batch that fails is tried again after these, the last for as long as it takes
_log = structlog.get_logger("tapeline")


@dataclass(frozen=True, slots=True)
class WriterStatistics:
    """How the store is doing; `behind_s` is the age of the oldest row that waits."""

    rows_written: int
    batches: int
    retries: int
    poisoned: int
    dropped: int
    disputes: int
    queue_rows: int
    queue_bytes: int
    behind_s: float
    last_error: str


class StoreWriter:
    """Owns the SQLite connection on one thread. `offer` takes events, instruments and points from the loop's.

    While it cannot write (disk full, locked), rows wait, at most `queue_bytes` of them; past that the oldest go, are
    counted, and leave one Gap(cause="overflow") a series once writing works again.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, batch_size: int = 500, batch_timeout_s: float = 0.25,
        queue_bytes: int = 64 * 2**20, open_store: Callable[[Path], SeriesStore] = SeriesStore,
    ) -> None:  # fmt: skip
        self._folder, self._clock, self._open_store = folder, clock, open_store
        self._batch_size, self._batch_timeout_s = batch_size, batch_timeout_s
        self._most_rows = max(batch_size, queue_bytes // ROW_BYTES)
        self._lock = StoreLock(folder)
        self._queue: deque[Row] = deque()
        self._first_at = 0.0  # when the oldest waiting row came
        self._awake = threading.Event()
        self._idle = threading.Condition()
        self._stopping = False
        self._flushing = False
        self._thread: threading.Thread | None = None
        self._store: SeriesStore | None = None
        self._lost: dict[tuple[str, str], tuple[int | None, int | None]] = {}
        self._batches = self._retries = self._poisoned = self._dropped = self._taken = 0
        self._last_error = ""

    def start(self, socket: str = "") -> None:
        """Take the lock, open the store, begin to write. Raises StoreLocked, StoreTooNew."""
        self._lock.acquire(socket)
        try:
            self._store = self._open_store(self._folder)
        except BaseException:
            self._lock.release()
            raise
        self._thread = threading.Thread(target=self._run, name="tapeline-store", daemon=True)
        self._thread.start()

    def offer(self, row: Row) -> None:
        """Hand a row over; called on the loop's thread, never blocks."""
        queue = self._queue
        if not queue:
            self._first_at = self._clock.now()
        queue.append(row)
        waiting = len(queue)
        if waiting >= self._batch_size and not self._awake.is_set():
            self._awake.set()
        if waiting > self._most_rows:
            self._drop()

    def flush(self, within_s: float = 10.0) -> bool:
        """Wait until everything offered so far is on disk; False where it was not in time."""
        self._flushing = True
        self._awake.set()
        with self._idle:
            done = self._idle.wait_for(lambda: not self._queue and self._taken == 0, within_s)
        self._flushing = False
        return done

    def stop(self, within_s: float = 10.0) -> None:
        """Write what waits, close the store, release the lock."""
        if self._thread is not None:
            self._stopping = True
            self._awake.set()
            self._thread.join(within_s)
            if self._thread.is_alive():
                _log.error("store", problem=f"{len(self._queue)} rows could not be written", error=self._last_error)
            self._thread = None
        self._lock.release()

    def statistics(self) -> WriterStatistics:
        """How the store is doing."""
        waiting = len(self._queue) + self._taken
        return WriterStatistics(
            rows_written=self._store.rows_written if self._store else 0, batches=self._batches, retries=self._retries,
            poisoned=self._poisoned, dropped=self._dropped, disputes=self._store.disputes if self._store else 0,
            queue_rows=waiting, queue_bytes=waiting * ROW_BYTES,
            behind_s=max(0.0, self._clock.now() - self._first_at) if waiting else 0.0, last_error=self._last_error,
        )  # fmt: skip

    # ---- the thread --------------------------------------------------------------------------------------------

    def _run(self) -> None:
        assert self._store is not None, "start() opens the store before the thread"
        store = self._store
        try:
            while True:
                self._awake.wait(self._batch_timeout_s)
                self._awake.clear()
                while self._queue:
                    if not self._write_all(store, self._batch()):
                        return
                with self._idle:
                    self._idle.notify_all()
                if self._stopping and not self._queue:
                    return
        finally:
            store.close()

    def _batch(self) -> list[Row]:
        queue, out = self._queue, []
        for _ in range(min(len(queue), self._batch_size)):
            try:
                out.append(queue.popleft())
            except IndexError:  # the loop's thread dropped rows in between
                break
        self._taken = len(out)
        return out

    def _write_all(self, store: SeriesStore, batch: list[Row]) -> bool:
        """Write a batch, however long the disk is full or locked. False where stopping gave up on it."""
        attempt = 0
        while True:
            try:
                store.write(batch + self._overflow_gaps())
            except sqlite3.OperationalError as error:  # full, locked, read-only: the rows are not at fault
                self._last_error = f"{type(error).__name__}: {error}"
                if attempt == 0:
                    _log.error("store", problem="cannot write, events wait", error=self._last_error)
                self._retries += 1
                if self._stopping and attempt >= len(RETRY_S):
                    return False
                threading.Event().wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1
            except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
                self._last_error = f"{type(error).__name__}: {error}"
                self._bisect(store, batch)
                break
            else:
                if attempt:
                    _log.info("store", recovered=True)
                self._last_error = ""
                self._lost.clear()
                break
        self._batches += 1
        self._taken = 0
        self._first_at = self._clock.now()
        return True

    def _bisect(self, store: SeriesStore, batch: list[Row]) -> None:
        """Find the rows at fault and set them aside; the others are written."""
        if len(batch) == 1:
            self._poisoned += 1
            _log.error("store", problem="a row cannot be written and is set aside", error=self._last_error)
            store.poison(batch[0], self._last_error)
            return
        middle = len(batch) // 2
        for half in (batch[:middle], batch[middle:]):
            try:
                store.write(half)
            except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
                self._last_error = f"{type(error).__name__}: {error}"
                self._bisect(store, half)

    def _drop(self) -> None:
        """The queue is full: the oldest row goes, and its series has a hole."""
        row = self._queue.popleft()
        self._dropped += 1
        if isinstance(row, PointRow | Instrument) or row.instrument is None:
            return
        key = (row.instrument, row.channel)
        after, _ = self._lost.get(key, (row.at_ns, None))
        self._lost[key] = (after, row.at_ns)

    def _overflow_gaps(self) -> list[Row]:
        now_ns = self._clock.wall_ns()
        return [
            Gap(instrument, channel, None, now_ns, "built", after, before, None, None, "overflow")
            for (instrument, channel), (after, before) in list(self._lost.items())
        ]


class InlineWriter:
    """The same on the caller's own thread: for virtual-time worlds, where a thread would be chance."""

    def __init__(self, store: SeriesStore) -> None:
        self.store = store

    def offer(self, row: Row) -> None:
        """Write at once."""
        self.store.write([row])
