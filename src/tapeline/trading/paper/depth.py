"""What the market shows of one instrument, and what we have taken of it. Pure; prices and sizes are exact."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from decimal import Decimal

from tapeline.model.event import BookDelta, BookSnapshot, Level, Quote
from tapeline.model.number import EXACT, ZERO

PENDING_MOST = 5_000  # deltas that wait for the state they follow


class Ladder:
    """One side: sizes by price, best last in `_keys` (bids by price, asks by price negated).

    What we took of a level stays taken until the market takes the level away, or shows less than we took.
    """

    __slots__ = ("_keys", "_sign", "_sizes", "_taken")

    def __init__(self, sign: int) -> None:
        self._sign = sign  # 1 bids, -1 asks
        self._keys: list[Decimal] = []
        self._sizes: dict[Decimal, Decimal] = {}
        self._taken: dict[Decimal, Decimal] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def clear(self) -> None:
        """Forget all, what was taken too."""
        self._keys.clear()
        self._sizes.clear()
        self._taken.clear()

    def load(self, levels: Sequence[tuple[Decimal, Decimal]]) -> None:
        """These levels and no others."""
        self._sizes = {price: size for price, size in levels if size > 0}
        self._keys = sorted(self._key(price) for price in self._sizes)
        for price in list(self._taken):
            self._forget(price, self._sizes.get(price, ZERO))

    def change(self, price: Decimal, size: Decimal) -> None:
        """This level now shows this size; zero: it is gone."""
        key = self._key(price)
        if size > 0:
            if price not in self._sizes:
                self._keys.insert(bisect_left(self._keys, key), key)
            self._sizes[price] = size
        elif self._sizes.pop(price, None) is not None:
            del self._keys[bisect_left(self._keys, key)]
        if price in self._taken:
            self._forget(price, size)

    @property
    def best(self) -> Decimal | None:
        """The best price shown; None where the side is empty."""
        return self._key(self._keys[-1]) if self._keys else None

    def size(self, price: Decimal) -> Decimal:
        """What is shown at this price."""
        return self._sizes.get(price, ZERO)

    def covers(self, price: Decimal) -> bool:
        """Whether we would see a level at this price: it is no deeper than the deepest that is shown."""
        return bool(self._keys) and self._key(price) >= self._keys[0]

    def available(self, limit: Decimal | None) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, what is left of it) from the best on, down to `limit`. Take nothing meanwhile."""
        floor = None if limit is None else self._key(limit)
        for key in reversed(self._keys):
            if floor is not None and key < floor:
                return
            price = self._key(key)
            left = EXACT.subtract(self._sizes[price], self._taken.get(price, ZERO))
            if left > 0:
                yield price, left

    def take(self, price: Decimal, size: Decimal) -> None:
        """We took this much of what is shown here."""
        self._taken[price] = EXACT.add(self._taken.get(price, ZERO), size)
        assert self._taken[price] <= self.size(price), f"took more than is shown at {price}"

    def _key(self, price: Decimal) -> Decimal:
        return price if self._sign > 0 else price.copy_negate()

    def _forget(self, price: Decimal, size: Decimal) -> None:
        """The market shows this size now: we cannot have taken more of it."""
        if size > 0:
            self._taken[price] = min(self._taken[price], size)
        else:
            del self._taken[price]


class Depth:
    """Both sides, from a book's snapshots and deltas or, where no book is known, from best bid and offer.

    `kind` says what is known: book | quotes | "". One book channel is followed; others are ignored until it is lost.
    """

    __slots__ = ("_channel", "_pending", "_sequence", "asks", "bids", "kind")

    def __init__(self) -> None:
        self.bids, self.asks = Ladder(1), Ladder(-1)
        self.kind = ""
        self._channel = ""
        self._sequence: int | None = None
        self._pending: deque[BookDelta] = deque(maxlen=PENDING_MOST)

    def side(self, side: str) -> Ladder:
        """What an order of this side would take: the asks for a buy."""
        return self.asks if side == "buy" else self.bids

    def queue(self, side: str) -> Ladder:
        """Where an order of this side rests: the bids for a buy."""
        return self.bids if side == "buy" else self.asks

    def snapshot(self, event: BookSnapshot) -> bool:
        """A whole state; whether it is a newer one than we had."""
        if self.kind == "book" and (event.channel != self._channel or self._behind(event)):
            return False
        self.bids.load(_numbers(event.bids))
        self.asks.load(_numbers(event.asks))
        self.kind, self._channel, self._sequence = "book", event.channel, event.last_seq
        waiting = [delta for delta in self._pending if delta.channel == event.channel]
        self._pending.clear()
        for delta in waiting:
            self.delta(delta)
        self._check()
        return True

    def delta(self, event: BookDelta) -> bool:
        """Changed levels; whether they belong to the state. Before a state they wait for it."""
        if self.kind != "book":
            self._pending.append(event)
            return False
        if event.channel != self._channel or self._behind(event):
            return False
        for price, size in _numbers(event.bids):
            self.bids.change(price, size)
        for price, size in _numbers(event.asks):
            self.asks.change(price, size)
        self._sequence = event.last_seq
        self._check()
        return True

    def quote(self, event: Quote) -> bool:
        """Best bid and offer; whether they are used: a book is better."""
        if self.kind == "book":
            return False
        for ladder, price, size in ((self.bids, event.bid, event.bid_size), (self.asks, event.ask, event.ask_size)):
            ladder.load([] if price is None or size is None else [(price, size)])
        self.kind = "quotes"
        self._check()
        return True

    def lose(self) -> None:
        """What is known cannot be trusted any more."""
        self.bids.clear()
        self.asks.clear()
        self._pending.clear()
        self.kind, self._channel, self._sequence = "", "", None

    def _behind(self, event: BookSnapshot | BookDelta) -> bool:
        """Whether an event is older than the state: a delta that is in it, a snapshot from before."""
        if event.last_seq is None or self._sequence is None:
            return False
        if isinstance(event, BookDelta):
            return event.last_seq <= self._sequence
        return event.source == "rest" and event.last_seq < self._sequence

    def _check(self) -> None:
        bid, ask = self.bids.best, self.asks.best
        if bid is not None and ask is not None and bid >= ask:
            self.lose()


def _numbers(levels: Sequence[Level]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(size)) for price, size in levels]
