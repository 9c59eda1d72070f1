"""A simulated venue on a real loopback port, in the test's own process."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise

import pytest

from tapeline.clock import SystemClock
from tapeline.model.interval import MINUTE_NS
from tapeline.sim.faults import fault
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named

Served = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def market() -> Served:
    """Serve a synthetic market; gives "127.0.0.1:PORT". Its prices are those of this seed at the time of day it is."""

    @asynccontextmanager
    async def serve(
        venue: str = "binance", *, faults: tuple[str, ...] = (), rate: int = 600, seed: int = 1
    ) -> AsyncIterator[str]:
        value = venue_named(venue)
        source = Market(value, seed, SystemClock.wall_ns(), Rates(trades_per_minute=rate))
        sim = SimulatedVenue(value, source, clock=SystemClock(), faults=[fault(text) for text in faults])
        async with serving(sim) as port:
            yield f"127.0.0.1:{port}"

    return serve


@pytest.fixture
def rising() -> int:
    """The first seed at which Binance's BTC/USDT rises now and in the next minutes: others may fall as long."""
    minute = SystemClock.wall_ns() // MINUTE_NS
    for seed in range(1, 1000):
        pit = next(each for each in Market(venue_named("binance"), seed, 0).pits if each.instrument.native == "BTCUSDT")
        course = [pit.anchor(minute + each) for each in range(4)]
        if all(later - sooner > 20 for sooner, later in pairwise(course)):  # ticks: more than a walk strays
            return seed
    raise AssertionError("it rises at no seed")
