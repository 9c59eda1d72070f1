"""The journal: an append-only log of what was decided and what came of it, durable before anything is sent.

Several processes may append (a halt from the command line, the watchdog); one engine at a time leads.
"""

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tapeline.errors import StoreBehind, StoreTooNew, TimedOut
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
MIGRATIONS: tuple[str, ...] = (_VERSION_1,)  # each takes a journal from the version before it; they only ever grow
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
        """Everything behind this number, oldest first, or of one order. Raises BadData."""
        narrower = " AND client_id = ?" if client_id else ""
        query = f"SELECT record, at_ns, body FROM records WHERE record > ?{narrower} ORDER BY record LIMIT ?"  # noqa: S608  # both texts are ours
        page = [(after, 0, "")]
        while page:
            behind = (page[-1][0], *([client_id] if client_id else []))
            page = self._connection.execute(query, (*behind, PAGE)).fetchall()
            for number, at_ns, body in page:
                yield Entry(at_ns, decode(body), body, number)

    def body(self, number: int) -> str | None:
        """The very text of one record; None where there is none of this number."""
        row = self._connection.execute("SELECT body FROM records WHERE record = ?", (number,)).fetchone()
        return None if row is None else str(row[0])

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
        found = self._version()
        if found > len(MIGRATIONS):
            raise StoreTooNew(
                f"the journal at {self.folder} has version {found}; this Tapeline knows up to {len(MIGRATIONS)}: "
                "upgrade it"
            )
        if found == len(MIGRATIONS):
            return
        with self._transaction():
            for script in MIGRATIONS[self._version() :]:  # another process may just have done it
                for statement in filter(str.strip, script.split(";")):
                    self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {len(MIGRATIONS):d}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _name(self) -> str:
        """By chance, once: client ids begin with it, so two journals never make the same."""
        name = "".join(secrets.choice(DIGITS) for _ in range(LONGEST_INSTANCE))
        with self._transaction():
            self._connection.execute("INSERT INTO instance SELECT ? WHERE NOT EXISTS (SELECT * FROM instance)", (name,))
            return str(self._connection.execute("SELECT name FROM instance").fetchone()[0])
