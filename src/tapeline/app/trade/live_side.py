"""Accounts at their venues: real orders, private streams, reconciliation, and the venue's own dead-man timers."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Never

import structlog

from tapeline.app.instance import Instance, World
from tapeline.app.settings import delays, rebased
from tapeline.app.trade.dead_man import DeadMan
from tapeline.app.trade.reconciling import Books, Reconciled, Reconciler
from tapeline.app.venue import VenueDesk
from tapeline.clock import Clock
from tapeline.config import Config
from tapeline.errors import ConfigError
from tapeline.model.account import AccountEvent, Balance, Fill
from tapeline.model.event import Gap
from tapeline.model.instrument import Instrument
from tapeline.trading.input import Failed, Forget, Sent
from tapeline.trading.restore import Restored
from tapeline.trading.setup import Setup
from tapeline.venues.orders import Orders
from tapeline.venues.spec import Request, Venue
from tapeline.watch.hand import Hand
from tapeline.watch.memory import held_on_spot
from tapeline.watch.minimal import hand_of
from tapeline.wire.gateway.orders import LiveGateway, at_testnet
from tapeline.wire.pipe import Response
from tapeline.wire.private.keys import credentials_of
from tapeline.wire.private.redaction import Redaction
from tapeline.wire.private.taped import Tape, Taped
from tapeline.wire.rest import Rest

DEAF = "the private stream of the account is not open: fills would not be heard"
LOOK_EVERY_S = 0.2
_log = structlog.get_logger("tapeline")


class LiveAccount:
    """One account: its gateway, its reconciler, and why it may only reduce just now.

    `tape` gets its raw frames and answers, without keys and signatures.
    """

    def __init__(
        self, name: str, config: Config, setup: Setup, restored: Restored, desk: VenueDesk, *, instance: Instance,
        books: Books, environ: Mapping[str, str], clock: Clock, tell: Callable[[Any], None],
        told: Callable[[str, Reconciled], None], tape: Tape | None = None,
    ) -> None:  # fmt: skip
        self.name, self._config, self._setup, self._clock = name, config, setup, clock
        self._instance, self._tell, self._restored = instance, tell, restored
        settings = config.account[name]
        venue = _placed(config, settings.venue, desk.venue, testnet=settings.testnet)
        orders = venue.orders
        if orders is None:
            raise ConfigError(f"account.{name}: {venue.name} takes no orders from Tapeline yet: trade it on paper")
        world, waits = instance.world, delays(config.connection, instance.world.chance)
        rest, dial = desk.rest, desk.dial
        if settings.testnet:
            rest, dial = _apart(venue, world, clock, waits), world.dial(config.connection)
        instruments = self.instruments = _known(setup, restored, desk.venue.name)  # all below look into this one
        credentials = credentials_of(name, settings, environ)
        answered: Callable[[Request, Response], None] = _to_no_tape
        if tape is not None:
            redaction = Redaction(credentials, orders.hidden)
            taped = Taped(f"{venue.name}/{name}", _told_at(venue, orders), tape, redaction, clock=clock)
            dial, answered = taped.dial(dial), taped.answered
        self.gateway = LiveGateway(
            name, venue, orders, rest, credentials, clock=clock, dial=dial, delays=waits, instruments=instruments,
            order_of=restored.blotter.order, owns=restored.blotter.owns, tell=self._heard, reconcile=self._reconcile,
            problem=self._problem, reconcile_every_s=config.trade.reconcile_s, answered=answered,
        )  # fmt: skip
        countdown_s = round(config.watch.dead_man_s) if orders.dead_man else 0
        self.dead_man = None if not countdown_s else DeadMan(
            name, self.gateway, restored.blotter, instruments=instruments, countdown_s=countdown_s,
            whole=orders.dead_man == "account", clock=clock, problem=self._problem,
        )  # fmt: skip
        self.reconciler = Reconciler(
            name, blotter=restored.blotter, ledger=restored.ledger, instruments=instruments, books=books, clock=clock,
            statement=lambda since_ns, reasons: self.gateway.statement(
                since_ns=since_ns, reasons=reasons, knows=self._knows
            ),
            look_up=self._look_up, told=told,
        )  # fmt: skip

    def _knows(self, fill: Fill) -> bool:
        """Whether it is known whose order was filled."""
        return self._restored.blotter.by_venue_id(fill.account, fill.instrument or "", fill.venue_id) is not None

    def hold(self) -> str:
        """Why nothing may be opened just now; "" where it may."""
        return self.reconciler.state.waiting or ("" if self.gateway.stream.open else DEAF)

    def settled_ns(self) -> int:
        """See `trading.Side`: when the venue and we last agreed, by its clock, and nothing was left unexplained."""
        state = self.reconciler.state
        return self._restored.ledger.agreed_ns(self.name) if state.done and not state.unexplained else 0

    async def run(self) -> Never:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.gateway.run(), name=f"gateway of {self.name}")
            for order in self._restored.blotter.live(self.name):
                if order.client_id not in self._restored.held and order.state == "unknown":
                    await asyncio.sleep(0)  # the gateway has begun
                    self.gateway.look_up(order)
            if self.dead_man is not None:
                tasks.create_task(self.dead_man.run(), name=f"dead-man timer of {self.name}")
            await running
        raise AssertionError("an account is kept for ever")

    def statistics(self) -> dict[str, Any]:
        """How it does, for status."""
        return {
            "account": self.name, "hold": self.hold(), "unknown": self.gateway.unknown(),
            "stream": self.gateway.stream.statistics(), "reconciliation": asdict(self.reconciler.state),
        }  # fmt: skip

    # ---- within --------------------------------------------------------------------------------------------------

    async def _reconcile(self, why: str) -> None:
        await self.reconciler.run(why)

    def _look_up(self, order: Any) -> None:
        if order.client_id and order.client_id not in self.gateway.unknown():
            self.gateway.look_up(order)

    def _heard(self, event: AccountEvent | Gap | Sent | Failed) -> None:
        if isinstance(event, Gap):  # of the account: reconciliation follows; for the journal of gaps and for people
            self._instance.bus.publish(event)
            return
        if isinstance(event, Balance):
            self.reconciler.heard(event)
        self._tell(event)

    def _problem(self, kind: str, text: str) -> None:
        self._instance.problems.note(self._config.account[self.name].venue, self.name, kind, text, b"")


class LiveSide:
    """The venues of a live run. See `trading.Side`."""

    mode = "live"

    def __init__(
        self, config: Config, setup: Setup, restored: Restored, instance: Instance, *, books: Books,
        environ: Mapping[str, str], clock: Clock, tell: Callable[[Any], None], told: Callable[[str, Reconciled], None],
        tape: Tape | None = None,
    ) -> None:  # fmt: skip
        self.accounts: dict[str, LiveAccount] = {}
        hands: dict[str, Hand] = {}
        for name, account in setup.accounts.items():
            desk = next(each for each in instance.desks.values() if each.venue.name == account.venue)
            self.accounts[name] = LiveAccount(
                name, config, setup, restored, desk, instance=instance, books=books, environ=environ, clock=clock,
                tell=tell, told=told, tape=tape,
            )  # fmt: skip
            hands[name] = hand_of(
                name, config, fetch=instance.world.fetch, clock=clock, environ=environ, chance=instance.world.chance,
                ours=partial(held_on_spot, restored.ledger, name, {**restored.instruments, **setup.instruments}),
            )  # fmt: skip
        self.hands: Mapping[str, Hand] = hands
        self.gateways = {name: each.gateway for name, each in self.accounts.items()}

    def hold(self, account: str) -> str:
        """See `trading.Side`."""
        return self.accounts[account].hold()

    def settled_ns(self, account: str) -> int:
        """See `trading.Side`."""
        return self.accounts[account].settled_ns()

    def forget(self, _what: Forget) -> None:
        """See `trading.Side`: a venue forgets by itself."""

    def relist(self, new: Instrument) -> None:
        """See `trading.Side`."""
        for each in self.accounts.values():
            if new.id in each.instruments:
                each.instruments[new.id] = new

    def begin(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[Any]]:
        """See `trading.Side`."""
        return [tasks.create_task(each.run(), name=f"account {name}") for name, each in self.accounts.items()]

    def what_is(self, _now_ns: int) -> Iterator[Any]:
        """See `trading.Side`: what accounts hold is the venue's to say."""
        return iter(())

    async def ready(self, within_s: float) -> None:
        """See `trading.Side`: until every account was compared with its venue; past that it begins reduce-only."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while any(each.hold() for each in self.accounts.values()):  # noqa: ASYNC110  # it is put together from
                    # the state of two things, neither of which knows that somebody waits
                    await asyncio.sleep(LOOK_EVERY_S)
        for name, each in self.accounts.items():
            if each.hold():
                _log.error("not ready", account=name, why=each.hold(), stream=each.gateway.stream.why)

    async def leave(self) -> None:
        """See `trading.Side`: what was kept open is to stay, and a timer would cancel it."""
        await asyncio.gather(*(each.dead_man.leave() for each in self.accounts.values() if each.dead_man is not None))

    def listen(self, instance: Instance, feeds: Mapping[str, Sequence[str]]) -> None:
        """See `trading.Side`."""

    def statistics(self) -> dict[str, Any]:
        """See `trading.Side`."""
        return {name: each.statistics() for name, each in self.accounts.items()}

    def reconcilers(self) -> dict[str, Reconciler]:
        """See `trading.Side`."""
        return {name: each.reconciler for name, each in self.accounts.items()}


def _told_at(venue: Venue, orders: Orders) -> dict[str, str]:
    """The addresses of an account's connections, by endpoint, and that of REST."""
    endpoints = {"rest", orders.private.endpoint, *(each.endpoint for each in orders.more)}
    if orders.entry is not None:
        endpoints.add(orders.entry.endpoint)
    return {name: url for name, url in venue.urls.items() if name in endpoints}


def _to_no_tape(_request: Request, _response: Response) -> None:
    """Nothing is recorded."""


def _apart(venue: Venue, world: World, clock: Clock, waits: Callable[[], Iterator[float]]) -> Rest:
    """The REST of a test network: another host, with budgets and a clock of its own."""
    base = venue.urls["rest"]
    shared = world.budget(venue.name, base) if world.budget is not None else None
    return Rest(venue, base, fetch=world.fetch, clock=clock, delays=waits, shared=shared)


def _placed(config: Config, name: str, venue: Venue, *, testnet: bool) -> Venue:
    """The venue with its addresses as they are configured: a test network, or a simulated venue."""
    if testnet:
        return at_testnet(venue)
    settings = config.venue.get(name)
    if settings is None:
        return venue
    onto = {True: settings.ws_url, False: settings.rest_url}
    return replace(venue, urls={key: rebased(url, onto[url.startswith("ws")]) for key, url in venue.urls.items()})


def _known(setup: Setup, restored: Restored, venue: str) -> dict[str, Instrument]:
    """What is traded there, and what the journal still has something of: venues are asked for each by itself."""
    found = {name: each for name, each in setup.instruments.items() if each.venue == venue}
    for account in (name for name, each in setup.accounts.items() if each.venue == venue):
        left = {order.intent.instrument for order in restored.blotter.live(account)}
        left |= {name for (name, _), held in restored.ledger.holdings(account).items() if held.size}
        found |= {name: restored.instruments[name] for name in left - set(found) if name in restored.instruments}
    return found
