"""Journal first, off the loop's thread: one thread appends, and whatever came meanwhile shares its next fsync."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import perf_counter

from tapeline.errors import TapelineError
from tapeline.store.journal import Journal
from tapeline.trading.record import Written


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """What was appended: records, in how many transactions, and how long those took."""

    records: int
    transactions: int
    busy_s: float
    longest_s: float
    waiting: int


class JournalWriter:
    """Owns a journal from `start` to `stop`. `await asyncio.wrap_future(writer.append(...))`, then send.

    An append that fails raises what `Journal.append` does, for all that shared the transaction: none of it is written.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: deque[tuple[Sequence[Written], int, Future[int]]] = deque()
        self._awake = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._records = self._transactions = 0
        self._busy_s = self._longest_s = 0.0

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="tapeline-journal", daemon=True)
        self._thread.start()

    def append(self, records: Sequence[Written], now_ns: int) -> Future[int]:
        """Done once they are on the disk: all of them, in order, behind whatever was appended before."""
        done: Future[int] = Future()
        with self._awake:
            if self._stopping:
                done.set_exception(RuntimeError("the journal is closed"))
                return done
            self._waiting.append((records, now_ns, done))
            self._awake.notify()
        return done

    def stop(self, within_s: float = 10.0) -> None:
        """Write what waits, and close the journal."""
        with self._awake:
            self._stopping = True
            self._awake.notify()
        if self._thread is not None:
            self._thread.join(within_s)
        self._journal.close()

    def statistics(self) -> JournalStatistics:
        """So far."""
        return JournalStatistics(
            records=self._records, transactions=self._transactions, busy_s=self._busy_s,
            longest_s=self._longest_s, waiting=len(self._waiting),
        )  # fmt: skip

    def _run(self) -> None:
        while True:
            with self._awake:
                while not self._waiting and not self._stopping:
                    self._awake.wait()
                if not self._waiting:
                    return
                batch = list(self._waiting)
                self._waiting.clear()
            self._write(batch)

    def _write(self, batch: list[tuple[Sequence[Written], int, Future[int]]]) -> None:
        began = perf_counter()
        # Whoever waits no more has not sent anything; what came in with it is written all the same.
        waiting = [done for _, _, done in batch if done.set_running_or_notify_cancel()]
        rows = [record for records, _, _ in batch for record in records]
        try:
            last = self._journal.append(rows, batch[0][1])
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait have to hear of it
            for done in waiting:
                done.set_exception(error if isinstance(error, TapelineError) else _told(error))
            return
        took = perf_counter() - began
        self._records += len(rows)
        self._transactions += 1
        self._busy_s += took
        self._longest_s = max(self._longest_s, took)
        for done in waiting:
            done.set_result(last)


def _told(error: Exception) -> Exception:
    """The same, but not one object for several that wait."""
    return RuntimeError(f"the journal was not written: {type(error).__name__}: {error}")
