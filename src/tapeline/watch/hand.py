"""What the emergency stop needs of an account at its venue: few calls, each a fresh answer. No engine behind it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

from tapeline.model.account import OrderUpdate, Position
from tapeline.model.instrument import Instrument
from tapeline.trading.risk.check import Approved


class Hand(Protocol):
    """One account. Every call may raise a TapelineError: Retry where asking again may help, Refused where not."""

    @property
    def account(self) -> str:
        """Its name with us."""
        ...

    @property
    def mode(self) -> str:
        """Whether its orders are real: paper | live."""
        ...

    @property
    def lag_s(self) -> float:
        """How long after an order was sent "not found" is not definite."""
        ...

    @property
    def unsure(self) -> str:
        """What of ours `positions` could not look at when it was asked last; empty where it told of everything."""
        ...

    def begin(self) -> None:
        """A stop begins: nothing that was read for an earlier one holds."""
        ...

    async def open_orders(self) -> Sequence[OrderUpdate]:
        """Every order that is open now, whoever placed it, those that wait for a price included."""
        ...

    async def positions(self) -> Sequence[Position]:
        """What is held now: positions of derivatives; on spot what strategies are known to hold, and is still there."""
        ...

    async def cancel_all(self, orders: Sequence[OrderUpdate]) -> None:
        """The venue's own cancel-all, for all that these are of."""
        ...

    async def cancel(self, order: OrderUpdate) -> None:
        """One order."""
        ...

    async def place(self, order: Approved) -> None:
        """Send an order that reduces. What it did, `order` and `positions` say."""
        ...

    async def order(self, client_id: str, instrument: str) -> OrderUpdate | None:
        """How an order of ours stands; None where the venue knows none."""
        ...

    async def top(self, instrument: str) -> tuple[Decimal | None, Decimal | None]:
        """(best bid, best ask) this moment."""
        ...

    async def instrument(self, name: str) -> Instrument:
        """What is known of it. Raises UnknownInstrument."""
        ...
