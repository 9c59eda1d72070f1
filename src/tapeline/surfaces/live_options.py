"""What the command line says of a live market that is passed on, and the opening of it."""

import asyncio
import os
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tapeline.app.instance import World
from tapeline.app.running import real_world_dial
from tapeline.app.sharing import host_budgets
from tapeline.clock import SystemClock
from tapeline.config import Place, load, place_of
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
    config: Annotated[
        Path | None, Parameter(help="With --live: a configuration, for the addresses of the venue and [connection].")
    ] = None

    def check(self, others: Sequence[str]) -> None:
        """Whether it goes with the other options that were given. Raises ConfigError."""
        if self.live and others:
            raise ConfigError(f"--live is the market as it comes: it goes without {' and '.join(others)}")
        if not self.live and (self.ws_url or self.rest_url or self.config):
            raise ConfigError("--ws-url, --rest-url and --config belong to --live")

    def place(self, venue: str) -> Place:
        """Where that market is, and how connections to it are kept. Raises ConfigError."""
        return place_of(load(self.config, os.environ), venue, ws_url=self.ws_url, rest_url=self.rest_url)


async def market(
    venue: str, options: LiveOptions, stack: AsyncExitStack, stop: asyncio.Event, say: Say
) -> Upstream | None:
    """The market as a source, open until the stack is closed; None where `stop` came first.

    Raises TimedOut where the venue has not told its instruments within a minute.
    """
    clock, place = SystemClock(), options.place(venue)
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
            source = await stack.enter_async_context(opened(venue, world, place, say=say))
            stopped.remove_done_callback(give_up)
    except TimeoutError as error:
        if stop.is_set():
            return None
        raise TimedOut(f"{venue} has not told its instruments within {OPEN_WITHIN_S:g} s") from error
    finally:
        stopped.cancel()
    return source
