"""Others on a trading day's account: what they do, that it is the same twice, and whose orders are whose."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tapeline.errors import OrderRefused
from tapeline.model.account import OrderUpdate
from tapeline.model.order import Intent
from tapeline.sim.loop import AloneLoop, VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.trading.chance import Happening
from tapeline.sim.trading.others import Others
from tapeline.sim.trading.stage import START_NS, THIN
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named

D = Decimal
A = "one"
USDM = venue_named("binance-usdm")
NAME = "binance-usdm:BTC/USDT:USDT"


class Stage:
    """An account at a venue with one perpetual, and others who act on it."""

    def __init__(self, sim: SimulatedVenue, clock: VirtualClock, *, hedge: bool) -> None:
        assert sim.paper is not None
        self.clock, self.exchange, self.faults = clock, sim.paper.exchange, Counter[str]()
        instruments = [each for each in self.exchange.instruments.values() if each.id == NAME]
        self.others = Others(sim.paper, A, instruments, {NAME: D("0.01")}, faults=self.faults, hedge=hedge)
        self.others.welcome = True
        self.keys = sim.paper

    async def happen(self, *kinds: str, every_s: float = 30.0) -> None:
        began = self.clock.now()
        happenings = [Happening(began + every_s * n, kind, f"x {kind} {n}") for n, kind in enumerate(kinds, 1)]
        await self.others.live(happenings, self._until)

    def order(self, client_id: str, side: str = "buy", price: str | None = None, size: str = "0.01") -> None:
        intent = Intent(
            instrument=NAME, side=side, kind="market" if price is None else "limit", size=D(size), account=A,
            price=None if price is None else D(price),
        )  # fmt: skip
        self.exchange.place(A, client_id, intent, self.clock.wall_ns())

    def states(self) -> dict[str, str]:
        return {each.client_id: each.state for each in self.exchange.orders(A)}

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self.clock.now()))


def played(story: Callable[[Stage], Coroutine[Any, Any, None]], *, hedge: bool = False) -> None:
    async def main() -> None:
        server = USDM.server
        assert server is not None
        (known,) = [each for each in server.sample_instruments if each.id == NAME]
        venue = replace(USDM, server=replace(server, sample_instruments=(known,)))
        clock, market = VirtualClock(START_NS), Market(venue, 1, START_NS, THIN)
        keys = [Key(key="k", secret="s", account=A, hedge=hedge)]
        paper = PaperSettings(keys=keys, balances={"USDT": D(10_000)})
        sim = SimulatedVenue(venue, market, clock=clock, paper=paper)
        async with sim.open():
            stage = Stage(sim, clock, hedge=hedge)
            stage.keys.begin()
            await asyncio.sleep(30)
            await story(stage)

    run(main(), AloneLoop)


@pytest.mark.parametrize("hedge", [False, True])
def test_a_person_places_and_cancels_and_is_known_by_it(hedge: bool) -> None:
    async def story(stage: Stage) -> None:
        await stage.happen(*["person"] * 30)
        orders = stage.exchange.orders(A)
        assert {each.client_id for each in orders} <= stage.others.ids
        assert len(orders) > 8
        assert {each.state for each in orders} >= {"filled", "cancelled"}
        assert {each.position for each in orders} == ({"long", "short"} if hedge else {"net"})
        assert all(stage.others.is_theirs(each) for each in orders)
        assert stage.others.touched(stage.exchange) == [], "he cancelled them himself"

    played(story, hedge=hedge)


def test_an_order_by_hand_that_somebody_else_cancels_is_named_unless_all_was_stopped() -> None:
    async def story(stage: Stage) -> None:
        stage.order("web1", price="30000")
        stage.order("ours", price="30000")
        stage.others.ids.add("web1")
        stage.exchange.cancel_all(A, None, stage.clock.wall_ns())
        assert stage.others.touched(stage.exchange) == ["web1"]
        stage.others.stopped = True
        assert stage.others.touched(stage.exchange) == []

    played(story)


def test_money_goes_in_and_out() -> None:
    async def story(stage: Stage) -> None:
        await stage.happen(*["transfer"] * 6)
        moved = [each for each in stage.exchange.payments(A) if each.kind == "transfer"]
        assert len(moved) == stage.faults["transfer"] > 3
        assert {each.amount > 0 for each in moved} == {True, False}
        assert {each.currency for each in moved} == stage.others.moved

    played(story)


def test_the_venue_halts_an_instrument_ends_an_order_and_forbids_a_key() -> None:
    async def story(stage: Stage) -> None:
        stage.order("ours", price="30000")
        task = asyncio.ensure_future(stage.happen("halted", every_s=1))
        await asyncio.sleep(3)
        with pytest.raises(OrderRefused, match="halted"):
            stage.order("other", price="30000")
        await task
        stage.order("other", price="30000")
        await stage.happen("ended", "ended", "ended")
        assert set(stage.states().values()) == {"expired"}
        assert stage.faults["ended"] == 2
        task = asyncio.ensure_future(stage.happen("forbidden", every_s=1))
        await asyncio.sleep(3)
        assert not next(iter(stage.keys._keys.values())).may_trade
        await task
        assert next(iter(stage.keys._keys.values())).may_trade

    played(story)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_squeeze_ends_in_liquidation_and_money_comes_back(side: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.happen("squeeze")
        assert stage.exchange.payments(A) == [], "nothing was held"
        stage.order("ours", side, size="0.1")
        await stage.happen("squeeze")
        assert stage.exchange.positions(A) == []
        (forced,) = [each for each in stage.exchange.orders(A) if each.origin]
        assert forced.filled == D("0.1")
        assert stage.others.is_theirs(forced)
        (usdt,) = [each.total for each in stage.exchange.balances(A)]
        assert usdt is not None
        assert usdt > 90_000
        assert stage.faults["liquidation"] == 1

    played(story)


def test_nobody_comes_before_the_books_have_begun() -> None:
    async def story(stage: Stage) -> None:
        stage.others.welcome = False
        await stage.happen(*["person"] * 5, "transfer", "squeeze")
        assert (stage.exchange.orders(A), stage.exchange.payments(A)) == ([], [])

    played(story)


def test_two_accounts_of_the_same_seed_are_the_same() -> None:
    found: list[Sequence[OrderUpdate]] = []

    async def story(stage: Stage) -> None:
        await stage.happen(*["person"] * 10)
        found.append(stage.exchange.orders(A))

    played(story)
    played(story)
    assert found[0] == found[1]
