"""The network of a trading day: delays, and what has left arrives though its sender died."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from tapeline.errors import ConnectionLost, TimedOut
from tapeline.sim.loop import run
from tapeline.sim.pipe import memory_pipe
from tapeline.sim.trading.wire import DELAY_S, Net, Nets, hosts
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.request import Request
from tapeline.wire.pipe import Pipe, Response

ASK = Request("GET", "/x")


class Venue:
    """Answers after `takes_s`, or raises."""

    def __init__(self, takes_s: float = 0.0, raises: Exception | None = None) -> None:
        self.takes_s, self.raises, self.done = takes_s, raises, 0
        self.pipe, self.line = memory_pipe()

    async def fetch(self, _base: str, _request: Request) -> Response:
        await asyncio.sleep(self.takes_s)
        self.done += 1
        if self.raises is not None:
            raise self.raises
        return Response(200, {}, b"yes")

    @asynccontextmanager
    async def dial(self, _url: str) -> AsyncIterator[Pipe]:
        yield self.pipe


def played(venue: Venue, story: Callable[[Net], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            await story(Net(cast("SimulatedVenue", venue), tasks, random.Random(1)))

    run(main())


def now() -> float:
    return asyncio.get_running_loop().time()


def test_an_answer_takes_its_time_both_ways() -> None:
    async def story(net: Net) -> None:
        assert (await net.fetch("https://v", ASK)).body == b"yes"
        assert 2 * DELAY_S[0] <= now() <= 2 * DELAY_S[1]

    played(Venue(), story)


def test_what_goes_wrong_is_for_whoever_asked() -> None:
    async def story(net: Net) -> None:
        with pytest.raises(ConnectionLost, match="gone"):
            await net.fetch("https://v", ASK)

    played(Venue(raises=ConnectionLost("gone")), story)


def test_a_venue_that_does_not_answer_is_given_up() -> None:
    async def story(net: Net) -> None:
        with pytest.raises(TimedOut, match="no answer within 10 s"):
            await net.fetch("https://v", ASK)
        assert now() == 10.0

    played(Venue(takes_s=60.0), story)


def test_a_request_arrives_though_whoever_sent_it_is_dead() -> None:
    venue = Venue(takes_s=1.0)

    async def story(net: Net) -> None:
        asking = asyncio.create_task(net.fetch("https://v", ASK))
        await asyncio.sleep(0.001)
        asking.cancel()
        await asyncio.wait({asking})
        assert venue.done == 0
        await asyncio.sleep(2.0)
        assert venue.done == 1

    played(venue, story)


def test_frames_come_later_in_their_order_and_none_is_lost_by_impatience() -> None:
    venue = Venue()

    async def story(net: Net) -> None:
        async with net.dial("wss://v") as pipe:
            venue.line.write([b"1", b"2"])
            began = now()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(DELAY_S[0] / 2):
                    await pipe.receive()
            assert await pipe.receive() == [b"1", b"2"]
            assert now() - began >= DELAY_S[0]
            await pipe.send(b"3")
            assert await venue.line.receive() == b"3"
            await pipe.ping()
            assert await pipe.receive() == []
            pipe.wake()
            assert await pipe.receive() == []
            venue.line.cut()
            with pytest.raises(ConnectionLost):
                await pipe.receive()

    played(venue, story)


def test_each_host_has_a_net_of_its_own() -> None:
    async def story(net: Net) -> None:
        other = Venue(raises=TimedOut("late"))
        async with asyncio.TaskGroup() as tasks:
            far = Net(cast("SimulatedVenue", other), tasks, random.Random(2))
            nets = Nets({"a.example": net, "b.example:9": far})
            assert (await nets.fetch("https://a.example/x", ASK)).body == b"yes"
            with pytest.raises(TimedOut):
                await nets.fetch("https://b.example:9", ASK)
            async with nets.dial("wss://b.example:9/ws") as pipe:
                other.line.write([b"hello"])
                assert await pipe.receive() == [b"hello"]
            with pytest.raises(KeyError):
                nets.dial("wss://c.example/ws")
        assert other.done == 1

    played(Venue(), story)
    assert hosts({"ws": "wss://a.example/ws", "rest": "https://b.example:9"}) == {"a.example", "b.example:9"}
