"""Each payment counts once, though a stream tells of it without an id, and a list of the venue with one. Pure."""

from collections import deque
from decimal import Decimal

import msgspec

from tapeline.model.account import Payment

NEAR_NS = 60_000_000_000  # how far the two stamps of one payment may be apart
MOST = 500  # that may still meet their other half

# account, currency, kind, amount
Alike = tuple[str, str, str, Decimal]


class Paid(msgspec.Struct, eq=False):
    """Remembers payments by id. One without is the same as one with an id that is alike, and within a minute."""

    _ids: dict[tuple[str, str, str, str], bool] = {}  # in the order they came: a memo is the same bytes each time
    _halves: deque[tuple[Alike, int, bool]] = msgspec.field(default_factory=deque)  # stamp, and whether it has an id

    def __post_init__(self) -> None:
        self._halves = deque(self._halves, MOST)

    def offer(self, payment: Payment) -> bool:
        """Whether it is news; from now on it is known."""
        if self._known(payment):
            return False
        at_ns = payment.received_ns if payment.at_ns is None else payment.at_ns
        if payment.id:
            self._ids[payment.account, payment.currency, payment.kind, payment.id] = True
        alike = (payment.account, payment.currency, payment.kind, payment.amount)
        for half in self._halves:
            other, stamp_ns, has_id = half
            if other == alike and has_id != bool(payment.id) and abs(stamp_ns - at_ns) <= NEAR_NS:
                self._halves.remove(half)
                return False
        self._halves.append((alike, at_ns, bool(payment.id)))
        return True

    def copy(self) -> "Paid":
        """One that learns by itself."""
        other = Paid()
        other._ids, other._halves = dict(self._ids), self._halves.copy()
        return other

    def _known(self, payment: Payment) -> bool:
        return bool(payment.id) and (payment.account, payment.currency, payment.kind, payment.id) in self._ids
