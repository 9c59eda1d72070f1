"""From an event to its order: in process, with the journal and without; and over sockets to a paper exchange and back.

uv run python bench/tick_to_order.py [ORDERS]
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from time import perf_counter

from tapeline.app.trade.execution import Execution
from tapeline.app.trade.journalling import journalling
from tapeline.app.trade.trading import trading
from tapeline.clock import SystemClock
from tapeline.config import Config, StoreConfig, StrategyConfig, TradeConfig, VenueConfig
from tapeline.config.account import AccountConfig
from tapeline.config.risk import RiskConfig
from tapeline.model.account import OrderUpdate
from tapeline.model.event import Trade
from tapeline.model.instrument import Instrument
from tapeline.model.secret import Secret
from tapeline.store.recording import RecordingWriter
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.engine import Engine
from tapeline.trading.input import Sent
from tapeline.trading.orders import Blotter
from tapeline.trading.recorded import RecordedEngine
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy

NAME = "binance:BTC/USDT"
BTC = Instrument(
    venue="binance", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=Decimal("0.01"),
    lot=Decimal("0.00001"),
)  # fmt: skip


def told(what: str, seconds: list[float]) -> None:
    cuts = quantiles(seconds, n=100)
    print(f"{what:58} p50 {cuts[49] * 1e6:9.0f} us   p99 {cuts[98] * 1e6:9.0f} us   n {len(seconds)}")


class Sells(Strategy):
    """An order a trade."""

    instruments = (NAME,)
    channels = ("trades",)

    def on_trade(self, trade: Trade) -> None:
        self.buy(NAME, "0.001", price=trade.price - 100)


class Hears:
    """A gateway that only notes when a command reached it."""

    def __init__(self):
        self.heard = asyncio.Event()
        self.at = 0.0

    def execute(self, command):
        self.at = perf_counter()
        self.client_id = command.order.client_id
        self.heard.set()


SETUP = Setup(accounts={"main": Account(name="main", venue="binance")}, instruments={NAME: BTC})


def engine_of(strategy: Strategy, take=None) -> Engine:
    known = {"blotter": Blotter("i"), "ledger": Ledger()}
    return Engine(SETUP, [strategy], **known) if take is None else RecordedEngine(SETUP, [strategy], take=take, **known)


async def in_process(count: int, keep, take=None) -> list[float]:
    gateway = Hears()
    engine = engine_of(Sells(), take)
    execution = Execution(
        engine, {"main": gateway}, clock=SystemClock(), keep=keep, halt=lambda *_: None, told=lambda _note: None
    )
    await execution.start()
    running = asyncio.create_task(execution.run())
    found = []
    for number in range(count):
        now_ns = SystemClock.wall_ns()
        trade = Trade(NAME, "trades", now_ns, now_ns, "ws", str(number), number, "buy", Decimal(60_000), Decimal(1))
        gateway.heard.clear()
        began = perf_counter()
        execution.offer(trade)
        await gateway.heard.wait()
        found.append(gateway.at - began)
        execution.offer(Sent(gateway.client_id, "submit", now_ns))
        execution.offer(
            OrderUpdate(NAME, "orders", now_ns, now_ns, "ws", "main", client_id=gateway.client_id, venue_id=str(number),
                        state="cancelled")
        )  # fmt: skip
        await execution.settled()
    running.cancel()
    return found


async def nothing(_records, _now_ns):
    """No journal: what everything else costs."""


class Watches(Strategy):
    """Hears every trade, and keeps the last price."""

    instruments = (NAME,)
    channels = ("trades",)

    def on_trade(self, trade: Trade) -> None:
        self.seen = trade.price


def steps(count: int, take=None) -> float:
    """Seconds for so many trades on which nothing is done."""
    engine = engine_of(Watches(), take)
    engine.start(1)
    trades = [
        Trade(NAME, "trades", at, at, "ws", str(at), at, "buy", Decimal(60_000), Decimal(1))
        for at in range(1, count + 1)
    ]
    began = perf_counter()
    for trade in trades:
        engine.step(trade, trade.received_ns)
    return perf_counter() - began


def recorded(count: int) -> None:
    """What recording costs: an event on which nothing is done, and one that becomes an order."""
    with tempfile.TemporaryDirectory() as folder:
        writer = RecordingWriter(Path(folder), most_waiting=10**7)
        writer.start()
        plain, taken = [], []
        for _ in range(5):
            plain.append(steps(100_000) / 100_000)
            taken.append(steps(100_000, writer.take) / 100_000)
        ns = f"{min(plain) * 1e9:.0f} ns, recorded {min(taken) * 1e9:.0f} ns"
        print(f"{'a trade on which nothing is done':58} {ns}, 100,000 of them at once")
        found = asyncio.run(in_process(count, nothing, writer.take))
        told("event -> gateway, without a journal, recorded", found[count // 10 :])
        writer.stop("done", "", 0)
        print(f"{'':58} recording: {writer.statistics()}")


def inside(count: int) -> None:
    told("event -> gateway, without a journal", asyncio.run(in_process(count, nothing))[count // 10 :])
    recorded(count)
    with (
        tempfile.TemporaryDirectory() as folder,
        journalling(Path(folder), SystemClock.wall_ns(), method="average") as log,
    ):
        told("event -> gateway, journal durable first", asyncio.run(in_process(count, log.keep))[count // 10 :])
        spent = log.statistics()
        print(f"{'':58} journal: {spent.transactions} transactions, {spent.busy_s * 1e3:.0f} ms busy")


class RoundTrip(Strategy):
    """Rests an order far away on a trade, and cancels it when the venue has it."""

    instruments = (NAME,)
    channels = ("trades",)

    def on_start(self) -> None:
        self.began: dict[str, int] = {}
        self.sent: list[float] = []
        self.back: list[float] = []

    def on_trade(self, trade: Trade) -> None:
        if not self.orders():
            order = self.buy(NAME, "0.001", price=trade.price * Decimal("0.98"))
            self.began[order.client_id] = trade.received_ns

    def on_order(self, order) -> None:
        if order.state == "open" and not order.asked and order.client_id in self.began:
            began_ns = self.began.pop(order.client_id)
            self.sent.append((order.submitted_ns - began_ns) / 1e9)
            self.back.append((SystemClock.wall_ns() - began_ns) / 1e9)
            self.cancel(order)


async def over_sockets(folder: Path, address: str, count: int) -> None:
    config = Config(
        store=StoreConfig(path=str(folder), tape=False),
        venue={"binance": VenueConfig(ws_url=f"ws://{address}", rest_url=f"http://{address}")},
        account={"main": AccountConfig(venue="binance", mode="live", key=Secret("k" * 16), secret=Secret("s" * 16))},
        strategy=(StrategyConfig(run=f"{__file__}:RoundTrip"),),
        risk=RiskConfig(wait_after_repair_s=0.0, max_orders_per_second=None),
        trade=TradeConfig(ready_s=20),
    )
    async with trading(config, environ=os.environ, live=True) as run:
        strategy = run.engine.seats["RoundTrip"].strategy
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(120):
                while len(strategy.back) < count:
                    await asyncio.sleep(0.1)
        await run.stop(10)
    told("frame received -> order left, live gateway, WebSocket", strategy.sent)
    told("frame received -> the venue's word on the order", strategy.back)


def outside(count: int) -> None:
    command = [
        sys.executable, "-m", "tapeline.surfaces.cli", "serve-venue", "binance", "--market", "7", "--paper",
        "--key", "k" * 16, "--secret", "s" * 16, "--speed", "1",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as venue:
        try:
            address = json.loads(venue.stdout.readline())["rest"].removeprefix("http://")
            with tempfile.TemporaryDirectory() as folder:
                asyncio.run(over_sockets(Path(folder), address, count))
        finally:
            venue.terminate()


if __name__ == "__main__":
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    inside(orders)
    outside(min(orders, 200))
