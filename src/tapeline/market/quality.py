"""How good a series is: what cannot be, what is unlikely, what is missing. It flags, and never drops or changes. Pure.

These are statistics over many rows, not money: floats throughout. A venue's numbers have at most 15 digits and stand
for themselves as floats, so that comparisons (high < low) are right.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from math import log
from statistics import median

import msgspec

from tapeline.model.interval import SECOND_NS, Interval, interval

WINDOW, FRESH = 500, 100  # rows that a scale is taken from, and after how many it is taken anew
NEAR = 50  # trades that a price is compared with
TAIL = 10  # one in so many may be wild without moving the scale
LEAST = 50  # moves before anything can be unusual
SIGMA = 1.4826  # the deviation of a normal distribution, in its median absolute ones
MEAN_SIGMA = 1.2533  # and in its mean ones
Z_DEFAULT = 25.0  # prices have fat tails: a score of ten is an hour like others
SHOWN = 20  # of each kind, the worst or the first
ZERO_RUN = 10  # bars without a trade in a row that are worth a line
AHEAD_NS = 5 * SECOND_NS

BarRow = tuple[int, float, float, float, float, float]  # open time, open, high, low, close, volume
TradeRow = tuple[int | None, int, float, float, str]  # the venue's stamp, ours, price, size, source


class Flag(msgspec.Struct, frozen=True):
    """One row that stands out; `z` is how many usual deviations, where it is measured by them."""

    at_ns: int
    what: str
    z: float | None = None


class Run(msgspec.Struct, frozen=True):
    """[from_ns, to_ns): so many bars."""

    from_ns: int
    to_ns: int
    bars: int


class BarQuality(msgspec.Struct, frozen=True, kw_only=True):
    """A series of bars. `impossible` rows no market can have produced; `outliers` are only unlikely."""

    rows: int
    from_ns: int | None
    to_ns: int | None
    impossible: int
    off_grid: int
    missing: int
    missing_runs: int
    zero_volume: int
    longest_zero_run: int
    outliers: int
    flags: tuple[Flag, ...]
    runs_without_trades: tuple[Run, ...]
    runs_missing: tuple[Run, ...]


class TradeQuality(msgspec.Struct, frozen=True, kw_only=True):
    """A series of trades, in the order of their numbers. Latencies are of those that the stream brought."""

    rows: int
    from_ns: int | None
    to_ns: int | None
    impossible: int
    empty: int
    unstamped: int
    backwards: int
    backwards_most_s: float
    ahead: int
    longest_pause_s: float
    latency_min_s: float | None
    latency_median_s: float | None
    latency_p99_s: float | None
    outliers: int
    flags: tuple[Flag, ...]

    @property
    def clock_behind_s(self) -> float:
        """By how much, at least, our clock was behind the venue's: frames cannot come before they are sent."""
        return max(0.0, -(self.latency_min_s or 0.0))


class Usual:
    """What is usual of late: a robust z-score of moves, which are about zero, against the last `WINDOW` of them.

    The scale is their median size, taken every `FRESH`, or the mean size of all but the largest tenth where that is
    more: in a thin market most do not move at all.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=WINDOW)
        self._scale = 0.0
        self._until = 0

    def score(self, move: float) -> float:
        """How many usual deviations it is from zero; 0 while there is too little to tell. Takes it in."""
        if not self._until:
            self._measure()
        self._until -= 1
        size = abs(move)
        self._recent.append(size)
        return size / self._scale if self._scale else 0.0

    def _measure(self) -> None:
        self._until = FRESH
        sizes = sorted(self._recent)
        if len(sizes) >= LEAST:
            most = sizes[: len(sizes) - len(sizes) // TAIL]
            scale = max(SIGMA * most[len(sizes) // 2], MEAN_SIGMA * sum(most) / len(most))
            self._scale = scale or MEAN_SIGMA * sum(sizes) / len(sizes)


class _Worst:
    """The highest scores."""

    def __init__(self) -> None:
        self.count = 0
        self._flags: list[tuple[float, int, str]] = []

    def add(self, z: float, at_ns: int, what: str) -> None:
        self.count += 1
        insort(self._flags, (z, at_ns, what))
        del self._flags[:-SHOWN]

    def flags(self) -> list[Flag]:
        return [Flag(at_ns, what, round(z, 1)) for z, at_ns, what in reversed(self._flags)]


class _Runs:
    """Stretches of bars: the longest of them."""

    def __init__(self) -> None:
        self.count = self.bars = self.longest = 0
        self._runs: list[tuple[int, int, int]] = []  # bars, from, to

    def add(self, from_ns: int, to_ns: int, bars: int) -> None:
        self.count += 1
        self.bars += bars
        self.longest = max(self.longest, bars)
        insort(self._runs, (bars, from_ns, to_ns))
        del self._runs[:-SHOWN]

    def told(self, least: int = 1) -> tuple[Run, ...]:
        found = [Run(from_ns, to_ns, bars) for bars, from_ns, to_ns in self._runs if bars >= least]
        return tuple(sorted(found, key=lambda run: run.from_ns))


def bars_quality(rows: Iterable[BarRow], name: str, *, z: float = Z_DEFAULT) -> BarQuality:
    """The quality of bars of this interval, in order of time. `z`: from which score on a move is an outlier.

    A move is from close to close, or from low to high, in logarithms.
    """
    found = _Bars(interval(name), z)
    for row in rows:
        found.take(row)
    return found.result()


def trades_quality(rows: Iterable[TradeRow], *, z: float = Z_DEFAULT) -> TradeQuality:
    """The quality of trades, in the order of their numbers. `z`: from which score on a price is an outlier."""
    found = _Trades(z)
    for row in rows:
        found.take(row)
    return found.result()


class _Bars:
    """What was seen of bars."""

    def __init__(self, step: Interval, z: float) -> None:
        self._step, self._z = step, z
        self._rows = self._impossible = self._off_grid = self._zeros = 0
        self._first_ns: int | None = None
        self._due_ns: int | None = None  # when the next one should open
        self._close = 0.0  # of the last one with a trade; 0 where it says nothing of the next
        self._bad: list[Flag] = []
        self._missing, self._empty = _Runs(), _Runs()
        self._empty_from_ns, self._empty_run = 0, 0
        self._moves, self._ranges, self._worst = Usual(), Usual(), _Worst()

    def take(self, row: BarRow) -> None:
        open_ns, opened, high, low, close, volume = row
        self._rows += 1
        follows = self._place(open_ns)
        if not (0 < low <= opened <= high and low <= close <= high and volume >= 0):
            self._cannot_be(row)
            return
        if not volume:
            self._zeros += 1
            if not (follows and self._empty_run):
                self._end_empty(open_ns)
                self._empty_from_ns = open_ns
            self._empty_run += 1
            return
        if self._empty_run:
            self._end_empty(open_ns)
        before, self._close = self._close, close
        if before:
            score = self._moves.score(log(close / before))
            if score > self._z:
                self._worst.add(score, open_ns, f"close {close:g} after {before:g}")
        score = self._ranges.score(log(high / low))
        if score > self._z:
            self._worst.add(score, open_ns, f"from {low:g} to {high:g}")

    def result(self) -> BarQuality:
        self._end_empty(self._due_ns or 0)
        return BarQuality(
            rows=self._rows, from_ns=self._first_ns, to_ns=self._due_ns, impossible=self._impossible,
            off_grid=self._off_grid, missing=self._missing.bars, missing_runs=self._missing.count,
            zero_volume=self._zeros, longest_zero_run=self._empty.longest, outliers=self._worst.count,
            flags=(*self._bad, *self._worst.flags()), runs_without_trades=self._empty.told(ZERO_RUN),
            runs_missing=self._missing.told(),
        )  # fmt: skip

    def _place(self, open_ns: int) -> bool:
        """Where it stands in time: whether it follows the one before."""
        step, due_ns = self._step, self._due_ns
        if step.length_ns:
            self._off_grid += (open_ns - step.offset_ns) % step.length_ns != 0
            self._due_ns = open_ns + step.length_ns
        else:
            self._off_grid += step.floor(open_ns) != open_ns
            self._due_ns = step.next(open_ns)
        if due_ns is None:
            self._first_ns = open_ns
        elif open_ns > due_ns:
            self._missing.add(due_ns, open_ns, self._between(due_ns, open_ns))
        return open_ns == due_ns

    def _between(self, from_ns: int, to_ns: int) -> int:
        if self._step.length_ns:
            return max(1, (to_ns - from_ns) // self._step.length_ns)
        count = 0
        while from_ns < to_ns:
            from_ns, count = self._step.next(from_ns), count + 1
        return count

    def _cannot_be(self, row: BarRow) -> None:
        open_ns, opened, high, low, close, volume = row
        self._impossible += 1
        self._close = 0.0
        if len(self._bad) < SHOWN:
            words = f"open {opened:g} high {high:g} low {low:g} close {close:g} volume {volume:g}"
            self._bad.append(Flag(open_ns, words))

    def _end_empty(self, at_ns: int) -> None:
        if self._empty_run:
            self._empty.add(self._empty_from_ns, at_ns, self._empty_run)
            self._empty_run = 0


class _Trades:
    """What was seen of trades."""

    def __init__(self, z: float) -> None:
        self._z = z
        self._rows = self._impossible = self._empty = self._unstamped = self._backwards = self._ahead = 0
        self._first_ns: int | None = None
        self._last_ns = self._most_back_ns = self._pause_ns = 0
        self._near = _Near()
        self._bad: list[Flag] = []
        self._moves, self._worst = Usual(), _Worst()
        self._latencies = _Sample()

    def take(self, row: TradeRow) -> None:
        at_ns, received_ns, price, size, source = row
        self._rows += 1
        if at_ns is None:
            self._unstamped += 1
            at_ns = received_ns
        elif source == "ws":
            self._latencies.add(received_ns - at_ns)
            self._ahead += at_ns - received_ns > AHEAD_NS
        self._place(at_ns)
        if not (price > 0 and size >= 0):
            self._impossible += 1
            if len(self._bad) < SHOWN:
                self._bad.append(Flag(at_ns, f"price {price:g} size {size:g}"))
            return
        self._empty += size == 0
        middle = self._near.middle
        if middle:
            score = self._moves.score(log(price / middle))
            if score > self._z:
                self._worst.add(score, at_ns, f"price {price:g} among {middle:g}")
        self._near.add(price)

    def result(self) -> TradeQuality:
        least, middle, most = self._latencies.result()
        return TradeQuality(
            rows=self._rows, from_ns=self._first_ns, to_ns=self._last_ns if self._rows else None,
            impossible=self._impossible, empty=self._empty, unstamped=self._unstamped, backwards=self._backwards,
            backwards_most_s=self._most_back_ns / SECOND_NS, ahead=self._ahead,
            longest_pause_s=self._pause_ns / SECOND_NS, latency_min_s=least, latency_median_s=middle,
            latency_p99_s=most, outliers=self._worst.count, flags=(*self._bad, *self._worst.flags()),
        )  # fmt: skip

    def _place(self, at_ns: int) -> None:
        if self._first_ns is None:
            self._first_ns = self._last_ns = at_ns
        elif at_ns < self._last_ns:
            self._backwards += 1
            self._most_back_ns = max(self._most_back_ns, self._last_ns - at_ns)
        else:
            self._pause_ns = max(self._pause_ns, at_ns - self._last_ns)
            self._last_ns = at_ns


class _Near:
    """The last prices. From one trade to the next a price often stands still or jumps; from their middle it strays."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._ordered: list[float] = []

    @property
    def middle(self) -> float:
        """Their median; 0 before there are enough."""
        return self._ordered[NEAR // 2] if len(self._ordered) == NEAR else 0.0

    def add(self, price: float) -> None:
        self._recent.append(price)
        insort(self._ordered, price)
        if len(self._ordered) > NEAR:
            del self._ordered[bisect_left(self._ordered, self._recent.popleft())]


class _Sample:
    """Every so manieth of many values, at most twice `KEPT` of them, and the least of all."""

    KEPT = 2000

    def __init__(self) -> None:
        self._values: list[int] = []
        self._every = self._left = 1
        self._least: int | None = None

    def add(self, value: int) -> None:
        if self._least is None or value < self._least:
            self._least = value
        self._left -= 1
        if self._left:
            return
        self._left = self._every
        self._values.append(value)
        if len(self._values) >= 2 * self.KEPT:
            self._values = self._values[::2]
            self._every *= 2
            self._left = self._every

    def result(self) -> tuple[float | None, float | None, float | None]:
        """(least, median, 99th percentile), in seconds."""
        if self._least is None:
            return None, None, None
        ordered = sorted(self._values)
        p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        return self._least / SECOND_NS, median(ordered) / SECOND_NS, p99 / SECOND_NS
