"""Making a store smaller: old trades go where that is asked for, free pages go back to the disk."""

import re
import sqlite3
from pathlib import Path
from typing import NamedTuple

from tapeline.clock import Clock
from tapeline.errors import ConfigError, NotHeld
from tapeline.model.fact import HELD, Fact
from tapeline.model.interval import DAY_NS, HOUR_NS
from tapeline.store.ledger import Ledger
from tapeline.store.lock import StoreLock
from tapeline.store.schema import FILE
from tapeline.store.series import SeriesStore
from tapeline.store.trouble import usable

RETENTION = "retention"  # the cause of what is missing because it was deleted
_BATCH = 50_000  # rows a transaction: readers and the disk keep up
_DURATION = re.compile(r"(\d{1,6})([hdw])", re.ASCII)
_UNITS = {"h": HOUR_NS, "d": DAY_NS, "w": 7 * DAY_NS}
_OLD = "FROM trades WHERE series = ? AND coalesce(at_ns, received_ns) < ?"
_COUNT = f"SELECT count(*) {_OLD}"
_DELETE = f"DELETE FROM trades WHERE (series, seq, id) IN (SELECT series, seq, id {_OLD} LIMIT {_BATCH})"  # noqa: S608  # our names


class Deleted(NamedTuple):
    """Trades of one series that are older than `before_ns`."""

    instrument: str
    channel: str
    rows: int
    before_ns: int


class Compacted(NamedTuple):
    """What went, and the store's size in bytes before and after."""

    deleted: list[Deleted]
    bytes_before: int
    bytes_after: int


def duration(text: str) -> int:
    """`90d`, `12h` or `4w` in nanoseconds. Raises ConfigError."""
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise ConfigError(f"{text!r} is no time to keep: write hours, days or weeks, as 12h, 90d, 4w")
    return int(match[1]) * _UNITS[match[2]]


def compact(folder: Path, clock: Clock, *, keep_trades_ns: int | None = None, dry_run: bool = False) -> Compacted:
    """Delete trades older than `keep_trades_ns` before now, and give free pages back. Bars, gaps and coverage stay.

    `dry_run` only counts. Raises NotHeld where there is no store, StoreLocked while an instance writes it,
    StoreUnusable where it is damaged, or the disk has no room even to delete.
    """
    if not (folder / FILE).is_file():
        raise NotHeld(f"no store at {folder}: it has no {FILE}")
    lock = StoreLock(folder)
    lock.acquire()
    try:
        before = _size(folder)
        store = SeriesStore(folder, clock)
        try:
            with usable(folder):
                deleted = []
                if keep_trades_ns is not None:
                    deleted = _old_trades(store, clock.wall_ns() - keep_trades_ns, dry_run=dry_run)
                if not dry_run:
                    _give_back(store.connection)
        finally:
            store.close()
        return Compacted(deleted, before, _size(folder))
    finally:
        lock.release()


def _old_trades(store: SeriesStore, before_ns: int, *, dry_run: bool) -> list[Deleted]:
    deleted = []
    connection = store.connection
    for series, instrument, channel in connection.execute("SELECT series, instrument, channel FROM series").fetchall():
        (rows,) = connection.execute(_COUNT, (series, before_ns)).fetchone()
        if rows:
            deleted.append(Deleted(instrument, channel, rows, before_ns))
            if not dry_run:
                _note(store, instrument, channel, before_ns)
        while rows and not dry_run:
            rows = connection.execute(_DELETE, (series, before_ns)).rowcount
    return deleted


def _note(store: SeriesStore, instrument: str, channel: str, before_ns: int) -> None:
    """The ledger no longer says that they are held; of bars built from them it goes on saying what it said.

    Before the rows go, so that a crash in between leaves less claimed than is so.
    """
    ledger = Ledger(store.connection)
    spans = [span for span in ledger.coverage(instrument, channel).spans(None, before_ns) if span.state in HELD]
    if not spans:
        return
    built = [
        of for who, of in store.connection.execute("SELECT instrument, channel FROM series") if who == instrument
        and of.startswith("bars:") and of.endswith(f"@{channel}")
    ]  # fmt: skip
    kept = [
        Fact(instrument, of, span.from_ns, span.to_ns, span.state, span.evidence, span.source, span.why, before_ns)
        for of in built
        for span in spans
    ]
    gone = [
        Fact(instrument, channel, span.from_ns, span.to_ns, "unrecoverable", "", "built", "deleted by compact: too old",
             before_ns, cause=RETENTION)
        for span in spans
    ]  # fmt: skip
    store.write([*kept, *gone])


def _give_back(connection: sqlite3.Connection) -> None:
    connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page and stop
    connection.execute("PRAGMA optimize").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / FILE, folder / f"{FILE}-wal") if path.is_file())
