"""Cross margin on linear derivatives: what positions and orders bind, and when an account is beyond its means. Pure."""

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

import msgspec

from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.trading.paper.funds import Account, Stake, Wallet, Working, contract_of

Price = Callable[[str], Decimal | None]
"""The mark price of an instrument; None where nothing is known yet."""
_CENT = Decimal("1e-8")
_SHOWN_DIGITS = Decimal("1e-8")


class Means(msgspec.Struct, frozen=True):
    """An account's standing in one settle currency; `bound` is initial margin, of orders too."""

    unrealised: Decimal
    bound: Decimal
    maintenance: Decimal


class Margin:
    """The rules: leverage where an account says nothing, and the maintenance rate."""

    def __init__(self, price: Price, leverage: Decimal, maintenance: Decimal) -> None:
        self.mark = price
        self.leverage = leverage
        self.maintenance = maintenance

    def means(self, account: Account, currency: str, extra: Working | None = None) -> Means:
        """Where the account stands, with an order that it does not have yet."""
        exposures = self._exposures(account, currency, extra)
        unrealised, maintenance = self._standing(account, currency)
        bound = ZERO
        for instrument, value in exposures.items():
            share = ROUNDING.divide(value, account.leverage.get(instrument, self.leverage))
            bound = EXACT.add(bound, share.quantize(_CENT, ROUND_CEILING, ROUNDING))
        return Means(unrealised, bound, maintenance)

    def free(self, account: Account, currency: str) -> Decimal:
        """What may be spent or bound, never less than zero. Spot cannot spend what is not realised."""
        wallet = account.wallets.get(currency) or Wallet()
        if not account.stakes:
            means = self.means(account, currency) if _has_derivative_orders(account, currency) else None
            return wallet.free if means is None else max(ZERO, EXACT.subtract(wallet.free, means.bound))
        means = self.means(account, currency)
        return max(ZERO, EXACT.subtract(wallet.free, max(ZERO, EXACT.subtract(means.bound, means.unrealised))))

    def room(self, account: Account, currency: str, extra: Working | None = None) -> Decimal:
        """What may still be bound, unrealised profit included; negative where more is bound than there is."""
        means = self.means(account, currency, extra)
        equity = EXACT.add(account.wallet(currency).free, means.unrealised)
        return EXACT.subtract(equity, means.bound)

    def beyond(self, account: Account, currency: str) -> bool:
        """Whether its equity no longer covers the maintenance margin of its positions."""
        unrealised, maintenance = self._standing(account, currency)
        return maintenance > 0 and EXACT.add(account.wallet(currency).free, unrealised) < maintenance

    def liquidation_price(self, account: Account, stake: Stake) -> Decimal | None:
        """The price of this instrument at which the account would be beyond its means, all others as they are."""
        if not stake.size:
            return None
        means = self.means(account, stake.settle)
        price = self.price(stake)
        equity = EXACT.add(account.wallet(stake.settle).free, means.unrealised)
        net = gross = ZERO  # in hedge mode both sides go with the price
        for each in account.stakes.values():
            if each.instrument == stake.instrument:
                units = EXACT.multiply(each.size, each.contract)
                net, gross = EXACT.add(net, units), EXACT.add(gross, units.copy_abs())
        rate = EXACT.multiply(gross, self.maintenance)
        slope = EXACT.subtract(net, rate)
        if not slope:
            return None
        others = EXACT.subtract(means.maintenance, EXACT.multiply(rate, price))
        level = ROUNDING.divide(EXACT.fma(net, price, EXACT.subtract(others, equity)), slope)
        return level.quantize(_SHOWN_DIGITS, context=ROUNDING) if level > 0 else None

    def price(self, stake: Stake) -> Decimal:
        """The mark of a position, or what it was entered at while none is known."""
        price = self.mark(stake.instrument)
        return (stake.entry_price or ZERO) if price is None else price

    def _standing(self, account: Account, currency: str) -> tuple[Decimal, Decimal]:
        """(unrealised profit, maintenance margin) of its positions."""
        unrealised = maintenance = ZERO
        for stake in account.stakes.values():
            if stake.settle == currency and stake.size:
                price = self.price(stake)
                units = EXACT.multiply(stake.size, stake.contract)
                value = EXACT.multiply(units, price)
                unrealised = EXACT.add(unrealised, EXACT.subtract(value, stake.cost))
                maintenance = EXACT.fma(value.copy_abs(), self.maintenance, maintenance)
        return unrealised, maintenance

    def _exposures(self, account: Account, currency: str, extra: Working | None) -> dict[str, Decimal]:
        """Per instrument, the value at mark of the most that it can come to hold."""
        sizes: dict[tuple[str, str], list[Decimal]] = {}  # held, buys, sells
        units: dict[str, Decimal] = {}
        for stake in account.stakes.values():
            if stake.settle == currency and stake.size:
                sizes[stake.instrument, stake.position] = [stake.size, ZERO, ZERO]
                units[stake.instrument] = stake.contract
        for order in (*account.open.values(), *(() if extra is None else (extra,))):
            instrument, intent = order.instrument, order.intent
            if instrument.kind == "spot" or instrument.settle != currency or intent.reduce_only:
                continue
            units[instrument.id] = contract_of(instrument)
            row = sizes.setdefault((instrument.id, intent.position), [ZERO, ZERO, ZERO])
            at = 1 if intent.side == "buy" else 2
            row[at] = EXACT.add(row[at], order.left)
        values: dict[str, Decimal] = {}
        for (name, position), (held, buys, sells) in sizes.items():
            most = _most(position, held, buys, sells)
            value = EXACT.multiply(EXACT.multiply(most, units[name]), self.mark(name) or ZERO)
            values[name] = EXACT.add(values.get(name, ZERO), value)
        return values


def _most(position: str, held: Decimal, buys: Decimal, sells: Decimal) -> Decimal:
    """The largest position, either way, that these orders can make of it; in hedge mode the others only close."""
    if position == "long":
        return EXACT.add(held, buys)
    if position == "short":
        return EXACT.subtract(sells, held)
    return max(held.copy_abs(), EXACT.add(held, buys).copy_abs(), EXACT.subtract(held, sells).copy_abs())


def _has_derivative_orders(account: Account, currency: str) -> bool:
    return any(one.instrument.kind != "spot" and one.instrument.settle == currency for one in account.open.values())
