"""Orders over a WebSocket: one connection kept open, requests matched to answers by id, a deadline on each."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Never

from tapeline.clock import Clock
from tapeline.errors import BadData, ConnectionLost, OutcomeUnknown, Refused, Retry, Unsent
from tapeline.venues.orders import Answered, OrderAsk, OrderEntry
from tapeline.wire.pipe import Dial
from tapeline.wire.private.line import PrivateLine
from tapeline.wire.private.session import Heard, Over, Way
from tapeline.wire.private.signed import SignedRest

ANSWER_S = 5.0
LOOK_S = 0.5
MOST_LATE = 1000  # requests whose answer may still come
HEALTHY_AFTER_S = 60.0
REFUSED_S = 30.0


class Entry:
    """One account's way to place orders over a WebSocket. While it is not `up`, orders go by REST.

    `late` gets an answer that came after its deadline: it says what became of a request that nobody knew of.
    """

    def __init__(
        self, entry: OrderEntry, url: str, rest: SignedRest, *, dial: Dial, clock: Clock,
        delays: Callable[[], Iterator[float]], late: Callable[[OrderAsk, Answered], None],
        problem: Callable[[str, str], None], answer_s: float = ANSWER_S,
    ) -> None:  # fmt: skip
        self._entry, self._url, self._rest = entry, url, rest
        self._dial, self._clock, self._delays = dial, clock, delays
        self._late_to, self._problem, self._answer_s = late, problem, answer_s
        self._ids = count(1)
        self._line: PrivateLine | None = None
        self._waiting: dict[str, asyncio.Future[Answered]] = {}
        self._late: OrderedDict[str, OrderAsk] = OrderedDict()
        self._opened_at = 0.0
        self._waits = delays()

    @property
    def up(self) -> bool:
        """Whether requests can go this way."""
        return self._line is not None and self._line.open

    def takes(self, ask: OrderAsk) -> bool:
        """Whether this goes this way now. Raises OrderRefused for what the venue has no words for."""
        return self.up and ask.call in self._entry.calls and self._entry.takes(ask)

    async def run(self) -> Never:
        """Keep it open until cancelled."""
        while True:
            after_s = await self._once()
            if self._clock.now() - self._opened_at >= HEALTHY_AFTER_S:
                self._waits = self._delays()
            await asyncio.sleep(max(next(self._waits), after_s))

    async def ask(self, ask: OrderAsk, sent: Callable[[], None]) -> Answered:
        """The answer. Raises Unsent where it is not up, and OutcomeUnknown where no answer came."""
        line = self._line
        if line is None or not line.open:
            raise Unsent(f"{ask.call}: the connection for orders is not open")
        request_id = str(next(self._ids))
        frame = self._entry.frame(ask, request_id, self._rest.credentials, self._rest.stamp_ns())
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        try:
            sent()
            async with asyncio.timeout(self._answer_s):
                await line.send(frame)
                return await future
        except TimeoutError as error:
            self._late[request_id] = ask
            if len(self._late) > MOST_LATE:
                self._late.popitem(last=False)
            raise OutcomeUnknown(f"{ask.call}: no answer within {self._answer_s:g} s") from error
        except ConnectionLost as lost:
            raise OutcomeUnknown(f"{ask.call}: {lost}") from lost
        finally:
            del self._waiting[request_id]

    # ---- what the connection calls --------------------------------------------------------------------------------

    def opened(self, line: PrivateLine) -> None:
        """See `line.Owner`."""
        assert line is self._line, "only one connection is ours at a time"
        self._opened_at = self._clock.now()

    def hear(self, _line: PrivateLine, items: Sequence[Heard]) -> None:
        """See `line.Owner`. The first answer counts; the same one again is nobody's."""
        for item in items:
            if not isinstance(item, Answered):
                continue
            future = self._waiting.get(item.request_id)
            if future is not None:
                if not future.done():
                    future.set_result(item)
            elif item.request_id in self._late:
                self._late_to(self._late.pop(item.request_id), item)
            elif item.status >= 300:
                self._problem("order entry", f"an answer to nothing: {item.body[:200]!r}")

    def tick(self, line: PrivateLine, now: float) -> float:
        """See `line.Owner`. At its age it is replaced, once nothing waits for an answer."""
        if line.session is not None and line.session.doubt:
            self._problem("order entry", line.session.doubt)
            line.session.doubt = ""
        closing = line.session.closing if line.session is not None else ""
        old_at = self._opened_at + self._entry.life_s if line.open else float("inf")
        if closing:
            old_at = now
        if now < old_at:
            return old_at
        if self._waiting:
            return now + LOOK_S
        raise Over(f"the venue is about to close it: {closing}" if closing else "the connection reached its age limit")

    # ---- one connection -------------------------------------------------------------------------------------------

    async def _once(self) -> float:
        """One connection from dial to end; returns how long the venue wants to be left alone."""
        why, after_s = "", 0.0
        entry = self._entry
        way = Way(decoder=entry.decoder, opening=entry.opening, ping=entry.ping)
        try:
            await self._rest.know_clock()
            self._line = PrivateLine(
                way, self._rest.credentials, clock=self._clock, stamp_ns=self._rest.stamp_ns, owner=self
            )
            await self._line.keep(self._url, self._dial)
        except Over as over:
            why = over.reason
            if over.refusal is not None:
                after_s = REFUSED_S
                why = f"{why}: {over.refusal.body[:200]!r}"
        except Retry as trouble:
            why, after_s = str(trouble), trouble.after_s or 0.0
        except (Refused, BadData) as trouble:
            why, after_s = str(trouble), REFUSED_S
        self._line = None
        self._ended(why)
        return after_s

    def _ended(self, why: str) -> None:
        self._problem("order entry", why)
        self._late.clear()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionLost(f"the connection ended before the answer: {why}"))
