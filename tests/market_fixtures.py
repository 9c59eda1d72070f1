"""A simulated venue on a real loopback port, in the test's own process."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tapeline.clock import SystemClock
from tapeline.sim.faults import fault
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named

Served = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def market() -> Served:
    """Serve a synthetic market; gives "127.0.0.1:PORT"."""

    @asynccontextmanager
    async def serve(venue: str = "binance", *, faults: tuple[str, ...] = (), rate: int = 600) -> AsyncIterator[str]:
        value = venue_named(venue)
        source = Market(value, 1, SystemClock.wall_ns(), Rates(trades_per_minute=rate))
        sim = SimulatedVenue(value, source, clock=SystemClock(), faults=[fault(text) for text in faults])
        async with serving(sim) as port:
            yield f"127.0.0.1:{port}"

    return serve
