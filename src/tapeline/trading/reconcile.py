"""What we think of an account beside what the venue says: what we missed, what differs and why. Pure, changes nothing.

The venue wins. A difference is never swallowed: it is an adjustment with both figures and an explanation, or without.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from tapeline.model.account import AccountMode, Balance, Fill, OrderUpdate, Payment, Position
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import Order
from tapeline.trading.accounting.ledger import Adjustment, Booking, Ledger
from tapeline.trading.accounting.lines import unsupported
from tapeline.trading.orders import Blotter
from tapeline.trading.record import Agreed
from tapeline.trading.suspects import Suspects

LISTED_NS = 10_000_000_000  # how long a new order may take to be on the venue's list
PATIENCE_NS = 60_000_000_000  # how long fills that the venue told of may take to be on its list


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """All that a venue said of an account when asked. `at_ns`: its clock before the first question, or less; `ours_ns`
    is ours then, which what we did is compared with (None: they are the same).

    `orders` are all that are open, and those of ours that were asked for one by one. Ask for fills and payments last,
    from the newest ones known. None: not asked, so not compared; a currency or position that is left out is zero.
    `mode` is how the account is set up, where it can be set up in more than one way.
    `reasons` are the venue's own words for changes of a currency, heard on its stream since it was last compared.
    """

    account: str
    at_ns: int
    ours_ns: int | None = None
    orders: Sequence[OrderUpdate] = ()
    fills: Sequence[Fill] = ()
    payments: Sequence[Payment] = ()
    balances: Sequence[Balance] | None = None
    positions: Sequence[Position] | None = None
    mode: AccountMode | None = None
    reasons: Mapping[str, Sequence[str]] = {}

    @property
    def here_ns(self) -> int:
        """When it was asked for, by our clock."""
        return self.at_ns if self.ours_ns is None else self.ours_ns


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a statement. Apply `events` in order, then book `adjustments`.

    `ask`: orders of ours that the statement does not speak of: ask for each by itself. `foreign`: open orders of other
    origin. `found`: what explained a difference before it was one, in words. `again`: why figures could not be compared
    (there are no adjustments then): apply the events and make a new statement.
    """

    account: str
    at_ns: int
    events: tuple[OrderUpdate | Fill | Payment, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    ask: tuple[Order, ...] = ()
    foreign: tuple[OrderUpdate, ...] = ()
    found: tuple[str, ...] = ()
    again: str = ""
    accepted: str = ""

    @property
    def unexplained(self) -> tuple[Adjustment, ...]:
        """While there are any, and nobody has accepted them, the account is reduce-only."""
        return tuple(each for each in self.adjustments if not each.explained)

    @property
    def clean(self) -> bool:
        """Whether every order is known and every figure is the venue's, or explained."""
        return not (self.again or self.ask or self.unexplained)


def reconcile(
    statement: Statement, blotter: Blotter, ledger: Ledger, instruments: Mapping[str, Instrument], *,
    accepted: str = "",
) -> Reconciliation:  # fmt: skip
    """Compare. `accepted` (who, and why): a person takes whatever differs as it is; fills that never came, too."""
    account = statement.account
    begun_ns = ledger.begun_ns(account)
    since_ns = max(begun_ns or 0, ledger.agreed_ns(account) - PATIENCE_NS)
    after = ledger.fork(account, statement.fills)
    fills: list[Fill] = []
    for fill in sorted(statement.fills, key=_fill_order):
        # What was before the books begin, or long before they agreed, is in the figures that they have.
        if begun_ns is None or _time(fill) < since_ns:
            continue
        known = instruments.get(fill.instrument or "")
        if known is None or unsupported(known) or after.apply(fill, known) != Booking():
            fills.append(fill)
    payments = [
        payment
        for payment in sorted(statement.payments, key=_time)
        if begun_ns is not None and _time(payment) >= since_ns and after.pay(payment).changes
    ]
    again = "" if accepted else _unsettled(statement, blotter, ledger, fills, first=begun_ns is None)
    adjustments: list[Adjustment] = []
    if not again:
        first = begun_ns is None
        suspects = Suspects(after, account, statement.reasons, first=first, accepted=accepted)
        adjustments = [
            *_positions(statement, after, instruments, suspects), *_balances(statement, after, suspects),
        ]  # fmt: skip
    orders = [update for update in statement.orders if _tells(update, blotter)]
    return Reconciliation(
        account=account, at_ns=statement.at_ns,
        events=(*orders, *fills, *payments, *_over(statement, blotter)),
        adjustments=tuple(adjustments), ask=tuple(_unspoken(statement, blotter)),
        foreign=tuple(update for update in statement.orders if _is_foreign(update, blotter)),
        found=tuple(_found(statement, fills, payments, blotter, instruments)), again=again, accepted=accepted,
    )  # fmt: skip


def settle(
    found: Reconciliation, blotter: Blotter, ledger: Ledger, instruments: Mapping[str, Instrument], now_ns: int
) -> tuple[Adjustment | Agreed, ...]:
    """Book the adjustments, once the events were applied; what the journal has to keep of it. Nothing where `again`."""
    if found.again:
        return ()
    for adjustment in found.adjustments:
        ledger.adjust(adjustment, instruments.get(adjustment.instrument))
    blotter.waive(found.account, now_ns)  # the figures are the venue's: no fill is missing from them
    ledger.agree(found.account, found.at_ns)
    agreed = Agreed(found.account, len(found.adjustments), len(found.unexplained), found.accepted, found.at_ns)
    return (*found.adjustments, agreed)


# ---- orders -------------------------------------------------------------------------------------------------------


def _order_of(update: OrderUpdate, blotter: Blotter) -> Order | None:
    found = blotter.order(update.client_id) if update.client_id else None
    if found is not None and found.intent.account == update.account:
        return found
    return blotter.by_venue_id(update.account, update.instrument or "", update.venue_id)


def _tells(update: OrderUpdate, blotter: Blotter) -> bool:
    """Whether a word on an order is news: what is known already would be journalled again and again."""
    order = _order_of(update, blotter)
    if order is None or order.asked or not order.venue_id or order.state in {"unknown", "intended", "submitted"}:
        return order is None or not order.final
    state = "partly_filled" if update.state == "open" and order.filled else update.state
    same_price = update.price is None or update.price == order.price
    same_size = update.size is None or update.size == order.size
    return not (state == order.state and (update.filled or ZERO) <= order.filled and same_price and same_size)


def _unspoken(statement: Statement, blotter: Blotter) -> list[Order]:
    spoken = {(update.instrument, update.venue_id) for update in statement.orders if update.venue_id}
    named = {update.client_id for update in statement.orders if update.client_id}
    return [
        order
        for order in blotter.live(statement.account)
        if order.state != "intended"
        and order.client_id not in named
        and (order.intent.instrument, order.venue_id) not in spoken
        and (order.submitted_ns or 0) < statement.here_ns
    ]


def _over(statement: Statement, blotter: Blotter) -> list[OrderUpdate]:
    """Orders of other origin that the venue lists no more: how they ended was not heard, and nobody asks for it."""
    spoken = {(update.instrument, update.venue_id) for update in statement.orders}
    return [
        OrderUpdate(
            order.intent.instrument, "orders", statement.at_ns, statement.at_ns, "rest", statement.account,
            client_id=order.client_id, venue_id=order.venue_id, state="cancelled", side=order.intent.side,
            kind=order.intent.kind, why="no longer among the venue's open orders",
        )
        for order in blotter.foreign(statement.account)
        if (order.intent.instrument, order.venue_id) not in spoken
        and order.created_ns < statement.at_ns - LISTED_NS
    ]  # fmt: skip


def _is_foreign(update: OrderUpdate, blotter: Blotter) -> bool:
    order = _order_of(update, blotter)
    ours = order.claimed if order is not None else blotter.owns(update.client_id)
    return not ours and update.state in {"open", "partly_filled"}


# ---- figures ------------------------------------------------------------------------------------------------------


def _unsettled(statement: Statement, blotter: Blotter, ledger: Ledger, fills: Sequence[Fill], *, first: bool) -> str:
    """Why figures of different moments would be compared; "" where they are of one."""
    stamps = [*map(_time, statement.fills), *map(_time, statement.payments)]
    newest_ns = max([ledger.newest_ns(statement.account), *stamps])
    if newest_ns >= statement.at_ns:
        return "fills or payments came while the venue was asked"
    if first:
        return ""
    lacking = {
        id(lack.order): (lack.order, lack.size)
        for lack in blotter.lacking(statement.here_ns)
        if lack.order.intent.account == statement.account and lack.since_ns > statement.here_ns - PATIENCE_NS
    }
    for update in statement.orders:
        order = _order_of(update, blotter)
        filled = order.filled if order is not None else ZERO
        if order is not None and update.filled is not None and update.filled > filled:
            known = lacking.get(id(order), (order, ZERO))[1]
            lacking[id(order)] = (order, EXACT.add(known, EXACT.subtract(update.filled, filled)))
    missing = []
    for order, size in lacking.values():
        for fill in fills:
            if _is_of(fill, order):
                size = EXACT.subtract(size, fill.size)  # noqa: PLW2901  # what is left of it
        if size > ZERO:
            missing.append(order.client_id or order.venue_id)
    return f"fills are missing that the venue told of: of {', '.join(missing)}" if missing else ""


def _is_of(fill: Fill, order: Order) -> bool:
    if fill.instrument != order.intent.instrument:
        return False
    return order.venue_id == fill.venue_id if order.venue_id else order.client_id == fill.client_id


def _positions(
    statement: Statement, after: Ledger, instruments: Mapping[str, Instrument], suspects: Suspects
) -> list[Adjustment]:
    if statement.positions is None:
        return []
    theirs = {(each.instrument or "", each.position): each for each in statement.positions}
    ours = after.holdings(statement.account)
    found = []
    for instrument, position in sorted({*theirs, *ours}):
        known = instruments.get(instrument)
        if known is None or known.kind == "spot" or unsupported(known):
            continue
        told = theirs.get((instrument, position))
        size = told.size if told is not None else ZERO
        held = ours[instrument, position].size if (instrument, position) in ours else ZERO
        if size != held:
            why, explained = suspects.position(known, EXACT.subtract(size, held))
            found.append(
                Adjustment(
                    account=statement.account, ours=held, theirs=size, why=why, explained=explained,
                    at_ns=statement.at_ns, instrument=instrument, position=position,
                    price=told.entry_price if told is not None else None,
                )
            )  # fmt: skip
    return found


def _balances(statement: Statement, after: Ledger, suspects: Suspects) -> list[Adjustment]:
    if statement.balances is None:
        return []
    theirs = {each.currency: total for each in statement.balances if (total := _total(each)) is not None}
    ours = after.balances(statement.account)
    differences = {
        currency: EXACT.subtract(theirs.get(currency, ZERO), ours.get(currency, ZERO))
        for currency in sorted({*theirs, *ours})
    }
    found = []
    for currency, difference in differences.items():
        if difference:
            why, explained, fees = suspects.balance(currency, differences)
            found.append(
                Adjustment(
                    account=statement.account, ours=ours.get(currency, ZERO), theirs=theirs.get(currency, ZERO),
                    why=why, explained=explained, at_ns=statement.at_ns, currency=currency, fees=fees,
                )
            )  # fmt: skip
    return found


def _total(balance: Balance) -> Decimal | None:
    if balance.total is not None:
        return balance.total
    if balance.free is None:
        return None
    return EXACT.add(balance.free, balance.locked or ZERO)


# ---- in words -----------------------------------------------------------------------------------------------------


def _found(
    statement: Statement, fills: Sequence[Fill], payments: Sequence[Payment], blotter: Blotter,
    instruments: Mapping[str, Instrument],
) -> list[str]:  # fmt: skip
    names = {(each.instrument, each.venue_id): each.client_id for each in statement.orders}
    words = []
    for fill in fills:
        client_id = fill.client_id or names.get((fill.instrument, fill.venue_id), "")
        order = blotter.order(client_id) or blotter.by_venue_id(fill.account, fill.instrument or "", fill.venue_id)
        ours = order.claimed if order is not None else blotter.owns(client_id)
        whose = "missed" if ours else fill.origin or "of other origin (a manual trade)"
        booked = "" if fill.instrument in instruments else ", which nobody lists: it is not booked"
        words.append(
            f"fill {fill.id} {whose}: {fill.side} {plain(fill.size)} {fill.instrument} at {plain(fill.price)}{booked}"
        )
    return words + [f"{each.kind} {plain(each.amount)} {each.currency}" for each in payments]


def _time(event: Fill | Payment) -> int:
    return event.received_ns if event.at_ns is None else event.at_ns


def _fill_order(fill: Fill) -> tuple[int, int, str]:
    """By time, then by id: as a number where it is one."""
    return (_time(fill), int(fill.id) if fill.id.isdecimal() else 0, fill.id)
