"""Tape time: one clock for all connections of a venue, and the one task that moves it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from operator import is_

from tapeline.clock import Clock
from tapeline.model.interval import SECOND_NS
from tapeline.model.topic import Topic
from tapeline.sim.client import Client, Clients
from tapeline.sim.faults import (
    DIAL,
    FRAME,
    LINK,
    NUMBERS,
    PACE,
    QUIET,
    Edge,
    Fault,
    Schedule,
    Spec,
)  # fmt: skip
from tapeline.sim.limits import PaceClock
from tapeline.sim.mischief import Mischief, torn
from tapeline.sim.source import Moment, Source
from tapeline.sim.window import Window
from tapeline.venues.spec import Server

BATCH = 256  # moments between two looks at the world, at top speed
COMING_S, COMING_MOST_S = 0.25, 3.0  # at top speed the start waits for whoever is just connecting, by the loop's time
HELD_S = 120.0  # how long the tape waits for a client that was cut, in the loop's seconds
COMPANY_S = 5.0  # and for further connections of it, once everything asked for is asked for again
Say = Callable[..., None]


class Player:
    """Plays a source to whoever listens. `speed` None is top speed: as fast as the slowest reader.

    Everything before a fault is written before it strikes, nothing of what it swallows ever is; after a cut the clock
    stands still until what was asked for is asked for again. At the end the clock stands still for good.
    """

    def __init__(
        self, source: Source, clients: Clients, server: Server, *,
        clock: Clock, speed: float | None, faults: Sequence[Spec], say: Say, life_s: float,
    ) -> None:  # fmt: skip
        self._source, self._clients, self._server = source, clients, server
        self._live = source.live
        self._clock, self._speed, self._say = clock, speed, say
        self._schedule = Schedule(faults, source.start_ns)
        self._changed = asyncio.Event()  # someone subscribed or left
        self._base_ns, self._base_s = source.start_ns, 0.0
        self._running = False
        self._windows: list[Window] = []
        self._mischief: list[Mischief] = []
        self._closing: dict[Fault, list[Client]] = {}
        self._life_s = life_s
        self._hear: Callable[[Sequence[Moment]], None] | None = None  # follows the market, whatever clients miss
        self.pace = PaceClock(self.now_ns, clock.now)
        self.delivered = 0

    # ---- what others ask

    def now_ns(self) -> int:
        """Tape time."""
        if self._speed is None or not self._running:
            return self._base_ns
        passed_ns = int((self._clock.now() - self._base_s) * self._speed * SECOND_NS)
        return self._base_ns + max(0, passed_ns)

    def seconds(self, span_ns: int) -> float:
        """How long this much tape time takes, in the loop's seconds."""
        return span_ns / SECOND_NS / (self._speed or 1.0)

    def follow(self, topics: Iterable[Topic], hear: Callable[[Sequence[Moment]], None]) -> None:
        """Play these topics though nobody listens, and let `hear` have all that is played, before any fault."""
        self._clients.keep(topics)
        self._hear = hear
        self.changed()

    def changed(self) -> None:
        """Somebody subscribed or left."""
        if self._live is not None:
            self._live.want(self._clients.listening)
        self._changed.set()

    def fault(self, where: str, concerns: Callable[[Fault], bool] = lambda _fault: True) -> Fault | None:
        """The fault of this sort that strikes now, if one does; counted ones are used up by asking."""
        for window in self._windows:
            if window.where == where and concerns(window.fault) and window.strikes(self._clock.now()):
                return window.fault
        return None

    @property
    def mute(self) -> bool:
        """Whether nothing may be said to anybody."""
        return any(window.where == QUIET and window.clients is None for window in self._windows)

    @property
    def lag_s(self) -> float:
        """How much later everything comes now."""
        return max((window.fault.number() for window in self._windows if window.where == PACE), default=0.0)

    # ---- the task

    async def run(self) -> None:
        """Move the tape until its end, then wait for ever."""
        if self._source.waits:
            await self._until_changed(lambda: bool(self._clients.listening))
            if self._speed is None:
                await self._until_all_have_come()
        self._go_on(self._source.start_ns)
        while (next_ns := self._source.next_ns()) is not None:
            edge_ns = self._schedule.next_ns()
            if edge_ns is not None and edge_ns <= next_ns:
                if await self._reach(edge_ns):
                    await self._fire(self._schedule.pop())
            elif self._speed is None:
                await self._play_on(edge_ns)
            elif await self._reach(next_ns, lag=True):
                behind_ns = int(self.lag_s * self._speed * SECOND_NS)
                limit_ns = max(self.now_ns() - behind_ns, next_ns) + 1
                await self._deliver(self._take(limit_ns if edge_ns is None else min(limit_ns, edge_ns)))
            self._end_of_life()
        self._windows = []
        self._tell_lines()
        ended, self._mischief = self._mischief, []
        for mischief in ended:
            await self._deliver(mischief.flush(), mischief.clients)
        self._stop(self._source.at_ns)
        self._say("the end of the tape: its clock stands still", delivered=self.delivered)
        await asyncio.Event().wait()

    async def _until_all_have_come(self) -> None:
        """A client with several connections would find the tape over when its second one is confirmed."""
        try:
            async with asyncio.timeout(COMING_MOST_S):
                while True:
                    self._changed.clear()
                    async with asyncio.timeout(COMING_S):
                        await self._changed.wait()
        except TimeoutError:
            return

    async def _play_on(self, edge_ns: int | None) -> None:
        await self._until_changed(lambda: bool(self._clients.listening))
        moments = self._take(edge_ns)
        self._base_ns = max(self._base_ns, self._source.at_ns)
        await self._deliver(moments)
        await asyncio.sleep(0)

    def _take(self, before_ns: int | None) -> Sequence[Moment]:
        return self._heard(self._source.take(before_ns, BATCH, self._clients.listening))

    def _heard(self, moments: Sequence[Moment]) -> Sequence[Moment]:
        if self._hear is not None:
            self._hear(moments)
        return moments

    async def _deliver(self, moments: Sequence[Moment], to: Collection[Client] | None = None) -> None:
        """Send moments to whoever listens, or to those of `to` who do."""
        for mischief in self._mischief:
            if mischief.clients is None:
                moments = mischief.apply(moments)
        targeted = [mischief for mischief in self._mischief if mischief.clients is not None]
        self._mischief = [mischief for mischief in self._mischief if not mischief.over]
        if self.mute or not moments:
            return
        struck = dict.fromkeys(client for mischief in targeted for client in mischief.clients or ())
        touched = self._fill(moments, (lambda client: client not in struck) if to is None else to.__contains__)
        if to is None:
            for client in struck:
                touched |= self._fill(self._bent(client, moments, targeted), partial(is_, client))
            self._mischief = [mischief for mischief in self._mischief if not mischief.over]
        for client in touched:
            self.delivered += len(client.outbox)
            client.line.write(client.outbox)
            client.outbox = []
        for client in touched:
            await client.line.drain()

    def _fill(self, moments: Sequence[Moment], gets: Callable[[Client], bool]) -> dict[Client, None]:
        """Put these moments into the boxes of those who listen and get them; returns whose boxes are not empty."""
        listening, rename = self._clients.listening, self._server.rename
        touched: dict[Client, None] = {}
        for _, topic, frame in moments:
            for client, name in listening.get(topic, ()):
                if gets(client):
                    client.outbox.append(frame if name is None else rename(frame, name))
                    touched[client] = None
        return touched

    def _bent(self, client: Client, moments: Sequence[Moment], targeted: Sequence[Mischief]) -> Sequence[Moment]:
        """What becomes of one connection's moments by the mischief that strikes it."""
        listening = self._clients.listening
        moments = [moment for moment in moments if any(who is client for who, _ in listening.get(moment[1], ()))]
        for mischief in targeted:
            if client in (mischief.clients or ()):
                moments = mischief.apply(moments)
        return moments

    async def _reach(self, at_ns: int, *, lag: bool = False) -> bool:
        """Wait until tape time is there; False where a live source has something new before that."""
        if self._speed is None:
            self._base_ns = max(self._base_ns, at_ns)
            return True
        due_s = self._base_s + (at_ns - self._base_ns) / SECOND_NS / self._speed + (self.lag_s if lag else 0.0)
        while (wait_s := due_s - self._clock.now()) > 0:  # a sleep may end a little early
            if self._live is None:
                await asyncio.sleep(wait_s)
                continue
            self._live.arrived.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._live.arrived.wait()
            except TimeoutError:
                continue
            return False
        return True

    def _go_on(self, at_ns: int) -> None:
        self._base_ns, self._base_s, self._running = at_ns, self._clock.now(), True

    def _stop(self, at_ns: int) -> None:
        self._base_ns, self._running = at_ns, False

    async def _until_changed(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    # ---- faults

    async def _fire(self, edge: Edge) -> None:
        fault = edge.fault
        if not edge.begins:
            await self._over(fault)
            return
        self._say(
            "fault", kind=fault.kind, at_ns=fault.at_ns, duration_s=fault.duration_ns / SECOND_NS, whose=fault.whose
        )
        clients = self._clients.chosen(fault.whose) if fault.whose else None
        until_s = self._clock.now() + fault.duration_ns / SECOND_NS / (self._speed or 1.0)
        if fault.kind == "closing":
            self._closing[fault] = self._notify(self._clients.all if clients is None else clients)
        elif fault.where == NUMBERS:
            self._restart(fault)
        elif fault.where == LINK:
            if clients is None and self._live is None:
                await self._drop(fault)
                return
            self._end_by(fault, list(self._clients.all) if clients is None else clients)
            if fault.duration_ns:
                self._windows.append(Window(fault, until_s, DIAL))
        elif fault.where == FRAME:
            self._mischief.append(Mischief(fault, clients))
        else:
            self._windows.append(Window(fault, until_s, clients=clients))
            self._tell_lines()
            if fault.where == PACE and self._speed is None:
                await asyncio.sleep(fault.number())

    async def _over(self, fault: Fault) -> None:
        """A fault has run out of time."""
        self._windows = [window for window in self._windows if window.fault is not fault]
        self._tell_lines()
        ended = [mischief for mischief in self._mischief if mischief.fault is fault]
        self._mischief = [mischief for mischief in self._mischief if mischief.fault is not fault]
        for mischief in ended:
            await self._deliver(mischief.flush(), mischief.clients)
        for client in self._closing.pop(fault, ()):
            if client in self._clients.all:
                self._end(client, lambda line: line.close(1001, "going away"))

    def _tell_lines(self) -> None:
        everybody = self.mute
        some = [client for window in self._windows if window.where == QUIET for client in window.clients or ()]
        for client in self._clients.all:
            client.line.mute(everybody or client in some)

    def _notify(self, clients: Sequence[Client]) -> list[Client]:
        notice = self._server.closing
        if notice is None:
            return []
        for client in clients:
            client.line.write([notice])
        return list(clients)

    def _restart(self, fault: Fault) -> None:
        """Every connection ends, and trades are numbered anew from here on, where the source can do that."""
        self._source.number_anew(fault.at_ns, int(fault.number()))
        for client in list(self._clients.all):
            self._end(client, lambda line: line.close(1012, "service restart"))

    async def _drop(self, fault: Fault) -> None:
        """End every connection, lose a span of tape, wait for the clients to come back."""
        asked = self._clients.wants()
        next_ns = self._source.next_ns()
        self._end_by(fault, list(self._clients.all), self._half(fault, next_ns))
        if self._hear is not None:
            while self._take(fault.end_ns):
                pass
        self._source.skip_to(fault.end_ns)
        self._stop(fault.end_ns)
        await self._skip_edges(fault.end_ns)
        await self._hold(asked)
        self._go_on(fault.end_ns)

    def _end_by(self, fault: Fault, clients: Sequence[Client], half: bytes = b"") -> None:
        for client in clients:
            if fault.kind == "close":
                self._end(client, lambda line: line.close(int(fault.number()), ""))
            elif fault.kind == "expire":
                self._end(client, lambda line: line.close(1001, "the life of the connection is over"))
            else:
                self._end(client, lambda line: line.cut(half))

    def _half(self, fault: Fault, next_ns: int | None) -> bytes:
        if fault.kind != "half" or next_ns is None:
            return b""
        moments = self._heard(self._source.take(None, 1, self._clients.listening))
        return torn(moments[0][2]) if moments else b""

    async def _skip_edges(self, end_ns: int) -> None:
        """What begins and ends while nothing can be played; a cut of what is cut already is none."""
        while (next_ns := self._schedule.next_ns()) is not None and next_ns <= end_ns:
            drops = self._schedule.link_begins_next()
            if drops and next_ns == end_ns:
                return
            edge = self._schedule.pop()
            if not drops:
                await self._fire(edge)

    async def _hold(self, asked: Counter[Topic]) -> None:
        """Stand still until everything that was asked for is asked for again, by as many connections."""
        if not asked:
            return
        try:
            async with asyncio.timeout(HELD_S):
                await self._until_changed(lambda: set(asked) <= set(self._clients.wants()))
        except TimeoutError:
            self._say("the client that was cut has not come back: the tape goes on", waited_s=HELD_S)
            return
        try:
            async with asyncio.timeout(COMPANY_S):
                await self._until_changed(lambda: asked <= self._clients.wants())
        except TimeoutError:
            self._say("the client came back with fewer connections", waited_s=COMPANY_S)

    def _end(self, client: Client, how: Callable[..., None]) -> None:
        client.line.mute(False)
        how(client.line)
        self._clients.remove(client)

    def _end_of_life(self) -> None:
        if self._life_s == float("inf"):
            return
        born_before_s = self.pace.now() - self._life_s
        for client in [client for client in self._clients.all if client.opened_s <= born_before_s]:
            self._end(client, lambda line: line.close(1001, "the life of the connection is over"))
