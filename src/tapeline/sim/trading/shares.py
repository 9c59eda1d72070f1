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
from tapeline.trading.input import Halted
from tapeline.trading.orders import Blotter
from tapeline.trading.paper.exchange import Exchange

STOPS = "f"  # client ids of an emergency stop begin so


def shares(
    exchange: Exchange, account: str, blotter: Blotter, ledger: Ledger, records: Iterable[object], *,
    flattened: bool = False, others: Others | Nobody = NOBODY,
) -> Iterator[str]:  # fmt: skip
    """In words, everything in which strategies' lines are not what the journal and the venue say of them."""
    told = [each for each in records if isinstance(each, Fill | OrderUpdate | Halted) and each.account == account]
    # Of orders that are forgotten only the journal knows which they were.
    names = {
        (each.instrument, each.venue_id): each.client_id
        for each in told
        if not isinstance(each, Halted) and each.venue_id and each.client_id
    }
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
                of_place = [
                    each
                    for each in told
                    if isinstance(each, Halted)
                    or (isinstance(each, Fill) and (each.instrument, each.position) == (known.id, position))
                ]
                expected = _played(of_place, names, blotter)
                if mine != expected:
                    yield f"strategies hold {plain(mine)} of {name}, by the journal's fills {plain(expected)}"
                left = next(filter(None, of_strategies), ZERO)
            if flattened and left:
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


def _played(
    told: Iterable[Fill | Halted], names: Mapping[tuple[str | None, str], str], blotter: Blotter
) -> Decimal:  # fmt: skip
    """What strategies hold together after these fills of one derivative, by sizes alone.

    Others close what nobody holds first, a stop what strategies do; whoever closes all closes all that there is. Of an
    account that is flat and holds nothing, nobody holds any.
    """
    mine = theirs = ZERO
    flat = False
    seen = set[tuple[str, str]]()
    for each in told:
        if isinstance(each, Halted):
            flat = each.state == "flat"
        elif (each.id, each.side) not in seen:
            seen.add((each.id, each.side))
            size = each.size if each.side == "buy" else each.size.copy_negate()
            orders = (each.client_id, names.get((each.instrument, each.venue_id), ""))
            if any(map(blotter.owns, orders)):
                mine = EXACT.add(mine, size)
            else:
                mine, theirs = _closed(mine, theirs, size, stop=any(order.startswith(STOPS) for order in orders))
        if flat and not EXACT.add(mine, theirs):
            mine = theirs = ZERO
    return mine


def _closed(mine: Decimal, theirs: Decimal, size: Decimal, *, stop: bool) -> tuple[Decimal, Decimal]:
    """What strategies hold, and nobody, once no strategy has traded this."""
    held = EXACT.add(mine, theirs)
    if not held or (held > ZERO) == (size > ZERO):
        return mine, EXACT.add(theirs, size)
    if abs(size) >= abs(held):
        return ZERO, EXACT.add(held, size)
    first = mine if stop else theirs
    part = min(abs(size), abs(first)) if (first > ZERO) == (held > ZERO) else ZERO
    rest = EXACT.subtract(abs(size), part)
    of_mine, of_theirs = (part, rest) if stop else (rest, part)
    return EXACT.add(mine, of_mine.copy_sign(size)), EXACT.add(theirs, of_theirs.copy_sign(size))
