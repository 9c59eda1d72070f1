"""A toy exchange whose answers get lost in every way there is, by seed: for tests that count what became of orders."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from order_stage import SECOND_NS, accepting, answer, told
from wire_fakes import START_NS, Script

from tapeline.errors import ConnectionLost, TimedOut, Unsent
from tapeline.model.order import FINAL
from tapeline.sim.loop import VirtualClock
from tapeline.venues.spec import Request
from tapeline.wire.pipe import Response

LATEST_S = 8.0  # an order may arrive so long after it was sent; the venue's own delay (`lag_s`) is longer
_UNDONE = {"5xx before": Response(503, {}, b"<html>"), "busy": Response(429, {"retry-after": "2"}, b"slow down")}


@dataclass
class Held:
    """One order, as the exchange has it."""

    client_id: str
    state: str
    price: str
    filled: Decimal = Decimal(0)
    fills: int = 0


@dataclass
class Weather:
    """The exchange: `fetch` for REST, `entered` and `listened` for its sockets. `fair`: nothing goes wrong any more."""

    clock: VirtualClock
    chance: random.Random
    tasks: asyncio.TaskGroup
    fair: bool = False
    off_s: float = 0.0  # how far the venue's clock is ahead of ours
    orders: dict[str, Held] = field(default_factory=dict)
    arrived: Counter[str] = field(default_factory=Counter)  # requests to place an order, by client id
    streams: list[Script] = field(default_factory=list)
    went_wrong: Counter[str] = field(default_factory=Counter)

    # ---- REST -------------------------------------------------------------------------------------------------------

    async def __call__(self, _base_url: str, request: Request) -> Response:
        call, query = request.path.removeprefix("/"), dict(request.query)
        wrong = "" if self.fair else self._wrong()
        await asyncio.sleep(self.chance.uniform(0.01, 0.3))
        await self._before(call, query, wrong)
        if call == "time":
            return _said({"time": self._now_ns()})
        if call in {"balances", "positions", "payments"}:
            return _said([])
        if abs(int(query["stamp"]) - self._now_ns()) > 5 * SECOND_NS:
            return _said({"code": "stamp"}, 400)
        if wrong in _UNDONE:
            return _UNDONE[wrong]
        body, status = self.do(call, query)
        if wrong == "unanswered":
            raise ConnectionLost("the connection was cut")
        return Response(502, {}, b"<html>") if wrong == "5xx after" else _said(body, status)

    async def _before(self, call: str, query: dict[str, str], wrong: str) -> None:
        """What is lost on its way, for good or for a while."""
        if wrong == "unsent":
            raise Unsent("connection refused")
        if wrong in {"lost", "late"}:
            if wrong == "late" and call != "time":
                self.tasks.create_task(self._later(call, query), name=f"late {call}")
            await asyncio.sleep(2.0)
            raise TimedOut("no answer within 2 s")

    def _wrong(self) -> str:
        kinds = ("", "unsent", "lost", "late", "unanswered", "5xx before", "5xx after", "busy")
        (kind,) = self.chance.choices(kinds, (60, 5, 7, 7, 9, 4, 5, 3))
        self.went_wrong[kind] += 1
        return kind

    async def _later(self, call: str, query: dict[str, str]) -> None:
        await asyncio.sleep(self.chance.uniform(0.0, LATEST_S))
        self.do(call, query)

    # ---- sockets ----------------------------------------------------------------------------------------------------

    def listened(self, script: Script, said: dict[str, Any]) -> None:
        """The private stream: it begins once somebody has subscribed."""
        accepting(script, said)
        if said["op"] == "subscribe":
            self.streams.append(script)

    def entered(self, script: Script, said: dict[str, Any]) -> None:
        """The connection for orders."""
        if said["op"] == "login":
            accepting(script, said)
            return
        wrong = "" if self.fair else self._wrong()
        if wrong in {"unsent", "lost"}:
            return
        if wrong == "busy":
            script.cut("the connection was cut")
            return
        body, status = self.do(said["op"], {"id": said["order"], "price": said.get("price", "")})
        if wrong == "unanswered":
            script.cut("the connection was cut")
        elif wrong != "5xx before":
            frame = answer(said, body, status)
            if wrong in {"late", "5xx after"}:
                delay_s = self.chance.uniform(0.0, 2 * LATEST_S)
                asyncio.get_running_loop().call_later(delay_s, script.say, frame, frame)
            else:
                script.say(frame)

    async def storm(self) -> None:
        """Streams are cut and fall silent, clocks are set, orders fill."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.5, 4.0))
            self._fill()
            if self.fair:
                continue
            what = self.chance.random()
            if what < 0.08 and self.streams:
                self.streams[-1].cut("the cable")
            elif what < 0.12 and self.streams:
                self.streams.pop()  # it goes on, and tells nothing any more
            elif what < 0.16:
                self.clock.step(self.chance.uniform(-600, 600))
            elif what < 0.18:
                self.off_s += self.chance.uniform(-60, 60)

    # ---- the exchange itself ----------------------------------------------------------------------------------------

    def do(self, call: str, query: dict[str, str]) -> tuple[Any, int]:
        """Act, and answer."""
        name = query.get("id", "")
        if call == "open_orders":
            return [self._order(each) for each in self.orders.values() if each.state not in FINAL], 200
        if call == "cancel_all":
            for each in self.orders.values():
                self._cancel(each)
        if call in {"cancel_all", "fills"}:
            return [], 200
        refusal = self._place(name, query.get("price") or "10") if call == "place" else self._change(call, name, query)
        return ({"code": refusal}, 400) if refusal else (self._order(self.orders[name]), 200)

    def _place(self, name: str, price: str) -> str:
        self.arrived[name] += 1
        if name in self.orders:
            return "twice"
        if self.chance.random() < 0.05:
            return "balance"
        self.orders[name] = Held(name, "open", price)
        self._tell(self.orders[name])
        return ""

    def _change(self, call: str, name: str, query: dict[str, str]) -> str:
        held = self.orders.get(name)
        if held is None:
            return "unknown"
        if call in {"cancel", "amend"} and held.state in FINAL:
            return "final"
        if call == "cancel":
            self._cancel(held)
        elif call == "amend":
            held.price = query.get("price") or held.price
            self._tell(held)
        return ""

    def _cancel(self, held: Held) -> None:
        if held.state not in FINAL:
            held.state = "cancelled"
            self._tell(held)

    def _fill(self) -> None:
        alive = [each for each in self.orders.values() if each.state not in FINAL]
        if alive and self.chance.random() < 0.3:
            held = self.chance.choice(alive)
            held.filled, held.fills = held.filled + 1, held.fills + 1
            held.state = "filled" if held.filled == 2 else "partly_filled"
            self._tell(held)

    def _order(self, held: Held) -> dict[str, Any]:
        return {"order": {
            "client_id": held.client_id, "venue_id": f"v{held.client_id}", "state": held.state, "size": "2",
            "price": held.price, "filled": str(held.filled), "at": self._now_ns(),
        }}  # fmt: skip

    def _tell(self, held: Held) -> None:
        if self.streams and not self.streams[-1].closed:
            self.streams[-1].say(told(**self._order(held)))

    def _now_ns(self) -> int:
        return START_NS + round((self.clock.now() + self.off_s) * 1e9)


def _said(body: Any, status: int = 200) -> Response:
    return Response(status, {}, json.dumps(body).encode())
