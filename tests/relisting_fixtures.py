"""A simulated Binance whose instrument list is what a test says it is."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tapeline.model.instrument import Instrument
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named
from tapeline.venues.spec import Ask
from tapeline.wire.pipe import Response


class Lists:
    """What the venue's list says from now on: instruments, an answer as it is, or (None) what it says by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.says: Sequence[Instrument] | Response | None = None
        self.asked: list[float] = []
        fetch, server = SimulatedVenue.fetch, venue_named("binance").server
        assert server is not None

        async def listed(sim: SimulatedVenue, base_url: str, request: Any) -> Response:
            if "exchangeInfo" not in request.path:
                return await fetch(sim, base_url, request)
            self.asked.append(asyncio.get_running_loop().time())
            if isinstance(self.says, Response):
                return self.says
            if self.says is None:
                return await fetch(sim, base_url, request)
            return Response(200, {}, server.answer_rest(Ask("instruments"), list(self.says)))

        monkeypatch.setattr(SimulatedVenue, "fetch", listed)


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Lists:
    """Says what the venue does by itself until a test says another thing."""
    return Lists(monkeypatch)
