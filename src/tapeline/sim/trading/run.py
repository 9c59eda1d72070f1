"""One run of a trading day: engine, journal, live gateway, reconciliation and gate as in earnest, from the journal on.

Only its surroundings are made: the venue is a paper exchange; on some days market data come straight from its market.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Never

from tapeline.app.instance import Instance, World
from tapeline.app.settings import delays
from tapeline.app.trade.execution import Execution
from tapeline.app.trade.gate import Gate
from tapeline.app.trade.live_side import LiveAccount
from tapeline.app.trade.reconciling import Reconciled
from tapeline.app.venue import VenueDesk
from tapeline.config import AccountConfig, Config, ConnectionConfig, TradeConfig
from tapeline.errors import TapelineError
from tapeline.model.channel import channel
from tapeline.model.event import Quote, Trade
from tapeline.model.instrument import Instrument
from tapeline.model.secret import Credentials, Secret
from tapeline.sim.loop import VirtualClock
from tapeline.sim.market import Market
from tapeline.sim.pit import BEAT_NS, Pit
from tapeline.sim.trading.again import Again
from tapeline.sim.trading.others import Others
from tapeline.sim.trading.trader import Trader
from tapeline.sim.trading.wire import Net
from tapeline.sim.trading.witness import NOBODY, Nobody
from tapeline.store import snapshot
from tapeline.store.journal import Journal
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Note
from tapeline.trading.input import Halted
from tapeline.trading.record import Begun, Listed, Written
from tapeline.trading.risk.limits import Tables
from tapeline.trading.setup import Abilities, Account, Setup
from tapeline.venues.spec import Venue
from tapeline.watch.memory import ours_of
from tapeline.watch.report import Report
from tapeline.watch.signed_hand import SignedHand
from tapeline.watch.stop import Stop
from tapeline.wire.keys import hmac_signer
from tapeline.wire.rest import Rest
from tapeline.wire.signed import SignedRest

ACCOUNT = "one"
KEY, SECRET, PASSPHRASE = "k" * 32, "s" * 32, "p" * 8
READY_S, STOP_S = 60.0, 120.0
FEED_S = 5.0  # so often the strategies hear of the market
RECONCILE_S = 90.0
LATCH_S = 1.0  # so often it is looked whether somebody has halted the account; each order looks for itself
CHANNELS, CONNECTION = ("trades", "quotes"), ConnectionConfig()
COMMIT_S = 0.01  # most that an append to the journal takes, before it is durable and after


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What outlives a run."""

    venue: Venue
    market: Market
    instruments: Sequence[Instrument]
    limits: Tables
    folder: Path
    clock: VirtualClock
    net: Net
    chance: random.Random
    others: Others | Nobody = NOBODY
    streamed: bool = False  # whether market data come over connections of their own
    wrong: list[str] = field(default_factory=list)

    foreign: Callable[[], Collection[str]] = tuple  # numbers that orders of other origin have at the venue

    @property
    def environ(self) -> Mapping[str, str]:
        """Where latches are."""
        return {"XDG_STATE_HOME": str(self.folder), "HOME": str(self.folder)}


class TradingRun:
    """One run, from its journal on."""

    def __init__(self, around: Surroundings, journal: Journal, traders: Sequence[Trader]) -> None:
        self.around, self.journal, self.traders = around, journal, traders
        clock, venue = around.clock, around.venue
        self.again = Again()
        restored = self.restored = self.again.restored(journal, clock.wall_ns(), say=around.wrong.append)
        snapshot.write(journal, say=around.wrong.append)  # for the next run of the day
        around.wrong.extend([f"the journal: {problem}" for problem in restored.problems])
        orders = venue.orders
        assert orders is not None, "it trades"
        setup = self.setup = Setup(
            accounts={ACCOUNT: Account(name=ACCOUNT, venue=venue.name)},
            instruments={each.id: each for each in around.instruments},
            abilities={
                venue.name: Abilities(kinds=orders.kinds, times_in_force=orders.times_in_force, amends=orders.amends)
            },
            limits=around.limits,
        )  # fmt: skip
        self.engine = self.again.engine(setup, traders, restored)
        self.gates: dict[str, Gate] = {}
        self.execution = Execution(
            self.engine, self.gates, clock=clock, keep=self._keep, halt=self._halt, told=self._told,
            beside=self.engine.beside,
        )  # fmt: skip
        self.latch = latch_of(around)
        self.side: LiveAccount  # there once the venue has said what it lists
        self._setup = setup
        self.begun = False  # before that there is no orderly stop, and nothing to stop
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """It runs inside; on leaving all of it stands still at once, as when it is killed."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            work = [
                tasks.create_task(self.execution.run(), name="execution"),
                tasks.create_task(self._begin(tasks), name="beginning"),
            ]
            try:
                yield
            finally:
                self._tasks = None
                for each in [*work, *self._work]:
                    each.cancel()

    _work: tuple[asyncio.Task[Any], ...] = ()

    async def stop(self) -> list[str]:
        """The orderly stop: what may still be open."""
        left = await self.execution.stop(STOP_S)
        return [f"{each.client_id} ({each.state}: {each.why})" for each in left]

    def held(self) -> dict[str, Decimal]:
        """What strategies hold on spot, as the journal says; nothing of what others bought."""
        return ours_of(self.around.folder, ACCOUNT, self.around.clock.wall_ns())

    # ---- within --------------------------------------------------------------------------------------------------

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        now_ns = self.around.clock.wall_ns()
        self.execution.write(Begun("sim", "{}", now_ns))
        for each in self.around.instruments:
            if self.restored.instruments.get(each.id) != each:
                self.execution.write(Listed(each, now_ns))
        instance, desk = await self._streams(tasks) if self.around.streamed else self._short_cut()
        self.side = self._account(instance, desk)
        gate = self.gates[ACCOUNT] = Gate(
            self.side.gateway,
            self.latch,
            clock=self.around.clock,
            tell=self.execution.offer,
            hold=self.side.hold,
            look_every_s=LATCH_S,
        )
        self._work += (tasks.create_task(self.side.run(), name=f"account {ACCOUNT}"),)
        until = self.around.clock.now() + READY_S
        while self.side.hold() and self.around.clock.now() < until:  # noqa: ASYNC110  # as a live run begins
            await asyncio.sleep(0.2)
        if gate.latched != "running":
            self.engine.situation.halts[ACCOUNT] = gate.latched
            self.execution.write(Halted(ACCOUNT, gate.latched, "as it stood at the start", now_ns))
        await self.execution.start()
        self.begun = True
        self._work += (tasks.create_task(gate.watch(), name="latch"),)
        if self.around.streamed:
            for each in self.around.instruments:
                for of in CHANNELS:
                    instance.on(self.execution.offer, instrument=each.id, of=of)
        else:
            self._work += (tasks.create_task(self._market(), name="market data"),)

    def _account(self, instance: Any, desk: Any) -> LiveAccount:
        around, venue = self.around, self.around.venue
        keys = AccountConfig(
            venue=venue.name, mode="live", key=Secret(KEY), secret=Secret(SECRET), passphrase=Secret(PASSPHRASE)
        )
        config = Config(account={ACCOUNT: keys}, connection=CONNECTION, trade=TradeConfig(reconcile_s=RECONCILE_S))
        return LiveAccount(
            ACCOUNT, config, self._setup, self.restored, desk, instance=instance, books=self.execution,
            environ=around.environ, clock=around.clock, tell=self.execution.offer, told=self._reconciled,
        )  # fmt: skip

    def _world(self) -> World:
        around = self.around
        return World(
            dial=lambda _settings: around.net.dial, fetch=around.net.fetch, clock=around.clock,
            chance=around.chance.random,
        )  # fmt: skip

    def _short_cut(self) -> tuple[Any, Any]:
        """An account needs the venue, REST and somewhere to complain to: of an instance it uses no more."""
        around = self.around
        waits = delays(CONNECTION, around.chance.random)
        rest = Rest(
            around.venue, around.venue.urls["rest"], fetch=around.net.fetch, clock=around.clock, delays=waits
        )  # fmt: skip
        bus, problems = SimpleNamespace(publish=_nobody), SimpleNamespace(note=_nobody)
        return SimpleNamespace(world=self._world(), bus=bus, problems=problems), SimpleNamespace(
            venue=around.venue, rest=rest
        )

    async def _streams(self, tasks: asyncio.TaskGroup) -> tuple[Instance, VenueDesk]:
        """Market data as in earnest: connections, sessions, decoders, lanes and the bus."""
        instance = Instance(self._world())
        opened: asyncio.Future[VenueDesk] = asyncio.get_running_loop().create_future()

        async def streaming() -> None:
            async with instance.running():
                opened.set_result(await instance.desk(self.around.venue.name, settings=CONNECTION))
                await asyncio.Event().wait()

        self._work += (tasks.create_task(streaming(), name="streams"),)
        desk = await opened
        for each in self.around.instruments:
            desk.want(desk.symbols.find(each.symbol), [channel(of) for of in CHANNELS])
        return instance, desk

    async def _market(self) -> Never:
        """Trades and best prices of every instrument."""
        market = self.around.market
        heard_ns = market.at_ns
        while True:
            now_ns = market.at_ns
            for pit in market.pits:
                for trade in pit.between(heard_ns, now_ns):
                    self._offer(trade)
                self._offer(_quote(pit, now_ns))
            heard_ns = now_ns
            await asyncio.sleep(FEED_S)

    def _offer(self, event: Trade | Quote) -> None:
        self.execution.offer(event)

    async def _keep(self, records: Sequence[Written], now_ns: int) -> None:
        """Durable in between: a crash before it loses the records, one after it does not."""
        chance = self.around.chance
        await asyncio.sleep(chance.uniform(0, COMMIT_S))
        self.journal.append(records, now_ns)
        await asyncio.sleep(chance.uniform(0, COMMIT_S))

    def _halt(self, account: str, state: str, why: str, who: str) -> None:
        if state == "halted":
            self.around.wrong.append(f"{who} halted the account: {why}")
        if self._tasks is not None:
            self._tasks.create_task(self.gates[account].halt(state, why, who), name=f"halt {account}")

    def _told(self, note: Note) -> None:
        if note.kind in {"strategy_failed", "unbooked"}:
            self.around.wrong.append(f"{note.kind}: {note.text}")

    def _reconciled(self, account: str, found: Reconciled) -> None:
        """Whatever differs has to be explained, but for money that was moved where the venue lists no payments."""
        others = self.around.others
        others.welcome = True
        orders = self.around.venue.orders
        assert orders is not None, "it trades"
        strange = [words for words in found.unexplained if words.partition(":")[0] not in others.moved]
        if strange or "payments" in orders.calls:
            self.around.wrong.extend([f"{account}: {words}" for words in found.unexplained])
        elif found.unexplained and self._tasks is not None:
            self._tasks.create_task(self._accept(), name="a person accepts what was moved")
        theirs = {number for number in self.around.foreign() if number}
        self.around.wrong.extend([
            f"{account}: of other origin, the venue says: {words}"
            for words in found.foreign
            if words.rpartition(" ")[2] not in theirs
        ])  # fmt: skip

    async def _accept(self) -> None:
        """As `tapeline trade reconcile --accept` does."""
        with suppress(TapelineError):
            await self.side.reconciler.run("a person", accepted="ada: I moved it")


async def emergency_stop(around: Surroundings, ours: Mapping[str, Decimal], *, flatten: bool) -> Report:
    """The stop as another process makes it: signed REST and the latch, nothing of a run but what it holds on spot."""
    venue, clock = around.venue, around.clock
    assert venue.orders is not None, "it trades"
    waits = delays(ConnectionConfig(), around.chance.random)
    rest = Rest(venue, venue.urls["rest"], fetch=around.net.fetch, clock=clock, delays=waits)
    credentials = Credentials(Secret(KEY), hmac_signer(Secret(SECRET)), passphrase=Secret(PASSPHRASE))
    signed = SignedRest(venue, venue.orders, rest, credentials, clock=clock, delays=waits)
    stop = Stop(
        hand=SignedHand(ACCOUNT, venue, rest, signed, ours=ours), latch=latch_of(around), clock=clock, who="ada",
        why="enough", flatten=flatten,
    )  # fmt: skip
    return await stop.run()


def latch_of(around: Surroundings) -> HaltLatch:
    """The account's, as every process finds it."""
    return HaltLatch(ACCOUNT, "live", around.environ, around.clock)


def _quote(pit: Pit, now_ns: int) -> Quote:
    """The best prices of the book as it was told last."""
    step = pit.rates.step_beats
    beat = now_ns // BEAT_NS // step * step
    (bid,), (ask,) = pit.top(beat, 1)
    at, size, over, much = map(Decimal, (*bid, *ask))
    return Quote(pit.instrument.id, "quotes", now_ns, now_ns, "ws", at, size, over, much)


def _nobody(*_what: object, **_facts: object) -> None:
    """Nobody is told."""
