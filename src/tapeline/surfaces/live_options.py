"""What the command line says of a live market that is passed on, and the opening of it."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from tapeline.app.instance import World
from tapeline.app.running import real_world_dial
from tapeline.app.sharing import host_budgets
from tapeline.clock import SystemClock
from tapeline.errors import ConfigError, TimedOut
from tapeline.sim.playback import Say
from tapeline.sim.upstream.source import Upstream, opened
from tapeline.wire.rest import real_fetch

OPEN_WITHIN_S = 60.0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """Options of `serve-venue` for the real market."""

    live: Annotated[bool, Parameter(negative=(), help="The real market, now: instead of a tape or a seed.")] = False
    ws_url: Annotated[
        str | None, Parameter(help="With --live: another host for the WebSockets, such as ws://127.0.0.1:8080.")
    ] = None
    rest_url: Annotated[str | None, Parameter(help="With --live: another host for REST.")] = None

    def check(self, others: Sequence[str]) -> None:
        """Whether it goes with the other options that were given. Raises ConfigError."""
        if self.live and others:
            raise ConfigError(f"--live is the market as it comes: it goes without {' and '.join(others)}")
        if not self.live and (self.ws_url or self.rest_url):
            raise ConfigError("--ws-url and --rest-url belong to --live")


async def market(
    venue: str, options: LiveOptions, stack: AsyncExitStack, stop: asyncio.Event, say: Say
) -> Upstream | None:
    """The market as a source, open until the stack is closed; None where `stop` came first.

    Raises TimedOut where the venue has not told its instruments within a minute.
    """
    clock = SystemClock()
    fetch, client = real_fetch()
    stack.push_async_callback(client.aclose)
    world = World(
        dial=real_world_dial, fetch=fetch, clock=clock, chance=random.SystemRandom().random,
        budget=host_budgets(clock),
    )  # fmt: skip
    stopped = asyncio.create_task(stop.wait(), name="stop while opening")
    try:
        async with asyncio.timeout(OPEN_WITHIN_S) as deadline:

            def give_up(_done: asyncio.Task[bool]) -> None:
                deadline.reschedule(asyncio.get_running_loop().time())

            stopped.add_done_callback(give_up)
            source = await stack.enter_async_context(
                opened(venue, world, ws_url=options.ws_url, rest_url=options.rest_url, say=say)
            )
            stopped.remove_done_callback(give_up)
    except TimeoutError as error:
        if stop.is_set():
            return None
        raise TimedOut(f"{venue} has not told its instruments within {OPEN_WITHIN_S:g} s") from error
    finally:
        stopped.cancel()
    return source
