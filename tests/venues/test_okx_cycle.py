"""Both halves of OKX against each other, in memory: our requests and readers, the paper exchange, virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from okx_fixtures import OURS
from tapeline.errors import AuthenticationRefused
from tapeline.model.account import Balance, Fill, OrderUpdate, Position
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.model.stamp import instant
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.okx import OKX
from tapeline.venues.orders import Answered, OrderAsk, OrderRequest
from tapeline.wire.pipe import Pipe, Response

D = Decimal
START_NS = instant("2024-08-08T12:00:00Z")
assert OKX.orders is not None
ORDERS = OKX.orders
assert OKX.server is not None
LISTED: Mapping[str, Instrument] = {each.native: each for each in OKX.server.sample_instruments}
IDS = {each.native: each.id for each in LISTED.values()}
SPOT, SWAP = LISTED["BTC-USDT"], LISTED["BTC-USDT-SWAP"]


class Client:
    """One account: REST, and private connections that are opened as they say."""

    def __init__(self, sim: SimulatedVenue) -> None:
        self.sim = sim
        self.clock = VirtualClock(START_NS)

    async def call(self, ask: OrderAsk) -> Sequence[Any]:
        call = ORDERS.calls[ask.call]
        request = ORDERS.sign(call.build(ask), OURS, self.clock.wall_ns())
        heard = OrderRequest(
            method=request.method, path=request.path, query=request.query_text, body=request.body,
            headers={name.lower(): value for name, value in request.headers},
        )  # fmt: skip
        answer = await self.sim.answer(heard, "")
        assert isinstance(answer, Response)
        return call.parse(answer.body, ask, IDS, self.clock.wall_ns())

    async def read(self, pipe: Pipe, within_s: float = 0.2) -> list[Any]:
        decode = ORDERS.private.decoder("okx", "main", LISTED)
        frames: list[bytes] = []
        try:
            async with asyncio.timeout(within_s):
                while True:
                    frames += await pipe.receive()
        except TimeoutError:
            return [event for frame in frames for event in decode(frame, self.clock.wall_ns())]

    async def opened(self, pipe: Pipe) -> list[Any]:
        told: list[Any] = []
        for number, step in enumerate(ORDERS.private.opening):
            await pipe.send(step(OURS, self.clock.wall_ns(), str(number)))
            told += await self.read(pipe)
        return told


def played(client: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        key = Key(key="okx_key", secret="okx_secret", passphrase="okx_pass", account="main")
        settings = PaperSettings(keys=[key], balances={"USDT": D(100_000)})
        market = Market(OKX, 1, START_NS)
        clock = VirtualClock(START_NS)
        async with SimulatedVenue(OKX, market, clock=clock, speed=1.0, paper=settings).open() as sim:
            await client(Client(sim))

    run(main())


def order(instrument: Instrument, client_id: str, **intent: Any) -> OrderAsk:
    fields: dict[str, Any] = {"instrument": instrument.id, "side": "buy", "kind": "market", "size": D("0.01")} | intent
    return OrderAsk(call="place", instrument=instrument, client_id=client_id, intent=Intent(**fields))


def private(name: str = "private") -> str:
    return OKX.urls[name]


def test_a_cycle_on_spot_by_rest_and_by_the_socket() -> None:
    async def client(mine: Client) -> None:
        async with mine.sim.dial(private()) as pipe:
            told = await mine.opened(pipe)
            assert [each.request_id for each in told if isinstance(each, Answered)] == ["", "1", "2", "3", "4"]
            assert [(each.currency, each.total) for each in told if isinstance(each, Balance)] == [("USDT", D(100_000))]
            await asyncio.sleep(5)

            (placed,) = await mine.call(order(SPOT, "a1"))
            told = await mine.read(pipe)
            (fill,) = (each for each in told if isinstance(each, Fill))
            *_, filled = (each for each in told if isinstance(each, OrderUpdate))
            assert (placed.client_id, placed.venue_id) == (fill.client_id, fill.venue_id) == ("a1", filled.venue_id)
            assert (fill.size, filled.filled, fill.liquidity) == (D("0.01"), D("0.01"), "taker")
            listed = await mine.call(OrderAsk(call="fills", instrument=SPOT))
            assert [(each.id, each.price, each.fee) for each in listed] == [(fill.id, fill.price, fill.fee)]

            low = fill.price.quantize(D(1)) * 9 / 10
            resting = order(SPOT, "a2", kind="limit", price=low, post_only=True)
            assert ORDERS.entry is not None
            assert ORDERS.entry.takes(resting)
            await pipe.send(ORDERS.entry.frame(resting, "77", OURS, mine.clock.wall_ns()))
            answers = [each for each in await mine.read(pipe) if isinstance(each, Answered)]
            assert [each.request_id for each in answers] == ["77"]
            (rests,) = await mine.call(OrderAsk(call="open_orders"))
            assert (rests.client_id, rests.price, rests.post_only) == ("a2", low, True)
            amend = OrderAsk(call="amend", instrument=SPOT, venue_id=rests.venue_id, size=D("0.02"))
            assert await mine.call(amend) == ()
            (amended,) = (each for each in await mine.read(pipe) if isinstance(each, OrderUpdate))
            assert amended.size == D("0.02")
            await mine.call(OrderAsk(call="cancel_all", instrument=SPOT, venue_ids=(rests.venue_id,)))
            assert [each.state for each in await mine.read(pipe) if isinstance(each, OrderUpdate)] == ["cancelled"]
            assert await mine.call(OrderAsk(call="open_orders")) == []

    played(client)


def test_a_swap_its_position_and_a_stop_that_waits() -> None:
    async def client(mine: Client) -> None:
        async with mine.sim.dial(private()) as pipe, mine.sim.dial(private("business")) as waiting:
            await mine.opened(pipe)
            for number, step in enumerate(ORDERS.more[0].opening):
                await waiting.send(step(OURS, mine.clock.wall_ns(), str(number)))
            await mine.read(waiting)
            await asyncio.sleep(5)
            assert await mine.call(OrderAsk(call="leverage", instrument=SWAP, leverage=D(5))) == ()
            await mine.call(order(SWAP, "b1", size=D(2)))
            positions = [each for each in await mine.read(pipe) if isinstance(each, Position)]
            (held,) = await mine.call(OrderAsk(call="positions"))
            assert (held.size, held.leverage, held.instrument) == (D(2), D(5), SWAP.id)
            assert positions[-1].size == D(2)

            stop = order(SWAP, "s1", side="sell", kind="stop", stop_price=D(1000), size=D(2), reduce_only=True)
            (placed,) = await mine.call(stop)
            assert placed.venue_id.startswith("algo-")
            told = [each for each in await mine.read(waiting) if isinstance(each, OrderUpdate)]
            assert [(each.client_id, each.venue_id, each.state) for each in told] == [("s1", placed.venue_id, "open")]
            (found,) = await mine.call(OrderAsk(call="open_orders", part="conditional,oco"))
            assert (found.client_id, found.kind, found.stop_price) == ("s1", "stop", D(1000))
            assert await mine.call(OrderAsk(call="open_orders")) == []
            (asked,) = await mine.call(OrderAsk(call="order", venue_id=placed.venue_id))
            assert (asked.state, asked.reduce_only) == ("open", True)
            cancel = OrderAsk(call="cancel", instrument=SWAP, client_id="s1", venue_id=placed.venue_id)
            assert [each.state for each in await mine.call(cancel)] == ["cancelling"]
            assert await mine.call(OrderAsk(call="open_orders", part="conditional,oco")) == []
            (mode,) = await mine.call(OrderAsk(call="mode"))
            assert (mode.hedge, mode.may_trade) == (False, True)
            await mine.call(OrderAsk(call="dead_man", countdown_s=60))

    played(client)


def test_a_stop_whose_price_comes_goes_on_under_its_name() -> None:
    async def client(mine: Client) -> None:
        async with mine.sim.dial(private()) as pipe, mine.sim.dial(private("business")) as waiting:
            await mine.opened(pipe)
            for number, step in enumerate(ORDERS.more[0].opening):
                await waiting.send(step(OURS, mine.clock.wall_ns(), str(number)))
            await asyncio.sleep(5)
            await mine.call(order(SWAP, "b1", size=D(2)))
            (bought,) = (each for each in await mine.read(pipe) if isinstance(each, Fill))
            near = bought.price - 5
            stop = order(SWAP, "s1", side="sell", kind="stop", stop_price=near, size=D(2), reduce_only=True)
            (placed,) = await mine.call(stop)
            await mine.read(waiting)
            told: list[Any] = []
            for _ in range(2000):
                told = await mine.read(pipe, 5.0)
                if any(isinstance(each, Fill) for each in told):
                    break
            fills = [each for each in told if isinstance(each, Fill)]
            assert {each.client_id for each in fills} == {"s1"}
            assert sum(each.size for each in fills) == D(2)
            *_, done = (each for each in told if isinstance(each, OrderUpdate))
            assert (done.client_id, done.state, done.triggered) == ("s1", "filled", True)
            assert placed.venue_id == f"algo-{done.venue_id}"
            *_, effective = (each for each in await mine.read(waiting) if isinstance(each, OrderUpdate))
            assert (effective.client_id, effective.triggered) == ("s1", True)
            (asked,) = await mine.call(OrderAsk(call="order", instrument=SWAP, venue_id=done.venue_id))
            assert (asked.client_id, asked.state, asked.filled) == ("s1", "filled", D(2))
            assert await mine.call(OrderAsk(call="positions")) == []

    played(client)


def test_what_is_refused_at_the_door_is_said_in_the_venues_words() -> None:
    async def client(mine: Client) -> None:
        async with mine.sim.dial(private()) as pipe:
            subscribe = ORDERS.private.opening[4]
            await pipe.send(subscribe(OURS, mine.clock.wall_ns(), "9"))
            (refused,) = await mine.read(pipe)
            assert (refused.request_id, msgspec.json.decode(refused.body)["code"]) == ("9", "60011")
            await pipe.send(ORDERS.private.opening[0](OURS, START_NS - 60 * 1_000_000_000, ""))
            (late,) = await mine.read(pipe)
            assert msgspec.json.decode(late.body)["code"] == "60006"
            assert ORDERS.entry is not None
            await pipe.send(ORDERS.entry.frame(order(SPOT, "a1"), "5", OURS, START_NS))
            (unknown,) = await mine.read(pipe)
            with pytest.raises(AuthenticationRefused, match="60011"):
                ORDERS.calls["place"].parse(unknown.body, order(SPOT, "a1"), IDS, 7)

    played(client)
