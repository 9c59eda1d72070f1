"""Pipes over real WebSocket libraries: picows where nothing else is needed, message-level clients for compression."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import picows
import picows.websockets
import websockets.asyncio.client
import websockets.exceptions
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from tapeline.errors import ConfigError, ConnectionLost
from tapeline.venues.ccxt import bridged
from tapeline.wire.ccxt.bridge import Bridge
from tapeline.wire.ccxt.exchange import Reach
from tapeline.wire.pace import retry_after_s
from tapeline.wire.pipe import AtOnce, Dial, Pipe

HIGH_FRAMES = 20_000  # frames waiting for a busy loop: past this the socket fills and the venue waits
HIGH_BYTES = 8 * 2**20
TOGETHER = 256  # frames of one read that are handed over at once: a burst is read in one piece of megabytes
MOST_CONTROL_BYTES = 125  # by RFC 6455
CLOSE_WITHIN_S = 1.0
SEND_WITHIN_S = 10.0
# What we close with where the venue's frames are at fault. picows.websockets may hand on what its decompressor made of
# the frames after such a one: nothing read after it can be trusted.
_AT_FAULT = frozenset(
    {WSCloseCode.PROTOCOL_ERROR.value, WSCloseCode.INVALID_TEXT.value, WSCloseCode.MESSAGE_TOO_BIG.value}
)
# The library logs every frame, and addresses, where its logger is at the lowest level: keys and logins are among them.
_LOG = logging.getLogger("tapeline.websockets")
_LOG.setLevel(logging.WARNING)
_TEXT = WSMsgType.TEXT
_DATA = (_TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION)
_FAILURES = (
    OSError, TimeoutError, ssl.SSLError, picows.WSError, picows.websockets.WebSocketException,
    websockets.exceptions.WebSocketException, UnicodeError, ValueError,
)  # fmt: skip


class _Mailbox:
    """Frames that wait, and the one reader that waits for them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._frames: list[bytes] = []
        self._bytes = 0
        self._life = False  # a transport ping or pong came; told on its own, before the frames that wait
        self._woken = False
        self._over: ConnectionLost | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._at_once: AtOnce | None = None  # takes frames without waking the reader that waits

    async def receive(self, at_once: AtOnce | None = None) -> list[bytes]:
        """See `Pipe`. Frames that came before the end are given out before the end is told."""
        while not self._frames and not self._life and not self._woken:
            if self._over is not None:
                raise self._over
            self._waiter, self._at_once = asyncio.get_running_loop().create_future(), at_once
            try:
                await self._waiter
            finally:
                self._waiter = self._at_once = None
        if self._life:
            self._life = False
            return []
        frames, self._frames, self._woken = self._frames, [], False
        if self._bytes > HIGH_BYTES or len(frames) > HIGH_FRAMES:
            self.resume()
        self._bytes = 0
        return frames

    def wake(self) -> None:
        """See `Pipe`."""
        self._woken = True
        self._notify()

    def alive(self) -> None:
        """A transport ping or pong has arrived."""
        self._life = True
        self._notify()

    def put(self, frames: Sequence[bytes]) -> None:
        """Frames have arrived. Nothing counts any more once the end is known."""
        at_once = self._at_once
        if at_once is not None:  # it waits, and nothing waits for it
            if at_once(frames):
                self.wake()
            return
        if self._over is not None:
            return
        self._frames.extend(frames)
        self._bytes += sum(map(len, frames))
        if self._bytes > HIGH_BYTES or len(self._frames) > HIGH_FRAMES:
            self.pause()
        self._notify()

    def end(self, reason: str, code: int | None = None) -> None:
        """The connection is over; the first reason given is the one that counts."""
        if self._over is None:
            self._over = ConnectionLost(reason, code=code)
        self._notify()

    def check(self) -> None:
        """Raise where the connection has ended."""
        if self._over is not None:
            raise self._over

    def pause(self) -> None:
        """Stop reading the socket."""

    def resume(self) -> None:
        """Read the socket again."""

    def _notify(self) -> None:
        self._at_once = None  # it is not waiting any more, though it may take a moment to find out
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _PicowsPipe(_Mailbox, WSListener):
    """picows' core: the fastest; joins fragments and refuses oversize frames itself, which the core does not."""

    def __init__(self, url: str, max_bytes: int) -> None:
        _Mailbox.__init__(self, url)
        self._max_bytes = max_bytes
        self._parts: list[bytes] = []
        self._read: list[bytes] = []  # frames of one read of the socket, handed over together
        self._transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        size = frame.payload_size
        # Nearly all: whole, and longer than a control frame can be. Asking what kind it is costs more than all this.
        if MOST_CONTROL_BYTES < size <= self._max_bytes and frame.fin and not self._parts:
            read = self._read
            read.append(frame.get_payload_as_bytes())
            if frame.last_in_buffer or len(read) == TOGETHER:
                self._read = []
                self.put(read)
            return
        self._hand_over()
        kind = frame.msg_type
        if kind in _DATA:
            if size > self._max_bytes:
                self._oversize(transport, size)
            else:
                self._join(transport, frame)
        elif kind == WSMsgType.CLOSE:
            code = frame.get_close_code()
            text = frame.get_close_message()
            self.end(
                f"closed by the venue: {int(code.value)} {(text or b'').decode(errors='replace')}".strip(), code.value
            )
            transport.send_close(code)
            transport.disconnect()
        else:
            if kind == WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            self.alive()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._hand_over()  # picows does not tell which frame is the last one before a faulty one
        said = transport.close_handshake.sent if transport.close_handshake is not None else None
        if said is None:
            self.end("the connection ended without a close frame")
        else:  # picows has found the venue's frames at fault, and told it so
            self.end(f"the connection ended by us: {said.code.value} {said.reason or ''}".strip(), said.code.value)

    async def send(self, frame: bytes) -> None:
        """See `Pipe`."""
        self.check()
        self._open().send(_TEXT, frame)

    async def ping(self) -> None:
        """See `Pipe`."""
        self.check()
        self._open().send_ping(b"tapeline")

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()

    async def close(self) -> None:
        """Say goodbye, wait a moment, then cut."""
        if self._transport is None:
            return
        if not self._transport.is_disconnected:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._transport.wait_disconnected()
        except TimeoutError:
            self._transport.disconnect(graceful=False)
        except _FAILURES:
            return  # why it ended has been told; picows raises it once more here

    def _open(self) -> WSTransport:
        assert self._transport is not None, "a pipe is handed out only once it is connected"
        return self._transport

    def _hand_over(self) -> None:
        frames, self._read = self._read, []
        if frames:
            self.put(frames)

    def _join(self, transport: WSTransport, frame: WSFrame) -> None:
        self._parts.append(frame.get_payload_as_bytes())
        size = sum(map(len, self._parts))
        if size > self._max_bytes:
            self._oversize(transport, size)
        elif frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self.put((whole,))

    def _oversize(self, transport: WSTransport, size: int) -> None:
        self.end(f"a frame of {size} bytes is over the limit of {self._max_bytes} (buffer_size)", 1009)
        transport.send_close(WSCloseCode.MESSAGE_TOO_BIG)
        transport.disconnect()


class _MessagePipe(_Mailbox):
    """A client with the `websockets` API, which compresses and joins by itself; one task pumps it."""

    def __init__(self, url: str, socket: Any) -> None:
        super().__init__(url)
        self._socket = socket
        self._reading = asyncio.Event()
        self._reading.set()

    async def pump(self) -> None:
        """Read until the end."""
        try:
            while True:
                await self._reading.wait()
                message = await self._socket.recv(decode=False)
                if self._socket.close_code in _AT_FAULT:
                    self.end(f"the connection ended by us: {self._socket.close_code}", self._socket.close_code)
                    return
                self.put((bytes(message),))
        except _FAILURES as error:
            closed = getattr(error, "rcvd", None)
            self.end(f"the connection ended: {error}", getattr(closed, "code", None))

    async def send(self, frame: bytes) -> None:
        """See `Pipe`."""
        self.check()
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await self._socket.send(frame.decode())
        except _FAILURES as error:
            raise ConnectionLost(f"could not send to {self.url}: {error}") from error

    async def ping(self) -> None:
        """See `Pipe`."""
        self.check()
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                pong = await self._socket.ping()
        except _FAILURES as error:
            raise ConnectionLost(f"could not ping {self.url}: {error}") from error
        pong.add_done_callback(lambda done: None if done.cancelled() or done.exception() else self.alive())

    def pause(self) -> None:
        self._reading.clear()

    def resume(self) -> None:
        self._reading.set()


def _lost(url: str, error: BaseException) -> ConnectionLost:
    response = getattr(error, "response", None)
    status = getattr(response, "status", None) or getattr(response, "status_code", None)
    headers = getattr(response, "headers", None) or {}
    after_s = retry_after_s(str(headers.get("Retry-After", "")))
    status_text = f"HTTP {int(status)} " if status else ""
    text = str(error) or type(error).__name__
    return ConnectionLost(f"could not connect to {url}: {status_text}{text}", after_s=after_s)


@asynccontextmanager
async def _picows(url: str, max_bytes: int, within_s: float, tls: ssl.SSLContext | None) -> AsyncIterator[Pipe]:
    pipe = _PicowsPipe(url, max_bytes)
    try:
        async with asyncio.timeout(within_s):
            await picows.ws_connect(
                lambda: pipe, url, ssl_context=tls, websocket_handshake_timeout=within_s, max_frame_size=max_bytes,
                enable_auto_pong=False,  # it would hide the venue's pings, which are life, from the listener
            )  # fmt: skip
    except _FAILURES as error:
        raise _lost(url, error) from error
    try:
        yield pipe
    finally:
        await pipe.close()


@asynccontextmanager
async def _messages(
    url: str, max_bytes: int, within_s: float, tls: ssl.SSLContext | None, connect: Callable[..., Any]
) -> AsyncIterator[Pipe]:
    options: dict[str, Any] = {"ssl": tls} if url.startswith("wss:") and tls is not None else {}
    try:
        async with asyncio.timeout(within_s):
            socket = await connect(
                url, max_size=max_bytes, open_timeout=within_s,
                ping_interval=None, close_timeout=CLOSE_WITHIN_S, **options,
            )  # fmt: skip
    except _FAILURES as error:
        raise _lost(url, error) from error
    pipe = _MessagePipe(url, socket)
    pump = asyncio.create_task(pipe.pump(), name=f"pump {url}")  # owned here: cancelled and awaited below
    try:
        yield pipe
    finally:
        pump.cancel()
        with suppress(asyncio.CancelledError):
            await pump
        await socket.close()


def real_dial(
    *, transport: str = "picows", compression: bool = False, max_bytes: int = 16 * 2**20, within_s: float = 10.0,
    tls: ssl.SSLContext | None = None, reaches: Mapping[str, Reach] | None = None,
) -> Dial:  # fmt: skip
    """Dial over the network. `tls` replaces the machine's own trust (a private authority in tests); `reaches` are of
    venues behind ccxt, which has sockets of its own.
    """
    sockets = _sockets(transport, max_bytes, within_s, tls, compression=compression)
    bridge = Bridge(reaches, within_s=within_s)
    return lambda url: bridge.dial(url) if bridged(url) else sockets(url)


def _sockets(
    transport: str, max_bytes: int, within_s: float, tls: ssl.SSLContext | None, *, compression: bool
) -> Dial:  # fmt: skip
    if transport == "websockets":
        plain = partial(websockets.asyncio.client.connect, compression="deflate" if compression else None, logger=_LOG)
        return lambda url: _messages(url, max_bytes, within_s, tls, plain)
    if transport != "picows":
        raise ConfigError(f"unknown transport {transport!r}: picows or websockets")
    if compression:
        deflating = partial(picows.websockets.connect, compression="deflate")
        return lambda url: _messages(url, max_bytes, within_s, tls, deflating)
    return lambda url: _picows(url, max_bytes, within_s, tls)
