"""A connection tried against servers that are no venue, or whose certificate nobody knows; and against a venue."""

import asyncio
import ssl
import sys
from typing import Any

import pytest
import trustme

from tapeline.app.trial import STEPS, try_connection
from tapeline.clock import SystemClock
from tapeline.model.topic import Topic
from tapeline.venues import venue_named
from tapeline.wire.transport import real_dial

pytestmark = pytest.mark.sockets


def tried(url: str, tls: ssl.SSLContext | None = None, *, within_s: float = 5.0) -> Any:
    return try_connection(
        venue_named("binance"), Topic("trades", "BTCUSDT"), url, instruments={}, dial=real_dial(), clock=SystemClock(),
        within_s=within_s, tls=tls,
    )  # fmt: skip


@pytest.mark.parametrize("answer", [b"HTTP/1.1 451 No\r\n\r\n", b"", b"nonsense\r\n\r\n"])
def test_a_server_that_is_no_venue(answer: bytes) -> None:
    async def scene() -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await tried(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/x?y=1")

    trial = asyncio.run(scene())
    assert [(step.name, step.state) for step in trial.steps][-1] == ("handshake", "failed")
    assert not trial.ok


def test_a_certificate_that_nobody_knows_fails_at_tls_and_a_known_one_does_not() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def scene(tls: ssl.SSLContext | None) -> Any:
        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            return await tried(f"wss://localhost:{server.sockets[0].getsockname()[1]}/", tls)

    assert [(step.name, step.state) for step in asyncio.run(scene(None)).steps][-1] == ("tls", "failed")
    steps = asyncio.run(scene(trusting)).steps
    assert [(step.name, step.state) for step in steps][-2:] == [("tls", "ok"), ("handshake", "failed")]
    assert steps[2].text.startswith("TLSv1"), sys.version


def test_a_venue_that_answers(market: Any) -> None:
    async def scene() -> Any:
        async with market() as address:
            return await tried(f"ws://{address}/stream")

    trial = asyncio.run(scene())
    assert [step.name for step in trial.steps] == list(STEPS)
    assert trial.ok
    assert trial.steps[5].text == "trades of binance:BTCUSDT", "on no list: named by what the venue calls it"


def test_one_that_says_nothing(market: Any) -> None:
    async def scene() -> Any:
        async with market(faults=("no_ack@+0s+600s", "mute@+0s+600s")) as address:
            return await tried(f"ws://{address}/stream", within_s=2.0)

    trial = asyncio.run(scene())
    assert [(step.name, step.state, step.text) for step in trial.steps][-1] == (
        "subscribe", "failed", "nothing within 2 s",
    )  # fmt: skip
