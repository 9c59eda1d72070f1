"""What an account of a paper exchange holds: wallets, positions, orders, and what became of them. Pure and exact."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal

from tapeline.errors import OrderRefused
from tapeline.model.account import Fill, ListUpdate, OrderUpdate, Payment
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.model.order import FINAL, Intent
from tapeline.trading.paper.ticket import Ticket

HASTY = frozenset({"ioc", "fok"})
_CENT = Decimal("1e-8")  # shares of a cost are rounded to this; what is rounded off stays with the rest
_SHOWN = Context(prec=16)  # an average price, which nothing is calculated from


class Wallet:
    """One currency. `locked` is what resting spot orders may still need of `total`."""

    __slots__ = ("locked", "total")

    def __init__(self, total: Decimal = ZERO) -> None:
        self.total = total
        self.locked = ZERO

    @property
    def free(self) -> Decimal:
        """What no spot order needs."""
        return EXACT.subtract(self.total, self.locked)


class Stake:
    """A position at average cost. `cost` is what its size was paid for: negative where it is short."""

    __slots__ = ("contract", "cost", "instrument", "position", "settle", "size")

    def __init__(self, instrument: Instrument, position: str) -> None:
        self.instrument = instrument.id
        self.contract = contract_of(instrument)
        self.settle = instrument.settle
        self.position = position
        self.size = ZERO
        self.cost = ZERO

    def trade(self, side: str, price: Decimal, size: Decimal) -> Decimal:
        """Take a fill; what it realised, without the fee. A part that turns the position begins a new one."""
        signed = size if side == "buy" else size.copy_negate()
        if not self.size or (self.size > 0) == (signed > 0):
            self._add(signed, price)
            return ZERO
        closed = min(size, self.size.copy_abs())
        whole = closed == self.size.copy_abs()
        share = self.cost if whole else self._share(closed)
        value = EXACT.multiply(EXACT.multiply(closed, self.contract), price)
        realised = EXACT.subtract(value if self.size > 0 else value.copy_negate(), share)
        self.size = EXACT.add(self.size, closed if side == "buy" else closed.copy_negate())
        self.cost = EXACT.subtract(self.cost, share)
        rest = EXACT.subtract(size, closed)
        if rest:
            self._add(rest if side == "buy" else rest.copy_negate(), price)
        return realised

    @property
    def entry_price(self) -> Decimal | None:
        """The average, to 16 digits; None without a position."""
        return _SHOWN.divide(self.cost, EXACT.multiply(self.size, self.contract)) if self.size else None

    def value(self, price: Decimal) -> Decimal:
        """What it is worth at this price, unsigned."""
        return EXACT.multiply(EXACT.multiply(self.size, self.contract), price).copy_abs()

    def unrealised(self, price: Decimal) -> Decimal:
        """What closing it at this price would realise."""
        return EXACT.subtract(EXACT.multiply(EXACT.multiply(self.size, self.contract), price), self.cost)

    def _add(self, signed: Decimal, price: Decimal) -> None:
        self.size = EXACT.add(self.size, signed)
        self.cost = EXACT.add(self.cost, EXACT.multiply(EXACT.multiply(signed, self.contract), price))

    def _share(self, closed: Decimal) -> Decimal:
        share = ROUNDING.divide(EXACT.multiply(self.cost, closed), self.size.copy_abs())
        return share.quantize(_CENT, context=ROUNDING)


class Working:
    """One order of an account, from its acceptance on."""

    __slots__ = (
        "account", "client_id", "filled", "instrument", "intent", "listing", "locked", "number", "origin", "placed_ns",
        "price", "reason", "size", "state", "ticket", "updated_ns", "value", "venue_id", "why",
    )  # fmt: skip

    def __init__(self, account: "Account", client_id: str, intent: Intent, instrument: Instrument, number: int) -> None:
        self.account = account
        self.client_id = client_id
        self.venue_id = str(number)
        self.number = number
        self.intent = intent
        self.instrument = instrument
        self.size = intent.size
        self.price = intent.price
        self.state = "open"
        self.filled = self.value = self.locked = ZERO
        self.why = self.reason = self.origin = ""
        self.placed_ns = self.updated_ns = 0
        self.ticket: Ticket | None = None
        self.listing: Listing | None = None

    def as_ticket(self) -> Ticket:
        """The same as the matcher takes it."""
        intent = self.intent
        ticket = Ticket(self.venue_id, self.number, intent.side, self.left, self.price)
        ticket.kind, ticket.trigger, ticket.trail = intent.kind, intent.stop_price, intent.trail
        ticket.brief = self.price is None or intent.time_in_force in HASTY
        return ticket

    @property
    def left(self) -> Decimal:
        """What is not filled; zero for an order that says what to spend."""
        return ZERO if self.size is None else EXACT.subtract(self.size, self.filled)

    @property
    def final(self) -> bool:
        """Whether nothing more can become of it."""
        return self.state in FINAL

    @property
    def over(self) -> bool:
        """Whether nothing more can become of it, nor of its list."""
        return self.final and (self.listing is None or self.listing.final)

    @property
    def waits(self) -> bool:
        """Whether its trigger has not come yet."""
        return self.ticket is not None and self.ticket.trigger is not None

    @property
    def triggered(self) -> bool:
        """Whether it waited for a price that has come."""
        ticket = self.ticket
        waiting = ticket is not None and not (ticket.trigger is None and ticket.trail is None)
        return self.intent.kind not in {"market", "limit"} and not waiting

    def update(self, now_ns: int) -> OrderUpdate:
        """Its state, as the venue tells it."""
        average = ROUNDING.divide(self.value, self.filled) if self.filled else None
        trigger = self.intent.stop_price
        return OrderUpdate(
            self.instrument.id, "orders", self.updated_ns, now_ns, "paper", self.account.name,
            client_id=self.client_id, venue_id=self.venue_id, state=self.state, side=self.intent.side,
            kind=self.intent.kind, size=self.size, price=self.price, stop_price=trigger, filled=self.filled,
            average=None if average is None else _SHOWN.plus(average), time_in_force=self.intent.time_in_force,
            post_only=self.intent.post_only, reduce_only=self.intent.reduce_only, position=self.intent.position,
            why=self.why, reason=self.reason, origin=self.origin, triggered=self.triggered,
            list_id="" if self.listing is None else self.listing.list_id,
        )  # fmt: skip


class Listing:
    """Two orders of which one ends the other. `taken` is the one that goes its way, once it does."""

    __slots__ = ("client_id", "list_id", "orders", "taken")

    def __init__(self, client_id: str, list_id: str, orders: Sequence[Working]) -> None:
        self.client_id, self.list_id, self.orders = client_id, list_id, tuple(orders)
        self.taken: Working | None = None

    @property
    def final(self) -> bool:
        """Whether nothing more can become of any of them."""
        return all(each.final for each in self.orders)

    @property
    def claiming(self) -> Sequence[Working]:
        """Those for which something has to be kept: one alone can be filled."""
        return [each for each in self.orders if not each.final and self.taken in (None, each)]

    def update(self, now_ns: int) -> ListUpdate:
        """Its state, as the venue tells it."""
        first = self.orders[0]
        at_ns = max(each.updated_ns for each in self.orders)
        return ListUpdate(
            first.instrument.id, "orders", at_ns, now_ns, "paper", first.account.name, list_id=self.list_id,
            client_id=self.client_id, state="done" if self.final else "open",
            orders=tuple((each.client_id, each.venue_id) for each in self.orders),
        )  # fmt: skip


class Account:
    """One account. Positions are there once something was traded; `open` holds the orders that are not final."""

    def __init__(self, name: str, balances: Mapping[str, Decimal], *, hedge: bool, may_trade: bool) -> None:
        self.name = name
        self.hedge = hedge
        self.may_trade = may_trade
        self.wallets = {currency: Wallet(total) for currency, total in balances.items()}
        self.stakes: dict[tuple[str, str], Stake] = {}
        self.leverage: dict[str, Decimal] = {}
        self.orders: dict[str, Working] = {}  # by client id
        self.open: dict[str, Working] = {}
        self.clients: dict[str, str] = {}  # client id by venue id
        self.lists: dict[str, Listing] = {}  # by the list's client id
        self.fills: list[Fill] = []
        self.payments: list[Payment] = []
        self.touched: dict[str, str] = {}  # currencies that changed, and why
        self.moved: dict[tuple[str, str], None] = {}  # positions that changed

    def wallet(self, currency: str) -> Wallet:
        """Of this currency; an empty one is made where there was none."""
        found = self.wallets.get(currency)
        if found is None:
            found = self.wallets[currency] = Wallet()
        return found

    def change(self, currency: str, amount: Decimal, reason: str) -> None:
        """Add this to the wallet."""
        wallet = self.wallet(currency)
        wallet.total = EXACT.add(wallet.total, amount)
        self.touched[currency] = reason

    def lock(self, order: Working, currency: str, amount: Decimal) -> None:
        """The order needs this much now, instead of what it needed."""
        if amount == order.locked:
            return
        wallet = self.wallet(currency)
        wallet.locked = EXACT.add(wallet.locked, EXACT.subtract(amount, order.locked))
        order.locked = amount
        self.touched.setdefault(currency, "")

    def stake(self, instrument: Instrument, position: str) -> Stake:
        """The position; a flat one is made where there was none."""
        key = (instrument.id, position)
        found = self.stakes.get(key)
        if found is None:
            found = self.stakes[key] = Stake(instrument, position)
        return found

    def held(self, instrument: str, position: str) -> Decimal:
        """The size of a position, zero where there is none."""
        stake = self.stakes.get((instrument, position))
        return ZERO if stake is None else stake.size

    def working(self, client_id: str) -> Working:
        """An order that is not final. Raises OrderRefused."""
        order = self.orders.get(client_id)
        if order is None:
            raise OrderRefused(f"account {self.name} has no order {client_id!r}", reason="unknown_order")
        if order.final:
            raise OrderRefused(f"order {client_id!r} is {order.state} already", reason="already_final")
        return order

    def listing(self, client_id: str, list_id: str = "") -> Listing:
        """A list, by either of its ids. Raises OrderRefused."""
        for each in self.lists.values():
            if each.client_id == client_id or (list_id and each.list_id == list_id):
                return each
        raise OrderRefused(f"account {self.name} has no list {client_id or list_id!r}", reason="unknown_order")

    def forget(self, before_ns: int) -> None:
        """Drop orders and lists that were over before then, and fills and payments from before."""
        gone = [each for each in self.orders.values() if each.over and each.updated_ns < before_ns]
        for order in gone:
            del self.orders[order.client_id]
        self.clients = {venue_id: name for venue_id, name in self.clients.items() if name in self.orders}
        for listing in [each for each in self.lists.values() if each.final and not self._keeps(each)]:
            del self.lists[listing.client_id]
        self.fills = [each for each in self.fills if (each.at_ns or 0) >= before_ns]
        self.payments = [each for each in self.payments if (each.at_ns or 0) >= before_ns]

    def _keeps(self, listing: Listing) -> bool:
        return any(self.orders.get(each.client_id) is each for each in listing.orders)

    def reducible(self, order: Working) -> Decimal:
        """How much this order may still take off its position."""
        held = self.held(order.instrument.id, order.intent.position)
        return max(ZERO, held.copy_negate() if order.intent.side == "buy" else held)


def lock_currency(order: Working) -> str:
    """What a spot order needs: the quote currency to buy, the base to sell."""
    return order.instrument.quote if order.intent.side == "buy" else order.instrument.base


def contract_of(instrument: Instrument) -> Decimal:
    """How much base one unit of size is; exact for linear contracts, and there are no others here."""
    return instrument.contract_size if instrument.size_unit == "contract" else Decimal(1)
