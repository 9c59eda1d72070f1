"""The journal: an append-only log of what was decided and what came of it, durable before anything is sent.

Several processes may append (a halt from the command line, the watchdog); one engine at a time leads. Its oldest
records may have been put away into archives (`journal_archiving`): whoever reads reads those too.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tapeline.errors import ConfigError, StoreBehind, StoreTooNew, StoreUnusable, TimedOut
from tapeline.store.journal_archived import Archive, Row, archived_body, archived_entries, listed
from tapeline.store.lock import StoreLock
from tapeline.trading.client_ids import DIGITS, LONGEST_INSTANCE
from tapeline.trading.record import Entry, Written, decode, encode, heading

FILE = "journal.sqlite"
LEADER = "journal.lock"
DEADLINE_S = 5.0  # how long an append waits for another process
PAGE = 10_000

_VERSION_1 = """
CREATE TABLE records (
    record INTEGER PRIMARY KEY, kind TEXT NOT NULL, account TEXT NOT NULL, client_id TEXT NOT NULL,
    at_ns INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX records_of_order ON records (client_id) WHERE client_id <> '';
CREATE TABLE instance (name TEXT NOT NULL);
"""
_VERSION_2 = """
CREATE TABLE archives (
    file TEXT NOT NULL, first INTEGER PRIMARY KEY, last INTEGER NOT NULL, from_ns INTEGER NOT NULL,
    to_ns INTEGER NOT NULL, digest TEXT NOT NULL);
"""
MIGRATIONS = (_VERSION_1, _VERSION_2)  # each takes a journal from the version before it; they only ever grow
OPENED = 1  # as far as opening goes; 2 comes with the first archive, for programs that know of none to refuse it
# Not among the versions: a program that knows of no modes trades as it ever did.
_MODES = "CREATE TABLE IF NOT EXISTS modes (account TEXT PRIMARY KEY, mode TEXT NOT NULL)"
_HOLE = "it was changed by hand; bring back a copy of before"
_APPEND = "INSERT INTO records (kind, account, client_id, at_ns, body) VALUES (?, ?, ?, ?, ?)"


class Journal:
    """`journal.sqlite` in a store's folder. Used by one thread at a time.

    Raises StoreTooNew for one of a later version, TimedOut where others kept it locked past the deadline, StoreBehind
    where the disk refuses: whoever gets one of these has not written, and must not send.
    """

    def __init__(self, folder: Path, *, deadline_s: float = DEADLINE_S) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._deadline_s = folder, deadline_s
        self._leader = StoreLock(folder, LEADER)
        # Opened on one thread and used on the writer's: never by two at once.
        self._connection = sqlite3.connect(
            folder / FILE, timeout=deadline_s, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._bring_forward()
            self.instance = self._name()
        except BaseException:
            self._connection.close()
            raise

    def lead(self) -> str:
        """Be the one engine that trades from this journal; the instance's name. Raises StoreLocked where one does."""
        self._leader.acquire()
        return self.instance

    def belong(self, accounts: Iterable[str], mode: str) -> None:
        """These accounts are traded from here in this mode, paper or live, and never in the other. Raises ConfigError.

        A live run that went on from a paper one would sell what was never bought, and the other way round a paper run
        would take orders that rest at the venue for cancelled.
        """
        with self._transaction():
            self._connection.execute(_MODES)
            for name in accounts:
                self._connection.execute("INSERT OR IGNORE INTO modes VALUES (?, ?)", (name, mode))
                known = self._connection.execute("SELECT mode FROM modes WHERE account = ?", (name,)).fetchone()[0]
                if known != mode:
                    raise ConfigError(
                        f"account {name!r}: the journal in {self.folder} is of its {known} runs. What these hold and "
                        f"have ordered is not so in a {mode} run: give that a [store] path of its own, or another "
                        f"[account] name"
                    )

    def append(self, records: Sequence[Written], now_ns: int) -> int:
        """Write all of them or none, in order; they are on the disk when this returns. The number of the last."""
        rows = []
        for record in records:
            head = heading(record, now_ns)
            rows.append((head.kind, head.account, head.client_id, head.at_ns, encode(record).decode()))
        with self._transaction():
            self._connection.executemany(_APPEND, rows)
            return int(self._connection.execute("SELECT coalesce(max(record), 0) FROM records").fetchone()[0])

    def replay(self, after: int = 0, client_id: str = "") -> Iterator[Entry]:
        """Everything behind this number, oldest first, or of one order: of archives, then of the file itself.

        Raises BadData for what is no record, StoreUnusable where an archive is missing, damaged or of another journal.
        """
        narrower = " AND client_id = ?" if client_id else ""
        query = f"SELECT record, at_ns, body FROM records WHERE record > ?{narrower} ORDER BY record LIMIT ?"  # noqa: S608  # both texts are ours
        while True:
            behind = (after, *([client_id] if client_id else []))
            found = self._connection.execute(query, (*behind, PAGE)).fetchall()
            page: Iterable[tuple[int, int, str]] = found
            # The list is read behind the page: what is deleted was on it before.
            away = next((each for each in self.archives() if each.last > after), None)
            if away is not None:
                self._unbroken(after, away.first)
                page = archived_entries(self.folder, self.instance, away, after, client_id)
            elif not found:
                return
            elif not client_id:
                self._unbroken(after, found[0][0])
            for number, at_ns, body in page:
                yield Entry(at_ns, decode(body), body, number)
                after = number
            after = after if away is None else away.last

    def body(self, number: int) -> str | None:
        """The very text of one record; None where there is none of this number. Raises StoreUnusable as `replay`."""
        row = self._connection.execute("SELECT body FROM records WHERE record = ?", (number,)).fetchone()
        if row is not None:
            return str(row[0])
        away = next((each for each in self.archives() if each.first <= number <= each.last), None)
        return None if away is None else archived_body(self.folder, self.instance, away, number)

    # ---- archives ------------------------------------------------------------------------------------------------

    def archives(self) -> list[Archive]:
        """What was put away, oldest first: it is read there, though it may still stand here."""
        return listed(self._connection)

    def span(self) -> tuple[int, int]:
        """The first and the last number of what is not put away; (0, 0) of an empty journal."""
        away = max((each.last for each in self.archives()), default=0)
        last = int(self._connection.execute("SELECT coalesce(max(record), 0) FROM records").fetchone()[0])
        return (away + 1, last) if last else (0, 0)

    def since(self, at_ns: int) -> int | None:
        """The first record that is not put away and not older than this; None where all of them are."""
        query = "SELECT record FROM records WHERE record >= ? AND at_ns >= ? ORDER BY record LIMIT 1"
        row = self._connection.execute(query, (self.span()[0], at_ns)).fetchone()
        return None if row is None else int(row[0])

    def rows(self, first: int, last: int) -> Iterator[Row]:
        """Records of the file itself, as they stand there. Raises StoreUnusable where one is missing."""
        query = (
            "SELECT record, kind, account, client_id, at_ns, body FROM records WHERE record BETWEEN ? AND ? "
            "ORDER BY record LIMIT ?"
        )
        while first <= last:
            page = self._connection.execute(query, (first, last, PAGE)).fetchall()
            for row in page or [(last + 1,)]:
                if row[0] != first:
                    raise StoreUnusable(f"the journal at {self.folder} has no record {first}: {_HOLE}")
                yield row
                first += 1

    def put_away(self, archive: Archive) -> None:
        """From now on these records are read in the archive, by every process. It is there, and whole."""
        with self._transaction():
            first, last = self.span()
            assert first == archive.first <= archive.last < last, f"{archive} does not go on at {first}, before {last}"
            self._migrate(len(MIGRATIONS))
            self._connection.execute("INSERT INTO archives VALUES (?, ?, ?, ?, ?, ?)", archive)

    def drop(self, most: int) -> int:
        """Delete so many of those that are put away, at most; how many. No other that appends waits for long."""
        with self._transaction():
            query = "DELETE FROM records WHERE record IN (SELECT record FROM records WHERE record < ? LIMIT ?)"
            return self._connection.execute(query, (self.span()[0], most)).rowcount

    def shrink(self) -> None:
        """Give the disk back what is free in the file. Raises sqlite3.OperationalError where that cannot be done."""
        if self._connection.execute("PRAGMA freelist_count").fetchone()[0]:
            self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Let go of the file, and of the lead."""
        self._connection.close()
        self._leader.release()

    # ---- within --------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise TimedOut(f"the journal at {self.folder} was locked for {self._deadline_s:g} s") from error
            raise StoreBehind(f"the journal at {self.folder} cannot be written: {error}") from error

    def _bring_forward(self) -> None:
        known(self._connection, self.folder)
        if self._version() < OPENED:
            with self._transaction():
                self._migrate(OPENED)

    def _migrate(self, version: int) -> None:
        """Within a transaction."""
        for script in MIGRATIONS[self._version() : version]:  # another process may just have done it
            for statement in filter(str.strip, script.split(";")):
                self._connection.execute(statement)
        self._connection.execute(f"PRAGMA user_version = {max(version, self._version()):d}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _name(self) -> str:
        """By chance, once: client ids begin with it, so two journals never make the same."""
        there = self._connection.execute("SELECT name FROM instance").fetchone()
        if there is not None:  # whoever only reads waits for nobody who writes
            return str(there[0])
        name = "".join(secrets.choice(DIGITS) for _ in range(LONGEST_INSTANCE))
        with self._transaction():
            self._connection.execute("INSERT INTO instance SELECT ? WHERE NOT EXISTS (SELECT * FROM instance)", (name,))
            return str(self._connection.execute("SELECT name FROM instance").fetchone()[0])

    def _unbroken(self, after: int, first: int) -> None:
        """Numbers follow each other: where archives were made, what is neither here nor there is not passed over."""
        if first > after + 1 and self._version() > OPENED:
            raise StoreUnusable(
                f"records {after + 1} to {first - 1} are neither in the journal at {self.folder} nor in an archive: "
                f"{_HOLE}"
            )


def known(connection: sqlite3.Connection, folder: Path) -> None:
    """Raise StoreTooNew for a journal of a later version."""
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > len(MIGRATIONS):
        raise StoreTooNew(
            f"the journal at {folder} has version {found}; this Tapeline knows up to {len(MIGRATIONS)}: upgrade it"
        )
