"""An account that listens to a scripted venue, and all that it says."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from order_stage import (
    ACCOUNT,
    KNOWN,
    ORDERS,
    SECOND_NS,
    STREAM,
    TOY,
    Exchange,
    Network,
    Said,
    accepting,
    settle,
    signed_rest,
)
from rest_stage import ceilings
from wire_fakes import START_NS

from tapeline.model.event import Gap
from tapeline.sim.loop import VirtualClock, run
from tapeline.venues.orders import Orders
from tapeline.venues.spec import Venue
from tapeline.wire.private.account import AccountStream

NAME = f"toy:{ACCOUNT}"
LISTEN = replace(
    STREAM, opening=(), listen_key=True, alive_s=1800.0, url=lambda base, key: f"{base}/{key}", silence_s=1e6
)


@dataclass
class Stage:
    """A listening account, and all that it says."""

    exchange: Exchange
    network: Network
    heard: list[Any] = field(default_factory=list)
    reconciled: list[tuple[float, str]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    reconciling: Callable[[], Awaitable[None]] | None = None
    listening: AccountStream = None  # type: ignore[assignment]  # made right after

    async def reconcile(self, why: str) -> None:
        self.reconciled.append((round(asyncio.get_running_loop().time(), 2), why))
        if self.reconciling is not None:
            await self.reconciling()

    def gaps(self) -> list[Gap]:
        return [each for each in self.heard if isinstance(each, Gap)]


def listening(
    act: Callable[[Stage], Awaitable[None]], *, how: Any = accepting, orders: Orders = ORDERS,
    said: dict[str, list[Said]] | None = None, ours_s: int = 0, venue: Venue = TOY, **options: Any,
) -> None:  # fmt: skip
    async def main() -> None:
        clock = VirtualClock(START_NS + ours_s * SECOND_NS)
        stage = Stage(Exchange(clock, said or {}), Network(how if isinstance(how, dict) else {"private": how}))
        rest = signed_rest(stage.exchange, orders=orders)
        stage.listening = AccountStream(
            ACCOUNT, venue, orders, rest, KNOWN, dial=stage.network.dial, clock=clock, delays=ceilings,
            tell=stage.heard.append, reconcile=stage.reconcile,
            problem=lambda kind, text: stage.problems.append((kind, text)), **options,
        )  # fmt: skip
        task = asyncio.create_task(stage.listening.run())
        await settle()
        await act(stage)
        assert not task.done()
        task.cancel()

    run(main())
