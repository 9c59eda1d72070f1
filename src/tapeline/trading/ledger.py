"""Positions, balances and what was won, of every account, and beside it line by line for each strategy. Pure, exact.

Every change of a balance is a `Change` that some call returned: their sum is the balance, always.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple

import msgspec

from tapeline.model.account import Fill, Payment
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.trading.holding import Holding, entry_price
from tapeline.trading.lots import FINEST, Lots, Part
from tapeline.trading.once import Once

NOBODY = ""  # the line of fills that belong to no strategy: orders of other origin
_ONE = Decimal(1)

Place = tuple[str, str, str]  # account, instrument, position


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

    `price` is the venue's entry price of a position, where it gives one. `why` says what explains the difference.
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


class _Line:
    """One holding, of the account or of a strategy."""

    __slots__ = ("fees", "funding", "gross", "instrument", "lots", "net", "unrated")

    def __init__(self, method: str) -> None:
        self.lots = Lots(method)
        self.instrument: Instrument | None = None
        self.gross = self.net = self.funding = ZERO
        self.fees: dict[str, Decimal] = {}
        self.unrated: dict[str, Decimal] = {}

    def trade(self, delta: Decimal, value: Decimal) -> list[Part]:
        parts = self.lots.trade(delta, value)
        for part in parts:
            if part.realised is not None:
                self.gross = EXACT.add(self.gross, part.realised)
                self.net = EXACT.add(self.net, part.realised)
        return parts

    def fee(self, currency: str, amount: Decimal, rate: Decimal | None) -> None:
        _add(self.fees, currency, amount)
        if rate is None:
            _add(self.unrated, currency, amount)
        else:
            self.net = EXACT.subtract(self.net, _worth(amount, rate))

    def fund(self, amount: Decimal) -> None:
        self.funding = EXACT.add(self.funding, amount)
        self.net = EXACT.add(self.net, amount)


class _Wallet:
    """What of a derivative position is in the wallet already: its cost by the venue's reckoning, always on average."""

    __slots__ = ("basis", "instrument", "lots")

    def __init__(self, instrument: Instrument) -> None:
        self.lots, self.basis, self.instrument = Lots("average"), ZERO, instrument


class Ledger:
    """The books of all accounts. `method` is how cost is reckoned: "average" or "fifo".

    Balances follow the venue: a derivative's profit enters the wallet as the venue's own figure where a fill has one,
    else by average cost, which all venues use. Spot, and linear derivatives; what else there is, is refused.
    """

    def __init__(self, method: str = "average") -> None:
        self.method = method
        self._balances: dict[str, dict[str, Decimal]] = {}
        self._lines: dict[Place, dict[str | None, _Line]] = {}  # by strategy; None: the account's
        self._wallets: dict[Place, _Wallet] = {}
        self._marks: dict[str, Decimal] = {}
        self._once = Once()
        self._bare: dict[tuple[str, str | None, str, str], Decimal] = {}  # fills without the venue's profit: ours
        self._paid: set[tuple[str, str, str, str]] = set()

    # ---- what changes it -----------------------------------------------------------------------------------------

    def apply(self, fill: Fill, instrument: Instrument, strategy: str = NOBODY, rate: Decimal | None = None) -> Booking:
        """Book a fill, once; one that is known already may bring its fee, or the venue's own profit.

        `rate` is what one of its fee's currency is worth in settle currency; without it, the last mark says.
        """
        refused = unsupported(instrument)
        if refused:
            return Booking(refused=f"fill {fill.id} of {instrument.id}: {refused}")
        news = self._once.offer(fill)
        if news == "known":
            return Booking()
        rate = self._rate(instrument, fill.fee_currency, rate) if fill.fee is not None else None
        if news == "fee":
            return self._late(fill, instrument, strategy, rate)
        spot = instrument.kind == "spot"
        delta, value, besides = _effect(fill, instrument)
        parts: list[Part] = []
        for line in self._lines_of(fill.account, instrument, fill.position, strategy):
            parts = line.trade(delta, value)
            line.trade(besides, ZERO)
            if fill.fee is not None:
                line.fee(fill.fee_currency, fill.fee, ZERO if spot and fill.fee_currency == instrument.base else rate)
        if spot:
            changes, differs = self._spot(fill, instrument), ZERO
        else:
            changes, differs = self._derivative(fill, instrument, delta, value)
        return Booking((*changes, *self._fee(fill)), tuple(parts), rate, differs)

    def pay(self, payment: Payment) -> Booking:
        """Book funding, a transfer, interest: once, where it has an id. Funding is shared by what strategies hold."""
        key = (payment.account, payment.currency, payment.kind, payment.id)
        if payment.id and key in self._paid:
            return Booking()
        self._paid.add(key)
        if payment.kind == "funding" and payment.instrument is not None:
            self._fund(payment)
        return Booking((self._change(payment.account, payment.currency, payment.amount, payment.kind),))

    def adjust(self, adjustment: Adjustment, instrument: Instrument | None = None) -> Booking:
        """Take the venue's figure. A position needs its `instrument`; it changes no balance."""
        delta = EXACT.subtract(adjustment.theirs, adjustment.ours)
        if adjustment.currency:
            return Booking((self._change(adjustment.account, adjustment.currency, delta, "adjustment"),))
        assert instrument is not None, "a position has an instrument"
        refused = unsupported(instrument)
        if refused:
            return Booking(refused=refused)
        place = (adjustment.account, instrument.id, adjustment.position)
        account, nobody = self._lines_of(adjustment.account, instrument, adjustment.position, NOBODY)
        price = adjustment.price or self._marks.get(instrument.id) or ZERO
        size = EXACT.add(account.lots.size, delta)
        cost = notional(instrument, price, abs(size))
        nobody.trade(delta, notional(instrument, price, abs(delta)))
        account.lots.reset(size, cost)
        wallet = self._wallets.setdefault(place, _Wallet(instrument))
        wallet.lots.reset(size, cost)
        wallet.basis = cost.copy_sign(size) if size else ZERO
        return Booking()

    def mark(self, instrument: str, price: Decimal) -> None:
        """What an instrument is worth now."""
        self._marks[instrument] = price

    # ---- questions -----------------------------------------------------------------------------------------------

    def holding(self, account: str, instrument: str, position: str = "net", strategy: str | None = None) -> Holding:
        """What is held: by the account, or by one strategy (`NOBODY`: by none)."""
        line = self._lines.get((account, instrument, position), {}).get(strategy)
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
            for (of, instrument, position), lines in self._lines.items()
            if of == account and strategy in lines
        }

    def strategies(self, account: str) -> set[str]:
        """Those that ever had a fill on an account; `NOBODY` among them where there was one of no strategy."""
        return {
            name for place, lines in self._lines.items() if place[0] == account for name in lines if name is not None
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
                worth = notional(wallet.instrument, price, wallet.lots.size)
                _add(found, _settle(wallet.instrument), EXACT.subtract(worth, wallet.basis))
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
                    total = EXACT.add(total, _worth(amount, rate))
        return total

    def unrated(self, account: str, currency: str, rates: Mapping[str, Decimal]) -> list[str]:
        """Currencies of which something is held and that `equity` leaves out."""
        held = {each for each, amount in self._balances.get(account, {}).items() if amount}
        return sorted(held - rates.keys() - {currency})

    # ---- within --------------------------------------------------------------------------------------------------

    def _lines_of(self, account: str, instrument: Instrument, position: str, strategy: str) -> Iterator[_Line]:
        """The account's line, then the strategy's."""
        lines = self._lines.setdefault((account, instrument.id, position), {})
        for name in (None, strategy):
            line = lines.get(name)
            if line is None:
                line = lines[name] = _Line(self.method)
            line.instrument = instrument
            yield line

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
        wallet = self._wallets.setdefault(place, _Wallet(instrument))
        wallet.instrument = instrument
        closed = [part.realised for part in wallet.lots.trade(delta, value) if part.realised is not None]
        ours = closed[0] if closed else ZERO
        booked = ours if fill.realised is None else fill.realised
        if fill.realised is None:
            self._bare[fill.account, fill.instrument, fill.id, fill.side] = ours
        wallet.basis = EXACT.add(wallet.basis, EXACT.add(value.copy_sign(delta), booked))
        changes = (self._change(fill.account, _settle(instrument), booked, "realised"),) if booked else ()
        return changes, EXACT.subtract(booked, ours)

    def _late(self, fill: Fill, instrument: Instrument, strategy: str, rate: Decimal | None) -> Booking:
        """The fee of a fill that is booked, and the venue's own profit in the place of ours."""
        assert fill.fee is not None, "its fee is the news"
        of_size = instrument.kind == "spot" and fill.fee_currency == instrument.base
        for line in self._lines_of(fill.account, instrument, fill.position, strategy):
            if of_size:
                line.trade(fill.fee.copy_negate(), ZERO)
            line.fee(fill.fee_currency, fill.fee, ZERO if of_size else rate)
        changes: list[Change] = []
        differs = ZERO
        ours = self._bare.pop((fill.account, fill.instrument, fill.id, fill.side), None)
        if ours is not None and fill.realised is not None and fill.realised != ours:
            differs = EXACT.subtract(fill.realised, ours)
            wallet = self._wallets[fill.account, instrument.id, fill.position]
            wallet.basis = EXACT.add(wallet.basis, differs)
            changes.append(self._change(fill.account, _settle(instrument), differs, "realised"))
        return Booking((*changes, *self._fee(fill)), (), rate, differs)

    def _fee(self, fill: Fill) -> tuple[Change, ...]:
        if not fill.fee:
            return ()
        return (self._change(fill.account, fill.fee_currency, fill.fee.copy_negate(), "fee"),)

    def _fund(self, payment: Payment) -> None:
        """Into the account's line of the side that is held, and into strategies' lines by their share of it."""
        places = [(payment.account, payment.instrument or "", position) for position in ("net", "long", "short")]
        held = [place for place in places if place in self._lines and self._lines[place][None].lots.size]
        lines = self._lines.setdefault(held[0] if held else places[0], {})
        lines.setdefault(None, _Line(self.method)).fund(payment.amount)
        shares = {name: abs(line.lots.size) for name, line in lines.items() if name is not None and line.lots.size}
        whole, left = ZERO, payment.amount
        for size in shares.values():
            whole = EXACT.add(whole, size)
        for count, (name, size) in enumerate(shares.items(), 1):
            share = left if count == len(shares) else _worth(payment.amount, ROUNDING.divide(size, whole))
            lines[name].fund(share)
            left = EXACT.subtract(left, share)
        if not shares:
            lines.setdefault(NOBODY, _Line(self.method)).fund(payment.amount)

    def _rate(self, instrument: Instrument, currency: str, given: Decimal | None) -> Decimal | None:
        into = _settle(instrument)
        if given is not None or currency == into:
            return given if currency != into else _ONE
        for symbol in (f"{currency}/{into}", f"{currency}/{into}:{into}"):
            price = self._marks.get(f"{instrument.venue}:{symbol}")
            if price is not None:
                return price
        return None

    def _change(self, account: str, currency: str, amount: Decimal, why: str) -> Change:
        _add(self._balances.setdefault(account, {}), currency, amount)
        return Change(account, currency, amount, why)


def unsupported(instrument: Instrument) -> str:
    """Why the ledger keeps no books of an instrument; "" where it does."""
    if instrument.kind == "option":
        return "options are not kept in the ledger"
    if instrument.inverse:
        return "an inverse contract's profit divides by prices and is never exact: it is not kept in the ledger"
    if instrument.kind != "spot" and _settle(instrument) != instrument.quote:
        return f"it settles in {instrument.settle} and is priced in {instrument.quote}: that is not kept in the ledger"
    return ""


def _effect(fill: Fill, instrument: Instrument) -> tuple[Decimal, Decimal, Decimal]:
    """Signed change of what is held, what it cost or brought, and what went besides, for nothing.

    A spot fee in base makes the holding smaller: what is left of a purchase has cost as much. One that is no smaller
    than the purchase itself goes besides.
    """
    delta = fill.size if fill.side == "buy" else fill.size.copy_negate()
    value = notional(instrument, fill.price, fill.size)
    if instrument.kind != "spot" or not fill.fee or fill.fee_currency != instrument.base:
        return delta, value, ZERO
    if abs(fill.fee) < fill.size:
        return EXACT.subtract(delta, fill.fee), value, ZERO
    return delta, value, fill.fee.copy_negate()


def _settle(instrument: Instrument) -> str:
    return instrument.quote if instrument.kind == "spot" else instrument.settle or instrument.quote


def _worth(amount: Decimal, rate: Decimal) -> Decimal:
    """Their product, at most 18 digits after the point, half to even."""
    worth = ROUNDING.multiply(amount, rate)
    if worth.as_tuple().exponent < -18:  # type: ignore[operator]  # of a finite number: an int
        worth = worth.quantize(FINEST, context=ROUNDING)
    return worth


def _add(amounts: dict[str, Decimal], key: str, amount: Decimal) -> None:
    amounts[key] = EXACT.add(amounts.get(key, ZERO), amount)
