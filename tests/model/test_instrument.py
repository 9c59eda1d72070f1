from dataclasses import dataclass
from decimal import Decimal

import pytest

from tapeline.model.instrument import Instrument, base_size, kind_said, notional, split_id

SPOT = Instrument(venue="toy", symbol="BTC/USDT", native="BTCUSDT", kind="spot", base="BTC", quote="USDT")


@dataclass(frozen=True)
class Case:
    unit: str
    contract: str
    inverse: bool
    price: str
    size: str
    notional: str
    base: str


CASES = [
    Case("base", "1", False, "60000.5", "0.25", "15000.125", "0.25"),
    Case("contract", "0.01", False, "60000", "3", "1800", "0.03"),  # a linear contract is so much of base
    Case("contract", "100", True, "50000", "7", "700", "0.014"),  # an inverse one so much of quote
]


@pytest.mark.parametrize("case", CASES, ids=["spot", "linear", "inverse"])
def test_what_a_size_is_worth_and_how_much_of_base_it_is(case: Case) -> None:
    one = Instrument(
        venue="toy", symbol="S", native="S", kind="perpetual", base="BTC", quote="USDT", size_unit=case.unit,
        contract_size=Decimal(case.contract), inverse=case.inverse,
    )  # fmt: skip
    assert notional(one, Decimal(case.price), Decimal(case.size)) == Decimal(case.notional)
    assert base_size(one, Decimal(case.price), Decimal(case.size)) == Decimal(case.base)


def test_a_value_of_many_digits_is_exact() -> None:
    price, size = Decimal("0.000000012345678901"), Decimal("98765432109876.54321")
    digits = 12345678901 * 9876543210987654321
    assert notional(SPOT, price, size) == Decimal(f"{digits}E-23")


def test_its_name() -> None:
    assert SPOT.id == "toy:BTC/USDT"
    assert split_id("okx:BTC/USDT:USDT-251226") == ("okx", "BTC/USDT:USDT-251226")
    assert split_id("nothing") == ("nothing", "")
    assert (SPOT.status, SPOT.tick, SPOT.contract_size) == ("trading", None, Decimal(1))


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("BTC/USDT", "spot"), ("BTC/USDT:USDT", "perpetual"), ("BTC/USD:BTC-251226", "future"),
        ("BTC/USD:BTC-251226-60000-C", "option"), ("BTC-USDT-SWAP", ""), ("BTCUSDT", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_unified_symbol_says_what_kind_it_is_of(symbol: str, kind: str) -> None:
    assert kind_said(symbol) == kind
