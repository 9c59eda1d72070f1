"""The emergency stop's hand at a real venue: signed REST and nothing else. No engine, no streams, no store."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from tapeline.errors import BadData, OrderRefused, Refused, TapelineError, UnknownInstrument
from tapeline.model.account import Balance, OrderUpdate, Position
from tapeline.model.event import BookSnapshot, levels
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import Intent
from tapeline.trading.risk.check import Approved
from tapeline.venues.orders import OrderAnswer, OrderAsk
from tapeline.venues.spec import Ask, Priority, Venue
from tapeline.wire.private.signed import SignedRest
from tapeline.wire.rest import Rest

T = TypeVar("T", bound=OrderAnswer)
GONE = frozenset({"unknown_order", "already_final"})
DEPTH = 5


class SignedHand:
    """A `Hand`. `ours` says what strategies hold on spot, by instrument: nothing else of a balance is sold.

    It is asked once in a stop, when what is held is looked at: by then what was open is cancelled, or was filled. Where
    it raises OSError or an error of ours, it is asked again each time, and `unsure` says why.
    """

    mode = "live"
    unsure = ""

    def __init__(
        self, account: str, venue: Venue, rest: Rest, signed: SignedRest, *,
        ours: Callable[[], Mapping[str, Decimal]] | None = None,
    ) -> None:  # fmt: skip
        assert venue.orders is not None, f"{venue.name} has no trading half"
        self.account = account
        self.lag_s = venue.orders.lag_s
        self._venue, self._orders, self._rest, self._signed = venue, venue.orders, rest, signed
        self._asked = ours
        self._ours: Mapping[str, Decimal] | None = None
        self._had: dict[str, Decimal] = {}  # balances by then, by currency: what went since is no more ours to sell
        self._known: dict[str, Instrument] = {}
        self._ids: dict[str, str] = {}

    def begin(self) -> None:
        """See `Hand`."""
        self._ours, self.unsure = None, ""
        self._had.clear()

    # ---- looking -----------------------------------------------------------------------------------------------------

    async def open_orders(self) -> Sequence[OrderUpdate]:
        """All that the venue lists. A list longer than a page goes on when these are gone."""
        return await self._listed("open_orders", OrderUpdate)

    async def positions(self) -> Sequence[Position]:
        """Of derivatives the venue's word; on spot what is ours of what is there."""
        found: list[Position] = []
        if self._orders.derivatives and "positions" in self._orders.calls:
            found = [each for each in await self._listed("positions", Position) if each.size != ZERO]
        return found if self._asked is None else found + await self._spot(self._asked)

    async def order(self, client_id: str, instrument: str) -> OrderUpdate | None:
        """None where the venue says that it knows none."""
        ask = OrderAsk(
            call="order", account=self.account, instrument=await self.instrument(instrument), client_id=client_id
        )
        try:
            answers = await self._call(ask)
        except OrderRefused as refused:
            if refused.reason in GONE:
                return None
            raise
        return next((each for each in answers if isinstance(each, OrderUpdate)), None)

    async def top(self, instrument: str) -> tuple[Decimal | None, Decimal | None]:
        """From the book as REST has it this moment."""
        known = await self.instrument(instrument)
        ask = Ask("depth", known.native, limit=DEPTH)
        for each in await self._rest.call(ask, self._ids, priority=Priority.ORDERS):
            if isinstance(each, BookSnapshot):
                bids, asks = levels(each.bids[:1]), levels(each.asks[:1])
                return (bids[0][0] if bids else None), (asks[0][0] if asks else None)
        raise BadData(f"{self._venue.name}: the depth answer for {known.native} holds no book", kind="schema")

    async def instrument(self, name: str) -> Instrument:
        """From the venue's lists, which are read once."""
        await self._learn()
        if name not in self._known:
            raise UnknownInstrument(f"{self._venue.name} lists no {name}")
        return self._known[name]

    # ---- acting ------------------------------------------------------------------------------------------------------

    async def cancel_all(self, orders: Sequence[OrderUpdate]) -> None:
        """By the venue's own call, where it has one: for the account, or for each instrument."""
        if not self._orders.cancel_all:
            return
        names = sorted({each.instrument or "" for each in orders})
        wanted = [None] if self._orders.cancel_all == "account" else [await self.instrument(name) for name in names]
        refused: list[Refused] = []
        for instrument in wanted:
            for part in self._orders.calls["cancel_all"].parts:
                try:
                    await self._call(
                        OrderAsk(call="cancel_all", account=self.account, instrument=instrument, part=part)
                    )
                except OrderRefused as no:
                    refused.append(no)  # nothing of this kind is open, most likely: the others still go
        if refused:
            raise refused[0]

    async def cancel(self, order: OrderUpdate) -> None:
        """One that is gone already is none to complain of."""
        ask = OrderAsk(
            call="cancel", account=self.account, instrument=await self.instrument(order.instrument or ""),
            client_id=order.client_id, venue_id=order.venue_id, intent=_intent(order),
        )  # fmt: skip
        try:
            await self._call(ask)
        except OrderRefused as refused:
            if refused.reason not in GONE:
                raise

    async def place(self, order: Approved) -> None:
        """Send it. Raises OutcomeUnknown where nobody knows whether it arrived."""
        instrument = await self.instrument(order.intent.instrument)
        ask = OrderAsk(
            call="place", account=self.account, instrument=instrument, client_id=order.client_id, intent=order.intent
        )
        await self._call(ask)

    async def dead_man(self, countdown_s: int, instruments: Sequence[str] = ()) -> None:
        """Arm the venue's own timer anew (0 takes it away): of the account, or of each of these instruments."""
        if not self._orders.dead_man:
            raise Refused(f"{self._venue.name} has no dead-man timer")
        whole = self._orders.dead_man == "account"
        for each in [None] if whole else [await self.instrument(name) for name in instruments]:
            await self._call(OrderAsk(call="dead_man", account=self.account, instrument=each, countdown_s=countdown_s))

    # ---- within ------------------------------------------------------------------------------------------------------

    async def _spot(self, asked: Callable[[], Mapping[str, Decimal]]) -> list[Position]:
        await self._learn()
        if self._ours is None and any(each.kind == "spot" for each in self._known.values()):
            try:
                self._ours, self.unsure = asked(), ""
            except (TapelineError, OSError) as error:
                self.unsure = f"what strategies hold on spot is not known, and is left as it is: {error}"
        if not self._ours:
            return []
        totals = {each.currency: each.total or ZERO for each in await self._listed("balances", Balance)}
        found = []
        for name, size in self._ours.items():
            known = await self.instrument(name)
            if known.kind != "spot":
                continue
            total = totals.get(known.base, ZERO)
            had = self._had.setdefault(known.base, total)
            left = min(total, EXACT.subtract(size, EXACT.subtract(had, total)))
            if left > ZERO:
                found.append(
                    Position(name, "positions", None, self._rest_ns(), "rest", self.account, size=left)
                )  # fmt: skip
        return found

    def _rest_ns(self) -> int:
        return self._rest.venue_now_ns() or 0

    async def _listed(self, call: str, kind: type[T]) -> list[T]:
        await self._learn()
        found: list[T] = []
        for part in self._orders.calls[call].parts:
            answers = await self._call(OrderAsk(call=call, account=self.account, part=part))
            found += [each for each in answers if isinstance(each, kind)]
        return found

    async def _call(self, ask: OrderAsk) -> Sequence[OrderAnswer]:
        return await self._signed.call(ask, self._ids)

    async def _learn(self) -> None:
        if self._known:
            return
        found: dict[str, Instrument] = {}
        for part in self._venue.rest["instruments"].parts:
            answers = await self._rest.call(Ask("instruments", part=part), {}, priority=Priority.ORDERS)
            found |= {each.id: each for each in answers if isinstance(each, Instrument)}
        self._known = found  # all of them or none: a list that broke off is asked for again
        self._ids = {each.native: each.id for each in found.values()}


def _intent(order: OrderUpdate) -> Intent:
    """What was placed, as far as the venue tells: some venues address orders that wait in another way."""
    return Intent(
        instrument=order.instrument or "", side=order.side or "buy", kind=order.kind or "limit", size=order.size,
        price=order.price, stop_price=order.stop_price, time_in_force=order.time_in_force or "gtc",
        reduce_only=order.reduce_only, position=order.position, account=order.account,
    )  # fmt: skip
