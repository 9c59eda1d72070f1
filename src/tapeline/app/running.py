"""An instance from configuration: store, tape, status and control around it, from start to a clean end."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from tapeline.app.instance import Instance, World
from tapeline.app.keeping import Keeping
from tapeline.app.status import status
from tapeline.clock import Clock, SystemClock
from tapeline.config import Config, ConnectionConfig, connection_for
from tapeline.control import StatusFile, serve_control
from tapeline.errors import ConfigError
from tapeline.model.channel import channel
from tapeline.wire.pipe import Dial
from tapeline.wire.rest import real_fetch
from tapeline.wire.transport import real_dial

STATUS_EVERY_S = 1.0
EXIT_DONE, EXIT_GAVE_UP = 0, 3
_log = structlog.get_logger("tapeline")


def real_world_dial(settings: ConnectionConfig) -> Dial:
    """Dial over the network, by these settings."""
    return real_dial(
        transport=settings.transport, compression=settings.compression, max_bytes=settings.buffer_size,
        within_s=settings.connection_timeout_s,
    )  # fmt: skip


class Running:
    """A started configuration: its instance, and what it keeps."""

    def __init__(self, instance: Instance, keeping: Keeping, clock: Clock) -> None:
        self.instance = instance
        self.keeping = keeping
        self._clock = clock

    def status(self, state: str = "running") -> dict[str, Any]:
        """The status object."""
        return status(self.instance, state=state, now_ns=self._clock.wall_ns(), parts=self.keeping.statistics())


async def run_config(config: Config, *, stop: asyncio.Event, for_s: float | None = None) -> int:
    """Run until `stop`, for so long, or until every connection has given up; returns the exit code."""
    async with start(config) as running:
        try:
            async with asyncio.timeout(for_s):
                while not stop.is_set() and not running.instance.given_up:
                    await _set_within(stop, STATUS_EVERY_S)
        except TimeoutError:
            return EXIT_DONE  # the time that was asked for is over
        if running.instance.given_up and not stop.is_set():
            _log.error("every connection has given up", attempts=config.connection.reconnect_attempts)
            return EXIT_GAVE_UP
        return EXIT_DONE


@asynccontextmanager
async def start(
    config: Config, *, clock: Clock | None = None, chance: Callable[[], float] | None = None
) -> AsyncIterator[Running]:
    """Start everything a configuration asks for; leaving the block drains, flushes and closes it."""
    if not config.stream:
        raise ConfigError("nothing to stream: add a [[stream]] table with venue, symbols and channels")
    if config.store.folder is None:
        raise ConfigError("no store: set [store] path, the folder that gets the data")
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        keeping = Keeping(config, clock)
        keeping.start()
        stack.callback(keeping.stop)
        fetch, client = real_fetch(within_s=config.connection.connection_timeout_s)
        stack.push_async_callback(client.aclose)
        world = World(
            dial=real_world_dial, fetch=fetch, clock=clock, chance=chance or random.Random(config.seed).random,
            record=keeping.record if keeping.tape is not None else None, answered=keeping.answered,
        )  # fmt: skip
        instance = Instance(world, bars=config.bars, points=keeping.points, instruments=keeping.instruments)
        keeping.attach(instance)
        running = Running(instance, keeping, clock)
        file = StatusFile(keeping.folder / "status.json")
        await stack.enter_async_context(serve_control(keeping.socket, {"status": lambda _request: running.status()}))
        await _open_desks(instance, config)
        stack.callback(lambda: _say_goodbye(running, file))
        await stack.enter_async_context(instance.running())
        writing = asyncio.create_task(_write_status(running, file), name="status")  # ended by the stack, just below
        stack.callback(writing.cancel)
        yield running


def _say_goodbye(running: Running, file: StatusFile) -> None:
    """After the feeds have ended and before the store is closed: holes still open, and the last status."""
    for gap in running.instance.open_gaps():
        running.instance.bus.publish(gap)
    running.keeping.write_points(running.instance)
    running.keeping.flush()
    file.write(running.status("stopped"))


async def _write_status(running: Running, file: StatusFile) -> None:
    while True:
        file.write(running.status())
        running.keeping.write_points(running.instance)
        await asyncio.sleep(STATUS_EVERY_S)


async def _open_desks(instance: Instance, config: Config) -> None:
    for stream in config.stream:
        shared = config.venue.get(stream.venue)
        desk = await instance.desk(
            stream.venue, ws_url=stream.ws_url or (shared.ws_url if shared else None),
            rest_url=stream.rest_url or (shared.rest_url if shared else None),
            settings=connection_for(config, stream),
        )  # fmt: skip
        for name in stream.symbols:
            found = desk.symbols.find(name)
            if found.symbol != name:
                _log.info("symbol", venue=stream.venue, asked=name, unified=found.symbol)
            desk.want(found, [channel(text) for text in stream.channels])


async def _set_within(event: asyncio.Event, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return
