"""Orders that take and orders that rest, held against a book told as lists of single units, in random histories."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.model.event import BookDelta, BookSnapshot, Trade
from tapeline.model.instrument import Instrument
from tapeline.trading.paper.matching import Matcher
from tapeline.trading.paper.outcome import Hit
from tapeline.trading.paper.ticket import Ticket

D = Decimal
BTC = Instrument(
    venue="toy", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=D(1), lot=D(1)
)
PRICES = range(101, 106)  # of the asks; bids are as far below 100 as these are above it


class Naive:
    """The asks: price -> its units, "m" the market's, "x" those that we took."""

    def __init__(self) -> None:
        self.levels: dict[int, list[str]] = {}

    def shows(self, price: int, size: int) -> None:
        """The market's own units go first; what we took stays taken for as long as the level shows as much."""
        units = sorted(self.levels.get(price, []))  # "m" before "x"
        units = units[max(0, len(units) - size) :]
        self.levels[price] = ["m"] * (size - len(units)) + units

    def takes(self, size: int | None, limit: int | None, spend: int | None) -> list[tuple[int, int]]:
        """(price, units) from the best on; a market order with neither size nor money left ends."""
        found: list[tuple[int, int]] = []
        for price in sorted(self.levels):
            if limit is not None and price > limit:
                break
            for at, unit in enumerate(self.levels[price]):
                if unit == "x":
                    continue
                if size == 0 or (spend is not None and spend < price):
                    return found
                self.levels[price][at] = "x"
                size = None if size is None else size - 1
                spend = None if spend is None else spend - price
                if found and found[-1][0] == price:
                    found[-1] = (price, found[-1][1] + 1)
                else:
                    found.append((price, 1))
        return found


SHOWS = st.tuples(st.just("shows"), st.sampled_from(PRICES), st.integers(0, 5))
TAKES = st.tuples(st.just("takes"), st.integers(1, 9), st.one_of(st.none(), st.sampled_from(PRICES)))
SPENDS = st.tuples(st.just("spends"), st.integers(1, 900), st.none())


def mirrored(price: int, side: str) -> int:
    return price if side == "buy" else 200 - price


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["buy", "sell"]), st.lists(st.one_of(SHOWS, TAKES, SPENDS), max_size=30))
def test_what_is_taken_is_what_a_book_of_units_gives(side: str, steps: list[tuple[str, int, int | None]]) -> None:
    matcher, naive, seq = Matcher(BTC), Naive(), 1
    list(matcher.market(BookSnapshot(BTC.id, "book", 1, 1, "ws", [], [], last_seq=seq)))
    for what, number, other in steps:
        if what == "shows":
            seq += 1
            levels = [(str(mirrored(number, side)), str(other))]
            bids, asks = ([], levels) if side == "buy" else (levels, [])
            list(matcher.market(BookDelta(BTC.id, "book", seq, seq, "ws", bids, asks, first_seq=seq, last_seq=seq)))
            naive.shows(number, other or 0)
            continue
        if what == "spends" and side == "sell":
            continue  # only a buy says what it may spend
        size = D(number) if what == "takes" else None
        limit = None if other is None else D(mirrored(other, side))
        found = matcher.preview(side, size, limit=limit, spend=D(number) if what == "spends" else None)
        matcher.take(side, found)
        expected = naive.takes(number if size else None, other, None if size else number)
        assert [(int(price), int(units)) for price, units in found] == [
            (mirrored(price, side), units) for price, units in expected
        ]


class Resting:
    """One of ours: the market's units that were there before it, by their names."""

    def __init__(self, name: str, price: int, left: int, before: list[int]) -> None:
        self.name, self.price, self.left, self.before = name, price, left, set(before)


class NaiveQueues:
    """The bids: price -> the market's units, each with a name, the oldest first; what comes goes to the end.

    Trades take the oldest, cancels the newest. An order of ours gets what a trade has left once all that was there
    before it has had its part; what is given to one of ours, by price and then by time, is not given again.
    """

    def __init__(self) -> None:
        self.levels: dict[int, list[int]] = {}
        self.ours: list[Resting] = []
        self._named = 0

    def place(self, name: str, price: int, size: int) -> None:
        self.ours.append(Resting(name, price, size, self.levels.get(price, [])))

    def come(self, price: int, count: int) -> None:
        for _ in range(count):
            self._named += 1
            self.levels.setdefault(price, []).append(self._named)

    def go(self, price: int, count: int) -> None:
        here = self.levels.get(price, [])
        del here[max(0, len(here) - count) :]

    def trade(self, price: int, size: int) -> Iterator[tuple[str, int]]:
        here = self.levels.get(price, [])
        given = 0
        for each in sorted(self.ours, key=lambda one: -one.price):  # by time as they stand
            if each.price < price or not each.left:
                continue
            first = sum(unit in each.before for unit in here) if each.price == price else 0
            amount = min(each.left, max(0, size - first - given) if each.price == price else size - given)
            if amount > 0:
                each.left -= amount
                given += amount
                yield each.name, amount
        del here[:size]


BIDS = st.integers(95, 99)
MOVES = st.one_of(
    st.tuples(st.just("place"), BIDS, st.integers(1, 5)),
    st.tuples(st.just("come"), BIDS, st.integers(1, 5)),
    st.tuples(st.just("go"), BIDS, st.integers(1, 5)),
    st.tuples(st.sampled_from(["trade, level", "level, trade"]), BIDS, st.integers(1, 8)),
)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(["buy", "sell"]), st.lists(MOVES, min_size=5, max_size=40))
def test_what_rests_is_filled_as_queues_of_units_fill_it(side: str, moves: list[tuple[str, int, int]]) -> None:
    """`trade, level`: the trade is told, then what its level shows; some venues tell it the other way round."""
    matcher, naive, now = Matcher(BTC), NaiveQueues(), 1
    whole = [[("90", "1")], [("110", "1")]]  # far away on both sides: all between them is seen
    list(matcher.market(BookSnapshot(BTC.id, "book", 1, 1, "ws", whole[0], whole[1], last_seq=1)))

    def shows(price: int) -> list[Hit]:
        levels = [(str(mirrored_bid(price, side)), str(len(naive.levels.get(price, []))))]
        bids, asks = (levels, []) if side == "buy" else ([], levels)
        news = BookDelta(BTC.id, "book", now, now, "ws", bids, asks, first_seq=now, last_seq=now)
        return [each for each in matcher.market(news) if isinstance(each, Hit)]

    def trades(price: int, size: int) -> list[Hit]:
        taker = "sell" if side == "buy" else "buy"
        at = D(mirrored_bid(price, side))
        news = Trade(BTC.id, "trades", now, now, "ws", str(now), now, taker, at, D(size))
        return [each for each in matcher.market(news) if isinstance(each, Hit)]

    for what, price, size in moves:
        now += 1
        hits: list[Hit] = []
        expected: list[tuple[str, int]] = []
        if what == "place":
            naive.place(f"o{now}", price, size)
            matcher.rest(Ticket(f"o{now}", now, side, D(size), D(mirrored_bid(price, side))))
        elif what in {"come", "go"}:
            getattr(naive, what)(price, size)
            hits = shows(price)
        else:
            expected = list(naive.trade(price, size))
            steps = [partial(trades, price, size), partial(shows, price)]
            for step in steps if what == "trade, level" else reversed(steps):
                hits += step()
        assert [(each.ticket.name, int(each.size)) for each in hits] == expected
        assert all(each.price == each.ticket.price for each in hits), "at its own price, whatever went through it"


def mirrored_bid(price: int, side: str) -> int:
    return price if side == "buy" else 200 - price
