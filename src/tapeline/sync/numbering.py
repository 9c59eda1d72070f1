"""Pages of trades from a venue that may have begun to number anew: into stretches that each number in order. Pure.

A number that falls on a stamp that rises is the beginning of another numbering: the venue repeats numbers that it has
given out. Within one numbering a trade is known by its number; across two only the stamp tells which one it is of.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from tapeline.model.event import Trade

DISORDER_NS = 5_000_000_000  # stamps of neighbouring trades may be out of order by so much


def covered(trade: Trade) -> tuple[int, int]:
    """The first and the last number it covers, in its own series."""
    seq = trade.seq or 0
    if trade.first_id is not None and trade.last_id is not None and trade.channel == "trades":
        return trade.first_id, trade.last_id
    return seq, seq


def numberings(trades: Iterable[Trade]) -> list[list[Trade]]:
    """These trades in as many stretches as they have numberings, the oldest first, each in order of its numbers.

    One whose stamp is wild stays where its number has its place.
    """
    trades = list(trades)
    if _rising(trades):  # nearly always, and of a thousand trades a round of polling
        return [trades] if trades else []
    found: list[_Stretch] = []
    for trade in sorted(trades, key=lambda each: (stamp(each), covered(each))):
        if not found or found[-1].ended(trade):
            found.append(_Stretch())
        found[-1].take(trade)
    return [stretch.in_order() for stretch in found]


def follows(trades: Sequence[Trade]) -> bool:
    """Whether each of these begins right after the one before ends, or within it."""
    due: int | None = None
    for trade in trades:
        first, last = covered(trade)
        if due is not None and first > due:
            return False
        due = last + 1
    return True


def _rising(trades: Sequence[Trade]) -> bool:
    """Whether no stamp is before an earlier one, and every number behind all earlier ones: one numbering, in order."""
    before_ns = highest = -1
    for trade in trades:
        at_ns, (first, last) = stamp(trade), covered(trade)
        if at_ns < before_ns or first <= highest or last < first:
            return False
        before_ns, highest = at_ns, last
    return True


def stamp(trade: Trade) -> int:
    """The venue's stamp, or ours where it gives none."""
    return trade.received_ns if trade.at_ns is None else trade.at_ns


class _Stretch:
    """One numbering, as it is read in order of time."""

    def __init__(self) -> None:
        self._trades: dict[int, Trade] = {}  # by the first number
        self._lowest = self._highest = 0
        self._highest_ns = 0  # the stamp of the highest

    def ended(self, trade: Trade) -> bool:
        """Whether this one, of a later time, is of another numbering."""
        first, _ = covered(trade)
        known = self._trades.get(first)
        if known is not None and stamp(known) != stamp(trade):
            return True
        if first > self._highest or stamp(trade) - self._highest_ns <= DISORDER_NS:
            return False
        return first in self._trades or first < self._lowest or not self._room(trade)

    def take(self, trade: Trade) -> None:
        """One more."""
        first, last = covered(trade)
        if not self._trades or last > self._highest:
            self._highest, self._highest_ns = last, stamp(trade)
        self._lowest = min(self._lowest, first) if self._trades else first
        self._trades.setdefault(first, trade)

    def in_order(self) -> list[Trade]:
        """By their numbers."""
        return [self._trades[first] for first in sorted(self._trades)]

    def _room(self, trade: Trade) -> bool:
        """Whether its numbers are missing here, and those right beside them are not."""
        first, last = covered(trade)
        held = sorted(map(covered, self._trades.values()))
        return any(one[1] + 1 == first and other[0] == last + 1 for one, other in pairwise(held))
