"""A configuration run against a simulated venue in virtual time, as `tapeline run` does: store, ledger, repair, all."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tapeline.app.instance import World
from tapeline.app.keeping import Keeping
from tapeline.app.running import Running, assembled
from tapeline.config import AlertsConfig, AuditConfig, Config, StoreConfig, StreamConfig
from tapeline.model.event import Gap, ModeChange
from tapeline.sim.faults import fault
from tapeline.sim.kept.scribe import Scribe
from tapeline.sim.loop import VirtualClock, run
from tapeline.sim.market import Market
from tapeline.sim.pit import Rates
from tapeline.sim.venue import SimulatedVenue
from tapeline.store.reader import Store, open_store
from tapeline.venues import venue_named
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Response

START_NS = 1_723_161_600_000_000_000  # a whole minute
MINUTE_S = 60


@dataclass
class Show:
    """What is on: a running instance, and everything it published."""

    running: Running
    events: list[Any] = field(default_factory=list)

    def of(self, kind: type[Any], name: str | None = None) -> list[Any]:
        return [each for each in self.events if isinstance(each, kind) and name in (None, each.channel)]

    def row(self, channel: str, instrument: str = "") -> dict[str, Any]:
        (found,) = [
            row for row in self.running.modes.rows()
            if channel in row["channels"] and instrument in ("", row["instrument"])
        ]  # fmt: skip
        return found

    def switches(self) -> list[tuple[str, str]]:
        return [(each.before, each.after) for each in self.of(ModeChange)]

    def gaps(self, name: str) -> list[Any]:
        return [each for each in self.of(Gap, name) if each.cause != "late_start"]


class House:
    """A venue that goes on while instances come and go, and a store that stays."""

    def __init__(
        self, folder: Path, *streams: StreamConfig, venue: str = "binance", faults: tuple[str, ...] = (),
        rate: int = 60, listed: int = 1, **settings: Any,
    ) -> None:  # fmt: skip
        self.folder, self.clock = folder, VirtualClock(START_NS)
        value = venue_named(venue)
        assert value.server is not None
        samples = value.server.sample_instruments[:listed]
        self.value = replace(value, server=replace(value.server, sample_instruments=tuple(samples)))
        self._market = Market(self.value, 1, START_NS, Rates(trades_per_minute=rate))
        self._faults = [fault(text) for text in faults]
        self.sim: SimulatedVenue  # opened by `on`
        self.asked: list[Request] = []
        self.config = Config(
            store=StoreConfig(path=str(folder), tape=False), stream=streams, audit=AuditConfig(enabled=False),
            alerts=AlertsConfig(enabled=False), **settings,
        )  # fmt: skip

    def open(self) -> None:
        """To be called on the loop."""
        self.sim = SimulatedVenue(self.value, self._market, clock=self.clock, faults=self._faults)

    async def _fetch(self, base: str, request: Request) -> Response:
        self.asked.append(request)
        return await self.sim.fetch(base, request)

    async def run(self, play: Callable[[Show], Awaitable[None]]) -> None:
        """One run, from its start to a clean end."""
        world = World(
            dial=lambda _settings: self.sim.dial, fetch=self._fetch, clock=self.clock, chance=random.Random(1).random
        )
        keeping = Keeping(self.config, self.clock, writes=Scribe)
        keeping.start()

        async def at_once(work: Callable[[], Any]) -> Any:
            return work()

        running = assembled(self.config, world, keeping, away=at_once)
        show = Show(running)
        running.instance.bus.subscribe(show.events.append, name="test")

        async def noted() -> None:
            while True:
                keeping.write_points(running.instance)
                await asyncio.sleep(1)

        async with running.live(self.config):
            noting = asyncio.create_task(noted())
            await running.opening
            await play(show)
            noting.cancel()
        running.say_goodbye()
        keeping.stop()
        assert "modes" not in running.instance.problems.by_kind().get("", {}), running.instance.problems.by_kind()

    def store(self) -> Store:
        return open_store(self.folder)


def on(house: House, *plays: Callable[[Show], Awaitable[None]], between_s: float = 0.0) -> None:
    """Run it once for each of these, one after the other."""

    async def main() -> None:
        house.open()
        async with house.sim.open(), asyncio.timeout(200_000):
            for play in plays:
                await house.run(play)
                await asyncio.sleep(between_s)

    run(main())


def stream(
    *channels: str, symbols: tuple[str, ...] = ("BTC/USDT",), venue: str = "binance", **more: Any
) -> StreamConfig:
    """What is asked for."""
    return StreamConfig(venue=venue, symbols=symbols, channels=channels, **more)
