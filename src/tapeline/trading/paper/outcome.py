"""What the market makes of working orders, and what is assumed where it cannot be known. Pure."""

from decimal import Decimal

import msgspec

from tapeline.model.number import EXACT, ZERO
from tapeline.trading.paper.ticket import Ticket


class Matching(msgspec.Struct, frozen=True, kw_only=True):
    """What cannot be known of a market, and is said instead.

    `cancel_share` of what is cancelled at a level is taken to have stood before us (0: all behind us). `touch`: where
    no queue is known, a trade at our price fills us; else only one that goes through it does. `whole`: a trade that
    goes through our price fills all of an order, else as much as was traded. `slippage` is the fraction by which a
    price is worse than the last, where no depth is known.
    """

    cancel_share: Decimal = ZERO
    touch: bool = False
    whole: bool = False
    slippage: Decimal = ZERO


class Hit(msgspec.Struct, frozen=True):
    """A working order is filled; its ticket has that much less left already."""

    ticket: Ticket
    price: Decimal
    size: Decimal
    liquidity: str  # maker | taker


class Triggered(msgspec.Struct, frozen=True):
    """What an order waited for has come; it is no longer held, and is to be placed now."""

    ticket: Ticket


class Lapsed(msgspec.Struct, frozen=True):
    """An order that may not rest found nothing at the open of a bar; it is no longer held."""

    ticket: Ticket


Outcome = Hit | Triggered | Lapsed
Take = tuple[Decimal, Decimal]  # price, size


def joined(takes: list[Take]) -> list[Take]:
    """Takes at one price as one."""
    joined: dict[Decimal, Decimal] = {}
    for price, size in takes:
        joined[price] = EXACT.add(joined.get(price, ZERO), size)
    return list(joined.items())


def total_of(takes: list[Take]) -> Decimal:
    """Their size, exactly."""
    total = ZERO
    for _, size in takes:
        total = EXACT.add(total, size)
    return total
