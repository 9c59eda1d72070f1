"""Real loopback sockets: what no memory pipe can show."""

import asyncio
import datetime as dt
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tapeline.errors import ConfigError, ConnectionLost
from tapeline.wire import transport as wire_transport
from tapeline.wire.pipe import Dial, Pipe
from tapeline.wire.transport import real_dial

pytestmark = pytest.mark.sockets

Serve = Callable[[ServerConnection], Awaitable[None]]
KINDS: dict[str, dict[str, Any]] = {
    "picows": {},
    "picows, compressed": {"compression": True},
    "websockets": {"transport": "websockets"},
    "websockets, compressed": {"transport": "websockets", "compression": True},
}
EVERY = pytest.mark.parametrize("kind", KINDS)


def port_of(server: Any) -> int:
    port = server.sockets[0].getsockname()[1]
    assert isinstance(port, int)
    return port


def over_sockets(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main()

    asyncio.run(bounded())


@asynccontextmanager
async def venue(behave: Serve, **options: Any) -> AsyncIterator[str]:
    """A server on loopback; its URL."""
    server: Server
    async with serve(behave, "127.0.0.1", 0, max_size=None, close_timeout=0.5, **options) as server:
        yield f"{'wss' if 'ssl' in options else 'ws'}://127.0.0.1:{port_of(server)}/ws"


async def received(pipe: Pipe, count: int) -> list[bytes]:
    """So many frames, however they come."""
    out: list[bytes] = []
    while len(out) < count:
        out += await pipe.receive()
    return out


async def lost(pipe: Pipe) -> ConnectionLost:
    return (await drained(pipe))[1]


async def drained(pipe: Pipe) -> tuple[list[bytes], ConnectionLost]:
    """Everything up to the end, and why it ended."""
    frames: list[bytes] = []
    while True:
        try:
            frames += await pipe.receive()
        except ConnectionLost as told:
            return frames, told


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


# ---- frames ------------------------------------------------------------------------------------------------------


@EVERY
def test_frames_go_both_ways_as_bytes(kind: str) -> None:
    async def main() -> None:
        async with venue(echo, compression="deflate") as url, real_dial(**KINDS[kind])(url) as pipe:
            await pipe.send(b'{"a": 1}')
            await pipe.send('"häß"'.encode())
            assert await received(pipe, 2) == [b'{"a": 1}', '"häß"'.encode()]

    over_sockets(main)


@EVERY
def test_who_waits_takes_frames_in_the_readers_own_call(kind: str) -> None:
    async def main() -> None:
        taken: list[bytes] = []

        def at_once(frames: Sequence[bytes]) -> bool:
            taken.extend(frames)
            return b"enough" in frames

        async with venue(echo, compression="deflate") as url, real_dial(**KINDS[kind])(url) as pipe:
            for text in (b"short", b"x" * 126, b"enough"):
                await pipe.send(text)
            assert await pipe.receive(at_once) == []
            assert taken == [b"short", b"x" * 126, b"enough"]
            await pipe.send(b"later")
            assert await received(pipe, 1) == [b"later"]

    over_sockets(main)


def test_all_that_waits_comes_in_one_batch() -> None:
    async def burst(socket: ServerConnection) -> None:
        for n in range(100):
            await socket.send(str(n))
        await socket.wait_closed()

    async def main() -> None:
        async with venue(burst) as url, real_dial()(url) as pipe:
            await asyncio.sleep(0.2)
            assert await pipe.receive() == [str(n).encode() for n in range(100)]

    over_sockets(main)


def test_a_burst_is_handed_over_piece_by_piece_in_order() -> None:
    texts = [f"{n:05d}" * 40 for n in range(2000)]
    pieces: list[Sequence[bytes]] = []

    async def burst(socket: ServerConnection) -> None:
        await socket.recv()  # until it waits for them
        for text in texts:
            await socket.send(text)
        await socket.wait_closed()

    def take(frames: Sequence[bytes]) -> bool:
        pieces.append(frames)
        return sum(map(len, pieces)) == len(texts)

    async def main() -> None:
        async with venue(burst) as url, real_dial()(url) as pipe:
            await pipe.send(b"go")
            assert await pipe.receive(take) == []

    over_sockets(main)
    assert [frame for piece in pieces for frame in piece] == [text.encode() for text in texts]
    assert max(map(len, pieces)) <= wire_transport.TOGETHER


@EVERY
def test_fragments_are_joined_and_binary_frames_taken(kind: str) -> None:
    async def fragments(socket: ServerConnection) -> None:
        await socket.send(["{", '"a": ', "1}"])
        await socket.send([b"\x01", b"\x02"])
        await socket.send(b"\x00whole")
        await socket.wait_closed()

    async def main() -> None:
        async with venue(fragments) as url, real_dial(**KINDS[kind])(url) as pipe:
            assert await received(pipe, 3) == [b'{"a": 1}', b"\x01\x02", b"\x00whole"]

    over_sockets(main)


@EVERY
def test_a_frame_of_ten_megabytes(kind: str) -> None:
    big = "x" * 10_000_000

    async def send(socket: ServerConnection) -> None:
        await socket.send(big)
        await socket.send("after")
        await socket.wait_closed()

    async def main() -> None:
        async with venue(send) as url, real_dial(**KINDS[kind])(url) as pipe:
            assert await received(pipe, 2) == [big.encode(), b"after"]

    over_sockets(main)


@EVERY
@pytest.mark.parametrize("parts", [1, 5], ids=["one frame", "in fragments"])
def test_an_oversize_frame_ends_the_connection_and_nothing_after_it_is_seen(kind: str, parts: int) -> None:
    async def send(socket: ServerConnection) -> None:
        await socket.send("small")
        await socket.send(["x" * (2000 // parts)] * parts if parts > 1 else "x" * 2000)
        await socket.send("after")
        await socket.wait_closed()

    async def main() -> None:
        dial = real_dial(**KINDS[kind], max_bytes=1000)
        async with venue(send) as url, dial(url) as pipe:
            frames, told = await drained(pipe)
            assert frames in ([b"small"], [])  # never anything of it, or after it
            assert told.code in {1009, 1002, None}
            assert any(word in str(told) for word in ("over the limit", "too big", "exceed", "by us"))
            with pytest.raises(ConnectionLost):
                await pipe.send(b"x")

    over_sockets(main)


@pytest.mark.parametrize("kind", ["picows"])
def test_text_that_is_no_utf8_is_handed_on_as_bytes(kind: str) -> None:
    """The decoder refuses it, counts it, and the connection lives."""

    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(b"\x81\x02\xff\xfe" + b"\x81\x02ok")
        await reader.read()

    async def main() -> None:
        async with raw_venue(raw) as url, real_dial(**KINDS[kind])(url) as pipe:
            assert await received(pipe, 2) == [b"\xff\xfe", b"ok"]

    over_sockets(main)


def test_invalid_utf8_does_not_hurt_the_other_transport_either() -> None:
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(b"\x81\x02\xff\xfe" + b"\x81\x02ok")
        await reader.read()

    async def main() -> None:
        async with raw_venue(raw) as url, real_dial(transport="websockets")(url) as pipe:
            assert await received(pipe, 2) == [b"\xff\xfe", b"ok"]

    over_sockets(main)


# ---- the end -----------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize(("code", "why"), [(1000, ""), (1001, "going away"), (1012, "restart"), (4001, "our own code")])
def test_a_close_is_told_with_its_code_after_the_frames_before_it(kind: str, code: int, why: str) -> None:
    async def close(socket: ServerConnection) -> None:
        await socket.send("last words")
        await socket.close(code, why)

    async def main() -> None:
        async with venue(close) as url, real_dial(**KINDS[kind])(url) as pipe:
            assert await received(pipe, 1) == [b"last words"]
            told = await lost(pipe)
            assert told.code == code
            assert str(code) in str(told)
            assert why in str(told)
            with pytest.raises(ConnectionLost):
                await pipe.send(b"too late")
            with pytest.raises(ConnectionLost):
                await pipe.ping()

    over_sockets(main)


@EVERY
def test_a_close_without_a_code(kind: str) -> None:
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(b"\x88\x00")
        await reader.read()

    async def main() -> None:
        async with raw_venue(raw) as url, real_dial(**KINDS[kind])(url) as pipe:
            await asyncio.sleep(0.1)
            with pytest.raises(ConnectionLost):
                await pipe.ping()  # `websockets` tells a reader only when the socket closes, a writer at once
            if not kind.startswith("websockets"):
                assert "clos" in str(await lost(pipe))

    over_sockets(main)


@EVERY
def test_half_a_frame_then_cut(kind: str) -> None:
    async def raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(b"\x81\x02ok" + b"\x81\x7e\x01\x00" + b"half")
        await writer.drain()

    async def main() -> None:
        async with raw_venue(raw) as url, real_dial(**KINDS[kind])(url) as pipe:
            assert await received(pipe, 1) == [b"ok"]
            assert "ended" in str(await lost(pipe))

    over_sockets(main)


@EVERY
def test_leaving_says_goodbye_in_bounded_time_even_to_one_that_does_not_answer(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_transport, "CLOSE_WITHIN_S", 0.1)
    heard: list[bytes] = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        heard.append(await reader.read(100))
        await asyncio.sleep(0.5)

    async def main() -> None:
        async with raw_venue(deaf) as url:
            loop = asyncio.get_running_loop()
            async with real_dial(**KINDS[kind])(url):
                before = loop.time()
            assert loop.time() - before < 2.0
            await asyncio.sleep(0.6)
        assert heard[0][:1] == b"\x88"

    over_sockets(main)


# ---- life and waking ---------------------------------------------------------------------------------------------


@EVERY
def test_a_pong_shows_as_life_and_comes_before_frames_that_wait(kind: str) -> None:
    async def main() -> None:
        async with venue(echo) as url, real_dial(**KINDS[kind])(url) as pipe:
            await pipe.ping()
            assert await pipe.receive() == []
            await pipe.ping()
            await pipe.send(b"x")
            await asyncio.sleep(0.2)
            assert await pipe.receive() == []  # on a busy connection a pong must not drown among the frames
            assert await pipe.receive() == [b"x"]

    over_sockets(main)


def test_the_venues_ping_is_answered_and_is_life() -> None:
    answered: list[float] = []

    async def pings(socket: ServerConnection) -> None:
        answered.append(await (await socket.ping()))
        await socket.wait_closed()

    async def main() -> None:
        async with venue(pings) as url, real_dial()(url) as pipe:
            assert await pipe.receive() == []
            await asyncio.sleep(0.1)
        assert len(answered) == 1

    over_sockets(main)


@EVERY
def test_waking_makes_receive_return(kind: str) -> None:
    async def main() -> None:
        async with venue(echo) as url, real_dial(**KINDS[kind])(url) as pipe:
            asyncio.get_running_loop().call_later(0.05, pipe.wake)
            assert await pipe.receive() == []
            pipe.wake()  # before anybody waits
            assert await pipe.receive() == []
            await pipe.send(b"x")
            await asyncio.sleep(0.1)
            pipe.wake()
            assert await pipe.receive() == [b"x"]

    over_sockets(main)


@EVERY
def test_cancelled_while_it_waits_it_loses_no_frame(kind: str) -> None:
    async def main() -> None:
        async with venue(echo) as url, real_dial(**KINDS[kind])(url) as pipe:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await pipe.receive()
            await pipe.send(b"x")
            assert await received(pipe, 1) == [b"x"]

    over_sockets(main)


@EVERY
def test_a_reader_that_is_busy_pauses_the_socket_and_loses_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_transport, "HIGH_FRAMES", 50)
    monkeypatch.setattr(wire_transport, "HIGH_BYTES", 100_000)
    sent = 0

    async def flood(socket: ServerConnection) -> None:
        nonlocal sent
        for n in range(3000):
            await socket.send(f"{n:010000}")
            sent += 1
        await socket.wait_closed()

    async def main() -> None:
        async with venue(flood, compression=None) as url, real_dial(**KINDS[kind])(url) as pipe:
            await asyncio.sleep(0.5)
            assert sent < 2900  # 30 MB: the venue waits
            held = sent
            await asyncio.sleep(0.1)
            assert sent == held
            frames = await received(pipe, 3000)
            assert [int(frame[-5:]) for frame in frames] == list(range(3000))

    over_sockets(main)


# ---- dialling ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def raw_venue(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that speaks in bytes; its URL. Whatever it still does at the end is cut off."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve_one(reader, writer), name="raw venue"))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{port_of(server)}/ws"
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A WebSocket handshake by hand."""
    import base64  # noqa: PLC0415  # only here
    import hashlib  # noqa: PLC0415

    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = (line.partition(": ") for line in head.splitlines())
    key = next(value for name, _, value in lines if name.lower() == "sec-websocket-key")
    digest = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324  # RFC 6455
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


async def refusal(dial: Dial, url: str) -> ConnectionLost:
    with pytest.raises(ConnectionLost) as told:
        async with dial(url):
            pytest.fail("it should not have connected")
    assert url in str(told.value)
    return told.value


@EVERY
def test_a_handshake_refused_carries_its_status_and_retry_after(kind: str) -> None:
    def limited(_socket: ServerConnection, _request: Request) -> Response:
        return Response(429, "Too Many Requests", Headers({"Retry-After": "17", "Content-Length": "0"}), b"")

    async def main() -> None:
        async with venue(echo, process_request=limited) as url:
            told = await refusal(real_dial(**KINDS[kind]), url)
            assert told.after_s == 17.0
            assert "429" in str(told)

    over_sockets(main)


@EVERY
def test_nobody_listens(kind: str) -> None:
    async def main() -> None:
        async with venue(echo) as url:
            pass
        told = await refusal(real_dial(**KINDS[kind]), url)
        assert told.after_s is None

    over_sockets(main)


@EVERY
def test_a_name_that_does_not_resolve(kind: str) -> None:
    async def main() -> None:
        await refusal(real_dial(**KINDS[kind]), "ws://nowhere.invalid:80/ws")

    over_sockets(main)


@EVERY
def test_one_that_accepts_and_says_nothing_is_given_up(kind: str) -> None:
    async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with raw_venue(mute) as url:
            before = loop.time()
            await refusal(real_dial(**KINDS[kind], within_s=0.2), url)
            assert loop.time() - before < 2.0

    over_sockets(main)


@EVERY
@pytest.mark.parametrize("url", ["http://127.0.0.1/ws", "ws://127.0.0.1:99999/ws", "nonsense"])
def test_a_url_that_is_none(kind: str, url: str) -> None:
    async def main() -> None:
        await refusal(real_dial(**KINDS[kind], within_s=1.0), url)

    over_sockets(main)


def test_an_unknown_transport_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="unknown transport 'carrier pigeon': picows or websockets"):
        real_dial(transport="carrier pigeon")


# ---- TLS ---------------------------------------------------------------------------------------------------------


def served_with(authority: trustme.CA, *, expired: bool = False) -> ssl.SSLContext:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) if expired else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=past).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@EVERY
def test_tls_with_a_trusted_certificate(kind: str) -> None:
    async def main() -> None:
        authority = trustme.CA()
        dial = real_dial(**KINDS[kind], tls=trusting(authority))
        async with venue(echo, ssl=served_with(authority)) as url, dial(url) as pipe:
            await pipe.send(b"secret")
            assert await received(pipe, 1) == [b"secret"]

    over_sockets(main)


@EVERY
@pytest.mark.parametrize("fault", ["expired", "untrusted", "untrusted by the machine", "another host"])
def test_a_certificate_that_is_no_good_is_refused(kind: str, fault: str) -> None:
    async def main() -> None:
        authority, other = trustme.CA(), trustme.CA()
        trust = {"untrusted": trusting(other), "untrusted by the machine": None}.get(fault, trusting(authority))
        context = served_with(authority, expired=fault == "expired")
        if fault == "another host":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("venue.example").configure_cert(context)
        async with venue(echo, ssl=context) as url:
            told = await refusal(real_dial(**KINDS[kind], tls=trust), url)
            assert "certificate" in str(told).lower()

    over_sockets(main)


@EVERY
def test_no_librarys_log_holds_what_is_sent_nor_the_address(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async def main() -> None:
        logging.getLogger("websockets.server").setLevel(logging.WARNING)
        async with venue(echo) as url, real_dial(**KINDS[kind])(f"{url}/listen-key-of-a-stream") as pipe:
            await pipe.send(b'{"apiKey": "key-of-a-login"}')
            assert await received(pipe, 1) == [b'{"apiKey": "key-of-a-login"}']

    with caplog.at_level(logging.DEBUG):
        over_sockets(main)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "key-of-a" not in said
    assert "listen-key" not in said
