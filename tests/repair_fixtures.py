"""A venue that goes on while instances come and go: each with a store, a ledger and repair, all in virtual time."""

import asyncio
import dataclasses
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tapeline.app.bookkeeping import Bookkeeping
from tapeline.app.instance import Instance, World
from tapeline.app.rebuilding import Rebuilder
from tapeline.app.repairing import Repairer
from tapeline.model.channel import channel
from tapeline.model.event import Bar, Gap, Link, Trade
from tapeline.sim.faults import fault
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.reader import open_store
from tapeline.store.series import PointRow, SeriesStore
from tapeline.store.writer import InlineWriter
from tapeline.venues import venue_named
from tapeline.venues.spec import Request, Venue
from tapeline.wire.continuity import Point
from tapeline.wire.pipe import Response

START_NS = 1_723_161_600_000_000_000  # a whole minute
FIELDS = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_volume")


@dataclass
class Scene:
    """One run of an instance with a store and repair."""

    instance: Instance
    ledger: Bookkeeping
    repairer: Repairer
    rebuilder: Rebuilder
    events: list[Any]

    def of(self, kind: type[Any], name: str) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind) and event.channel == name]


Play = Callable[[Scene], Awaitable[None]]
Fetch = Callable[[str, Request], Awaitable[Response]]


class Theatre:
    """A venue that goes on while instances come and go, and a folder that stays."""

    def __init__(
        self, folder: Path, *, venue: str = "binance", faults: tuple[str, ...] = (), rate: int = 60, listed: int = 0,
        start_ns: int = START_NS,
    ) -> None:  # fmt: skip
        self.folder, self.value, self.clock = folder, venue_named(venue), VirtualClock(start_ns)
        if listed:
            self.value = with_many(self.value, listed)
        market = Market(self.value, 1, start_ns, Rates(trades_per_minute=rate))
        self.sim = SimulatedVenue(self.value, market, clock=self.clock, faults=[fault(text) for text in faults])
        self.fetch: Fetch = self.sim.fetch
        self.asked: list[Request] = []

    async def _fetch(self, base: str, request: Request) -> Response:
        self.asked.append(request)
        return await self.fetch(base, request)

    async def run(
        self, play: Play, *channels: str, clean: bool = True, symbols: tuple[str, ...] = ("BTC/USDT",)
    ) -> None:
        """One run of an instance: from its start to its end, or to a crash."""
        writer = InlineWriter(SeriesStore(self.folder, self.clock))
        scene = self._scene(writer, channels)

        def note() -> None:
            scene.ledger.write()
            for (who, of), point in scene.instance.points().items():
                writer.offer(PointRow(who, of, point.at_ns, point.received_ns, point.seq))

        async def noted() -> None:
            while True:
                note()
                await asyncio.sleep(1)

        async with scene.instance.running():
            tasks = [asyncio.create_task(scene.repairer.run()), asyncio.create_task(noted())]
            for symbol in symbols:
                await scene.instance.subscribe(f"{self.value.name}:{symbol}", channels)
            await play(scene)
            if not clean:  # dead from here on
                writer.store.write = deque[Any](maxlen=0).extend  # type: ignore[method-assign, assignment]  # on purpose
            for task in tasks:
                task.cancel()
        if clean:
            note()
        writer.stop()

    def _scene(self, writer: InlineWriter, channels: tuple[str, ...]) -> Scene:
        ledger = Bookkeeping(writer.offer)
        with open_store(self.folder) as store:
            ledger.load(store)
            points = {(each.instrument, each.channel): Point(each.at_ns, each.received_ns, each.seq)
                      for each in store.points()}  # fmt: skip
        world = World(
            dial=lambda _settings: self.sim.dial, fetch=self._fetch, clock=self.clock, chance=random.Random(1).random
        )
        instance = Instance(world, points=points, since_ns=self.clock.wall_ns())
        wanted = {channel(text) for text in channels}
        wanted |= {of.wire for of in wanted}
        ledger.attach(instance.bus, wanted)
        instance.bus.subscribe(writer.offer, types=(Gap, Link))
        for of in wanted:
            kinds = (Bar,) if of.kind == "bars" else (Trade,)
            instance.bus.subscribe(writer.offer, channel=str(of), types=kinds)

        async def away(work: Callable[[], Any]) -> Any:
            return work()

        rebuilder = Rebuilder(instance, ledger, writer, self.folder, clock=self.clock, points=points, away=away)
        repairer = Repairer(instance, ledger, writer, clock=self.clock, rebuilder=rebuilder)
        scene = Scene(instance, ledger, repairer, rebuilder, [])
        instance.bus.subscribe(scene.events.append)
        return scene


def with_many(venue: Venue, count: int) -> Venue:
    """The venue with so many instruments: B0/USDT, B1/USDT, ..."""
    assert venue.server is not None, "one that can be simulated"
    first = venue.server.sample_instruments[0]
    listed = tuple(
        msgspec.structs.replace(first, symbol=f"B{n}/USDT", native=f"B{n}USDT", base=f"B{n}") for n in range(count)
    )
    return dataclasses.replace(venue, server=dataclasses.replace(venue.server, sample_instruments=listed))


def played(folder: Path, *acts: Callable[[Theatre], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        theatre = Theatre(folder, **options)
        async with theatre.sim.open(), asyncio.timeout(30 * 86_400):
            for act in acts:
                await act(theatre)

    run(main())


def agree_with_the_venue(folder: Path, who: str, built: str, theirs: str, *, but: int = 2) -> int:
    """Every built bar that is not partial equals the venue's own; how many there are."""
    with open_store(folder) as store:
        own = {bar.open_at_ns: bar for bar in store.bars(who, built)}
        venue = {bar.open_at_ns: bar for bar in store.bars(who, theirs)}
    sound = {at for at, bar in own.items() if bar.certificate != "partial"}
    assert len(own) - len(sound) <= but
    for at in sound & venue.keys():
        for name in FIELDS:
            if getattr(venue[at], name) is not None:  # not every venue tells all of them
                assert getattr(own[at], name) == getattr(venue[at], name), (at, name)
    assert sound <= venue.keys() or len(sound - venue.keys()) <= 1
    return len(sound & venue.keys())


def held_ids(folder: Path, who: str, of: str = "trades") -> list[int]:
    with open_store(folder) as store:
        return [trade.seq or 0 for trade in store.trades(who, channel=of)]
