"""Positions, balances and what was won, of every account, and beside it line by line for each strategy. Pure, exact.

Every change of a balance is a `Change` that some call returned: their sum is the balance, always. The sizes of all
lines of a place add up to the account's, always: what no strategy did is shared out (see `allotment`).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from tapeline.model.account import Fill, Payment
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ZERO
from tapeline.trading.accounting.allotment import NOBODY, Piece, pieces
from tapeline.trading.accounting.holding import Holding, entry_price
from tapeline.trading.accounting.lines import Wallet, add, effect, settle_of, unsupported, worth
from tapeline.trading.accounting.lots import Part
from tapeline.trading.accounting.once import Once
from tapeline.trading.accounting.paid import Paid
from tapeline.trading.accounting.places import Place, Places

_ONE = Decimal(1)

Name = tuple[str, str | None, str, str]  # of a fill: account, instrument, id, side


class Change(NamedTuple):
    """A balance changed by `amount`; why: fill | fee | realised, a payment's kind, or adjustment."""

    account: str
    currency: str
    amount: Decimal
    why: str


class Booking(msgspec.Struct, frozen=True):
    """What one piece of news did to the account. Without changes it was known before, or `refused` says why not.

    `parts` are the account's: two where a fill went through zero. `rate` is what one of the fee's currency was taken to
    be worth in settle currency, None where nobody knew or no fee was booked. `differs` is what the venue's own
    realised figure has over ours: a rounding of the last digits, or another method.
    """

    changes: tuple[Change, ...] = ()
    parts: tuple[Part, ...] = ()
    rate: Decimal | None = None
    differs: Decimal = ZERO
    refused: str = ""


class Adjustment(msgspec.Struct, frozen=True, kw_only=True, tag="adjustment"):
    """Our figure is put right by the venue's: of a balance (`currency`), or of a position (`instrument`).

    `price` is the venue's entry price of a position, where it gives one. `why` says what explains the difference;
    `fees`: it stands for those of fills that came without, and should they still come, they are booked already.
    """

    account: str
    ours: Decimal
    theirs: Decimal
    why: str
    explained: bool
    at_ns: int
    currency: str = ""
    instrument: str = ""
    position: str = "net"
    price: Decimal | None = None
    fees: bool = False


class Ledger(msgspec.Struct, eq=False):
    """The books of all accounts. `method` is how cost is reckoned: "average" or "fifo".

    Balances follow the venue: a derivative's profit enters the wallet as the venue's own figure where a fill has one,
    else by average cost, which all venues use. Spot, and linear derivatives; what else there is, is refused.
    """

    method: str = "average"
    _balances: dict[str, dict[str, Decimal]] = {}
    _places: Places = msgspec.field(default_factory=lambda: Places("average"))
    _wallets: dict[Place, Wallet] = {}
    _marks: dict[str, Decimal] = {}
    _once: Once = msgspec.field(default_factory=Once)
    _bare: dict[Name, Decimal] = {}  # fills without the venue's profit: ours
    _paid: Paid = msgspec.field(default_factory=Paid)
    _feeless: dict[Name, Fill] = {}
    _shared: dict[Name, dict[str, Decimal]] = {}  # of those that no strategy did: whose they are
    _begun_ns: dict[str, int] = {}
    _agreed_ns: dict[str, int] = {}
    _newest_ns: dict[str, int] = {}  # account -> the stamp of its newest fill or payment

    def __post_init__(self) -> None:
        self._places.method = self.method

    # ---- what changes it -----------------------------------------------------------------------------------------

    def apply(
        self, fill: Fill, instrument: Instrument, strategy: str = NOBODY, rate: Decimal | None = None, *,
        stopped: bool = False,
    ) -> Booking:  # fmt: skip
        """Book a fill, once; one that is known already may bring its fee, or the venue's own profit.

        What a fill of no strategy closes is allotted to those that hold; `stopped`: an emergency stop's own order did.
        `rate` is what one of its fee's currency is worth in settle currency; without it, the last mark says.
        """
        refused = unsupported(instrument)
        if refused:
            return Booking(refused=f"fill {fill.id} of {instrument.id}: {refused}")
        news = self._once.offer(fill)
        if news == "known":
            return Booking()
        self._stamp(fill)
        rate = self._rate(instrument, fill.fee_currency, rate) if fill.fee is not None else None
        if news == "fee":
            del self._feeless[_name(fill)]
            return self._late(fill, instrument, strategy, rate)
        spot = instrument.kind == "spot"
        delta, value, _ = effect(fill, instrument)
        shares = [Piece(strategy, delta, value, fill.fee)]
        if not strategy:
            wallet = self.balance(fill.account, instrument.base)
            whose = self._places.allot(fill, instrument, wallet, stopped=stopped)
            shares = pieces(whose, fill, instrument, value)
            if fill.fee is None:
                self._shared[_name(fill)] = whose
        if fill.fee is None:
            self._feeless[_name(fill)] = fill
        parts = self._places.trade(fill, instrument, shares, _fee_rate(fill, instrument, rate))
        changes, differs = (
            (self._spot(fill, instrument), ZERO) if spot else self._derivative(fill, instrument, delta, value)
        )
        return Booking((*changes, *self._fee(fill)), tuple(parts), rate, differs)

    def pay(self, payment: Payment) -> Booking:
        """Book funding, a transfer, interest: once (see `Paid`). Funding is shared by what strategies hold."""
        if not self._paid.offer(payment):
            return Booking()
        self._stamp(payment)
        if payment.kind == "funding" and payment.instrument is not None:
            self._places.fund(payment)
        return Booking((self._change(payment.account, payment.currency, payment.amount, payment.kind),))

    def adjust(self, adjustment: Adjustment, instrument: Instrument | None = None) -> Booking:
        """Take the venue's figure. A position needs its `instrument`; it changes no balance.

        What a line becomes smaller by goes at cost: what it brought, nobody has told.
        """
        delta = EXACT.subtract(adjustment.theirs, adjustment.ours)
        if self.begun_ns(adjustment.account) is None:
            self._begun_ns[adjustment.account] = adjustment.at_ns
        if adjustment.fees:
            for name, fill in list(self._feeless.items()):
                if fill.account == adjustment.account and _time(fill) <= adjustment.at_ns:
                    self._once.settle(self._feeless.pop(name))
                    self._shared.pop(name, None)
        if adjustment.currency:
            return Booking((self._change(adjustment.account, adjustment.currency, delta, "adjustment"),))
        assert instrument is not None, "a position has an instrument"
        refused = unsupported(instrument)
        if refused:
            return Booking(refused=refused)
        place = (adjustment.account, instrument.id, adjustment.position)
        price = adjustment.price or self._marks.get(instrument.id) or ZERO
        size, cost = self._places.put_right(place, instrument, delta, price)
        wallet = self._wallets.setdefault(place, Wallet(instrument))
        wallet.lots.reset(size, cost)
        wallet.basis = cost.copy_sign(size) if size else ZERO
        return Booking()

    def stand(self, account: str, state: str, prices: Mapping[str, Decimal]) -> None:
        """How an account stands, see `Places.stand`: of one that is flat and holds nothing, no strategy holds any."""
        self._places.stand(account, state, prices)

    def forget(self, account: str, before_ns: int) -> None:
        """Fills and payments that the venue stamped before then are in figures that are its own: known from now on."""
        for name, fill in list(self._feeless.items()):
            if fill.account == account and _time(fill) < before_ns:
                self._once.settle(self._feeless.pop(name))
                self._shared.pop(name, None)
        self._once.forget(account, before_ns)
        self._paid.forget(account, before_ns)
        self._bare = {name: ours for name, ours in self._bare.items() if self._once.holds(*name)}

    def remembers(self, account: str) -> int:
        """How many fills and payments of an account are remembered, so that none of them counts twice."""
        return self._once.count(account) + self._paid.count(account)

    def mark(self, instrument: str, price: Decimal) -> None:
        """What an instrument is worth now."""
        self._marks[instrument] = price

    def marks(self) -> dict[str, Decimal]:
        """What every instrument was said to be worth."""
        return dict(self._marks)

    def set_marks(self, marks: Mapping[str, Decimal]) -> None:
        """Take back what was said since `marks` gave this."""
        self._marks = dict(marks)

    # ---- questions -----------------------------------------------------------------------------------------------

    def holding(self, account: str, instrument: str, position: str = "net", strategy: str | None = None) -> Holding:
        """What is held: by the account, or by one strategy (`NOBODY`: by none)."""
        line = self._places.lines.get((account, instrument, position), {}).get(strategy)
        if line is None:
            return Holding()
        lots = line.lots
        return Holding(
            size=lots.size, entry_price=entry_price(lots.size, lots.cost, line.instrument), cost=lots.cost,
            gross=line.gross, realised=line.net, funding=line.funding, fees=dict(line.fees),
            unrated=dict(line.unrated),
        )  # fmt: skip

    def holdings(self, account: str, strategy: str | None = None) -> dict[tuple[str, str], Holding]:
        """All that was ever held by an account, or by one strategy on it, by (instrument, position)."""
        return {
            (instrument, position): self.holding(account, instrument, position, strategy)
            for (of, instrument, position), lines in self._places.lines.items()
            if of == account and strategy in lines
        }

    def strategies(self, account: str) -> set[str]:
        """Those that ever had a fill on an account; `NOBODY` among them where there was one of no strategy."""
        return {
            name
            for place, lines in self._places.lines.items()
            if place[0] == account
            for name in lines
            if name is not None
        }

    def balance(self, account: str, currency: str) -> Decimal:
        """The wallet balance: without unrealised profit."""
        return self._balances.get(account, {}).get(currency, ZERO)

    def balances(self, account: str) -> Mapping[str, Decimal]:
        """All of an account; those that are zero among them."""
        return dict(self._balances.get(account, {}))

    def unrealised(self, account: str) -> dict[str, Decimal]:
        """By settle currency: what the wallet would gain by closing every derivative position at its mark.

        A position without a mark counts nothing.
        """
        found: dict[str, Decimal] = {}
        for (of, instrument, _), wallet in self._wallets.items():
            price = self._marks.get(instrument)
            if of == account and price is not None:
                value = notional(wallet.instrument, price, wallet.lots.size)
                add(found, settle_of(wallet.instrument), EXACT.subtract(value, wallet.basis))
        return found

    def equity(self, account: str, currency: str, rates: Mapping[str, Decimal]) -> Decimal:
        """Balances and unrealised profit in one currency. `rates`: what one of each is worth in it.

        What has no rate counts nothing: ask `unrated`.
        """
        total = ZERO
        for amounts in (self._balances.get(account, {}), self.unrealised(account)):
            for each, amount in amounts.items():
                rate = _ONE if each == currency else rates.get(each)
                if rate is not None and amount:
                    total = EXACT.add(total, worth(amount, rate))
        return total

    def unrated(self, account: str, currency: str, rates: Mapping[str, Decimal]) -> list[str]:
        """Currencies of which something is held and that `equity` leaves out."""
        held = {each for each, amount in self._balances.get(account, {}).items() if amount}
        return sorted(held - rates.keys() - {currency})

    def taken(self, account: str, instrument: str, position: str = "net") -> dict[str, Decimal]:
        """By how much others made strategies' holdings smaller, all in all, signed as the change was."""
        return self._places.taken((account, instrument, position))

    # ---- for reconciliation --------------------------------------------------------------------------------------

    def begun_ns(self, account: str) -> int | None:
        """When the books of an account were opened by the venue's figures: what was before is in them. None: they have
        nothing yet; 0: they began with nothing.
        """
        if account in self._begun_ns:
            return self._begun_ns[account]
        return 0 if self._balances.get(account) or any(place[0] == account for place in self._places.lines) else None

    def agree(self, account: str, at_ns: int) -> None:
        """The venue's figures of this moment, by its clock, are ours: nothing before it is missing from them."""
        self._agreed_ns[account] = max(at_ns, self.agreed_ns(account))

    def agreed_ns(self, account: str) -> int:
        """When our figures were last the venue's; 0: never. Fills and payments have to be asked for from then on."""
        return self._agreed_ns.get(account, 0)

    def feeless(self, account: str) -> list[Fill]:
        """Fills whose fee the venue has not told yet."""
        return [fill for fill in self._feeless.values() if fill.account == account]

    def newest_ns(self, account: str) -> int:
        """The stamp of the newest fill or payment, 0 where there was none."""
        return self._newest_ns.get(account, 0)

    def price(self, base: str, quote: str) -> Decimal | None:
        """The last mark of one currency in another, at any venue."""
        symbols = (f":{base}/{quote}", f":{base}/{quote}:{quote}")
        return next((price for name, price in self._marks.items() if name.endswith(symbols)), None)

    def fork(self, account: str, fills: Iterable[Fill]) -> "Ledger":
        """One account's books, to try out what these fills would make of them."""
        other = Ledger(self.method)
        other._balances[account] = dict(self._balances.get(account, {}))  # of our own kind, all of it
        other._places = self._places.fork(account)
        other._wallets = {place: each.copy() for place, each in self._wallets.items() if place[0] == account}
        other._once = self._once.of(fills)
        other._marks, other._bare = dict(self._marks), dict(self._bare)
        other._feeless, other._shared, other._paid = dict(self._feeless), dict(self._shared), self._paid.copy()
        return other

    # ---- within --------------------------------------------------------------------------------------------------

    def _spot(self, fill: Fill, instrument: Instrument) -> tuple[Change, ...]:
        value = EXACT.multiply(fill.price, fill.size)
        base, quote = (fill.size, value.copy_negate()) if fill.side == "buy" else (fill.size.copy_negate(), value)
        return (
            self._change(fill.account, instrument.base, base, "fill"),
            self._change(fill.account, instrument.quote, quote, "fill"),
        )

    def _derivative(
        self, fill: Fill, instrument: Instrument, delta: Decimal, value: Decimal
    ) -> tuple[tuple[Change, ...], Decimal]:
        place = (fill.account, instrument.id, fill.position)
        wallet = self._wallets.setdefault(place, Wallet(instrument))
        wallet.instrument = instrument
        closed = [part.realised for part in wallet.lots.trade(delta, value) if part.realised is not None]
        ours = closed[0] if closed else ZERO
        booked = ours if fill.realised is None else fill.realised
        if fill.realised is None:
            self._bare[_name(fill)] = ours
        wallet.basis = EXACT.add(wallet.basis, EXACT.add(value.copy_sign(delta), booked))
        changes = (self._change(fill.account, settle_of(instrument), booked, "realised"),) if booked else ()
        return changes, EXACT.subtract(booked, ours)

    def _late(self, fill: Fill, instrument: Instrument, strategy: str, rate: Decimal | None) -> Booking:
        """The fee of a fill that is booked, and the venue's own profit in the place of ours."""
        weights = self._shared.pop(_name(fill), {strategy: fill.size})
        self._places.late(fill, instrument, weights, _fee_rate(fill, instrument, rate))
        changes: list[Change] = []
        differs = ZERO
        ours = self._bare.pop(_name(fill), None)
        if ours is not None and fill.realised is not None and fill.realised != ours:
            differs = EXACT.subtract(fill.realised, ours)
            wallet = self._wallets[fill.account, instrument.id, fill.position]
            wallet.basis = EXACT.add(wallet.basis, differs)
            changes.append(self._change(fill.account, settle_of(instrument), differs, "realised"))
        return Booking((*changes, *self._fee(fill)), (), rate, differs)

    def _fee(self, fill: Fill) -> tuple[Change, ...]:
        if not fill.fee:
            return ()
        return (self._change(fill.account, fill.fee_currency, fill.fee.copy_negate(), "fee"),)

    def _rate(self, instrument: Instrument, currency: str, given: Decimal | None) -> Decimal | None:
        into = settle_of(instrument)
        if given is not None or currency == into:
            return given if currency != into else _ONE
        for symbol in (f"{currency}/{into}", f"{currency}/{into}:{into}"):
            price = self._marks.get(f"{instrument.venue}:{symbol}")
            if price is not None:
                return price
        return None

    def _stamp(self, news: Fill | Payment) -> None:
        self._newest_ns[news.account] = max(_time(news), self._newest_ns.get(news.account, 0))

    def _change(self, account: str, currency: str, amount: Decimal, why: str) -> Change:
        add(self._balances.setdefault(account, {}), currency, amount)
        return Change(account, currency, amount, why)


def _fee_rate(fill: Fill, instrument: Instrument, rate: Decimal | None) -> Decimal | None:
    """Zero where the fee is in the cost of what was bought."""
    return ZERO if instrument.kind == "spot" and fill.fee_currency == instrument.base else rate


def _name(fill: Fill) -> Name:
    return (fill.account, fill.instrument, fill.id, fill.side)


def _time(news: Fill | Payment) -> int:
    return news.received_ns if news.at_ns is None else news.at_ns
