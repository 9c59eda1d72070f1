"""Keeps one private stream of an account alive, for ever."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Never, Protocol

from tapeline.clock import Clock
from tapeline.errors import AuthenticationRefused, BadData, ClockWrong, Refused, Retry, TapelineError
from tapeline.model.account import AccountEvent, OrderUpdate
from tapeline.model.instrument import Instrument
from tapeline.venues.orders import Answered, ListenKey, OrderAsk, PrivateStream
from tapeline.venues.spec import Venue
from tapeline.wire.pipe import Dial
from tapeline.wire.private import Heard, Over, Way
from tapeline.wire.private_line import PrivateLine
from tapeline.wire.signed import SignedRest
from tapeline.wire.unheard import Unheard

HEALTHY_AFTER_S = 60.0  # the back-off starts anew only after a stream has been open so long
REFUSED_S = 30.0  # a venue that does not take the key is not asked more often
SURE_S = 1.0  # a stamp this close to the opening may be of before it


@dataclass(slots=True)
class ListeningStatistics:
    """How a private stream does. `why`: it is not open for this reason, "" where it is."""

    endpoint: str
    open: bool = False
    why: str = "not opened yet"
    opened: int = 0
    losses: int = 0
    failures: int = 0  # dials and openings without success since it was last open
    doubts: int = 0


class Keeper(Protocol):
    """Who has to know what was missed."""

    def hear(self, event: AccountEvent) -> None:
        """An event of the stream."""

    def rose(self, listening: "Listening", at_ns: int) -> None:
        """It is open from here on, by the venue's clock."""

    def fell(self, listening: "Listening", cause: str, heard_ns: int) -> None:
        """It was open, and is not any more; the last sign of life was then. `cause` is a Gap's."""

    def doubt(self, why: str) -> None:
        """Something may have been missed although it is open."""


class Listening:
    """One private stream. `keeper` gets its events and hears of its losses; `problem` gets (kind, text)."""

    def __init__(
        self, account: str, venue: Venue, stream: PrivateStream, rest: SignedRest,
        instruments: Mapping[str, Instrument], *, dial: Dial, clock: Clock, delays: Callable[[], Iterator[float]],
        keeper: Keeper, problem: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        self._account, self._venue, self._stream, self._rest = account, venue, stream, rest
        self._instruments = {each.native: each for each in instruments.values()}
        self._ids = {native: each.id for native, each in self._instruments.items()}
        self._dial, self._clock, self._delays = dial, clock, delays
        self._keeper, self._problem = keeper, problem
        self._waits = delays()
        self._unheard = Unheard()
        self._line: PrivateLine | None = None
        self._listen_key = ""
        self._keeping: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._opened_at, self._opened_ns = 0.0, 0
        self._heard_ns = 0  # by the venue's clock, of the last stream that was open
        self.statistics = ListeningStatistics(stream.endpoint)

    @property
    def open(self) -> bool:
        """Whether everything is told as it happens, as far as one can know."""
        return self.statistics.open

    async def run(self) -> Never:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            while True:
                after_s = await self._once()
                await asyncio.sleep(max(next(self._waits), after_s))
        raise AssertionError("a stream is kept for ever")

    def shown(self, update: OrderUpdate, at_ns: int | None) -> None:
        """A request showed this, of that time: where the stream has been open since before, it has to tell it too."""
        if self.open and "orders" in self._stream.tells and (at_ns or 0) > self._opened_ns + SURE_S * 1e9:
            self._unheard.shown(update, self._clock.now())
            if self._line is not None:
                self._line.wake()

    # ---- what the connection calls --------------------------------------------------------------------------------

    def opened(self, line: PrivateLine) -> None:
        """See `private_line.Owner`."""
        assert line is self._line, "only one connection is ours at a time"
        self._opened_at, self._opened_ns = self._clock.now(), self._rest.stamp_ns()
        stats = self.statistics
        stats.open, stats.why, stats.failures = True, "", 0
        stats.opened += 1
        self._keeper.rose(self, self._opened_ns)

    def hear(self, items: Sequence[Heard]) -> None:
        """See `private_line.Owner`."""
        for item in items:
            if isinstance(item, Answered):
                if item.status >= 300:
                    self._problem("private stream", f"refused: {item.body[:200]!r}")
                continue
            if isinstance(item, OrderUpdate):
                self._unheard.told(item)
            self._keeper.hear(item)

    def tick(self, line: PrivateLine, now: float) -> float:
        """See `private_line.Owner`."""
        session = line.session
        assert session is not None, "it is the session's own timer"
        if session.keep_due:
            session.keep_due = False
            self._keep_alive(line)
        if session.doubt:
            self.statistics.doubts += 1
            self._problem("private stream", session.doubt)
            self._keeper.doubt(session.doubt)
            session.doubt = ""
        silent_on = self._unheard.overdue(now)
        if silent_on:
            raise Over(f"a request showed order {silent_on}, and the stream did not tell of it", cause="silence")
        return self._unheard.deadline()

    # ---- one connection -------------------------------------------------------------------------------------------

    async def _once(self) -> float:
        """One connection from dial to end; returns how long the venue wants to be left alone."""
        why, cause, after_s = "", "link_down", 0.0
        try:
            await self._connect()
        except Over as over:
            why, cause = over.reason, over.cause
            if over.refusal is not None:
                said, after_s = await self._refused(over.refusal)
                why = f"{why}: {said}"
        except Retry as trouble:
            why, after_s = self._without_key(str(trouble)), trouble.after_s or 0.0
        except (Refused, BadData) as trouble:
            why, after_s = str(trouble), REFUSED_S
        self._lost(why, cause)
        return after_s

    async def _connect(self) -> None:
        await self._rest.know_clock()
        stream = self._stream
        self._listen_key = await self._new_listen_key() if stream.listen_key else ""
        way = Way(
            decoder=stream.decoder(self._venue.name, self._account, self._instruments),
            opening=(*stream.opening, *stream.opening_for(self._instruments)),
            ping=stream.ping, ping_every_s=stream.ping_every_s, silence_s=stream.silence_s,
            keep_s=stream.alive_s if stream.listen_key else float("inf"),
        )  # fmt: skip
        self._line = PrivateLine(
            way, self._rest.credentials, clock=self._clock, stamp_ns=self._rest.stamp_ns, owner=self
        )
        try:
            await self._line.keep(stream.url(self._venue.urls[stream.endpoint], self._listen_key), self._dial)
        finally:
            session, self._line = self._line.session, None
            if session is not None and session.opened:
                heard_s = self._clock.now() - session.heard_at
                self._heard_ns = self._rest.stamp_ns() - round(heard_s * 1e9)

    def _without_key(self, text: str) -> str:
        """A listen key is in the address that was dialled, and opens the account's stream to whoever has it."""
        return text.replace(self._listen_key, "***") if self._listen_key else text

    def _lost(self, why: str, cause: str) -> None:
        self._unheard.forget()
        stats = self.statistics
        was_open, stats.open = stats.open, False
        if was_open:
            stats.losses += 1
            if self._clock.now() - self._opened_at >= HEALTHY_AFTER_S:
                self._waits = self._delays()
            self._keeper.fell(self, cause, self._heard_ns)
        else:
            stats.failures += 1
        stats.why = why
        self._problem("private stream", why)

    async def _refused(self, refusal: Answered) -> tuple[str, float]:
        """What the venue meant by refusing a step of the opening; a wrong clock is read anew."""
        asked_at = self._clock.now()
        try:
            self._rest.read(OrderAsk(call="order", account=self._account), self._ids, refusal.status, refusal.body)
        except ClockWrong as wrong:
            try:
                await self._rest.fix_clock(wrong, asked_at)
            except ClockWrong:
                return str(wrong), REFUSED_S
            return str(wrong), 0.0
        except AuthenticationRefused as refused:
            return str(refused), REFUSED_S
        except TapelineError as trouble:
            return str(trouble), getattr(trouble, "after_s", None) or 0.0
        return f"HTTP-like status {refusal.status}", 0.0

    # ---- its listen key -------------------------------------------------------------------------------------------

    async def _new_listen_key(self) -> str:
        answers = await self._rest.call(OrderAsk(call="listen_key", account=self._account), self._ids)
        for answer in answers:
            if isinstance(answer, ListenKey):
                return answer.key
        raise BadData(f"{self._venue.name}: the answer holds no listen key")

    def _keep_alive(self, line: PrivateLine) -> None:
        if self._tasks is not None and (self._keeping is None or self._keeping.done()):
            self._keeping = self._tasks.create_task(self._kept_alive(line), name=f"listen key of {self._account}")

    async def _kept_alive(self, line: PrivateLine) -> None:
        ask = OrderAsk(call="listen_key_alive", account=self._account, listen_key=self._listen_key)
        try:
            answers = await self._rest.call(ask, self._ids)
        except Refused as refused:
            line.end(Over(f"the listen key is not known any more: {refused}"))
            return
        except (Retry, BadData) as trouble:
            self._problem("listen key", str(trouble))
            return
        if any(isinstance(each, ListenKey) and each.key != ask.listen_key for each in answers):
            line.end(Over("the venue gave another listen key"))
        elif line.session is not None:
            line.session.kept(self._clock.now())
            line.wake()
