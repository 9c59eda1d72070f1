"""An instance from configuration: store, tape, status and control around it, from start to a clean end."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Protocol

import structlog

from tapeline.app import modes, rebuilding, repairing
from tapeline.app.audit.auditing import Auditor
from tapeline.app.health import HealthDesk
from tapeline.app.instance import Instance, World
from tapeline.app.keeping import Keeping
from tapeline.app.modes import ModeKeeper
from tapeline.app.rebuilding import Away, Rebuilder
from tapeline.app.relisting import RunLists
from tapeline.app.repairing import Repairer
from tapeline.app.settings import reaches
from tapeline.app.sharing import host_budgets
from tapeline.app.status import status
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock, SystemClock
from tapeline.config import Config, ConnectionConfig, StreamConfig, connection_for
from tapeline.control import StatusFile, serve_control
from tapeline.control.listening import Handler
from tapeline.errors import BadData, ConfigError, Retry
from tapeline.venues import venue_named
from tapeline.wire.ccxt.exchange import Reach
from tapeline.wire.pipe import Dial
from tapeline.wire.rest import real_fetch
from tapeline.wire.transport import real_dial

STATUS_EVERY_S = 1.0
AGAIN_S = 5.0
EXIT_DONE, EXIT_NOT_KEPT, EXIT_GAVE_UP = 0, 1, 3
_log = structlog.get_logger("tapeline")


def real_world_dial(settings: ConnectionConfig, reaches: Mapping[str, Reach] | None = None) -> Dial:
    """Dial over the network, by these settings."""
    return real_dial(
        transport=settings.transport, compression=settings.compression, max_bytes=settings.buffer_size,
        within_s=settings.connection_timeout_s, reaches=reaches,
    )  # fmt: skip


class _Part(Protocol):
    async def run(self) -> None: ...


class Running:
    """A started configuration: its instance, and what it keeps."""

    def __init__(self, instance: Instance, keeping: Keeping, clock: Clock) -> None:
        self.instance = instance
        self.keeping = keeping
        self.repairer: Repairer | None = None
        self.auditor: Auditor | None = None
        self.health: HealthDesk | None = None
        self.lists: RunLists | None = None
        self.more: dict[str, Callable[[], Any]] = {}  # parts of the status that others add
        self.handlers: dict[str, Handler] = {}  # of the control socket; others add theirs
        self.modes: ModeKeeper
        self.opening: asyncio.Task[None]  # done once every venue has its instruments and every stream is asked for
        self._clock = clock

    @asynccontextmanager
    async def live(self, config: Config) -> AsyncIterator[None]:
        """Stream and repair until the block is left."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.instance.running())
            parts: dict[str, _Part | None] = {
                "repair": self.repairer, "audit": self.auditor, "health": self.health, "modes": self.modes,
                "instruments": self.lists,
            }  # fmt: skip
            for name, part in parts.items():
                if part is not None:
                    task = asyncio.create_task(supervised(name, part.run, self.instance), name=name)
                    stack.callback(task.cancel)
            self.opening = asyncio.create_task(_open_desks(self.instance, config, self.modes), name="opening")
            self.opening.add_done_callback(lambda done: None if done.cancelled() else done.exception())
            stack.callback(self.opening.cancel)
            yield

    def mismatches(self) -> int:
        """What the audit has found to differ so far."""
        return 0 if self.auditor is None else self.auditor.statistics().mismatches

    def say_goodbye(self) -> None:
        """After the feeds have ended and before the store is closed: holes still open, and how far each series is."""
        for gap in self.instance.open_gaps():
            self.instance.bus.publish(gap)
        self.keeping.write_points(self.instance)
        self.keeping.flush()

    def status(self, state: str = "running") -> dict[str, Any]:
        """The status object."""
        parts = self.keeping.statistics() | self.modes.parts()
        if self.repairer is not None:
            parts["repair"] = self.repairer.statistics()
        if self.auditor is not None:
            parts["audit"] = self.auditor.statistics()
        if self.health is not None:
            parts["alerts"] = self.health.statistics()
        if self.lists is not None:
            parts["instruments"] = self.lists.statistics()
        parts |= {name: part() for name, part in self.more.items()}
        return status(self.instance, state=state, now_ns=self._clock.wall_ns(), parts=parts)


async def run_config(
    config: Config, *, stop: asyncio.Event, for_s: float | None = None, origins: Mapping[str, str] | None = None
) -> int:  # fmt: skip
    """Run until `stop`, for so long, or until all connections gave up and nothing is polled; returns the exit code.

    A venue that cannot be reached at the start is asked again and again, as often as a connection is dialled, and holds
    up neither the others nor `stop`.
    """
    async with start(config, origins=origins) as running:
        code = await _until_ended(running, stop, for_s)
    return EXIT_NOT_KEPT if code == EXIT_DONE and not running.keeping.whole else code


async def _until_ended(running: Running, stop: asyncio.Event, for_s: float | None) -> int:
    stopped = asyncio.create_task(stop.wait(), name="stop")
    try:
        async with asyncio.timeout(for_s):
            await asyncio.wait({stopped, running.opening}, return_when=asyncio.FIRST_COMPLETED)
            while not stopped.done():
                if running.opening.done():
                    running.opening.result()  # an unknown symbol or channel ends the run
                    if running.instance.given_up and not running.modes.polls:
                        _log.error("every connection has given up")
                        return EXIT_GAVE_UP
                await asyncio.wait({stopped}, timeout=STATUS_EVERY_S)
    except TimeoutError:
        return EXIT_DONE  # the time that was asked for is over
    finally:
        stopped.cancel()
    return EXIT_DONE


@asynccontextmanager
async def start(
    config: Config, *, clock: Clock | None = None, chance: Callable[[], float] | None = None,
    origins: Mapping[str, str] | None = None,
) -> AsyncIterator[Running]:  # fmt: skip
    """Start everything a configuration asks for; leaving the block drains, flushes and closes it."""
    if not config.stream:
        raise ConfigError("nothing to stream: add a [[stream]] table with venue, symbols and channels")
    if config.store.folder is None:
        raise ConfigError("no store: set [store] path, the folder that gets the data")
    for stream in config.stream:
        venue_named(stream.venue)  # a name that is wrong is said before anything is opened
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        keeping = Keeping(config, clock)
        keeping.start()
        stack.callback(keeping.stop)
        reached = reaches(config)
        fetch, client = real_fetch(within_s=config.connection.connection_timeout_s, reaches=reached)
        stack.push_async_callback(client.aclose)
        world = World(
            dial=partial(real_world_dial, reaches=reached), fetch=fetch, clock=clock,
            chance=chance or random.Random(config.seed).random,
            record=keeping.tape.frame if keeping.tape is not None else None, answered=keeping.answered,
            budget=host_budgets(clock),
        )  # fmt: skip
        running = assembled(config, world, keeping, origins=origins)
        file = StatusFile(keeping.folder / "status.json")
        running.handlers |= {"status": lambda _request: running.status(), **running.modes.handlers()}
        await stack.enter_async_context(serve_control(keeping.socket, running.handlers))
        stack.callback(lambda: _say_goodbye(running, file))
        await stack.enter_async_context(running.live(config))
        writing = asyncio.create_task(_write_status(running, file), name="status")  # ended by the stack, just below
        stack.callback(writing.cancel)
        yield running


def assembled(
    config: Config, world: World, keeping: Keeping, *, away: Away = asyncio.to_thread,
    look_every_s: float | None = None, origins: Mapping[str, str] | None = None,
) -> Running:  # fmt: skip
    """An instance in its world, and around it what keeps and what repairs. `away` is of repair, `look_every_s` of all;
    `origins` says where the values of the configuration come from.
    """
    instance = Instance(
        world, bars=config.bars, points=keeping.points, instruments=keeping.instruments, since_ns=world.clock.wall_ns()
    )
    keeping.attach(instance)
    running = Running(instance, keeping, world.clock)
    running.modes = ModeKeeper(
        instance, config, clock=world.clock, folder=keeping.folder, tell=keeping.ledger.polled, origins=origins,
        tick_s=look_every_s or modes.TICK_S,
    )  # fmt: skip
    if config.repair:
        rebuilder = Rebuilder(
            instance, keeping.ledger, keeping.writer, keeping.folder, clock=world.clock, points=keeping.points,
            carry=config.bars.empty == "carry", away=away, look_every_s=look_every_s or rebuilding.LOOK_EVERY_S,
        )  # fmt: skip
        running.repairer = Repairer(
            instance, keeping.ledger, keeping.writer, clock=world.clock, rebuilder=rebuilder,
            look_every_s=look_every_s or repairing.LOOK_EVERY_S,
        )  # fmt: skip
    if config.audit.enabled:
        running.auditor = Auditor(
            instance,
            keeping.ledger,
            keeping.writer,
            keeping.folder,
            settings=config.audit,
            clock=world.clock,
            away=away,
        )
    if config.audit.instruments_h:
        running.lists = RunLists(
            instance, every_s=config.audit.instruments_h * 3600.0, clock=world.clock, keep=keeping.instruments
        )
    if config.alerts.enabled:
        running.health = HealthDesk(
            instance, keeping.writer, settings=config.alerts, clock=world.clock, mismatches=running.mismatches
        )
    return running


async def supervised(name: str, run: Callable[[], Awaitable[None]], instance: Instance) -> None:
    """A fault of its own is told and ends no feed; it begins anew with what the ledger says."""
    while True:
        try:
            await run()
        except Exception as error:  # noqa: BLE001  # whatever it is: live events must go on, and somebody must hear
            instance.problems.note("", "", name, repr(error), b"")
            await asyncio.sleep(AGAIN_S)


def _say_goodbye(running: Running, file: StatusFile) -> None:
    running.say_goodbye()
    _put(running, file, "stopped")


def _put(running: Running, file: StatusFile, state: str) -> None:
    """A disk that is full, or a store that was moved, costs this word and not the next: rows may still be kept."""
    try:
        file.write(running.status(state))
    except OSError as error:
        running.instance.problems.note("", "", "status", f"status.json cannot be written: {error}", b"")


async def _write_status(running: Running, file: StatusFile) -> None:
    while True:
        _put(running, file, "running")
        running.keeping.write_points(running.instance)
        await asyncio.sleep(STATUS_EVERY_S)


async def _open_desks(instance: Instance, config: Config, modes: ModeKeeper) -> None:
    """Every venue at its own pace: one that does not answer holds up only its own streams."""
    together: dict[tuple[str, str | None, str | None, ConnectionConfig], list[StreamConfig]] = {}
    for stream in config.stream:
        shared = config.venue.get(stream.venue)
        ws_url = stream.ws_url or (shared.ws_url if shared else None)
        rest_url = stream.rest_url or (shared.rest_url if shared else None)
        settings = connection_for(config, stream)
        together.setdefault((stream.venue, ws_url, rest_url, settings), []).append(stream)
    await asyncio.gather(
        *(
            _open_desk(
                instance, instance.desk(venue, ws_url=ws_url, rest_url=rest_url, settings=settings), streams, modes
            )
            for (venue, ws_url, rest_url, settings), streams in together.items()
        )
    )


async def _open_desk(
    instance: Instance, opening: Awaitable[VenueDesk], streams: list[StreamConfig], modes: ModeKeeper
) -> None:  # fmt: skip
    try:
        desk = await opening
    except (Retry, BadData) as trouble:  # the attempts that were allowed are used up
        instance.unreached.add(streams[0].venue)
        _log.error("venue given up", venue=streams[0].venue, reason=str(trouble))
        return
    modes.open(desk, streams)
