"""One connection tried step by step, each timed: name, TCP, TLS, handshake, subscription, first data."""

import asyncio
import base64
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from tapeline.clock import Clock
from tapeline.errors import BadData, TapelineError
from tapeline.model.instrument import Instrument
from tapeline.model.topic import Topic
from tapeline.venues.spec import Ack, Closing, Pong, Problem, Refusal, Subscribe, Venue
from tapeline.wire.pipe import Dial, Pipe

STEPS = ("dns", "tcp", "tls", "handshake", "subscribe", "first_data")
HEAD_BYTES = 2**16
SWITCHING = 101
_CONTROL = (Ack, Closing, Pong, Problem, Refusal)


@dataclass(frozen=True, slots=True)
class Step:
    """`state` is ok | failed | skipped (there was no need); `took_s` is None where it was not tried."""

    name: str
    state: str
    took_s: float | None
    text: str


@dataclass(slots=True)
class Trial:
    """What came of a connection."""

    venue: str
    endpoint: str
    url: str
    topic: str
    steps: list[Step] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether it came as far as data."""
        return len(self.steps) == len(STEPS) and all(step.state != "failed" for step in self.steps)


class _Failed(Exception):  # the end of a trial, no error of the program
    """A step went wrong, in words."""


async def try_connection(
    venue: Venue, topic: Topic, url: str, *, instruments: Mapping[str, Instrument], dial: Dial, clock: Clock,
    within_s: float, endpoint: str = "", tls: ssl.SSLContext | None = None,
) -> Trial:  # fmt: skip
    """Go step by step until one fails or the time is over. The last two go over a connection as `run` opens it."""
    trial = Trial(venue.name, endpoint, url, str(topic))
    try:
        async with asyncio.timeout(within_s):
            await _socket_steps(trial, url, clock, tls)
            await _data_steps(trial, dial, clock, lambda pipe: _Line(venue, topic, instruments, pipe, clock))
    except TimeoutError:
        reached = STEPS[len(trial.steps)] if len(trial.steps) < len(STEPS) else STEPS[-1]
        trial.steps.append(Step(reached, "failed", None, f"nothing within {within_s:g} s"))
    except _Failed:
        pass
    return trial


async def _timed(
    trial: Trial, name: str, clock: Clock, step: Callable[[], Awaitable[str]], state: str = "ok"
) -> None:  # fmt: skip
    before = clock.now()
    try:
        text = await step()
    except (OSError, TapelineError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
        why = str(error) or type(error).__name__
        trial.steps.append(Step(name, "failed", clock.now() - before, why))
        raise _Failed from error
    trial.steps.append(Step(name, state, clock.now() - before, text))


async def _socket_steps(trial: Trial, url: str, clock: Clock, tls: ssl.SSLContext | None) -> None:
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    addresses: list[str] = []

    async def look_up() -> str:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
        addresses.extend(dict.fromkeys(str(each[4][0]) for each in found))
        return ", ".join(addresses)

    await _timed(trial, "dns", clock, look_up)
    streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def connect() -> str:
        streams.append(await asyncio.open_connection(addresses[0], port, limit=HEAD_BYTES))
        return f"{addresses[0]} port {port}"

    await _timed(trial, "tcp", clock, connect)
    reader, writer = streams[0]

    async def secured() -> str:
        await writer.start_tls(tls or ssl.create_default_context(), server_hostname=host)
        return str(writer.get_extra_info("ssl_object").version())

    try:
        if secure:
            await _timed(trial, "tls", clock, secured)
        else:
            trial.steps.append(Step("tls", "skipped", None, "the address is not encrypted (ws://)"))
        await _timed(trial, "handshake", clock, lambda: _upgraded(parts, reader, writer))
    finally:
        writer.close()


async def _upgraded(parts: SplitResult, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Ask for a WebSocket; the first line of the answer. Raises ConnectionRefusedError where it is a no."""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, _, _ = head.partition("\r\n")
    if line.split(" ")[1:2] != [str(SWITCHING)]:
        raise ConnectionRefusedError(f"the server answered {line!r}, not a WebSocket handshake")
    return line


class _Line:
    """A connection that is asked for one topic, read until it answers."""

    def __init__(
        self, venue: Venue, topic: Topic, instruments: Mapping[str, Instrument], pipe: Pipe, clock: Clock
    ) -> None:
        self._decode, self._clock, self._pipe = venue.decoder(venue.name, instruments), clock, pipe
        self._frames = venue.requests(Subscribe((topic,), 1))
        self._data = ""  # what came first

    async def subscribed(self) -> str:
        """Ask, and wait for an answer."""
        for frame in self._frames:
            await self._pipe.send(frame)
        return await self._heard()

    async def delivered(self) -> str:
        """Wait for the first event."""
        while not self._data:
            await self._heard()
        return self._data

    async def _heard(self) -> str:
        """Until an acknowledgement, or data; which of them."""
        while True:
            for frame in await self._pipe.receive():
                said = self._said(frame)
                if said:
                    return said

    def _said(self, frame: bytes) -> str:
        try:
            items = self._decode(frame, self._clock.wall_ns())
        except BadData:
            return ""
        for item in items:
            if isinstance(item, Refusal):
                raise ConnectionRefusedError(f"refused: {item.code} {item.text}")
            if isinstance(item, Ack):
                return "confirmed"
            if not isinstance(item, _CONTROL):
                self._data = f"{item.channel} of {item.instrument}"
                return "data came"
        return ""


async def _data_steps(trial: Trial, dial: Dial, clock: Clock, line: Callable[[Pipe], _Line]) -> None:
    try:
        async with dial(trial.url) as pipe:
            asked = line(pipe)
            await _timed(trial, "subscribe", clock, asked.subscribed)
            await _timed(trial, "first_data", clock, asked.delivered)
    except TapelineError as error:  # the dial itself: a step that fails says so on its own
        trial.steps.append(Step("subscribe", "failed", None, str(error)))
        raise _Failed from error
