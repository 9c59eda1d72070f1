"""The network between a trading day's instance and its venue: what has left arrives, though its sender died."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from tapeline.errors import TimedOut
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.request import Request
from tapeline.wire.pipe import AtOnce, Pipe, Response

FETCH_S = 10.0  # as `real_fetch`
DELAY_S = (0.002, 0.04)
MUCH_LATER, MUCH_LATER_S = 0.02, 3.0


class Net:
    """`dial` and `fetch` for an instance. What has left arrives, whatever becomes of who sent it."""

    def __init__(self, sim: SimulatedVenue, tasks: asyncio.TaskGroup, chance: random.Random) -> None:
        self._sim, self._tasks, self._chance = sim, tasks, chance

    @asynccontextmanager
    async def dial(self, url: str) -> AsyncIterator[Pipe]:
        """A `Dial`. What it brings comes a little later than it was said, and now and then much later."""
        async with self._sim.dial(url) as pipe:
            yield _Late(pipe, self._chance)

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


class Nets:
    """Several of them, by host."""

    def __init__(self, nets: Mapping[str, Net]) -> None:
        self._nets = nets

    def dial(self, url: str) -> AbstractAsyncContextManager[Pipe]:
        """A `Dial`."""
        return self._nets[urlsplit(url).netloc].dial(url)

    async def fetch(self, base_url: str, request: Request) -> Response:
        """A `Fetch`."""
        return await self._nets[urlsplit(base_url).netloc].fetch(base_url, request)


def hosts(urls: Mapping[str, str]) -> set[str]:
    """The hosts of a venue's addresses."""
    return {urlsplit(url).netloc for url in urls.values()}


class _Late:
    """A connection's other end, with a delay on what is heard. Frames of one connection stay in their order."""

    def __init__(self, pipe: Pipe, chance: random.Random) -> None:
        self._pipe, self._chance = pipe, chance
        self._held: list[bytes] = []
        self._due = 0.0

    async def receive(self, at_once: AtOnce | None = None) -> list[bytes]:
        """See `Pipe`."""
        del at_once
        loop = asyncio.get_running_loop()
        if not self._held:
            self._held = await self._pipe.receive()
            most_s = MUCH_LATER_S if self._chance.random() < MUCH_LATER else DELAY_S[1]
            self._due = loop.time() + self._chance.uniform(DELAY_S[0], most_s)
        if self._held:
            await asyncio.sleep(max(0.0, self._due - loop.time()))  # whoever gives up meanwhile finds it the next time
        frames, self._held = self._held, []
        return frames

    async def send(self, frame: bytes) -> None:
        """See `Pipe`."""
        await self._pipe.send(frame)

    async def ping(self) -> None:
        """See `Pipe`."""
        await self._pipe.ping()

    def wake(self) -> None:
        """See `Pipe`."""
        self._pipe.wake()
