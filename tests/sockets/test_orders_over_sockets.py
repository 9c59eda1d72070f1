"""The live gateway at our own paper exchange, in each venue's protocol, on real sockets: stream, orders, statement."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from tapeline.clock import SystemClock
from tapeline.model.account import Balance, Fill, OrderUpdate
from tapeline.model.event import Gap
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent, Order
from tapeline.model.secret import Secret
from tapeline.sim.faults import fault
from tapeline.sim.market import Market
from tapeline.sim.paper.exchange import PaperSettings
from tapeline.sim.paper.keys import Key
from tapeline.sim.server import serving
from tapeline.sim.venue import SimulatedVenue
from tapeline.trading.command import Amend, Cancel, CancelAll, Submit
from tapeline.trading.input import Failed, Sent
from tapeline.trading.risk.check import Approved
from tapeline.venues import venue_named
from tapeline.wire.gateway.orders import LiveGateway
from tapeline.wire.pace import backoff
from tapeline.wire.private.keys import hmac_signer
from tapeline.wire.rest import Rest, real_fetch
from tapeline.wire.transport import real_dial

pytestmark = pytest.mark.sockets

KEY = Key(key="key-of-a-paper-account", secret="secret-of-a-paper-account", passphrase="word-of-a-paper-account",
          account="paper")  # fmt: skip
VENUES = pytest.mark.parametrize("name", ["binance", "binance-usdm", "okx"])


class Late:
    """A machine whose clock is ten minutes off."""

    now = staticmethod(SystemClock.now)

    def wall_ns(self) -> int:
        return SystemClock.wall_ns() - 600 * 10**9


@dataclass
class Stage:
    gateway: LiveGateway
    instrument: Instrument
    orders: dict[str, Order]
    heard: list[Any]
    problems: list[tuple[str, str]]
    reconciled: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 99)))

    def place(self, kind: str = "limit", price: str | None = "50000") -> str:
        number = Decimal(price) if price else None
        size = Decimal("0.01") if self.instrument.size_unit == "base" else Decimal(1)
        intent = Intent(instrument=self.instrument.id, side="buy", kind=kind, size=size, price=number, account="paper")
        client_id = f"test{next(self.numbers)}"
        self.orders[client_id] = Order(client_id=client_id, intent=intent, size=size, price=number)
        approved = object.__new__(Approved)  # as risk makes it, which alone may
        object.__setattr__(approved, "client_id", client_id)
        object.__setattr__(approved, "intent", intent)
        self.gateway.execute(Submit(approved))
        return client_id

    def states(self, client_id: str, source: str = "") -> list[str]:
        return [
            each.state
            for each in self.heard
            if isinstance(each, OrderUpdate) and each.client_id == client_id and source in {"", each.source}
        ]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(10):
                while not condition():  # noqa: ASYNC110  # what is waited for is a list that grows
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"{what}: {self.heard} {self.problems} {self.gateway.stream.statistics()}")


def trading(name: str, act: Callable[[Stage], Awaitable[None]], *faults: str) -> None:
    async def main() -> None:
        venue = venue_named(name)
        settings = PaperSettings(keys=[KEY], balances={"USDT": Decimal(100_000), "BTC": Decimal(1)})
        source = Market(venue, 7, SystemClock.wall_ns())
        sim = SimulatedVenue(venue, source, clock=SystemClock(), faults=[fault(one) for one in faults], paper=settings)
        async with asyncio.timeout(60), serving(sim) as port:
            await at(venue, port, act)

    asyncio.run(main())


async def at(venue: Any, port: int, act: Callable[[Stage], Awaitable[None]]) -> None:
    there = {
        name: f"{'http' if name == 'rest' else 'ws'}://127.0.0.1:{port}{urlsplit(url).path}"
        for name, url in venue.urls.items()
    }
    venue = replace(venue, urls=there)
    (instrument, *_) = venue.server.sample_instruments
    fetch, client = real_fetch()
    clock, heard, problems, orders = Late(), list[Any](), list[tuple[str, str]](), dict[str, Order]()

    def delays() -> Iterator[float]:
        return backoff(0.1, 1.0, lambda: 1.0)

    credentials = replace(
        KEY.credentials(), sign=hmac_signer(Secret(KEY.secret)), passphrase=Secret(KEY.passphrase)
    )  # fmt: skip
    reconciled: list[str] = []

    async def reconcile(why: str) -> None:
        reconciled.append(why)
        await asyncio.sleep(0)

    gateway = LiveGateway(
        "paper", venue, venue.orders, Rest(venue, there["rest"], fetch=fetch, clock=clock, delays=delays), credentials,
        clock=clock, dial=real_dial(), delays=delays, instruments={instrument.id: instrument}, order_of=orders.get,
        tell=heard.append, reconcile=reconcile, problem=lambda kind, text: problems.append((kind, text)),
    )  # fmt: skip
    stage = Stage(gateway, instrument, orders, heard, problems, reconciled)
    async with client:
        task = asyncio.create_task(gateway.run())
        await stage.until(lambda: gateway.stream.open or task.done(), "the stream opens")
        try:
            await act(stage)
        finally:
            task.cancel()
            await asyncio.wait({task})


@VENUES
def test_orders_are_placed_amended_cancelled_and_told_though_our_clock_is_wrong(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(stage: Stage) -> None:
        if stage.gateway.entry is not None:
            entry = stage.gateway.entry
            await stage.until(lambda: entry.up, "order entry opens")
        resting = stage.place()
        await stage.until(lambda: "open" in stage.states(resting, "ws"), "the stream tells of the order")
        if "price" in (venue_named(name).orders or 0).amends:  # type: ignore[union-attr]  # each of these has orders
            stage.gateway.execute(Amend(resting, size=stage.orders[resting].size, price=Decimal(49_000)))
            amended = lambda: any(  # noqa: E731  # it is looked at again and again
                isinstance(each, OrderUpdate) and each.price == 49_000 and each.source == "ws" for each in stage.heard
            )
            await stage.until(amended, "the stream tells of the amend")
        stage.gateway.execute(Cancel(resting))
        await stage.until(lambda: "cancelled" in stage.states(resting, "ws"), "the stream tells of the cancel")
        taking = stage.place("market", None)
        await stage.until(lambda: any(isinstance(each, Fill) for each in stage.heard), "the stream tells of the fill")
        await stage.until(lambda: "filled" in stage.states(taking, "ws"), "the stream tells that it is filled")
        sent = [each.what for each in stage.heard if isinstance(each, Sent)]
        assert sent[0] == "submit"
        assert sent[-1] == "submit"
        assert not [each for each in stage.heard if isinstance(each, Failed | Gap)], stage.heard
        await stage.until(lambda: not stage.gateway.unknown(), "nothing is unknown")

    with caplog.at_level(logging.DEBUG):
        trading(name, act)
    said = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (KEY.key, KEY.secret, KEY.passphrase):
        assert secret not in said


@VENUES
def test_all_is_cancelled_and_the_statement_says_what_there_is(name: str) -> None:
    async def act(stage: Stage) -> None:
        began_ns = stage.gateway.rest.stamp_ns()
        several = [stage.place(price=str(50_000 - 100 * number)) for number in range(3)]
        taking = stage.place("market", None)
        await stage.until(lambda: "filled" in stage.states(taking), "the order is filled")
        await stage.until(lambda: all(stage.states(each) for each in several), "orders are open")
        said = await stage.gateway.statement(since_ns=began_ns, look_up=[stage.orders[taking]])
        assert {each.client_id for each in said.orders} == {*several, taking}
        assert [(each.client_id, each.side) for each in said.fills] in ([(taking, "buy")], [("", "buy")])
        assert said.balances
        assert all(isinstance(each, Balance) for each in said.balances)
        if stage.instrument.kind != "spot":
            assert [each.size for each in said.positions or () if each.size] == [stage.orders[taking].size]
        stage.gateway.execute(CancelAll("paper"))
        await stage.until(lambda: all("cancelled" in stage.states(each) for each in several), "all are cancelled")
        assert (await stage.gateway.statement(since_ns=began_ns)).orders == []

    trading(name, act)


@VENUES
def test_what_cannot_be_is_refused_with_the_reason(name: str) -> None:
    async def act(stage: Stage) -> None:
        price = stage.place(price="99999999")  # more than there is to pay with
        await stage.until(lambda: any(isinstance(each, Failed) for each in stage.heard), "it is refused")
        (failed,) = [each for each in stage.heard if isinstance(each, Failed)]
        assert (failed.client_id, failed.what, failed.outcome) == (price, "submit", "refused")
        assert failed.reason in {"balance", "margin", "price_band"}

    trading(name, act)
