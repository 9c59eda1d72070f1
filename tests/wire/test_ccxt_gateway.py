"""The live gateway, unchanged, on an exchange behind ccxt: sent once, and looked up wherever nobody knows."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway_stage import approved, short
from rest_stage import ceilings

from ccxt_fakes import (
    KEY,
    LONG,
    SECRET,
    START_MS,
    AuthenticationError,
    ExchangeError,
    ExchangeNotAvailable,
    FakeExchange,
    InsufficientFunds,
    InvalidNonce,
    NetworkError,
    RequestTimeout,
    Silent,
    bridged,
)
from tapeline.model.account import Balance
from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent, Order
from tapeline.model.secret import Credentials, Secret
from tapeline.sim.loop import VirtualClock, run
from tapeline.trading.command import Amend, Cancel, CancelAll, Submit
from tapeline.trading.reconcile import Statement
from tapeline.venues.ccxt import through_ccxt
from tapeline.watch.signed_hand import SignedHand
from tapeline.wire.gateway.orders import LiveGateway
from tapeline.wire.private.signed import SignedRest
from tapeline.wire.rest import Rest

VENUE = through_ccxt("ccxt-fakex")
BTC = Instrument(
    venue=VENUE.name, symbol="BTC/USD", native="BTC/USD", kind="spot", base="BTC", quote="USD", tick=Decimal("0.01"),
    lot=Decimal("0.00000001"),
)  # fmt: skip
BUY = Intent(instrument=BTC.id, side="buy", kind="limit", size=Decimal("0.5"), price=Decimal(50_000), account="main")
TAKE = Intent(instrument=BTC.id, side="buy", kind="market", size=Decimal("0.5"), account="main")
CREDENTIALS = Credentials(Secret(KEY), lambda _text: b"", secret=Secret(SECRET))


@dataclass
class Stage:
    exchange: FakeExchange
    gateway: LiveGateway = None  # type: ignore[assignment]  # made right after
    hand: SignedHand = None  # type: ignore[assignment]  # made right after
    orders: dict[str, Order] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)

    def place(self, client_id: str = "t1", intent: Intent = BUY) -> None:
        self.orders[client_id] = Order(client_id=client_id, intent=intent, size=intent.size, price=intent.price)
        self.gateway.execute(Submit(approved(client_id, intent)))

    def said(self) -> list[str]:
        """What came since, in short; the same word twice is one."""
        found = [short(each) for each in self.heard if not isinstance(each, Balance)]
        self.heard.clear()
        return list(dict.fromkeys(found))


def trading(exchange: FakeExchange, act: Callable[[Stage], Awaitable[None]]) -> None:
    async def main() -> None:
        stage, clock = Stage(exchange), VirtualClock(START_MS * 1_000_000)
        async with bridged(exchange, 5.0) as bridge:
            rest = Rest(VENUE, VENUE.urls["rest"], fetch=bridge.fetch, clock=clock, delays=ceilings)

            async def reconcile(_why: str) -> None:
                stage.statements.append(await stage.gateway.statement(since_ns=clock.wall_ns() - 10**9))

            assert VENUE.orders is not None
            stage.gateway = LiveGateway(
                "main", VENUE, VENUE.orders, rest, CREDENTIALS, clock=clock, dial=bridge.dial, delays=ceilings,
                instruments={BTC.id: BTC}, order_of=stage.orders.get, tell=stage.heard.append, reconcile=reconcile,
                problem=lambda kind, text: stage.problems.append(f"{kind}: {text}"), owns=stage.orders.__contains__,
            )  # fmt: skip
            signed = SignedRest(VENUE, VENUE.orders, rest, CREDENTIALS, clock=clock, delays=ceilings)
            stage.hand = SignedHand("main", VENUE, rest, signed)
            task = asyncio.create_task(stage.gateway.run())
            await asyncio.sleep(5)
            assert stage.gateway.stream.open
            await act(stage)
            assert not task.done(), task
            task.cancel()
        shown = repr(stage.heard) + repr(stage.problems)
        assert KEY not in shown
        assert SECRET not in shown

    run(main())


def test_a_cycle_reconcile_buy_fill_amend_cancel() -> None:
    exchange = FakeExchange()

    async def act(it: Stage) -> None:
        (begun,) = it.statements
        assert [(each.currency, each.total) for each in begun.balances or ()] == [
            ("USD", Decimal(100_000)), ("BTC", Decimal(0)),
        ]  # fmt: skip
        it.place("t1", TAKE)
        await asyncio.sleep(1)
        assert sorted(it.said()) == ["sent submit t1", "t1 fill 1", "t1 filled", "t1 open"]
        it.place("t2")
        await asyncio.sleep(1)
        assert it.said() == ["sent submit t2", "t2 open"]
        it.gateway.execute(Amend("t2", Decimal("0.75"), Decimal(49_000)))
        await asyncio.sleep(1)
        assert it.said() == ["sent amend t2", "t2 open"]
        assert (exchange.orders["2"]["amount"], exchange.orders["2"]["price"]) == ("0.75", "49000")
        it.gateway.execute(Cancel("t2"))
        await asyncio.sleep(1)
        assert it.said() == ["sent cancel t2", "t2 cancelling", "t2 cancelled"]
        statement = await it.gateway.statement(since_ns=START_MS * 1_000_000)
        assert [(each.id, each.size, each.fee) for each in statement.fills] == [("1", Decimal("0.5"), Decimal(LONG))]
        assert statement.orders == []
        assert it.problems == []

    trading(exchange, act)


def test_a_reply_that_is_lost_is_no_rejection_and_the_stream_settles_it() -> None:
    exchange = FakeExchange()
    exchange.lose["create_order"] = RequestTimeout("fakex POST https://api.fakex.com/v2/order?sig=1")

    async def act(it: Stage) -> None:
        it.place()
        await asyncio.sleep(0.2)
        assert sorted(it.said()) == ["sent submit t1", "t1 open", "unknown submit t1"]
        await asyncio.sleep(10)
        assert it.gateway.unknown() == []
        assert len(exchange.calls("create_order")) == 1, "it is never sent again"

    trading(exchange, act)


def test_without_a_stream_a_lost_reply_is_found_by_our_id() -> None:
    exchange = Silent()
    exchange.lose["create_order"] = NetworkError("fakex connection reset by peer")

    async def act(it: Stage) -> None:
        it.place()
        await asyncio.sleep(0.3)
        assert it.said() == ["sent submit t1", "unknown submit t1"]
        assert it.gateway.unknown() == ["t1"]
        await asyncio.sleep(3)
        assert it.said() == ["t1 open"]
        assert it.gateway.unknown() == []
        assert len(exchange.calls("create_order")) == 1

    trading(exchange, act)


def test_what_never_arrived_is_believed_after_a_while() -> None:
    exchange = Silent()
    exchange.fail["create_order"] = [RequestTimeout("fakex no answer")]

    async def act(it: Stage) -> None:
        it.place()
        await asyncio.sleep(14)
        assert it.said() == ["sent submit t1", "unknown submit t1"]
        await asyncio.sleep(20)
        assert it.said() == ["t1 never_arrived"]
        assert len(exchange.calls("create_order")) == 1

    trading(exchange, act)


def test_an_exchange_that_lists_nothing_that_is_over_leaves_it_unknown() -> None:
    exchange = Silent()
    exchange.has |= dict.fromkeys(("fetchOrder", "fetchClosedOrders"), False)
    exchange.fail["create_order"] = [RequestTimeout("fakex no answer")]

    async def act(it: Stage) -> None:
        it.place()
        await asyncio.sleep(300)
        assert it.gateway.unknown() == ["t1"], "it may have been filled: nobody can tell"
        assert any("what became of t1 cannot be told" in each for each in it.problems)

    trading(exchange, act)


def test_errors_by_the_table() -> None:
    exchange = Silent()
    exchange.fail["create_order"] = [
        InsufficientFunds("fakex no USD"), AuthenticationError("fakex no trading for this key"),
        ExchangeError("fakex internal error"), ExchangeNotAvailable("fakex 503"),
    ]  # fmt: skip

    async def act(it: Stage) -> None:
        for client_id in ("t1", "t2", "t3", "t4"):
            it.place(client_id)
            await asyncio.sleep(0.1)
        assert it.said() == [
            "sent submit t1", "refused submit t1 balance", "sent submit t2", "refused submit t2 permission",
            "sent submit t3", "unknown submit t3", "sent submit t4", "unknown submit t4",
        ]  # fmt: skip

    trading(exchange, act)


def test_a_wrong_clock_is_measured_and_the_order_sent_once_more() -> None:
    exchange = FakeExchange()
    exchange.fail["create_order"] = [InvalidNonce("fakex timestamp outside of recvWindow")]

    async def act(it: Stage) -> None:
        times = len(exchange.calls("fetch_time"))
        it.place()
        await asyncio.sleep(1)
        assert it.said() == ["sent submit t1", "t1 open"]
        assert len(exchange.calls("create_order")) == 2, "the first was refused for its stamp"
        assert len(exchange.calls("fetch_time")) == times + 1

    trading(exchange, act)


def test_a_cancel_whose_answer_is_lost() -> None:
    exchange = Silent()

    async def act(it: Stage) -> None:
        it.place()
        await asyncio.sleep(3)
        exchange.lose["cancel_order"] = RequestTimeout("fakex no answer")
        it.gateway.execute(Cancel("t1"))
        await asyncio.sleep(0.3)
        assert it.said()[-2:] == ["sent cancel t1", "unknown cancel t1"]
        await asyncio.sleep(5)
        assert it.said()[-1] == "t1 cancelled"

    trading(exchange, act)


def test_cancel_all_leaves_what_is_not_ours() -> None:
    exchange = FakeExchange()

    async def act(it: Stage) -> None:
        await exchange.create_order("BTC/USD", "limit", "sell", "1", "70000", {"clientOrderId": "somebody"})
        it.place("t1")
        it.place("t2")
        await asyncio.sleep(1)
        it.gateway.execute(CancelAll("main", None))
        await asyncio.sleep(10)
        assert {each["clientOrderId"]: each["status"] for each in exchange.orders.values()} == {
            "somebody": "open", "t1": "canceled", "t2": "canceled",
        }  # fmt: skip

    trading(exchange, act)


def test_a_stream_that_is_lost_is_a_gap_and_reconciled() -> None:
    exchange = FakeExchange()

    async def act(it: Stage) -> None:
        exchange.told["balances"].put_nowait(NetworkError("fakex ping-pong keepalive missing on time"))
        await asyncio.sleep(0.1)
        assert it.said() == ["gap"]
        assert not it.gateway.stream.open
        await asyncio.sleep(30)
        assert it.said() == ["back"]
        assert len(it.statements) == 2

    trading(exchange, act)


def test_after_a_restart_an_order_in_doubt_is_looked_up() -> None:
    exchange = Silent()

    async def act(it: Stage) -> None:
        await exchange.create_order("BTC/USD", "limit", "buy", "0.5", "50000", {"clientOrderId": "t7"})
        order = Order(client_id="t7", intent=BUY, size=BUY.size, price=BUY.price, state="unknown")
        it.orders["t7"] = order
        it.gateway.look_up(order)
        await asyncio.sleep(3)
        assert "t7 open" in it.said()
        assert it.gateway.unknown() == []

    trading(exchange, act)


def test_the_emergency_stop_has_its_hand_there_too() -> None:
    exchange = FakeExchange()

    async def act(it: Stage) -> None:
        it.place()
        await asyncio.sleep(1)
        found = await it.hand.open_orders()
        assert [(each.client_id, each.state) for each in found] == [("t1", "open")]
        await it.hand.cancel_all(found)
        assert exchange.orders["1"]["status"] == "canceled"
        assert await it.hand.top(BTC.id) == (Decimal(59_999), Decimal(60_001))
        order = await it.hand.order("t1", BTC.id)
        assert order is not None
        assert order.state == "cancelled"
        assert await it.hand.order("t9", BTC.id) is None
        await it.hand.cancel(found[0])

    trading(exchange, act)
