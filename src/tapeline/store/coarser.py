"""Coarser bars of stored ones, reckoned by SQLite: one query a bar instead of an event a part. Exact, or not at all.

A REAL that is a multiple of 1e-8 (of 1e-7 or 1e-4 where it is large) is summed as an integer: doubles lie closer than
that there, so that its shortest text can mean nothing else. Whether it is one, the query finds out for each; where any
is not, or where a row has digits in `exact`, that bar is made of its parts one by one.
"""

import sqlite3
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from tapeline.market.resample import WORSE, Doubt, Parts, resample, whole_of
from tapeline.model.event import Bar
from tapeline.model.interval import Interval
from tapeline.model.number import EXACT
from tapeline.store.reading import Reading

_DIGITS = ((2**24, 8), (2**27, 7), (2**37, 4))  # below this, so many behind the point: less than 2**51 units of it
_SUMMED = ("volume", "quote_volume", "taker_buy_volume")
_WORST = " ".join(f"WHEN '{name}' THEN {order}" for order, name in enumerate(WORSE))


def _by_size(name: str, then: Callable[[int], str]) -> str:
    return f"CASE {' '.join(f'WHEN {name} < {below} THEN {then(digits)}' for below, digits in _DIGITS)} END"


def _units(name: str) -> str:
    """The number as a count of its units, were it one of them."""
    return _by_size(name, lambda digits: f"CAST({name} * 1e{digits} + 0.5 AS INTEGER)") + f" AS {name}_units"


def _totals(name: str) -> str:
    """How many there are, how many are exact, the sum of what stands before the point, and of 1e-8 behind it."""
    units = f"{name}_units"
    exact = _by_size(name, lambda digits: f"{units} / 1e{digits} = {name}")
    behind = _by_size(name, lambda digits: f"{units} % {10**digits} * {10 ** (8 - digits)}")
    return f"count({name}), sum({exact}), sum(CAST({name} AS INTEGER)), sum({behind})"


_PARTS = (  # LIMIT -1 keeps SQLite from writing the inner expressions into the outer ones, three times each
    f"SELECT *, {', '.join(map(_units, _SUMMED))} FROM bars "  # noqa: S608  # our own names, here and below
    "WHERE series = :series AND open_at_ns >= :from AND open_at_ns < :to LIMIT -1"
)
_SUMS = (
    "SELECT count(*) AS parts, count(exact) AS odd, min(open_at_ns) AS first_ns, max(open_at_ns) AS last_ns, "  # noqa: S608
    "sum((open_at_ns - :offset) % :length <> 0) AS aside, max(high), min(low), count(trades), sum(trades), "
    f"max(CASE certificate {_WORST} ELSE 0 END), sum(max(revision - 1, 0)), max(received_ns), "
    f"max(coalesce(known_at_ns, received_ns)), count(first_id), count(last_id), {', '.join(map(_totals, _SUMMED))} "
    f"FROM ({_PARTS})"
)
_ENDS = (
    f"SELECT sums.*, first.origin, first.open, first.first_id, last.close, last.last_id, last.at_ns FROM ({_SUMS}) "  # noqa: S608
    "AS sums LEFT JOIN bars AS first ON first.series = :series AND first.open_at_ns = first_ns "
    "LEFT JOIN bars AS last ON last.series = :series AND last.open_at_ns = last_ns"
)
_NEXT = "SELECT min(open_at_ns) FROM bars WHERE series = :series AND open_at_ns >= :from AND open_at_ns < :to"


def coarser(
    connection: Reading, series: int, part: Interval, to: Interval, within: tuple[int, int], *,
    instrument: str, doubt: Doubt | None, parts: Callable[[int, int], Iterator[Bar]],
) -> Iterator[Bar]:  # fmt: skip
    """What `resample` makes of the stored bars of [from, to), which must begin and end with bars of `to`.

    `parts` gives the bars of a range, for those that cannot be summed here.
    """
    low, high = within
    with connection.readable():  # once, and not for each row
        (open_ns,) = connection.execute(_NEXT, {"series": series, "from": low, "to": high}).fetchone()
        cursor = sqlite3.Cursor(connection)
        while open_ns is not None:
            from_ns = to.floor(open_ns)
            to_ns = to.next(from_ns)
            asked = {"series": series, "from": from_ns, "to": to_ns, "length": part.length_ns, "offset": part.offset_ns}
            row = cursor.execute(_ENDS, asked).fetchone()
            if row[0]:
                whole = _parts(row, part, from_ns)
                if whole is None:
                    yield from resample(parts(from_ns, to_ns), to, doubt)
                else:
                    yield whole_of(instrument, whole, to, from_ns, doubt)
                open_ns = to_ns if to_ns < high else None
            else:
                (open_ns,) = cursor.execute(_NEXT, {"series": series, "from": to_ns, "to": high}).fetchone()


def _parts(row: tuple[Any, ...], part: Interval, from_ns: int) -> Parts | None:
    """None where the row cannot say it exactly."""
    (count, odd, first_ns, last_ns, aside, high, low, counted, trades, worst, revised, received_ns, known_at_ns,
     firsts, lasts) = row[:15]  # fmt: skip
    origin, opened, first_id, close, last_id, at_ns = row[-6:]
    if odd or (firsts and first_id is None) or (lasts and last_id is None):
        return None
    totals = []
    for at in range(15, 15 + 4 * len(_SUMMED), 4):
        present, exact, whole, behind = row[at : at + 4]
        if present != (exact or 0):
            return None
        totals.append(EXACT.add(Decimal(whole), Decimal(behind).scaleb(-8)) if present == count else None)
    volume, quote_volume, taker_buy_volume = totals
    assert volume is not None, "volume is NOT NULL"
    gapless = not aside and first_ns == from_ns and count == (last_ns - first_ns) // part.length_ns + 1
    return Parts(
        part.name, origin, last_ns, gapless, _number(opened), _number(high), _number(low), _number(close), volume,
        quote_volume, taker_buy_volume, trades if counted == count else None, first_id, last_id, WORSE[worst], revised,
        at_ns, received_ns, known_at_ns,
    )  # fmt: skip


def _number(value: float) -> Decimal:
    return Decimal(repr(value))
