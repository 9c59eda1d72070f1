from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.store.numbers import decimal, exact_column, reals


def test_fifteen_digits_need_no_second_column() -> None:
    assert reals([Decimal("61837.63000000"), None, Decimal("-0.02")]) == ([61837.63, None, -0.02], [])
    assert reals([]) == ([], [])
    assert exact_column({"price": Decimal("61837.63000000"), "size": None}) is None


def test_the_digits_a_float_cannot_hold_are_kept_as_text() -> None:
    value = Decimal("12345678901234567.89")
    (_, stored), unsure = reals([Decimal(1), value])
    assert unsure == [1]
    assert stored is not None
    exact = exact_column({"price": value, "size": Decimal(1)})
    assert exact == '{"price":"12345678901234567.89"}'
    assert decimal(stored, "price", exact) == value
    assert decimal(1.0, "size", exact) == 1


def test_absent_is_absent() -> None:
    assert decimal(None, "price", None) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15))
def test_every_value_comes_back(value: Decimal) -> None:
    (stored,), _ = reals([value])
    assert decimal(stored, "price", exact_column({"price": value})) == value


@given(st.text("0123456789", min_size=1, max_size=40), st.text("0123456789", min_size=1, max_size=40))
def test_any_length_of_digits_comes_back(whole: str, part: str) -> None:
    value = Decimal(f"{whole}.{part}")
    (stored,), unsure = reals([value])
    exact = exact_column({"x": value})
    assert unsure or exact is None
    assert decimal(stored, "x", exact) == value


def test_trailing_zeros_and_leading_ones_are_no_digits_to_lose() -> None:
    built = [Decimal("768787.4591831000000000"), Decimal("0.00012000000000000000"), Decimal(10**20), Decimal("0E-8")]
    assert reals(built)[1] == []
    assert reals([Decimal("768787.4591831000000001")])[1] == [0]


def test_an_exponent_is_looked_at_closely() -> None:
    small = Decimal("1.2345E-320")  # beyond what a float holds to the last digit
    (stored, whole), unsure = reals([small, Decimal("1E+3")])
    assert (unsure, whole) == ([0, 1], 1000.0)
    assert decimal(stored, "x", exact_column({"x": small})) == small


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_number_is_refused(value: Decimal) -> None:
    with pytest.raises(msgspec.MsgspecError):
        reals([Decimal(1), value])
