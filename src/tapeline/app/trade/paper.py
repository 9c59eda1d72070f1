"""A paper venue at a distance: commands reach it, and its answers us, after a latency in event time. No I/O."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tapeline.errors import Broken, OrderRefused
from tapeline.model.account import AccountEvent
from tapeline.model.event import Event
from tapeline.trading.command import Amend, Cancel, CancelAll, Command, Submit, SubmitList
from tapeline.trading.input import Failed, Sent
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange

NEVER = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long a command takes to the venue, and its answer back."""

    send_ns: int = 0
    answer_ns: int = 0


class PaperVenue:
    """One exchange and the way to it. Give it the market by `market`, commands by `execute`; `answers` come back.

    Everything happens at its own time: call `advance` for every time before giving it what happens then.
    """

    def __init__(self, exchange: Exchange, blotter: Blotter, latency: Latency | None = None) -> None:
        self.exchange = exchange
        self._blotter = blotter  # only to know whose account an order is of
        self._latency = latency or Latency()
        self._arriving: list[tuple[int, int, Command]] = []
        self._coming: list[tuple[int, int, Any]] = []
        self._number = 0
        self.due_ns = NEVER
        self._actions: dict[type, Callable[[Any, int], list[AccountEvent]]] = {
            Submit: self._place, SubmitList: self._place_list, Amend: self._amend, Cancel: self._cancel,
            CancelAll: self._cancel_all,
        }  # fmt: skip

    def execute(self, command: Command, now_ns: int) -> Sequence[Sent]:
        """Send a command on its way; what we know of it at once."""
        self._push(self._arriving, now_ns + self._latency.send_ns, command)
        match command:
            case Submit(order):
                return (Sent(order.client_id, "submit", now_ns),)
            case SubmitList(_, orders):
                return tuple(Sent(each.client_id, "submit", now_ns) for each in orders)
            case Amend(client_id):
                return (Sent(client_id, "amend", now_ns),)
            case Cancel(client_id):
                return (Sent(client_id, "cancel", now_ns),)
            case CancelAll():
                return ()
        raise Broken(f"{type(command).__name__} is no command for a venue")

    def market(self, event: Event, now_ns: int) -> None:
        """The venue's market moves."""
        told = self.exchange.market(event, now_ns)
        if told:
            self._answer(told, now_ns)

    def advance(self, now_ns: int) -> list[tuple[int, Any]]:
        """All that has come back by now, each with the time when it did, in order."""
        while self._arriving and self._arriving[0][0] <= now_ns:
            at_ns, _, command = heapq.heappop(self._arriving)
            self._settle(at_ns)
            self._arrive(command, at_ns)
        self._settle(now_ns)
        back = []
        while self._coming and self._coming[0][0] <= now_ns:
            at_ns, _, event = heapq.heappop(self._coming)
            back.append((at_ns, event))
        self._due()
        return back

    # ---- within --------------------------------------------------------------------------------------------------

    def _settle(self, now_ns: int) -> None:
        """What the exchange does by itself by then: an order expires, funding is paid."""
        while (due_ns := self.exchange.next_ns()) is not None and due_ns <= now_ns:
            self._answer(self.exchange.advance(due_ns), due_ns)

    def _arrive(self, command: Command, at_ns: int) -> None:
        try:
            self._answer(self._actions[type(command)](command, at_ns), at_ns)
        except OrderRefused as refused:
            names, what = _named(command)
            failed = [Failed(each, what, "refused", at_ns, str(refused), refused.reason) for each in names]
            self._answer(failed, at_ns)

    def _place(self, command: Submit, at_ns: int) -> list[AccountEvent]:
        order = command.order
        return self.exchange.place(order.intent.account, order.client_id, order.intent, at_ns)

    def _place_list(self, command: SubmitList, at_ns: int) -> list[AccountEvent]:
        legs = [(each.client_id, each.intent) for each in command.orders]
        return self.exchange.place_list(command.orders[0].intent.account, command.client_id, legs, at_ns)

    def _amend(self, command: Amend, at_ns: int) -> list[AccountEvent]:
        return self.exchange.amend(
            self._account(command.client_id), command.client_id, command.size, command.price, at_ns
        )

    def _cancel(self, command: Cancel, at_ns: int) -> list[AccountEvent]:
        return self.exchange.cancel(self._account(command.client_id), command.client_id, at_ns)

    def _cancel_all(self, command: CancelAll, at_ns: int) -> list[AccountEvent]:
        return self.exchange.cancel_all(command.account, command.instrument, at_ns)

    def _account(self, client_id: str) -> str:
        order = self._blotter.order(client_id)
        if order is None:
            raise OrderRefused(f"there is no order {client_id!r}", reason="unknown_order")
        return order.intent.account

    def _answer(self, events: Sequence[AccountEvent | Failed], at_ns: int) -> None:
        for event in events:
            self._push(self._coming, at_ns + self._latency.answer_ns, event)

    def _push(self, heap: list[Any], at_ns: int, what: Any) -> None:
        self._number += 1
        heapq.heappush(heap, (at_ns, self._number, what))
        self.due_ns = min(self.due_ns, at_ns)

    def _due(self) -> None:
        times = [heap[0][0] for heap in (self._arriving, self._coming) if heap]
        next_ns = self.exchange.next_ns()
        self.due_ns = min([*times, NEVER if next_ns is None else next_ns])


def _named(command: Command) -> tuple[Sequence[str], str]:
    match command:
        case Submit(order):
            return (order.client_id,), "submit"
        case SubmitList(_, orders):
            return [each.client_id for each in orders], "submit"
        case Amend(client_id):
            return (client_id,), "amend"
        case Cancel(client_id):
            return (client_id,), "cancel"
    raise Broken(f"the exchange refused {type(command).__name__}, which names no order")
