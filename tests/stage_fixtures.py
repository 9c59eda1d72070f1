"""A running instance on a simulated Binance, in virtual time: nothing here opens a socket or sleeps."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tapeline.app.instance import Instance, World
from tapeline.clock import Clock
from tapeline.config import BarsConfig, ConnectionConfig
from tapeline.model.event import Event
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named

START_NS = 1_723_161_600_000_000_000  # a whole minute


@dataclass
class Stage:
    """What a test plays on."""

    instance: Instance
    sim: SimulatedVenue
    clock: Clock
    frames: list[tuple[str, str, bytes]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def collect(self, **where: Any) -> list[Event]:
        """Everything the bus publishes from now on."""
        events: list[Event] = []
        self.instance.bus.subscribe(events.append, **where)
        return events


Play = Callable[[Stage], Awaitable[None]]


@pytest.fixture
def staged() -> Callable[..., None]:
    """Play a test against an instance on a simulated venue."""

    def stage(
        play: Play,
        *,
        venue: str = "binance",
        faults: tuple[str, ...] = (),
        seed: int = 1,
        rate: int = 60,
        **options: Any,
    ) -> None:
        async def main() -> None:
            clock = VirtualClock(START_NS)
            value = venue_named(venue)
            market = Market(value, seed, START_NS, Rates(trades_per_minute=rate))
            sim = SimulatedVenue(value, market, clock=clock, faults=[fault(text) for text in faults])
            async with sim.open():
                on = Stage(None, sim, clock)  # type: ignore[arg-type]  # it is set two lines down
                world = World(
                    dial=lambda _settings: sim.dial, fetch=sim.fetch, clock=clock, chance=random.Random(seed).random,
                    record=lambda who, way, raw, _at, _why: on.frames.append((who, way, raw)),
                    answered=lambda _method, url, _answer, _at: on.answers.append(url),
                )  # fmt: skip
                on.instance = Instance(world, bars=BarsConfig(**options))
                async with asyncio.timeout(86_400), on.instance.running():
                    await play(on)

        run(main())

    return stage


@pytest.fixture
def patient() -> ConnectionConfig:
    """Settings that keep virtual hours cheap."""
    return ConnectionConfig(idle_ping_s=30.0, heartbeat_interval_s=30.0)
