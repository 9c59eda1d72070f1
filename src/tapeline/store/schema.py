"""The tables of `series.sqlite`, their version, and the way forward from older ones."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tapeline.errors import StoreTooNew

FILE = "series.sqlite"

_VERSION_1 = """
CREATE TABLE instruments (
    instrument TEXT NOT NULL, valid_from_ns INTEGER NOT NULL, native TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (instrument, valid_from_ns)) WITHOUT ROWID;
CREATE TABLE series (
    series INTEGER PRIMARY KEY, instrument TEXT NOT NULL, channel TEXT NOT NULL, UNIQUE (instrument, channel));
CREATE TABLE trades (
    series INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, at_ns INTEGER, received_ns INTEGER NOT NULL,
    side TEXT NOT NULL, price REAL NOT NULL, size REAL NOT NULL, first_id INTEGER, last_id INTEGER,
    source TEXT NOT NULL, exact TEXT,
    PRIMARY KEY (series, seq, id)) WITHOUT ROWID;
CREATE TABLE bars (
    series INTEGER NOT NULL, open_at_ns INTEGER NOT NULL, open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL,
    close REAL NOT NULL, volume REAL NOT NULL, quote_volume REAL, trades INTEGER, taker_buy_volume REAL,
    first_id INTEGER, last_id INTEGER, certificate TEXT NOT NULL, revision INTEGER NOT NULL, origin TEXT NOT NULL,
    reason TEXT NOT NULL, known_at_ns INTEGER, at_ns INTEGER, received_ns INTEGER NOT NULL, source TEXT NOT NULL,
    exact TEXT,
    PRIMARY KEY (series, open_at_ns)) WITHOUT ROWID;
CREATE TABLE bars_superseded (
    series INTEGER NOT NULL, open_at_ns INTEGER NOT NULL, open REAL NOT NULL, high REAL NOT NULL, low REAL NOT NULL,
    close REAL NOT NULL, volume REAL NOT NULL, quote_volume REAL, trades INTEGER, taker_buy_volume REAL,
    first_id INTEGER, last_id INTEGER, certificate TEXT NOT NULL, revision INTEGER NOT NULL, origin TEXT NOT NULL,
    reason TEXT NOT NULL, known_at_ns INTEGER, at_ns INTEGER, received_ns INTEGER NOT NULL, source TEXT NOT NULL,
    exact TEXT, superseded_at_ns INTEGER NOT NULL,
    PRIMARY KEY (series, open_at_ns, revision)) WITHOUT ROWID;
CREATE TABLE events (
    series INTEGER NOT NULL, received_ns INTEGER NOT NULL, body TEXT NOT NULL, at_ns INTEGER,
    PRIMARY KEY (series, received_ns, body)) WITHOUT ROWID;
CREATE TABLE gaps (
    gap INTEGER PRIMARY KEY, series INTEGER NOT NULL, received_ns INTEGER NOT NULL, after_ns INTEGER,
    before_ns INTEGER, after_seq INTEGER, before_seq INTEGER, cause TEXT NOT NULL, open INTEGER NOT NULL);
CREATE UNIQUE INDEX gaps_once ON gaps (
    series, coalesce(after_ns, -1), coalesce(before_ns, -1), coalesce(after_seq, -1), coalesce(before_seq, -1), cause);
CREATE TABLE links (
    link INTEGER PRIMARY KEY, received_ns INTEGER NOT NULL, venue TEXT NOT NULL, connection TEXT NOT NULL,
    change TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, attempts INTEGER NOT NULL,
    final INTEGER NOT NULL);
CREATE TABLE notices (
    notice INTEGER PRIMARY KEY, received_ns INTEGER NOT NULL, venue TEXT NOT NULL, code TEXT NOT NULL,
    text TEXT NOT NULL);
CREATE TABLE points (
    series INTEGER PRIMARY KEY, at_ns INTEGER, received_ns INTEGER NOT NULL, seq INTEGER);
CREATE TABLE disputes (
    series INTEGER NOT NULL, id TEXT NOT NULL, received_ns INTEGER NOT NULL, held TEXT NOT NULL, given TEXT NOT NULL,
    PRIMARY KEY (series, id, given)) WITHOUT ROWID;
CREATE TABLE poison (
    poison INTEGER PRIMARY KEY, type TEXT NOT NULL, body TEXT NOT NULL, reason TEXT NOT NULL);
"""

# The ledger: what was found out of each series, and what is to be held. Of holes that version 1 recorded the ledger
# knows only where they were; of a channel that REST has, repair may find them filled long ago.
_VERSION_2 = """
CREATE TABLE facts (
    fact INTEGER PRIMARY KEY, series INTEGER NOT NULL, run INTEGER NOT NULL, from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL, state TEXT NOT NULL, evidence TEXT NOT NULL, source TEXT NOT NULL, why TEXT NOT NULL,
    cause TEXT NOT NULL, known_at_ns INTEGER NOT NULL, first_seq INTEGER, last_seq INTEGER);
CREATE INDEX facts_of_series ON facts (series);
CREATE UNIQUE INDEX facts_growing ON facts (series, run, from_ns, state, evidence) WHERE run <> 0;
CREATE INDEX facts_disputed ON facts (series) WHERE state = 'disputed' AND cause = 'disputed' AND run = 0;
CREATE TABLE wanted (
    series INTEGER NOT NULL, source TEXT NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
    lost TEXT NOT NULL, PRIMARY KEY (series, source, from_ns)) WITHOUT ROWID;
INSERT INTO facts (series, run, from_ns, to_ns, state, evidence, source, why, cause, known_at_ns)
    SELECT series, 0, after_ns, before_ns + 1,
        CASE WHEN channel IN ('trades', 'aggtrades') THEN 'missing' ELSE 'unrecoverable' END, '', 'built',
        'on record before there was a ledger', cause, gaps.received_ns
    FROM gaps JOIN series USING (series)
    WHERE open = 0 AND after_ns IS NOT NULL AND before_ns >= after_ns AND channel NOT LIKE 'bars:%' ORDER BY gap;
INSERT INTO facts (series, run, from_ns, to_ns, state, evidence, source, why, cause, known_at_ns)
    SELECT series, 0, after_seq, before_seq, 'missing', '', 'built', 'on record before there was a ledger', cause,
        gaps.received_ns
    FROM gaps JOIN series USING (series)
    WHERE open = 0 AND before_seq > after_seq AND channel LIKE 'bars:%' ORDER BY gap;
"""

# One script a version, oldest first; each takes a store from the version before it. They only ever grow.
MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2)
VERSION = len(MIGRATIONS)
LEDGER_SINCE = 2


def connect(folder: Path, *, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """Open for writing, made or brought forward where needed. Raises StoreTooNew for one from a later version."""
    folder.mkdir(parents=True, exist_ok=True)
    # Opened on one thread and used on the writer's: never by two at once.
    connection = sqlite3.connect(folder / FILE, timeout=1.0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first page, or it has no effect
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _bring_forward(connection, folder, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of an open store."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _bring_forward(connection: sqlite3.Connection, folder: Path, migrations: Sequence[str]) -> None:
    found = version_of(connection)
    if found > len(migrations):
        raise StoreTooNew(
            f"the store at {folder} has schema version {found}; this Tapeline knows up to {len(migrations)}: upgrade it"
        )
    for number, script in enumerate(migrations[found:], found + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in script.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
