"""The coverage ledger on disk: facts and what is wanted, written with the rows they speak of; spans and holes, read."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tapeline.market.coverage import Coverage
from tapeline.model.channel import channel as parse_channel
from tapeline.model.event import Bar, Gap, Trade
from tapeline.model.fact import HELD, Fact, Hole, Wanted
from tapeline.model.interval import INTERVALS

FOLD_FROM = 500  # facts of one series; below, nobody notices that some change nothing any more
FIRST_NS, LAST_NS = -(2**63), 2**63 - 1  # what a column of time holds
Key = Callable[[str, str], int]  # (instrument, channel) -> series
_COLUMNS = (
    "from_ns", "to_ns", "state", "evidence", "source", "why", "known_at_ns", "first_seq", "last_seq", "cause", "run",
)  # fmt: skip
_NAMES = ", ".join(_COLUMNS)
_KEEP_FACT = (  # the names are ours, here and below: no input reaches these texts
    f"INSERT INTO facts (series, {_NAMES}) VALUES (?, {', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    "ON CONFLICT (series, run, from_ns, state, evidence) WHERE run <> 0 DO UPDATE SET to_ns = excluded.to_ns, "
    "source = excluded.source, why = excluded.why, cause = excluded.cause, known_at_ns = excluded.known_at_ns, "
    "last_seq = excluded.last_seq"
)
_KEEP_WANTED = (
    "INSERT INTO wanted VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET to_ns = max(to_ns, excluded.to_ns), "
    "lost = excluded.lost"
)
_DISPUTES_AGAIN = (  # two readings of one row stay in dispute, however much was fetched around them, until settled
    f"INSERT INTO facts (series, {_NAMES}) SELECT DISTINCT series, {_NAMES} FROM facts AS told "  # noqa: S608
    "WHERE series = ? AND state = 'disputed' AND cause = 'disputed' AND run = 0 AND from_ns < ? AND to_ns > ? "
    "AND NOT EXISTS (SELECT 1 FROM facts AS since WHERE since.series = told.series AND since.fact > told.fact "
    "AND since.cause = 'disputed' AND since.state IN ('proven', 'repaired') AND since.from_ns <= told.from_ns "
    "AND since.to_ns >= told.to_ns)"
)
_FACTS = f"SELECT instrument, channel, {_NAMES} FROM facts JOIN series USING (series) WHERE series = ? ORDER BY fact"  # noqa: S608
_LIVE = (  # of a group, SQLite gives the row that has the maximum
    f"SELECT instrument, channel, {_NAMES}, max(fact) FROM facts JOIN series USING (series) "  # noqa: S608
    "WHERE run <> 0 AND state = 'proven' GROUP BY series"
)


# ---- writing: in the transaction of the rows --------------------------------------------------------------------


def keep_facts(connection: sqlite3.Connection, key: Key, facts: Iterable[Fact]) -> None:
    """Append facts; those of a run grow in place."""
    for fact in facts:
        series = key(fact.instrument, fact.channel)
        connection.execute(_KEEP_FACT, (series, *(getattr(fact, name) for name in _COLUMNS)))
        if (
            fact.state in HELD and not fact.run and fact.cause != "disputed"
        ):  # an audit that finds them equal settles it
            connection.execute(_DISPUTES_AGAIN, (series, fact.to_ns, fact.from_ns))


def keep_wanted(connection: sqlite3.Connection, key: Key, wanted: Iterable[Wanted]) -> None:
    """Note what is to be held; what is noted already grows."""
    connection.executemany(
        _KEEP_WANTED,
        [(key(each.instrument, each.channel), each.source, each.from_ns, each.to_ns, each.lost) for each in wanted],
    )


def overflown(gap: Gap) -> Fact | None:
    """Rows that never reached the disk, as a fact; None where their bars follow each other without a hole."""
    assert gap.after_ns is not None or gap.before_ns is not None, f"a hole that is nowhere: {gap}"
    from_ns = gap.before_ns if gap.after_ns is None else gap.after_ns
    to_ns = gap.after_ns if gap.before_ns is None else gap.before_ns
    assert from_ns is not None, "one of them is there"
    assert to_ns is not None, "one of them is there"
    from_ns, to_ns = min(from_ns, to_ns), max(from_ns, to_ns) + 1
    of = parse_channel(gap.channel)
    if of.kind == "bars":  # both ends are open times of bars that are held
        from_ns, to_ns = INTERVALS[of.interval].next(from_ns), to_ns - 1
    if from_ns >= to_ns:
        return None
    why = "our own buffer was full: these rows never reached the disk"
    return Fact(gap.instrument, gap.channel, from_ns, to_ns, "missing", "", "built", why, gap.received_ns,
                cause=gap.cause)  # fmt: skip


def set_aside(row: Any, reason: str) -> Fact | None:
    """A row that the store could not take, as a fact; None where it says no time, or is no part of a series."""
    if not isinstance(row, Trade | Bar):
        return None
    at_ns = row.open_at_ns if isinstance(row, Bar) else row.received_ns if row.at_ns is None else row.at_ns
    known = isinstance(row.instrument, str) and isinstance(row.channel, str)
    if not known or not isinstance(at_ns, int) or not FIRST_NS <= at_ns < LAST_NS:
        return None  # what is wrong with it may be just that
    why = f"the store could not take this row: {reason}"
    return Fact(row.instrument, row.channel, at_ns, at_ns + 1, "unrecoverable", "", "built", why, at_ns, cause="poison")


def disputed(trade: Trade, held: str) -> Fact:
    """A trade that came again with another reading; the first is held."""
    at_ns = trade.received_ns if trade.at_ns is None else trade.at_ns
    why = f"trade {trade.id}: held {held}, then came {trade.side} {trade.size} at {trade.price} ({trade.source})"
    return Fact(trade.instrument, trade.channel, at_ns, at_ns + 1, "disputed", "", trade.source, why,
                trade.received_ns, cause="disputed")  # fmt: skip


def fold(connection: sqlite3.Connection, at_least: int = FOLD_FROM) -> int:
    """Forget facts that change nothing any more, of series that have many; returns how many went."""
    gone: list[tuple[int]] = []
    counts = connection.execute("SELECT series, count(*) FROM facts GROUP BY series HAVING count(*) >= ?", (at_least,))
    for series, _ in counts.fetchall():
        places = [
            row[0] for row in connection.execute("SELECT fact FROM facts WHERE series = ? ORDER BY fact", (series,))
        ]
        facts = _facts(connection, series)
        place_of = {id(fact): place for fact, place in zip(facts, places, strict=True)}
        gone += [(place_of[id(fact)],) for fact in Coverage(facts).outranked()]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM facts WHERE fact = ?", gone)
    connection.execute("COMMIT")
    return len(gone)


# ---- reading ----------------------------------------------------------------------------------------------------


class Ledger:
    """The ledger of an open store."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def facts(self, instrument: str, channel: str) -> list[Fact]:
        """What was found out of a series, in the order it was; some that change nothing any more may be gone."""
        return [fact for series in self._series(instrument, channel) for fact in _facts(self._connection, series)]

    def coverage(self, instrument: str, channel: str) -> Coverage:
        """What is known of one. Built bars are covered as their trades are, less what was lost of themselves."""
        of = parse_channel(channel)
        trades = self.facts(instrument, of.built_from) if of.built_from else []
        return Coverage([*trades, *self.facts(instrument, channel)])

    def wanted(self, instrument: str | None = None, channel: str | None = None) -> list[Wanted]:
        """What is to be held; built bars are wanted as their trades are."""
        of = channel and (parse_channel(channel).built_from or channel)
        rows = self._connection.execute(
            "SELECT instrument, channel, from_ns, to_ns, source, lost FROM wanted JOIN series USING (series) "
            "ORDER BY instrument, channel, from_ns, source"
        )
        every = (Wanted(*row) for row in rows)
        return [each for each in every if instrument in {None, each.instrument} and of in {None, each.channel}]

    def holes(self, instrument: str | None = None, channel: str | None = None) -> list[Hole]:
        """All that is not held, by series and time: missing, unrecoverable, disputed."""
        series = self._connection.execute(
            "SELECT instrument, channel FROM series WHERE series IN (SELECT series FROM facts UNION SELECT series "
            "FROM wanted) ORDER BY instrument, channel"
        )
        found: list[Hole] = []
        for who, of in series.fetchall():
            if instrument in {None, who} and channel in {None, of}:
                found += self._holes(who, of)
        return found

    def live(self) -> dict[tuple[str, str], Fact]:
        """By series, what the live stream proved last: what a restart goes on from."""
        found = (Fact(*row[:-1]) for row in self._connection.execute(_LIVE))
        return {(fact.instrument, fact.channel): fact for fact in found}

    def _holes(self, instrument: str, channel: str) -> Sequence[Hole]:
        # Built bars are wanted as their trades are, which have holes of their own: here is what they lost themselves.
        wanted = [] if parse_channel(channel).built_from else self.wanted(instrument, channel)
        lost = next((each.lost for each in wanted if each.lost), "")
        found = []
        for span in Coverage(self.facts(instrument, channel)).holes(*((each.from_ns, each.to_ns) for each in wanted)):
            forever = span.state == "missing" and lost
            found.append(
                Hole(
                    instrument, channel, span.from_ns, span.to_ns, "unrecoverable" if forever else span.state,
                    span.cause, lost if forever else span.why,
                )
            )  # fmt: skip
        return found

    def _series(self, instrument: str, channel: str) -> list[int]:
        rows = self._connection.execute(
            "SELECT series FROM series WHERE instrument = ? AND channel = ?", (instrument, channel)
        )
        return [row[0] for row in rows]


def _facts(connection: sqlite3.Connection, series: int) -> list[Fact]:
    return [Fact(*row) for row in connection.execute(_FACTS, (series,))]
