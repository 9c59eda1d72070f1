from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tapeline.store.numbers import decimal, exact_column, real


def test_fifteen_digits_need_no_second_column() -> None:
    assert real(Decimal("61837.63000000")) == (61837.63, True)
    assert exact_column({"price": Decimal("61837.63000000"), "size": None}) is None


def test_the_digits_a_float_cannot_hold_are_kept_as_text() -> None:
    value = Decimal("12345678901234567.89")
    stored, sure = real(value)
    assert not sure
    exact = exact_column({"price": value, "size": Decimal(1)})
    assert exact == '{"price":"12345678901234567.89"}'
    assert decimal(stored, "price", exact) == value
    assert decimal(1.0, "size", exact) == 1


def test_absent_is_absent() -> None:
    assert decimal(None, "price", None) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15))
def test_every_value_comes_back(value: Decimal) -> None:
    stored, _ = real(value)
    assert decimal(stored, "price", exact_column({"price": value})) == value


@given(st.text("0123456789", min_size=1, max_size=40), st.text("0123456789", min_size=1, max_size=40))
def test_any_length_of_digits_comes_back(whole: str, part: str) -> None:
    value = Decimal(f"{whole}.{part}")
    assert decimal(real(value)[0], "x", exact_column({"x": value})) == value
