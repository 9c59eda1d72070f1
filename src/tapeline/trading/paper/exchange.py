"""A paper exchange: accounts, orders and their rules over the markets of several instruments. Pure and exact.

Time comes as an argument. What happens to an account is told as account events in the order a venue sends them: an
order's acceptance, then for each fill the `Fill`, the `OrderUpdate` that counts it, and the balances and positions it
changed. A refusal is an `OrderRefused`, and changes nothing.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from tapeline.errors import OrderRefused
from tapeline.model.account import AccountEvent, AccountMode, Balance, Fill, ListUpdate, OrderUpdate, Payment, Position
from tapeline.model.event import Event, Funding, Mark, Status, Trade
from tapeline.model.number import ZERO, plain
from tapeline.model.order import Intent
from tapeline.trading.paper import statements
from tapeline.trading.paper.admission import admit, fits, in_band, may_hold, on_grid, paired, reduces
from tapeline.trading.paper.affording import check_funds, funds_of, spend_of, takes_of
from tapeline.trading.paper.booking import cost, needed, relock, total_of
from tapeline.trading.paper.floor import Floor
from tapeline.trading.paper.funds import Account, Listing, Working
from tapeline.trading.paper.matching import Matcher
from tapeline.trading.paper.outcome import Hit, Lapsed, Triggered


class Exchange(Floor):
    """One venue on paper. What acts returns what came of it; `Floor` is its inner half."""

    # ---- accounts

    def open_account(
        self, name: str, balances: Mapping[str, Decimal], *, hedge: bool = False, may_trade: bool = True
    ) -> None:
        """A new account with these balances; `hedge`: it holds long and short positions apart."""
        assert name not in self._accounts, f"there is an account {name} already"
        self._accounts[name] = Account(name, balances, hedge=hedge, may_trade=may_trade)

    def set_leverage(self, account: str, instrument: str, leverage: Decimal) -> None:
        """Of new margin for this instrument. Raises OrderRefused."""
        if leverage < 1:
            raise OrderRefused(f"a leverage of {plain(leverage)} is less than 1", reason="parameter")
        self.account(account).leverage[instrument] = leverage

    def set_mode(self, account: str, *, hedge: bool) -> None:
        """One-way or hedge. Raises OrderRefused while there are positions or orders."""
        found = self.account(account)
        if hedge is not found.hedge and (found.open or any(stake.size for stake in found.stakes.values())):
            raise OrderRefused("the mode is changed without positions and orders only", reason="position_mode")
        found.hedge = hedge

    def transfer(self, account: str, currency: str, amount: Decimal, now_ns: int) -> list[AccountEvent]:
        """Put this in, or take it out where it is negative. Raises OrderRefused where it is not there."""
        found = self.account(account)
        if amount < 0 and self.margin.free(found, currency) < amount.copy_negate():
            raise OrderRefused(f"{account} has less than {plain(amount.copy_negate())} {currency}", reason="balance")
        self._now_ns = now_ns
        self._pay(found, None, currency, amount, "transfer")
        return self._told()

    # ---- time and market

    def advance(self, now_ns: int) -> list[AccountEvent]:
        """Do what is due by now."""
        self._due(now_ns)
        return self._told()

    def next_ns(self) -> int | None:
        """When `advance` next has something to do; None where nothing is planned."""
        return self._timers.next_ns()

    def market(self, event: Event, now_ns: int) -> list[AccountEvent]:
        """Take an event of the market; what is due comes first."""
        self._due(now_ns)
        name = event.instrument
        if name is None or name not in self.instruments:
            return self._told()
        matcher = self.matcher(name)
        for outcome in matcher.market(event):
            order = self._working.get(outcome.ticket.name)
            assert order is not None, f"the matcher holds {outcome.ticket.name}, the exchange does not"
            match outcome:
                case Hit(ticket, price, size, liquidity):
                    if order.size is None:  # it said what to spend, and now has found what for
                        order.size = total_of([order.filled, size, ticket.left])
                    self._filled(order, price, size, liquidity)
                case Triggered():
                    self._decided(order)
                    self._enter(order)
                case Lapsed():
                    self._finish(order, "expired", "not_fillable", "nothing to take at its price")
        self._learn(name, event)
        return self._told()

    def _learn(self, name: str, event: Event) -> None:
        """What an event says beside its price: marks, funding, status. A new price may call margin."""
        match event:
            case Mark():
                self._marks[name] = event.price
            case Funding():
                self._timers.funding(event, self._now_ns)
            case Status():
                self._status[name] = event.status
        if self.instruments[name].kind != "spot" and isinstance(event, Trade if name not in self._marks else Mark):
            self._call_margin(name)

    # ---- orders

    def place(self, account: str, client_id: str, intent: Intent, now_ns: int) -> list[AccountEvent]:
        """A new order; "" for `client_id` gives it one. Raises OrderRefused."""
        order = self._examined(self.account(account), client_id, intent, now_ns)
        self._check_funds(order)
        self._now_ns = now_ns
        self._accept(order)
        self._begin(order)
        return self._told()

    def place_list(
        self, account: str, client_id: str, legs: Sequence[tuple[str, Intent]], now_ns: int
    ) -> list[AccountEvent]:
        """Two orders (client id, intent) of which one ends the other; both or none. Raises OrderRefused."""
        owner = self.account(account)
        client_id = client_id or f"list{self._lists + 1}"
        known = owner.lists.get(client_id)
        if known is not None and not (known.final and self.rules.reuse_ids):
            raise OrderRefused(f"there is a list {client_id!r} already", reason="duplicate")
        paired(legs, self._instrument(legs[0][1].instrument))
        orders = [self._examined(owner, name, intent, now_ns, at) for at, (name, intent) in enumerate(legs, 1)]
        dearest = max(orders, key=lambda one: needed(one, self.fees))
        self._check_funds(dearest)
        self._now_ns, self._lists = now_ns, self._lists + 1
        listing = owner.lists[client_id] = Listing(client_id, str(self._lists), orders)
        for order in orders:
            order.listing = listing
            self._accept(order)
        self._out.append(listing.update(now_ns))
        for order in orders:
            if not order.final:  # one that takes at once ends the other
                self._begin(order)
        return self._told()

    def _examined(self, owner: Account, client_id: str, intent: Intent, now_ns: int, nth: int = 1) -> Working:
        """An order as it would be taken, its funds aside. Raises OrderRefused."""
        instrument = self._instrument(intent.instrument)
        if not owner.may_trade:
            raise OrderRefused(f"account {owner.name} may not trade", reason="permission")
        matcher = self.matcher(instrument.id)
        client_id = client_id or f"auto{self._numbers + nth}"
        known = owner.orders.get(client_id)
        if known is not None and not (known.final and self.rules.reuse_ids):
            raise OrderRefused(f"there is an order {client_id!r} already", reason="duplicate")
        market = matcher.price(intent.side)
        admit(intent, instrument, self._status.get(instrument.id, instrument.status), market, now_ns)
        may_hold(intent, instrument, owner)
        if intent.size is not None and self.rules.max_size is not None and intent.size > self.rules.max_size:
            raise OrderRefused(f"more than {plain(self.rules.max_size)} at once", reason="max_size")
        if sum(one.instrument.id == instrument.id for one in owner.open.values()) >= self.rules.most_open:
            raise OrderRefused(f"{self.rules.most_open} orders are open already", reason="too_many_orders")
        order = Working(owner, client_id, intent, instrument, self._numbers + nth)
        order.placed_ns = order.updated_ns = now_ns
        order.ticket = order.as_ticket()
        self._check_market(order, matcher)
        return order

    def _begin(self, order: Working) -> None:
        """Of an order that is accepted: aside, or into the market."""
        ticket = order.ticket
        assert ticket is not None, "an accepted order has a ticket"
        if ticket.trigger is not None or ticket.trail is not None:
            self.matcher(order.instrument.id).wait(ticket)
        else:
            self._enter(order)

    def amend(
        self, account: str, client_id: str, size: Decimal | None, price: Decimal | None, now_ns: int
    ) -> list[AccountEvent]:
        """Change the total size (filled part included) or the price; None leaves it. Raises OrderRefused.

        A smaller size at the same price keeps the place in the queue; anything else goes to its end.
        """
        order = self.account(account).working(client_id)
        assert order.ticket is not None, "an accepted order has a ticket"
        matcher = self.matcher(order.instrument.id)
        if order.listing is not None:
            raise OrderRefused("an order of a list is not amended", reason="unsupported")
        new_size = order.size if size is None else size
        new_price = order.price if price is None else price
        if order.price is None or new_size is None or new_price is None:
            raise OrderRefused("only an order with a price is amended", reason="unsupported")
        listed = self._instrument(order.instrument.id)  # as it is now
        on_grid(listed, "price", new_price, listed.tick, "tick")
        on_grid(listed, "size", new_size, listed.lot, "lot")
        fits(listed, new_size, new_price, reduces=reduces(order.intent))
        if new_size <= order.filled:
            raise OrderRefused(f"{plain(order.filled)} of it are filled already", reason="already_final")
        in_band(order.intent.side, new_price, matcher.price(order.intent.side), self.rules.price_band)
        if order.intent.post_only and new_price != order.price and matcher.crosses(order.intent.side, new_price):
            raise OrderRefused("it would take at this price, and is to rest", reason="would_cross")
        stays = new_price == order.price and new_size <= (order.size or ZERO)
        old = order.size, order.price
        order.size, order.price = new_size, new_price
        try:
            if not stays:
                self._check_funds(order)
        except OrderRefused:
            order.size, order.price = old
            raise
        self._now_ns = now_ns
        self._amended(order, stays=stays)
        return self._told()

    def cancel(self, account: str, client_id: str, now_ns: int) -> list[AccountEvent]:
        """One order, and with it those of its list. Raises OrderRefused where nothing of it is left."""
        self._gone(self.account(account).working(client_id), "cancelled", "", now_ns)
        return self._told()

    def end(self, account: str, client_id: str, now_ns: int) -> list[AccountEvent]:
        """The venue ends an order by itself, as by its self-trade prevention. Raises OrderRefused as `cancel`."""
        self._gone(self.account(account).working(client_id), "expired", "the venue has ended it", now_ns)
        return self._told()

    def cancel_list(self, account: str, client_id: str, list_id: str, now_ns: int) -> list[AccountEvent]:
        """All orders of a list, named by either of its ids. Raises OrderRefused."""
        listing = self.account(account).listing(client_id, list_id)
        alive = [each for each in listing.orders if not each.final]
        if not alive:
            raise OrderRefused(f"list {listing.client_id!r} is over", reason="already_final")
        return self.cancel(account, alive[0].client_id, now_ns)

    def cancel_all(self, account: str, instrument: str | None, now_ns: int) -> list[AccountEvent]:
        """Every open order, or those of one instrument, oldest first."""
        self._now_ns = now_ns
        self._cancel_all(self.account(account), instrument, "")
        return self._told()

    def dead_man(self, account: str, instrument: str | None, at_ns: int | None) -> list[AccountEvent]:
        """Cancel all at this time, unless it is renewed; None takes it away."""
        self.account(account)
        self._timers.dead_man(account, instrument, at_ns)
        return []

    # ---- statements

    def order(self, account: str, client_id: str = "", venue_id: str = "") -> OrderUpdate:
        """One order, as it is now, by either of its names. Raises OrderRefused where there is none."""
        owner = self.account(account)
        found = owner.orders.get(client_id or owner.clients.get(venue_id, ""))
        if found is None:
            raise OrderRefused(f"{account} has no order {client_id or venue_id!r}", reason="unknown_order")
        return found.update(self._now_ns)

    def open_orders(self, account: str, instrument: str | None = None) -> list[OrderUpdate]:
        """Those that are not final, oldest first."""
        return statements.open_orders(self.account(account), instrument, self._now_ns)

    def orders(self, account: str, instrument: str | None = None) -> list[OrderUpdate]:
        """All that ever were, oldest first."""
        return statements.orders(self.account(account), instrument, self._now_ns)

    def lists(self, account: str) -> list[ListUpdate]:
        """All order lists that ever were, oldest first."""
        return [each.update(self._now_ns) for each in self.account(account).lists.values()]

    def fills(
        self, account: str, instrument: str | None = None, *, after_id: str = "", from_ns: int | None = None,
        to_ns: int | None = None, venue_id: str = "", limit: int | None = None,
    ) -> list[Fill]:  # fmt: skip
        """Oldest first, of [from_ns, to_ns): with `limit` the oldest after a start, else the newest."""
        wanted = statements.Wanted(instrument, after_id, from_ns, to_ns, venue_id, limit)
        return statements.fills(self.account(account), wanted)

    def balances(self, account: str) -> list[Balance]:
        """Every currency it ever had."""
        return statements.balances(self.account(account), self.margin, self._now_ns)

    def positions(self, account: str, instrument: str | None = None) -> list[Position]:
        """Those that are not flat."""
        return statements.positions(self.account(account), instrument, self.margin, self._now_ns)

    def payments(self, account: str, *, from_ns: int | None = None, to_ns: int | None = None) -> list[Payment]:
        """Funding, transfers and liquidations of [from_ns, to_ns), oldest first."""
        return statements.payments(self.account(account), from_ns, to_ns)

    def mode(self, account: str) -> AccountMode:
        """How the account is set up."""
        return statements.mode(self.account(account), self._now_ns)

    # ---- life of an order

    def _check_market(self, order: Working, matcher: Matcher) -> None:
        """Refuse what the market as it is does not allow."""
        intent, ticket = order.intent, order.ticket
        assert ticket is not None, "made with the order"
        market = matcher.price(intent.side)
        if order.price is not None:
            in_band(intent.side, order.price, market, self.rules.price_band)
            if intent.post_only and matcher.crosses(intent.side, order.price):
                raise OrderRefused(f"it would take at {plain(order.price)}, and is to rest", reason="would_cross")
        if ticket.trigger is not None and matcher.would_trigger(ticket):
            raise OrderRefused(f"{plain(ticket.trigger)} is reached already", reason="would_trigger")
        if intent.kind == "market" and not matcher.deferred and not takes_of(order, matcher, self.fees):
            raise OrderRefused(f"nothing is offered in {order.instrument.id}", reason="not_fillable")

    def _check_funds(self, order: Working) -> None:
        """Refuse what the account cannot pay or bear."""
        check_funds(order, self.matcher(order.instrument.id), self.fees, self.margin)

    def _enter(self, order: Working) -> None:
        """Into the market: take what can be taken, rest with what is left, or go."""
        matcher, ticket = self.matcher(order.instrument.id), order.ticket
        assert ticket is not None, "an accepted order has a ticket"
        ticket.trigger = ticket.trail = None
        if matcher.deferred:
            ticket.left, ticket.spend = order.left, spend_of(order, self.fees)
            matcher.rest(ticket)
            if order.intent.post_only:  # it never takes: the way to the next open meets it where it rests
                ticket.fresh = False
            return
        takes = takes_of(order, matcher, self.fees)
        total = total_of([size for _, size in takes])
        if order.intent.time_in_force == "fok" and total < order.left:
            self._finish(order, "expired", "not_fillable", "not all of it could be filled at once")
            return
        if order.instrument.kind == "spot" and funds_of(order, self.margin) < cost(order, takes, self.fees):
            self._finish(order, "expired", "balance", "the funds are gone")
            return
        matcher.take(order.intent.side, takes)
        if order.size is None and matcher.offers(order.intent.side):
            order.size = total  # the rest of the money buys no lot
        for price, size in takes:
            if not order.final:
                self._filled(order, price, size, "taker")
        if order.final:
            return
        if ticket.brief:
            order.size = order.filled if order.size is None else order.size
            self._finish(order, "expired", "not_fillable", "no more was offered at its price")
        else:
            ticket.left = order.left
            matcher.rest(ticket)

    def _amended(self, order: Working, *, stays: bool) -> None:
        matcher, ticket = self.matcher(order.instrument.id), order.ticket
        assert ticket is not None, "an accepted order has a ticket"
        waits, order.updated_ns = order.waits, self._now_ns
        ticket.left, ticket.price = order.left, order.price
        relock(order, self.fees)
        self._out.append(order.update(self._now_ns))
        self._settle(order.account)
        if waits or stays:
            return
        matcher.remove(ticket)
        self._numbers += 1
        ticket.number = self._numbers
        self._enter(order)
