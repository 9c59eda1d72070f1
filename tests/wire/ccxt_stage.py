"""A connection to a fake exchange behind ccxt, and all that comes by it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ccxt_fakes import FakeExchange, bridged
from tapeline.sim.loop import run
from tapeline.wire.pipe import Pipe

SPOT, SWAP = "ccxt://fakex/spot", "ccxt://fakex/swap"


class Connection:
    """A pipe, and all that has come by it."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.heard: list[dict[str, Any]] = []

    async def ask(self, **said: Any) -> None:
        await self.pipe.send(json.dumps(said).encode())

    async def hear(self, for_s: float = 0.1) -> list[dict[str, Any]]:
        """What comes within so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                while True:
                    self.heard += [json.loads(frame) for frame in await self.pipe.receive()]
        found, self.heard = self.heard, []
        return [each for each in found if each.get("of") != "beat"]


def connected(exchange: FakeExchange, act: Callable[[Connection], Awaitable[None]], url: str = SPOT) -> None:
    async def main() -> None:
        async with bridged(exchange) as bridge, bridge.dial(url) as pipe:
            await act(Connection(pipe))
        assert exchange.closed

    run(main())
