"""What a paper exchange has to do at a time: expire orders, pay funding, act as dead-man. Pure."""

import heapq
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from tapeline.model.event import Funding
from tapeline.trading.paper.funds import Working


class Expiry(msgspec.Struct, frozen=True):
    """An order is good until now."""

    order: Working


class DeadMan(msgspec.Struct, frozen=True):
    """Nobody renewed it: all orders of the account go, or those of one instrument."""

    account: str
    instrument: str | None


class Settlement(msgspec.Struct, frozen=True):
    """Funding is paid at this rate: longs pay it where it is positive."""

    instrument: str
    rate: Decimal
    at_ns: int


class Timers:
    """Due times, earliest first."""

    def __init__(self) -> None:
        self._expiries: list[tuple[int, int, Working]] = []
        self._dead_men: dict[tuple[str, str | None], int] = {}
        self._funding: dict[str, tuple[int, Decimal]] = {}

    def expire(self, order: Working) -> None:
        """The order goes at the end of its time, if it is there still."""
        assert order.intent.expires_ns is not None, f"{order.client_id} is good for ever"
        heapq.heappush(self._expiries, (order.intent.expires_ns, order.number, order))

    def forget(self) -> None:
        """Drop what is to end orders that are over."""
        self._expiries = [each for each in self._expiries if not each[2].final]
        heapq.heapify(self._expiries)

    def dead_man(self, account: str, instrument: str | None, at_ns: int | None) -> None:
        """Arm it, or take it away."""
        if at_ns is None:
            self._dead_men.pop((account, instrument), None)
        else:
            self._dead_men[account, instrument] = at_ns

    def funding(self, event: Funding, now_ns: int) -> None:
        """The rate for the settlement to come; one that is past is not paid again."""
        if event.next_at_ns is None or event.next_at_ns <= now_ns:
            return
        self._funding[event.instrument] = (event.next_at_ns, event.rate)

    def next_ns(self) -> int | None:
        """When something is due; None where nothing is."""
        if not (self._expiries or self._funding or self._dead_men):
            return None  # the usual, and asked for with every event of the market
        while self._expiries and self._expiries[0][2].final:
            heapq.heappop(self._expiries)
        times = [at_ns for at_ns, _ in self._funding.values()]
        times += self._dead_men.values()
        times += [self._expiries[0][0]] if self._expiries else []
        return min(times, default=None)

    def due(self, now_ns: int) -> Iterator[Expiry | DeadMan | Settlement]:
        """What is due by now, in the order of its time; each once."""
        found: list[tuple[int, int, Expiry | DeadMan | Settlement]] = []
        while self._expiries and self._expiries[0][0] <= now_ns:
            at_ns, _, order = heapq.heappop(self._expiries)
            found.append((at_ns, len(found), Expiry(order)))
        for (account, instrument), at_ns in list(self._dead_men.items()):
            if at_ns <= now_ns:
                del self._dead_men[account, instrument]
                found.append((at_ns, len(found), DeadMan(account, instrument)))
        for name, (at_ns, rate) in list(self._funding.items()):
            if at_ns <= now_ns:
                del self._funding[name]
                found.append((at_ns, len(found), Settlement(name, rate, at_ns)))
        return (what for _, _, what in sorted(found, key=lambda one: one[:2]))
