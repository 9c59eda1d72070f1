"""REST requests of a running instance by what they are for: 10 symbols in 4 intervals, hours of virtual time.

`--cuts N`: so many outages of half a minute on the way, repairs included. Polling every bar would take 2,400 an hour.
"""

import argparse
import asyncio
import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec

from tapeline.app.audit.auditing import Auditor
from tapeline.app.bookkeeping import Bookkeeping
from tapeline.app.instance import Instance, World
from tapeline.app.rebuilding import Rebuilder
from tapeline.app.repairing import Repairer
from tapeline.config import AuditConfig
from tapeline.model.channel import channel
from tapeline.model.event import Bar, Gap, Link
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.series import SeriesStore
from tapeline.store.writer import InlineWriter
from tapeline.venues import venue_named

START_NS = 1_723_161_600_000_000_000
SYMBOLS, INTERVALS = 10, ("1m", "5m", "15m", "1h")


async def away(work):
    return work()


def many(venue):
    first = venue.server.sample_instruments[0]
    listed = tuple(
        msgspec.structs.replace(first, symbol=f"B{n}/USDT", native=f"B{n}USDT", base=f"B{n}") for n in range(SYMBOLS)
    )
    return replace(venue, server=replace(venue.server, sample_instruments=listed))


async def played(hours, cuts, folder):
    venue, clock = many(venue_named("binance")), VirtualClock(START_NS)
    rates = Rates(trades_per_minute=6, step_beats=600)
    faults = [fault(f"cut@+{(n + 1) * hours * 3600 / (cuts + 1):.0f}s+30s") for n in range(cuts)]
    sim = SimulatedVenue(venue, Market(venue, 1, START_NS, rates), clock=clock, faults=faults)
    async with sim.open():
        world = World(dial=lambda _s: sim.dial, fetch=sim.fetch, clock=clock, chance=random.Random(1).random)
        instance, writer = Instance(world), InlineWriter(SeriesStore(folder, clock))
        ledger = Bookkeeping(writer.offer)
        channels = [channel(f"bars:{name}") for name in INTERVALS]
        ledger.attach(instance.bus, channels)
        instance.bus.subscribe(writer.offer, types=(Gap, Link))
        instance.bus.subscribe(lambda bar: bar.closed and writer.offer(bar), types=(Bar,))
        rebuilder = Rebuilder(instance, ledger, writer, folder, clock=clock, points={}, away=away)
        repairer = Repairer(instance, ledger, writer, clock=clock, rebuilder=rebuilder)
        auditor = Auditor(instance, ledger, writer, folder, settings=AuditConfig(), clock=clock, away=away)
        async with instance.running():
            beside = [asyncio.create_task(repairer.run()), asyncio.create_task(auditor.run())]
            for n in range(SYMBOLS):
                await instance.subscribe(f"binance:B{n}/USDT", map(str, channels), within_s=300)
            (desk,) = instance.desks.values()
            before = dict(desk.rest.calls)
            await asyncio.sleep(hours * 3600)
            for task in beside:
                task.cancel()
            calls = {name: count - before.get(name, 0) for name, count in sorted(desk.rest.calls.items())}
        writer.stop()
        return calls, auditor.statistics()


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--hours", type=float, default=12.0)
    asked.add_argument("--cuts", type=int, default=0)
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        calls, audit = run(played(given.hours, given.cuts, Path(folder)))
    hourly = {name: round(count / given.hours, 1) for name, count in calls.items() if count}
    row = {"hours": given.hours, "cuts": given.cuts, "calls_per_hour": round(sum(calls.values()) / given.hours, 1),
           "by_purpose_per_hour": hourly, "bars_compared": audit.bars, "mismatches": audit.mismatches}  # fmt: skip
    print(json.dumps(row) if given.json else "\n".join(f"{name}: {value}" for name, value in row.items()))
    assert row["calls_per_hour"] < 60, "the budget"


if __name__ == "__main__":
    main()
