"""Whose it is what an account holds: lines add up to it, and no strategy holds what somebody else has closed."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import reduce

from tapeline.model.account import Fill, OrderUpdate
from tapeline.model.number import EXACT, ZERO, plain
from tapeline.model.order import POSITIONS
from tapeline.sim.trading.others import Others
from tapeline.sim.trading.witness import NOBODY, Nobody
from tapeline.trading.accounting.holding import Holding, sellable
from tapeline.trading.accounting.ledger import Ledger
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange

STOPS = "f"  # client ids of an emergency stop begin so


def shares(
    exchange: Exchange, account: str, blotter: Blotter, ledger: Ledger, records: Iterable[object], *,
    flattened: bool = False, others: Others | Nobody = NOBODY,
) -> Iterator[str]:  # fmt: skip
    """In words, everything in which strategies' lines are not what the journal and the venue say of them."""
    told = [each for each in records if isinstance(each, Fill | OrderUpdate) and each.account == account]
    fills = [each for each in told if isinstance(each, Fill)]
    # Of orders that are forgotten only the journal knows which they were.
    names = {(each.instrument, each.venue_id): each.client_id for each in told if each.venue_id and each.client_id}
    for known in exchange.instruments.values():
        for position in POSITIONS:
            whole = ledger.holding(account, known.id, position)
            lines = {
                name: ledger.holding(account, known.id, position, name) for name in sorted(ledger.strategies(account))
            }
            name = known.id if position == "net" else f"{known.id} {position}"
            yield from _sums(name, whole, lines.values())
            of_strategies = [each.size for strategy, each in lines.items() if strategy]
            mine = reduce(EXACT.add, of_strategies, ZERO)
            if known.kind == "spot":
                yield from _covered(exchange, account, known.base, mine, others)
                price = exchange.matcher(known.id).price("sell")
                left = max(sellable(mine, known, price), ZERO)
            else:
                of_place = [each for each in fills if (each.instrument, each.position) == (known.id, position)]
                expected = _played(of_place, names, blotter)
                if mine != expected:
                    yield f"strategies hold {plain(mine)} of {name}, by the journal's fills {plain(expected)}"
                left = mine
            if flattened and left:  # what they hold against each other is nothing at the venue
                yield f"strategies hold {plain(mine)} of {name} after flattening"


def _sums(name: str, whole: Holding, lines: Iterable[Holding]) -> Iterator[str]:
    held = list(lines)
    figures = [
        ("size", whole.size, [each.size for each in held]), ("profit", _cash(whole), [_cash(each) for each in held]),
        ("funding", whole.funding, [each.funding for each in held]),
    ]  # fmt: skip
    figures += [
        (f"fee in {currency}", fee, [each.fees.get(currency, ZERO) for each in held])
        for currency, fee in whole.fees.items()
    ]
    for what, all_of_it, parts in figures:
        total = reduce(EXACT.add, parts, ZERO)
        if total != all_of_it:
            yield f"{what} of {name}: lines add up to {plain(total)}, the account's is {plain(all_of_it)}"


def _cash(holding: Holding) -> Decimal:
    """What sales brought over purchases."""
    return EXACT.subtract(holding.gross, holding.cost.copy_sign(holding.size) if holding.size else ZERO)


def _covered(
    exchange: Exchange, account: str, currency: str, mine: Decimal, others: Others | Nobody
) -> Iterator[str]:  # fmt: skip
    """No strategy holds a coin that is not there, but for what was taken out of the account."""
    there = next((each.total for each in exchange.balances(account) if each.currency == currency), None) or ZERO
    if mine > there and currency not in others.moved:
        yield f"strategies hold {plain(mine)} {currency}, and {plain(there)} are there"


def _played(fills: Iterable[Fill], names: Mapping[tuple[str | None, str], str], blotter: Blotter) -> Decimal:
    """What strategies hold together after these fills of one derivative, by sizes alone.

    Others close what nobody holds first, a stop what strategies do; whoever closes all closes all that there is.
    """
    mine = theirs = ZERO
    seen = set[tuple[str, str]]()
    for fill in fills:
        if (fill.id, fill.side) in seen:
            continue
        seen.add((fill.id, fill.side))
        size = fill.size if fill.side == "buy" else fill.size.copy_negate()
        orders = (fill.client_id, names.get((fill.instrument, fill.venue_id), ""))
        if any(map(blotter.owns, orders)):
            mine = EXACT.add(mine, size)
            continue
        held = EXACT.add(mine, theirs)
        if not held or (held > ZERO) == (size > ZERO):
            theirs = EXACT.add(theirs, size)
        elif abs(size) >= abs(held):
            mine, theirs = ZERO, EXACT.add(held, size)
        else:
            stop = any(each.startswith(STOPS) for each in orders)
            first = mine if stop else theirs
            part = min(abs(size), abs(first)) if (first > ZERO) == (held > ZERO) else ZERO
            rest = EXACT.subtract(abs(size), part)
            of_mine, of_theirs = (part, rest) if stop else (rest, part)
            mine = EXACT.add(mine, of_mine.copy_sign(size))
            theirs = EXACT.add(theirs, of_theirs.copy_sign(size))
    return mine
