"""A live gateway between a scripted venue and a list of what it told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from order_stage import (
    ACCOUNT,
    BUY,
    CREDENTIALS,
    ENTRY,
    KEY,
    KNOWN,
    ORDERS,
    SECRET,
    TOY,
    Exchange,
    Network,
    Said,
    ok,
    settle,
)
from rest_stage import ceilings
from wire_fakes import START_NS

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.event import Gap
from tapeline.model.order import Intent, Order
from tapeline.sim.loop import VirtualClock, run
from tapeline.trading.command import Submit
from tapeline.trading.input import Failed, Sent
from tapeline.trading.risk.check import Approved
from tapeline.venues.orders import Orders
from tapeline.wire.gateway.orders import LiveGateway
from tapeline.wire.rest import Rest

BY_ENTRY = replace(ORDERS, entry=ENTRY)
SLOW = replace(ORDERS, lag_s=10.0, lag_times=3)
NOT_FOUND = ok({"code": "unknown"}, 400)


def approved(client_id: str = "t1", intent: Intent = BUY) -> Approved:
    """As risk makes it, which alone may."""
    made = object.__new__(Approved)
    object.__setattr__(made, "client_id", client_id)
    object.__setattr__(made, "intent", intent)
    return made


@dataclass
class Stage:
    """A gateway, and all that it says, in short."""

    exchange: Exchange
    network: Network
    orders: dict[str, Order] = field(default_factory=dict)
    heard: list[Any] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    gateway: LiveGateway = None  # type: ignore[assignment]  # made right after

    def place(self, client_id: str = "t1", intent: Intent = BUY) -> None:
        self.orders[client_id] = Order(client_id=client_id, intent=intent, size=intent.size, price=intent.price)
        self.gateway.execute(Submit(approved(client_id, intent)))

    def said(self) -> list[str]:
        """What was told, in short, and by which way."""
        ways = [f"{event.source} " if isinstance(event, OrderUpdate | Fill) else "" for event in self.heard]
        return [short(event, way) for event, way in zip(self.heard, ways, strict=True)]

    def sent(self, path: str) -> list[float]:
        return [at for at, request in self.exchange.asked if request.path == "/" + path]


def short(event: Any, way: str = "") -> str:
    """One word or a few for what a gateway told; `way` goes before orders and fills."""
    match event:
        case Sent(client_id, what):
            return f"sent {what} {client_id}"
        case Failed(client_id, what, outcome, _, _, reason):
            return f"{outcome} {what} {client_id} {reason}".rstrip()
        case OrderUpdate():
            return f"{way}{event.client_id} {event.state}"
        case Fill():
            return f"{way}{event.client_id} fill {event.id}"
        case Gap():
            return "gap" if event.open else "back"
    return repr(event)


def trading(
    act: Callable[[Stage], Awaitable[None]], *, orders: Orders = ORDERS, said: dict[str, list[Said]] | None = None,
    how: dict[str, Any] | None = None, owns: Callable[[str], bool] = bool,
    before: Callable[[Stage], None] = lambda _stage: None,
) -> None:  # fmt: skip
    async def main() -> None:
        clock = VirtualClock(START_NS)
        stage = Stage(Exchange(clock, said or {}), Network(how or {}))
        rest = Rest(TOY, "https://toy", fetch=stage.exchange, clock=clock, delays=ceilings)

        async def reconcile(_why: str) -> None:
            await asyncio.sleep(0)

        stage.gateway = LiveGateway(
            ACCOUNT, TOY, orders, rest, CREDENTIALS, clock=clock, dial=stage.network.dial, delays=ceilings,
            instruments=KNOWN, order_of=stage.orders.get, tell=stage.heard.append, reconcile=reconcile,
            problem=lambda kind, text: stage.problems.append((kind, text)), owns=owns,
        )  # fmt: skip
        before(stage)
        task = asyncio.create_task(stage.gateway.run())
        await settle()
        await act(stage)
        assert not task.done(), task
        task.cancel()
        for text in (repr(stage.heard), repr(stage.problems), repr(stage.exchange.asked)):
            assert KEY not in text
            assert SECRET not in text

    run(main())
