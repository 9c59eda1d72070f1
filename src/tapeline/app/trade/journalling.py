"""The journal of a trading run: what it says at the start, and how the run writes to it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from tapeline.model.instrument import Instrument
from tapeline.store.journal import Journal
from tapeline.store.journal_writer import JournalStatistics, JournalWriter
from tapeline.store.snapshot import played
from tapeline.trading.memo import encode
from tapeline.trading.record import Listed, Written
from tapeline.trading.restore import Restored

STOP_WITHIN_S = 10.0
_log = structlog.get_logger("tapeline")


class Journalling:
    """An open journal: `restored` is what it said; `keep` appends."""

    def __init__(self, writer: JournalWriter, restored: Restored, instance: str, restored_ns: int) -> None:
        self.restored, self.instance, self.restored_ns = restored, instance, restored_ns
        self._writer = writer

    async def keep(self, records: Sequence[Written], now_ns: int) -> None:
        """Durable when this returns. Raises as `Journal.append`: then nothing may be sent."""
        await asyncio.wrap_future(self._writer.append(records, now_ns))

    def statistics(self) -> JournalStatistics:
        """So far."""
        return self._writer.statistics()

    def unlisted(self, instruments: Iterable[Instrument], now_ns: int) -> list[Listed]:
        """What the journal has to know of instruments before their first fill."""
        known = self.restored.instruments
        return [Listed(each, now_ns) for each in instruments if known.get(each.id) != each]


@contextmanager
def journalling(
    folder: Path, now_ns: int, *, method: str, accounts: Iterable[str] = (), mode: str = "paper",
    open_journal: Callable[[Path], Journal] = Journal, remember: Callable[[bytes], None] | None = None,
) -> Iterator[Journalling]:  # fmt: skip
    """Lead the journal in a store's folder until the block is left. Raises StoreLocked where another run does, and
    ConfigError where it is of runs of these accounts in the other mode.

    `remember` gets what it had come to, as `trading.memo` writes it.
    """
    journal = open_journal(folder)
    try:
        journal.lead()
        journal.belong(accounts, mode)
        playback, _ = played(journal, method, _ignored)
        if remember is not None:
            remember(encode(playback.memo()))
        found = playback.end(now_ns)
    except BaseException:
        journal.close()
        raise
    writer = JournalWriter(journal)
    writer.start()
    try:
        yield Journalling(writer, found, journal.instance, now_ns)
    finally:
        writer.stop(STOP_WITHIN_S)


def _ignored(text: str) -> None:
    _log.warning("journal", snapshot=text)
