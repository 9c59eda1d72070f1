"""Faults in REST answers: which of them concern a question, what becomes of its rows and its body. Deterministic."""

from collections.abc import Callable, Sequence

import msgspec

from tapeline.model.event import Bar
from tapeline.model.interval import INTERVALS, MINUTE_NS
from tapeline.model.number import EXACT
from tapeline.sim.client import same_kind
from tapeline.sim.faults import Fault
from tapeline.venues.spec import Answer, Ask

PAGED = frozenset({"bars", "trades", "aggtrades"})  # calls whose answers are pages of a history
OF_ANY_CALL = frozenset({"500", "half_body"})
OVERLAPS = 5  # rows, or minutes of trades, that a page begins too early
Rows = Sequence[Answer]
Ask_ = Callable[[Ask], Rows | None]


def concerns(fault: Fault, ask: Ask) -> bool:
    """Whether a fault in answers can strike the answer to this."""
    if fault.kind in {"open_bar", "revise"}:
        return ask.call == "bars"
    if fault.param:
        return same_kind(ask.call if ask.call != "bars" else f"bars:{ask.interval}", fault.param)
    return ask.call in PAGED or fault.kind in OF_ANY_CALL


class Answers:
    """Bends rows. What a fault has revised stays so: later answers tell it that way, too."""

    def __init__(self) -> None:
        self._revised: dict[tuple[str, str, int], Bar] = {}
        self.revised: list[Bar] = []  # every bar that was told differently, as it was told, each time

    def rows(self, ask: Ask, fault: Fault | None, rows_of: Ask_, now_ns: int) -> Rows | None:
        """The rows of an answer; `rows_of` tells what the venue holds. None where it knows nothing."""
        kind = "" if fault is None else fault.kind
        found = rows_of(_earlier(ask) if kind == "overlap" else ask)
        if found is None or ask.call not in PAGED:
            return found
        rows = [self._now(row) for row in found] if self._revised else list(found)
        if kind == "empty":
            return []
        if kind == "disorder":
            return [*rows[1::2], *rows[::2]]
        if kind == "short" and len(rows) > 2:
            del rows[len(rows) // 2]
        if kind == "open_bar":
            rows += _open_bar(ask, rows, rows_of, now_ns)
        if kind == "revise":
            rows = self._revise(ask, rows)
        return rows

    def _now(self, row: Answer) -> Answer:
        if not isinstance(row, Bar):
            return row
        return self._revised.get((row.instrument, row.interval, row.open_at_ns), row)

    def _revise(self, ask: Ask, rows: Rows) -> list[Answer]:
        closed = [row for row in rows if isinstance(row, Bar) and row.closed]
        if closed:
            bar = closed[-1]
            again = msgspec.structs.replace(
                bar, volume=EXACT.add(bar.volume, bar.volume), trades=None if bar.trades is None else bar.trades + 1
            )
            self._revised[bar.instrument, ask.interval, bar.open_at_ns] = again
            self.revised.append(again)
        return [self._now(row) for row in rows]


def half(body: bytes) -> bytes:
    """A body that was cut off."""
    return body[: len(body) // 2]


def _earlier(ask: Ask) -> Ask:
    """The same question from a little earlier on; where the page was full, its end is missing then."""
    limit = None if ask.limit is None else ask.limit + OVERLAPS
    if ask.from_id is not None:
        return msgspec.structs.replace(ask, from_id=max(0, ask.from_id - OVERLAPS), limit=limit)
    if ask.from_ns is None:
        return ask
    step_ns = (INTERVALS[ask.interval].length_ns if ask.interval else 0) or MINUTE_NS
    return msgspec.structs.replace(ask, from_ns=ask.from_ns - OVERLAPS * step_ns, limit=limit)


def _open_bar(ask: Ask, rows: Rows, rows_of: Ask_, now_ns: int) -> Rows:
    """The bar that has not closed yet, unless it is there."""
    start_ns = INTERVALS[ask.interval].floor(now_ns)
    found = rows_of(Ask("bars", ask.native, ask.interval, from_ns=start_ns)) or ()
    held = {row.open_at_ns for row in rows if isinstance(row, Bar)}
    return [row for row in found if isinstance(row, Bar) and row.open_at_ns not in held]
