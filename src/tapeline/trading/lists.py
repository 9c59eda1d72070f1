"""Orders that a venue keeps as one list: it ends the others as it fills the one. Pure."""

from collections.abc import Container, Iterable, Sequence
from decimal import Decimal

from tapeline.model.number import EXACT, ZERO
from tapeline.model.order import Order
from tapeline.trading.life import Life, Worst


class Lists:
    """Every list of ours, by its client id."""

    def __init__(self) -> None:
        self._lives: dict[str, tuple[Life, ...]] = {}
        self._of: dict[str, str] = {}  # client id of an order -> of its list

    def tie(self, name: str, lives: Sequence[Life]) -> None:
        """These are one list from now on."""
        self._lives[name] = tuple(lives)
        self._of |= {life.order.client_id: name for life in lives}

    def untie(self, name: str) -> None:
        """They are not sent as a list after all."""
        for life in self._lives.pop(name, ()):
            self._of.pop(life.order.client_id, None)

    def of(self, client_id: str) -> str:
        """The list that an order is of, "" where it stands by itself."""
        return self._of.get(client_id, "")

    def others(self, client_id: str) -> list[Order]:
        """The others of an order's list, whatever became of them."""
        lives = self._lives.get(self.of(client_id), ())
        return [life.order for life in lives if life.order.client_id != client_id]

    def most(self, name: str) -> Decimal:
        """What may still come of it beyond the fills we have: what one of its orders may, less what any was filled."""
        lacking = held = ZERO
        for life in self._lives[name]:
            lacking, held = EXACT.add(lacking, life.lacking), EXACT.add(held, life.held)
        if all(life.order.final and not life.contradicted for life in self._lives[name]):
            return lacking
        size = max(life.order.size or ZERO for life in self._lives[name])
        return max(ZERO, EXACT.subtract(size, held))

    def worst(self, lives: Iterable[Life]) -> Worst:
        """What may still be filled of these on either side, beyond the fills that we have. A list counts once."""
        sizes = {"buy": ZERO, "sell": ZERO}
        quote = ZERO
        counted: set[str] = set()
        for life in lives:
            order, intent = life.order, life.order.intent
            most = life.lacking if intent.reduce_only else life.most
            if not intent.reduce_only and (name := self.of(order.client_id)):
                most = ZERO if name in counted else self.most(name)
                counted.add(name)
            if most is None:
                spent = EXACT.subtract(intent.quote_size or ZERO, life.held_value)
                quote = EXACT.add(quote, max(ZERO, spent))
                continue
            for side in (intent.side,) if intent.side in sizes else sizes:
                sizes[side] = EXACT.add(sizes[side], most)
        return Worst(sizes["buy"], sizes["sell"], quote)

    def forget(self, gone: Container[int]) -> None:
        """Drop the lists that are over and of which an order, by its `id()`, is dropped."""
        for name, lives in self.items():
            if any(id(life) in gone for life in lives) and not any(life.counts for life in lives):
                self.untie(name)

    def items(self) -> list[tuple[str, tuple[Life, ...]]]:
        """All of them, oldest first."""
        return list(self._lives.items())
