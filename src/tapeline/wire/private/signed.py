"""Signed requests: an account's side of a venue's REST, in one line with all else that is asked there."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from tapeline.clock import Clock
from tapeline.errors import (
    AuthenticationRefused,
    BadData,
    ClockWrong,
    ConnectionLost,
    OrderRefused,
    OutcomeUnknown,
    Refused,
    Retry,
    TapelineError,
    TimedOut,
    UnknownInstrument,
    Unsent,
)
from tapeline.model.secret import Credentials
from tapeline.venues.orders import OrderAnswer, OrderAsk, OrderCall, Orders
from tapeline.venues.spec import Priority, Request, Venue
from tapeline.wire.pipe import Response
from tapeline.wire.rest import Rest
from tapeline.wire.turns import MOST_WAIT_S

ONCE = frozenset({"place", "place_list", "amend", "cancel", "cancel_all"})
"""Calls that are sent once: where nobody knows what became of one, the venue is asked, and it is not repeated."""
MOST_PAGES = 1000
CLOCK_OLD_S = 300.0  # a reading of the venue's clock older than this is renewed before something is signed
NO_LATER = frozenset({"place", "place_list", "amend"})
TURN_S = 5.0  # an order whose turn does not come within this is not sent: it was meant for the market of its moment
_DEFINITE = (OrderRefused, AuthenticationRefused, UnknownInstrument)


def _nothing() -> None:
    """Nobody wants to know."""


class SignedRest:
    """One account at one venue: `call` signs with the venue's own clock, waits for its turn and reads the answer.

    It shares `rest`'s budgets, silence and reading of the venue's clock. Our own clock is in no signature. `answered`
    gets every answer, with its request as it was before it was signed.
    """

    def __init__(
        self, venue: Venue, orders: Orders, rest: Rest, credentials: Credentials, *, clock: Clock,
        delays: Callable[[], Iterator[float]], attempts: int = 4,
        answered: Callable[[Request, Response], None] = lambda _request, _response: None,
    ) -> None:  # fmt: skip
        self._venue, self._orders, self._rest = venue, orders, rest
        self.credentials = credentials
        self._clock, self._delays, self._attempts = clock, delays, attempts
        self._answered = answered
        self._reading_clock = asyncio.Lock()

    async def call(
        self, ask: OrderAsk, ids: Mapping[str, str], *, priority: Priority = Priority.ORDERS,
        sent: Callable[[], None] = _nothing,
    ) -> Sequence[OrderAnswer]:  # fmt: skip
        """The answer: one page of it. `ids` maps native symbols to instrument ids; `sent` is called as it leaves.

        Raises OrderRefused or AuthenticationRefused, a definite no. Of a call in ONCE: OutcomeUnknown where it may have
        been acted upon; any other Retry where it was not (Unsent, RateLimited, ClockWrong). All other calls are
        repeated while that may help, and raise Retry in the end, or BadData.
        """
        return (await self._answer(ask, ids, priority, sent))[0]

    async def listed(
        self, ask: OrderAsk, ids: Mapping[str, str], *, priority: Priority = Priority.ORDERS
    ) -> list[OrderAnswer]:
        """All of a list, whatever parts and pages it comes in. Raises as `call`, and BadData where it has no end."""
        assert ask.call not in ONCE, f"{ask.call} is a command and no list"
        call, found = self._orders.calls[ask.call], list[OrderAnswer]()
        for part in call.parts:
            page: OrderAsk | None = msgspec.structs.replace(ask, part=part)
            for _ in range(MOST_PAGES):
                if page is None:
                    break
                answers, body = await self._answer(page, ids, priority, _nothing)
                found += answers
                page = call.next(page, body)
            else:
                raise BadData(f"{self._venue.name} {ask.call}: no end after {MOST_PAGES} pages", kind="schema")
        return found

    async def _answer(
        self, ask: OrderAsk, ids: Mapping[str, str], priority: Priority, sent: Callable[[], None]
    ) -> tuple[Sequence[OrderAnswer], bytes]:
        once = ask.call in ONCE
        waits = self._delays()
        clock_fixed = False
        for attempt in range(1, self._attempts + 1):
            asked_at = self._clock.now()
            try:
                return await self._asked(ask, ids, priority, sent)
            except ClockWrong as wrong:
                if clock_fixed:
                    raise
                clock_fixed = True
                await self.fix_clock(wrong, asked_at)
            except Retry as trouble:
                if once or attempt == self._attempts or (trouble.after_s or 0.0) > MOST_WAIT_S:
                    raise
                await asyncio.sleep(max(trouble.after_s or 0.0, next(waits)))
        raise ClockWrong(f"{self._venue.name} {ask.call}: refused for its time stamp, even after reading the clock")

    async def turn(self, ask: OrderAsk, *, priority: Priority = Priority.ORDERS) -> None:
        """Wait until this may be asked over a WebSocket, which costs what asking by REST does."""
        await self._turn(self._orders.calls[ask.call].build(ask), ask, priority)

    def read(self, ask: OrderAsk, ids: Mapping[str, str], status: int, body: bytes) -> Sequence[OrderAnswer]:
        """What an answer says, however it came. Raises as `call` does."""
        return self._read(self._orders.calls[ask.call], ask, ids, Response(status, {}, body))

    def stamp_ns(self) -> int:
        """The venue's clock, for a signature; to be called once `know_clock` has been."""
        stamp = self._rest.stamp_ns()
        assert stamp is not None, "nothing is signed before the venue's clock is known: call know_clock() first"
        return stamp

    def surely_ns(self) -> int:
        """The least that the venue's clock can be, for what is compared with its stamps; after `know_clock` too."""
        least = self._rest.surely_ns()
        assert least is not None, "nothing is compared before the venue's clock is known: call know_clock() first"
        return least

    async def know_clock(self, *, priority: Priority = Priority.ORDERS) -> None:
        """Read the venue's clock where that was not done of late. Raises Unsent where it never could be."""
        if self._rest.clock_age_s() <= CLOCK_OLD_S:
            return
        try:
            await self._read_clock(CLOCK_OLD_S, priority)
        except (Retry, Refused, BadData) as error:
            if self._rest.stamp_ns() is None:
                raise Unsent(f"{self._venue.name}: the venue's clock could not be read: {error}") from error

    async def fix_clock(self, wrong: ClockWrong, asked_at: float) -> None:
        """The venue did not accept a stamp of something asked at `asked_at`: read its clock anew. Raises `wrong`."""
        try:
            await self._read_clock(self._clock.now() - asked_at, Priority.ORDERS)
        except (Retry, Refused, BadData) as error:
            raise wrong from error

    async def _read_clock(self, older_than_s: float, priority: Priority) -> None:
        """Read it, unless somebody else has while we waited."""
        async with self._reading_clock:
            if self._rest.clock_age_s() >= older_than_s:
                await self._rest.server_time(priority=priority)

    async def _asked(
        self, ask: OrderAsk, ids: Mapping[str, str], priority: Priority, sent: Callable[[], None]
    ) -> tuple[Sequence[OrderAnswer], bytes]:
        call = self._orders.calls[ask.call]
        request = call.build(ask)
        if call.signed == "signed":
            await self.know_clock(priority=priority)
        await self._turn(request, ask, priority)
        signed = self._signed(call, request)
        self._rest.calls[f"{priority.name.lower()} {ask.call}"] += 1
        sent()
        try:
            response = await self._rest.send(signed)
        except (TimedOut, ConnectionLost) as lost:
            if isinstance(lost, Unsent) or ask.call not in ONCE:
                raise
            raise OutcomeUnknown(f"{self._venue.name} {ask.call}: {lost}") from lost
        self._answered(request, response)
        return self._read(call, ask, ids, response), response.body

    async def _turn(self, request: Request, ask: OrderAsk, priority: Priority) -> None:
        try:
            async with asyncio.timeout(TURN_S if ask.call in NO_LATER else None):
                await self._rest.turns.wait(request, priority)
        except TimeoutError as error:
            text = f"{self._venue.name} {ask.call}: the venue's limits left no room for it within {TURN_S:g} s"
            raise Unsent(text) from error

    def _signed(self, call: OrderCall, request: Request) -> Request:
        if call.signed == "signed":
            return self._orders.sign(request, self.credentials, self.stamp_ns())
        return self._orders.with_key(request, self.credentials) if call.signed == "key" else request

    def _read(
        self, call: OrderCall, ask: OrderAsk, ids: Mapping[str, str], response: Response
    ) -> Sequence[OrderAnswer]:
        where = f"{self._venue.name} {ask.call}"
        parse = partial(call.parse, response.body, ask, ids, self._clock.wall_ns())
        if ask.call not in ONCE:
            return self._rest.turns.reading(ask.call, response, parse)
        try:
            return self._rest.turns.reading(ask.call, response, partial(_doubted, where, response, parse))
        except ConnectionLost as trouble:
            raise OutcomeUnknown(str(trouble), after_s=trouble.after_s) from trouble
        except Refused as refused:
            if isinstance(refused, _DEFINITE):
                raise
            raise OutcomeUnknown(str(refused)) from refused


def _doubted(where: str, response: Response, parse: Callable[[], Sequence[OrderAnswer]]) -> Sequence[OrderAnswer]:
    """An answer that nobody can read says nothing of what became of the order."""
    try:
        return parse()
    except BadData as bad:
        raise OutcomeUnknown(f"{where}: HTTP {response.status} that could not be read: {bad}") from bad


def unsure(error: TapelineError) -> bool:
    """Whether this leaves open what became of an order."""
    return isinstance(error, OutcomeUnknown | BadData)
