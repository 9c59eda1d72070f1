"""Where in a series of trades a time is: found by halving, since trades are kept by number and numbers follow time."""

import sqlite3
from statistics import median_low

FIRST, LAST = -(2**63), 2**63 - 1
SLACK_NS = 60_000_000_000  # a stamp may be so far out of order with its neighbours
_NEAR = "SELECT seq, coalesce(at_ns, received_ns) FROM trades WHERE series = ? AND seq >= ? ORDER BY seq, id LIMIT 3"
_ANEW = "SELECT 1 FROM gaps WHERE series = ? AND before_seq <= after_seq LIMIT 1"
_ENDS = "SELECT min(seq), max(seq) FROM trades WHERE series = ?"


def numbers_of(
    connection: sqlite3.Connection, series: int, from_ns: int, to_ns: int, *, slack_ns: int = SLACK_NS
) -> tuple[int, int]:
    """The first and the last number that trades of [from_ns, to_ns) may have; an end beyond all times is no end.

    All of them where the venue has numbered anew, as numbers do not follow time there. Stamps may be out of order by
    `slack_ns`; one that is farther off belongs to its neighbours' time here.
    """
    if from_ns <= FIRST and to_ns >= LAST:
        return FIRST, LAST
    first, last = connection.execute(_ENDS, (series,)).fetchone()
    if first is None:
        return 0, 0
    if connection.execute(_ANEW, (series,)).fetchone() is not None:
        return first, last
    ends = (first, last)
    return (
        FIRST if from_ns <= FIRST else _first_at(connection, series, ends, from_ns - slack_ns),
        LAST if to_ns >= LAST else _last_at(connection, series, ends, to_ns + slack_ns),
    )


def _first_at(connection: sqlite3.Connection, series: int, ends: tuple[int, int], at_ns: int) -> int:
    """The lowest number whose trades are not before a time; past the last one where all are."""
    low, high = ends[0], ends[1] + 1
    while low < high:
        middle = (low + high) // 2
        near = connection.execute(_NEAR, (series, middle)).fetchall()
        if near and median_low(stamp for _, stamp in near) < at_ns:  # of three, one wild stamp decides nothing
            low = middle + 1
        else:
            high = middle
    return low


def _last_at(connection: sqlite3.Connection, series: int, ends: tuple[int, int], at_ns: int) -> int:
    """A number that no trade before a time is above: three rows on, as the median looks ahead and numbers may jump."""
    number = _first_at(connection, series, ends, at_ns)
    rows = connection.execute(_NEAR, (series, number)).fetchall()
    return int(rows[-1][0]) if rows else number
