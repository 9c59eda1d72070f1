"""The lines of every place: the account's, those of strategies, and that of nobody, which add up to it. Pure, exact."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import reduce

import msgspec

from tapeline.model.account import Fill, Payment
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ZERO
from tapeline.trading.accounting.allotment import NOBODY, Piece, allotted, share_out
from tapeline.trading.accounting.holding import sellable
from tapeline.trading.accounting.lines import Line, effect
from tapeline.trading.accounting.lots import Lots, Part

Place = tuple[str, str, str]  # account, instrument, position
Lines = dict[str | None, Line]  # by strategy; None: the account's


class Places(msgspec.Struct, eq=False):
    """`method` is how cost is reckoned. Of a place nothing is dropped, and lines stay in the order they began.

    After every change: the sizes of all lines of a place add up to the account's, and where an account is `flat` and
    holds nothing of a place, no strategy does.
    """

    method: str
    lines: dict[Place, Lines] = {}
    flat: list[str] = []  # accounts that an emergency stop has closed, by the venue's word

    def at(self, place: Place, instrument: Instrument) -> Lines:
        """The lines of a place, the account's among them."""
        lines = self.lines.setdefault(place, {})
        self.line(lines, None, instrument)
        return lines

    def line(self, lines: Lines, name: str | None, instrument: Instrument | None = None) -> Line:
        """One of them; a new one where there is none."""
        line = lines.get(name)
        if line is None:
            line = lines[name] = Line(Lots(self.method))
        line.instrument = instrument or line.instrument
        return line

    def trade(self, fill: Fill, instrument: Instrument, shares: Iterable[Piece], rate: Decimal | None) -> list[Part]:
        """Book a fill: all of it to the account, and to each line its share; the account's parts.

        `rate` is the fee's worth in settle currency, see `Line.fee`.
        """
        delta, value, besides = effect(fill, instrument)
        lines = self.at((fill.account, instrument.id, fill.position), instrument)
        parts = lines[None].trade(delta, value)
        lines[None].trade(besides, ZERO)
        if fill.fee is not None:
            lines[None].fee(fill.fee_currency, fill.fee, rate)
        for each in shares:
            line = self.line(lines, each.strategy, instrument)
            line.trade(each.delta, each.value)
            line.trade(besides, ZERO)
            besides = ZERO
            if each.taken:
                line.taken = EXACT.add(line.taken, each.delta)
            if each.fee is not None:
                line.fee(fill.fee_currency, each.fee, rate)
        self._level((fill.account, instrument.id, fill.position), fill.price)
        return parts

    def late(self, fill: Fill, instrument: Instrument, weights: Mapping[str, Decimal], rate: Decimal | None) -> None:
        """The fee of a fill that is booked, to those who have it."""
        assert fill.fee is not None, "its fee is the news"
        of_size = instrument.kind == "spot" and fill.fee_currency == instrument.base
        lines = self.at((fill.account, instrument.id, fill.position), instrument)
        shares: list[tuple[str | None, Decimal]] = [(None, fill.fee), *share_out(fill.fee, weights).items()]
        for name, fee in shares:
            line = self.line(lines, name, instrument)
            if of_size:
                line.trade(fee.copy_negate(), ZERO)
            line.fee(fill.fee_currency, fee, rate)
        self._level((fill.account, instrument.id, fill.position), fill.price)

    def allot(
        self, fill: Fill, instrument: Instrument, wallet: Decimal, *, stopped: bool
    ) -> dict[str, Decimal]:  # fmt: skip
        """Whose a fill of no strategy is, see `allotment`; `wallet`: the account's balance of a spot's base before."""
        spare = None
        if instrument.kind == "spot":
            spare = wallet
            for (account, _, _), lines in self.lines.items():
                for name, line in lines.items() if account == fill.account else ():
                    known = line.instrument
                    if name and known is not None and (known.kind, known.base) == ("spot", instrument.base):
                        spare = EXACT.subtract(spare, max(line.lots.size, ZERO))
        sizes = _sizes(self.at((fill.account, instrument.id, fill.position), instrument))
        delta, _, _ = effect(fill, instrument)
        return allotted(delta, sizes, instrument, spare=spare, stopped=stopped)

    def put_right(
        self, place: Place, instrument: Instrument, delta: Decimal, price: Decimal
    ) -> tuple[Decimal, Decimal]:
        """The account holds so much more than its line says; (size, cost) of it then. What opens does at this price."""
        lines = self.at(place, instrument)
        account = lines[None]
        size = EXACT.add(account.lots.size, delta)
        cost = notional(instrument, price, size.copy_abs())
        for name, change in allotted(delta, _sizes(lines), instrument).items():
            line = self.line(lines, name, instrument)
            line.give(change, notional(instrument, price, change.copy_abs()))
            if name:
                line.taken = EXACT.add(line.taken, change)
        account.lots.reset(size, cost)
        self._level(place, price)
        return size, cost

    def stand(self, account: str, state: str, prices: Mapping[str, Decimal]) -> None:
        """How an account stands, as `trading.halt` has it; what its instruments are worth, as far as anybody knows."""
        if (state == "flat") != (account in self.flat):
            (self.flat.append if state == "flat" else self.flat.remove)(account)
        for place in self.lines:
            if place[0] == account:
                self._level(place, prices.get(place[1]))

    def fund(self, payment: Payment) -> None:
        """Into the account's line of the side that is held, and into strategies' lines by their share of it."""
        places = [(payment.account, payment.instrument or "", position) for position in ("net", "long", "short")]
        held = [place for place in places if place in self.lines and self.lines[place][None].lots.size]
        lines = self.lines.setdefault(held[0] if held else places[0], {})
        self.line(lines, None).fund(payment.amount)
        sizes = {name: line.lots.size.copy_abs() for name, line in lines.items() if name is not None and line.lots.size}
        for name, share in share_out(payment.amount, sizes or {NOBODY: ZERO}).items():
            self.line(lines, name).fund(share)

    def taken(self, place: Place) -> dict[str, Decimal]:
        """By how much others have made strategies' lines smaller, all in all, signed as the change was."""
        return {name: line.taken for name, line in self.lines.get(place, {}).items() if name and line.taken}

    def _level(self, place: Place, price: Decimal | None) -> None:
        """Strategies that hold something of what a flat account does not hold, hold it no more, and nobody does.

        They hold it against each other, or against what others opened: it is closed at this price, or at cost. On spot
        an account has coins: there it is what strategies hold together that cannot be sold.
        """
        lines = self.lines[place]
        known = lines[None].instrument
        if place[0] not in self.flat or known is None:
            return
        held = lines[None].lots.size
        if known.kind == "spot":
            ours = reduce(EXACT.add, (line.lots.size for name, line in lines.items() if name), ZERO)
            held = sellable(ours, known, price)
        if held:
            return
        for name, line in list(lines.items()):
            size = line.lots.size
            if name and size:
                value = line.lots.cost if price is None else notional(known, price, size.copy_abs())
                line.trade(size.copy_negate(), value)
                line.taken = EXACT.subtract(line.taken, size)
                self.line(lines, NOBODY, known).trade(size, value)

    def fork(self, account: str) -> "Places":
        """One account's, which change by themselves."""
        mine = {place: lines for place, lines in self.lines.items() if place[0] == account}
        return Places(
            self.method,
            {place: {name: line.copy() for name, line in lines.items()} for place, lines in mine.items()},
        )  # fmt: skip


def _sizes(lines: Lines) -> dict[str | None, Decimal]:
    return {name: line.lots.size for name, line in lines.items()}
