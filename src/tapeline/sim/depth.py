"""A venue's own book, from a recording by the venue's rule. Independent of how clients keep theirs."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import islice

from tapeline.model.event import BookDelta, BookSnapshot, Level
from tapeline.model.verdict import Verdict
from tapeline.venues.spec import Judge


class Depth:
    """Price levels with the venue's own text, at a sequence; `snapshot` None while there is no good state."""

    def __init__(self, judge: Judge | None) -> None:
        self._judge = judge
        self._bids: dict[Decimal, Level] = {}
        self._asks: dict[Decimal, Level] = {}
        self._from: BookSnapshot | BookDelta | None = None
        self.seq: int | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a state."""
        return self._from is not None

    def load(self, snapshot: BookSnapshot) -> None:
        """Start anew from a whole book."""
        self._bids, self._asks = {}, {}
        self._set(snapshot)

    def apply(self, delta: BookDelta) -> bool:
        """Apply it if it follows; False where something before it is missing, and the state is given up."""
        if self._from is None or self._judge is None:
            return False
        verdict = self._judge(self.seq, delta)
        if verdict is Verdict.GAP:
            self._from = None
            return False
        if verdict is Verdict.APPLY:
            self._set(delta)
        return True

    def snapshot(self, channel: str, source: str, levels: int | None) -> BookSnapshot | None:
        """The book now, best level first, at most so many levels a side."""
        state = self._from
        if state is None:
            return None
        bids = [self._bids[price] for price in islice(sorted(self._bids, reverse=True), levels)]
        asks = [self._asks[price] for price in islice(sorted(self._asks), levels)]
        return BookSnapshot(
            state.instrument, channel, state.at_ns, state.received_ns, source, bids, asks, last_seq=self.seq
        )

    def _set(self, change: BookSnapshot | BookDelta) -> None:
        _put(self._bids, change.bids)
        _put(self._asks, change.asks)
        self._from = change
        if change.last_seq is not None:
            self.seq = change.last_seq


def _put(side: dict[Decimal, Level], levels: Sequence[Level]) -> None:
    for level in levels:
        price = Decimal(level[0])
        if Decimal(level[1]):
            side[price] = level
        else:
            side.pop(price, None)
