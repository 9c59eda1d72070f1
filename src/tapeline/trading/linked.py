"""OCO and brackets: orders of which one ends the others, and of which at most one is ever on its way to a fill. Pure.

A stop of a group waits with us, whatever the venue could do. What one order fills, the others lose. A stop whose price
has come is sent once it is certain that nothing else of the group can be filled any more: until then it waits.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import Intent, Order
from tapeline.trading.placing import Placing
from tapeline.trading.situation import Situation
from tapeline.trading.waiting import Waiter


class _Group:
    __slots__ = ("entry", "members", "sent", "size")

    def __init__(self, entry: str, size: Decimal) -> None:
        self.entry = entry  # the client id of a bracket's entry, "" for an OCO
        self.size = size
        self.members: list[str] = []
        self.sent: dict[str, Decimal] = {}  # of what waited here: the size it was sent with


class Linked:
    """Every group, by the name that the intents of its orders carry."""

    def __init__(self, situation: Situation, placing: Placing) -> None:
        self._s, self._placing = situation, placing
        self._groups: dict[str, _Group] = {}

    def place_oco(self, intents: Sequence[Intent], refused: str) -> list[Order]:
        """A limit, sent at once, and a stop that waits. Where one is refused, so is the other."""
        limit, stop = intents
        name = self._s.blotter.next_id(stop.strategy)
        waits = self._placing.place(replace(stop, group=name), held=True, refused=refused)
        if waits.final:
            return [waits, waits]
        group = self._groups[name] = _Group("", waits.size or ZERO)
        group.members.append(waits.client_id)
        placed = self._placing.place(replace(limit, group=name), refused=refused)
        group.members.insert(0, placed.client_id)
        if placed.final:
            self._placing.cancel(waits.client_id)
        return [placed, self._order(waits.client_id)]

    def place_bracket(self, entry: Intent, take_profit: Decimal, stop: Decimal, refused: str) -> Order:
        """An entry, and two orders that wait for its fills. Where one of them could not be, nothing is sent."""
        name = self._s.blotter.next_id(entry.strategy)
        order = self._placing.place(replace(entry, group=name), refused=refused)
        if order.final:
            return order
        group = self._groups[name] = _Group(order.client_id, order.size or ZERO)
        closing = replace(
            order.intent, side="sell" if entry.side == "buy" else "buy", reduce_only=True, time_in_force="gtc",
            expires_ns=None, post_only=False, quote_size=None, size=order.size,
        )  # fmt: skip
        for intent in (
            replace(closing, kind="limit", price=take_profit, stop_price=None),
            replace(closing, kind="stop", price=None, stop_price=stop),
        ):
            member = self._placing.place(intent, held=True, after=order.client_id)
            group.members.append(member.client_id)
            if member.final:
                self.cancelled(order.client_id)
                self._placing.cancel(order.client_id)
                break
        return self._order(order.client_id)

    def restore(self, order: Order, after: str) -> None:
        """After a restart: an order that is of a group; `after` is its entry, where it waits for one."""
        group = self._groups.setdefault(order.intent.group, _Group("", ZERO))
        group.size = max(group.size, order.intent.size or ZERO)
        if after:
            group.entry = after
        if order.client_id not in group.members:
            group.members.append(order.client_id)
        group.members = [each for each in group.members if each != group.entry]

    def changed(self, order: Order) -> None:
        """An order is not what it was: see to its group."""
        group = self._groups.get(order.intent.group)
        if group is None:
            return
        left = self._left(group)
        if order.client_id == group.entry:
            self._entry_changed(group, order, left)
        elif left <= ZERO and (not group.entry or self._order(group.entry).final):
            self._end(group)
        self._fire(group)
        if self._over(group):
            del self._groups[order.intent.group]

    def cancelled(self, client_id: str) -> None:
        """A strategy cancels one of a group: the others go with it."""
        order = self._order(client_id)
        group = self._groups.get(order.intent.group)
        if group is None:
            return
        if client_id == group.entry and order.filled:
            return  # what was filled stays protected
        for each in group.members:
            if each != client_id:
                self._placing.cancel(each)

    def touched(self, waiter: Waiter) -> None:
        """The price has come that this one waits for."""
        group = self._groups.get(waiter.intent.group)
        if group is None:
            self._placing.release(waiter, waiter.intent.size)
        elif not group.entry or self._order(group.entry).filled:
            waiter.fired = True
            self._fire(group)
        else:
            waiter.best = None  # there is nothing to protect yet

    # ---- within --------------------------------------------------------------------------------------------------

    def _entry_changed(self, group: _Group, entry: Order, left: Decimal) -> None:
        if not entry.final:
            return
        if left <= ZERO:
            self._end(group)
            return
        waiting = [waiter for each in group.members if (waiter := self._s.waiters.find(each)) is not None]
        if any(waiter.fired for waiter in waiting):
            return
        for waiter in waiting:
            if waiter.intent.kind == "limit":
                self._release(group, waiter, left)

    def _fire(self, group: _Group) -> None:
        """Send what has fired, once nothing else of the group can be filled."""
        for each in group.members:
            waiter = self._s.waiters.find(each)
            if waiter is None or not waiter.fired:
                continue
            others = [name for name in (group.entry, *group.members) if name and name != each]
            alive = [name for name in others if name not in self._s.waiters and not self._order(name).final]
            for name in alive:
                self._placing.cancel(name)
            if not alive:
                left = self._left(group)
                if left > ZERO:
                    self._release(group, waiter, left)
                else:
                    self._placing.cancel(each)
            return

    def _release(self, group: _Group, waiter: Waiter, size: Decimal) -> None:
        group.sent[waiter.client_id] = size
        self._placing.release(waiter, size)

    def _end(self, group: _Group) -> None:
        """Nothing is left to do: what may still be filled is cancelled."""
        for each in group.members:
            order = self._order(each)
            size = group.sent.get(each, order.size)
            if size is None or order.filled < size:
                self._placing.cancel(each)

    def _left(self, group: _Group) -> Decimal:
        """What is still to be closed, or filled."""
        left = self._order(group.entry).filled if group.entry else group.size
        for each in group.members:
            left = EXACT.subtract(left, self._order(each).filled)
        return left

    def _over(self, group: _Group) -> bool:
        return all(self._order(each).final for each in (group.entry, *group.members) if each)

    def _order(self, client_id: str) -> Order:
        order = self._s.blotter.order(client_id)
        assert order is not None, f"{client_id} is of a group"
        return order
