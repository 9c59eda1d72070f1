"""Orders of which nobody knows what became: the venue is asked, with a back-off, until its word is definite."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal

from tapeline.clock import Clock
from tapeline.errors import BadData, OrderRefused, Refused, Retry
from tapeline.model.account import OrderUpdate
from tapeline.model.order import Order
from tapeline.trading.input import Failed
from tapeline.venues.orders import OrderAnswer, OrderAsk, Orders
from tapeline.wire.gateway.doubt import Doubt
from tapeline.wire.pace import backoff
from tapeline.wire.private.signed import SignedRest

FIRST_S, MOST_S = 0.5, 10.0


class Inquiries:
    """The doubts of one account.

    `fresh` gives an order as it is known by now, `ask_of` a call about it; `cancel` cancels it once more, which does no
    harm; `answered` gets what requests bring, `heard` and `failed` what we conclude.
    """

    def __init__(
        self, orders: Orders, rest: SignedRest, ids: Mapping[str, str], *, account: str, clock: Clock,
        fresh: Callable[[Order], Order], ask_of: Callable[[str, Order], OrderAsk],
        cancel: Callable[[Order], Awaitable[None]], answered: Callable[[Sequence[OrderAnswer]], None],
        heard: Callable[[OrderUpdate], None], failed: Callable[[Failed], None],
        problem: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._orders, self._rest, self._ids, self._account, self._clock = orders, rest, ids, account, clock
        self._fresh, self._ask_of, self._cancel = fresh, ask_of, cancel
        self._answered, self._heard, self._failed, self._problem = answered, heard, failed, problem
        self._doubts: dict[str, Doubt] = {}
        self._settled: dict[str, asyncio.Event] = {}  # of each of them

    def unknown(self) -> list[str]:
        """Client ids of the orders in doubt."""
        return list(self._doubts)

    def doubt(self, order: Order, what: str, *, size: Decimal | None = None, price: Decimal | None = None) -> bool:
        """Nobody knows what became of this; whether `resolve` has to be started for it."""
        doubt = self._doubts.get(order.client_id)
        new = doubt is None
        if doubt is None:
            doubt = Doubt(order, lag_s=self._orders.lag_s, lag_times=self._orders.lag_times)
            self._doubts[order.client_id] = doubt
            self._settled[order.client_id] = asyncio.Event()
        doubt.asked(what, self._clock.now(), size=size, price=price)
        return new

    def hear(self, event: OrderAnswer) -> None:
        """Whatever the venue says may settle a doubt."""
        for client_id, doubt in self._doubts.items():
            doubt.heard(event)
            if doubt.settled:
                self._settled[client_id].set()

    def never_placed(self, client_id: str) -> bool:
        """A late answer refused it; whether it was in doubt."""
        doubt = self._doubts.get(client_id)
        if doubt is None or not doubt.placing:
            return False
        doubt.refused()
        self._settled[client_id].set()
        return True

    async def resolve(self, client_id: str) -> None:
        """Ask until it is known what became of this order."""
        doubt = self._doubts[client_id]
        waits = backoff(FIRST_S, MOST_S, lambda: 1.0)
        next(waits)  # the venue has just failed to answer
        try:
            while not doubt.settled:
                self._settled[client_id].clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(next(waits)):
                        await self._settled[client_id].wait()
                if not doubt.settled:
                    await self._inquire(doubt)
        finally:
            del self._doubts[client_id], self._settled[client_id]

    async def _inquire(self, doubt: Doubt) -> None:
        order = self._fresh(doubt.order)
        try:
            answers = await self._rest.call(self._ask_of("order", order), self._ids)
        except OrderRefused as no:
            if no.reason != "unknown_order":
                self._problem("order", f"what became of {order.client_id}: {no}")
            elif doubt.not_found(self._clock.now()):
                self._heard(self._never_arrived(order, str(no)))
            return
        except (Retry, Refused, BadData) as trouble:
            self._problem("order", f"what became of {order.client_id}: {trouble}")
            return
        if any(doubt.premature(each, self._clock.now()) for each in answers):
            return
        amending = doubt.amending
        self._answered(answers)
        if amending and doubt.amending:
            doubt.amend_failed()
            why = "the venue shows the order as it was before"
            self._failed(Failed(order.client_id, "amend", "refused", self._clock.wall_ns(), why, "other"))
        if doubt.cancelling and not doubt.placing:
            await self._cancel(order)

    def _never_arrived(self, order: Order, why: str) -> OrderUpdate:
        return OrderUpdate(
            order.intent.instrument, "orders", None, self._clock.wall_ns(), "rest", self._account,
            client_id=order.client_id, venue_id=order.venue_id, state="never_arrived", why=why,
        )  # fmt: skip
