"""The hand of the emergency stop at paper exchanges in the venues' own protocols, keys and signatures included."""

from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hand_stage import a_latch

from tapeline.errors import AuthenticationRefused, BadData, OrderRefused, Refused, UnknownInstrument
from tapeline.model.account import OrderUpdate
from tapeline.model.order import Intent
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.trading.flatten import Steps
from tapeline.trading.paper.exchange import Exchange
from tapeline.trading.risk.check import Approved, approve_flatten
from tapeline.trading.rounding import down
from tapeline.venues import venue_named
from tapeline.watch.report import Report
from tapeline.watch.signed_hand import SignedHand
from tapeline.watch.stop import Stop
from tapeline.wire.private.signed import SignedRest
from tapeline.wire.rest import Rest

D = Decimal
AT_NS = 1_760_000_000_000_000_000
KEY = Key(key="the-key-of-the-hand", secret="the-secret-of-the-hand", passphrase="pass", account="main")
SWAPS = [name for name in ("binance-usdm", "okx") if (orders := venue_named(name).orders) and orders.server]
WIDE = Steps(band=D("0.02"), widen=D("0.02"), band_max=D("0.1"), slices=3)
Act = Callable[[SignedHand, Exchange, SimulatedVenue], Awaitable[None]]


def ceilings() -> Iterator[float]:
    while True:
        yield 0.5


def at_venue(name: str, act: Act, key: Key = KEY, ours: dict[str, Decimal] | None = None) -> None:
    """Run this at a paper exchange of the venue that has a market."""

    async def main() -> None:
        clock, venue = VirtualClock(AT_NS), venue_named(name)
        market = Market(venue, 7, AT_NS - 3600 * 10**9, Rates(trades_per_minute=600))
        settings = PaperSettings(keys=[KEY], balances={"USDT": D(1_000_000), "BTC": D(5)})
        sim = SimulatedVenue(venue, market, clock=clock, paper=settings)
        rest = Rest(venue, venue.urls["rest"], fetch=sim.fetch, clock=clock, delays=ceilings)
        assert venue.orders is not None
        signed = SignedRest(venue, venue.orders, rest, key.credentials(), clock=clock, delays=ceilings)
        async with sim.open():
            assert sim.paper is not None
            sim.paper.begin()
            hand = SignedHand("main", venue, rest, signed, ours=None if ours is None else lambda: ours)
            await act(hand, sim.paper.exchange, sim)

    run(main())


def swap(at: Exchange) -> str:
    return next(one.id for one in at.instruments.values() if one.kind == "perpetual" and one.base == "BTC")


def spot(at: Exchange) -> str:
    return next(one.id for one in at.instruments.values() if one.kind == "spot" and one.base == "BTC")


def intent(of: str, side: str, size: str, price: Decimal | None = None) -> Intent:
    kind = "market" if price is None else "limit"
    return Intent(instrument=of, side=side, kind=kind, size=D(size), price=price, account="main")


async def a_price(hand: SignedHand, of: str) -> Decimal:
    bid, ask = await hand.top(of)
    assert bid is not None
    assert ask is not None
    assert bid < ask
    return bid


async def stopped(hand: SignedHand, sim: SimulatedVenue, **options: Any) -> Report:
    return await Stop(
        hand=hand, latch=a_latch(sim._clock), clock=sim._clock, who="ann", why="test", steps=WIDE, **options  # type: ignore[arg-type]  # it is virtual
    ).run()  # fmt: skip


@pytest.mark.parametrize("name", SWAPS)
def test_a_position_and_open_orders_are_gone_after_a_stop(name: str) -> None:
    async def act(hand: SignedHand, at: Exchange, sim: SimulatedVenue) -> None:
        of = swap(at)
        known, price = await hand.instrument(of), await a_price(hand, of)
        lot = known.lot or D(1)
        now_ns = sim.player.now_ns()
        at.place("main", "p1", intent(of, "sell", str(lot * 10)), now_ns)
        far = down(price / 2, known.tick)
        at.place("main", "o1", intent(of, "buy", str(lot * 10), far), now_ns)
        assert [each.client_id for each in await hand.open_orders()] == ["o1"]
        assert [(each.instrument, each.size) for each in await hand.positions()] == [(of, lot * -10)]
        report = await stopped(hand, sim, flatten=True)
        assert (report.problems, report.state, report.done) == ([], "flat", True)
        assert report.cancelled == ["o1"]
        assert at.open_orders("main") == []
        assert at.positions("main") == []

    at_venue(name, act)


def test_on_spot_only_what_is_ours_is_sold() -> None:
    async def act(hand: SignedHand, at: Exchange, sim: SimulatedVenue) -> None:
        of = spot(at)
        price = await a_price(hand, of)
        known = await hand.instrument(of)
        far = down(price * 2, known.tick)
        at.place("main", "o1", intent(of, "sell", "2", far), sim.player.now_ns())
        assert [each.size for each in await hand.positions()] == [D("0.3")]
        report = await stopped(hand, sim, flatten=True)
        assert (report.problems, report.done) == ([], True)
        assert next(each.total for each in at.balances("main") if each.currency == "BTC") == D("4.7")
        assert at.open_orders("main") == []

    at_venue("binance", act, ours={"binance:BTC/USDT": D("0.3")})


def test_what_is_ours_is_asked_once_in_a_stop_and_when_nothing_is_open_any_more() -> None:
    open_then: list[int] = []

    async def act(hand: SignedHand, at: Exchange, sim: SimulatedVenue) -> None:
        def ours() -> dict[str, Decimal]:
            open_then.append(len(at.open_orders("main")))
            return {spot(at): D("0.3")}

        hand = SignedHand("main", sim.venue, hand._rest, hand._signed, ours=ours)
        known = await hand.instrument(spot(at))
        for number in (1, 2):
            far = down(await a_price(hand, known.id) * 2, known.tick)
            at.place("main", f"o{number}", intent(known.id, "sell", "1", far), sim.player.now_ns())
            report = await stopped(hand, sim, flatten=True)
            assert (report.problems, report.closed) == ([], [f"0.3 {known.id}"])
            assert open_then == [0] * number, "an order that was filled while it was cancelled is counted by then"

    at_venue("binance", act)


def test_what_is_ours_is_asked_again_while_it_cannot_be_read_and_only_where_there_is_spot() -> None:
    answers: list[dict[str, Decimal] | Exception] = []

    def ours() -> dict[str, Decimal]:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def on_spot(hand: SignedHand, at: Exchange, sim: SimulatedVenue) -> None:
        hand = SignedHand("main", sim.venue, hand._rest, hand._signed, ours=ours)
        answers[:] = [OSError("no such disk"), BadData("no journal", kind="journal"), {spot(at): D("0.3")}]
        assert (await hand.positions(), hand.unsure[-12:]) == ([], "no such disk")
        assert (await hand.positions(), hand.unsure[-10:]) == ([], "no journal")
        assert [each.size for each in await hand.positions()] == [D("0.3")]
        assert hand.unsure == ""
        answers[:] = [OSError("gone again")]
        assert [each.size for each in await hand.positions()] == [D("0.3")], "it is known by now"
        hand.begin()
        assert (await hand.positions(), hand.unsure[-10:]) == ([], "gone again")

    async def on_derivatives(hand: SignedHand, _at: Exchange, sim: SimulatedVenue) -> None:
        hand = SignedHand("main", sim.venue, hand._rest, hand._signed, ours=ours)
        assert (await hand.positions(), hand.unsure) == ([], ""), "nothing was asked"

    at_venue("binance", on_spot)
    at_venue("binance-usdm", on_derivatives)


def test_without_a_journal_nothing_of_a_spot_account_is_held() -> None:
    async def act(hand: SignedHand, _at: Exchange, _sim: SimulatedVenue) -> None:
        assert list(await hand.positions()) == []

    at_venue("binance", act)


@pytest.mark.parametrize("name", [*SWAPS, "binance"])
def test_orders_are_found_cancelled_and_gone(name: str) -> None:
    async def act(hand: SignedHand, at: Exchange, sim: SimulatedVenue) -> None:
        of = swap(at) if name in SWAPS else spot(at)
        known, price = await hand.instrument(of), await a_price(hand, of)
        far = down(price / 2, known.tick)
        size = str((known.lot or D(1)) * (1000 if known.kind == "spot" else 10))
        at.place("main", "o1", intent(of, "buy", size, far), sim.player.now_ns())
        found = await hand.order("o1", of)
        assert found is not None
        assert (found.state, found.price) == ("open", far)
        await hand.cancel(found)
        gone = await hand.order("o1", of)
        assert gone is not None
        assert gone.state == "cancelled"
        await hand.cancel(found)  # once more: nothing to complain of
        assert await hand.order("never", of) is None

    at_venue(name, act)


@pytest.mark.parametrize("name", SWAPS)
def test_a_slice_is_placed_by_its_own_id(name: str) -> None:
    async def act(hand: SignedHand, at: Exchange, sim: SimulatedVenue) -> None:
        of = swap(at)
        known, price = await hand.instrument(of), await a_price(hand, of)
        lot = known.lot or D(1)
        at.place("main", "p1", intent(of, "buy", str(lot * 20)), sim.player.now_ns())
        low = down(price * D("0.99"), known.tick)
        sell = Intent(
            instrument=of, side="sell", kind="limit", size=lot * 10, price=low, time_in_force="ioc", reduce_only=True,
            account="main",
        )  # fmt: skip
        order = approve_flatten(sell, lot * 20, client_id="f1")
        assert isinstance(order, Approved)
        await hand.place(order)
        found = await hand.order("f1", of)
        assert isinstance(found, OrderUpdate)
        assert found.state == "filled"
        with pytest.raises(OrderRefused):
            await hand.place(order)  # the venue itself refuses the same id

    at_venue(name, act)


def test_a_dead_man_timer_cancels_where_nobody_renews_it() -> None:
    async def act(hand: SignedHand, at: Exchange, sim: SimulatedVenue) -> None:
        of = swap(at)
        known, price = await hand.instrument(of), await a_price(hand, of)
        at.place("main", "o1", intent(of, "buy", str((known.lot or D(1)) * 10), down(price / 2, known.tick)), 1)
        await hand.dead_man(30, [of])
        at.advance(sim.player.now_ns() + 29 * 10**9)
        assert len(at.open_orders("main")) == 1
        at.advance(sim.player.now_ns() + 31 * 10**9)
        assert at.open_orders("main") == []

    for name in SWAPS:
        at_venue(name, act)


def test_what_a_venue_has_not() -> None:
    async def act(hand: SignedHand, _at: Exchange, _sim: SimulatedVenue) -> None:
        with pytest.raises(Refused, match="no dead-man timer"):
            await hand.dead_man(30)
        with pytest.raises(UnknownInstrument):
            await hand.instrument("binance:NONE/USDT")

    at_venue("binance", act)


def test_a_wrong_key_is_told_and_nothing_is_claimed() -> None:
    async def act(hand: SignedHand, _at: Exchange, sim: SimulatedVenue) -> None:
        with pytest.raises(AuthenticationRefused):
            await hand.open_orders()
        report = await stopped(hand, sim)
        assert not report.verified
        assert "the venue says no" in report.problems[0]
        assert "secret" not in str(report)

    wrong = Key(key="the-key-of-the-hand", secret="another", passphrase="pass", account="main")
    at_venue("binance-usdm", act, key=wrong)
