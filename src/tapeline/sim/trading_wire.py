"""The network between a trading day's instance and its venue: what has left arrives, though its sender died."""

import asyncio
import random
from collections.abc import Callable
from functools import partial

from tapeline.errors import TimedOut
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.request import Request
from tapeline.wire.pipe import Dial, Response

FETCH_S = 10.0  # as `real_fetch`
DELAY_S = (0.002, 0.04)


class Net:
    """`dial` and `fetch` for an instance. What has left arrives, whatever becomes of who sent it."""

    def __init__(self, sim: SimulatedVenue, tasks: asyncio.TaskGroup, chance: random.Random) -> None:
        self._sim, self._tasks, self._chance = sim, tasks, chance
        self.dial: Dial = sim.dial

    async def fetch(self, base_url: str, request: Request) -> Response:
        """A `Fetch`. Raises as the real one."""
        there_s, back_s = self._chance.uniform(*DELAY_S), self._chance.uniform(*DELAY_S)
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        async def carry() -> None:
            await asyncio.sleep(there_s)
            try:
                response = await self._sim.fetch(base_url, request)
                give: Callable[[], None] = partial(answer.set_result, response)
            except Exception as error:  # noqa: BLE001  # it is for whoever asked, if he still lives
                give = partial(answer.set_exception, error)
            await asyncio.sleep(back_s)
            if not answer.done():
                give()

        self._tasks.create_task(carry(), name=f"a request for {request.path}")
        try:
            async with asyncio.timeout(FETCH_S):
                return await answer
        except TimeoutError as error:
            raise TimedOut(f"{request.path}: no answer within {FETCH_S:g} s") from error
