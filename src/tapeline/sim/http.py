"""Plain HTTP on a WebSocket server's port: whatever is no upgrade is a request, of any method and with a body."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar

from websockets.asyncio.server import ServerConnection

from tapeline.venues.orders import OrderRequest
from tapeline.wire.pipe import Response

HEAD_END = b"\r\n\r\n"
MOST_HEAD, MOST_BODY = 1 << 16, 1 << 20
HEAD_WITHIN_S, IDLE_S, FLUSH_WITHIN_S = 10.0, 75.0, 5.0
UPGRADE = OrderRequest(method="UPGRADE", path="")
Answer = Callable[[OrderRequest, str], Awaitable[Response | None]]
"""(request, address it came from) -> answer; None drops the connection without one."""


class TooMuch(Exception):
    """A request that is no HTTP, or larger than we take."""


class Talk:
    """The bytes of one connection as requests. Pure."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> None:
        """More of it."""
        self._bytes += data

    @property
    def head(self) -> str | None:
        """The first lines, once they are there. Raises TooMuch."""
        end = self._bytes.find(HEAD_END)
        if end < 0:
            if len(self._bytes) > MOST_HEAD:
                raise TooMuch("no end of the headers")
            return None
        return self._bytes[:end].decode("latin-1")

    def whole(self) -> bytes:
        """All that came."""
        return bytes(self._bytes)

    def request(self) -> OrderRequest | None:
        """The next request, once it is whole; it is taken out. Raises TooMuch."""
        head = self.head
        if head is None:
            return None
        first, _, rest = head.partition("\r\n")
        try:
            method, target, _version = first.split(" ")
        except ValueError as error:
            raise TooMuch(f"no request: {first[:40]!r}") from error
        parts = (line.partition(":") for line in rest.split("\r\n") if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in parts}
        start = len(head) + len(HEAD_END)
        chunked = "chunked" in headers.get("transfer-encoding", "")
        read = self._chunks(start) if chunked else self._counted(start, headers)
        if read is None:
            return None
        body, end = read
        del self._bytes[:end]
        path, _, query = target.partition("?")
        return OrderRequest(method=method, path=path, query=query, headers=headers, body=body)

    def _counted(self, start: int, headers: dict[str, str]) -> tuple[bytes, int] | None:
        """(body, where it ends), None while it is not whole."""
        text = headers.get("content-length", "0")
        if not text.isdecimal() or int(text) > MOST_BODY:
            raise TooMuch(f"a body of {text[:20]} bytes")
        end = start + int(text)
        return (bytes(self._bytes[start:end]), end) if len(self._bytes) >= end else None

    def _chunks(self, start: int) -> tuple[bytes, int] | None:
        body = b""
        while True:
            line_end = self._bytes.find(b"\r\n", start)
            if line_end < 0:
                return None
            try:
                size = int(bytes(self._bytes[start:line_end]).partition(b";")[0], 16)
            except ValueError as error:
                raise TooMuch("a chunk without a size") from error
            end = line_end + 2 + size
            if size < 0 or len(body) + size > MOST_BODY:
                raise TooMuch(f"a chunk of {size} bytes")
            if len(self._bytes) < end + 2:
                return None
            body += self._bytes[line_end + 2 : end]
            start = end + 2
            if size == 0:
                return body, start


class EitherConnection(ServerConnection):
    """A connection that turns out to be a WebSocket or plain HTTP by what it asks for; see `speaking`."""

    answer: Answer
    talking: ClassVar[set["EitherConnection"]]  # those that are no WebSocket, or not yet
    over: ClassVar[bool] = False  # the server is going: who was accepted late is not served any more

    @classmethod
    def end_all(cls) -> None:
        """End those that only talk HTTP, at once, and whoever still comes."""
        cls.over = True
        for connection in list(cls.talking):
            connection.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._talk: Talk | None = Talk()
        self._news = asyncio.Event()
        self.talking.add(self)
        super().connection_made(transport)
        if self.over:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Bytes of a WebSocket go to the library, others are read here."""
        if self._talk is None:
            super().data_received(data)
            return
        self._talk.feed(data)
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        super().connection_lost(exc)
        self.talking.discard(self)
        self._news.set()

    async def handshake(self, *args: Any, **kwargs: Any) -> None:
        """Serve requests until one asks for an upgrade; then that is shaken hands on."""
        within_s = HEAD_WITHIN_S
        with suppress(TimeoutError, TooMuch):
            while (request := await self._next(within_s)) is not None:
                if request is UPGRADE:
                    await self._upgrade(*args, **kwargs)
                    return
                if not await self._served(request):
                    break
                within_s = IDLE_S
        self.transport.close()
        await asyncio.wait([self.connection_lost_waiter], timeout=FLUSH_WITHIN_S)  # what was written is sent first

    async def _next(self, within_s: float) -> OrderRequest | None:
        """The next request, UPGRADE, or None where the client has gone. Raises TimeoutError, TooMuch."""
        assert self._talk is not None, "not shaken hands yet"
        async with asyncio.timeout(within_s):
            while not self.transport.is_closing():
                self._news.clear()
                if _upgrades(self._talk.head or ""):
                    return UPGRADE
                request = self._talk.request()
                if request is not None:
                    return request
                await self._news.wait()
        return None

    async def _upgrade(self, *args: Any, **kwargs: Any) -> None:
        assert self._talk is not None, "not shaken hands yet"
        data, self._talk = self._talk.whole(), None
        self.talking.discard(self)
        super().data_received(data)
        async with asyncio.timeout(HEAD_WITHIN_S):
            await super().handshake(*args, **kwargs)

    async def _served(self, request: OrderRequest) -> bool:
        """Answer it; whether the connection stays."""
        peer = self.transport.get_extra_info("peername")
        found = await self.answer(request, peer[0] if peer else "")
        if found is None:
            self.transport.abort()
            return False
        stays = request.headers.get("connection", "").lower() != "close"
        if not self.transport.is_closing():
            self.transport.write(_written(found, stays=stays))
        return stays


def speaking(answer: Answer) -> type[EitherConnection]:
    """The class of connections whose requests are answered so."""
    return type("SpeakingConnection", (EitherConnection,), {"answer": staticmethod(answer), "talking": set()})


def _upgrades(head: str) -> bool:
    return any(line.lower().startswith("upgrade:") and "websocket" in line.lower() for line in head.split("\r\n"))


def _written(response: Response, *, stays: bool) -> bytes:
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = "Error"
    headers = {
        **response.headers, "content-length": str(len(response.body)),
        "connection": "keep-alive" if stays else "close",
    }  # fmt: skip
    lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1") + HEAD_END + response.body
