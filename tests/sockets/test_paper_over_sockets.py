"""A paper exchange on real sockets: HTTP of every method and WebSockets on one port, with and without TLS."""

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tapeline.clock import SystemClock
from tapeline.model.order import Intent
from tapeline.sim.certificate import tls
from tapeline.sim.faults import fault
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named
from tapeline.venues.orders import OrderAsk, Orders
from tapeline.venues.request import Request

pytestmark = pytest.mark.sockets

KEY = Key(key="visible", secret="hidden", passphrase="word", account="paper")
CREDENTIALS = KEY.credentials()


def simulated(name: str, *faults: str) -> SimulatedVenue:
    venue = venue_named(name)
    settings = PaperSettings(keys=[KEY], balances={"USDT": Decimal(100_000), "BTC": Decimal(1)})
    source = Market(venue, 7, SystemClock.wall_ns())
    return SimulatedVenue(venue, source, clock=SystemClock(), faults=[fault(one) for one in faults], paper=settings)


def orders_of(name: str) -> Orders:
    orders = venue_named(name).orders
    assert orders is not None
    return orders


def signed(name: str, ask: OrderAsk) -> Request:
    orders = orders_of(name)
    return orders.sign(orders.calls[ask.call].build(ask), CREDENTIALS, time.time_ns())


def send(connection: HTTPConnection, request: Request) -> tuple[int, bytes]:
    target = request.path + ("?" + request.query_text if request.query else "")
    connection.request(request.method, target, request.body, dict(request.headers))
    response = connection.getresponse()
    return response.status, response.read()


def told(name: str, ask: OrderAsk, body: bytes) -> list[Any]:
    server = venue_named(name).server
    assert server is not None
    ids = {one.native: one.id for one in server.sample_instruments}
    return list(orders_of(name).calls[ask.call].parse(body, ask, ids, 1))


def place(name: str, client_id: str, price: str | None = None) -> OrderAsk:
    server = venue_named(name).server
    assert server is not None
    instrument = server.sample_instruments[0]
    intent = Intent(
        instrument=instrument.id, side="buy", kind="limit" if price else "market", size=Decimal("0.01"),
        price=None if price is None else Decimal(price),
    )  # fmt: skip
    return OrderAsk(call="place", instrument=instrument, client_id=client_id, intent=intent)


def served(sim: SimulatedVenue, client: Callable[[int], Awaitable[Any]], secured: ssl.SSLContext | None = None) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(30), serving(sim, tls=secured) as port:
            return await client(port)

    return asyncio.run(main())


@pytest.mark.parametrize("name", ["binance", "binance-usdm", "okx"])
def test_an_order_goes_in_by_the_venues_own_protocol_and_its_fill_comes_back(name: str) -> None:
    def trades(port: int) -> list[Any]:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)  # one connection for all of it
        market, resting = place(name, "a1"), place(name, "a2", "50000")
        assert send(connection, signed(name, OrderAsk(call="balances")))[0] == 200
        assert send(connection, signed(name, market))[0] == 200
        assert send(connection, signed(name, resting))[0] == 200
        cancel = OrderAsk(call="cancel", instrument=resting.instrument, client_id="a2", intent=resting.intent)
        assert send(connection, signed(name, cancel))[0] == 200
        ask = OrderAsk(call="fills", instrument=market.instrument)
        fills = told(name, ask, send(connection, signed(name, ask))[1])
        connection.close()
        return fills

    async def client(port: int) -> None:
        fills = await asyncio.to_thread(trades, port)
        assert [(one.side, one.size) for one in fills] == [("buy", Decimal("0.01"))]
        assert 50_000 < fills[0].price < 70_000

    served(simulated(name), client)


def test_a_private_stream_and_the_public_one_are_on_the_same_port() -> None:
    async def client(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/ws-api/v3") as private:
            stream = orders_of("binance").private
            await private.send(stream.opening[0](CREDENTIALS, time.time_ns(), "1").decode())
            assert json.loads(await private.recv())["status"] == 200
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            request = signed("binance", place("binance", "a2", "50000"))
            assert (await asyncio.to_thread(send, connection, request))[0] == 200
            decode = stream.decoder("binance", "paper", {})
            states: list[str] = []
            while not states:
                states += [
                    event.state for event in decode(await private.recv(decode=False), 1) if hasattr(event, "state")
                ]
            assert states == ["open"]
            connection.close()
        async with connect(f"ws://127.0.0.1:{port}/stream") as public:
            await public.send('{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}')
            assert json.loads(await public.recv()) == {"result": None, "id": 1}
            assert json.loads(await public.recv())["stream"] == "btcusdt@trade"

    served(simulated("binance"), client)


def test_an_answer_that_is_lost_ends_the_connection() -> None:
    def lost(port: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        with pytest.raises((HTTPException, ConnectionError)):
            send(connection, signed("binance", place("binance", "a2", "50000")))
        connection.close()
        ask = OrderAsk(call="order", instrument=place("binance", "x").instrument, client_id="a2")
        status, body = send(connection, signed("binance", ask))
        assert (status, told("binance", ask, body)[0].state) == (200, "open")
        connection.close()

    async def client(port: int) -> None:
        await asyncio.sleep(0.2)
        await asyncio.to_thread(lost, port)

    served(simulated("binance", "order_lost@+100ms"), client)


def test_what_is_no_request_is_dropped_and_idle_connections_do_not_keep_the_venue() -> None:
    async def client(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v3/time HTTP/1.1\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert b"connection: close" in head
        assert b"serverTime" in body
        writer.close()
        await writer.wait_closed()
        idle.append(await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port)))
        idle[0].sendall(b"GET /api/v3/ti")

    idle: list[socket.socket] = []
    began = time.monotonic()
    served(simulated("binance"), client)
    assert time.monotonic() - began < 8
    idle[0].close()


def test_tls_by_a_certificate_that_clients_can_check(tmp_path: Path) -> None:
    secured, certificate = tls(tmp_path, SystemClock.wall_ns())
    trusted = ssl.create_default_context(cafile=str(certificate))

    def asked(port: int) -> tuple[int, bytes]:
        connection = HTTPSConnection("localhost", port, timeout=10, context=trusted)
        found = send(connection, signed("okx", OrderAsk(call="balances")))
        connection.close()
        return found

    async def client(port: int) -> None:
        status, body = await asyncio.to_thread(asked, port)
        assert (status, json.loads(body)["code"]) == (200, "0")
        async with connect(f"wss://127.0.0.1:{port}/ws/v5/public", ssl=trusted) as public:
            await public.send("ping")
            assert await public.recv() == "pong"

    served(simulated("okx"), client, secured)
