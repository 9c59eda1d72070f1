"""An account's connections and answers on a tape, without what must not be there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tapeline.errors import ConnectionLost
from tapeline.model.secret import Credentials, Secret
from tapeline.sim.loop import VirtualClock
from tapeline.venues.request import Request
from tapeline.wire.pipe import Pipe, Response
from tapeline.wire.private.redaction import Redaction
from tapeline.wire.private.taped import Taped

URLS = {"rest": "https://r.x", "private": "wss://s.x/ws", "public": "wss://s.x", "ws_api": "wss://a.x/v3"}
AT_NS = 1_700_000_000_000_000_000


class Tape:
    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def frame(self, connection: str, direction: str, raw: bytes, at_ns: int, reason: str = "") -> None:
        assert at_ns == AT_NS
        self.lines.append((connection, direction, raw, reason))

    def answer(self, method: str, url: str, status: int, body: bytes, at_ns: int) -> None:
        assert at_ns == AT_NS
        self.lines.append((method, url, status, body))


class Far:
    """The other end of a connection."""

    def __init__(self) -> None:
        self.calls: list[object] = []
        self.frames: list[list[bytes]] = []

    async def receive(self, at_once: object = None) -> list[bytes]:
        assert at_once is None
        if not self.frames:
            raise ConnectionLost("cut, with listen key pqrs1234")
        return self.frames.pop(0)

    async def send(self, frame: bytes) -> None:
        self.calls.append(frame)

    async def ping(self) -> None:
        self.calls.append("ping")

    def wake(self) -> None:
        self.calls.append("wake")


def taped(tape: Tape) -> Taped:
    credentials = Credentials(Secret("api-key-of-somebody"), lambda _payload: b"")
    return Taped("sim/main", URLS, tape, Redaction(credentials, {"signature", "listenKey"}), clock=Clock())


class Clock(VirtualClock):
    def __init__(self) -> None:
        """It stands still."""

    def wall_ns(self) -> int:
        return AT_NS


def test_frames_of_both_directions_are_told_and_the_pipe_is_as_it_was() -> None:
    tape, far = Tape(), Far()
    far.frames = [[b'{"a":1}', b'{"listenKey":"zz"}'], []]

    @asynccontextmanager
    async def dial(url: str) -> AsyncIterator[Pipe]:
        assert url == "wss://s.x/ws/pqrs1234"
        yield far

    async def main() -> None:
        async with taped(tape).dial(dial)("wss://s.x/ws/pqrs1234") as pipe:
            await pipe.send(b'{"signature":"5e55"}')
            await pipe.ping()
            pipe.wake()
            assert await pipe.receive(lambda _frames: True) == [b'{"a":1}', b'{"listenKey":"zz"}']
            assert await pipe.receive() == []
            await pipe.receive()

    with pytest.raises(ConnectionLost):
        asyncio.run(main())
    assert far.calls == [b'{"signature":"5e55"}', "ping", "wake"], "what is sent is what was to be sent"
    name = "sim/main/private#1"
    assert tape.lines == [
        (name, "open", b"", ""),
        (name, "out", b'{"signature":"***"}', ""),
        (name, "in", b'{"a":1}', ""),
        (name, "in", b'{"listenKey":"***"}', ""),
        (name, "close", b"", "cut, with listen key ***"),
    ]


@pytest.mark.parametrize(
    ("url", "endpoint", "hidden"),
    [
        ("wss://s.x/ws?listenKey=pqrs1234&events=A/B", "private", b"pqrs1234"),
        ("wss://s.x/ws/pqrs1234", "private", b"pqrs1234"),
        ("wss://a.x/v3", "ws_api", b""),
        ("wss://elsewhere", "?", b""),
        ("https://r.x", "?", b""),
    ],
)
def test_connections_are_named_by_their_endpoint_and_their_listen_key_is_learnt(
    url: str, endpoint: str, hidden: bytes
) -> None:
    tape = Tape()

    @asynccontextmanager
    async def dial(_url: str) -> AsyncIterator[Pipe]:
        yield Far()

    async def main() -> None:
        one = taped(tape)
        for _ in range(2):
            with suppress(RuntimeError):
                async with one.dial(dial)(url):
                    one.frame("sim", "in", b"of pqrs1234 and ORDER A/B")
                    raise RuntimeError("over")

    asyncio.run(main())
    opened = [line[0] for line in tape.lines if line[1] == "open"]
    assert opened == [f"sim/main/{endpoint}#1", f"sim/main/{endpoint}#2"]
    assert tape.lines[1][2] == (b"of *** and ORDER A/B" if hidden else b"of pqrs1234 and ORDER A/B")
    assert tape.lines[2] == (f"sim/main/{endpoint}#1", "close", b"", "closed by us")


def test_answers_are_told_with_the_request_as_it_was_before_it_was_signed() -> None:
    tape = Tape()
    request = Request("PUT", "/v1/key", query=(("listenKey", "pqrs1234"), ("symbol", "A")))
    taped(tape).answered(request, Response(200, {}, b'{"listenKey":"pqrs1234","of":"api-key-of-somebody"}'))
    taped(tape).answered(Request("GET", "/v1/time"), Response(502, {}, b""))
    assert tape.lines == [
        ("PUT", "https://r.x/v1/key?listenKey=***&symbol=A", 200, b'{"listenKey":"***","of":"***"}'),
        ("GET", "https://r.x/v1/time", 502, b""),
    ]
