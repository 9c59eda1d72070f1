"""One private connection from dial to end: pumps frames through a `PrivateSession` and keeps its timers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Never, Protocol

from tapeline.clock import Clock
from tapeline.errors import ConnectionLost
from tapeline.model.secret import Credentials
from tapeline.wire.pipe import Dial, Pipe
from tapeline.wire.private.session import Heard, Over, PrivateSession, Way

TIMER_MOST_S = 3600.0


class Owner(Protocol):
    """Whose connection it is. Nothing of this may wait."""

    def opened(self, line: "PrivateLine") -> None:
        """Every step of the opening was answered."""

    def hear(self, line: "PrivateLine", items: Sequence[Heard]) -> None:
        """What came, in order."""

    def tick(self, line: "PrivateLine", now: float) -> float:
        """Look after what is the owner's; returns when next. May raise Over."""


class PrivateLine:
    """`keep` serves until it is over; `send` is for others, while it is open."""

    def __init__(
        self, way: Way, credentials: Credentials, *, clock: Clock, stamp_ns: Callable[[], int], owner: Owner,
        listen_key: str = "",
    ) -> None:  # fmt: skip
        self.listen_key = listen_key  # that is in the address
        self._way, self._credentials = way, credentials
        self._clock, self._stamp_ns, self._owner = clock, stamp_ns, owner
        self.session: PrivateSession | None = None
        self._pipe: Pipe | None = None
        self._woken = False
        self._verdict: Over | None = None

    @property
    def open(self) -> bool:
        """Whether requests can be sent."""
        return self._pipe is not None and self.session is not None and self.session.opened and self._verdict is None

    async def keep(self, url: str, dial: Dial) -> Never:
        """Dial, open and pump. Raises Over or ConnectionLost in the end."""
        async with dial(url) as pipe:
            self._pipe = pipe
            try:
                await self._pump(pipe)
            finally:
                self._pipe = None
        raise AssertionError("a pump ends by an exception")

    async def send(self, frame: bytes) -> None:
        """Send one frame. Raises ConnectionLost."""
        if self._pipe is None:
            raise ConnectionLost("the connection is over")
        await self._pipe.send(frame)

    def end(self, verdict: Over) -> None:
        """It is over, for a reason found elsewhere."""
        self._verdict = self._verdict or verdict
        self.wake()

    def wake(self) -> None:
        """A timer has something to do."""
        self._woken = True
        if self._pipe is not None:
            self._pipe.wake()

    async def _pump(self, pipe: Pipe) -> Never:
        session = self.session = PrivateSession(self._way, self._credentials, self._clock.now())
        if session.opened:
            self._owner.opened(self)
        while True:
            until = await self._act(session, pipe)
            timer = asyncio.get_running_loop().call_later(min(max(until, 0.001), TIMER_MOST_S), self.wake)
            try:
                frames = await pipe.receive()
            finally:
                timer.cancel()
            now = self._clock.now()
            if frames:
                opened = session.opened
                items = session.received(frames, now, self._clock.wall_ns())
                if session.opened and not opened:
                    self._owner.opened(self)
                if items:
                    self._owner.hear(self, items)
            elif not self._woken:
                session.heard(now)

    async def _act(self, session: PrivateSession, pipe: Pipe) -> float:
        """Whatever is not a frame; returns seconds until there is more of it."""
        self._woken = False
        now = self._clock.now()
        if self._verdict is not None:
            raise self._verdict
        session.tick(now)
        owner_at = self._owner.tick(self, now)
        for frame in session.outgoing(now, self._stamp_ns):
            await pipe.send(frame)
        if session.ping_due:
            session.ping_due = False
            await pipe.ping()
        return min(session.deadline(), owner_at) - now
