"""Bars of several intervals from one stream of trades: a finer bar that closes feeds the coarser one. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from tapeline.market.holes import BEGINNING, END
from tapeline.market.tally import Tally
from tapeline.model.interval import DAY_NS, Interval

_MONTH_NS = 31 * DAY_NS


class Cell:
    """One bar in the making, or made: [open_ns, end_ns). No tally: nothing traded. `revision` 0: not closed yet."""

    __slots__ = ("carried", "certificate", "end_ns", "open_ns", "revision", "tally")

    def __init__(self, open_ns: int, end_ns: int) -> None:
        self.open_ns = open_ns
        self.end_ns = end_ns
        self.tally: Tally | None = None
        self.carried: Decimal | None = None  # the close of the bar before, where nothing traded
        self.revision = 0
        self.certificate = ""

    @property
    def close(self) -> Decimal | None:
        """The last price, or the one carried over."""
        return self.carried if self.tally is None else self.tally.close

    def take(self, tally: Tally, *, shared: bool) -> None:
        """Add these trades. `shared` says that somebody else keeps this tally."""
        if self.tally is not None:
            self.tally.merge(tally)
        elif shared:
            self.tally = tally.copy()
        else:
            self.tally = tally


class Rung:
    """The bars of one interval: open ones by their start, and the newest `keep` closed ones."""

    def __init__(self, interval: Interval, order: int, keep: int) -> None:
        self.interval = interval
        self.order = order  # finest first
        self.above: list[Rung] = []  # coarser intervals that this one feeds
        self.root = True
        self.open: dict[int, Cell] = {}
        self.closed: dict[int, Cell] = {}
        self.forgotten_ns = BEGINNING  # closed bars that start before may have been dropped
        self.last: Cell | None = None  # the latest closed
        self.skipped = 0  # empty bars not made because there were too many
        self._keep = keep

    def cell(self, open_ns: int) -> Cell:
        """The open bar that starts here, made if need be."""
        found = self.open.get(open_ns)
        if found is None:
            found = self.open[open_ns] = Cell(open_ns, self.interval.next(open_ns))
        return found

    def due_ns(self, *, carry: bool) -> int:
        """When the next bar closes; END where there is none to close."""
        due_ns = min((cell.end_ns for cell in self.open.values()), default=END)
        if carry and self.last is not None:
            due_ns = min(due_ns, self.interval.next(self.last.end_ns))
        return due_ns

    def close(self, until_ns: int, *, carry: bool) -> list[Cell]:
        """Close what ends by then, oldest first; with `carry`, the empty ones between and after them too."""
        done: list[Cell] = []
        for open_ns in sorted(open_ns for open_ns, cell in self.open.items() if cell.end_ns <= until_ns):
            cell = self.open.pop(open_ns)
            if cell.tally is None:  # nothing but empty trades
                continue
            if carry:
                done += self._empty(open_ns)
            done.append(self._keep_closed(cell))
            for coarser in self.above:
                coarser.cell(coarser.interval.floor(open_ns)).take(cell.tally, shared=True)
        if carry:
            done += self._empty(until_ns)
        return done

    def reopen(self, open_ns: int) -> Cell | None:
        """The closed bar that starts here; a new one where none was needed; None where it was dropped."""
        cell = self.closed.get(open_ns)
        if cell is None and open_ns >= self.forgotten_ns:
            cell = self._keep_closed(Cell(open_ns, self.interval.next(open_ns)))
        return cell

    def forget(self, until_ns: int) -> None:
        """Drop the closed bars that end by then."""
        self.forgotten_ns = max(self.forgotten_ns, until_ns)
        for open_ns in [open_ns for open_ns, cell in self.closed.items() if cell.end_ns <= until_ns]:
            del self.closed[open_ns]

    def carry_on(self, cell: Cell) -> list[Cell]:
        """The empty bars right after this one, now with its close, where they had another."""
        changed = []
        following = self.closed.get(cell.end_ns)
        while following is not None and following.tally is None and following.carried != cell.close:
            following.carried = cell.close
            changed.append(following)
            following = self.closed.get(following.end_ns)
        return changed

    def _empty(self, until_ns: int) -> list[Cell]:
        """Empty bars from the last closed one up to here."""
        made: list[Cell] = []
        if self.last is None:
            return made
        open_ns = self.last.end_ns
        if self.interval.length_ns:
            excess = (until_ns - open_ns) // self.interval.length_ns - self._keep
            if excess > 0:
                self.skipped += excess
                open_ns += excess * self.interval.length_ns
        carried = self.last.close
        while (end_ns := self.interval.next(open_ns)) <= until_ns:
            cell = Cell(open_ns, end_ns)
            cell.carried = carried
            made.append(self._keep_closed(cell))
            open_ns = end_ns
        return made

    def _keep_closed(self, cell: Cell) -> Cell:
        self.closed[cell.open_ns] = cell
        if self.last is None or cell.open_ns > self.last.open_ns:
            self.last = cell
        while len(self.closed) > self._keep:
            dropped = self.closed.pop(next(iter(self.closed)))
            self.forgotten_ns = max(self.forgotten_ns, dropped.end_ns)
        return cell


def ladder(intervals: Sequence[Interval], keep: int) -> list[Rung]:
    """A rung an interval, finest first, each fed by the coarsest finer one that it holds whole, else by trades."""
    ordered = sorted(set(intervals), key=lambda interval: interval.length_ns or _MONTH_NS)
    rungs = [Rung(interval, order, keep) for order, interval in enumerate(ordered)]
    for rung in rungs:
        below = [finer for finer in rungs[: rung.order] if holds_whole(rung.interval, finer.interval)]
        if below:
            below[-1].above.append(rung)
            rung.root = False
    return rungs


def holds_whole(coarser: Interval, finer: Interval) -> bool:
    """Whether every boundary of the coarser is one of the finer."""
    if not finer.length_ns:
        return False
    length_ns = coarser.length_ns or DAY_NS  # a month may start on any day
    return length_ns % finer.length_ns == 0 and (coarser.offset_ns - finer.offset_ns) % finer.length_ns == 0
