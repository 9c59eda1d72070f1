from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.trading.flatten import Closing, Steps, Stuck
from tapeline.trading.risk.orderly import fault

D = Decimal
SPOT = Instrument(
    venue="toy", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT",
    tick=D("0.1"), lot=D("0.01"), min_size=D("0.05"), min_notional=D(5),
)  # fmt: skip
PERP = msgspec.structs.replace(SPOT, kind="perpetual", settle="USDT")
STEPS = Steps(band=D("0.01"), widen=D("0.01"), band_max=D("0.02"), slices=4)


def closing(size: str, of: Instrument = PERP) -> Closing:
    return Closing(of, "main", D(size), STEPS)


def test_a_long_is_sold_in_parts_within_the_band() -> None:
    found = closing("4").slice(D(99), D(100))
    assert isinstance(found, Intent)
    assert (found.side, found.size, found.price, found.kind) == ("sell", D(1), D("98.1"), "limit")  # 98.01, not lower
    assert (found.time_in_force, found.reduce_only, found.account) == ("ioc", True, "main")


def test_a_short_is_bought_back() -> None:
    found = closing("-4").slice(D(99), D("100.03"))
    assert isinstance(found, Intent)
    assert (found.side, found.size, found.price) == ("buy", D(1), D("101.0"))  # 101.0303, not higher


def test_on_spot_there_is_no_flag_to_reduce() -> None:
    found = closing("4", SPOT).slice(D(99), D(100))
    assert isinstance(found, Intent)
    assert not found.reduce_only


def test_the_band_widens_after_what_was_not_filled_whole() -> None:
    one = closing("4")
    one.told(D(3), D(1))
    assert (one.band, one.widest) == (D("0.01"), False)
    one.told(D("2.5"), D(1))
    assert (one.band, one.widest) == (D("0.02"), True)
    one.told(D("2.5"), D(1))
    assert (one.size, one.band) == (D("2.5"), D("0.02"))


def test_without_a_price_nothing_is_sent() -> None:
    assert closing("4").slice(None, D(100)) == Stuck("no bid of toy:BTC/USDT is known")
    assert closing("-4").slice(D(99), None) == Stuck("no ask of toy:BTC/USDT is known")


def test_parts_that_are_too_small_are_taken_together() -> None:
    found = closing("0.1").slice(D(99), D(100))
    assert isinstance(found, Intent)
    assert found.size == D("0.1")
    small = closing("0.08", SPOT).slice(D(99), D(100))
    assert isinstance(small, Intent)
    assert small.size == D("0.08")


def test_in_hedge_mode_no_part_is_worth_less_than_the_venue_takes_and_all_of_it_may_be() -> None:
    for size, first in (("0.16", "0.08"), ("0.1", "0.1"), ("0.05", "0.05")):  # a part is worth at least 5
        of = Closing(PERP, "main", D(size), msgspec.structs.replace(STEPS, slices=2), "long")
        found = of.slice(D(99), D(100))
        assert isinstance(found, Intent)
        assert (found.size, found.position) == (D(first), "long")
    net = closing("0.2").slice(D(99), D(100))
    assert isinstance(net, Intent)
    assert net.size == D("0.05"), "an order that says that it reduces may be worth little"


def test_dust_stays() -> None:
    assert closing("0.04").slice(D(99), D(100)) == Stuck("0.04 of toy:BTC/USDT is less than the venue takes", dust=True)
    cheap = closing("0.05", SPOT).slice(D(9), D(10))
    assert isinstance(cheap, Stuck)
    assert cheap.dust


def test_without_a_tick_the_price_is_the_bands_end() -> None:
    free = msgspec.structs.replace(PERP, tick=None)
    found = Closing(free, "main", D(4), STEPS).slice(D(99), D(100))
    assert isinstance(found, Intent)
    assert found.price == D("98.01")


@given(
    size=st.integers(-500, 500).filter(bool).map(lambda n: Decimal(n) / 100), spot=st.booleans(),
    slices=st.integers(1, 9), fills=st.lists(st.integers(0, 100), min_size=1, max_size=30),
)  # fmt: skip
def test_no_slice_is_more_than_is_held_and_each_one_is_orderly(
    size: Decimal, *, spot: bool, slices: int, fills: list[int]
) -> None:
    known = SPOT if spot else PERP
    one = Closing(known, "main", size, msgspec.structs.replace(STEPS, slices=slices))
    for percent in fills:
        found = one.slice(D(99), D(100))
        if isinstance(found, Stuck):
            assert found.dust
            assert abs(one.size) < D("0.06")
            return
        assert found.size is not None
        assert found.price is not None
        assert found.size <= abs(one.size)
        assert fault(found, known, None) is None
        assert D(99) * D("0.98") <= found.price <= D(100) * D("1.02")
        filled = (found.size * percent / 100).quantize(D("0.01"))
        one.told(one.size + (filled if one.size < 0 else -filled), found.size)
        if one.size == 0:
            return
