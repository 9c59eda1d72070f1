"""OCO and brackets: orders of which one ends the others, and of which at most one is ever on its way to a fill. Pure.

Where the venue takes a limit and a stop as one list, they rest there, and it ends the one as it fills the other. Else a
stop of a group waits with us: what one order fills, the others lose, and a stop whose price has come is sent once it is
certain that nothing else of the group can be filled any more.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec.structs import replace

from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import Intent, Order
from tapeline.trading.placing import Placing
from tapeline.trading.situation import Situation
from tapeline.trading.waiting import Waiter

LOOK_NS, MOST_LOOK_NS = 200_000_000, 10_000_000_000
REFUSED_NS, MOST_REFUSED_NS = 500_000_000, 30_000_000_000  # a cancel that the venue refuses is sent again: ever later


class _Group:
    __slots__ = ("cancels", "entry", "members", "sent", "size", "stood_in")

    def __init__(self, entry: str, size: Decimal) -> None:
        self.entry = entry  # the client id of a bracket's entry, "" for an OCO
        self.size = size
        self.members: list[str] = []
        self.sent: dict[str, Decimal] = {}  # of what waited here: the size it was sent with
        self.stood_in: set[str] = set()  # those that another waits in the place of
        self.cancels: dict[str, tuple[int, int]] = {}  # of those that were cancelled: not again before, and how long


class Linked:
    """Every group, by the name that the intents of its orders carry."""

    def __init__(self, situation: Situation, placing: Placing) -> None:
        self._s, self._placing = situation, placing
        self._groups: dict[str, _Group] = {}

    def place_oco(self, intents: Sequence[Intent], refused: str) -> list[Order]:
        """A limit, sent at once, and a stop that waits, here or with it. Where one is refused, so is the other."""
        limit, stop = intents
        name = self._s.blotter.next_id(stop.strategy)
        if self._rests_as_list(limit, stop):
            post_only = replace(limit, group=name, post_only=True)
            orders = self._placing.place_list(name, [post_only, replace(stop, group=name)], refused)
            if not any(each.final for each in orders):
                self._listed(name, orders)
            return orders
        rests = self._rests_alone(stop)
        waits = self._placing.place(replace(stop, group=name), held=not rests, refused=refused)
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
        limit = replace(
            entry, kind="limit", side="sell" if entry.side == "buy" else "buy", price=take_profit, reduce_only=True
        )
        halves = (limit, replace(limit, kind="stop", price=None, stop_price=stop))
        for each in () if refused else halves:  # first: an entry at the market could not be taken back
            why = self._placing.impossible(each)
            refused = refused or (why and f"its {'stop' if each is not limit else 'take-profit'} could not be: {why}")
        name = self._s.blotter.next_id(entry.strategy)
        order = self._placing.place(replace(entry, group=name), refused=refused)
        if order.final:
            return order
        group = self._groups[name] = _Group(order.client_id, order.size or ZERO)
        for each in halves:
            named = replace(each, group=name, account=order.intent.account, size=order.size)
            group.members.append(self._placing.place(named, held=True, after=order.client_id).client_id)
        return self._order(order.client_id)

    def restore(self, order: Order, after: str) -> None:
        """After a restart: an order that is of a group; `after` is its entry, where it waits for one."""
        name = order.intent.group
        if name in self._groups:
            return
        every = self._s.blotter.group(name)
        closing = [each for each in every if each.intent.reduce_only] or every
        entry = next((each.client_id for each in every if each.intent.side != closing[0].intent.side), after)
        group = self._groups[name] = _Group(entry, ZERO)
        for each in every:
            if each.client_id != entry:
                group.members.append(each.client_id)
                group.size = max(group.size, each.intent.size or ZERO)
        if entry and self._order(entry).final:
            self._look_again(name, LOOK_NS)

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
        self._stand_in(group)
        if self._over(group):
            del self._groups[order.intent.group]

    def cancelled(self, client_id: str) -> None:
        """A strategy cancels one of a group: the others go with it."""
        if self._s.blotter.forgotten(client_id):
            return
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

    # ---- lists of the venue --------------------------------------------------------------------------------------

    def _rests_as_list(self, limit: Intent, stop: Intent) -> bool:
        """Whether the venue takes both at once: it has lists, and as we see it, neither price has come."""
        s = self._s
        venue = s.setup.account_of(limit.instrument, limit.account).venue
        sight = s.sight(limit.instrument)
        if not s.setup.able(venue).lists or sight.instrument is None or sight.instrument.kind != "spot":
            return False
        bid, ask = sight.best()
        sells = limit.side == "sell"
        seen = [price for price in (sight.last, bid if sells else ask) if price is not None]
        if not seen or limit.price is None or stop.stop_price is None:
            return False
        if sells:
            return stop.stop_price < min(seen) and max(seen) < limit.price
        return limit.price < min(seen) and max(seen) < stop.stop_price

    def _rests_alone(self, stop: Intent) -> bool:
        """Whether the venue watches this stop though a limit rests beside it: neither turns a position there."""
        s = self._s
        sight = s.sight(stop.instrument)
        able = s.setup.able(s.setup.account_of(stop.instrument, stop.account).venue)
        derivative = sight.instrument is not None and sight.instrument.kind != "spot"
        price = sight.last if sight.last is not None else sight.price()
        if not (derivative and stop.reduce_only and stop.kind in able.kinds) or None in (price, stop.stop_price):
            return False
        assert price is not None, "looked at above"
        assert stop.stop_price is not None, "looked at above"
        return stop.stop_price < price if stop.side == "sell" else price < stop.stop_price

    def _listed(self, name: str, orders: Sequence[Order]) -> None:
        group = self._groups[name] = _Group("", orders[0].size or ZERO)
        group.members += [each.client_id for each in orders]

    def _stand_in(self, group: _Group) -> None:
        """What the venue does not keep any more, and still is to protect: the same waits with us then.

        That is the stop of a list whose limit was filled in part, and what of a bracket it has refused.
        """
        left = self._left(group)
        for order in [self._order(each) for each in group.members] if left > ZERO else ():
            if order.client_id in group.stood_in or order.client_id in self._s.waiters or not self._lost(group, order):
                continue
            again = self._placing.place(replace(order.intent, size=left), held=True, after=group.entry)
            group.members.append(again.client_id)
            group.stood_in |= {order.client_id, again.client_id}

    def _lost(self, group: _Group, order: Order) -> bool:
        """Whether the venue has ended this one, and what it was for goes on."""
        if order.reason == "reduce_only":
            return False  # there is nothing left to protect
        tied = self._s.blotter.lists.others(order.client_id)
        if tied and order.state == "expired":
            if any(each.state == "partly_filled" and not each.asked for each in tied):
                return not order.filled
            return bool(group.entry) and all(each.final and not each.filled for each in (order, *tied))
        refused = order.state in {"rejected", "never_arrived"}
        return bool(group.entry) and (refused or (order.state == "expired" and order.intent.kind == "stop"))

    # ---- within --------------------------------------------------------------------------------------------------

    def _entry_changed(self, group: _Group, entry: Order, left: Decimal, again_ns: int = LOOK_NS) -> None:
        if not entry.final:
            return
        if left <= ZERO:
            self._end(group)
            return
        waiting = [waiter for each in group.members if (waiter := self._s.waiters.find(each)) is not None]
        if any(waiter.fired for waiter in waiting):
            return
        limit = next((waiter for waiter in waiting if waiter.intent.kind == "limit"), None)
        stop = next((waiter for waiter in waiting if waiter.intent.kind == "stop"), None)
        seen = self._s.sight(entry.intent.instrument)
        if limit is not None and (
            not self._placing.funded(limit, left) or (seen.last is None and seen.price() is None)
        ):
            self._look_again(entry.intent.group, again_ns)
            return
        if limit is not None and stop is not None and self._rests_as_list(limit.intent, stop.intent):
            name = self._s.blotter.next_id(entry.intent.strategy)
            if self._placing.rest_as_list(name, [limit, stop], left):
                group.sent |= {limit.client_id: left, stop.client_id: left}
                return
        if stop is not None and self._rests_alone(stop.intent) and self._placing.rest(stop, left):
            group.sent[stop.client_id] = left
        if limit is not None:
            self._release(group, limit, left)

    def _fire(self, group: _Group) -> None:
        """Send what has fired, once nothing else of the group can be filled."""
        for each in group.members:
            waiter = self._s.waiters.find(each)
            if waiter is None or not waiter.fired:
                continue
            others = [name for name in (group.entry, *group.members) if name and name != each]
            alive = [name for name in others if name not in self._s.waiters and not self._order(name).final]
            for name in alive:
                self._cancel(group, name)
            if not alive:
                left = self._left(group)
                if left > ZERO:
                    self._release(group, waiter, left)
                else:
                    self._placing.cancel(each)
            return

    def _look_again(self, name: str, wait_ns: int) -> None:
        """Of a bracket whose entry is over, and of which something has to be known before it can rest at the venue."""

        def look() -> None:
            group = self._groups.get(name)
            if group is not None:
                again_ns = min(2 * wait_ns, MOST_LOOK_NS)
                self._entry_changed(group, self._order(group.entry), self._left(group), again_ns)

        self._s.alarms.set(self._s.now_ns + wait_ns, "", look)

    def _release(self, group: _Group, waiter: Waiter, size: Decimal) -> None:
        group.sent[waiter.client_id] = size
        self._placing.release(waiter, size)

    def _end(self, group: _Group) -> None:
        """Nothing is left to do: what may still be filled is cancelled."""
        for each in group.members:
            order = self._order(each)
            if any(other.filled for other in self._s.blotter.lists.others(each)):
                continue  # the venue has ended it
            size = group.sent.get(each, order.size)
            if size is None or order.filled < size:
                self._cancel(group, each)

    def _cancel(self, group: _Group, client_id: str) -> None:
        """Cancel one; where the venue refuses that, again for as long as it has to go, and each time later."""
        s, order = self._s, self._order(client_id)
        if order.final or order.asked == "cancel" or client_id in s.waiters:
            self._placing.cancel(client_id)
            return
        due_ns, wait_ns = group.cancels.get(client_id, (0, REFUSED_NS))
        if s.now_ns < due_ns:
            return

        def look() -> None:
            found = s.blotter.order(client_id)
            if found is not None and not found.final and found.asked != "cancel":
                self.changed(found)

        s.alarms.set(s.now_ns + wait_ns, "", look)
        group.cancels[client_id] = s.now_ns + wait_ns, min(2 * wait_ns, MOST_REFUSED_NS)
        self._placing.cancel(client_id)

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
