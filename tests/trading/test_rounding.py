from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tapeline.model.instrument import Instrument
from tapeline.model.order import Intent
from tapeline.trading.rounding import Unfit, down, fit, up

BTC = Instrument(
    venue="sim", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT", tick=Decimal("0.01"),
    lot=Decimal("0.0001"),
)  # fmt: skip


def intent(**changes: object) -> Intent:
    given: dict[str, object] = {
        "instrument": BTC.id, "side": "buy", "kind": "limit", "size": Decimal("0.01"), "price": Decimal(100)
    }  # fmt: skip
    return Intent(**(given | changes))  # type: ignore[arg-type]  # a table of changes


def fitted(**changes: object) -> Intent:
    found = fit(intent(**({"size": Decimal(1)} | changes)), BTC, 0)
    assert isinstance(found, Intent), found
    return found


def test_a_limit_is_never_worse_than_asked() -> None:
    assert fitted(side="buy", price=Decimal("100.019")).price == Decimal("100.01")
    assert fitted(side="sell", price=Decimal("100.011")).price == Decimal("100.02")
    assert fitted(side="sell", price=Decimal("100.01")).price == Decimal("100.01")


@pytest.mark.parametrize(
    ("side", "kind", "stop"),
    [("buy", "stop", "100.02"), ("sell", "stop", "100.01"), ("buy", "take_profit", "100.01"),
     ("sell", "take_profit", "100.02")],
)  # fmt: skip
def test_what_an_order_waits_for_never_comes_sooner(side: str, kind: str, stop: str) -> None:
    assert fitted(side=side, kind=kind, price=None, stop_price=Decimal("100.015")).stop_price == Decimal(stop)


def test_sizes_are_rounded_down_and_what_may_be_spent_to_eight_digits() -> None:
    assert fitted(size=Decimal("0.12349")).size == Decimal("0.1234")
    spends = {"kind": "market", "price": None, "size": None}
    assert fitted(**spends, quote_size=Decimal(100) / 3).quote_size == Decimal("33.33333333")
    assert fitted(**spends, quote_size=Decimal("33.3")).quote_size == Decimal("33.3")


@pytest.mark.parametrize(
    ("trail", "rounded"),
    [("0.01", "0.01"), ("0.123456781", "0.12345679"), ("1e-400", "1e-8"), ("1e-999999", "1e-8")],
)
def test_how_far_it_trails_has_eight_digits_and_is_never_less(trail: str, rounded: str) -> None:
    asked = intent(kind="trailing_stop", price=None, trail=Decimal(trail))
    found = fit(asked, BTC, 0)
    assert not isinstance(found, Unfit)
    assert found.trail == Decimal(rounded)
    assert (found is asked) == (trail == rounded)


def test_what_fits_is_given_back_as_it_is() -> None:
    asked = intent(size=Decimal(1))
    assert fit(asked, BTC, 0) is asked


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"kind": "trailing_stop", "price": None}, "parameter"),
        ({"kind": "trailing_stop", "price": None, "trail": Decimal(1)}, "parameter"),
        ({"time_in_force": "gtd", "expires_ns": 5}, "parameter"),
        ({"price": Decimal("0.001")}, "tick"),
        ({"kind": "take_profit", "price": None, "stop_price": Decimal("0.001")}, "tick"),
        ({"size": Decimal("0.00001")}, "lot"),
        ({"kind": "market", "price": None, "size": None, "quote_size": Decimal("1e-9")}, "min_notional"),
    ],
)
def test_where_rounding_leaves_nothing_it_says_why(changes: dict[str, object], reason: str) -> None:
    found = fit(intent(**changes), BTC, 10)
    assert isinstance(found, Unfit)
    assert (found.reason, bool(found.text)) == (reason, True)


@pytest.mark.parametrize("name", ["size", "quote_size", "price", "stop_price", "trail"])
@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity", "1e15", "1e400"])
def test_what_nothing_can_be_reckoned_with_is_no_order(name: str, number: str) -> None:
    kind = "trailing_stop" if name == "trail" else "market" if name == "quote_size" else "limit"
    found = fit(intent(**{"kind": kind, name: Decimal(number)}), BTC, 0)
    assert found == Unfit("parameter", f"{name} {Decimal(number)} is no number that an order can have")


def test_an_instrument_without_steps_takes_any_number() -> None:
    free = replace(BTC, tick=None, lot=None)
    assert fit(intent(price=Decimal("0.123456789")), free, 0) == intent(price=Decimal("0.123456789"))


@given(
    st.decimals(min_value="0.00000001", max_value=10**12, places=8),
    st.decimals(min_value="0.00000001", max_value=1000, places=8),
)
def test_rounding_is_to_the_nearest_multiple_on_its_side(value: Decimal, step: Decimal) -> None:
    low, high = down(value, step), up(value, step)
    assert low <= value <= high
    assert high - low in {Decimal(0), step}
    assert low % step == 0
