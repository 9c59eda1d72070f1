"""Tapeline from Python: `async with Feed() as feed`, subscribe, and be called back or iterate."""

import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Literal, Self

from tapeline.app.instance import Answer, Instance, World
from tapeline.app.running import real_world_dial
from tapeline.app.sharing import host_budgets
from tapeline.clock import SystemClock
from tapeline.config import ConnectionConfig
from tapeline.market.book import Book
from tapeline.market.bus import Subscription
from tapeline.model.instrument import split_id
from tapeline.outlet import Outlet
from tapeline.wire.rest import real_fetch


class Feed:
    """Live market data without a store. Leave the block, and every connection is closed.

    `urls` sends a venue elsewhere (a simulator): `{"binance": {"ws": "ws://127.0.0.1:8080", "rest": "http://..."}}`.
    `connection` changes deadlines and back-off, as in the configuration reference.
    """

    def __init__(
        self, *, urls: Mapping[str, Mapping[str, str]] | None = None, connection: ConnectionConfig | None = None
    ) -> None:
        self._urls = urls or {}
        self._connection = connection or ConnectionConfig()
        self._stack = AsyncExitStack()
        self._instance: Instance | None = None

    async def __aenter__(self) -> Self:
        """Start; nothing is dialled before the first subscription."""
        fetch, client = real_fetch(within_s=self._connection.connection_timeout_s)
        self._stack.push_async_callback(client.aclose)
        chance = random.SystemRandom().random
        clock = SystemClock()
        world = World(dial=real_world_dial, fetch=fetch, clock=clock, chance=chance, budget=host_budgets(clock))
        self._instance = await self._stack.enter_async_context(Instance(world).running())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Close every connection."""
        return await self._stack.__aexit__(kind, error, trace)

    @property
    def instance(self) -> Instance:
        """The running instance: its bus, desks and problems."""
        if self._instance is None:
            raise RuntimeError("a Feed works inside `async with Feed() as feed:`")
        return self._instance

    async def subscribe(self, instrument: str, *channels: str, within_s: float = 30.0) -> list[Answer]:
        """Keep channels of `venue:symbol`; one Answer each (live | refused | timed_out), in the same order.

        Raises ConfigError for an unknown venue or channel, UnknownInstrument for a symbol the venue does not list.
        """
        return await self.instance.subscribe(instrument, channels, within_s=within_s, **self._address(instrument))

    async def unsubscribe(self, instrument: str, *channels: str) -> None:
        """Give channels back; the last user of one unsubscribes it at the venue."""
        await self.instance.unsubscribe(instrument, channels, **self._address(instrument))

    def on(
        self, callback: Callable[[Any], object], instrument: str | None = None, channel: str | None = None
    ) -> Subscription:
        """Call `callback(event)` for every event of a channel of an instrument; None is all. `close()` ends it."""
        return self.instance.on(callback, instrument=instrument, of=channel)

    def stream(
        self, instrument: str, channel: str, *, policy: Literal["block", "drop_oldest", "conflate"] = "drop_oldest",
        size: int = 10_000, batch: bool = False, max_per_s: float | None = None,
    ) -> Outlet:  # fmt: skip
        """Events to iterate over with `async for`; lists of them where `batch`. What is dropped is counted."""
        outlet = Outlet(policy, size, batch=batch, max_per_s=max_per_s, clock=SystemClock())
        self.instance.outlet(outlet, instrument=instrument, of=channel)
        return outlet

    def book(self, instrument: str, channel: str = "book") -> Book:
        """The maintained book of a subscribed book channel: `.top(10)` gives exact prices and sizes, best first."""
        return self.instance.book(instrument, channel)

    def _address(self, instrument: str) -> dict[str, Any]:
        there = self._urls.get(split_id(instrument)[0], {})
        return {"ws_url": there.get("ws"), "rest_url": there.get("rest"), "settings": self._connection}
