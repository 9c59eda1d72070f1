"""The inner half of a paper exchange: fills, ends of orders, margin calls, and what is due at a time. Pure."""

from collections.abc import Mapping
from decimal import Decimal

from tapeline.errors import OrderRefused
from tapeline.model.account import AccountEvent, Payment
from tapeline.model.instrument import Instrument
from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import Intent
from tapeline.trading.paper import statements
from tapeline.trading.paper.admission import Rules, reduces
from tapeline.trading.paper.affording import funds_of
from tapeline.trading.paper.booking import book, relock, with_fee
from tapeline.trading.paper.fees import Fees
from tapeline.trading.paper.funds import Account, Stake, Working
from tapeline.trading.paper.margin import Margin
from tapeline.trading.paper.matching import Matcher
from tapeline.trading.paper.outcome import Matching
from tapeline.trading.paper.timers import DeadMan, Expiry, Settlement, Timers

OTHER_WENT = "the other order of its list was filled, or its price came"


class Floor:
    """State, and what happens inside. What is told waits in `_out` until somebody asks.

    Orders, fills and payments are numbered from behind `first`: no two exchanges of one journal may share numbers.
    """

    def __init__(
        self, instruments: Mapping[str, Instrument], *, fees: Fees | None = None, rules: Rules | None = None,
        matching: Matching | None = None, first: int = 0,
    ) -> None:  # fmt: skip
        self.instruments = dict(instruments)
        self.fees = fees or Fees()
        self.rules = rules or Rules()
        self.margin = Margin(self.mark, self.rules.leverage, self.rules.maintenance)
        self._matching = matching or Matching()
        self._matchers: dict[str, Matcher] = {}
        self._accounts: dict[str, Account] = {}
        self._marks: dict[str, Decimal] = {}
        self._status: dict[str, str] = {}
        self._called: dict[str, Decimal] = {}  # at which price margin was looked at last, and nothing has moved since
        self._timers = Timers()
        self._working: dict[str, Working] = {}  # by the name of its ticket
        self._numbers = self._fills = self._payments = self._lists = first
        self._out: list[AccountEvent] = []
        self._now_ns = 0

    def account(self, name: str) -> Account:
        """Raises OrderRefused where there is no such account."""
        found = self._accounts.get(name)
        if found is None:
            raise OrderRefused(f"there is no account {name!r}", reason="permission")
        return found

    def relist(self, instrument: Instrument) -> None:
        """It is traded on other terms from now on. Orders that are there stay as they are."""
        self.instruments[instrument.id] = instrument
        self._status.pop(instrument.id, None)  # this is the newer word
        if instrument.id in self._matchers:
            self._matchers[instrument.id].instrument = instrument

    def matcher(self, instrument: str) -> Matcher:
        """The market of one instrument."""
        found = self._matchers.get(instrument)
        if found is None:
            found = self._matchers[instrument] = Matcher(self._instrument(instrument), self._matching)
        return found

    def mark(self, instrument: str) -> Decimal | None:
        """The mark price, else the last traded or the middle of the book."""
        found = self._marks.get(instrument)
        matcher = self._matchers.get(instrument)
        return matcher.mid() if found is None and matcher is not None else found

    def _instrument(self, name: str) -> Instrument:
        found = self.instruments.get(name)
        if found is None:
            raise OrderRefused(f"there is no instrument {name!r} here", reason="instrument")
        return found

    def _told(self) -> list[AccountEvent]:
        out, self._out = self._out, []
        return out

    # ---- fills and ends

    def _filled(self, order: Working, price: Decimal, size: Decimal, liquidity: str) -> None:
        """The market gives this to an order: book it, unless its owner cannot take it any more."""
        if order.final:
            return
        self._decided(order)
        account, spot = order.account, order.instrument.kind == "spot"
        if not spot and closes(order):
            size = min(size, account.reducible(order))
        if not size:
            self._finish(order, "expired", "reduce_only", "there is no position left to reduce")
            return
        if spot:
            value = EXACT.multiply(price, size)
            due = with_fee(value, order, self.fees) if order.intent.side == "buy" else size
            if funds_of(order, self.margin) < due:
                self._finish(order, "expired", "balance", "the funds are gone")
                return
        self._fills += 1
        self._called.clear()
        fill = book(order, price, size, liquidity, fees=self.fees, fill_id=str(self._fills), now_ns=self._now_ns)
        self._out.append(fill)
        if order.size is not None and not order.left:
            self._end(order, "filled", "", "")
        else:
            order.state, order.updated_ns = "partly_filled", self._now_ns
        self._tell(order)
        if not spot:
            self._reduced(account, order.instrument.id)

    def _finish(self, order: Working, state: str, reason: str, why: str) -> None:
        """An order ends without a fill to tell of."""
        self._end(order, state, reason, why)
        self._tell(order)

    def _accept(self, order: Working) -> None:
        """An order is taken, and is not in the market yet."""
        self._numbers += 1
        account = order.account
        account.orders[order.client_id] = account.open[order.client_id] = order
        account.clients[order.venue_id] = order.client_id
        self._working[order.venue_id] = order
        relock(order, self.fees)
        if order.intent.time_in_force == "gtd":
            self._timers.expire(order)
        self._out.append(order.update(self._now_ns))
        self._settle(account)

    def _tell(self, order: Working) -> None:
        """How an order stands now, its list where that is over, and what it changed."""
        self._out.append(order.update(self._now_ns))
        if order.final and order.listing is not None and order.listing.final:
            self._out.append(order.listing.update(self._now_ns))
        self._settle(order.account)

    def _decided(self, order: Working) -> None:
        """An order of a list goes its way, by a fill or by its trigger: the others go, before anything is filled."""
        listing = order.listing
        if listing is None or listing.taken is not None:
            return
        listing.taken = order
        self._end_list(order, "expired", OTHER_WENT)

    def _gone(self, order: Working, state: str, why: str, now_ns: int) -> None:
        """An order ends, and its list with it."""
        self._now_ns = now_ns
        self._finish(order, state, "", why)
        self._end_list(order, state, why)

    def _end_list(self, order: Working, state: str, why: str) -> None:
        """The others of an order's list."""
        for each in () if order.listing is None else order.listing.orders:
            if each is not order and not each.final:
                self._finish(each, state, "", why)

    def _end(self, order: Working, state: str, reason: str, why: str) -> None:
        assert not order.final, f"{order.client_id} is {order.state} already"
        order.state, order.reason, order.why, order.updated_ns = state, reason, why, self._now_ns
        order.account.open.pop(order.client_id, None)
        self._working.pop(order.venue_id, None)
        if order.ticket is not None:
            self.matcher(order.instrument.id).remove(order.ticket)
        relock(order, self.fees)

    def _reduced(self, account: Account, instrument: str) -> None:
        """Orders that only reduce go with the position they were to reduce."""
        for order in list(account.open.values()):
            if order.instrument.id == instrument and closes(order) and not account.reducible(order):
                self._finish(order, "expired", "reduce_only", "there is no position left to reduce")

    def _cancel_all(self, account: Account, instrument: str | None, why: str) -> None:
        for order in list(account.open.values()):
            if not order.final and (instrument is None or order.instrument.id == instrument):
                self._finish(order, "cancelled", "", why)  # the others of its list are of the same instrument

    def _settle(self, account: Account) -> None:
        """Tell of what changed: balances, then positions."""
        for currency, reason in account.touched.items():
            self._out.append(statements.balance(account, currency, self.margin, self._now_ns, reason))
        for key in account.moved:
            self._out.append(statements.position(account, account.stakes[key], self.margin, self._now_ns))
        account.touched.clear()
        account.moved.clear()

    def _pay(self, account: Account, instrument: str | None, currency: str, amount: Decimal, kind: str) -> None:
        """A change that no fill explains."""
        self._payments += 1
        self._called.clear()
        account.change(currency, amount, kind if kind in {"funding", "transfer", "fee"} else "adjustment")
        payment = Payment(
            instrument, "payments", self._now_ns, self._now_ns, "paper", account.name, id=str(self._payments),
            currency=currency, amount=amount, kind=kind,
        )  # fmt: skip
        account.payments.append(payment)
        self._out.append(payment)
        self._settle(account)

    # ---- what is over

    def forget(self, name: str, before_ns: int) -> None:
        """Drop the account's orders and lists that were over before then, and its fills and payments from before."""
        self.account(name).forget(before_ns)
        self._timers.forget()

    # ---- time

    def _due(self, now_ns: int) -> None:
        """Do what is due by now."""
        self._now_ns = max(self._now_ns, now_ns)
        next_ns = self._timers.next_ns()
        if next_ns is None or next_ns > now_ns:
            return
        for what in self._timers.due(now_ns):
            match what:
                case Expiry(order):
                    if not order.final:
                        self._finish(order, "expired", "", "its time is over")
                case DeadMan(account, instrument):
                    self._cancel_all(self.account(account), instrument, "nobody renewed the dead-man timer")
                case Settlement(instrument, rate):
                    self._fund(instrument, rate)

    def _fund(self, instrument: str, rate: Decimal) -> None:
        """Longs pay the rate on their value at mark; shorts get it."""
        for account in self._accounts.values():
            for stake in list(account.stakes.values()):
                if stake.instrument == instrument and stake.size:
                    value = EXACT.multiply(stake.value(self.margin.price(stake)), rate)
                    amount = value.copy_negate() if stake.size > 0 else value
                    self._pay(account, instrument, stake.settle, amount, "funding")

    # ---- margin

    def _call_margin(self, instrument: str) -> None:
        """After a new price: close positions of accounts whose equity no longer bears them."""
        price = self.mark(instrument)
        if price == self._called.get(instrument):
            return
        if price is not None:
            self._called[instrument] = price
        currency = self.instruments[instrument].settle
        for account in self._accounts.values():
            stakes = [one for one in account.stakes.values() if one.instrument == instrument and one.size]
            if stakes and self.margin.beyond(account, currency):
                self._liquidate(account, currency)

    def _liquidate(self, account: Account, currency: str) -> None:
        """Orders first; then positions, the largest first, until the rest is borne; a debt is forgiven at the end."""
        for order in list(account.open.values()):
            if order.instrument.settle == currency and order.instrument.kind != "spot" and not order.final:
                self._finish(order, "cancelled", "", "liquidation")
        while self.margin.beyond(account, currency):
            held = [one for one in account.stakes.values() if one.settle == currency and one.size]
            self._close(account, max(held, key=lambda one: one.value(self.margin.price(one))))
        debt = account.wallet(currency).total
        if debt < 0 and not any(one.size for one in account.stakes.values() if one.settle == currency):
            self._pay(account, None, currency, debt.copy_negate(), "liquidation")

    def _close(self, account: Account, stake: Stake) -> None:
        """Close a position at the market, and at the mark what the market does not take."""
        instrument = self.instruments[stake.instrument]
        side, matcher = "sell" if stake.size > 0 else "buy", self.matcher(stake.instrument)
        self._numbers += 1
        intent = Intent(instrument=instrument.id, side=side, kind="market", size=stake.size.copy_abs(),
                        reduce_only=True, position=stake.position)  # fmt: skip
        order = Working(account, f"liquidation{self._numbers}", intent, instrument, self._numbers)
        order.origin, order.placed_ns, order.updated_ns = "liquidation", self._now_ns, self._now_ns
        account.orders[order.client_id] = account.open[order.client_id] = order
        account.clients[order.venue_id] = order.client_id
        self._out.append(order.update(self._now_ns))
        takes = matcher.preview(side, order.left)
        matcher.take(side, takes)
        for price, size in takes:
            self._filled(order, price, size, "taker")
        if not order.final:
            self._filled(order, self.margin.price(stake), order.left, "taker")
        assert stake.size == ZERO, "a closed position is flat"


def closes(order: Working) -> bool:
    """Whether an order may only reduce its position."""
    return reduces(order.intent)
