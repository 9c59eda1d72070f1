"""Tick to order: from an event at the engine to the order at the gateway, in process; the journal's fsync told apart.

A strategy answers each of many trades with one order. Without a journal, with one on this disk, and with a paper venue's answers.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from tapeline.app.trade.execution import Execution
from tapeline.app.trade.journalling import journalling
from tapeline.clock import SystemClock
from tapeline.model.event import Trade
from tapeline.model.instrument import Instrument
from tapeline.trading.command import Submit
from tapeline.trading.engine import Engine
from tapeline.trading.setup import Account, Setup
from tapeline.trading.strategy import Strategy

BTC = Instrument(venue="binance", symbol="BTC/USDT:USDT", native="BTCUSDT", kind="perpetual", base="BTC", quote="USDT",
                 settle="USDT", tick=Decimal("0.1"), lot=Decimal("0.001"))  # fmt: skip


class Each(Strategy):
    instruments = (BTC.id,)

    def on_trade(self, trade):
        for order in self.orders():
            self.cancel(order)
        self.buy(BTC.id, "0.001", price=trade.price - 1)


class Gateway:
    def __init__(self):
        self.sent = []

    def execute(self, command):
        if isinstance(command, Submit):
            self.sent.append(time.perf_counter())


async def measure(count, keep, blotter, ledger):
    gateway = Gateway()
    setup = Setup(accounts={"main": Account(name="main", venue="binance")}, instruments={BTC.id: BTC})
    engine = Engine(setup, [Each()], blotter=blotter, ledger=ledger)
    run = Execution(engine, {"main": gateway}, clock=SystemClock(), keep=keep, halt=print)
    task = asyncio.create_task(run.run())
    await run.start()
    took, commits = [], []
    for number in range(count):
        event = Trade(BTC.id, "trades", number, number, "ws", str(number), number, "buy", Decimal(60_000 + number % 7), Decimal(1))
        began = time.perf_counter()
        run.offer(event)
        await run.settled()
        took.append((gateway.sent[-1] - began) * 1e6)
        for order in engine.situation.blotter.live():  # a venue that cancels at once, so that orders do not pile up
            from tapeline.model.account import OrderUpdate

            run.offer(OrderUpdate(BTC.id, "orders", number, number, "ws", "main", client_id=order.client_id, venue_id="v" + order.client_id,
                                  state="cancelled"))  # fmt: skip
        await run.settled()
        commits.append(run.statistics().commit_s * 1e6)
    task.cancel()
    return took[50:], commits[-1]


def told(name, took, commit_us):
    ordered = sorted(took)
    p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
    print(f"{name:20} p50 {p50:8.0f} us   p99 {p99:8.0f} us   a journal transaction {commit_us:6.0f} us, {min(1, commit_us / p50):.0%} of p50")


async def nowhere(_records, _now_ns):
    return None


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--orders", type=int, default=1000)
    count = ask.parse_args().orders
    folder = Path(tempfile.mkdtemp(dir=Path(__file__).parent))
    try:
        for name in ("without a journal", "with a journal"):
            with journalling(folder / name.replace(" ", "-"), time.time_ns(), method="average") as journal:
                keep = journal.keep if name.startswith("with ") else nowhere
                took, commit_us = asyncio.run(measure(count, keep, journal.restored.blotter, journal.restored.ledger))
            told(name, took, commit_us)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
