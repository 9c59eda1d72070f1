"""One port, two protocols: plain HTTP requests and WebSockets, on real sockets."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tapeline.sim import http
from tapeline.sim.http import speaking
from tapeline.venues.orders import OrderRequest
from tapeline.wire.pipe import Response

pytestmark = pytest.mark.sockets
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


async def answer(request: OrderRequest, peer: str) -> Response | None:
    if request.path == "/nothing":
        return None
    return Response(200, {"x-peer": peer}, f"{request.method} {request.path} {request.body.decode()}".encode())


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def talked(*talks: Talk) -> list[Any]:
    """What each of these gets out of a connection of its own, one after the other."""

    async def main() -> list[Any]:
        found = []
        connections = speaking(answer)
        async with (
            asyncio.timeout(20),
            serve(echo, "127.0.0.1", 0, create_connection=connections, open_timeout=None) as server,
        ):
            port = next(iter(server.sockets)).getsockname()[1]
            for talk in talks:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                found.append(await talk(reader, writer))
                writer.close()
                await writer.wait_closed()
            async with connect(f"ws://127.0.0.1:{port}/ws") as client:
                await client.send("hello")
                assert await client.recv() == "hello"
            connections.end_all()
        return found

    return asyncio.run(main())


async def one(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """(head, body) of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(next(line for line in head.split(b"\r\n") if line.startswith(b"content-length")).split(b":")[1])
    return head, await reader.readexactly(size)


def test_requests_of_any_method_follow_each_other_on_a_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[bytes]:
        bodies = []
        for method in (b"POST", b"DELETE", b"PUT"):
            writer.write(method + b" /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi")
            head, body = await one(reader)
            assert b"connection: keep-alive" in head
            assert b"x-peer: 127.0.0.1" in head
            bodies.append(body)
        writer.write(b"GET /b HTTP/1.1\r\nConnection: close\r\n\r\n")
        bodies.append((await one(reader))[1])
        assert await reader.read() == b""
        return bodies

    assert talked(talk) == [[b"POST /a hi", b"DELETE /a hi", b"PUT /a hi", b"GET /b "]]


def test_what_is_no_request_or_gets_no_answer_is_dropped() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"hello\r\n\r\n")
        return await reader.read()

    async def unanswered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET /nothing HTTP/1.1\r\n\r\n")
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""

    assert talked(nonsense, unanswered) == [b"", b""]


def test_who_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_WITHIN_S", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET /a HT")
        return await reader.read()

    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        del reader
        writer.write(b"GET /a HT")
        return b"left"

    began = time.monotonic()
    assert talked(silent, gone) == [b"", b"left"]
    assert time.monotonic() - began < 10


def test_who_comes_while_the_server_goes_is_let_go_too() -> None:
    async def main() -> bytes:
        connections = speaking(answer)
        async with serve(echo, "127.0.0.1", 0, create_connection=connections, open_timeout=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            connections.end_all()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /a HTTP/1.1\r\n\r\n")
            try:
                return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.close()

    assert asyncio.run(main()) == b""
