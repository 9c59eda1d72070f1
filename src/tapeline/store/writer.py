"""The writer thread: the loop hands rows over and never waits; batches by size and age, retried, bisected."""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeGuard

import structlog

from tapeline.clock import Clock
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import HELD, Fact, Wanted
from tapeline.model.instrument import Instrument
from tapeline.store.lock import StoreLock
from tapeline.store.series import ROW_FAULTS, PointRow, Row, SeriesStore

ROW_BYTES = 640  # what a waiting event takes in memory, measured over trades and bars
RETRY_S = (0.05, 0.2, 1.0, 5.0)  # a batch that fails is tried again after these, the last for as long as it takes
LAST_TRIES = 4  # once it is to stop
Key = tuple[str, str]  # instrument, channel
NO_EVENT = PointRow | Instrument | Fact | Wanted
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


class Writer(Protocol):
    """What takes rows to the store: on a thread of its own, or inline."""

    def start(self, socket: str = "") -> None:
        """Begin to take rows. Raises StoreLocked, StoreTooNew."""

    def offer(self, row: Row) -> None:
        """Hand a row over; never blocks on the disk where there is a thread."""

    def flush(self, within_s: float = 10.0) -> bool:
        """Whether everything offered so far is on disk, in time."""
        ...

    def stop(self, within_s: float = 10.0) -> None:
        """Write what waits and close."""

    def found(self) -> list[Fact]:
        """What the store itself found out since this was asked last: rows in dispute, or lost on their way."""
        ...

    def statistics(self) -> WriterStatistics:
        """How the store is doing."""
        ...


class StoreWriter:
    """Owns the SQLite connection on one thread. `offer` takes events, instruments and points from the loop's.

    `prompt`: a row is written at once, with those that have come meanwhile, and not by size or age of a batch.

    While it cannot write (disk full, locked), rows wait, at most `queue_bytes` of them; past that the oldest go, are
    counted, and leave one Gap(cause="overflow") a series once writing works again.
    """

    def __init__(
        self, folder: Path, *, clock: Clock, batch_size: int = 500, batch_timeout_s: float = 0.25,
        prompt: bool = False, queue_bytes: int = 64 * 2**20,
        open_store: Callable[[Path, Clock], SeriesStore] = SeriesStore,
    ) -> None:  # fmt: skip
        self._folder, self._clock, self._open_store = folder, clock, open_store
        self._batch_size, self._batch_timeout_s = batch_size, batch_timeout_s
        self._wake_at = 1 if prompt else batch_size  # rows that wait for no age: what comes while one is written waits
        self._most_rows = max(batch_size, queue_bytes // ROW_BYTES)
        self._lock = StoreLock(folder)
        self._queue: deque[Row] = deque()
        self._first_at = 0.0  # when the oldest waiting row came
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None
        self._store: SeriesStore | None = None
        # `_moved` guards how many rows went where, and `_lost`; the loop's thread takes it only to drop and to flush.
        self._moved = threading.Condition()
        self._popped = self._taken = self._dropped = self._wanted = 0
        self._lost: set[Key] = set()  # series that rows were dropped of since the last batch was taken
        self._holes: dict[Key, tuple[int | None, int | None]] = {}  # not ended yet: the last good point before each
        self._batches = self._retries = self._poisoned = 0
        self._last_error = ""

    def start(self, socket: str = "") -> None:
        """Take the lock, open the store, begin to write. Raises StoreLocked, StoreTooNew."""
        self._lock.acquire(socket)
        try:
            self._store = self._open_store(self._folder, self._clock)
        except BaseException:
            self._lock.release()
            raise
        self._thread = threading.Thread(target=self._run, args=(self._store,), name="tapeline-store", daemon=True)
        self._thread.start()

    def offer(self, row: Row) -> None:
        """Hand a row over; called on the loop's thread, never blocks."""
        queue = self._queue
        if not queue:
            self._first_at = self._clock.now()
        queue.append(row)
        waiting = len(queue)
        if waiting >= self._wake_at and not self._awake.is_set():
            self._awake.set()
        if waiting > self._most_rows:
            self._drop()

    def flush(self, within_s: float = 10.0) -> bool:
        """Wait until everything offered so far is on disk; False where it was not in time."""
        with self._moved:
            wanted = self._popped + self._dropped + len(self._queue)
            self._wanted = max(self._wanted, wanted)
            self._awake.set()
            self._moved.wait_for(lambda: self._ended or self._settled() >= wanted, within_s)
            return self._settled() >= wanted

    def stop(self, within_s: float = 10.0) -> None:
        """Write what waits, close the store, release the lock."""
        if self._thread is None:
            return
        self._stopping.set()
        self._awake.set()
        self._thread.join(within_s)
        left = len(self._queue) + self._taken
        if left:
            _log.error("store", problem=f"{left} rows could not be written before the end", error=self._last_error)
        if not self._thread.is_alive():  # else the system drops the lock with the process: it may still write
            self._lock.release()
        self._thread = None

    def found(self) -> list[Fact]:
        """See `Writer`."""
        return [] if self._store is None else _taken(self._store.found)

    def statistics(self) -> WriterStatistics:
        """How the store is doing."""
        waiting, store = len(self._queue) + self._taken, self._store
        return WriterStatistics(
            rows_written=store.rows_written if store else 0, batches=self._batches, retries=self._retries,
            poisoned=self._poisoned, dropped=self._dropped, disputes=store.disputes if store else 0,
            queue_rows=waiting, queue_bytes=waiting * ROW_BYTES,
            behind_s=max(0.0, self._clock.now() - self._first_at) if waiting else 0.0, last_error=self._last_error,
        )  # fmt: skip

    def _settled(self) -> int:
        return self._popped - self._taken + self._dropped

    def _drop(self) -> None:
        """The queue is full: the oldest row goes, and its series has a hole."""
        with self._moved:
            row = self._queue.popleft()
            self._dropped += 1
            if isinstance(row, Fact):
                harmless = row.state in HELD  # less is claimed than is so
            else:
                harmless = isinstance(row, NO_EVENT) or row.instrument is None
            if not harmless:
                self._lost.add((row.instrument, row.channel))  # type: ignore[union-attr, arg-type]  # an event or a fact

    # ---- the thread --------------------------------------------------------------------------------------------

    def _run(self, store: SeriesStore) -> None:
        problem = "the writer's thread has ended by a fault of its own"
        try:
            while self._write_due(store):
                pass
            problem = self._last_error
        finally:
            with self._moved:
                self._ended, self._last_error = True, problem
                self._moved.notify_all()
            store.close()

    def _write_due(self, store: SeriesStore) -> bool:
        """Wait for a batch, by size or by age, and write it, with all that is wanted at once. False at the end."""
        self._awake.wait(self._batch_timeout_s)
        self._awake.clear()
        stopping = self._stopping.is_set()
        due = True  # a remainder smaller than a batch waits for its age, or each would be a transaction of its own
        while due and self._queue:
            if not self._write_next(store):
                return False
            due = stopping or len(self._queue) >= self._wake_at or self._settled() < self._wanted
        return not stopping

    def _write_next(self, store: SeriesStore) -> bool:
        """Write one batch, and before it the holes that end in it. False where stopping gave up on it."""
        with self._moved:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_size))]
            lost, self._lost = self._lost, set()
            self._popped += len(batch)
            self._taken = len(batch)
        gaps = self._gaps(store, lost, batch) if lost or self._holes else []
        if self._holes:  # rows are lost that such a fact may speak of, and nobody can tell yet up to where
            batch = [row for row in batch if not (_claims(row) and (row.instrument, row.channel) in self._holes)]
        if not (self._settle(store, gaps) and self._settle(store, batch)):
            return False
        self._batches += 1
        self._first_at = self._clock.now()
        with self._moved:
            self._taken = 0
            self._moved.notify_all()
        return True

    def _settle(self, store: SeriesStore, rows: Sequence[Row]) -> bool:
        """Write rows; where they are at fault themselves, bisect and set aside who is. False where it gave up."""
        if not rows:
            return True
        try:
            return self._persist(lambda: store.write(rows))
        except ROW_FAULTS as error:
            self._last_error = f"{type(error).__name__}: {error}"
            if len(rows) == 1:
                self._set_aside(store, rows[0])
                return True
            middle = len(rows) // 2
            return self._settle(store, rows[:middle]) and self._settle(store, rows[middle:])

    def _persist(self, write: Callable[[], None]) -> bool:
        """Try for as long as it is the disk's fault (full, locked, damaged). False where stopping gave up."""
        attempt = last = 0
        while True:
            try:
                write()
            except sqlite3.DatabaseError as error:
                if not isinstance(error, sqlite3.OperationalError) and type(error) is not sqlite3.DatabaseError:
                    raise  # a row that breaks a rule of its table
                self._last_error = f"{type(error).__name__}: {error}"
                if attempt == 0:
                    _log.error("store", problem="cannot write, events wait", error=self._last_error)
                self._retries += 1
                last += self._stopping.is_set()
                if last >= LAST_TRIES:
                    return False
                delay_s = RETRY_S[0] if last else RETRY_S[min(attempt, len(RETRY_S) - 1)]
                self._stopping.wait(delay_s)
                attempt += 1
            else:
                if attempt:
                    _log.info("store", recovered=True)
                    self._last_error = ""
                return True

    def _set_aside(self, store: SeriesStore, row: Row) -> None:
        self._poisoned += 1
        if self._poisoned & (self._poisoned - 1) == 0:  # the first, second, fourth, ...: never a flood
            _log.error("store", problem="a row cannot be written", error=self._last_error, so_far=self._poisoned)
        try:
            store.poison(row, self._last_error)
        except OSError as error:
            self._last_error = f"a row is lost, not even {error.filename} takes it: {error.strerror}"

    def _gaps(self, store: SeriesStore, lost: set[Key], batch: Sequence[Row]) -> list[Row]:
        """One Gap a series that rows were dropped of: open at first, ended by the series' next row."""
        found: list[Row] = []
        now_ns = self._clock.wall_ns()
        fresh = lost - self._holes.keys()

        def look_up() -> None:
            self._holes |= {key: store.last_good(*key) for key in fresh}

        if not self._persist(look_up):
            return []
        next_good: dict[Key, tuple[int | None, int | None]] = {}
        for row in reversed(batch):
            if not isinstance(row, NO_EVENT | Gap) and row.instrument is not None:
                next_good[row.instrument, row.channel] = _point(row)
        for key, (after_ns, after_seq) in list(self._holes.items()):
            before = next_good.get(key)
            if before is not None:
                del self._holes[key]
            elif key not in fresh:
                continue  # on record as open
            before_ns, before_seq = before or (None, None)
            found.append(
                Gap(*key, before_ns, now_ns, "built", after_ns, before_ns, after_seq, before_seq, "overflow",
                    open=before is None)
            )  # fmt: skip
        return found


class InlineWriter:
    """The same on the caller's own thread, each row at once: for virtual-time worlds, where threads would be chance."""

    def __init__(self, store: SeriesStore) -> None:
        self.store = store
        self._rows = self._poisoned = 0
        self._last_error = ""

    def start(self, socket: str = "") -> None:
        """Nothing to start: the store is open."""

    def offer(self, row: Row) -> None:
        """Write at once; a row that cannot be written is set aside."""
        self._rows += 1
        try:
            self.store.write([row])
        except ROW_FAULTS as error:
            self._poisoned += 1
            self._last_error = f"{type(error).__name__}: {error}"
            self.store.poison(row, self._last_error)

    def flush(self, within_s: float = 10.0) -> bool:  # noqa: ARG002  # as StoreWriter has it
        """Always so."""
        return True

    def stop(self, within_s: float = 10.0) -> None:  # noqa: ARG002  # as StoreWriter has it
        """Close the store."""
        self.store.close()

    def found(self) -> list[Fact]:
        """See `Writer`."""
        return _taken(self.store.found)

    def statistics(self) -> WriterStatistics:
        """How the store is doing."""
        return WriterStatistics(
            rows_written=self.store.rows_written, batches=self._rows, retries=0, poisoned=self._poisoned, dropped=0,
            disputes=self.store.disputes, queue_rows=0, queue_bytes=0, behind_s=0.0, last_error=self._last_error,
        )  # fmt: skip


class Nowhere:
    """Takes rows to no store at all: what is kept in memory only is never behind, and loses nothing."""

    def start(self, socket: str = "") -> None:
        """Nothing to start."""

    def offer(self, row: Row) -> None:
        """Forget it."""

    def flush(self, within_s: float = 10.0) -> bool:  # noqa: ARG002  # as StoreWriter has it
        """Always so."""
        return True

    def stop(self, within_s: float = 10.0) -> None:
        """Nothing to stop."""

    def found(self) -> list[Fact]:
        """Nothing."""
        return []

    def statistics(self) -> WriterStatistics:
        """Nothing at all."""
        return WriterStatistics(
            rows_written=0, batches=0, retries=0, poisoned=0, dropped=0, disputes=0, queue_rows=0, queue_bytes=0,
            behind_s=0.0, last_error="",
        )  # fmt: skip


def _taken(facts: deque[Fact]) -> list[Fact]:
    """All of them, away from the thread that adds to them."""
    return [facts.popleft() for _ in range(len(facts))]


def _claims(row: Row) -> TypeGuard[Fact]:
    return isinstance(row, Fact) and row.state in HELD


def _point(row: Row) -> tuple[int | None, int | None]:
    """(time, seq) of a row in its series, as `SeriesStore.last_good` gives them."""
    if isinstance(row, Bar):
        return row.open_at_ns, None
    if isinstance(row, Trade):
        return row.at_ns, row.seq
    assert not isinstance(row, Instrument | Fact | Wanted), "no row of a series"
    return row.at_ns, None
