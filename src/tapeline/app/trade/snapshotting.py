"""Snapshots of a run's journal while it goes on: written by a process of their own, so that no order waits for one."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Never

import structlog

LOOK_EVERY_S = 10.0
WRITTEN_WITHIN_S = 900.0
_log = structlog.get_logger("tapeline")

Write = Callable[[Path, str], Awaitable[tuple[bool, str]]]
"""Writes a snapshot of the journal in a folder, by an accounting: whether it did, and what it says."""


class Snapshotting:
    """Has a snapshot written whenever `every` records have come since the last (0: never).

    `records` says how many a start would have to play back. That it cannot be written costs the next start its time,
    and nothing else.
    """

    def __init__(
        self, folder: Path, method: str, every: int, records: Callable[[], int], write: Write | None = None
    ) -> None:
        self._folder, self._method, self._every, self._records = folder, method, every, records
        self._write = write or in_a_process
        self._covered = 0  # of the records, by a snapshot or a try at one

    async def run(self) -> Never:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Have one written, if it is time to."""
        records = self._records()
        if not self._every or records - self._covered < self._every:
            return
        done, said = await self._write(self._folder, self._method)
        self._covered = records  # the next try comes with as many records more
        (_log.info if done else _log.warning)("journal", snapshot=said)


async def in_a_process(folder: Path, method: str) -> tuple[bool, str]:
    """See `Write`. The process ends with the call, however that ends."""
    command = (sys.executable, "-m", "tapeline.store.snapshot", str(folder), method)
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        return False, f"no snapshot of the journal was written: {error}"
    try:
        async with asyncio.timeout(WRITTEN_WITHIN_S):
            said, _ = await process.communicate()
    except TimeoutError:
        return False, f"no snapshot of the journal was written within {WRITTEN_WITHIN_S:g} s"
    finally:
        if process.returncode is None:
            process.kill()  # between any two steps it may
            await process.wait()
    return process.returncode == 0, said.decode(errors="replace").strip()
