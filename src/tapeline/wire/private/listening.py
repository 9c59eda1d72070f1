"""Keeps one private stream of an account alive, for ever: what ends at a known time is replaced before, with overlap.

The successor is dialled and opened beside the connection that serves. Then both deliver, and what both tell passes
once; the old one goes when it has answered a ping that was sent after the successor was open. Where it does not, or
ends before, nobody knows what it would have told: a loss like any other, though a short one.
"""

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
from tapeline.wire.private.echoes import Echoes
from tapeline.wire.private.line import PrivateLine
from tapeline.wire.private.session import Heard, Over, Way
from tapeline.wire.private.signed import SignedRest
from tapeline.wire.private.unheard import Unheard

HEALTHY_AFTER_S = 60.0  # the back-off starts anew only after a stream has been open so long
REFUSED_S = 30.0  # a venue that does not take the key is not asked more often
RETIRE_S = 5.0  # a connection that lives answers a ping by then
LINGER_S = 1.0  # and what was under way to it has come
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
    renewed: int = 0  # successors that took over while the one before still delivered
    not_renewed: int = 0  # successors that could not be opened; the one before stayed


@dataclass(slots=True, eq=False)
class _Connection:
    """One connection. `retiring_at`: since when it only has to show that it lived until its successor was open."""

    line: PrivateLine | None = None
    opened_ns: int = 0
    retiring_at: float | None = None

    @property
    def opened(self) -> bool:
        return self.line is not None and self.line.session is not None and self.line.session.opened

    @property
    def heard_at(self) -> float:
        return self.line.session.heard_at if self.line is not None and self.line.session is not None else 0.0

    @property
    def sure(self) -> bool:
        """Whether it was heard of after its successor was open: nothing is missing between the two."""
        return self.retiring_at is not None and self.heard_at >= self.retiring_at


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
        self._waits, self._renewals = delays(), delays()
        self._unheard, self._echoes = Unheard(), Echoes()
        self._lives: list[_Connection] = []  # that are dialled or open: at most two
        self._serving: _Connection | None = None
        self._heir: asyncio.Task[float] | None = None
        self._renew_at = float("inf")
        self._keeping: asyncio.Task[None] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._opened_at, self._opened_ns = 0.0, 0  # since when it is open, through how many connections ever
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
                while self._heir is not None:  # a successor serves, or is about to
                    heir, self._heir = self._heir, None
                    after_s = await heir
                await asyncio.sleep(max(next(self._waits), after_s))
        raise AssertionError("a stream is kept for ever")

    def shown(self, update: OrderUpdate, at_ns: int | None) -> None:
        """A request showed this, of that time: where the stream has been open since before, it has to tell it too."""
        if self.open and "orders" in self._stream.tells and (at_ns or 0) > self._opened_ns + SURE_S * 1e9:
            self._unheard.shown(update, self._clock.now())
            self._wake(self._serving)

    # ---- what the connections call --------------------------------------------------------------------------------

    def opened(self, line: PrivateLine) -> None:
        """See `line.Owner`."""
        now, stats, before = self._clock.now(), self.statistics, self._serving
        mine = self._serving = self._life_of(line)
        mine.opened_ns = self._rest.stamp_ns()
        self._renew_at, self._renewals = now + self._stream.life_s, self._delays()
        if before is not None and before.line is not None and before.line.session is not None:
            stats.renewed += 1
            before.retiring_at = now
            before.line.session.ask_for_life(now)
            self._wake(before)
            if before.line.listen_key != line.listen_key:  # since when the old one is told nothing, nobody says
                self._keeper.doubt("the private stream was renewed with another listen key")
            return
        self._opened_at, self._opened_ns = now, mine.opened_ns
        stats.open, stats.why, stats.failures = True, "", 0
        stats.opened += 1
        self._keeper.rose(self, self._opened_ns)

    def hear(self, line: PrivateLine, items: Sequence[Heard]) -> None:
        """See `line.Owner`."""
        for item in items:
            if isinstance(item, Answered):
                if item.status >= 300:
                    self._problem("private stream", f"refused: {item.body[:200]!r}")
                continue
            if isinstance(item, OrderUpdate):
                self._unheard.told(item)
            if self._echoes.news(item, line):
                self._keeper.hear(item)

    def tick(self, line: PrivateLine, now: float) -> float:
        """See `line.Owner`."""
        session, mine = line.session, self._life_of(line)
        assert session is not None, "it is the session's own timer"
        if session.keep_due:
            session.keep_due = False
            self._keep_alive(line)
        if session.doubt:
            self.statistics.doubts += 1
            self._problem("private stream", session.doubt)
            self._keeper.doubt(session.doubt)
            session.doubt = ""
        if mine.retiring_at is not None:
            return self._retired(mine, now)
        if mine is not self._serving:
            return float("inf")
        silent_on = self._unheard.overdue(now)
        if silent_on:
            raise Over(f"a request showed order {silent_on}, and the stream did not tell of it", cause="silence")
        if session.closing:
            self._problem("private stream", f"the venue is about to close it: {session.closing}")
            self._renew_at, session.closing = min(self._renew_at, now), ""
        return min(self._unheard.deadline(), self._renewal(now))

    # ---- one connection -------------------------------------------------------------------------------------------

    async def _once(self) -> float:
        """One connection from dial to end; returns how long the venue wants to be left alone."""
        why, cause, after_s = "", "link_down", 0.0
        mine = _Connection()
        self._lives.append(mine)
        try:
            await self._connect(mine)
        except Over as over:
            why, cause = over.reason, over.cause
            if over.refusal is not None:
                said, after_s = await self._refused(over.refusal)
                why = f"{why}: {said}"
        except Retry as trouble:
            why, after_s = self._without_key(str(trouble)), trouble.after_s or 0.0
        except (Refused, BadData) as trouble:
            why, after_s = str(trouble), REFUSED_S
        self._ended(mine, why, cause, after_s)
        return after_s

    async def _connect(self, mine: _Connection) -> None:
        await self._rest.know_clock()
        stream = self._stream
        listen_key = await self._new_listen_key() if stream.listen_key else ""
        way = Way(
            decoder=stream.decoder(self._venue.name, self._account, self._instruments),
            opening=(*stream.opening, *stream.opening_for(self._instruments)),
            ping=stream.ping, ping_every_s=stream.ping_every_s, silence_s=stream.silence_s,
            keep_s=stream.alive_s if stream.listen_key else float("inf"),
        )  # fmt: skip
        mine.line = PrivateLine(
            way, self._rest.credentials, clock=self._clock, stamp_ns=self._rest.stamp_ns, owner=self,
            listen_key=listen_key,
        )  # fmt: skip
        await mine.line.keep(stream.url(self._venue.urls[stream.endpoint], listen_key), self._dial)

    def _ended(self, mine: _Connection, why: str, cause: str, after_s: float) -> None:
        """A connection is over, or could not be opened: what is lost by that, and who serves."""
        self._lives.remove(mine)
        others = [each for each in self._lives if each.opened]
        if asyncio.current_task() is self._heir:
            self._heir = None
        if len(self._lives) < 2:
            self._echoes.forget()
        if not others:
            self._lost(mine, why, cause)
            return
        now = self._clock.now()
        if mine.retiring_at is not None:
            if not mine.sure:  # what it did not tell before its successor was open, nobody did
                self._problem("private stream", f"replaced, and not heard of any more: {why}")
                self.statistics.losses += 1
                self._keeper.fell(self, "silence", self._heard_ns(mine))
                self._keeper.rose(self, others[0].opened_ns)
            return
        self._serving = others[0]
        self._serving.retiring_at = None
        self.statistics.not_renewed += 1
        self._renew_at = now + max(next(self._renewals), after_s)
        self._wake(self._serving)
        self._problem("private stream", f"{why}; the connection that was to be replaced stays")

    def _lost(self, mine: _Connection, why: str, cause: str) -> None:
        self._unheard.forget()
        self._serving = None
        stats = self.statistics
        was_open, stats.open = stats.open, False
        if was_open:
            stats.losses += 1
            if self._clock.now() - self._opened_at >= HEALTHY_AFTER_S:
                self._waits = self._delays()
            self._keeper.fell(self, cause, self._heard_ns(mine))
        else:
            stats.failures += 1
        stats.why = why
        self._problem("private stream", why)

    def _heard_ns(self, mine: _Connection) -> int:
        """When something was last heard of it, by the venue's clock."""
        return self._rest.stamp_ns() - round((self._clock.now() - mine.heard_at) * 1e9)

    def _life_of(self, line: PrivateLine) -> _Connection:
        return next(each for each in self._lives if each.line is line)

    @staticmethod
    def _wake(life: _Connection | None) -> None:
        if life is not None and life.line is not None:
            life.line.wake()

    # ---- its successor --------------------------------------------------------------------------------------------

    def _renewal(self, now: float) -> float:
        """Open a successor beside the connection that serves, once it is time; until when to wait for that."""
        if self._heir is not None or len(self._lives) > 1:
            return float("inf")
        if now < self._renew_at:
            return self._renew_at
        assert self._tasks is not None, "connections live while run() runs"
        self._echoes.on = True
        self._heir = self._tasks.create_task(self._once(), name=f"successor of a stream of {self._account}")
        return float("inf")

    def _retired(self, mine: _Connection, now: float) -> float:
        """It may go once it has shown that nothing is missing before its successor."""
        assert mine.retiring_at is not None, "asked by whoever saw that"
        if now >= mine.retiring_at + (LINGER_S if mine.sure else RETIRE_S):
            raise Over("its successor serves")
        return mine.retiring_at + (LINGER_S if mine.sure else RETIRE_S)

    def _without_key(self, text: str) -> str:
        """A listen key is in the address that was dialled, and opens the account's stream to whoever has it."""
        for each in self._lives:
            if each.line is not None and each.line.listen_key:
                text = text.replace(each.line.listen_key, "***")
        return text

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
        ask = OrderAsk(call="listen_key_alive", account=self._account, listen_key=line.listen_key)
        try:
            answers = await self._rest.call(ask, self._ids)
        except Refused as refused:
            line.end(Over(f"the listen key is not known any more: {refused}"))
            return
        except (Retry, BadData) as trouble:
            self._problem("listen key", str(trouble))
            return
        if any(isinstance(each, ListenKey) and each.key != ask.listen_key for each in answers):
            self._renew_at = min(self._renew_at, self._clock.now())  # the stream of the old one may last a while
            line.wake()
        elif line.session is not None:
            line.session.kept(self._clock.now())
            line.wake()
