from decimal import Decimal

from msgspec.structs import replace

from tapeline.errors import Unsynchronised
from tapeline.model.event import Bar, Quote
from tapeline.trading.sight import Sight

D = Decimal
NAME = "sim:A/B"


def bar(open_ns: int, close: str, *, revision: int = 1, channel: str = "bars:1m") -> Bar:
    price = D(close)
    return Bar(
        NAME, channel, open_ns, open_ns, "ws", interval="1m", open_at_ns=open_ns, open=price, high=price, low=price,
        close=price, volume=D(1), quote_volume=None, trades=1, taker_buy_volume=None, first_id=None, last_id=None,
        closed=True, revision=revision,
    )  # fmt: skip


class ABook:
    instrument = NAME

    def __init__(self, *, good: bool = True, broken: bool = False) -> None:
        self.synchronised, self._broken = good, broken

    def top(self, count: int) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        if self._broken:
            raise Unsynchronised("torn", reason="torn", age_s=1.0)
        return [(D(99), D(1))][:count], []


def test_the_price_is_the_middle_else_the_mark_else_the_last() -> None:
    sight = Sight(NAME, None)
    assert (sight.price(), sight.value_price()) == (None, None)
    sight.last = D(10)
    assert (sight.price(), sight.value_price()) == (D(10), D(10))
    sight.mark = D(11)
    assert (sight.price(), sight.value_price()) == (D(11), D(11))
    sight.quote = Quote(NAME, "quotes", 1, 1, "ws", D(8), D(1), D(9), D(1))
    assert (sight.price(), sight.value_price()) == (D("8.5"), D(11))


def test_a_book_that_can_be_trusted_is_better_than_a_quote() -> None:
    sight = Sight(NAME, None)
    sight.quote = Quote(NAME, "quotes", 1, 1, "ws", D(8), D(1), D(9), D(1))
    sight.book = ABook()
    assert sight.best() == (D(99), None)
    sight.book = ABook(good=False)
    assert sight.best() == (D(8), D(9))
    sight.book = ABook(broken=True)
    assert sight.best() == (None, None)


def test_risk_is_told_how_old_and_how_good_the_data_are() -> None:
    sight = Sight(NAME, None)
    blank = sight.market(5_000_000_000, None, 0.0)
    assert (blank.age_s, blank.repaired_s_ago, blank.synchronised, blank.rate) == (None, None, True, None)
    sight.heard_ns, sight.last = 1_000_000_000, D(7)
    sight.hole("trades", 3_000_000_000)
    told = sight.market(5_000_000_000, D(1), 0.25)
    assert (told.age_s, told.repaired_s_ago, told.price, told.clock_offset_s) == (4.0, 2.0, D(7), 0.25)


def test_bars_are_kept_in_order_and_corrected_in_place() -> None:
    sight = Sight(NAME, None)
    assert sight.bars("1m", 3) == []
    for each in (bar(0, "1"), bar(60, "2"), bar(120, "3")):
        sight.remember(each)
    sight.remember(bar(60, "2.5", revision=2))
    sight.remember(replace(bar(30, "9"), open_at_ns=30))
    sight.remember(bar(-60, "9"))
    assert [each.close for each in sight.bars("1m", 2)] == [D("2.5"), D(3)]
    assert len(sight.bars("1m", 99)) == 3


def test_the_venues_own_bars_come_before_built_ones() -> None:
    sight = Sight(NAME, None)
    sight.remember(bar(0, "1", channel="bars:1m@trades"))
    assert sight.bars("1m", 1)[0].close == D(1)
    sight.remember(bar(0, "2"))
    assert sight.bars("1m", 1)[0].close == D(2)


def test_a_hole_ends_what_is_proven() -> None:
    sight = Sight(NAME, None)
    assert not sight.is_proven("trades", 0, 1)
    sight.prove("trades", 100, 200)
    assert sight.is_proven("trades", 100, 200)
    assert not sight.is_proven("trades", 99, 200)
    sight.hole("trades", 210)
    assert not sight.is_proven("trades", 100, 150)
    sight.prove("trades", 150, 300)
    assert sight.is_proven("trades", 150, 300)
