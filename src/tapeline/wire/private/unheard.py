"""What requests showed of orders, and a private stream has to tell of too: or it is not what it seems. Pure."""

from collections import OrderedDict
from decimal import Decimal

from tapeline.model.account import OrderUpdate
from tapeline.model.number import ZERO

WITHIN_S = 10.0
MOST = 10_000  # orders remembered
_FAR = {"open": 1, "partly_filled": 2, "filled": 3, "cancelled": 3, "expired": 3}
_PLAIN = frozenset({"", "market", "limit"})  # orders that wait for a price are told in other ways, or once they go
_Word = tuple[int, Decimal]


class Unheard:
    """Compares the stream's last word on each order with what requests showed."""

    def __init__(self, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s
        self._told: OrderedDict[str, _Word] = OrderedDict()
        self._due: OrderedDict[str, tuple[float, _Word]] = OrderedDict()  # oldest first

    def told(self, update: OrderUpdate) -> None:
        """The stream's word."""
        far, filled = _word(update)
        for key in _names(update):
            before = self._told.pop(key, (0, ZERO))
            self._told[key] = said = max(before[0], far), max(before[1], filled)
            if key in self._due and _covers(said, self._due[key][1]):
                del self._due[key]
        while len(self._told) > MOST:
            self._told.popitem(last=False)

    def shown(self, update: OrderUpdate, now: float) -> None:
        """An answer to a request says this, of a time since when the stream has been open."""
        word = _word(update)
        names = _names(update)
        if not word[0] or update.kind not in _PLAIN or not names:
            return
        if any(_covers(self._told.get(name, (0, ZERO)), word) for name in names):
            return
        due_at = self._due[names[0]][0] if names[0] in self._due else now + self._within_s
        self._due[names[0]] = due_at, word
        while len(self._due) > MOST:
            self._due.popitem(last=False)

    def forget(self) -> None:
        """The stream is opened anew: what it has not told it never will."""
        self._told.clear()
        self._due.clear()

    def deadline(self) -> float:
        """When `overdue` may next have a name."""
        return next(iter(self._due.values()))[0] if self._due else float("inf")

    def overdue(self, now: float) -> str:
        """The order that the stream should have told of by now; "" for none."""
        return next(iter(self._due)) if now >= self.deadline() else ""


def _word(update: OrderUpdate) -> _Word:
    return _FAR.get(update.state, 0), update.filled or ZERO


def _covers(said: _Word, shown: _Word) -> bool:
    return said[0] >= shown[0] and said[1] >= shown[1]


def _names(update: OrderUpdate) -> list[str]:
    return [name for name in (update.client_id, update.venue_id and f"venue id {update.venue_id}") if name]
