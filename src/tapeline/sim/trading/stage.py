"""One venue of a trading day: its market, the paper exchange behind it, an account there, and others who act on it."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal

from tapeline.errors import ConfigError
from tapeline.model.instrument import Instrument
from tapeline.model.interval import DAY_NS, HOUR_NS, MINUTE_NS
from tapeline.model.number import EXACT
from tapeline.sim.loop import VirtualClock
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import Paper, PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.pit import BEAT_NS, Rates
from tapeline.sim.trading.chance import HAPPENINGS, drawn_happenings, drawn_life_s, drawn_troubles
from tapeline.sim.trading.others import Others
from tapeline.sim.trading.plan import TradingPlan
from tapeline.sim.trading.run import KEY, PASSPHRASE, SECRET, Place, TradingRun
from tapeline.sim.trading.shares import shares
from tapeline.sim.trading.trader import unit
from tapeline.sim.trading.truth import differences, journalled
from tapeline.sim.trading.wire import Net
from tapeline.sim.trading.witness import Witness
from tapeline.sim.venue import SimulatedVenue
from tapeline.trading.paper.admission import Rules
from tapeline.trading.paper.exchange import Exchange
from tapeline.venues import venues
from tapeline.venues.spec import Venue

START_NS = 19_900 * DAY_NS + 8 * HOUR_NS - 10 * MINUTE_NS  # funding is settled at 08:00
THIN = Rates(trades_per_minute=6, levels=5, step_beats=100)
MOST_UNITS, MOST_OPEN = 10, 8
HEDGED = 0.4  # share of derivative days
APART = 0.3  # share of days on which no order may be able to trade with another of the account
BALANCES = {"USDT": Decimal(100_000), "BTC": Decimal(1)}


def playable() -> list[str]:
    """Every venue that has a market of its own and takes orders on paper."""
    return [
        name
        for name, venue in venues().items()
        if venue.server and venue.server.sample_instruments and venue.orders and venue.orders.server
    ]


class Stage:
    """`key` is what all that befalls this venue is drawn from; `wrong` and `faults` are the day's."""

    def __init__(
        self, venue: Venue, account: str, key: str, plan: TradingPlan, *, clock: VirtualClock, wrong: list[str],
        faults: Counter[str],
    ) -> None:  # fmt: skip
        self.account, self.key, self.plan, self.clock = account, key, plan, clock
        self.wrong, self.faults = wrong, faults
        self.apart = random.Random(f"trading apart {key}").random() < APART
        self.instruments = _traded(venue, random.Random(f"trading instruments {key}"))
        server = venue.server
        assert server is not None, "looked at by _traded"
        self.venue = _ageing(replace(venue, server=replace(server, sample_instruments=tuple(self.instruments))), key)
        self.market = Market(self.venue, plan.seed, START_NS, THIN)
        derivative = self.instruments[0].kind != "spot"
        hedge = random.Random(f"trading mode {key}").random() < HEDGED if plan.hedge is None else plan.hedge
        self.hedge = hedge and derivative
        drawn = drawn_troubles(key, plan.duration_s, [each for each in plan.kinds if self._has(each)])
        self.keys, faults_of = drawn.keys, drawn.faults if plan.faults is None else plan.faults
        keys = [Key(key=KEY, secret=SECRET, passphrase=PASSPHRASE, account=account, hedge=self.hedge)]
        self.sim = SimulatedVenue(
            self.venue, self.market, clock=clock, faults=faults_of, say=self._said,
            paper=PaperSettings(keys=keys, balances=BALANCES, rules=Rules(reuse_ids=True)),
        )  # fmt: skip
        units = {
            pit.instrument.id: unit(pit.instrument, pit.price(pit.bid(START_NS // BEAT_NS))) for pit in self.market.pits
        }
        self.most = {name: EXACT.multiply(size, Decimal(MOST_UNITS)) for name, size in units.items()}
        self.others = Others(self.paper, account, self.instruments, units, faults=faults, hedge=self.hedge)
        self.witness = Witness(
            self.exchange, account, self.most, MOST_OPEN, wrong, others=self.others, apart=self.apart
        )
        self.paper.witness = self.witness.told

    @property
    def paper(self) -> Paper:
        """The accounts."""
        assert self.sim.paper is not None, "it was asked for"
        return self.sim.paper

    @property
    def exchange(self) -> Exchange:
        """The venue's own truth."""
        return self.paper.exchange

    def place(self, tasks: asyncio.TaskGroup) -> Place:
        """What a run sees of it."""
        return Place(
            account=self.account, venue=self.venue, market=self.market, instruments=self.instruments,
            net=Net(self.sim, tasks, random.Random(f"trading net {self.key}")), others=self.others,
            foreign=lambda: [
                each.venue_id for each in self.exchange.orders(self.account) if self.others.is_theirs(each)
            ],
        )  # fmt: skip

    async def befall(self, until: Callable[[float], Awaitable[None]]) -> None:
        """Listen keys end and others act, each at its time."""
        loop = asyncio.get_running_loop()
        for at_s, silently in self.keys:
            loop.call_at(loop.time() + at_s - self.clock.now(), self._end_keys, silently)
        happenings = self.plan.happenings
        if happenings is None:
            happenings = drawn_happenings(self.key, self.plan.duration_s, tuple(HAPPENINGS))
        await self.others.live(happenings, until)

    def left_open(self) -> list[str]:
        """Client ids of orders of ours that are open at the venue."""
        return [each.client_id for each in self.exchange.open_orders(self.account) if not self.others.is_theirs(each)]

    def compared(self, running: TradingRun, end: str) -> Iterator[str]:
        """All that is wrong at an orderly end of a run; `end`: how the day ends with it, "" where it goes on."""
        restored = running.restored
        yield from differences(
            self.exchange, self.account, restored.blotter, restored.ledger, flattened=end == "flatten",
            others=self.others,
        )  # fmt: skip
        records = [entry.record for entry in running.journal.replay()]
        yield from shares(
            self.exchange, self.account, restored.blotter, restored.ledger, records, flattened=end == "flatten",
            others=self.others,
        )  # fmt: skip
        for each in self.exchange.open_orders(self.account):
            if not self.others.is_theirs(each) or end in {"halt", "flatten"}:
                yield f"{each.client_id} is still open at the venue"
        if end:
            now_ns = self.clock.wall_ns()
            yield from journalled(
                running.journal, self.exchange, self.account, restored.ledger, now_ns, others=self.others
            )

    def __repr__(self) -> str:
        """What came of it, for a digest."""
        exchange, account = self.exchange, self.account
        return repr([exchange.orders(account), exchange.fills(account), exchange.balances(account)])

    # ---- within --------------------------------------------------------------------------------------------------

    def _has(self, kind: str) -> bool:
        orders = self.venue.orders
        keyed = orders is not None and orders.private.listen_key
        return keyed or kind not in {"key_closed", "key_silent"}

    def _end_keys(self, silently: bool) -> None:
        self.faults["key_silent" if silently else "key_closed"] += 1
        self.paper.end_listen_keys(self.account, silently=silently)

    def _said(self, what: str, **facts: object) -> None:
        if what == "fault":
            self.faults[str(facts["kind"])] += 1


def _traded(venue: Venue, chance: random.Random) -> list[Instrument]:
    """One or two instruments in USDT, never the same coin at spot and as a derivative."""
    if venue.server is None or venue.orders is None:
        raise ConfigError(f"{venue.name} takes no orders here")
    listed = [each for each in venue.server.sample_instruments if each.quote == "USDT" and not each.inverse]
    kinds = sorted({each.kind for each in listed})
    kind = chance.choice(kinds)
    return [each for each in listed if each.kind == kind][: chance.choice((1, 1, 2))]


def _ageing(venue: Venue, key: str) -> Venue:
    """The venue with connections of accounts as old as they may become on that day."""
    orders, life_s = venue.orders, drawn_life_s(key)
    assert orders is not None, "looked at by _traded"
    more = tuple(replace(each, life_s=life_s) for each in orders.more)
    return replace(venue, orders=replace(orders, private=replace(orders.private, life_s=life_s), more=more))
