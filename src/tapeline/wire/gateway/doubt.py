"""What nobody knows of an order, and when the venue's word on it is definite. Pure."""

from decimal import Decimal

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.order import FINAL, Order
from tapeline.trading.orders import NO_CLIENT_ID
from tapeline.venues.orders import OrderAnswer


class Doubt:
    """One order of which nobody knows what became of the last thing asked. Times are monotonic seconds.

    A venue that says "no such order" is believed once it has said so `lag_times`, and `lag_s` after the last request;
    the same holds for an amend that does not show.
    """

    def __init__(self, order: Order, *, lag_s: float, lag_times: int) -> None:
        self.order = order
        self._lag_s, self._lag_times = lag_s, lag_times
        self._since = 0.0
        self._said = 0  # how often the venue said that there is nothing
        self.placing = self.cancelling = self.amending = False
        self._size: Decimal | None = None
        self._price: Decimal | None = None

    def asked(self, what: str, now: float, *, size: Decimal | None = None, price: Decimal | None = None) -> None:
        """Nobody knows what became of this: submit | cancel | amend, or "" where the order is only looked up."""
        self._since, self._said = now, 0
        self.placing |= what in {"submit", ""}
        self.cancelling |= what == "cancel"
        if what == "amend":
            self.amending, self._size, self._price = True, size, price

    @property
    def settled(self) -> bool:
        """Whether nothing is in doubt any more."""
        return not (self.placing or self.cancelling or self.amending)

    def heard(self, event: OrderAnswer) -> None:
        """Whatever the venue says of an order, by stream or by request."""
        if isinstance(event, Fill) and self._mine(event):
            self.placing = False
        if not isinstance(event, OrderUpdate) or not self._mine(event):
            return
        if event.state in FINAL:
            self.placing = self.cancelling = self.amending = False
        elif event.state != "submitted":
            self.placing = False
            self.amending = self.amending and not self._shows(event)

    def premature(self, event: OrderAnswer, now: float) -> bool:
        """Whether an answer says nothing yet of the amend, which may still be on its way."""
        if not self.amending or not isinstance(event, OrderUpdate) or not self._mine(event):
            return False
        if self.cancelling or self._shows(event) or event.state in FINAL:
            return False
        self._said += 1
        return not self._definite(now)

    def refused(self) -> None:
        """The venue has refused to place it after all: there is nothing to cancel or to amend either."""
        self.placing = self.cancelling = self.amending = False

    def amend_failed(self) -> None:
        """The venue has shown the order as it was before, often enough and late enough."""
        self.amending = False

    def not_found(self, now: float) -> bool:
        """The venue says that there is no such order; whether that is definite."""
        self._said += 1
        return self._definite(now)

    def _definite(self, now: float) -> bool:
        return self._said >= self._lag_times and now >= self._since + self._lag_s

    def _mine(self, event: OrderUpdate | Fill) -> bool:
        named = bool(self.order.client_id) and not self.order.client_id.startswith(NO_CLIENT_ID)
        if named and event.client_id:
            return event.client_id == self.order.client_id
        return bool(event.venue_id) and event.venue_id == self.order.venue_id

    def _shows(self, update: OrderUpdate) -> bool:
        return (self._size is None or update.size == self._size) and (
            self._price is None or update.price == self._price
        )
