"""Orders that take, held against a book told as lists of single units, in random histories."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tapeline.model.event import BookDelta, BookSnapshot
from tapeline.model.instrument import Instrument
from tapeline.trading.paper.matching import Matcher

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
