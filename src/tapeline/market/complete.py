"""A stream of trades without holes: what follows a hole waits while it is being filled. Pure."""

from collections.abc import Sequence

import msgspec

from tapeline.model.event import Event, Gap, Repair, Trade

HELD_MOST = 200_000  # events that wait; past it the first hole is let be
HOLD_S = 30.0


class _Hole:
    """A gap, what came to fill it, and what came live after it."""

    __slots__ = ("filled", "gap", "left", "live", "lost", "until")

    def __init__(self, gap: Gap, until: float) -> None:
        self.gap, self.until = gap, until
        low, high = sorted((gap.after_ns or 0, gap.before_ns or 0))
        self.left = [(low, high + 1)]  # what of it nobody has said anything of yet
        self.filled: list[Trade] = []
        self.live: list[Event] = []
        self.lost = False

    def holds(self, trade: Trade) -> bool:
        """Whether a repaired trade belongs here."""
        after, before, seq = self.gap.after_seq, self.gap.before_seq, trade.seq
        if after is not None and before is not None and seq is not None:
            return after < seq < before
        return self.gap.after_ns is not None and self.gap.after_ns <= (trade.at_ns or 0) <= (self.gap.before_ns or 0)

    def told(self, repair: Repair) -> None:
        """Take note of what became of a part of it."""
        left = []
        for low, high in self.left:
            if repair.to_ns <= low or repair.from_ns >= high:
                left.append((low, high))
                continue
            self.lost |= repair.state != "repaired"
            left += [(a, b) for a, b in ((low, repair.from_ns), (repair.to_ns, high)) if a < b]
        self.left = left


class Complete:
    """One series in the venue's order, each trade once, holes filled before what follows them.

    A hole that is not filled within `hold_s` passes as its Gap, marked open; what is brought back later comes as it is
    brought back. One that cannot be filled passes as its Gap at once.
    """

    def __init__(self, hold_s: float = HOLD_S) -> None:
        self._hold_s = hold_s
        self._holes: list[_Hole] = []
        self._waiting = 0

    @property
    def until(self) -> float | None:
        """When `expired` has something to say."""
        return self._holes[0].until if self._holes else None

    def take(self, event: Event, now: float) -> Sequence[Event]:
        """An event of the series as the bus brings it; returns what may go on."""
        if isinstance(event, Gap) and _fillable(event):
            self._holes.append(_Hole(event, now + self._hold_s))
            return ()
        if not self._holes:
            return () if isinstance(event, Gap) and event.open else (event,)
        if isinstance(event, Repair):
            for hole in self._holes:
                hole.told(event)
            self._holes[-1].live.append(event)
            return self._settled()
        self._waiting += 1
        if isinstance(event, Trade) and event.source == "rest":
            found = next((hole for hole in self._holes if hole.holds(event)), None)
            if found is None:
                self._waiting -= 1
                return (event,)
            found.filled.append(event)
        else:
            self._holes[-1].live.append(event)
        return self._passed(open_=True) if self._waiting > HELD_MOST else ()

    def expired(self, now: float) -> Sequence[Event]:
        """What has waited long enough."""
        out: list[Event] = []
        while self._holes and now >= self._holes[0].until:
            out += self._passed(open_=True)
            out += self._settled()
        return out

    def _settled(self) -> list[Event]:
        """The first holes, of which all is known."""
        out: list[Event] = []
        while self._holes and not self._holes[0].left:
            out += self._passed(open_=False)
        return out

    def _passed(self, *, open_: bool) -> list[Event]:
        """The first hole and what waits behind it."""
        hole = self._holes.pop(0)
        filled = sorted(hole.filled, key=lambda trade: (trade.seq or 0, trade.at_ns or 0))
        self._waiting = max(0, self._waiting - len(filled) - len(hole.live))
        gap: list[Event] = [msgspec.structs.replace(hole.gap, open=open_)] if open_ or hole.lost else []
        return [*gap, *filled, *hole.live]


def _fillable(gap: Gap) -> bool:
    """Whether anything can come that lies inside it."""
    if gap.open or gap.after_ns is None or gap.before_ns is None:
        return False
    return gap.after_seq is None or gap.before_seq is None or gap.after_seq + 1 < gap.before_seq
