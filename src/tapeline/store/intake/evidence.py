"""What imported rows prove by themselves: trades whose ids follow each other, bars without a hole between. Pure."""

from collections.abc import Callable, Iterable

from tapeline.market.coverage import Coverage
from tapeline.model.event import Bar, Trade
from tapeline.model.fact import HELD, Fact
from tapeline.model.interval import interval

Beside = Callable[[int], int | None]
"""The stamp of the trade of this number that the store holds already; None where it does not."""


class Runs:
    """Stretches of one series in which nothing is missing, from its rows in the order they are read.

    `by` says what follows what: "seq" numbers, "ids" of aggregates, "bars" open times.
    """

    def __init__(self, by: str) -> None:
        self._follows = _FOLLOWS[by]
        self._by = by
        self._first: Trade | Bar | None = None
        self._last: Trade | Bar | None = None
        self._done: list[tuple[Trade | Bar, Trade | Bar]] = []

    def add(self, row: Trade | Bar) -> None:
        """The next row."""
        if self._first is None or self._last is None:
            self._first = self._last = row
        elif self._follows(self._last, row):
            self._last = row
        elif _place(row) != _place(self._last):  # else the same again
            self._done.append((self._first, self._last))
            self._first = self._last = row

    def facts(self, beside: Beside) -> Iterable[Fact]:
        """A proven stretch each. Trades that share the stamp of an end may be missing, unless the next one is held."""
        ends = [*self._done, (self._first, self._last)]
        for first, last in ends:
            if isinstance(first, Bar) and isinstance(last, Bar):
                yield _bars(first, last)
            elif isinstance(first, Trade) and isinstance(last, Trade):
                fact = _trades(first, last, beside if self._by == "seq" else lambda _seq: None)
                if fact is not None:
                    yield fact

    def around_holes(self) -> tuple[int, int] | None:
        """From the first row to the last, where rows between them are missing; None where none is."""
        ends = [(_from_ns(first), _to_ns(last)) for first, last in self._done]
        if not ends or self._first is None or self._last is None:
            return None
        ends.append((_from_ns(self._first), _to_ns(self._last)))
        return min(from_ns for from_ns, _ in ends), max(to_ns for _, to_ns in ends)


def worth_noting(fact: Fact, covering: Coverage) -> Fact | None:
    """The fact as the ledger should have it; None where it says nothing new.

    What was missing is repaired by it. That something is missing counts only where nothing is known yet.
    """
    known = covering.spans(fact.from_ns, fact.to_ns)
    if fact.state not in HELD:
        return None if known else fact
    if not covering.missing((fact.from_ns, fact.to_ns)):
        return None
    if fact.state == "proven" and any(span.state not in HELD for span in known):
        return Fact(
            fact.instrument, fact.channel, fact.from_ns, fact.to_ns, "repaired", fact.evidence, fact.source, fact.why,
            fact.known_at_ns, fact.first_seq, fact.last_seq,
        )  # fmt: skip
    return fact


def _from_ns(first: Trade | Bar) -> int:
    """Where a stretch that begins with this row is whole from: others may share a trade's stamp."""
    if isinstance(first, Bar):
        return first.open_at_ns
    return (first.received_ns if first.at_ns is None else first.at_ns) + 1


def _to_ns(last: Trade | Bar) -> int:
    if isinstance(last, Bar):
        return interval(last.interval).next(last.open_at_ns)
    return last.received_ns if last.at_ns is None else last.at_ns


def _bars(first: Bar, last: Bar) -> Fact:
    why = "imported: no bar is missing between the first and the last"
    return Fact(
        first.instrument, first.channel, first.open_at_ns, _to_ns(last), "proven", "bars", "file", why, last.received_ns
    )  # fmt: skip


def _trades(first: Trade, last: Trade, beside: Beside) -> Fact | None:
    if first.at_ns is None or last.at_ns is None or first.seq is None or last.seq is None:
        return None
    from_ns, to_ns = _reach(first.at_ns, first.seq, -1, beside) + 1, _reach(last.at_ns, last.seq, 1, beside)
    if from_ns >= to_ns:
        return None
    why = f"imported: trades {first.id} to {last.id} follow each other"
    return Fact(
        first.instrument, first.channel, from_ns, to_ns, "proven", "ids", "file", why, last.received_ns, first.seq,
        last.seq,
    )  # fmt: skip


def _reach(at_ns: int, seq: int, step: int, beside: Beside) -> int:
    """The stamp at which trades may be missing, beyond an end of a stretch: of the last trade that is held without a
    hole, or the instant beyond it where the next has another stamp, so that stretches that were imported apart meet.
    """
    whole_ns = at_ns
    for number in range(seq + step, seq + step * _MOST_EQUAL, step):
        next_ns = beside(number)
        if next_ns is None:
            return whole_ns
        if number != seq + step and next_ns != whole_ns:
            return whole_ns + step
        whole_ns = next_ns
    return whole_ns


def _by_seq(last: Trade | Bar, row: Trade | Bar) -> bool:
    assert isinstance(last, Trade), "numbers are of trades"
    assert isinstance(row, Trade), "numbers are of trades"
    return last.seq is not None and row.seq == last.seq + 1


def _by_ids(last: Trade | Bar, row: Trade | Bar) -> bool:
    assert isinstance(last, Trade), "ids are of trades"
    assert isinstance(row, Trade), "ids are of trades"
    return last.last_id is not None and row.first_id == last.last_id + 1


def _by_time(last: Trade | Bar, row: Trade | Bar) -> bool:
    assert isinstance(last, Bar), "open times are of bars"
    assert isinstance(row, Bar), "open times are of bars"
    return row.open_at_ns == interval(last.interval).next(last.open_at_ns)


_MOST_EQUAL = 1000  # trades of one stamp that are looked through
_FOLLOWS = {"seq": _by_seq, "ids": _by_ids, "bars": _by_time}


def _place(row: Trade | Bar) -> object:
    return row.open_at_ns if isinstance(row, Bar) else (row.seq, row.id)
