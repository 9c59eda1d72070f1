"""Orders as the matcher holds them: in a queue, or waiting for a price. Pure."""

from bisect import insort
from collections.abc import Iterable, Iterator
from decimal import Decimal

from tapeline.model.number import EXACT, ZERO

_ONE = Decimal(1)

MOST_CREDITS = 64  # of one order: the oldest are taken together, and count as long as the later of them


class Ticket:
    """One working order. `price` None: at the market. `trigger` is what it waits for, None once it is in the market.

    `ahead` is the market's size before it in the queue, None where that is not known. `fresh` orders came after the
    last bar and take at the next one's open, as those do that may not rest (`brief`).
    """

    __slots__ = (
        "ahead", "alive", "brief", "credits", "entered_ns", "fresh", "kind", "left", "name", "number",
        "price", "shown", "side", "spend", "traded", "trail", "trigger", "whole",
    )  # fmt: skip

    def __init__(self, name: str, number: int, side: str, left: Decimal, price: Decimal | None) -> None:
        self.name = name
        self.number = number  # time priority
        self.side = side
        self.left = left
        self.price = price
        self.kind = "limit"
        self.trigger: Decimal | None = None
        self.trail: Decimal | None = None
        self.spend: Decimal | None = None  # instead of a size, while it waits for a bar
        self.brief = self.whole = self.fresh = False
        self.alive = True
        self.entered_ns = 0  # the market's time when it came: trades from before did not meet it
        self.ahead: Decimal | None = None
        self.shown: Decimal | None = None  # what its level showed last, None: not seen
        self.traded = ZERO  # at its price since then
        # Taken off `ahead` by a level that shrank, whose trade may come yet: (when it did, how much), the oldest first.
        self.credits: list[tuple[int | None, Decimal]] = []

    @property
    def rises(self) -> bool:
        """Whether its trigger is reached from below."""
        return (self.side == "buy") is not self.kind.startswith("take_profit")

    def reached(self, price: Decimal) -> bool:
        """Whether this price sets it off."""
        assert self.trigger is not None, f"{self.name} waits for nothing"
        return price >= self.trigger if self.rises else price <= self.trigger

    def follow(self, price: Decimal) -> None:
        """A trailing stop comes after the price, and never goes back."""
        if self.trail is None:
            return
        distance = EXACT.add(_ONE, self.trail) if self.rises else EXACT.subtract(_ONE, self.trail)
        level = EXACT.multiply(price, distance)
        if self.trigger is None or (level < self.trigger if self.rises else level > self.trigger):
            self.trigger = level

    def level_shows(self, size: Decimal, at_ns: int | None, cancel_share: Decimal) -> None:
        """Its level shows this much now: what was cancelled ahead of it, and what must have been, is gone."""
        if self.ahead is None:
            self.ahead = size
        elif self.shown is not None:
            cancelled = EXACT.subtract(EXACT.subtract(self.shown, size), self.traded)
            ahead = self.ahead
            if cancelled > 0:
                ahead = max(ZERO, EXACT.subtract(ahead, EXACT.multiply(cancelled, cancel_share)))
            ahead = min(ahead, size)
            if ahead < self.ahead:
                self._credit(at_ns, EXACT.subtract(self.ahead, ahead))
            self.ahead = ahead
        else:
            self.ahead = min(self.ahead, size)
        self.shown, self.traded = size, ZERO

    def trade_passes(self, size: Decimal, at_ns: int | None) -> Decimal:
        """A trade at its price: what of it is left once those ahead had theirs, who are fewer then.

        A trade that a shrunken level already told of is not counted against the queue twice; what shrank before it was
        cancelled.
        """
        assert self.ahead is not None, f"the queue of {self.name} is not known"
        told = self._told(size, at_ns) if self.credits else ZERO
        self.traded = EXACT.add(self.traded, size)
        rest = EXACT.subtract(size, told)
        beyond = max(ZERO, EXACT.subtract(rest, self.ahead))
        self.ahead = max(ZERO, EXACT.subtract(self.ahead, rest))
        return beyond

    def _credit(self, at_ns: int | None, size: Decimal) -> None:
        """A level has shrunk by this much ahead of it."""
        self.credits.append((at_ns, size))
        if len(self.credits) > MOST_CREDITS:
            (_, first), (later_ns, second) = self.credits[:2]
            self.credits[:2] = [(later_ns, EXACT.add(first, second))]

    def _told(self, size: Decimal, at_ns: int | None) -> Decimal:
        """How much of a trade levels have told of, from its own time on; that is used up."""
        left, kept = size, []
        for shrunk_ns, credit in self.credits:
            if at_ns is not None and shrunk_ns is not None and at_ns > shrunk_ns:
                continue
            used = min(credit, left)
            left = EXACT.subtract(left, used)
            if used < credit:
                kept.append((shrunk_ns, EXACT.subtract(credit, used)))
        self.credits = kept
        return EXACT.subtract(size, left)


class Queue:
    """The resting orders of one side, in the order the market comes to them: by price, then by time."""

    __slots__ = ("_tickets", "side")

    def __init__(self, side: str) -> None:
        self.side = side
        self._tickets: list[Ticket] = []

    def __len__(self) -> int:
        return len(self._tickets)

    def __iter__(self) -> Iterator[Ticket]:
        """Those that are there when this begins, and still are when it comes to them."""
        return (ticket for ticket in tuple(self._tickets) if ticket.alive)

    def add(self, ticket: Ticket) -> None:
        """Into its place."""
        insort(self._tickets, ticket, key=self._place)

    def remove(self, ticket: Ticket) -> None:
        """Out of it, if it is there."""
        if ticket in self._tickets:
            self._tickets.remove(ticket)

    @property
    def best(self) -> Decimal | None:
        """The price of the first, None where there is none; an order at the market has none either."""
        return self._tickets[0].price if self._tickets else None

    def _place(self, ticket: Ticket) -> tuple[Decimal, int]:
        if ticket.price is None:
            return Decimal("-Infinity"), ticket.number
        return (ticket.price.copy_negate() if self.side == "buy" else ticket.price), ticket.number


def next_trigger(waiting: Iterable[Ticket], to: Decimal, *, rising: bool) -> Ticket | None:
    """The first order on the way to this price that waits for it."""
    found: Ticket | None = None
    for ticket in waiting:
        if ticket.trigger is None or ticket.rises != rising or not ticket.reached(to):
            continue
        if found is None or (found.trigger != ticket.trigger and nearer(ticket.trigger, found.trigger, rising=rising)):
            found = ticket
    return found


def nearer(one: Decimal | None, other: Decimal | None, *, rising: bool) -> bool:
    """Whether the price comes to `one` first, or to both at once."""
    assert one is not None, "a price on the way"
    assert other is not None, "a price on the way"
    return one <= other if rising else one >= other
