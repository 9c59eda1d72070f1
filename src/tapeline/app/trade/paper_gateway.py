"""Paper fills on a live market: the same `PaperVenue` as in a backtest, on the machine's clock."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Never

from tapeline.app.trade.paper import NEVER, Latency, PaperVenue
from tapeline.clock import Clock
from tapeline.model.event import Event
from tapeline.trading.command import Command
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange


class PaperGateway:
    """One venue on paper, for every account of it. Give it the market by `market`; `tell` gets the answers."""

    def __init__(
        self, exchange: Exchange, blotter: Blotter, *, clock: Clock, tell: Callable[[Any], None],
        latency: Latency | None = None,
    ) -> None:  # fmt: skip
        self.venue = PaperVenue(exchange, blotter, latency)
        self._clock, self._tell = clock, tell
        self._awake = asyncio.Event()

    def execute(self, command: Command) -> None:
        """Send a command on its way."""
        for sent in self.venue.execute(command, self._clock.wall_ns()):
            self._tell(sent)
        self._awake.set()

    def market(self, event: Event) -> None:
        """The market moves; to be called for every event of it, in order."""
        now_ns = self._clock.wall_ns()
        self._advance(now_ns)
        self.venue.market(event, now_ns)
        if self.venue.due_ns != NEVER:
            self._advance(now_ns)
            self._awake.set()

    def answer(self, events: Iterable[Any]) -> None:
        """Tell of what the exchange did without an order of the engine's: an emergency stop acts by itself."""
        for event in events:
            self._tell(event)

    async def run(self) -> Never:
        """Let answers come when they are due, until cancelled."""
        while True:
            self._awake.clear()
            now_ns = self._clock.wall_ns()
            self._advance(now_ns)
            try:
                async with asyncio.timeout(max(0.0, min(60.0, (self.venue.due_ns - now_ns) / 1e9))):
                    await self._awake.wait()
            except TimeoutError:
                continue

    def _advance(self, now_ns: int) -> None:
        if self.venue.due_ns <= now_ns:
            for _, event in self.venue.advance(now_ns):
                self._tell(event)
