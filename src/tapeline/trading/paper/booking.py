"""A fill on a paper exchange, booked: wallets, positions, fees, and what resting orders lock. Pure and exact."""

from decimal import Decimal

from tapeline.errors import OrderRefused
from tapeline.model.account import Fill
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.trading.paper.fees import Fees
from tapeline.trading.paper.funds import Working, lock_currency
from tapeline.trading.paper.outcome import Take


def book(
    order: Working, price: Decimal, size: Decimal, liquidity: str, *, fees: Fees, fill_id: str, now_ns: int
) -> Fill:
    """Change the account by this fill, and the order's own figures; what the venue tells of it."""
    account, instrument, side = order.account, order.instrument, order.intent.side
    fee, currency = fees.charge(instrument, side, price, size, liquidity)
    order.filled = EXACT.add(order.filled, size)
    order.value = EXACT.fma(price, size, order.value)
    realised = None
    if instrument.kind == "spot":
        value = EXACT.multiply(price, size)
        paid, got = (value, size) if side == "buy" else (size, value)
        relock(order, fees)
        account.change(instrument.quote if side == "buy" else instrument.base, paid.copy_negate(), "fill")
        account.change(instrument.base if side == "buy" else instrument.quote, got, "fill")
    else:
        stake = account.stake(instrument, order.intent.position)
        realised = stake.trade(side, price, size)
        account.moved[instrument.id, order.intent.position] = None
        account.change(instrument.settle, realised, "fill")
    account.change(currency, fee.copy_negate(), "fill")
    fill = Fill(
        instrument.id, "fills", now_ns, now_ns, "paper", account.name, id=fill_id, client_id=order.client_id,
        venue_id=order.venue_id, side=side, price=price, size=size, fee=fee, fee_currency=currency,
        liquidity=liquidity, realised=realised, position=order.intent.position, origin=order.origin,
    )  # fmt: skip
    account.fills.append(fill)
    return fill


def relock(order: Working, fees: Fees) -> None:
    """Lock what the rest of a spot order may need, and no more; of a list what the dearest of its orders may."""
    if order.instrument.kind != "spot":
        return
    if order.listing is None:
        order.account.lock(order, lock_currency(order), ZERO if order.final else needed(order, fees))
        return
    claiming = order.listing.claiming
    most = max((needed(each, fees) for each in claiming), default=ZERO)
    for each in order.listing.orders:
        each.account.lock(each, lock_currency(each), most if each is next(iter(claiming), None) else ZERO)


def needed(order: Working, fees: Fees) -> Decimal:
    """What the rest of a spot order may cost: nothing for one that takes at once and is gone."""
    if order.intent.side == "sell":
        return order.left
    price = order.price or order.intent.stop_price
    if price is None:
        return ZERO
    return with_fee(EXACT.multiply(price, order.left), order, fees)


def with_fee(value: Decimal, order: Working, fees: Fees) -> Decimal:
    """What a purchase of this value costs, where the fee comes on top."""
    return EXACT.fma(value, fees.on_top(order.instrument), value)


def cost(order: Working, takes: list[Take], fees: Fees) -> Decimal:
    """What a spot order spends by taking this: of its lock currency."""
    if order.intent.side == "sell":
        return total_of([size for _, size in takes])
    return with_fee(total_of([EXACT.multiply(price, size) for price, size in takes]), order, fees)


def lacks(order: Working, amount: Decimal, free: Decimal) -> OrderRefused:
    """The refusal of an order that cannot be paid."""
    currency = lock_currency(order)
    return OrderRefused(f"it takes {plain(amount)} {currency}, and {plain(free)} are free", reason="balance")


def total_of(values: list[Decimal]) -> Decimal:
    """Their sum, exactly."""
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total
