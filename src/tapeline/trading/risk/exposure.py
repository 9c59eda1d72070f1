"""What is held and ordered everywhere, summed for the scope that a limit is about. Pure, exact."""

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from tapeline.model.number import EXACT, ROUNDING, ZERO
from tapeline.model.order import Order
from tapeline.trading.risk.rates import Key
from tapeline.trading.risk.standing import SCOPES, Held

WORST_DROP = Decimal("0.9")  # a market buy of a quote size may get this much more for it than the market says
_FINEST = Decimal("1E-18")


class Place(NamedTuple):
    """Whose position it is: `position` is net, long or short; `strategy` "" for what is of other origin."""

    account: str
    strategy: str
    instrument: str
    position: str = "net"

    @property
    def venue(self) -> str:
        """Of the instrument."""
        return self.instrument.partition(":")[0]

    def keys(self) -> dict[str, Key]:
        """Scope -> the name it has for this place."""
        return {
            "account": ("account", self.account),
            "strategy": ("strategy", self.strategy),
            "instrument": ("instrument", self.account, self.instrument),
            "venue": ("venue", self.venue),
        }


def held(
    size: Decimal, buys: Decimal, sells: Decimal, quote: Decimal, live: Iterable[Order], *, spot: bool,
    price: Decimal | None,
) -> Held:  # fmt: skip
    """A position with what `Blotter.worst` says of its orders, and those among `live` that only reduce.

    On spot no venue keeps an order from selling too much: there they count as any other. `quote` is what market buys
    may spend; without a `price` nobody knows for how much, and it counts nothing.
    """
    sums = {"buy": ZERO, "sell": ZERO}
    for order in live:
        if order.intent.reduce_only and order.left is not None:
            sums[order.intent.side] = EXACT.add(sums[order.intent.side], order.left)
    if quote and price:
        buys = EXACT.add(buys, most_of(quote, price))
    if spot:
        return Held(size=size, buys=EXACT.add(buys, sums["buy"]), sells=EXACT.add(sells, sums["sell"]))
    return Held(size=size, buys=buys, sells=sells, reduce_buys=sums["buy"], reduce_sells=sums["sell"])


def most_of(quote: Decimal, one: Decimal) -> Decimal:
    """The most that `quote` may buy where one is worth `one` now; rounded up, so that products of it stay exact."""
    most = ROUNDING.divide(quote, EXACT.multiply(one, WORST_DROP))
    return most.quantize(_FINEST, ROUND_CEILING, ROUNDING)


class Sums(NamedTuple):
    """One scope: what the order's own instrument holds there, and all others together at their worst."""

    held: Held
    gross: Decimal
    low: Decimal
    high: Decimal
    orders: int


EVERYTHING = dict.fromkeys(SCOPES, True)
_NOTHING = Held()


class Exposure:
    """`worth(instrument, size)`: what a size is worth now, in the currency accounts are valued in; None: not known."""

    def __init__(self, worth: Callable[[str, Decimal], Decimal | None]) -> None:
        self._worth = worth
        self._places: dict[Place, tuple[Held, int, dict[str, Key]]] = {}

    def set(self, place: Place, held: Held, orders: int) -> None:
        """What a place holds now, and how many of its orders are not final."""
        if held == _NOTHING and not orders:
            self._places.pop(place, None)
        else:
            self._places[place] = held, orders, place.keys()

    def places(self) -> list[Place]:
        """Where anything is held or ordered."""
        return list(self._places)

    def at(self, place: Place) -> Held:
        """What one place holds."""
        return self._places[place][0] if place in self._places else _NOTHING

    def sums(self, of: Place, wanted: Mapping[str, bool] = EVERYTHING) -> tuple[dict[str, Sums], str]:
        """Each wanted scope as an order at this place finds it; and the first position that nobody can value, or "".

        `wanted`: scope -> whether what all others are worth is asked for; else it is left at zero.
        """
        keys, unvalued = of.keys(), ""
        leg = (of.account, of.instrument, of.position)
        found = {}
        for scope, whole in wanted.items():
            key, own, orders = keys[scope], list[Held](), 0
            others: dict[tuple[str, str, str], list[Held]] = {}
            for place, (here, count, theirs) in self._places.items():
                if theirs[scope] != key:
                    continue
                orders += count
                if (place.account, place.instrument, place.position) == leg:
                    own.append(here)
                elif whole:
                    others.setdefault((place.account, place.instrument, place.position), []).append(here)
            total, missing = self._others(others)
            unvalued = unvalued or missing
            found[scope] = Sums(_sum(own), *total, orders)
        return found, unvalued

    def value(self, of: Place, sums: Sums) -> Decimal | None:
        """What all positions of a scope are worth together at their worst; None where this one cannot be valued."""
        own = self._worth(of.instrument, sums.held.worst) if sums.held != _NOTHING else ZERO
        return None if own is None else EXACT.add(own, sums.gross)

    def _others(self, legs: dict[tuple[str, str, str], list[Held]]) -> tuple[tuple[Decimal, Decimal, Decimal], str]:
        gross, low, high, unvalued = ZERO, ZERO, ZERO, ""
        for (_, instrument, _), parts in legs.items():
            whole = _sum(parts)
            values = [self._worth(instrument, size) for size in (whole.worst, whole.low, whole.high)]
            if values[0] is None or values[1] is None or values[2] is None:
                unvalued = unvalued or instrument
                continue
            gross, low, high = EXACT.add(gross, values[0]), EXACT.add(low, values[1]), EXACT.add(high, values[2])
        return (gross, low, high), unvalued


def _sum(parts: list[Held]) -> Held:
    if len(parts) < 2:
        return parts[0] if parts else _NOTHING
    return Held(**{name: sum_of(getattr(each, name) for each in parts) for name in Held.__struct_fields__})


def sum_of(values: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    total = ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total
