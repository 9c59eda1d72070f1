"""A real venue, as far as our relay can tell, over memory pipes: upstream, what passes it on, and clients of that."""

import random
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

from tapeline.app.instance import World
from tapeline.model.account import Fill
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS
from tapeline.model.order import Intent
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.pit import BEAT_NS
from tapeline.sim.upstream.source import Upstream, opened
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named
from tapeline.venues.orders import OrderAnswer, OrderAsk, OrderRequest
from tapeline.wire.pipe import Pipe, Response

START_NS = 19_900 * DAY_NS
KEY = Key(key="visible", secret="hidden", passphrase="word", account="paper")


class Relayed:
    """Upstream `venue`, our `source` of it, and `sim`, which serves that."""

    def __init__(self, name: str, faults: Sequence[str] = (), own: Sequence[str] = ()) -> None:
        self.value = venue_named(name)
        self.clock = VirtualClock(START_NS)
        self.market = Market(self.value, 7, START_NS)
        self.venue = SimulatedVenue(
            self.value, self.market, clock=self.clock, faults=[fault(one) for one in faults]
        )  # fmt: skip
        self.own = [fault(one) for one in own]
        self.said: list[str] = []
        self.source: Upstream
        self.sim: SimulatedVenue

    @property
    def instrument(self) -> Instrument:
        """The first it lists."""
        return self.market.pits[0].instrument

    def say(self, what: str, **_facts: object) -> None:
        self.said.append(what)

    async def answered(self, ask: OrderAsk) -> Response:
        """A signed call by REST."""
        orders = self.value.orders
        assert orders is not None
        request = orders.sign(orders.calls[ask.call].build(ask), KEY.credentials(), self.source.start_ns)
        found = await self.sim.answer(
            OrderRequest(
                method=request.method, path=request.path, query=request.query_text, body=request.body,
                headers={name.lower(): value for name, value in request.headers},
            )
        )  # fmt: skip
        assert isinstance(found, Response)
        return found

    async def told(self, ask: OrderAsk) -> list[OrderAnswer]:
        """What it says, as values. Raises OrderRefused."""
        orders = self.value.orders
        assert orders is not None
        ids = {pit.instrument.native: pit.instrument.id for pit in self.market.pits}
        return list(orders.calls[ask.call].parse((await self.answered(ask)).body, ask, ids, 1))

    async def fills(self) -> list[tuple[str, Decimal]]:
        """(client id or side, price) of all that was filled."""
        told = await self.told(OrderAsk(call="fills", instrument=self.instrument))
        return [(one.side, one.price) for one in told if isinstance(one, Fill)]

    def order(self, client_id: str, price: str | None = None, size: str = "0.01") -> OrderAsk:
        """A market order to buy, or one with a limit."""
        intent = Intent(
            instrument=self.instrument.id, side="buy", kind="limit" if price else "market", size=Decimal(size),
            price=None if price is None else Decimal(price),
        )  # fmt: skip
        return OrderAsk(call="place", instrument=self.instrument, client_id=client_id, intent=intent)

    def asks(self, *before: int) -> set[Decimal]:
        """The best offers upstream, now and so many beats before."""
        beat = self.venue.player.now_ns() // BEAT_NS
        return {Decimal(self.market.pits[0].top(beat - less, 1)[1][0][0]) for less in (0, *before)}

    async def get(self, path: str, query: str = "", *, at: SimulatedVenue | None = None) -> tuple[int, bytes]:
        """A public question."""
        found = await (at or self.sim).answer(OrderRequest(method="GET", path=path, query=query))
        assert isinstance(found, Response)
        return found.status, found.body


def relayed(
    name: str, client: Callable[[Relayed], Awaitable[Any]], faults: Sequence[str] = (), own: Sequence[str] = (), *,
    paper: bool = True,
) -> Relayed:  # fmt: skip
    """Let `client` act in virtual time; `faults` strike upstream, `own` strike what passes it on."""

    async def main() -> Relayed:
        made = Relayed(name, faults, own)
        world = World(
            dial=lambda _settings: made.venue.dial, fetch=made.venue.fetch, clock=made.clock,
            chance=random.Random(1).random,
        )  # fmt: skip
        settings = PaperSettings(keys=[KEY], balances={"USDT": Decimal(100_000)}) if paper else None
        async with made.venue.open(), opened(name, world, say=made.say) as made.source:
            made.sim = SimulatedVenue(
                made.value, made.source, clock=made.clock, say=made.say, paper=settings, faults=made.own
            )  # fmt: skip
            async with made.sim.open():
                await client(made)
        return made

    return run(main())


async def frames(pipe: Pipe, most: int) -> list[bytes]:
    """So many frames, in order."""
    found: list[bytes] = []
    while len(found) < most:
        found += await pipe.receive()
    return found[:most]
