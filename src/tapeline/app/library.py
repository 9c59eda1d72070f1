"""Tapeline from Python: `async with Feed() as feed`, subscribe, and be called back or iterate."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from tapeline.app.bookkeeping import Bookkeeping
from tapeline.app.instance import Answer, Instance, Order, World
from tapeline.app.repairing import Repairer
from tapeline.app.running import real_world_dial, supervised
from tapeline.app.sharing import host_budgets
from tapeline.app.status import status
from tapeline.clock import SystemClock
from tapeline.config import ConnectionConfig
from tapeline.errors import ConfigError
from tapeline.market.book import Book
from tapeline.market.bus import Subscription
from tapeline.market.complete import HOLD_S
from tapeline.model.channel import Channel
from tapeline.model.channel import channel as parse_channel
from tapeline.model.instrument import split_id
from tapeline.outlet import Outlet
from tapeline.store.writer import Nowhere
from tapeline.venues import venue_named
from tapeline.wire.ccxt.exchange import Reach
from tapeline.wire.rest import real_fetch


class Feed:
    """Live market data without a store. Leave the block, and every connection is closed.

    `urls` sends a venue elsewhere (a simulator): `{"binance": {"ws": "ws://127.0.0.1:8080", "rest": "http://..."}}`.
    `connection` changes deadlines and back-off, as in the configuration reference. Holes are filled from the venue's
    history (`source="rest"`, out of time order unless a stream asks for `order="complete"`); not with `repair=False`.
    """

    def __init__(
        self, *, urls: Mapping[str, Mapping[str, str]] | None = None, connection: ConnectionConfig | None = None,
        repair: bool = True,
    ) -> None:  # fmt: skip
        self._urls = urls or {}
        self._repair = repair
        self._connection = connection or ConnectionConfig()
        self._ledger: Bookkeeping | None = None
        self._in_ledger: set[Channel] = set()
        self._stack = AsyncExitStack()
        self._instance: Instance | None = None

    async def __aenter__(self) -> Self:
        """Start; nothing is dialled before the first subscription. Raises ConfigError for `urls` that name nothing."""
        _meant(self._urls)
        reached = {name: Reach(rest_url=to.get("rest"), ws_url=to.get("ws")) for name, to in self._urls.items()}
        fetch, client = real_fetch(within_s=self._connection.connection_timeout_s, reaches=reached)
        self._stack.push_async_callback(client.aclose)
        chance = random.SystemRandom().random
        clock = SystemClock()
        dial = partial(real_world_dial, reaches=reached)
        world = World(dial=dial, fetch=fetch, clock=clock, chance=chance, budget=host_budgets(clock))
        instance = self._instance = await self._stack.enter_async_context(Instance(world).running())
        if self._repair:
            self._ledger = Bookkeeping(lambda _row: None)
            mending = Repairer(instance, self._ledger, Nowhere(), clock=clock, rebuilder=None)
            task = asyncio.create_task(supervised("repair", mending.run, instance), name="repair")
            self._stack.callback(task.cancel)
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
        instance = self.instance
        _asked(instrument, channels)
        if self._ledger is not None:
            fresh = {parse_channel(text).wire for text in channels} - self._in_ledger
            self._in_ledger |= fresh
            self._ledger.attach(instance.bus, fresh)
        return await instance.subscribe(instrument, channels, within_s=within_s, **self._address(instrument))

    async def unsubscribe(self, instrument: str, *channels: str) -> None:
        """Give channels back; the last user of one unsubscribes it at the venue."""
        _asked(instrument, channels)
        await self.instance.unsubscribe(instrument, channels, **self._address(instrument))

    def on(
        self, callback: Callable[[Any], object], instrument: str | None = None, channel: str | None = None, *,
        order: Order = "arrival", hold_s: float = HOLD_S,
    ) -> Subscription:  # fmt: skip
        """Call `callback(event)` for every event of a channel of an instrument; None is all. `close()` ends it.

        `link`, `notice` and `alert` are channels, too: of the instance itself. `order` as in `stream`.
        """
        return self.instance.on(callback, instrument=instrument, of=channel, order=order, hold_s=hold_s)

    def stream(
        self, instrument: str, channel: str, *, policy: Literal["block", "drop_oldest", "conflate"] = "drop_oldest",
        size: int = 10_000, batch: bool = False, max_per_s: float | None = None, order: Order = "arrival",
        hold_s: float = HOLD_S,
    ) -> Outlet:  # fmt: skip
        """Events to iterate over with `async for`; lists of them where `batch`. What is dropped is counted.

        `close()` ends it: one that is left alone goes on collecting, up to `size`.

        `order="complete"`, for trades: those behind a hole wait, at most `hold_s`, until it is filled.
        """
        outlet = Outlet(policy, size, batch=batch, max_per_s=max_per_s, clock=SystemClock())
        self.instance.outlet(outlet, instrument=instrument, of=channel, order=order, hold_s=hold_s)
        return outlet

    def book(self, instrument: str, channel: str = "book") -> Book:
        """The maintained book of a subscribed book channel: `.top(10)` gives exact prices and sizes, best first."""
        return self.instance.book(instrument, channel)

    def statistics(self) -> dict[str, Any]:
        """What `tapeline status` shows: connections, clocks, series, outages, books, subscribers, outlets, problems."""
        return status(self.instance, state="running", now_ns=SystemClock.wall_ns(), parts={})

    def _address(self, instrument: str) -> dict[str, Any]:
        there = self._urls.get(split_id(instrument)[0], {})
        return {"ws_url": there.get("ws"), "rest_url": there.get("rest"), "settings": self._connection}


def _asked(instrument: str, channels: tuple[str, ...]) -> None:
    """Raises ConfigError for what is no text, of a notebook that has no type checker, and where no channel is named."""
    if not isinstance(instrument, str):
        raise ConfigError(f"{instrument!r} is no instrument: write it as text, as 'VENUE:BTC/USDT'")
    if not channels:
        raise ConfigError(f"no channel of {instrument}: name them one after the other, as 'trades', 'book'")
    for text in channels:
        parse_channel(text)


def _meant(urls: Mapping[str, Mapping[str, str]]) -> None:
    """Raises ConfigError for a venue or a key that there is not: the real venue would be asked instead, unnoticed."""
    for venue, to in urls.items():
        venue_named(venue)
        if not isinstance(to, Mapping):
            raise ConfigError(f"urls[{venue!r}] is {to!r}: write {{'ws': 'wss://...', 'rest': 'https://...'}}")
        for key in to:
            if key not in {"ws", "rest"}:
                raise ConfigError(f"urls[{venue!r}]: unknown key {key!r}: there are ws and rest")
