"""What a venue refuses, end to end: our request, the paper exchange in the venue's protocol, our reading of its no."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tapeline.errors import AuthenticationRefused, OrderRefused, TapelineError
from tapeline.model.event import Status
from tapeline.model.order import Intent
from tapeline.model.stamp import instant
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.venue import SimulatedVenue
from tapeline.venues import venue_named
from tapeline.venues.orders import OrderAsk, OrderRequest
from tapeline.wire.pipe import Response

D = Decimal
START_NS = instant("2024-08-08T12:00:00Z")
VENUES = ("binance", "binance-usdm", "okx")
TRADES = Key(key="trades", secret="secret-of-trades", passphrase="word", account="a")
READS = Key(key="reads", secret="secret-of-reads", passphrase="word", account="a", may_trade=False)
BOUND = Key(key="bound", secret="secret-of-bound", passphrase="word", account="a", addresses=("10.0.0.1",))
LOW, HIGH = D(50_000), D(70_000)  # the market is about 60,000


class Customer:
    """One account at one venue, by REST, in memory."""

    def __init__(self, name: str, sim: SimulatedVenue, native: str = "") -> None:
        venue = venue_named(name)
        assert venue.orders is not None
        assert venue.server is not None
        self.orders, self.sim, self.clock = venue.orders, sim, VirtualClock(START_NS)
        self._numbers = iter(range(1, 99))
        listed = venue.server.sample_instruments
        self.instrument = next(each for each in listed if native in {"", each.native})
        self._ids = {each.native: each.id for each in venue.server.sample_instruments}

    async def call(self, ask: OrderAsk, key: Key = TRADES, *, peer: str = "127.0.0.1") -> Sequence[Any]:
        """The answer, as our gateway reads it. Raises what it means."""
        call, now_ns = self.orders.calls[ask.call], self.clock.wall_ns()
        request = self.orders.sign(call.build(ask), key.credentials(), now_ns)
        heard = OrderRequest(
            method=request.method, path=request.path, query=request.query_text, body=request.body,
            headers={name.lower(): value for name, value in request.headers},
        )  # fmt: skip
        answer = await self.sim.answer(heard, peer)
        assert isinstance(answer, Response)
        return call.parse(answer.body, ask, self._ids, now_ns)

    def order(self, size: str = "0.01", price: Decimal | None = None, **more: Any) -> OrderAsk:
        """To place one; a price makes it a limit order."""
        intent = Intent(
            instrument=self.instrument.id, kind="limit" if price else "market", size=D(size), price=price,
            **({"side": "buy"} | more),
        )  # fmt: skip
        return OrderAsk(call="place", instrument=self.instrument, client_id=f"n{next(self._numbers)}", intent=intent)

    async def placed(self, ask: OrderAsk, call: str, **more: Any) -> OrderAsk:
        """Place it; the ask for another call about it."""
        (told, *_) = await self.call(ask)
        return OrderAsk(
            call=call, instrument=ask.instrument, client_id=ask.client_id, venue_id=told.venue_id, intent=ask.intent,
            **more,
        )  # fmt: skip


# ---- the cases


async def too_much(mine: Customer) -> None:
    await mine.call(mine.order("900", LOW))


async def too_much_of_contracts(mine: Customer) -> None:
    await mine.call(mine.order("90000", LOW))


async def too_little(mine: Customer) -> None:
    await mine.call(mine.order(str(mine.instrument.lot), LOW))


async def between_ticks(mine: Customer) -> None:
    assert mine.instrument.tick is not None
    await mine.call(mine.order("0.01", LOW + mine.instrument.tick / 2))


async def between_lots(mine: Customer) -> None:
    assert mine.instrument.lot is not None
    await mine.call(mine.order(str(D("0.01") + mine.instrument.lot / 2), LOW))


async def post_only_that_takes(mine: Customer) -> None:
    await mine.call(mine.order("0.01", HIGH, post_only=True))


async def reduces_nothing(mine: Customer) -> None:
    await mine.call(mine.order("0.01", side="sell", reduce_only=True))


async def market_closed(mine: Customer) -> None:
    assert mine.sim.paper is not None
    told = Status(mine.instrument.id, "status", START_NS, START_NS, "ws", "halted")
    list(mine.sim.paper.exchange.market(told, START_NS))
    await mine.call(mine.order("0.01", LOW))


async def key_that_may_not_trade(mine: Customer) -> None:
    await mine.call(OrderAsk(call="balances"), READS)  # it may look
    await mine.call(mine.order("0.01", LOW), READS)


async def address_that_is_not_listed(mine: Customer) -> None:
    await mine.call(mine.order("0.01", LOW), BOUND, peer="10.0.0.1")
    await mine.call(mine.order("0.01", LOW), BOUND, peer="10.0.0.2")


async def amend_of_a_filled_order(mine: Customer) -> None:
    ask = await mine.placed(mine.order("0.01", HIGH), "amend", size=D("0.02"), price=LOW)
    await mine.call(ask)


async def cancel_of_a_filled_order(mine: Customer) -> None:
    await mine.call(await mine.placed(mine.order(), "cancel"))


async def cancel_of_an_unknown_order(mine: Customer) -> None:
    ask = mine.order("0.01", LOW)
    await mine.call(OrderAsk(call="cancel", instrument=ask.instrument, client_id="nobody", intent=ask.intent))


async def the_same_name_twice(mine: Customer) -> None:
    ask = mine.order("0.01", LOW)
    await mine.call(ask)
    await mine.call(ask)


async def outside_the_band(mine: Customer) -> None:
    await mine.call(mine.order("0.01", D(190_000)))


async def unknown_key(mine: Customer) -> None:
    await mine.call(OrderAsk(call="balances"), Key(key="nobody", secret="x", passphrase="word", account="a"))


async def wrong_signature(mine: Customer) -> None:
    await mine.call(OrderAsk(call="balances"), Key(key="trades", secret="x", passphrase="word", account="a"))


REJECTED = "-2015"  # Binance says the same of a key that is unknown, may not do it, or comes from elsewhere
SAID: dict[Callable[[Customer], Awaitable[None]], dict[str, tuple[str, str]]] = {
    too_much: {"binance": ("balance", "-2010"), "binance-usdm": ("margin", "-2019"), "okx": ("balance", "51008")},
    too_little: {
        "binance": ("min_notional", "-1013"), "binance-usdm": ("min_notional", "-4164"), "okx": ("min_size", "51020"),
    },
    between_ticks: {"binance": ("tick", "-1013"), "binance-usdm": ("tick", "-4014"), "okx": ("tick", "51000")},
    between_lots: {"binance": ("lot", "-1013"), "binance-usdm": ("lot", "-4023"), "okx": ("lot", "51121")},
    post_only_that_takes: {
        "binance": ("would_cross", "-2010"), "binance-usdm": ("would_cross", "-5022"), "okx": ("would_cross", "51511"),
    },
    reduces_nothing: {  # spot knows no positions: there is nothing to sell
        "binance": ("balance", "-2010"), "binance-usdm": ("reduce_only", "-2022"), "okx": ("balance", "51008"),
    },
    market_closed: {
        "binance": ("market_closed", "-1013"), "binance-usdm": ("market_closed", "-4141"),
        "okx": ("market_closed", "51022"),
    },
    key_that_may_not_trade: {
        "binance": ("", REJECTED), "binance-usdm": ("", REJECTED), "okx": ("permission", "50120"),
    },
    address_that_is_not_listed: {
        "binance": ("", REJECTED), "binance-usdm": ("", REJECTED), "okx": ("address", "50110"),
    },
    amend_of_a_filled_order: {  # spot changes no price: that is refused before it is sent
        "binance": ("unsupported", ""), "binance-usdm": ("unknown_order", "-2011"), "okx": ("unknown_order", "51400"),
    },
    cancel_of_a_filled_order: {
        "binance": ("unknown_order", "-2011"), "binance-usdm": ("unknown_order", "-2011"),
        "okx": ("unknown_order", "51400"),
    },
    cancel_of_an_unknown_order: {
        "binance": ("unknown_order", "-2011"), "binance-usdm": ("unknown_order", "-2011"),
        "okx": ("unknown_order", "51400"),
    },
    the_same_name_twice: {
        "binance": ("duplicate", "-2010"), "binance-usdm": ("duplicate", "-4116"), "okx": ("duplicate", "51016"),
    },
    outside_the_band: {
        "binance": ("price_band", "-1013"), "binance-usdm": ("price_band", "-4131"), "okx": ("price_band", "51006"),
    },
    unknown_key: {"binance": ("", REJECTED), "binance-usdm": ("", REJECTED), "okx": ("", "50119")},
    wrong_signature: {"binance": ("", "-1022"), "binance-usdm": ("", "-1022"), "okx": ("", "50113")},
}  # fmt: skip


def refused(name: str, case: Callable[[Customer], Awaitable[None]], native: str = "") -> TapelineError:
    """What the case ends with at this venue."""
    found: list[TapelineError] = []

    async def main() -> None:
        settings = PaperSettings(keys=[TRADES, READS, BOUND], balances={"USDT": D(100_000)})
        source = Market(venue_named(name), 1, START_NS)
        clock = VirtualClock(START_NS)
        async with SimulatedVenue(venue_named(name), source, clock=clock, speed=1.0, paper=settings).open() as sim:
            await asyncio.sleep(5)
            with pytest.raises(TapelineError) as error:
                await case(Customer(name, sim, native))
            found.append(error.value)

    run(main())
    return found[0]


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("case", SAID, ids=lambda case: case.__name__)
def test_a_bad_order_is_refused_for_its_reason(case: Callable[[Customer], Awaitable[None]], name: str) -> None:
    reason, code = SAID[case][name]
    error = refused(name, case)
    assert type(error) is (OrderRefused if reason else AuthenticationRefused)
    assert (getattr(error, "reason", ""), getattr(error, "code", "")) == (reason, code)


def test_spot_of_binance_changes_the_size_of_no_filled_order() -> None:
    """It takes an amendment that makes an order smaller, and nothing else."""

    async def smaller(mine: Customer) -> None:
        await mine.call(await mine.placed(mine.order("0.01", HIGH), "amend", size=D("0.005")))

    error = refused("binance", smaller)
    assert isinstance(error, OrderRefused)
    assert (error.reason, error.code) == ("unknown_order", "-2011")


def test_a_swap_of_okx_has_a_position_to_reduce_and_a_margin() -> None:
    for case, reason, code in ((reduces_nothing, "reduce_only", "51169"), (too_much_of_contracts, "margin", "51008")):
        error = refused("okx", case, "BTC-USDT-SWAP")
        assert isinstance(error, OrderRefused)
        assert (error.reason, error.code) == (reason, code)
