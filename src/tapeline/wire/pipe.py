"""The network as the rest of Tapeline sees it: frames in and out, one HTTP answer. App injects real or simulated."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from tapeline.venues.spec import Request

AtOnce = Callable[[Sequence[bytes]], bool]


class Pipe(Protocol):
    """One open WebSocket connection. Every method raises ConnectionLost once it has ended."""

    async def receive(self, at_once: AtOnce | None = None) -> list[bytes]:
        """All frames that are waiting, at least one; [] where only transport pings or pongs came (they are life).

        Frames that come while it waits go to `at_once`, in the reader's own call; where that returns True, [] is
        returned. It must not raise.
        """
        ...

    async def send(self, frame: bytes) -> None:
        """Send one text frame."""
        ...

    async def ping(self) -> None:
        """Send one transport ping; the pong shows as life in `receive`."""
        ...

    def wake(self) -> None:
        """Make a waiting `receive` return at once, with [] where nothing waits: a timer has something to do."""
        ...


class Response(msgspec.Struct, frozen=True):
    """One HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Dial = Callable[[str], AbstractAsyncContextManager[Pipe]]
"""Open a connection to a URL. Raises ConnectionLost; leaving the context closes it, within a bounded time."""

Fetch = Callable[[str, Request], Awaitable[Response]]
"""(base URL, request) -> answer. Raises ConnectionLost or TimedOut; an HTTP error status is an answer."""
