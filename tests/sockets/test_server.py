"""A simulated venue on real loopback sockets, heard by an independent client."""

import asyncio
import json
import socket
from collections.abc import Sequence
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from tapeline.clock import SystemClock
from tapeline.model.event import Trade
from tapeline.sim.faults import fault
from tapeline.sim.recording import Recording
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named

pytestmark = pytest.mark.sockets

VENUE = venue_named("binance")
START_NS = 1_700_000_000_000_000_000
SUBSCRIBE = '{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}'
ACK = b'{"result":null,"id":1}'


def traded(number: int) -> bytes:
    at_ns = START_NS + number * 10_000_000
    assert VENUE.server is not None
    price, size = Decimal(60000 + number % 7), Decimal("0.5")
    trade = Trade("binance:BTC/USDT", "trades", at_ns, at_ns, "ws", str(number), number, "buy", price, size)
    return VENUE.server.encode(trade, "BTCUSDT")


TAPE = [(START_NS + number * 10_000_000, traded(number)) for number in range(20_000)]  # 200 s


def simulated(*faults: str, tape: Sequence[tuple[int, bytes]] = TAPE, speed: float | None = None) -> SimulatedVenue:
    source = Recording(VENUE, tape)
    return SimulatedVenue(VENUE, source, clock=SystemClock(), speed=speed, faults=[fault(text) for text in faults])


async def read(client: ClientConnection, pause_s: float = 0.0, most: int | None = None) -> list[bytes]:
    """Every frame until the end of the connection or the tape, at this reader's speed."""
    frames: list[bytes] = []
    try:
        async with asyncio.timeout(10):
            while most is None or len(frames) < most:
                frames.append(await client.recv(decode=False))
                if pause_s and len(frames) % 500 == 0:
                    await asyncio.sleep(pause_s)
                if frames[-1] == TAPE[-1][1]:
                    return frames
    except ConnectionClosed:
        pass
    return frames


def run(main: Any) -> Any:
    return asyncio.run(asyncio.wait_for(main, 30))


def test_every_frame_arrives_and_rest_answers_on_the_same_port() -> None:
    def ask(port: int, path: str) -> tuple[int, Any]:
        rest = HTTPConnection("127.0.0.1", port, timeout=5)
        rest.request("GET", path)
        answer = rest.getresponse()
        body = answer.read()
        rest.close()
        return answer.status, json.loads(body)

    async def main() -> None:
        async with serving(simulated()) as port:
            assert await asyncio.to_thread(ask, port, "/api/v3/time") == (200, {"serverTime": START_NS // 10**6})
            async with connect(f"ws://127.0.0.1:{port}/stream") as client:
                await client.send(SUBSCRIBE)
                assert await read(client) == [ACK, *(frame for _, frame in TAPE)]
                await asyncio.wait_for(await client.ping(), 5)
            end_ms = TAPE[-1][0] // 10**6
            assert await asyncio.to_thread(ask, port, "/api/v3/time") == (200, {"serverTime": end_ms})
            status, trades = await asyncio.to_thread(ask, port, "/api/v3/trades?symbol=BTCUSDT&limit=2")
            assert (status, [trade["id"] for trade in trades]) == (200, [19_998, 19_999])
            assert (await asyncio.to_thread(ask, port, "/api/v3/nothing"))[0] == 404

    run(main())


@pytest.mark.parametrize("kind", ["cut", "half", "close"])
@pytest.mark.parametrize("pause_s", [0.0, 0.02])
def test_a_cut_has_one_outcome_at_any_reading_speed(kind: str, pause_s: float) -> None:
    async def main() -> tuple[list[bytes], int | None, list[bytes]]:
        async with serving(simulated(f"{kind}@+50s+20s")) as port:
            url = f"ws://127.0.0.1:{port}/stream"
            async with connect(url) as client:
                await client.send(SUBSCRIBE)
                before = await read(client, pause_s)
                code = client.close_code
            await asyncio.sleep(pause_s)
            async with connect(url) as client:
                await client.send(SUBSCRIBE)
                return before, code, await read(client, pause_s)

    before, code, after = run(main())
    assert before == [ACK, *(frame for _, frame in TAPE[:5000])]
    assert after == [ACK, *(frame for _, frame in TAPE[7000:])]
    assert code == (1001 if kind == "close" else 1006)


def test_bytes_that_are_no_message_are_sent_as_they_are() -> None:
    async def heard(kind: str) -> str:
        async with (
            serving(simulated(f"{kind}@+1s")) as port,
            connect(f"ws://127.0.0.1:{port}/stream", max_size=1_000_000, close_timeout=0.2) as client,
        ):
            await client.send(SUBSCRIBE)
            for _ in range(101):
                await client.recv(decode=False)
            with pytest.raises((ConnectionClosedError, UnicodeDecodeError)) as end:
                await client.recv()
            return str(end.value)

    assert "1009" in run(heard("oversize"))
    assert "1007" in run(heard("utf8"))


def test_refused_dials_and_a_mute_venue() -> None:
    async def main() -> None:
        async with serving(simulated("cut@+50s", "refuse@+50s:2")) as port:
            url = f"ws://127.0.0.1:{port}/stream"
            async with connect(url) as client:
                await client.send(SUBSCRIBE)
                await read(client)
            for _ in range(2):
                with pytest.raises(InvalidStatus, match="503"):
                    await connect(url)
            async with connect(url):
                pass
        async with (
            serving(simulated("mute@+0.1s+60s", speed=1.0)) as port,
            connect(f"ws://127.0.0.1:{port}/stream", close_timeout=0.1) as client,
        ):
            await client.send(SUBSCRIBE)
            await read(client, most=8)
            await asyncio.sleep(0.2)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(await client.ping(), 0.3)

    run(main())


def test_a_rule_that_is_broken_closes_with_1008() -> None:
    async def main() -> int | None:
        async with serving(simulated()) as port, connect(f"ws://127.0.0.1:{port}/stream") as client:
            for _ in range(20):
                await client.send('{"method":"LIST_SUBSCRIPTIONS","id":3}')
            await read(client)
            return client.close_code

    assert run(main()) == 1008


def test_a_taken_port() -> None:
    async def main(port: int) -> None:
        async with serving(simulated(), port=port):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        run(main(taken.getsockname()[1]))
