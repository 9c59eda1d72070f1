"""Orders that wait with us: what a venue cannot wait for itself, and the halves of OCO and brackets. Pure."""

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from tapeline.model.number import EXACT
from tapeline.model.order import Intent

AT_MARKET = {"stop": "market", "take_profit": "market", "trailing_stop": "market"}
AT_LIMIT = {"stop_limit": "limit", "take_profit_limit": "limit"}
_ONE = Decimal(1)


class Waiter:
    """One order that waits: for a price and, where it has an entry (`after`), for that one's fills.

    `best` is the best price since a trailing stop began. `fired` once its price has come.
    """

    __slots__ = ("after", "best", "client_id", "fired", "intent")

    def __init__(self, client_id: str, intent: Intent, after: str = "") -> None:
        self.client_id, self.intent, self.after = client_id, intent, after
        self.best: Decimal | None = None
        self.fired = False

    def touch(self, price: Decimal) -> bool:
        """A price was seen; whether it is the one that is waited for."""
        intent = self.intent
        sells = intent.side == "sell"
        if intent.trail is not None:
            if intent.stop_price is not None and self.best is None:  # it begins to trail from there
                if price < intent.stop_price if sells else price > intent.stop_price:
                    return False
                self.best = price
            self.best = price if self.best is None else max(self.best, price) if sells else min(self.best, price)
            share = EXACT.subtract(_ONE, intent.trail) if sells else EXACT.add(_ONE, intent.trail)
            at = EXACT.multiply(self.best, share)
            return price <= at if sells else price >= at
        if intent.stop_price is None:  # the take-profit of a bracket, which is a limit
            assert intent.price is not None, "what waits has a price"
            return price >= intent.price if sells else price <= intent.price
        worse = intent.kind.startswith("stop") == sells
        return price <= intent.stop_price if worse else price >= intent.stop_price


class Waiters:
    """All of them, by instrument."""

    def __init__(self) -> None:
        self._all: dict[str, Waiter] = {}
        self._of: dict[str, dict[str, Waiter]] = {}

    def __contains__(self, client_id: object) -> bool:
        return client_id in self._all

    def __iter__(self) -> Iterator[Waiter]:
        return iter(list(self._all.values()))

    def add(self, waiter: Waiter) -> None:
        """One more."""
        self._all[waiter.client_id] = waiter
        self._of.setdefault(waiter.intent.instrument, {})[waiter.client_id] = waiter

    def find(self, client_id: str) -> Waiter | None:
        """One of them."""
        return self._all.get(client_id)

    def drop(self, client_id: str) -> Waiter | None:
        """It waits no more."""
        waiter = self._all.pop(client_id, None)
        if waiter is not None:
            self._of[waiter.intent.instrument].pop(client_id)
        return waiter

    def of(self, instrument: str) -> list[Waiter]:
        """Those of one instrument, oldest first."""
        return list(self._of.get(instrument, {}).values())


def released(intent: Intent, size: Decimal | None) -> Intent:
    """What is sent once its price has come: an order at the market, or its limit."""
    kind = AT_MARKET.get(intent.kind) or AT_LIMIT.get(intent.kind, intent.kind)
    return replace(intent, kind=kind, stop_price=None, trail=None, size=size)
