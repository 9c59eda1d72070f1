"""Both ends of a connection in memory: the client's is a `Pipe`, the venue's a `Line`. No sockets, no threads."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from tapeline.errors import ConnectionLost
from tapeline.wire.pipe import AtOnce

HIGH_FRAMES = 4096  # frames a client has not read yet: past this the venue waits for it


class Line(Protocol):
    """The venue's end of one connection, over memory or a socket."""

    async def receive(self) -> bytes:
        """The client's next frame. Raises ConnectionLost once it has gone."""
        ...

    def write(self, frames: Sequence[bytes]) -> None:
        """Send these text frames, in order; nothing happens once the connection has ended."""
        ...

    async def drain(self) -> None:
        """Wait until the client has read enough to take more, or has gone."""
        ...

    def mute(self, muted: bool) -> None:
        """Say nothing at all any more, transport pongs included; or speak again."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Say goodbye after what was written so far, and end."""
        ...

    def cut(self, half: bytes = b"") -> None:
        """End without a close frame after what was written so far, and after the first half of this frame."""
        ...


class _Wire:
    """What both ends share."""

    def __init__(self) -> None:
        self.to_client: list[bytes] = []
        self.to_venue: deque[bytes] = deque()
        self.life = False
        self.at_once: AtOnce | None = None  # takes frames without waking the client that waits
        self.muted = False
        self.over: ConnectionLost | None = None
        self.client_wake = asyncio.Event()
        self.venue_wake = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()

    def end(self, why: ConnectionLost) -> None:
        self.over = self.over or why
        self.client_wake.set()
        self.venue_wake.set()
        self.room.set()


class MemoryPipe:
    """The client's end; see `Pipe`."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    async def receive(self, at_once: AtOnce | None = None) -> list[bytes]:
        """All frames that wait; what came before the end is given out before the end is told."""
        wire = self._wire
        while not wire.to_client and not wire.life:
            if wire.over is not None:
                raise wire.over
            wire.client_wake.clear()
            wire.at_once = at_once
            try:
                await wire.client_wake.wait()
            finally:
                wire.at_once = None
        frames, wire.to_client, wire.life = wire.to_client, [], False
        wire.room.set()
        return frames

    async def send(self, frame: bytes) -> None:
        """One frame to the venue."""
        self._check()
        self._wire.to_venue.append(frame)
        self._wire.venue_wake.set()

    async def ping(self) -> None:
        """The venue's transport answers at once, unless it is mute."""
        self._check()
        if not self._wire.muted:
            self.wake()

    def wake(self) -> None:
        """See `Pipe`."""
        self._wire.life = True
        self._wire.client_wake.set()

    def close(self) -> None:
        """The client leaves."""
        self._wire.end(ConnectionLost("the client has left", code=1000))

    def _check(self) -> None:
        if self._wire.over is not None:
            raise self._wire.over


class MemoryLine:
    """The venue's end; see `Line`."""

    def __init__(self, wire: _Wire, high_frames: int) -> None:
        self._wire = wire
        self._high_frames = high_frames

    async def receive(self) -> bytes:
        """See `Line`."""
        wire = self._wire
        while not wire.to_venue:
            if wire.over is not None:
                raise wire.over
            wire.venue_wake.clear()
            await wire.venue_wake.wait()
        return wire.to_venue.popleft()

    def write(self, frames: Sequence[bytes]) -> None:
        """See `Line`."""
        wire = self._wire
        if wire.over is not None or wire.muted:
            return
        if wire.at_once is not None and not wire.client_wake.is_set():  # it waits, and nothing waits for it
            if wire.at_once(frames):
                wire.life = True
                wire.client_wake.set()
            return
        wire.to_client.extend(frames)
        wire.client_wake.set()
        if len(wire.to_client) >= self._high_frames:
            wire.room.clear()

    async def drain(self) -> None:
        """See `Line`."""
        await self._wire.room.wait()

    def mute(self, muted: bool) -> None:
        """See `Line`."""
        self._wire.muted = muted

    def close(self, code: int, reason: str) -> None:
        """See `Line`."""
        self._wire.end(ConnectionLost(f"closed by the venue: {code} {reason}".strip(), code=code))

    def cut(self, half: bytes = b"") -> None:  # half a frame is no frame: a client sees only the end
        """See `Line`."""
        del half
        self._wire.end(ConnectionLost("the connection ended without a close frame"))


def memory_pipe(high_frames: int = HIGH_FRAMES) -> tuple[MemoryPipe, MemoryLine]:
    """A connection: (the client's end, the venue's end)."""
    wire = _Wire()
    return MemoryPipe(wire), MemoryLine(wire, high_frames)
