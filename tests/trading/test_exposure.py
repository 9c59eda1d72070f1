from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tapeline.model.order import Intent, Order
from tapeline.trading.risk.exposure import Exposure, Place, held, sum_of
from tapeline.trading.risk.standing import Held

D = Decimal
BTC, ETH = "pit:BTC/USDT", "pit:ETH/USDT"
sizes = st.integers(0, 20).map(Decimal)


def worth(instrument: str, size: Decimal) -> Decimal | None:
    return None if instrument == "pit:DARK/USDT" else size * (100 if instrument == BTC else 10)


def order(side: str, size: str, filled: str = "0", *, reduce_only: bool = True) -> Order:
    intent = Intent(instrument=BTC, side=side, kind="limit", size=D(size), price=D(1), reduce_only=reduce_only)
    return Order(client_id="x", intent=intent, size=D(size), filled=D(filled))


@given(size=st.integers(-20, 20).map(Decimal), parts=st.tuples(sizes, sizes, sizes, sizes), data=st.data())
def test_no_sequence_of_fills_leaves_the_worst_case(
    size: Decimal, parts: tuple[Decimal, Decimal, Decimal, Decimal], data: st.DataObject
) -> None:
    at = Held(size=size, buys=parts[0], sells=parts[1], reduce_buys=parts[2], reduce_sells=parts[3])
    low, high, worst = at.low, at.high, at.worst
    left, position = list(parts), size
    for which, some in data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 20)), max_size=12)):
        amount = min(left[which], Decimal(some))
        if which == 2:
            amount = min(amount, max(-position, D(0)))  # the venue stops a reduce-only order at zero
        elif which == 3:
            amount = min(amount, max(position, D(0)))
        left[which] -= amount
        position += amount if which in {0, 2} else -amount
        assert low <= position <= high
        assert abs(position) <= worst


def test_the_worst_case_is_reached() -> None:
    at = Held(size=D(10), sells=D(10), reduce_sells=D(10))
    assert (at.low, at.high, at.worst) == (D(-10), D(10), D(10))
    short = Held(size=D(-4), buys=D(3), reduce_buys=D(9))
    assert (short.low, short.high, short.worst) == (D(-4), D(3), D(4))


def test_one_more_order() -> None:
    at = Held(size=D(1))
    assert at.with_order("buy", D(2), reduces=False) == Held(size=D(1), buys=D(2))
    assert at.with_order("sell", D(2), reduces=True) == Held(size=D(1), reduce_sells=D(2))


def test_what_blotter_and_ledger_say_as_one() -> None:
    live = [order("sell", "5", "2"), order("buy", "1"), order("sell", "7", reduce_only=False)]
    assert held(D(3), D(1), D(7), D(0), live, spot=False, price=None) == Held(
        size=D(3), buys=D(1), sells=D(7), reduce_buys=D(1), reduce_sells=D(3)
    )
    assert held(D(3), D(1), D(7), D(0), live, spot=True, price=None) == Held(size=D(3), buys=D(2), sells=D(10))
    assert held(D(0), D(1), D(0), D(90), [], spot=True, price=D(100)) == Held(buys=D(2))
    assert held(D(0), D(1), D(0), D(90), [], spot=True, price=None) == Held(buys=D(1))


def test_sums_by_scope() -> None:
    exposure = Exposure(worth)
    exposure.set(Place("main", "grid", BTC), Held(size=D(1)), 1)
    exposure.set(Place("main", "cross", BTC), Held(size=D(-3), buys=D(1)), 2)
    exposure.set(Place("main", "grid", ETH), Held(size=D(-5)), 4)
    exposure.set(Place("second", "grid", ETH), Held(size=D(7)), 8)
    exposure.set(Place("far", "grid", "moon:BTC/USDT"), Held(size=D(2)), 16)
    sums, unvalued = exposure.sums(Place("main", "grid", BTC))
    assert unvalued == ""
    assert sums["account"] == (Held(size=D(-2), buys=D(1)), D(50), D(-50), D(-50), 7)
    assert sums["strategy"] == (Held(size=D(1)), D(140), D(40), D(40), 29)
    assert sums["instrument"] == (Held(size=D(-2), buys=D(1)), D(0), D(0), D(0), 3)
    assert sums["venue"] == (Held(size=D(-2), buys=D(1)), D(120), D(20), D(20), 15)
    assert exposure.value(Place("main", "grid", BTC), sums["account"]) == D(250)


def test_hedged_legs_add_up_in_gross() -> None:
    exposure = Exposure(worth)
    exposure.set(Place("main", "", BTC, "long"), Held(size=D(2)), 0)
    exposure.set(Place("main", "", BTC, "short"), Held(size=D(-2)), 0)
    sums, _ = exposure.sums(Place("main", "", BTC, "long"))
    assert sums["account"] == (Held(size=D(2)), D(200), D(-200), D(-200), 0)


def test_what_nobody_can_value_is_named() -> None:
    exposure = Exposure(worth)
    exposure.set(Place("main", "", "pit:DARK/USDT"), Held(size=D(2)), 0)
    sums, unvalued = exposure.sums(Place("main", "grid", BTC))
    assert unvalued == "pit:DARK/USDT"
    assert sums["account"].gross == D(0)
    dark = Place("main", "grid", "pit:DARK/USDT")
    assert exposure.value(dark, exposure.sums(dark)[0]["account"]) is None


def test_a_place_that_holds_nothing_is_forgotten() -> None:
    exposure, place = Exposure(worth), Place("main", "grid", BTC)
    exposure.set(place, Held(size=D(1)), 0)
    assert (exposure.places(), exposure.at(place)) == ([place], Held(size=D(1)))
    exposure.set(place, Held(), 0)
    assert (exposure.places(), exposure.at(place)) == ([], Held())


def test_sum() -> None:
    assert sum_of([D("0.1"), D("0.2")]) == D("0.3")
