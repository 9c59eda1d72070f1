"""One run of a trading day: engine, journal, live gateway, reconciliation and gate as in earnest, from the journal on.

Only its surroundings are made: the venue is a paper exchange; on some days market data come straight from its market.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Never

from tapeline.app.instance import Instance, World
from tapeline.app.settings import delays
from tapeline.app.trade.execution import Execution
from tapeline.app.trade.forgetting import Forgetting
from tapeline.app.trade.gate import Gate
from tapeline.app.trade.live_side import LiveAccount
from tapeline.app.trade.reconciling import Reconciled
from tapeline.app.trade.standing import Standing
from tapeline.app.venue import VenueDesk
from tapeline.config import AccountConfig, Config, ConnectionConfig, TradeConfig
from tapeline.errors import TapelineError
from tapeline.model.channel import channel
from tapeline.model.event import Quote
from tapeline.model.instrument import Instrument
from tapeline.model.secret import Credentials, Secret
from tapeline.sim.loop import VirtualClock
from tapeline.sim.market import Market
from tapeline.sim.pit import BEAT_NS, Pit
from tapeline.sim.trading.again import Again
from tapeline.sim.trading.others import Others
from tapeline.sim.trading.trader import Trader
from tapeline.sim.trading.wire import Net, Nets, hosts
from tapeline.sim.trading.witness import NOBODY, Nobody
from tapeline.store import snapshot
from tapeline.store.journal import Journal
from tapeline.store.latch import HaltLatch
from tapeline.trading.command import Note
from tapeline.trading.record import Begun, Listed, Written
from tapeline.trading.risk.limits import Tables
from tapeline.trading.setup import Abilities, Account, Setup
from tapeline.venues.orders import Orders
from tapeline.venues.spec import Venue
from tapeline.watch.memory import notes_into, ours_of
from tapeline.watch.report import Report
from tapeline.watch.signed_hand import SignedHand
from tapeline.watch.stop import Stop
from tapeline.wire.private.keys import hmac_signer
from tapeline.wire.private.signed import SignedRest
from tapeline.wire.rest import Rest

ACCOUNT = "one"
KEY, SECRET, PASSPHRASE = "k" * 32, "s" * 32, "p" * 8
READY_S, STOP_S = 60.0, 120.0
FEED_S = 5.0  # so often the strategies hear of the market
RECONCILE_S = 90.0
LATCH_S = 1.0  # so often it is looked whether somebody has halted the account; each order looks for itself
KEEP_S, FORGET_EVERY_S = 150.0, 13.0
CHANNELS, CONNECTION = ("trades", "quotes"), ConnectionConfig()
COMMIT_S = 0.01  # most that an append to the journal takes, before it is durable and after


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One venue, and an account there."""

    account: str
    venue: Venue
    market: Market
    instruments: Sequence[Instrument]
    net: Net
    others: Others | Nobody = NOBODY
    foreign: Callable[[], Collection[str]] = tuple  # numbers that orders of other origin have at the venue

    @property
    def orders(self) -> Orders:
        """How it is traded."""
        assert self.venue.orders is not None, "it trades"
        return self.venue.orders

    def abilities(self) -> Abilities:
        """What the engine is told of the venue."""
        orders = self.orders
        return Abilities(
            kinds=orders.kinds, times_in_force=orders.times_in_force, amends=orders.amends,
            lists="place_list" in orders.calls,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What outlives a run."""

    places: Sequence[Place]
    limits: Tables
    folder: Path
    clock: VirtualClock
    chance: random.Random
    streamed: bool = False  # whether market data come over connections of their own
    wrong: list[str] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)  # what was complained of, by kind

    @property
    def environ(self) -> Mapping[str, str]:
        """Where latches are."""
        return {"XDG_STATE_HOME": str(self.folder), "HOME": str(self.folder)}

    @property
    def instruments(self) -> list[Instrument]:
        """All that is traded."""
        return [each for place in self.places for each in place.instruments]


class TradingRun:
    """One run, from its journal on."""

    def __init__(self, around: Surroundings, journal: Journal, traders: Sequence[Trader]) -> None:
        self.around, self.journal, self.traders = around, journal, traders
        clock, places = around.clock, around.places
        self.again = Again()
        restored = self.restored = self.again.restored(journal, clock.wall_ns(), say=around.wrong.append)
        snapshot.write(journal, say=around.wrong.append)  # for the next run of the day
        around.wrong.extend([f"the journal: {problem}" for problem in restored.problems])
        setup = self.setup = Setup(
            accounts={each.account: Account(name=each.account, venue=each.venue.name) for each in places},
            instruments={each.id: each for each in around.instruments},
            abilities={each.venue.name: each.abilities() for each in places}, limits=around.limits,
        )  # fmt: skip
        self.engine = self.again.engine(setup, traders, restored)
        self.gates: dict[str, Gate] = {}
        self.execution = Execution(
            self.engine, self.gates, clock=clock, keep=self._keep, halt=self._halt, told=self._told,
            beside=self.engine.beside,
        )  # fmt: skip
        self.sides: dict[str, LiveAccount] = {}  # by account; there once the venue has said what it lists
        self.standing = Standing(self.engine, self.gates, restored, write=self.execution.write, now_ns=clock.wall_ns)
        self.begun = False  # before that there is no orderly stop, and nothing to stop
        self._tasks: asyncio.TaskGroup | None = None
        self._writing = asyncio.Lock()

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

    # ---- the beginning -------------------------------------------------------------------------------------------

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        around, now_ns = self.around, self.around.clock.wall_ns()
        self.execution.write(Begun("sim", "{}", now_ns))
        for each in around.instruments:
            if self.restored.instruments.get(each.id) != each:
                self.execution.write(Listed(each, now_ns))
        instance, desks = await self._streams(tasks) if around.streamed else self._short_cut()
        for place, desk in zip(around.places, desks, strict=True):
            self._account(place, instance, desk)
        self._work += tuple(tasks.create_task(each.run(), name=f"account {name}") for name, each in self.sides.items())
        self.standing.begin()
        until = around.clock.now() + READY_S
        while any(each.hold() for each in self.sides.values()) and around.clock.now() < until:  # noqa: ASYNC110  # as a
            await asyncio.sleep(0.2)  # live run begins
        await self.execution.start()
        self.begun = True
        self._work += (tasks.create_task(self._forget(), name="forgetting"),)
        self._work += tuple(tasks.create_task(gate.watch(), name=f"latch {name}") for name, gate in self.gates.items())
        if around.streamed:
            for each in around.instruments:
                for of in CHANNELS:
                    instance.on(self.execution.offer, instrument=each.id, of=of)
        else:
            self._work += (tasks.create_task(self._market(), name="market data"),)

    def _account(self, place: Place, instance: Any, desk: Any) -> None:
        around, name = self.around, place.account
        keys = AccountConfig(
            venue=place.venue.name, mode="live", key=Secret(KEY), secret=Secret(SECRET), passphrase=Secret(PASSPHRASE)
        )
        config = Config(account={name: keys}, connection=CONNECTION, trade=TradeConfig(reconcile_s=RECONCILE_S))
        side = self.sides[name] = LiveAccount(
            name, config, self.setup, self.restored, desk, instance=instance, books=self.execution,
            environ=around.environ, clock=around.clock, tell=self.execution.offer, told=self._reconciled,
        )  # fmt: skip
        self.gates[name] = Gate(
            side.gateway,
            latch_of(around, name),
            clock=around.clock,
            tell=self.execution.offer,
            hold=side.hold,
            look_every_s=LATCH_S,
        )

    def _world(self) -> World:
        around = self.around
        nets = Nets({host: each.net for each in around.places for host in hosts(each.venue.urls)})
        return World(
            dial=lambda _settings: nets.dial, fetch=nets.fetch, clock=around.clock, chance=around.chance.random
        )

    def _short_cut(self) -> tuple[Any, list[Any]]:
        """An account needs the venue, REST and somewhere to complain to: of an instance it uses no more."""

        def note(_venue: str, _connection: str, kind: str, _text: str, _frame: bytes) -> None:
            self.around.problems[kind] += 1

        bus, problems = SimpleNamespace(publish=_nobody), SimpleNamespace(note=note)
        desks = [
            SimpleNamespace(venue=each.venue, rest=rest_of(self.around, each), dial=each.net.dial)
            for each in self.around.places
        ]
        return SimpleNamespace(world=self._world(), bus=bus, problems=problems), list(desks)

    async def _streams(self, tasks: asyncio.TaskGroup) -> tuple[Instance, list[VenueDesk]]:
        """Market data as in earnest: connections, sessions, decoders, lanes and the bus."""
        instance = Instance(self._world())
        opened: asyncio.Future[list[VenueDesk]] = asyncio.get_running_loop().create_future()

        async def streaming() -> None:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(instance.running())
                stack.callback(lambda: self._count(instance))
                names = [each.venue.name for each in self.around.places]
                opened.set_result([await instance.desk(name, settings=CONNECTION) for name in names])
                await asyncio.Event().wait()

        self._work += (tasks.create_task(streaming(), name="streams"),)
        desks = await opened
        for place, desk in zip(self.around.places, desks, strict=True):
            for each in place.instruments:
                desk.want(desk.symbols.find(each.symbol), [channel(of) for of in CHANNELS])
        return instance, desks

    def _count(self, instance: Instance) -> None:
        for kinds in instance.problems.by_kind().values():
            self.around.problems.update(kinds)

    async def _forget(self) -> Never:
        """As a run of weeks does, only that hours are minutes here."""
        restored, clock = self.restored, self.around.clock
        forgetting = Forgetting(
            restored.blotter, restored.ledger, lambda name: self.sides[name].settled_ns(), round(KEEP_S * 1e9)
        )
        while True:
            for what in forgetting.look(list(self.sides), clock.wall_ns()):
                self.execution.offer(what)
            await asyncio.sleep(FORGET_EVERY_S)

    async def _market(self) -> Never:
        """Trades and best prices of every instrument."""
        markets = [place.market for place in self.around.places]
        heard_ns = [market.at_ns for market in markets]
        while True:
            for number, market in enumerate(markets):
                now_ns = market.at_ns
                for pit in market.pits:
                    for trade in pit.between(heard_ns[number], now_ns):
                        self.execution.offer(trade)
                    self.execution.offer(_quote(pit, now_ns))
                heard_ns[number] = now_ns
            await asyncio.sleep(FEED_S)

    async def _keep(self, records: Sequence[Written], now_ns: int) -> None:
        """Durable in between: a crash before it loses the records, one after it does not. In the order it was asked."""
        chance = self.around.chance
        async with self._writing:
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
        self.standing.compared(account)
        place = next(each for each in self.around.places if each.account == account)
        others = place.others
        others.welcome = True
        strange = [words for words in found.unexplained if words.partition(":")[0] not in others.moved]
        if strange or "payments" in place.orders.calls:
            self.around.wrong.extend([f"{account}: {words}" for words in found.unexplained])
        elif found.unexplained and self._tasks is not None:
            self._tasks.create_task(self._accept(account), name="a person accepts what was moved")
        theirs = {number for number in place.foreign() if number}
        self.around.wrong.extend([
            f"{account}: of other origin, the venue says: {words}"
            for words in found.foreign
            if words.rpartition(" ")[2] not in theirs
        ])  # fmt: skip

    async def _accept(self, account: str) -> None:
        """As `tapeline trade reconcile --accept` does."""
        with suppress(TapelineError):
            await self.sides[account].reconciler.run("a person", accepted="ada: I moved it")


async def emergency_stop(
    around: Surroundings, place: Place, *, flatten: bool
) -> Report:  # fmt: skip
    """The stop as another process makes it: signed REST and the latch, nothing of a run but what it holds on spot, as
    the journal says.
    """
    clock, rest = around.clock, rest_of(around, place)
    waits = delays(CONNECTION, around.chance.random)
    credentials = Credentials(Secret(KEY), hmac_signer(Secret(SECRET)), passphrase=Secret(PASSPHRASE))
    signed = SignedRest(place.venue, place.orders, rest, credentials, clock=clock, delays=waits)

    def ours() -> Mapping[str, Decimal]:
        return ours_of(around.folder, place.account, clock.wall_ns())

    stop = Stop(
        hand=SignedHand(place.account, place.venue, rest, signed, ours=ours if flatten else None),
        latch=latch_of(around, place.account), clock=clock, who="ada", why="enough", flatten=flatten,
        note=notes_into(around.folder, place.account, clock.wall_ns, around.wrong.append),
    )  # fmt: skip
    return await stop.run()


def rest_of(around: Surroundings, place: Place) -> Rest:
    """A place's REST, for one process."""
    waits = delays(CONNECTION, around.chance.random)
    return Rest(place.venue, place.venue.urls["rest"], fetch=place.net.fetch, clock=around.clock, delays=waits)


def latch_of(around: Surroundings, account: str) -> HaltLatch:
    """The account's, as every process finds it."""
    return HaltLatch(account, "live", around.environ, around.clock)


def _quote(pit: Pit, now_ns: int) -> Quote:
    """The best prices of the book as it was told last."""
    step = pit.rates.step_beats
    beat = now_ns // BEAT_NS // step * step
    (bid,), (ask,) = pit.top(beat, 1)
    at, size, over, much = map(Decimal, (*bid, *ask))
    return Quote(pit.instrument.id, "quotes", now_ns, now_ns, "ws", at, size, over, much)


def _nobody(*_what: object, **_facts: object) -> None:
    """Nobody is told."""
