"""A trading run from configuration: streams, engine, journal, gateways and latches, from start to a verified stop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Never, Protocol

import msgspec
import structlog

from tapeline.app.instance import Instance
from tapeline.app.running import Running, start
from tapeline.app.trade.aftermath import Aftermath, aftermath
from tapeline.app.trade.execution import Execution, Gateway
from tapeline.app.trade.flattening import Flattening
from tapeline.app.trade.forgetting import Forgetting
from tapeline.app.trade.gate import Gate
from tapeline.app.trade.journalling import Journalling, journalling
from tapeline.app.trade.live_side import LiveSide
from tapeline.app.trade.opening import NotBegun, opened
from tapeline.app.trade.operating import operator_handlers
from tapeline.app.trade.paper_side import PaperSide
from tapeline.app.trade.reconciling import Reconciled, Reconciler
from tapeline.app.trade.recorder import Recorder, recording
from tapeline.app.trade.relisting import Relistings
from tapeline.app.trade.remembering import Remembering
from tapeline.app.trade.setting_up import (
    accounts_of,
    engine_of,
    feeds_of,
    listed_of,
    setup_of,
    strategies_of,
    with_streams,
)
from tapeline.app.trade.snapshotting import Snapshotting
from tapeline.app.trade.standing import Standing
from tapeline.app.trade.status import trading_status
from tapeline.app.trade.warming import proven_now, stored_bars
from tapeline.app.trade.watching import Watching
from tapeline.clock import Clock, SystemClock
from tapeline.config import Config
from tapeline.errors import Broken, ConfigError, TapelineError
from tapeline.model.instrument import Instrument
from tapeline.model.order import Order
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Note
from tapeline.trading.input import Forget
from tapeline.trading.record import Begun, Written
from tapeline.trading.setup import Setup
from tapeline.trading.strategy import Strategy
from tapeline.watch.hand import Hand
from tapeline.watch.heartbeat import Heart

LOOK_EVERY_S = 1.0
REMEMBER_EVERY = 60  # looks
EXIT_DONE, EXIT_NOT_SURE = 0, 1
Feeds = Mapping[str, Sequence[str]]
_log = structlog.get_logger("tapeline")


class Side(Protocol):
    """Where a run's orders go: exchanges in this process, or real venues."""

    @property
    def mode(self) -> str:
        """Whether orders are real: paper | live."""
        ...

    @property
    def gateways(self) -> Mapping[str, Gateway]:
        """By account."""
        ...

    @property
    def hands(self) -> Mapping[str, Hand]:
        """For an emergency, by account."""
        ...

    def hold(self, account: str) -> str:
        """Why nothing may be opened there for the moment; "" where it may."""
        ...

    def settled_ns(self, account: str) -> int:
        """Up to when, by the venue's clock, nothing is missing from our books; 0: that is not known."""
        ...

    def forget(self, what: Forget) -> None:
        """The engine forgets this: whoever keeps the same in this process may, too."""
        ...

    def relist(self, new: Instrument) -> None:
        """It is traded on these terms from now on; the engine decides by them next."""
        ...

    def begin(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[Any]]:
        """Let it run; the engine's execution runs already."""
        ...

    def what_is(self, now_ns: int) -> Iterator[Any]:
        """What the engine has to hear before it starts."""
        ...

    async def ready(self, within_s: float) -> None:
        """Until it may start, or for so long."""
        ...

    async def leave(self) -> None:
        """A stop in order is done: what is open is meant to be."""
        ...

    def listen(self, instance: Instance, feeds: Feeds) -> None:
        """Hear the market, before the engine does."""
        ...

    def statistics(self) -> dict[str, Any]:
        """For status, by account."""
        ...

    def reconcilers(self) -> Mapping[str, Reconciler]:
        """Of accounts that a venue keeps, by name."""
        ...


class Trading:
    """A run. `execution` decides and acts; `left` are orders that a stop could not be sure of."""

    def __init__(
        self, config: Config, running: Running, setup: Setup, strategies: Sequence[Strategy], journal: Journalling, *,
        environ: Mapping[str, str], clock: Clock, live: bool = False, recorder: Recorder | None = None,
    ) -> None:  # fmt: skip
        restored = journal.restored
        self.recorder = recorder
        self.running, self.setup, self.journal = running, setup, journal
        self._config, self._clock, self._environ = config, clock, environ
        self._failing, self._aftermath = asyncio.Lock(), Aftermath()
        self._failed: TapelineError | RuntimeError | None = None
        self._feeds: Feeds = feeds_of(strategies)
        self._tasks: asyncio.TaskGroup | None = None
        self.engine, beside = engine_of(setup, strategies, restored, recorder)
        self.gates: dict[str, Gate] = {}
        self.execution = Execution(
            self.engine, self.gates, clock=clock, keep=self._keep, halt=self._halt, told=_told,
            most_behind_s=config.watch.overload_s, beside=beside, relisted=self._relist,
        )  # fmt: skip
        self.side: Side = (
            LiveSide(
                config, setup, restored, running.instance, books=self.execution, environ=environ, clock=clock,
                tell=self._heard, told=self._reconciled, tape=None if recorder is None else recorder.tape,
            )
            if live
            else PaperSide(config, setup, restored, clock=clock, tell=self._heard)
        )  # fmt: skip
        latches = {name: HaltLatch(name, self.side.mode, environ, clock) for name in setup.accounts}
        for name, gateway in self.side.gateways.items():
            self.gates[name] = Gate(
                gateway, latches[name], clock=clock, tell=self.execution.offer, hold=partial(self.side.hold, name)
            )
        self.standing = Standing(self.engine, self.gates, restored, write=self.execution.write, now_ns=clock.wall_ns)
        self.heart = Heart(self._folder, tuple(setup.accounts), clock)
        self.flattening = Flattening(self.side.hands, latches, config.flatten, clock=clock, note=self._note)
        self.watching = Watching(
            self.engine, self.execution, running, config.watch, clock=clock, heart=self.heart,
            flattening=self.flattening, halt=self._halt,
        )  # fmt: skip
        self._forgetting = Forgetting(
            restored.blotter, restored.ledger, self.side.settled_ns, round(config.trade.keep_h * 3600e9)
        )
        self._remembering = Remembering(self.engine.situation.risk.losses.memo, self.execution.write)
        self.relistings = Relistings(
            running.instance, self.engine.situation, every_s=config.trade.instruments_h * 3600.0, clock=clock,
            offer=self.execution.offer, keep=running.keeping.instruments,
        )  # fmt: skip
        self.left: list[Order] = []

    async def begin(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Let everything run; what the journal and the latches know comes first, then `on_start`, then the market."""
        self._tasks = tasks
        now_ns = self._clock.wall_ns()
        for bar in await asyncio.to_thread(stored_bars, self._folder, self._feeds):
            self.engine.step(bar, now_ns)  # nobody has started: it is remembered, and nothing more
        for problem in self.journal.restored.problems:
            _log.error("journal", problem=problem)
            for name in self.gates:
                await self.gates[name].halt("halted", f"the journal: {problem}", "latch")
        work = [tasks.create_task(self.execution.run(), name="execution")]
        work += self.side.begin(tasks)
        self._tell_what_is(now_ns)
        await self.side.ready(self._config.trade.ready_s)
        await self.execution.start()
        self._listen(self.running.instance)
        work += [tasks.create_task(each.watch(), name=f"latch {name}") for name, each in self.gates.items()]
        work += [tasks.create_task(self._look(), name="looking")]
        work += [tasks.create_task(self.watching.run(tasks), name="watching")]
        work += [tasks.create_task(self._snapshots().run(), name="snapshots")]
        work += self.relistings.begin(tasks, self.running.instance)
        self.running.more["checks"] = self.watching.statistics
        self.running.handlers |= operator_handlers(
            self.engine, self.execution.offer, self.side.reconcilers, self._clock
        )
        self.running.more["accounts"] = self.side.statistics
        self.running.more["instruments"] = self.relistings.statistics
        self.running.more["trading"] = lambda: trading_status(
            self.engine, self.execution, self.journal, self.gates, self.recorder
        )
        return work

    async def stop(self, within_s: float) -> None:
        """The orderly stop: no new orders, open ones cancelled or kept and verified, all of it in the journal."""
        self._remembering.write(self._clock.wall_ns())
        self.left = await self.execution.stop(within_s)
        for order in self.left:
            _log.error("an order may still be open", order=order.client_id, state=order.state, why=order.why)
        if self.recorder is not None:
            self.recorder.why = "stopped"
        if not self.left:
            await self.side.leave()
            self.heart.end()

    def last_words(self, config: str) -> list[str]:
        """Of a live run that did not end in order: what may rest at the venues, and what to do, with this file."""
        if self.side.mode != "live":
            return []  # its venues ended with it
        situation = self.engine.situation
        known = {
            name: [each for each in situation.blotter.live(name) if each.client_id not in situation.waiters]
            for name in self.gates
        }
        return list(self._aftermath.lines(known, config))

    # ---- within --------------------------------------------------------------------------------------------------

    @property
    def _folder(self) -> Path:
        folder = self._config.store.folder
        assert folder is not None, "looked at before"
        return folder

    async def _keep(self, records: Sequence[Written], now_ns: int) -> None:
        """Durable when this returns. Where it cannot be, live accounts are stopped without the journal first."""
        try:
            await self.journal.keep(records, now_ns)
        except (TapelineError, RuntimeError) as error:
            self._failed = self._failed or error
            _log.error("the journal cannot be written", error=str(error))
            async with self._failing:  # who comes second waits until it is done
                if self.side.mode == "live" and not self._aftermath.reports:
                    world = self.running.instance.world
                    self._aftermath = await aftermath(
                        self._config, list(self.gates), fetch=world.fetch, clock=self._clock, environ=self._environ,
                        chance=world.chance, say=_log.warning, why=str(error),
                    )  # fmt: skip
            raise self._failed from None

    def _tell_what_is(self, now_ns: int) -> None:
        """How accounts stand, what they hold, and what became of the orders of the run before."""
        settings = msgspec.json.encode([each.run for each in self._config.strategy]).decode()
        self.execution.write(Begun(version("tapeline"), settings, now_ns))
        for listed in self.journal.unlisted(self.setup.instruments.values(), now_ns):
            self.execution.write(listed)
        for news in self.side.what_is(now_ns):
            self.execution.offer(news)
        self.standing.begin()
        for name in sorted(set(self.gates) - set(self.side.reconcilers())):
            self.standing.compared(name)

    def _listen(self, instance: Instance) -> None:
        """The market, in the order of the bus: first to a paper venue, where there is one, then to the engine."""
        self.side.listen(instance, self._feeds)
        for instrument, channels in self._feeds.items():
            for of in channels:
                instance.on(self.execution.offer, instrument=instrument, of=of)
                instance.on_book_state(self.execution.offer, instrument=instrument, of=of)

    async def _look(self) -> Never:
        """Now and then: what is proven, and what loss limits have seen."""
        looks = 0
        while True:
            for proven in proven_now(self.running.keeping.ledger, self._feeds, self._clock.wall_ns()):
                self.execution.offer(proven)
            looks += 1
            self._remembering.look(self._clock.wall_ns())
            if looks % REMEMBER_EVERY == 0:
                self._remembering.write(self._clock.wall_ns())
                for what in self._forgetting.look(list(self.gates), self._clock.wall_ns()):
                    self.side.forget(what)
                    self.execution.offer(what)
            await asyncio.sleep(LOOK_EVERY_S)

    def _snapshots(self) -> Snapshotting:
        trade, journal = self._config.trade, self.journal
        return Snapshotting(
            self._folder, trade.accounting, trade.snapshot_every,
            lambda: journal.restored.played + journal.statistics().records,
        )  # fmt: skip

    def _heard(self, event: Any) -> None:
        """An answer of a venue, for the engine; refusals are counted on the way."""
        self.watching.heard(event)
        self.relistings.heard(event)
        self.execution.offer(event)

    def _relist(self, new: Instrument) -> None:
        self.side.relist(new)

    def _reconciled(self, account: str, state: Reconciled) -> None:
        self.standing.compared(account)
        self.watching.reconciled_at[account] = self._clock.now()
        self.watching.unexplained[account] = "; ".join(state.unexplained)

    def _note(self, account: str, kind: str, text: str) -> None:
        self.execution.write(Note(kind, account, text))

    def _halt(self, account: str, state: str, why: str, who: str) -> None:
        if self._tasks is None:
            raise Broken("nothing is halted before the run has begun")
        for name in [account] if account else list(self.gates):
            self._tasks.create_task(self.gates[name].halt(state, why, who), name=f"halt {name}")


async def run_trading(
    config: Config, *, stop: asyncio.Event, environ: Mapping[str, str], folder: Path | None = None,
    for_s: float | None = None, told: Callable[[Trading], None] = lambda _trading: None, live: bool = False,
    record: Path | None = None, made: Callable[[Trading], object] = lambda _trading: None,
) -> int:  # fmt: skip
    """Trade, on paper or `live`, until `stop`, or for so long; returns the exit code. Raises ConfigError.

    `made` hears of the run before it begins, `told` once it has.
    """
    try:
        async with trading(
            config, environ=environ, folder=folder, live=live, record=record, made=made, stop=stop, open_within_s=for_s
        ) as run:
            told(run)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), for_s)
            await run.stop(config.trade.stop_within_s)
            return EXIT_NOT_SURE if run.left else EXIT_DONE
    except NotBegun as ended:
        return EXIT_NOT_SURE if ended.left else EXIT_DONE


@asynccontextmanager
async def trading(
    config: Config, *, environ: Mapping[str, str], folder: Path | None = None, clock: Clock | None = None,
    live: bool = False, record: Path | None = None, made: Callable[[Trading], object] = lambda _trading: None,
    stop: asyncio.Event | None = None, open_within_s: float | None = None,
) -> AsyncIterator[Trading]:  # fmt: skip
    """Everything a configuration trades, on paper or `live`; leaving the block ends it, without the orderly stop.

    `folder` is where the files of strategies are looked for first; `record` is where the run is recorded. Raises
    NotBegun where `stop`, or the end of `open_within_s`, comes before the venues have answered.
    """
    clock = clock or SystemClock()
    strategies = strategies_of(config, folder)
    feeds = feeds_of(strategies)
    mode = "live" if live else "paper"
    accounts = accounts_of(config, feeds, mode)
    config = with_streams(config, feeds)
    if config.store.folder is None:
        raise ConfigError("no store: set [store] path, the folder that gets the journal and the data")
    async with AsyncExitStack() as stack:
        recorder = None if record is None else stack.enter_context(recording(record, clock))
        method = config.trade.accounting
        journal = stack.enter_context(
            journalling(
                config.store.folder, clock.wall_ns(), method=method, accounts=accounts, mode=mode,
                remember=None if recorder is None else recorder.remember,
            )
        )  # fmt: skip
        running = await stack.enter_async_context(start(config, clock=clock))
        await opened(running.opening, journal.restored, stop=stop, within_s=open_within_s, live=live)
        setup = setup_of(config, accounts, listed_of(running.instance, feeds), live=live)
        if recorder is not None:
            recorder.describe(
                setup, config.strategy, folder, mode=mode, instance=journal.instance,
                restored_ns=journal.restored_ns, accounting=method,
            )  # fmt: skip
        run = Trading(
            config, running, setup, strategies, journal, environ=environ, clock=clock, live=live, recorder=recorder
        )
        made(run)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        work: list[asyncio.Task[None]] = []
        stack.callback(lambda: [each.cancel() for each in work])
        work += await run.begin(tasks)
        yield run


def _told(note: Note) -> None:
    tell = (
        _log.warning
        if note.kind in {"denied", "limit_cancels", "strategy_failed", "strategy_paused", "unbooked", "instrument"}
        else _log.info
    )
    tell(note.kind, account=note.account, strategy=note.strategy, order=note.client_id, text=note.text)
