"""Each payment counts once, though a stream tells of it without an id, and a list of the venue with one. Pure."""

from collections import deque
from decimal import Decimal

import msgspec

from tapeline.model.account import Payment
from tapeline.trading.accounting.once import NEAR_NS

MOST = 500  # that may still meet their other half, or come once more

# account, currency, kind, amount
Alike = tuple[str, str, str, Decimal]
Bare = tuple[Alike, str, int]  # and the instrument, and the venue's stamp


class Paid(msgspec.Struct, eq=False):
    """Remembers payments by id. One without is the same as one with an id that is alike, and within a minute.

    Two without are the same where the venue stamped them alike, too: it told of one twice. Were they two all the same,
    the list brings the other one by its id; of one that is booked twice it says nothing.
    """

    # With the venue's stamp, in the order they came: a memo is the same bytes each time.
    _ids: dict[tuple[str, str, str, str], int | None] = {}
    _known_ns: dict[str, int] = {}  # account -> what is stamped before then is known
    _halves: deque[tuple[Alike, int, bool]] = msgspec.field(default_factory=deque)  # stamp, and whether it has an id
    _bare: deque[Bare] = msgspec.field(default_factory=deque)

    def __post_init__(self) -> None:
        self._halves, self._bare = deque(self._halves, MOST), deque(self._bare, MOST)

    def offer(self, payment: Payment) -> bool:
        """Whether it is news; from now on it is known."""
        if self._known(payment):
            return False
        at_ns = payment.received_ns if payment.at_ns is None else payment.at_ns
        if payment.id:
            self._ids[payment.account, payment.currency, payment.kind, payment.id] = payment.at_ns
        elif payment.at_ns is not None:
            self._bare.append(_bare(payment, payment.at_ns))
        alike = _alike(payment)
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
        other._ids, other._halves, other._known_ns = dict(self._ids), self._halves.copy(), dict(self._known_ns)
        other._bare = self._bare.copy()
        return other

    def forget(self, account: str, before_ns: int) -> None:
        """What the venue stamped before then is known from now on, remembered or not: see `Once.forget`."""
        self._known_ns[account] = max(before_ns, self._known_ns.get(account, 0))
        self._ids = {
            name: at_ns
            for name, at_ns in self._ids.items()
            if name[0] != account or at_ns is None or at_ns >= before_ns - NEAR_NS
        }

    def count(self, account: str) -> int:
        """How many payments of an account are remembered by their id."""
        return sum(name[0] == account for name in self._ids)

    def _known(self, payment: Payment) -> bool:
        if payment.at_ns is not None and payment.at_ns < self._known_ns.get(payment.account, 0):
            return True
        if payment.id:
            return (payment.account, payment.currency, payment.kind, payment.id) in self._ids
        return payment.at_ns is not None and _bare(payment, payment.at_ns) in self._bare


def _alike(payment: Payment) -> Alike:
    return payment.account, payment.currency, payment.kind, payment.amount


def _bare(payment: Payment, at_ns: int) -> Bare:
    return _alike(payment), payment.instrument or "", at_ns
