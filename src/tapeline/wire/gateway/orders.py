"""The live gateway: the engine's commands as signed requests, the venue's answers as events. The only one that trades.

Nothing is sent twice: where nobody knows what became of a request, the venue is asked until its word is definite.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Never

import msgspec

from tapeline.clock import Clock
from tapeline.errors import (
    BadData,
    Broken,
    ClockWrong,
    ConfigError,
    OrderRefused,
    Refused,
    Retry,
    TapelineError,
    Unsent,
)
from tapeline.model.account import AccountEvent, Fill, OrderUpdate
from tapeline.model.event import Gap
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT
from tapeline.model.order import Intent, Order
from tapeline.model.secret import Credentials
from tapeline.trading.command import Amend, Cancel, CancelAll, Command, Submit, SubmitList
from tapeline.trading.input import Failed
from tapeline.trading.orders import NO_CLIENT_ID
from tapeline.trading.reconcile import Statement
from tapeline.trading.risk.check import Approved
from tapeline.venues.orders import Answered, Leg, OrderAnswer, OrderAsk, Orders
from tapeline.venues.spec import Request, Venue
from tapeline.wire.gateway.entry import Entry
from tapeline.wire.gateway.inquiry import Inquiries
from tapeline.wire.gateway.outcome import Leaving, Told, ends, reason_of
from tapeline.wire.gateway.statement import StatementReader
from tapeline.wire.gateway.sweep import Sweep
from tapeline.wire.pipe import Dial, Response
from tapeline.wire.private.account import AccountStream
from tapeline.wire.private.signed import ONCE, SignedRest, unsure
from tapeline.wire.rest import Rest

GONE = frozenset({"unknown_order", "already_final", "duplicate"})
"""Refusals that leave open what became of the order itself: the venue is asked."""
_WHAT = {"place": "submit", "amend": "amend", "cancel": "cancel"}
Work = Callable[[], Coroutine[Any, Any, None]]


def at_testnet(venue: Venue) -> Venue:
    """The venue's test network. Raises ConfigError where it has none."""
    orders = venue.orders
    if orders is None or not orders.testnet:
        raise ConfigError(f"{venue.name} has no test network that we know")

    def sign(request: Request, credentials: Credentials, venue_ns: int) -> Request:
        return _with_headers(orders.sign(request, credentials, venue_ns), orders.testnet_headers)

    def with_key(request: Request, credentials: Credentials) -> Request:
        return _with_headers(orders.with_key(request, credentials), orders.testnet_headers)

    there = replace(orders, sign=sign, with_key=with_key, entry=orders.entry if orders.testnet_entry else None)
    return replace(venue, urls={**venue.urls, **orders.testnet}, orders=there)


def _with_headers(request: Request, headers: tuple[tuple[str, str], ...]) -> Request:
    return msgspec.structs.replace(request, headers=(*request.headers, *headers))


class LiveGateway:
    """One account at one venue. `run` it; `execute` commands meanwhile. All that comes of them goes to `tell`.

    `rest` is the venue's, shared with its market data; `instruments` those that are traded, by id; `order_of` finds an
    order of ours by its client id (`Blotter.order`), and `owns` knows our client ids. `reconcile` is called as
    `AccountStream` says, and `problem` gets (kind, text).
    """

    def __init__(
        self, account: str, venue: Venue, orders: Orders, rest: Rest, credentials: Credentials, *,
        clock: Clock, dial: Dial, delays: Callable[[], Iterator[float]],
        instruments: Mapping[str, Instrument], order_of: Callable[[str], Order | None], tell: Callable[[Told], None],
        reconcile: Callable[[str], Awaitable[None]], problem: Callable[[str, str], None],
        owns: Callable[[str], bool] = bool, reconcile_every_s: float = 300.0,
        answered: Callable[[Request, Response], None] = lambda _request, _response: None,
    ) -> None:  # fmt: skip
        self._account, self._venue, self._orders = account, venue, orders
        self._instruments = instruments
        self._ids = {each.native: each.id for each in instruments.values()}
        self._clock, self._order_of, self._owns = clock, order_of, owns
        self._tell_to, self._problem = tell, problem
        self.rest = SignedRest(venue, orders, rest, credentials, clock=clock, delays=delays, answered=answered)
        self.stream = AccountStream(
            account, venue, orders, self.rest, instruments, dial=dial, clock=clock, delays=delays, tell=self._heard,
            reconcile=reconcile, problem=problem, reconcile_every_s=reconcile_every_s,
        )  # fmt: skip
        self.entry = None if orders.entry is None else Entry(
            orders.entry, venue.urls[orders.entry.endpoint], self.rest, dial=dial, clock=clock, delays=delays,
            late=self._late, problem=problem,
        )  # fmt: skip
        self.inquiries = Inquiries(
            orders, self.rest, self._ids, account=account, clock=clock, fresh=self._fresh, ask_of=self._ask,
            cancel=self._cancel_again, answered=self._answered, heard=self._heard, failed=tell, problem=problem,
        )  # fmt: skip
        self._sweep = Sweep(
            orders, self.rest, self._ids, instruments, account=account, clock=clock, ours=self._is_ours,
            cancel=self._cancel_found, answered=self._answered, tell=tell, problem=problem,
        )  # fmt: skip
        self._reader = StatementReader(account, orders, self.rest, instruments)
        self._busy: dict[str, asyncio.Task[None]] = {}  # the last command of an order that is under way
        self._at_start: list[str | None] = []  # what is cancelled as it begins
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> Never:
        """Until cancelled. Commands may be given once it has begun; to cancel all may be asked for before."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for instrument in self._at_start:
                self._cancel_all(instrument)
            if self.entry is not None:
                tasks.create_task(self.entry.run(), name=f"order entry of {self._account}")
            await self.stream.run()
        raise AssertionError("an account is kept for ever")

    def execute(self, command: Command) -> None:
        """Send a command; returns at once. Commands on the same order go one after the other."""
        match command:
            case Submit(approved):
                self.submit(approved)
            case SubmitList(name, approved):
                self.submit_list(name, approved)
            case Amend(client_id, size, price):
                self._queue([client_id], partial(self._amend, self._known(client_id), size, price), "amend")
            case Cancel(client_id):
                self._queue([client_id], partial(self._cancel, self._known(client_id)), "cancel")
            case CancelAll(_, instrument) if self._tasks is None:
                self._at_start.append(instrument)  # a halt may come first
            case CancelAll(_, instrument):
                self._cancel_all(instrument)
            case _:
                raise Broken(f"{type(command).__name__} is no command for a venue")

    def submit(self, approved: Approved) -> None:
        """Place an order that risk has approved and the journal holds."""
        order = self._checked(approved)
        self._queue([order.client_id], partial(self._place, order), "submit")

    def submit_list(self, name: str, approved: Sequence[Approved]) -> None:
        """Place orders as one list of this name, which risk has approved and the journal holds."""
        orders = [self._checked(each) for each in approved]
        self._queue([each.client_id for each in orders], partial(self._place_list, name, orders), "submit list")

    def _checked(self, approved: Approved) -> Order:
        """The order as it is sent: what cannot be is a fault of ours, and is not."""
        assert isinstance(approved, Approved), "only risk approves an order"
        orders, client_id, intent = self._orders, approved.client_id, approved.intent
        assert re.fullmatch(orders.client_id, client_id), f"{client_id!r} is no client id of {self._venue.name}"
        assert intent.kind in orders.kinds, f"{self._venue.name} has no {intent.kind} orders: they are emulated"
        assert intent.time_in_force in orders.times_in_force, f"{self._venue.name} has no {intent.time_in_force}"
        instrument = self._instruments[intent.instrument]
        assert _on_grid(intent.price, instrument.tick), f"{intent.price} is not on the tick of {instrument.id}"
        assert _on_grid(intent.size, instrument.lot), f"{intent.size} is not on the lot of {instrument.id}"
        return Order(client_id=client_id, intent=intent, size=intent.size, price=intent.price)

    def look_up(self, order: Order) -> None:
        """Ask what became of an order of which nobody knows, until the venue's word is definite (after a restart)."""
        self._doubt(order, "")

    async def read(self, ask: OrderAsk) -> Sequence[OrderAnswer]:
        """An answer for whoever reconciles. Raises as `SignedRest.call`."""
        assert ask.call not in ONCE, f"{ask.call} is a command: execute() it"
        return await self.rest.call(msgspec.structs.replace(ask, account=self._account), self._ids)

    async def statement(
        self, *, since_ns: int, last_fill: Mapping[str, str] | None = None, look_up: Sequence[Order] = (),
        reasons: Mapping[str, Sequence[str]] | None = None, knows: Callable[[Fill], bool] = lambda _fill: True,
    ) -> Statement:  # fmt: skip
        """All that the venue says of the account, for `reconcile`; see `StatementReader.read`."""
        return await self._reader.read(
            since_ns=since_ns, last_fill=last_fill, look_up=look_up, reasons=reasons, knows=knows
        )  # fmt: skip

    async def dead_man(self, countdown_s: int, instruments: Sequence[str] = ()) -> None:
        """Arm or renew the venue's own timer, which cancels everything when it runs out; 0 disarms.

        A venue with a timer for each instrument needs their ids. Raises as `SignedRest.call`.
        """
        if not self._orders.dead_man:
            raise Refused(f"{self._venue.name} has no dead-man timer")
        whole = self._orders.dead_man == "account"
        targets = [None] if whole else [self._instruments[name] for name in instruments]
        for instrument in targets:
            await self.read(OrderAsk(call="dead_man", instrument=instrument, countdown_s=countdown_s))

    def unknown(self) -> list[str]:
        """Client ids of orders of which nobody knows what became."""
        return self.inquiries.unknown()

    # ---- commands -------------------------------------------------------------------------------------------------

    async def _place(self, order: Order) -> None:
        await self._send(order, self._ask("place", order))

    async def _place_list(self, name: str, orders: Sequence[Order]) -> None:
        """Both or none: what nobody knows of the list is not known of each of its orders, and each is asked for."""
        leaving = [Leaving(each.client_id, "submit", self._clock, self._tell_to) for each in orders]
        legs = tuple(Leg(each.client_id, each.intent) for each in orders)
        ask = msgspec.structs.replace(
            self._ask("place_list", orders[0]), client_id=name, venue_id="", intent=None, legs=legs
        )

        def left() -> None:
            for each in leaving:
                each()

        try:
            answers = await self._exchange(ask, left)
        except TapelineError as error:
            for order, each in zip(orders, leaving, strict=True):
                self._failed(order, self._ask("place", order), error, left=each.left)
        else:
            self._answered(answers, fresh=True)

    async def _amend(self, order: Order, size: Decimal | None, price: Decimal | None) -> None:
        now = self._fresh(order)  # some venues want both: what is not changed is as it was amended last, not as placed
        intent = msgspec.structs.replace(now.intent, size=now.size, price=now.price)
        await self._send(order, msgspec.structs.replace(self._ask("amend", now), intent=intent, size=size, price=price))

    async def _cancel(self, order: Order) -> None:
        await self._send(order, self._ask("cancel", self._fresh(order)))

    def _cancel_all(self, instrument: str | None) -> None:
        self._start(partial(self._sweep.run, instrument), f"cancel all of {self._account}")

    async def _cancel_again(self, order: Order) -> None:
        """Of an order that should be cancelled and is alive: what comes of it, the next inquiry shows."""
        leaving = Leaving(order.client_id, "cancel", self._clock, self._tell_to)
        try:
            self._answered(await self._exchange(self._ask("cancel", order), leaving), fresh=True)
        except (Retry, Refused, BadData) as trouble:
            self._problem("cancel", f"{order.client_id}: {trouble}")

    async def _cancel_found(self, update: OrderUpdate) -> None:
        order = self._named(update) or _order_from(update)
        await self._cancel(msgspec.structs.replace(order, venue_id=update.venue_id or order.venue_id))

    async def _send(self, order: Order, ask: OrderAsk) -> None:
        """One command, and its outcome told."""
        leaving = Leaving(order.client_id, _WHAT[ask.call], self._clock, self._tell_to)
        try:
            answers = await self._exchange(ask, leaving)
        except TapelineError as error:
            self._failed(order, ask, error, left=leaving.left)
        else:
            self._answered(answers, fresh=True)
            if ask.call != "place" and not any(ends(each, ask) for each in answers):
                # Taken, and not done yet: the stream tells how it ended, or else the venue is asked.
                self._doubt(order, leaving.what, size=ask.size, price=ask.price)

    async def _exchange(self, ask: OrderAsk, sent: Callable[[], None]) -> Sequence[OrderAnswer]:
        """By the connection for orders where it is up, else by REST. A stamp that was refused is corrected once."""
        for attempt in (1, 2):
            if self.entry is None or not self.entry.takes(ask):
                break
            asked_at = self._clock.now()
            await self.rest.know_clock()
            await self.rest.turn(ask)
            try:
                answered = await self.entry.ask(ask, sent)
                return self.rest.read(ask, self._ids, answered.status, answered.body)
            except Unsent:
                break
            except ClockWrong as wrong:
                if attempt == 2:
                    raise
                await self.rest.fix_clock(wrong, asked_at)
        return await self.rest.call(ask, self._ids, sent=sent)

    def _failed(self, order: Order, ask: OrderAsk, error: TapelineError, *, left: bool) -> None:
        """Tell what became of a command that has no good answer; where that leaves something open, find out."""
        what, reason = _WHAT[ask.call], reason_of(error)
        outcome = "unknown" if unsure(error) else "refused" if left else "unsent"
        self._tell_to(Failed(order.client_id, what, outcome, self._clock.wall_ns(), str(error), reason))
        if outcome == "unknown" or (outcome == "refused" and reason in GONE):
            self._doubt(order, what, size=ask.size, price=ask.price)

    def _doubt(self, order: Order, what: str, *, size: Decimal | None = None, price: Decimal | None = None) -> None:
        """From now on the venue is asked for this order until it is known what became of it."""
        if self.inquiries.doubt(order, what, size=size, price=price):
            self._start(partial(self.inquiries.resolve, order.client_id), f"what became of {order.client_id}")

    # ---- what is told ---------------------------------------------------------------------------------------------

    def _heard(self, event: AccountEvent | Gap) -> None:
        """From the stream, or found out: whatever is in doubt may be settled by it."""
        if not isinstance(event, Gap):
            self.inquiries.hear(event)
        self._tell_to(event)

    def _answered(self, answers: Sequence[OrderAnswer], *, fresh: bool = False) -> None:
        """From a request: the stream has to tell the same in time. `fresh`: it is of what has just been done."""
        for answer in answers:
            if isinstance(answer, OrderUpdate):
                at_ns = self.rest.stamp_ns() if fresh and answer.at_ns is None else answer.at_ns
                self.stream.shown(self._of_its_kind(answer), at_ns)
            if isinstance(answer, AccountEvent):
                self._heard(answer)

    def _of_its_kind(self, update: OrderUpdate) -> OrderUpdate:
        """An answer seldom says of what kind an order is; what waits for a price, another stream may tell."""
        known = None if update.kind else self._named(update)
        return update if known is None else msgspec.structs.replace(update, kind=known.intent.kind)

    def _late(self, ask: OrderAsk, answered: Answered) -> None:
        """An answer after its deadline: it settles what was in doubt."""
        try:
            self._answered(self.rest.read(ask, self._ids, answered.status, answered.body))
        except OrderRefused as no:
            placed = {"place": [ask.client_id], "place_list": [leg.client_id for leg in ask.legs]}.get(ask.call, [])
            for client_id in placed if no.reason not in GONE else ():
                if self.inquiries.never_placed(client_id):
                    self._tell_to(Failed(client_id, "submit", "refused", self._clock.wall_ns(), str(no), no.reason))
        except TapelineError as trouble:
            self._problem("late answer", f"{ask.call} {ask.client_id}: {trouble}")

    def _ask(self, call: str, order: Order) -> OrderAsk:
        own_name = not order.client_id.startswith(NO_CLIENT_ID)  # an order that was claimed may go by the venue's id
        return OrderAsk(
            call=call, account=self._account, instrument=self._instruments[order.intent.instrument],
            client_id=order.client_id if own_name else "", venue_id=order.venue_id, intent=order.intent,
        )  # fmt: skip

    def _is_ours(self, update: OrderUpdate) -> bool:
        return self._owns(update.client_id) or self._named(update) is not None

    def _named(self, update: OrderUpdate) -> Order | None:
        """The order of ours that it is about: by its own id, or one that was claimed."""
        return self._order_of(update.client_id) or self._order_of(NO_CLIENT_ID + update.venue_id)

    def _known(self, client_id: str) -> Order:
        order = self._order_of(client_id)
        if order is None:
            raise Broken(f"{client_id} is no order of ours")
        return order

    def _fresh(self, order: Order) -> Order:
        """The order as it is known by now: the venue's id may have come meanwhile."""
        return self._order_of(order.client_id) or order

    def _queue(self, client_ids: Sequence[str], command: Work, what: str) -> None:
        """Behind the last command of each order: a cancel must not overtake what it cancels."""
        before = {self._busy[each] for each in client_ids if each in self._busy}

        async def in_turn() -> None:
            if before:
                await asyncio.wait(before)
            try:
                await command()
            finally:
                for each in client_ids:
                    if self._busy.get(each) is task:
                        del self._busy[each]

        task = self._start(in_turn, f"{what} {' '.join(client_ids)}")
        self._busy |= dict.fromkeys(client_ids, task)

    def _start(self, work: Work, name: str) -> asyncio.Task[None]:
        assert self._tasks is not None, "commands are executed while run() runs"
        return self._tasks.create_task(work(), name=name)


def _on_grid(value: Decimal | None, step: Decimal | None) -> bool:
    return value is None or not step or EXACT.remainder(value, step) == 0


def _order_from(update: OrderUpdate) -> Order:
    intent = Intent(
        instrument=update.instrument or "", side=update.side, kind=update.kind, size=update.size, price=update.price,
        account=update.account, position=update.position,
    )  # fmt: skip
    return Order(client_id=update.client_id, venue_id=update.venue_id, intent=intent, state=update.state)
