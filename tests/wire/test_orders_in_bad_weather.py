"""Orders at an exchange whose answers get lost in every way there is: in the end we know of each what it knows."""

import asyncio
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from gateway_stage import approved
from order_stage import ACCOUNT, BUY, CREDENTIALS, ENTRY, KNOWN, ORDERS, TOY, Network
from rest_stage import ceilings
from weather import Weather
from wire_fakes import START_NS

from tapeline.model.account import Fill, OrderUpdate
from tapeline.sim.loop import VirtualClock, run
from tapeline.trading.command import Amend, Cancel, CancelAll, Submit
from tapeline.trading.input import Failed, Sent
from tapeline.trading.orders import Blotter
from tapeline.wire.gateway.orders import LiveGateway
from tapeline.wire.rest import Rest

SEEDS = 60
COUNT = 25


class World:
    """A gateway, the books of an engine, and the weather between them and the exchange."""

    def __init__(self, seed: int, tasks: asyncio.TaskGroup) -> None:
        self.chance = random.Random(seed)
        clock = VirtualClock(START_NS + self.chance.randrange(-(10**12), 10**12))
        self.weather = Weather(clock, self.chance, tasks)
        self.blotter = Blotter("test")
        self.given: list[str] = []
        self.odd: list[str] = []
        self.problems: list[str] = []
        self._clock = clock
        orders = replace(ORDERS, entry=ENTRY) if seed % 2 else ORDERS
        network = Network({"private": self.weather.listened, "entry": self.weather.entered})
        rest = Rest(TOY, "https://toy", fetch=self.weather, clock=clock, delays=ceilings)
        self.gateway = LiveGateway(
            ACCOUNT, TOY, orders, rest, CREDENTIALS, clock=clock, dial=network.dial, delays=ceilings,
            instruments=KNOWN, order_of=self.blotter.order, tell=self.tell, reconcile=self.reconcile,
            problem=lambda kind, text: self.problems.append(f"{kind}: {text}"), owns=self.blotter.owns,
            reconcile_every_s=60.0,
        )  # fmt: skip

    def tell(self, event: Any) -> None:
        if isinstance(event, OrderUpdate | Fill | Sent | Failed) and not (
            isinstance(event, Failed) and event.what == "cancel_all"
        ):
            applied = self.blotter.apply(event, self._clock.wall_ns())
            self.odd += [note.text for note in applied.notes]

    async def reconcile(self, _why: str) -> None:
        """As an engine does: what is open is taken over, what is not is asked for one by one."""
        live = [order.client_id for order in self.blotter.live() if order.state != "intended"]
        statement = await self.gateway.statement(since_ns=START_NS)
        for update in statement.orders:
            self.tell(update)
        told = {update.client_id for update in statement.orders}
        for client_id in live:
            order = self.blotter.order(client_id)
            if order is not None and not order.final and client_id not in told:
                self.gateway.look_up(order)

    async def trade(self) -> None:
        """Place orders, and change or cancel some of them, at random times."""
        for _ in range(COUNT):
            await asyncio.sleep(self.chance.uniform(0.0, 6.0))
            client_id = self.blotter.next_id("s")
            self.given.append(client_id)
            self.blotter.intend(client_id, BUY, self._clock.wall_ns())
            self.gateway.execute(Submit(approved(client_id, BUY)))
            alive = [order for order in self.blotter.live() if order.state != "intended" and not order.asked]
            what = self.chance.random()
            if alive and what < 0.5:
                order = self.chance.choice(alive)
                if what < 0.3:
                    self.blotter.asked(order.client_id, "cancel", self._clock.wall_ns())
                    self.gateway.execute(Cancel(order.client_id))
                else:
                    price = Decimal(self.chance.randrange(80, 99)) / 10
                    self.blotter.asked(order.client_id, "amend", self._clock.wall_ns(), price=price)
                    self.gateway.execute(Amend(order.client_id, price=price))

    def check(self, seed: int) -> None:
        """In fair weather, with everything cancelled."""
        about = f"seed {seed}: {self.problems[-5:]}"
        assert self.gateway.unknown() == [], about
        twice = {name: count for name, count in self.weather.arrived.items() if count > 1}
        assert twice == {}, f"{about}: sent twice"
        for client_id in self.given:
            order = self.blotter.order(client_id)
            assert order is not None
            held = self.weather.orders.get(order.client_id)
            if held is None:
                assert order.state in {"rejected", "never_arrived", "withdrawn"}, f"{about}: {order}"
            else:
                assert order.state == held.state, f"{about}: {order} is {held}"
                assert order.filled == held.filled, f"{about}: {order} is {held}"
        assert [text for text in self.odd if "after" not in text] == [], about


async def live(seed: int) -> World:
    world: World | None = None
    try:
        async with asyncio.timeout(3600), asyncio.TaskGroup() as tasks:
            world = World(seed, tasks)
            running = tasks.create_task(world.gateway.run(), name="gateway")
            storm = tasks.create_task(world.weather.storm(), name="storm")
            await asyncio.sleep(1.0)
            await world.trade()
            world.weather.fair = True
            await asyncio.sleep(90.0)
            world.gateway.execute(CancelAll(ACCOUNT))
            await asyncio.sleep(120.0)
            running.cancel()
            storm.cancel()
    except* asyncio.CancelledError:
        pass
    assert world is not None
    return world


@pytest.mark.parametrize("seed", range(SEEDS))
def test_in_the_end_we_know_of_each_order_what_the_exchange_knows(seed: int) -> None:
    run(live(seed)).check(seed)


def test_the_weather_is_bad() -> None:
    wrong = run(live(1)).weather.went_wrong + run(live(2)).weather.went_wrong
    assert all(wrong[kind] for kind in ("unsent", "lost", "late", "unanswered", "5xx before", "5xx after", "busy")), (
        wrong
    )
