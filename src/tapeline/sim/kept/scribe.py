"""The store's writer on the loop's own time: the same batches as the thread writes, deterministic; it can crash."""

import asyncio
from pathlib import Path
from typing import Any

from tapeline.store.series import Row
from tapeline.store.writer import StoreWriter

STALLED_S = 5.0  # while the disk is stuck, it is tried again so often


class Scribe(StoreWriter):
    """A `StoreWriter` without a thread: a batch is written when it is full, or by its age, as a timer of the loop."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self._timer: asyncio.TimerHandle | None = None
        self._crashed = False
        self.stalled = False  # the disk takes nothing: rows wait, as many as there is room for

    def start(self, socket: str = "") -> None:
        """Take the lock and open the store. Raises StoreLocked, StoreTooNew."""
        self._lock.acquire(socket)
        self._store = self._open_store(self._folder, self._clock)

    def offer(self, row: Row) -> None:
        """Hand a row over; nothing comes of it after a crash."""
        if self._crashed:
            return
        super().offer(row)
        if len(self._queue) >= self._batch_size:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._batch_timeout_s, self._due)

    def flush(self, within_s: float = 10.0) -> bool:  # noqa: ARG002  # as StoreWriter has it: it takes no time here
        """Write everything now; False while the disk is stuck."""
        self._write()
        return not self._queue

    def stop(self, within_s: float = 10.0) -> None:
        """Write what waits, however stuck the disk was, close the store, release the lock; nothing after a crash."""
        if self._crashed:
            return
        self.stalled = False
        self.flush(within_s)
        self.crash()

    def crash(self) -> None:
        """The process dies: what waits is lost, what was written stays."""
        self._crashed = True
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._store is not None:
            self._store.close()
        self._lock.release()

    def _due(self) -> None:
        self._timer = None
        self._write()
        if self._queue:
            self._timer = asyncio.get_running_loop().call_later(STALLED_S, self._due)

    def _write(self) -> None:
        assert self._store is not None, "start it first"
        while self._queue and not self.stalled and not self._crashed:
            self._write_next(self._store)
