import decimal
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapeline.errors import BadData
from tapeline.model.number import EXACT, RECENT, ROUNDING, Recent, exact, number, plain

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15), max_value=10**15)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.10", Decimal("0.10")), ("1e-7", Decimal("0.0000001")), ("-3", Decimal(-3)), ("+3.5E2", Decimal(350)),
        (".5", Decimal("0.5")), ("5.", Decimal(5)), ("0", Decimal(0)), ("", None), (None, None),
        ("123456789012345678901234567890.123456789", Decimal("123456789012345678901234567890.123456789")),
    ],
)  # fmt: skip
def test_a_number_as_venues_write_it(text: str | None, value: Decimal | None) -> None:
    read = number(text)
    assert read == value
    assert (
        read is None or read.as_tuple() == Decimal(text or "").as_tuple()
    )  # no digit is lost, trailing zeros included


@pytest.mark.parametrize(
    "text",
    [
        "1,300",
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "1_000",
        "0x10",
        " 1",
        "1 ",
        "1\n",
        "--1",
        "e5",
        ".",
        "1e",
        "\uff11",
        "1e99999",
    ],
)
def test_what_is_no_number_is_bad_data(text: str) -> None:
    with pytest.raises(BadData, match="is not a number") as told:
        number(text)
    assert told.value.kind == "bad_number"


def test_long_rubbish_is_quoted_in_part() -> None:
    with pytest.raises(BadData) as told:
        number("x" * 1000)
    assert len(str(told.value)) < 80


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E-7", "0.0000001"), ("1.500", "1.5"), ("100", "100"), ("1E+3", "1000"), ("0.000", "0"), ("-0.00", "0"),
        ("-0", "0"), ("0E-10", "0"), ("-1.10", "-1.1"),
    ],
)  # fmt: skip
def test_plain_text(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(DECIMALS)
def test_plain_text_reads_back_as_the_same_value(value: Decimal) -> None:
    text = plain(value)
    assert number(text) == value
    assert "E" not in text
    assert text != "-0"


@given(st.lists(st.tuples(DECIMALS, DECIMALS), max_size=30))
def test_sums_of_products_are_exact_whatever_the_users_own_context(pairs: list[tuple[Decimal, Decimal]]) -> None:
    with decimal.localcontext(decimal.Context(prec=3)):
        total = Decimal(0)
        for price, size in pairs:
            total = EXACT.fma(price, size, total)
    scaled = sum(int(price.scaleb(12)) * int(size.scaleb(12)) for price, size in pairs)
    assert EXACT.compare(total, EXACT.multiply(Decimal(scaled), Decimal("1E-24"))) == 0


def test_what_cannot_be_exact_is_refused_not_rounded() -> None:
    with pytest.raises(decimal.Inexact):
        EXACT.divide(Decimal(1), Decimal(3))
    with pytest.raises(decimal.InvalidOperation):
        EXACT.multiply(Decimal("Infinity"), Decimal(0))
    assert ROUNDING.divide(Decimal(1), Decimal(3)) == Decimal("0." + "3" * 60)
    with pytest.raises(decimal.DivisionByZero):
        ROUNDING.divide(Decimal(1), Decimal(0))


@pytest.mark.parametrize("read", [exact, Recent().__getitem__])
def test_decoders_read_exactly_what_a_text_says(read: Callable[[str], Decimal]) -> None:
    for text in ("0.10", "1e-7", "-3", "61837.63000000", "1" * 60):
        assert read(text).as_tuple() == Decimal(text).as_tuple()
        assert read(text).as_tuple() == Decimal(text).as_tuple()
    for text in ("1,300", "1_000", " 1", "1 ", "", "x", "1" * 61):
        with pytest.raises(ArithmeticError):
            read(text)
    assert read("NaN").is_nan()


def test_what_is_remembered_is_bounded() -> None:
    recent = Recent()
    for each in range(1000):
        assert recent[str(each)] == each
        assert len(recent) <= RECENT
