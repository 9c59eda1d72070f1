"""Making a store smaller: old trades go where that is asked for, free pages go back to the disk."""

import re
import sqlite3
from pathlib import Path
from typing import NamedTuple

from tapeline.clock import Clock
from tapeline.errors import ConfigError, NotHeld
from tapeline.model.interval import DAY_NS, HOUR_NS
from tapeline.store.lock import StoreLock
from tapeline.store.schema import FILE, connect

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

    `dry_run` only counts. Raises NotHeld where there is no store, StoreLocked while an instance writes it.
    """
    if not (folder / FILE).is_file():
        raise NotHeld(f"no store at {folder}: it has no {FILE}")
    lock = StoreLock(folder)
    lock.acquire()
    try:
        before = _size(folder)
        connection = connect(folder)
        try:
            deleted = []
            if keep_trades_ns is not None:
                deleted = _old_trades(connection, clock.wall_ns() - keep_trades_ns, dry_run=dry_run)
            if not dry_run:
                _give_back(connection)
        finally:
            connection.close()
        return Compacted(deleted, before, _size(folder))
    finally:
        lock.release()


def _old_trades(connection: sqlite3.Connection, before_ns: int, *, dry_run: bool) -> list[Deleted]:
    deleted = []
    for series, instrument, channel in connection.execute("SELECT series, instrument, channel FROM series").fetchall():
        (rows,) = connection.execute(_COUNT, (series, before_ns)).fetchone()
        if rows:
            deleted.append(Deleted(instrument, channel, rows, before_ns))
        while rows and not dry_run:
            rows = connection.execute(_DELETE, (series, before_ns)).rowcount
    return deleted


def _give_back(connection: sqlite3.Connection) -> None:
    connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page and stop
    connection.execute("PRAGMA optimize").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / FILE, folder / f"{FILE}-wal") if path.is_file())
