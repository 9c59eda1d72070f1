"""While two connections tell of one account, what both tell passes once, and nothing is lost that one tells. Pure.

It counts: the second time that *one* connection tells the same it is news, for then the venue has said it twice.
"""

from collections import Counter
from collections.abc import Hashable

import msgspec

from tapeline.model.account import AccountEvent

MOST = 100_000  # that are remembered: both connections live side by side for seconds


class Echoes:
    """Of one private stream. Nothing is remembered while `on` is False."""

    def __init__(self) -> None:
        self.on = False
        self._passed: Counter[AccountEvent] = Counter()
        self._told: dict[Hashable, Counter[AccountEvent]] = {}

    def forget(self) -> None:
        """One connection again: whatever it tells is news."""
        self.on = False
        self._passed.clear()
        self._told.clear()

    def news(self, event: AccountEvent, who: Hashable) -> bool:
        """Whether this is to be passed on; `who` is the connection that told it."""
        if not self.on:
            return True
        if self._passed.total() >= MOST:  # what passes twice then counts once all the same, wherever ids say so
            self._passed.clear()
            self._told.clear()
        same = _same(event)
        told = self._told.setdefault(who, Counter())
        told[same] += 1
        if told[same] <= self._passed[same]:
            return False
        self._passed[same] += 1
        return True


def _same(event: AccountEvent) -> AccountEvent:
    """What is the same of it whichever connection brings it: some venues stamp what they send as they send it."""
    return msgspec.structs.replace(event, received_ns=0, at_ns=None)
