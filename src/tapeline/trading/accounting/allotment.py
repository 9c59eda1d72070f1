"""Whose it is that somebody else made a position smaller: each strategy's share of what no strategy did. Pure, exact.

Who opens from outside opens for nobody. Who closes, closes what is held: what nobody holds first, and the rest of
strategies, by what each holds. An emergency stop closes strategies' holdings first, as it sells for them.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from tapeline.model.account import Fill
from tapeline.model.instrument import Instrument, notional
from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.trading.accounting.lots import share_of
from tapeline.trading.rounding import down

NOBODY = ""  # the line of what belongs to no strategy


class Piece(NamedTuple):
    """What of a fill a line takes: signed size, value without sign, and the fee, None where it is not told yet.

    `taken`: no order of the strategy's did it.
    """

    strategy: str
    delta: Decimal
    value: Decimal
    fee: Decimal | None
    taken: bool = False


def allotted(
    delta: Decimal, sizes: Mapping[str | None, Decimal], instrument: Instrument, *, spare: Decimal | None = None,
    stopped: bool = False,
) -> dict[str, Decimal]:  # fmt: skip
    """A signed change that no strategy made, by strategy; the shares add up to it. `sizes`: what lines hold before it.

    `spare` is what of a coin no strategy's line holds: on spot a sale takes that first, and the account has no side.
    Without it (derivatives), who closes all that the account holds closes every line, those against each other too.
    `stopped`: an emergency stop did it.
    """
    if spare is None:
        held = sizes.get(None, ZERO)
        if not held or (held > ZERO) == (delta > ZERO):
            return {NOBODY: delta}
        if delta.copy_abs() >= held.copy_abs():
            shares = {name: size.copy_negate() for name, size in sizes.items() if name is not None and size}
            beyond = EXACT.add(shares.get(NOBODY, ZERO), EXACT.add(delta, held))
            return {name: size for name, size in (shares | {NOBODY: beyond}).items() if size}
        spare = sizes.get(NOBODY, ZERO)
        spare = ZERO if (spare > ZERO) == (delta > ZERO) else spare.copy_abs()
    elif delta > ZERO:
        return {NOBODY: delta}
    holding = {
        name: size.copy_abs() for name, size in sizes.items() if name and size and (size > ZERO) != (delta > ZERO)
    }  # fmt: skip
    whole = delta.copy_abs()
    mine = pro_rata(EXACT.subtract(whole, ZERO if stopped else min(whole, max(spare, ZERO))), holding, instrument.lot)
    for size in mine.values():
        whole = EXACT.subtract(whole, size)
    return {name: size.copy_sign(delta) for name, size in {**mine, NOBODY: whole}.items() if size}


def pieces(shares: Mapping[str, Decimal], fill: Fill, instrument: Instrument, value: Decimal) -> list[Piece]:
    """What each line takes of a fill of this value: sizes as allotted, values and fees in proportion, exact in sum."""
    values = (
        share_out(value, shares)
        if instrument.kind == "spot"
        else {name: notional(instrument, fill.price, size.copy_abs()) for name, size in shares.items()}
    )
    fees = {} if fill.fee is None else share_out(fill.fee, shares)
    return [Piece(name, delta, values[name], fees.get(name), taken=bool(name)) for name, delta in shares.items()]


def pro_rata(amount: Decimal, holding: Mapping[str, Decimal], lot: Decimal | None) -> dict[str, Decimal]:
    """As much of an amount as is held, by who holds it: whole lots in proportion, and the rest off the largest."""
    order = sorted(holding, key=lambda name: (holding[name].copy_negate(), name))
    total = ZERO
    for size in holding.values():
        total = EXACT.add(total, size)
    if amount >= total:
        return {name: holding[name] for name in order}
    shares: dict[str, Decimal] = {}
    left = amount
    for name in order:
        part = ROUNDING.divide(EXACT.multiply(amount, holding[name]), total)
        shares[name] = min(down(part, lot or FINEST), holding[name], left)
        left = EXACT.subtract(left, shares[name])
    for name in order:
        more = min(left, EXACT.subtract(holding[name], shares[name]))
        shares[name], left = EXACT.add(shares[name], more), EXACT.subtract(left, more)
    return {name: size for name, size in shares.items() if size}


def share_out(amount: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """An amount by weights, whose sign counts nothing; the last has the exact rest."""
    whole, left = ZERO, amount
    for weight in weights.values():
        whole = EXACT.add(whole, weight.copy_abs())
    shares: dict[str, Decimal] = {}
    for count, (name, weight) in enumerate(weights.items(), 1):
        shares[name] = left if count == len(weights) else share_of(amount, weight.copy_abs(), whole)
        left = EXACT.subtract(left, shares[name])
    return shares


FINEST = Decimal("1E-18")  # a share of a size without lots is rounded down to it
