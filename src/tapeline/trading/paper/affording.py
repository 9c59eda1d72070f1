"""Whether an account can pay for an order, or bear it, as the market is. Pure and exact, and changes nothing."""

from decimal import Decimal

from tapeline.errors import OrderRefused
from tapeline.model.number import EXACT, ZERO
from tapeline.trading.paper.booking import cost, lacks, needed
from tapeline.trading.paper.fees import Fees
from tapeline.trading.paper.funds import Working, contract_of, lock_currency
from tapeline.trading.paper.margin import Margin
from tapeline.trading.paper.matching import Matcher
from tapeline.trading.paper.outcome import Take


def check_funds(order: Working, matcher: Matcher, fees: Fees, margin: Margin) -> None:
    """Raises OrderRefused where the account cannot pay a spot order, or has too little margin for another."""
    if order.instrument.kind == "spot":
        amount = max(needed(order, fees), _at_once(order, matcher, fees))
        funds = funds_of(order, margin)
        if funds < amount:
            raise lacks(order, amount, funds)
    elif not _bearable(order, matcher, fees, margin):
        raise OrderRefused(f"{order.account.name} has too little margin for it", reason="margin")


def funds_of(order: Working, margin: Margin) -> Decimal:
    """What a spot order may spend: what is free, and what it and those of its list have locked."""
    funds = margin.free(order.account, lock_currency(order))
    for each in (order,) if order.listing is None else order.listing.orders:
        funds = EXACT.add(funds, each.locked)
    return funds


def takes_of(order: Working, matcher: Matcher, fees: Fees) -> list[Take]:
    """What the rest of an order would take of the market now."""
    size = None if order.size is None else order.left
    return matcher.preview(order.intent.side, size, limit=order.price, spend=spend_of(order, fees))


def spend_of(order: Working, fees: Fees) -> Decimal | None:
    """What of a quote size is left for the value, its fee aside."""
    money = order.intent.quote_size
    if money is None or fees.paid_in == "received":
        return money
    return EXACT.subtract(money, fees.charge(order.instrument, "buy", money, Decimal(1), "taker")[0])


def _at_once(order: Working, matcher: Matcher, fees: Fees) -> Decimal:
    """What a spot order costs that takes now: of its lock currency."""
    if order.waits or order.price is not None:
        return ZERO
    if not matcher.deferred:
        return cost(order, takes_of(order, matcher, fees), fees)
    if order.intent.quote_size is not None:
        return order.intent.quote_size
    price = matcher.price(order.intent.side)
    return ZERO if price is None else cost(order, [(price, order.left)], fees)


def _bearable(order: Working, matcher: Matcher, fees: Fees, margin: Margin) -> bool:
    """Whether the margin bears it: with its fee, and what it loses at once by a price worse than the mark."""
    account, settle = order.account, order.instrument.settle
    new = order.client_id not in account.open
    before = margin.means(account, settle).bound
    if margin.means(account, settle, order if new else None).bound <= before and new:
        return True
    takes = takes_of(order, matcher, fees) if order.price is None and not order.waits else []
    price = order.price or order.intent.stop_price or matcher.price(order.intent.side)
    takes = takes or ([] if price is None else [(price, order.left)])
    fee = loss = ZERO
    for price, size in takes:
        mark = margin.mark(order.instrument.id) or price
        units = EXACT.multiply(size, contract_of(order.instrument))
        fee = EXACT.fma(EXACT.multiply(units, price), fees.rate(order.instrument.id, "taker"), fee)
        worse = EXACT.subtract(price, mark) if order.intent.side == "buy" else EXACT.subtract(mark, price)
        loss = EXACT.fma(worse, units, loss)
    room = margin.room(account, settle, order if new else None)
    return room >= EXACT.add(max(ZERO, fee), max(ZERO, loss))
