"""An account's connections and requests, told to a tape as they are, without what must not be told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Protocol

from tapeline.clock import Clock
from tapeline.errors import ConnectionLost
from tapeline.venues.request import Request
from tapeline.wire.pipe import AtOnce, Dial, Pipe, Response
from tapeline.wire.private.redaction import Redaction


class Tape(Protocol):
    """Where it goes: `store.tape_writer.TapeWriter`. Nothing of this may wait."""

    def frame(self, connection: str, direction: str, raw: bytes, at_ns: int, reason: str = "") -> None:
        """A frame (in, out), or the opening or closing of a connection."""

    def answer(self, method: str, url: str, status: int, body: bytes, at_ns: int) -> None:
        """An HTTP answer."""


class Taped:
    """One account's. Connections are called NAME/ENDPOINT#NUMBER, NAME being VENUE/ACCOUNT; `urls` are those
    that accounts are told at, by endpoint, and `rest`.
    """

    def __init__(self, name: str, urls: Mapping[str, str], tape: Tape, redaction: Redaction, *, clock: Clock) -> None:
        self._name, self._urls, self._base = name, urls, urls["rest"]
        self._tape, self._redaction, self._clock = tape, redaction, clock
        self._numbers = count(1)

    def dial(self, dial: Dial) -> Dial:
        """The same, taped."""

        @asynccontextmanager
        async def taped(url: str) -> AsyncIterator[Pipe]:
            name = f"{self._name}/{self._endpoint(url)}#{next(self._numbers)}"
            self._hide_key_of(url)
            async with dial(url) as pipe:
                self.frame(name, "open", b"")
                try:
                    yield _TapedPipe(pipe, name, self)
                except ConnectionLost as lost:
                    self.frame(name, "close", b"", str(lost))
                    raise
                except BaseException:
                    self.frame(name, "close", b"", "closed by us")
                    raise

        return taped

    def frame(self, connection: str, direction: str, raw: bytes, reason: str = "") -> None:
        """One frame, or the beginning or end of a connection."""
        clean = self._redaction.clean
        self._tape.frame(connection, direction, clean(raw), self._clock.wall_ns(), clean(reason.encode()).decode())

    def answered(self, request: Request, response: Response) -> None:
        """An answer to a request as it was before it was signed."""
        clean = self._redaction.clean
        url = self._base + request.path + (f"?{request.query_text}" if request.query else "")
        body = clean(response.body)
        self._tape.answer(request.method, clean(url.encode()).decode(), response.status, body, self._clock.wall_ns())

    def _endpoint(self, url: str) -> str:
        """Which one of the venue's addresses this begins with: the longest that does."""
        fits = [name for name, base in self._urls.items() if name != "rest" and url.startswith(base)]
        return max(fits, key=lambda name: len(self._urls[name]), default="?")

    def _hide_key_of(self, url: str) -> None:
        """What is behind an endpoint's address is a listen key, by itself or as a parameter."""
        base = self._urls.get(self._endpoint(url), url)
        rest = url.removeprefix(base).lstrip("/?")
        for part in rest.split("&"):
            name, sign, value = part.partition("=")
            if not sign or name.lower() == "listenkey":
                self._redaction.hide(value if sign else name)


class _TapedPipe:
    """A connection whose frames are told."""

    def __init__(self, pipe: Pipe, name: str, taped: Taped) -> None:
        self._pipe, self._name, self._taped = pipe, name, taped

    async def receive(self, at_once: AtOnce | None = None) -> list[bytes]:
        """See `Pipe`. Every frame is returned: an account's are few."""
        del at_once
        frames = await self._pipe.receive()
        for frame in frames:
            self._taped.frame(self._name, "in", frame)
        return frames

    async def send(self, frame: bytes) -> None:
        """See `Pipe`."""
        self._taped.frame(self._name, "out", frame)
        await self._pipe.send(frame)

    async def ping(self) -> None:
        """See `Pipe`."""
        await self._pipe.ping()

    def wake(self) -> None:
        """See `Pipe`."""
        self._pipe.wake()
