"""A simulated venue on real loopback sockets: WebSocket and REST on one port."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import structlog
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from tapeline.errors import ConnectionLost
from tapeline.sim.http import speaking
from tapeline.sim.paper.exchange import Silence
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.orders import OrderRequest
from tapeline.wire.pipe import Response as Answer

WRITE_BUFFER: Final = 1 << 20  # bytes the venue writes ahead of a slow reader, besides the kernel's own
MOST_REQUEST: Final = 1 << 20
PING_EVERY_S, PONG_WITHIN_S = 20.0, 60.0
WINDOW = 2048  # frames to a ping; more than twice as many are not written before the client has answered
PONG_PATIENCE_S = 5.0  # a client that answers no pings is not held to it
CUT_WITHIN_S = 2.0  # after a half-close the client has so long to go; then the connection is aborted
HELD_S = 60.0  # a request that gets no answer keeps its connection so long
_log = structlog.get_logger()


class SocketLine:
    """The venue's end of a WebSocket; see `Line`. Frames are written in one piece, past the library's `send`.

    What a client has read is known by its pongs: kernel buffers would let the tape run megabytes ahead of it.
    """

    def __init__(self, connection: ServerConnection, tasks: asyncio.TaskGroup) -> None:
        self._connection, self._tasks = connection, tasks
        self._muted = self._over = False
        self._unasked = 0  # frames since the last ping
        self._unread: deque[Awaitable[float]] = deque()

    async def receive(self) -> bytes:
        """See `Line`."""
        try:
            message = await self._connection.recv(decode=False)
        except ConnectionClosed as error:
            raise ConnectionLost(f"the client has gone: {error}") from error
        if self._over:
            raise ConnectionLost("this connection was ended")
        return bytes(message)

    def write(self, frames: Sequence[bytes]) -> None:
        """See `Line`."""
        if self._open and not self._muted:
            self._unasked += len(frames)
            self._connection.transport.write(b"".join([part for frame in frames for part in (_head(frame), frame)]))

    async def drain(self) -> None:
        """See `Line`."""
        if self._open:
            with suppress(ConnectionClosed, OSError):
                await self._connection.drain()
                await self._wait_until_read()

    def mute(self, muted: bool) -> None:
        """See `Line`. Nothing is read either, so that no ping is answered."""
        if muted == self._muted or not self._open:
            return
        self._muted = muted
        if muted:
            self._connection.transport.pause_reading()
        else:
            self._connection.transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """See `Line`."""
        if self._open:
            self._over = True
            self._connection.protocol.send_close(code, reason)
            self._connection.send_data()

    def cut(self, half: bytes = b"") -> None:
        """See `Line`. What was written is flushed, then our direction of the TCP connection ends without a word."""
        if not self._open:
            return
        self._over = True
        if half:
            self._connection.transport.write(_head(half + half) + half)
        self._tasks.create_task(self._end(), name="cut")

    async def _wait_until_read(self) -> None:
        if self._unasked < WINDOW or self._muted:
            return
        self._unasked = 0
        self._unread.append(await self._connection.ping())
        if len(self._unread) > 1:
            with suppress(TimeoutError):
                async with asyncio.timeout(PONG_PATIENCE_S):
                    await asyncio.shield(self._unread.popleft())

    @property
    def _open(self) -> bool:
        connection = self._connection
        return not self._over and connection.protocol.state is State.OPEN and not connection.transport.is_closing()

    async def _end(self) -> None:
        """Half-close once all is written: a reset would let the client's kernel drop what it has not read yet."""
        transport = self._connection.transport
        with suppress(ConnectionClosed, OSError, RuntimeError):
            transport.set_write_buffer_limits(0)
            await self._connection.drain()
            transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
            async with asyncio.timeout(CUT_WITHIN_S):
                await self._connection.wait_closed()
        transport.abort()


def _head(frame: bytes) -> bytes:
    """The header of a whole, unmasked text frame."""
    size = len(frame)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big")
    if size < 65536:
        return b"\x81\x7e" + size.to_bytes(2, "big")
    return b"\x81\x7f" + size.to_bytes(8, "big")


@asynccontextmanager
async def serving(
    sim: SimulatedVenue, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve on this port (0: any free one), which is given back. Leaving ends every connection.

    Raises OSError where the port is taken.
    """
    log = _log.bind(venue=sim.venue.name)
    listener = socket.create_server((host, port))  # before any task, so that a taken port is an OSError, not a group

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        """A dial is admitted or refused."""
        del connection, request
        refused = sim.admit()
        if refused is not None:
            log.info("dial refused", status=refused.status)
        return None if refused is None else _response(refused.status, refused.headers, refused.body)

    connections = speaking(partial(_answered, sim, log))
    async with sim.open(), asyncio.TaskGroup() as tasks:

        async def handle(connection: ServerConnection) -> None:
            path = connection.request.path if connection.request else "/"
            log.info("connected", path=path)
            await sim.serve(SocketLine(connection, tasks), path)
            log.info("disconnected", path=path)

        async with serve(
            handle, sock=listener, process_request=admit, compression=None, write_limit=WRITE_BUFFER,
            max_size=MOST_REQUEST, ping_interval=PING_EVERY_S, ping_timeout=PONG_WITHIN_S, close_timeout=1.0,
            create_connection=connections, open_timeout=None, ssl=tls,
        ):  # fmt: skip
            try:
                yield listener.getsockname()[1]
            finally:
                connections.end_all()


async def _answered(sim: SimulatedVenue, log: Any, request: OrderRequest, peer: str) -> Answer | None:
    """What is no dial is REST; None where the venue closes the connection without a word."""
    await asyncio.sleep(sim.player.lag_s)
    found = await sim.answer(request, peer)
    if not isinstance(found, Silence):
        log.info("rest", method=request.method, path=request.path, status=found.status)
        return found
    log.info("rest", method=request.method, path=request.path, silent=True)
    await asyncio.sleep(HELD_S if found.held else 0.0)
    return None


def _response(status: int, headers: Mapping[str, str], body: bytes) -> Response:
    given = Headers({**headers, "Content-Length": str(len(body)), "Connection": "close"})
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Error"
    return Response(status, reason, given, body)
