"""All that a venue says of an account when it is asked, for whoever reconciles: orders, balances, positions, fills."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import TypeVar

from tapeline.errors import OrderRefused
from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.model.order import FINAL, Order
from tapeline.trading.reconcile import Statement
from tapeline.venues.orders import OrderAnswer, OrderAsk, OrderCall, Orders
from tapeline.venues.spec import Priority
from tapeline.wire.private.signed import SignedRest

AHEAD_NS = 60 * 10**9  # what happens while we ask is asked for too
BEFORE_NS = 10 * 10**9  # clocks are never quite the same: what is known already does no harm
NEWEST = 20  # orders asked for by the venue's number in each statement; those before them once, as the budget has room
GONE = frozenset({"unknown_order", "already_final"})

T = TypeVar("T", bound=OrderAnswer)


class StatementReader:
    """One account's. What the venue has no call for is left out: None for balances and positions."""

    def __init__(
        self, account: str, orders: Orders, rest: SignedRest, instruments: Mapping[str, Instrument]
    ) -> None:  # fmt: skip
        self._account, self._orders, self._rest, self._instruments = account, orders, rest, instruments
        self._ids = {each.native: each.id for each in instruments.values()}
        self._over: dict[tuple[str, str], list[OrderUpdate]] = {}  # by (instrument, number): asked once is enough

    async def read(
        self, *, since_ns: int, last_fill: Mapping[str, str] | None = None, look_up: Sequence[Order] = (),
        reasons: Mapping[str, Sequence[str]] | None = None, knows: Callable[[Fill], bool] = lambda _fill: True,
    ) -> Statement:  # fmt: skip
        """A statement. Fills and payments are of `since_ns` on, by the venue's clock; of an instrument in `last_fill`
        (the newest fill's id), of after that where the venue takes an id. `look_up`: orders asked for one by one. So
        are those that the list of fills names by number only, where nobody `knows` them: one of ours may have been
        filled before anything told of its number, or an emergency stop's.

        Raises as `SignedRest.call`. Fills come last, so that what happened meanwhile is among them.
        """
        await self._rest.know_clock()
        at_ns = self._rest.surely_ns()  # what happens from here on is stamped later, whatever it took to read the clock
        orders = await self._listed("open_orders", OrderUpdate)
        for order in look_up:
            orders += await self._order(order)
        has = self._orders.calls
        # Spot has one mode; elsewhere an order that names the wrong side is refused.
        modes = await self._listed("mode", AccountMode) if self._orders.derivatives and "mode" in has else []
        balances = await self._listed("balances", Balance) if "balances" in has else None
        positions = await self._listed("positions", Position) if "positions" in has else None
        payments = await self._since("payments", Payment, since_ns, at_ns, {})
        fills = await self._since("fills", Fill, since_ns, at_ns, last_fill or {})
        orders += await self._nameless(fills, {each.venue_id for each in orders}, knows)
        return Statement(
            account=self._account, at_ns=at_ns, orders=orders, fills=fills, payments=payments, balances=balances,
            positions=positions, mode=modes[-1] if modes else None, reasons=reasons or {},
        )  # fmt: skip

    async def _order(self, order: Order) -> list[OrderUpdate]:
        """One order; nothing where the venue does not know it, which is not definite yet."""
        return await self._one(
            OrderAsk(
                call="order", account=self._account, instrument=self._instruments[order.intent.instrument],
                client_id=order.client_id, venue_id=order.venue_id, intent=order.intent,
            )
        )  # fmt: skip

    async def _nameless(
        self, fills: Sequence[Fill], told: Container[str], knows: Callable[[Fill], bool]
    ) -> list[OrderUpdate]:  # fmt: skip
        """The orders of fills of which the venue has given no client id. Where it is interrupted it goes on from there.

        The newest are asked for each time; of many more, those before them once, behind orders that wait to be sent.
        """
        numbers: dict[tuple[str, str], Instrument] = {}
        for fill in fills:
            known = self._instruments.get(fill.instrument or "")
            named = bool(fill.client_id) or fill.venue_id in told or knows(fill)
            if known is not None and not named:
                numbers[known.id, fill.venue_id] = known
        self._over = {key: self._over[key] for key in numbers if key in self._over}
        newest = set(list(numbers)[-NEWEST:])
        found: list[OrderUpdate] = []
        for key, instrument in numbers.items():
            said = self._over.get(key)
            if said is None:
                ask = OrderAsk(call="order", account=self._account, instrument=instrument, venue_id=key[1])
                said = await self._one(ask, Priority.ORDERS if key in newest else Priority.REPAIRS)
                if key not in newest and all(each.state in FINAL for each in said):
                    self._over[key] = said
            found += said
        return found

    async def _one(self, ask: OrderAsk, priority: Priority = Priority.ORDERS) -> list[OrderUpdate]:
        try:
            return _only(await self._rest.call(ask, self._ids, priority=priority), OrderUpdate)
        except OrderRefused as refused:
            if refused.reason not in GONE:
                raise
            return []

    async def _listed(self, call: str, kind: type[T]) -> list[T]:
        found: list[T] = []
        for instrument in self._targets(self._orders.calls[call]):
            ask = OrderAsk(call=call, account=self._account, instrument=instrument)
            found += _only(await self._rest.listed(ask, self._ids), kind)
        return found

    async def _since(
        self, name: str, kind: type[T], since_ns: int, at_ns: int, last: Mapping[str, str]
    ) -> list[T]:  # fmt: skip
        """A list with a history: in windows the venue allows, by the call that reaches back far enough."""
        calls = self._orders.calls
        if name not in calls:
            return []
        older = f"older_{name}"
        if older in calls and at_ns - since_ns > calls[name].keeps_s * 1e9:
            name = older
        call, found = calls[name], list[T]()
        for instrument in self._targets(call):
            last_id = last.get(instrument.id, "") if instrument is not None else ""
            spans = [(None, None)] if last_id else _windows(since_ns - BEFORE_NS, at_ns + AHEAD_NS, call.window_s)
            for from_ns, to_ns in spans:
                ask = OrderAsk(
                    call=name, account=self._account, instrument=instrument, from_id=last_id, from_ns=from_ns,
                    to_ns=to_ns,
                )  # fmt: skip
                found += _only(await self._rest.listed(ask, self._ids), kind)
        return found

    def _targets(self, call: OrderCall) -> list[Instrument | None]:
        return list(self._instruments.values()) if call.per_instrument else [None]


def _windows(from_ns: int, to_ns: int, window_s: float) -> Iterator[tuple[int | None, int | None]]:
    """Half-open spans that together are [from_ns, to_ns); one without an end where the venue sets no limit."""
    if window_s == float("inf"):
        yield from_ns, None
        return
    step = int(window_s * 1e9)
    while from_ns < to_ns:
        yield from_ns, min(from_ns + step, to_ns)
        from_ns += step


def _only(answers: Sequence[OrderAnswer], kind: type[T]) -> list[T]:
    return [each for each in answers if isinstance(each, kind)]
