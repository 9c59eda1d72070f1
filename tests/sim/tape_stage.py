"""One client against one tape, over memory and in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import toy_venue as toy

from tapeline.errors import ConnectionLost
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.recording import Recorded, Recording
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues.spec import Venue
from tapeline.wire.pipe import Pipe

TRADES = [toy.trade(n, at_s=n) for n in range(1, 11)]
ACK = b'{"op":"ok","id":1,"topics":[],"code":"","text":""}'


def played(
    client: Callable[[SimulatedVenue], Coroutine[Any, Any, Any]], *, venue: Venue = toy.TOY,
    frames: Sequence[tuple[int, bytes]] = TRADES, answers: Sequence[Recorded] = (), speed: float | None = None,
    faults: Sequence[str] = (), says: list[Any] | None = None,
) -> Any:  # fmt: skip
    """Run one client against one tape."""

    def say(what: str, **facts: object) -> None:
        if says is not None:
            says.append((what, facts))

    async def main() -> Any:
        clock = VirtualClock(toy.START_NS)
        source = Recording(venue, frames, answers)
        sim = SimulatedVenue(venue, source, clock=clock, speed=speed, faults=[fault(f) for f in faults], say=say)
        async with sim.open():
            return await client(sim)

    return run(main())


async def collect(pipe: Pipe, until: int | None = None, within_s: float = 1000.0) -> list[bytes]:
    """Frames until there are so many, the connection ends, or nothing comes any more."""
    frames: list[bytes] = []
    try:
        async with asyncio.timeout(within_s):
            while until is None or len(frames) < until:
                frames += await pipe.receive()
    except (ConnectionLost, TimeoutError):
        pass
    return frames


async def end_of(pipe: Pipe) -> tuple[int | None, str]:
    """Close code and reason."""
    while True:
        try:
            await pipe.receive()
        except ConnectionLost as lost:
            return lost.code, str(lost)


URL = "ws://127.0.0.1:1/public"


async def one(sim: SimulatedVenue, *topics: str, url: str = URL) -> list[bytes]:
    async with sim.dial(url) as pipe:
        await pipe.send(toy.subscribe(*topics))
        return await collect(pipe)
